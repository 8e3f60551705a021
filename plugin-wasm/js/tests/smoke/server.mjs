// The page, the package and a backend that answers as a script says. Serves on a free port of this machine only.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const DIST = new URL('../../dist/', import.meta.url);
const FIXTURES = new URL('../../../tests/fixtures/', import.meta.url);
// `.wasm` and the dictionary have a wrong media type on purpose: many sites serve them so.
const TYPES = { js: 'text/javascript', json: 'application/json', jpg: 'image/jpeg' };
const CSP = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; img-src 'self' blob:";

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Smoke</title>
<script type="module" src="/page.js"></script></html>`;
const PAGE_SCRIPT = `import * as smart from '/dist/index.js';
import { downscale } from '/dist/downscale.js';
Object.assign(window, { smart: { ...smart, downscale } });`;
// The real module, but a file that ends with four letters brings it down as a picture could.
const TRAPPING = `export { default } from './core-real.js';
import { Picture as Real } from './core-real.js';
const UNREACHABLE = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,116,0,0,10,5,1,3,0,0,11]);
export class Picture extends Real {
  constructor(bytes, ...wishes) {
    super(bytes, ...wishes);
    this.isTrap = new TextDecoder().decode(bytes.subarray(-4)) === 'trap';
  }
  begin(...layout) {
    if (this.isTrap) new WebAssembly.Instance(new WebAssembly.Module(UNREACHABLE)).exports.t();
    return super.begin(...layout);
  }
}`;

/** Starts it. `requests` lists every request to the backend with its headers, body and whether its client left early. */
export async function serve() {
  const backend = { scripts: new Map(), requests: [], assets: [] };
  const server = createServer((request, response) => {
    answer(request, response, backend).catch((error) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { ...backend, origin, close: () => (server.closeAllConnections(), server.close()) };
}

async function answer(request, response, backend) {
  const { pathname } = new URL(request.url, 'http://x');
  const summaries = pathname.match(/^\/backend\/(.+)\/v1\/summaries$/);
  if (summaries) return summarise(summaries[1], request, response, backend);
  backend.assets.push(pathname);
  if (pathname === '/') return send(response, 'text/html', PAGE);
  if (pathname === '/page.js') return send(response, TYPES.js, PAGE_SCRIPT);
  if (pathname === '/trapping/wasm/core.js') return send(response, TYPES.js, TRAPPING);
  const [, root, path] = pathname.match(/^\/(dist|trapping|fixtures)\/([\w./-]+)$/) ?? [];
  if (path === undefined || path.includes('..')) return response.writeHead(404).end();
  const file = new URL(path.replace('core-real.js', 'core.js'), root === 'fixtures' ? FIXTURES : DIST);
  try {
    send(response, TYPES[path.split('.').pop()] ?? 'application/octet-stream', await readFile(fileURLToPath(file)));
  } catch {
    response.writeHead(404).end();
  }
}

function send(response, type, body) {
  response
    .writeHead(200, { 'content-type': type, 'content-security-policy': CSP, 'cache-control': 'no-store' })
    .end(body);
}

async function summarise(name, request, response, { scripts, requests }) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const form = await new Response(body, { headers: { 'content-type': request.headers['content-type'] } }).formData();
  const entry = { name, headers: request.headers, form, left: false };
  requests.push(entry);
  response.on('close', () => (entry.left = !response.writableFinished));
  const nth = requests.filter((earlier) => earlier.name === name).length;
  await scripts.get(name)(response, nth, entry);
}
