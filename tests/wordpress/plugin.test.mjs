// The plugin without a browser: PHPUnit in the real WordPress, coding standard, translations, the zip.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import phpParser from 'php-parser';

import { php, root, wordpress, wp } from './site.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const plugin = join(root, 'plugin-wordpress');

function run(program, args, env = {}, cwd = here) {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      cwd,
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

test('a key in a constant goes before the stored one', () => {
  const seen =
    php(`define( 'SMART_SUMMARY_KEY', 'ss_live_constant' ); define( 'SMART_SUMMARY_URL', 'https://constant.example/' );
    putenv( 'SMART_SUMMARY_KEY=ss_live_environment' );
    return array( \\Smart_Summary\\Settings::key_source(), \\Smart_Summary\\Settings::key(), \\Smart_Summary\\Settings::url() );`);
  assert.deepEqual(seen, ['constant', 'ss_live_constant', 'https://constant.example']);
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
    'source',
    'uninstall.php',
  ]);
  const header = (text, name) => new RegExp(`${name}:\\s*(.+)`).exec(text)[1].trim();
  const main = readFileSync(join(installed, 'smart-summary.php'), 'utf8');
  const readme = readFileSync(join(installed, 'readme.txt'), 'utf8');
  assert.equal(header(readme, 'Stable tag'), header(main, 'Version'));
  assert.equal(header(readme, 'Requires PHP'), header(main, 'Requires PHP'));
  assert.ok(main.includes(`VERSION     = '${header(main, 'Version')}'`));
});

test('the zip holds the readable source of what was built, as a workspace of its own', () => {
  const installed = join(wordpress, 'wp-content/plugins/smart-summary');
  const files = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  // Each module and each script that the zip brings has its source there.
  const wasm = readdirSync(join(installed, 'build/web/wasm')).filter((name) => name.endsWith('.wasm'));
  const { features } = JSON.parse(metadata(installed)).packages.find(({ name }) => name === 'plugin-wasm');
  assert.ok(wasm.length >= 5);
  for (const name of wasm) assert.ok(features[name.replace('_bg.wasm', '')], name);
  const scripts = readdirSync(join(installed, 'build')).filter((name) => name.endsWith('.js'));
  for (const name of scripts)
    readFileSync(join(installed, 'source/plugin-wordpress/src', name.replace(/js$/, 'ts')), 'utf8');
  const sources = files(join(installed, 'source'));
  for (const { name, parentPath } of sources) {
    assert.match(name, /\.(rs|ts|mjs|json|toml|lock|po)$|^LICENSE/, `${parentPath}/${name}`);
    // The plugin's own tools would take a hidden or a PHP file for something that a site runs.
    assert.doesNotMatch(name, /^\.|\.php$/);
  }
  const readme = readFileSync(join(installed, 'readme.txt'), 'utf8');
  const [, named] = /== Source ==([\s\S]*?)\n== /.exec(readme);
  const folders = [...named.matchAll(/`((?:plugin|crates)[\w/-]*)`/g)].map(([, folder]) => folder);
  assert.ok(folders.length >= 6, named);
  for (const folder of folders) assert.ok(files(join(installed, 'source', folder)).length > 0, folder);
});

/** What Cargo makes of the packed workspace; it fails where a file that a manifest names or the lock file is wrong. */
function metadata(installed) {
  const source = join(installed, 'source');
  // Before a build Cargo looks for every target that a manifest names; its `metadata` does not.
  run('cargo', ['fetch', '--quiet', '--locked', '--target', 'wasm32-unknown-unknown'], {}, source);
  return run('cargo', ['metadata', '--no-deps', '--locked', '--offline', '--format-version', '1'], {}, source);
}

/** The plugin's PHP files. */
function phpFiles() {
  const args = [plugin, '-name', '*.php', '-not', '-path', '*/node_modules/*'];
  const files = execFileSync('find', args, { encoding: 'utf8' }).trim().split('\n');
  assert.ok(files.length > 40, `${files.length} files`);
  return files;
}

/** Every node of a syntax tree, each with those above it, the nearest first. */
function* nodes(node, above = []) {
  yield [node, above];
  for (const below of Object.values(node).flat())
    if (typeof below?.kind === 'string') yield* nodes(below, [node, ...above]);
}

const called = ({ kind, what }) => (kind === 'call' ? (what.name?.name ?? what.name) : undefined);

/** Whether what is printed is fixed, or escaped where it is printed. `checked` and its like give fixed words. */
function isSafe(node) {
  switch (node.kind) {
    case 'string':
    case 'number':
    case 'nowdoc':
      return true;
    case 'bin':
      return node.type === '.' && isSafe(node.left) && isSafe(node.right);
    case 'retif':
      return isSafe(node.trueExpr) && isSafe(node.falseExpr);
    case 'cast':
      return node.type === 'int';
    case 'call':
      return /^(esc_\w+|wp_json_encode|checked|selected|disabled)$/.test(called(node) ?? '');
    default:
      return false;
  }
}

/** What of a file's code prints unescaped words, reads a form's words as they came, or asks the database unprepared. */
function unsafe(code) {
  const found = [];
  for (const [node, above] of nodes(new phpParser.Engine({}).parseCode(code, 'x.php'))) {
    const printed = { echo: node.expressions, print: [node.expression] }[node.kind] ?? [];
    const asked = node.kind === 'call' && node.what.kind === 'propertylookup' && node.what.what.name === 'wpdb';
    if (/^v?printf$/.test(called(node) ?? '')) printed.push(...node.arguments);
    // A translation is not the plugin's own words: `_e` prints it as it is.
    if (/^_ex?$/.test(called(node) ?? '') || printed.some((one) => !isSafe(one))) found.push('prints');
    if (node.kind === 'variable' && /^_(POST|GET|REQUEST|COOKIE|SERVER)$/.test(node.name)) {
      const cleaned = above.some((one) => one.kind === 'isset' || called(one) === 'wp_unslash');
      if (!cleaned) found.push('reads');
    }
    if (asked && /^(query|get_(var|row|col|results))$/.test(node.what.offset.name)) {
      const [first] = node.arguments;
      if (first?.kind !== 'call' || first.what.offset?.name !== 'prepare') found.push('asks');
    }
  }
  return found;
}

test('what is printed is escaped there, what a form sends is unslashed, and the database is asked by prepared statements', () => {
  for (const file of phpFiles()) assert.deepEqual(unsafe(readFileSync(file, 'utf8')), [], file);
  for (const [code, what] of [
    ['echo $a;', 'prints'],
    ["echo '<p>' . $a . '</p>';", 'prints'],
    ['echo esc_html( $a ) . get_the_title();', 'prints'],
    ["printf( '%s', $a );", 'prints'],
    ['printf( $a, esc_html( $b ) );', 'prints'],
    ["_e( 'Words', 'smart-summary' );", 'prints'],
    ['?><p><?= $a ?></p>', 'prints'],
    ["$a = sanitize_text_field( $_POST['a'] );", 'reads'],
    ['$wpdb->query( "DELETE FROM x WHERE id = $a" );', 'asks'],
  ])
    assert.ok(unsafe(`<?php ${code}`).includes(what), code);
  assert.deepEqual(unsafe("<?php echo '<b>' . esc_html( $a ) . ( $b ? 'x' : '' ) . (int) $c;"), []);
});

/** The plugin's own hooks; of others', WPML's and the one by which WordPress tells that a post was saved. */
const HOOKS = /^(smart_summary_|wpml_|wp_insert_post$)/;

/** What of a file's code is written otherwise than WordPress writes: of the sniffs of WPCS those that PHP_CodeSniffer lacks. */
function unlike(code) {
  const found = [];
  const nameOf = ({ name }) => name?.name ?? name;
  const literal = ({ kind }) => /^(string|number|boolean|nullkeyword|array|name)$/.test(kind);
  const changing = ({ kind }) => /^(variable|propertylookup|offsetlookup|staticlookup)$/.test(kind);
  for (const [node, above] of nodes(new phpParser.Engine({}).parseCode(code, 'x.php'))) {
    const { kind } = node;
    const words = (kind === 'call' && node.arguments) || [];
    if (kind === 'class' || kind === 'interface' || kind === 'trait') {
      if (!/^[A-Z][A-Za-z\d]*(_[A-Z\d][A-Za-z\d]*)*$/.test(nameOf(node))) found.push('class');
    }
    // What another library asks for has that library's name.
    const foreign = above.some((one) => one.kind === 'class' && (one.extends || one.implements));
    if (kind === 'function' || (kind === 'method' && !foreign)) {
      if (!/^(__)?[a-z\d_]+$/.test(nameOf(node))) found.push('function');
    }
    if (kind === 'variable' || kind === 'property' || kind === 'parameter') {
      const name = nameOf(node);
      if (typeof name === 'string' && !/^([a-z\d_]+|_(GET|POST|SERVER|COOKIE|REQUEST)|GLOBALS)$/.test(name))
        found.push('variable');
    }
    if (kind === 'bin' && /^[!=]==?$/.test(node.type)) {
      if (node.type.length === 2) found.push('loose');
      if (changing(node.left) && literal(node.right)) found.push('Yoda');
    }
    if (/^(in_array|array_search)$/.test(called(node) ?? '') && words[2]?.value !== true) found.push('loose');
    if (/^(do_action|apply_filters)(_ref_array)?$/.test(called(node) ?? '') && !HOOKS.test(words[0].value))
      found.push('prefix');
    if (/^(_{2}|_[nx]|_nx|esc_(html|attr)_{1,2}[xe]?)$/.test(called(node) ?? '')) {
      if (words[0].kind !== 'string' || words.at(-1).value !== 'smart-summary') found.push('text domain');
    }
  }
  return found;
}

test('names, comparisons, hooks and texts are written as WordPress writes them', () => {
  for (const file of phpFiles()) {
    assert.deepEqual(unlike(readFileSync(file, 'utf8')), [], file);
    const [name] = file.split('/').slice(-1);
    if (file.includes('/includes/')) assert.match(name, /^((class|interface)-[a-z\d-]+|autoload)\.php$/);
  }
  for (const [code, what] of [
    ['class summaryMaker {}', 'class'],
    ['function makeIt() {}', 'function'],
    ['class A { function makeIt() {} }', 'function'],
    ['$postId = 1;', 'variable'],
    ['function f( $postId ) {}', 'variable'],
    ["if ( $a === 'b' ) {}", 'Yoda'],
    ['if ( $a->b !== null ) {}', 'Yoda'],
    ['if ( 1 == $a ) {}', 'loose'],
    ['in_array( $a, $b );', 'loose'],
    ["do_action( 'summary_made' );", 'prefix'],
    ["__( 'Words' );", 'text domain'],
    ["esc_html__( $words, 'smart-summary' );", 'text domain'],
    ["_n( '%d post', '%d posts', 2, 'other' );", 'text domain'],
  ])
    assert.ok(unlike(`<?php ${code}`).includes(what), code);
  const fine =
    "if ( null === $a && in_array( $b, $c, true ) ) { do_action( 'smart_summary_done', __( 'Words', 'smart-summary' ) ); }";
  assert.deepEqual(unlike(`<?php ${fine}`), []);
});

test('PHP 7.4 would read every file', () => {
  const parser = new phpParser.Engine({ parser: { version: '7.4' } });
  // What the parser takes from later versions too: union and promoted types, attributes, and functions that came later.
  const later =
    /#\[|\breadonly\s|:\s*\??(static|mixed|never)\b|\bmixed\s+\$|\([^()]*\b(private|protected|public)\s+[?\w\\]*\s*\$|\w\|\w+\s+\$\w|function\s+\w*\([^)]*\):\s*\w+\||\b(array_is_list|array_find|str_increment|get_debug_type|fdiv|json_validate)\(/;
  for (const file of phpFiles()) {
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
