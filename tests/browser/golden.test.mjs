// What the browser's own-decoders module makes of each fixture, beside what `cargo test -p imaging` holds true natively.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import init, { prepare } from '../../plugin-wasm/js/dist/wasm/decoders.js';

const DIST = new URL('../../plugin-wasm/js/dist/', import.meta.url);
const IMAGING = new URL('../../crates/imaging/tests/', import.meta.url);

/** FNV-1a with 64 bits, as `golden.rs` has it. */
function hash(bytes) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

test('what the module makes of a picture is what a server makes of it, to the byte', async () => {
  await init({ module_or_path: await readFile(new URL('wasm/decoders_bg.wasm', DIST)) });
  const golden = JSON.parse(await readFile(new URL('golden.json', IMAGING), 'utf8'));
  assert.ok(golden.length > 50, `${golden.length} pictures`);
  const changed = [];
  for (const { file, longest_edge, format, width, height, class: kind, bytes } of golden) {
    const made = prepare(await readFile(new URL(`fixtures/${file}`, IMAGING)), longest_edge, 85);
    const { facts } = made;
    const got = [facts.format, facts.width, facts.height, facts.looks.class, hash(made.take())];
    made.free();
    const wanted = [format.replace('jpg', 'jpeg'), width, height, kind, bytes];
    if (String(got) !== String(wanted)) changed.push(`${file} at ${longest_edge}: ${got} instead of ${wanted}`);
  }
  assert.deepEqual(changed, []);
});
