// A server between the browser and the backend, which keeps what passes.

import { once } from 'node:events';
import { createServer } from 'node:http';

/** Starts a server on a free loopback port; gives its address. */
export async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * A server before the one at `backend`: `passed` holds what went through, and of an answer's headers those that are `kept`
 * go on.
 */
export function gateway(backend, { kept }) {
  const passed = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = request.method === 'POST' ? Buffer.concat(parts) : undefined;
    passed.push({ method: request.method, path: request.url, type: request.headers['content-type'], body });
    const headers = { ...request.headers };
    for (const name of ['host', 'connection', 'content-length']) delete headers[name];
    const answer = await fetch(backend + request.url, { method: request.method, headers, body });
    const goOn = ([name]) =>
      kept === 'all'
        ? !/^(content-encoding|content-length|transfer-encoding|connection)$/.test(name)
        : kept.includes(name);
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(goOn)));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  return { server, passed };
}

/** The requests for summaries that passed, as the forms that they were sent as. */
export const formsOf = (passed) =>
  Promise.all(
    passed
      .filter(({ method, path }) => method === 'POST' && path === '/v1/summaries')
      .map(({ type, body }) => new Response(body, { headers: { 'content-type': type } }).formData()),
  );
