// Sets everything up, runs the tests, and ends what it has started.
//
//   node run.mjs [--keep] [FILE…]     --keep: takes the site as the last run left it

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { addPlugin, dir, installPlugin, root, setup, start } from './site.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const zip = join(root, 'target/wordpress/smart-summary.zip');
if (!existsSync(zip)) throw new Error(`${zip} is missing: \`cargo xtask wordpress\` makes it`);

const keep = process.argv.includes('--keep') && existsSync(join(dir, 'url'));
if (!keep) await setup();
installPlugin(zip);
for (const name of readdirSync(join(here, 'plugins'))) addPlugin(name);
const site = await start();
const asked = process.argv.slice(2).filter((word) => word !== '--keep');
const files = asked.length > 0 ? asked : readdirSync(here).filter((name) => name.endsWith('.test.mjs'));
const args = ['--test', '--test-concurrency=1', '--test-timeout=300000', '--test-reporter=spec', ...files.sort()];
const tests = spawn(process.execPath, args, { cwd: here, stdio: 'inherit', env: { ...process.env, WP_URL: site.url } });
tests.on('exit', (code) => {
  site.stop();
  process.exitCode = code ?? 1;
});
