// Packs the plugin as WordPress takes it: `node scripts/zip.mjs OUT`. The same files give the same bytes.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { zipSync } from 'fflate';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv[2];
/** What a site needs; sources and tools stay at home. */
const PACKED = ['smart-summary.php', 'uninstall.php', 'readme.txt', 'LICENSE', 'includes', 'languages', 'build'];
const WHEN = new Date(2026, 0, 1);

const files = {};
for (const name of PACKED) add(name);
const zipped = zipSync(files, { level: 9, mtime: WHEN });
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, zipped);
for (const [name, bytes] of Object.entries(files)) console.log(`${String(bytes.length).padStart(9)}  ${name}`);
console.log(`${String(zipped.length).padStart(9)}  ${out}`);

function add(name) {
  const path = name === 'LICENSE' ? join(root, '../LICENSE-MIT') : join(root, name);
  let inside;
  try {
    inside = readdirSync(path);
  } catch (error) {
    if (error.code !== 'ENOTDIR') throw error;
    files[`smart-summary/${name}`] = readFileSync(path);
    return;
  }
  for (const one of inside.sort()) add(`${name}/${one}`);
}
