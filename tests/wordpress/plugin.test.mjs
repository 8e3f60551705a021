// The plugin without a browser: PHPUnit in the real WordPress, coding standard, translations, the zip.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import phpParser from 'php-parser';

import { dir, php, root, wordpress, wp } from './site.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const plugin = join(root, 'plugin-wordpress');

function run(program, args, env = {}) {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      cwd: here,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    throw new Error(`${program} failed:\n${error.stdout}\n${error.stderr}`);
  }
}

test('PHPUnit, in the real WordPress', () => {
  const output = run('phpunit', ['--bootstrap', 'phpunit/bootstrap.php', 'phpunit'], { WP_ROOT: wordpress });
  assert.match(output, /OK \(\d{2,} tests/);
});

test('the coding standard, as far as it can be had', () => {
  run('phpcs', ['-q', '--report=full', `--standard=${join(plugin, 'phpcs.xml')}`]);
});

test('every text is translated', () => {
  const out = mkdtempSync(join(tmpdir(), 'smart-summary-pot-'));
  const pot = join(out, 'all.pot');
  const scripts = ['editor', 'classic', 'settings', 'tools'].map((name) => `build/${name}.js`);
  const from = `--include=includes,smart-summary.php,${scripts.join(',')}`;
  wp(
    'i18n',
    'make-pot',
    join(wordpress, 'wp-content/plugins/smart-summary'),
    pot,
    '--domain=smart-summary',
    from,
    '--skip-audit',
    '--quiet',
  );
  const ids = (text) =>
    [...text.matchAll(/^msgid ((?:".*"\n)+)/gm)].map(([, lines]) =>
      lines
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
        .join(''),
    );
  const translated = new Set(ids(readFileSync(join(plugin, 'languages/smart-summary-zh_CN.po'), 'utf8')));
  const wanted = ids(readFileSync(pot, 'utf8'));
  rmSync(out, { recursive: true });
  assert.ok(wanted.length > 100, `${wanted.length} texts were found`);
  assert.deepEqual(
    wanted.filter((id) => !translated.has(id)),
    [],
  );
});

test('the zip holds what a site needs and nothing else', () => {
  const installed = join(wordpress, 'wp-content/plugins/smart-summary');
  assert.deepEqual(readdirSync(installed).sort(), [
    'LICENSE',
    'build',
    'includes',
    'languages',
    'readme.txt',
    'smart-summary.php',
    'uninstall.php',
  ]);
  const header = (text, name) => new RegExp(`${name}:\\s*(.+)`).exec(text)[1].trim();
  const main = readFileSync(join(installed, 'smart-summary.php'), 'utf8');
  const readme = readFileSync(join(installed, 'readme.txt'), 'utf8');
  assert.equal(header(readme, 'Stable tag'), header(main, 'Version'));
  assert.equal(header(readme, 'Requires PHP'), header(main, 'Requires PHP'));
  assert.ok(main.includes(`VERSION     = '${header(main, 'Version')}'`));
});

test('PHP 7.4 would read every file', () => {
  const parser = new phpParser.Engine({ parser: { version: '7.4' } });
  // What the parser takes from later versions too: union and promoted types, attributes, and functions that came later.
  const later =
    /#\[|\breadonly\s|:\s*\??(static|mixed|never)\b|\bmixed\s+\$|\([^()]*\b(private|protected|public)\s+[?\w\\]*\s*\$|\w\|\w+\s+\$\w|function\s+\w*\([^)]*\):\s*\w+\||\b(array_is_list|array_find|str_increment|get_debug_type|fdiv|json_validate)\(/;
  const files = execFileSync('find', [plugin, '-name', '*.php', '-not', '-path', '*/node_modules/*'], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n');
  assert.ok(files.length > 40, `${files.length} files`);
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    assert.doesNotThrow(() => parser.parseCode(text, file), file);
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    assert.doesNotMatch(code, later, file);
  }
  for (const newer of [
    '$a?->b();',
    '$a = match ( 1 ) { 1 => 2 };',
    'f( a: 1 );',
    'function f( $a, ) {}',
    '$f = strlen( ... );',
  ])
    assert.throws(() => parser.parseCode(`<?php ${newer}`, 'newer.php'), newer);
  for (const newer of [
    'function f( int|string $a ) {}',
    'function __construct( private int $a ) {}',
    'function f(): static {}',
    '#[Attribute]',
  ])
    assert.match(newer, later);
});
