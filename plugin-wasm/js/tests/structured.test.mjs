// The server's JSON-LD, as tests/it/structured.rs holds it, against schema.org's vocabulary: schema-dts declares every type
// with its properties, so the compiler refuses what schema.org does not know.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const FIXTURES = fileURLToPath(new URL('../../../tests/fixtures/structured/', import.meta.url));

/** What the compiler says of these objects as `BlogPosting`s; empty when it finds nothing wrong. */
function check(objects) {
  // Inside the package, so that schema-dts is found.
  const folder = mkdtempSync(join(PACKAGE, 'node_modules', '.structured-'));
  try {
    const lines = objects.map(
      (object, at) => `export const a${at}: WithContext<BlogPosting> = ${JSON.stringify(object)};`,
    );
    const file = join(folder, 'objects.ts');
    writeFileSync(file, `import type { BlogPosting, WithContext } from 'schema-dts';\n${lines.join('\n')}\n`);
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--moduleResolution', 'bundler'];
    const tsc = join(PACKAGE, 'node_modules', '.bin', 'tsc');
    execFileSync(tsc, [...options, '--module', 'esnext', '--ignoreConfig', file], { cwd: folder, encoding: 'utf8' });
    return '';
  } catch (error) {
    return String(error.stdout ?? error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the JSON-LD of every answer is what schema.org calls a BlogPosting', () => {
  const files = readdirSync(FIXTURES);
  assert.ok(files.length >= 3, `${FIXTURES} holds ${files}`);
  const objects = files.map((file) => JSON.parse(readFileSync(join(FIXTURES, file), 'utf8')).json_ld);
  assert.equal(check(objects), '');
});

test('a property that schema.org does not know is found, and so is a value of a wrong type', () => {
  const whole = { '@context': 'https://schema.org', '@type': 'BlogPosting', headline: 'Rye' };
  assert.match(check([{ ...whole, headLine: 'Rye' }]), /headLine/);
  assert.match(check([{ ...whole, publisher: { '@type': 'Bread', name: 'Rye' } }]), /publisher|Bread/);
});
