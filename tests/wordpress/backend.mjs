// The real server with the embedded engine, on a free loopback port.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { root } from './site.mjs';

/**
 * Starts a server; `settings` are lines of its configuration file. With `chats` it has a model that answers as they say.
 *
 * @returns {Promise<{url: string, createKey(scopes: string, origin: string): {id: string, key: string}, revoke(id: string): void, stop(): Promise<void>}>}
 */
export async function startBackend({ settings = [], bind = '127.0.0.1:0', data = undefined, chats = undefined } = {}) {
  const binary = join(root, `target/debug/smart-summary${chats === undefined ? '' : '-scripted'}`);
  if (!existsSync(binary)) throw new Error(`${binary} is missing: run \`cargo xtask test\`, which builds it`);
  const folder = data ?? mkdtempSync(join(tmpdir(), 'smart-summary-wp-'));
  writeFileSync(join(folder, 'smart-summary.toml'), settings.join('\n'));
  const args = ['--data-dir', folder, 'serve', '--bind', bind, '--metrics-bind', 'off'];
  if (chats !== undefined) {
    writeFileSync(join(folder, 'script.json'), JSON.stringify({ chats }));
    args.push('--engine', 'scripted', '--script', join(folder, 'script.json'));
  }
  // Whether Tesseract is installed must not matter here.
  const env = { ...process.env, SMART_SUMMARY__ENGINE__TESSERACT: 'off' };
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^listening (http:\/\/\S+)$/.exec(line);
      if (match) resolve(match[1]);
    });
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
  const keys = (...more) => execFileSync(binary, ['--data-dir', folder, 'keys', ...more], { encoding: 'utf8' });
  return {
    url,
    data: folder,
    createKey: (scopes, origin) =>
      JSON.parse(keys('create', '--name', 'wordpress', '--scopes', scopes, '--origin', origin, '--json')),
    revoke: (id) => void keys('revoke', id),
    async stop({ keep = false } = {}) {
      if (child.exitCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
  };
}
