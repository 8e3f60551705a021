// Packs the plugin as WordPress takes it: `node scripts/zip.mjs OUT`. The same files give the same bytes.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { zipSync } from 'fflate';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv[2];
/** What a site needs. */
const PACKED = ['smart-summary.php', 'uninstall.php', 'readme.txt', 'LICENSE', 'includes', 'languages', 'build'];
/** What `build` is made from, in `source`, so that everybody who has the zip can read and build it. */
const CRATES = ['crates/api', 'crates/extractive', 'crates/imaging', 'plugin-wasm', 'xtask'];
const SOURCES = ['Cargo.lock', 'rust-toolchain.toml', 'LICENSE-MIT', 'LICENSE-APACHE', ...CRATES].concat(
  ['src', 'scripts', 'languages', 'package.json', 'package-lock.json', 'tsconfig.json'].map(
    (name) => `plugin-wordpress/${name}`,
  ),
);
const READABLE = /\.(rs|ts|mjs|json|toml|lock|po)$|\/LICENSE[^/]*$/;
/** Hidden, made by a build, or read by the tests alone. */
const LEFT_OUT = /^\.|^(node_modules|dist|target|beside-libvips|fixtures)$|-[0-9a-f]{32}\.json$/;
const WHEN = new Date(2026, 0, 1);

const files = {};
for (const name of PACKED) add(name);
addSources();
const zipped = zipSync(files, { level: 9, mtime: WHEN });
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, zipped);
for (const [name, bytes] of Object.entries(files)) console.log(`${String(bytes.length).padStart(9)}  ${name}`);
console.log(`${String(zipped.length).padStart(9)}  ${out}`);

function add(name) {
  const path = name === 'LICENSE' ? join(root, '../LICENSE-MIT') : join(root, name);
  for (const [below, bytes] of filesOf(path)) files[`smart-summary/${name}${below}`] = bytes;
}

function addSources() {
  const packed = {};
  for (const name of SOURCES) {
    for (const [below, bytes] of filesOf(join(root, '..', name), LEFT_OUT))
      if (READABLE.test(`/${name}${below}`)) packed[`${name}${below}`] = bytes;
  }
  const members = CRATES.map((name) => `"${name}"`).join(', ');
  const workspace = readFileSync(join(root, '../Cargo.toml'), 'utf8').replace(
    /^members = .*$/m,
    `members = [${members}]`,
  );
  packed['Cargo.toml'] = Buffer.from(workspace);
  packed['Cargo.lock'] = lockOf(packed);
  for (const name of Object.keys(packed).sort()) files[`smart-summary/source/${name}`] = packed[name];
}

/** The lock file of the crates that are packed: the same versions, without those that only the others need. */
function lockOf(packed) {
  const folder = mkdtempSync(join(tmpdir(), 'smart-summary-source-'));
  try {
    for (const [name, bytes] of Object.entries(packed)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
    execFileSync('cargo', ['update', '--quiet', '--workspace', '--offline'], { cwd: folder });
    return readFileSync(join(folder, 'Cargo.lock'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every file below a path as `[its name from there, its bytes]`; a file itself has no name from there. */
function filesOf(path, leftOut = /^$/) {
  let inside;
  try {
    inside = readdirSync(path);
  } catch (error) {
    if (error.code !== 'ENOTDIR') throw error;
    return [['', readFileSync(path)]];
  }
  return inside
    .filter((name) => !leftOut.test(name))
    .sort()
    .flatMap((name) => filesOf(join(path, name), leftOut).map(([below, bytes]) => [`/${name}${below}`, bytes]));
}
