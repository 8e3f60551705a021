// The real server on a free port, with a data directory of its own, serving the built demo page.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = join(root, 'web-demo/dist');

/**
 * Starts a server; `replies` gives it the scripted engine, `model` a folder with a checkpoint, `settings` are lines of its
 * configuration file, and without `demo` it serves no demo page.
 *
 * @returns {Promise<{url: string, admin: string, kill(): Promise<void>, stop(): Promise<void>}>} `admin` is the key of
 *   the first start.
 */
export async function startServer({ replies, model, settings = [], demo = true } = {}) {
  const binary = join(root, 'target/debug', replies ? 'smart-summary-scripted' : 'smart-summary');
  for (const needed of demo ? [binary, join(page, 'index.html')] : [binary]) {
    if (!existsSync(needed)) throw new Error(`${needed} is missing: run \`cargo xtask test\`, which builds it`);
  }
  const data = mkdtempSync(join(tmpdir(), 'smart-summary-'));
  writeFileSync(join(data, 'smart-summary.toml'), settings.join('\n'));
  const args = ['--data-dir', data, 'serve', '--bind', '127.0.0.1:0', '--metrics-bind', 'off'];
  if (demo) args.push('--demo', page);
  if (replies) {
    writeFileSync(join(data, 'script.json'), JSON.stringify({ replies }));
    args.push('--engine', 'scripted', '--script', join(data, 'script.json'));
  }
  if (model) args.push('--engine', 'glm4v', '--model', model);
  // Whether Tesseract is installed must not matter here.
  const env = { ...process.env, SMART_SUMMARY__ENGINE__TESSERACT: 'off' };
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  const first = new Promise((resolve) => {
    child.stderr.on('data', (text) => {
      log += text;
      const match = /shown only now: (ss_live_\w+)\s/.exec(log);
      if (match) resolve(match[1]);
    });
  });
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^listening (http:\/\/\S+)$/.exec(line);
      if (match) resolve(match[1]);
    });
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
  const admin = await first;
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return {
    url,
    admin,
    kill,
    async stop() {
      await kill();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** Stands between the browser and the server and keeps the bodies of the summaries that were asked for. */
export async function record(server) {
  const bodies = [];
  const target = new URL(server.url);
  const proxy = createServer((incoming, answer) => {
    const chunks = [];
    const { method, url: path } = incoming;
    // The server knows one address of its page: its own.
    const headers = { ...incoming.headers, host: target.host };
    if (headers.origin !== undefined) headers.origin = target.origin;
    const onward = request({ host: target.hostname, port: target.port, method, path, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => path === '/v1/summaries' && bodies.push(Buffer.concat(chunks)));
    incoming.pipe(onward);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return { url: `http://127.0.0.1:${proxy.address().port}`, bodies, stop: () => proxy.close() };
}
