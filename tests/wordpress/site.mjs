// A real WordPress, made and started without wordpress.org: the files come in one npm package, the database is SQLite.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const work = join(root, 'target/wordpress');
const cache = join(work, 'cache');
/** `WP_SITE` names the folder of another site, for instance of an older WordPress; only with `--keep`. */
export const dir = process.env.WP_SITE ?? join(work, 'site');
export const wordpress = join(dir, 'site');

/** WordPress 7.1.1, WP-CLI 2.12.0 and the SQLite integration 3.0.2, all in the files of this package. */
const SOURCE = {
  spec: 'wp-studio@1.22.0',
  sha512: 'boMtahkhgWDKKyNTBA1uTK5ghnAmxXhDY6KeQCO9FmcI3/o+YOSq8JwYW5ZYnxHCxH14Jf/mD6CJTBvTWl2Ytw==',
  files: 'package/dist/cli/wp-files',
};
/** WordPress 6.4.5, the oldest that the plugin works with: a zip without its static files, and those beside it. */
const OLDEST = {
  spec: '@wp-playground/wordpress-builds@0.9.19',
  sha512: 'dlqvh/MJDpE5W68vgPPKUjpip6zMuBh59L3D18ZX+pdwurC4q4ydrTww/3sTMV69BBcoH6kF93YtAtujNC5Mpw==',
  files: ['package/src/wordpress/wp-6.4.zip', 'package/public/wp-6.4'],
};
export const USERS = ['editor', 'author', 'contributor', 'subscriber'];

/** Runs WP-CLI and gives what it printed. */
export const wp = (...args) => wpIn(wordpress, ...args);

/** The same in the WordPress of another folder. */
export function wpIn(folder, ...args) {
  const php = ['-d', 'memory_limit=512M', '-d', 'error_reporting=8191', join(dir, 'wp-cli.phar')];
  const env = { ...process.env, WP_CLI_DISABLE_AUTO_CHECK_UPDATE: '1' };
  const options = { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 16e6 };
  return execFileSync('php', [...php, '--allow-root', `--path=${folder}`, ...args], options).trim();
}

/** Runs PHP inside WordPress; what it prints is JSON. */
export const php = (code) => phpIn(wordpress, code);
export const phpIn = (folder, code) => JSON.parse(wpIn(folder, 'eval', asJson(code)));
export const asJson = (code) => `echo wp_json_encode( ( function () { ${code} } )() );`;

/** Makes the site anew; the download is kept. */
export async function setup() {
  mkdirSync(cache, { recursive: true });
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const unpacked = join(dir, SOURCE.files);
  execFileSync('tar', [
    '-xzf',
    tarball(SOURCE),
    '-C',
    dir,
    ...['latest/wordpress', 'sqlite-database-integration', 'wp-cli'].map((name) => `${SOURCE.files}/${name}`),
  ]);
  renameSync(join(unpacked, 'latest/wordpress'), wordpress);
  renameSync(join(unpacked, 'wp-cli/wp-cli.phar'), join(dir, 'wp-cli.phar'));
  const content = join(wordpress, 'wp-content');
  const sqlite = join(content, 'plugins/sqlite-database-integration');
  rmSync(sqlite, { recursive: true, force: true });
  mkdirSync(join(content, 'plugins'), { recursive: true });
  renameSync(join(unpacked, 'sqlite-database-integration'), sqlite);
  rmSync(join(dir, 'package'), { recursive: true });

  const url = `http://localhost:${await freePort()}`;
  writeFileSync(join(dir, 'url'), url);
  install(wordpress, url);
  return url;
}

/** Makes a site of the oldest WordPress, with the plugin of the zip; gives its folder. */
export function setupOldest(zip) {
  const place = join(dir, '../oldest');
  const folder = join(place, 'site');
  rmSync(place, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', tarball(OLDEST), '-C', place, ...OLDEST.files]);
  const [packed, beside] = OLDEST.files.map((name) => join(place, name));
  execFileSync('unzip', ['-q', packed, '-d', folder]);
  cpSync(beside, folder, { recursive: true });
  rmSync(join(place, 'package'), { recursive: true });
  for (const name of ['db.php', 'database', 'mu-plugins', 'plugins/sqlite-database-integration'])
    rmSync(join(folder, 'wp-content', name), { recursive: true, force: true });
  rmSync(join(folder, 'wp-config.php'), { force: true });
  const sqlite = 'wp-content/plugins/sqlite-database-integration';
  cpSync(join(wordpress, sqlite), join(folder, sqlite), { recursive: true });
  install(folder, 'http://localhost');
  wpIn(folder, 'plugin', 'install', zip, '--activate');
  return folder;
}

/** Makes database and users for the files of a folder. */
function install(folder, url) {
  const content = join(folder, 'wp-content');
  const sqlite = join(content, 'plugins/sqlite-database-integration');
  const drop = readFileSync(join(sqlite, 'db.copy'), 'utf8')
    .replaceAll('{SQLITE_IMPLEMENTATION_FOLDER_PATH}', sqlite)
    .replaceAll('{SQLITE_PLUGIN}', 'sqlite-database-integration/load.php');
  writeFileSync(join(content, 'db.php'), drop);
  const constants = {
    WP_HOME: `'${url}'`,
    WP_SITEURL: `'${url}'`,
    WP_ENVIRONMENT_TYPE: `'local'`,
    WP_DEBUG: 'true',
    WP_DEBUG_LOG: 'true',
    WP_DEBUG_DISPLAY: 'false',
    // wordpress.org cannot be reached: an answer at once instead of a wait.
    WP_HTTP_BLOCK_EXTERNAL: 'true',
    WP_ACCESSIBLE_HOSTS: `'127.0.0.1,localhost'`,
    DISABLE_WP_CRON: 'true',
    AUTOMATIC_UPDATER_DISABLED: 'true',
    FS_METHOD: `'direct'`,
  };
  wpIn(folder, 'config', 'create', '--dbname=wp', '--dbuser=wp', '--dbpass=wp', '--skip-check');
  const config = join(folder, 'wp-config.php');
  const defines = Object.entries(constants).map(
    ([name, value]) => `if ( ! defined( '${name}' ) ) { define( '${name}', ${value} ); }`,
  );
  const text = readFileSync(config, 'utf8').replace(/define\(\s*'WP_DEBUG'.*\n/g, '');
  writeFileSync(config, text.replace('<?php', `<?php\n${defines.join('\n')}`));
  wpIn(
    folder,
    'core',
    'install',
    `--url=${url}`,
    '--title=Test blog',
    '--admin_user=admin',
    '--admin_password=admin-pass',
    '--admin_email=admin@example.org',
    '--skip-email',
  );
  seed(folder);
}

/** Users, addresses, and an editor that shows no welcome. One process instead of twenty. */
function seed(folder) {
  const quiet = { welcomeGuide: false, fullscreenMode: false, enableChoosePatternModal: false };
  const preferences = { 'core/edit-post': quiet, core: quiet, _modified: '2030-01-01T00:00:00.000Z' };
  const code = `
    foreach ( array( ${USERS.map((name) => `'${name}'`).join(', ')} ) as $name ) {
      wp_insert_user( array( 'user_login' => $name, 'user_pass' => $name . '-pass', 'user_email' => $name . '@example.org', 'role' => $name ) );
    }
    $preferences = json_decode( '${JSON.stringify(preferences)}', true );
    foreach ( get_users() as $user ) { update_user_meta( $user->ID, 'wp_persisted_preferences', $preferences ); }
    update_option( 'permalink_structure', '/%postname%/' );
    flush_rewrite_rules();
    return true;`;
  phpIn(folder, code);
}

function tarball({ spec, sha512 }) {
  const file = join(cache, `${spec.replace(/^@/, '').replace(/[@/]/g, '-')}.tgz`);
  if (!existsSync(file)) {
    const args = ['pack', '--silent', '--pack-destination', cache, spec];
    const packed = execFileSync('npm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
    renameSync(join(cache, packed), file);
  }
  const sum = createHash('sha512').update(readFileSync(file)).digest('base64');
  if (sum !== sha512) {
    rmSync(file);
    throw new Error(`${spec} is not the file that was expected: sha512 ${sum}`);
  }
  return file;
}

export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const ROUTER = `<?php
// For PHP's own server: files as they are, everything else to WordPress.
$root = $_SERVER['DOCUMENT_ROOT'];
$path = rawurldecode( parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH ) );
if ( is_dir( $root . $path ) && is_file( rtrim( $root . $path, '/' ) . '/index.php' ) ) {
	if ( '/' !== substr( $path, -1 ) ) { header( 'Location: ' . $path . '/', true, 301 ); return true; }
	$path .= 'index.php';
}
if ( is_file( $root . $path ) ) {
	if ( '.php' !== substr( $path, -4 ) ) { return false; }
} else {
	$path = '/index.php';
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $path;
$_SERVER['SCRIPT_FILENAME'] = $root . $path;
chdir( dirname( $root . $path ) );
require $root . $path;
`;

/** Starts the site; `stop` ends its processes. */
export function start() {
  // What an earlier run has complained about is not this one's matter.
  rmSync(join(wordpress, 'wp-content/debug.log'), { force: true });
  return serve(wordpress, readFileSync(join(dir, 'url'), 'utf8'));
}

/** Starts the site at another host too, as a visitor of that address sees it. */
export async function serveAt(host) {
  const url = `http://${host}:${await freePort()}`;
  const names = ['WP_HOME', 'WP_SITEURL'].map((name) => `define( '${name}', '${url}' );`);
  const router = join(dir, 'router-at.php');
  writeFileSync(router, `<?php\n${names.join('\n')}\nreturn require __DIR__ . '/router.php';\n`);
  return serve(wordpress, url, router);
}

/** Serves the WordPress of a folder at the address that it has. */
export async function serve(folder, url, router = join(folder, '../router.php')) {
  writeFileSync(join(folder, '../router.php'), ROUTER);
  const settings = [
    'memory_limit=512M',
    'upload_max_filesize=64M',
    'post_max_size=80M',
    'opcache.enable_cli=1',
    'opcache.revalidate_freq=0',
  ];
  const options = settings.flatMap((setting) => ['-d', setting]);
  // Bound by name: browsers try ::1 first.
  const child = spawn('php', [...options, '-S', url.slice('http://'.length), '-t', folder, router], {
    env: { ...process.env, PHP_CLI_SERVER_WORKERS: '4' },
    stdio: 'ignore',
    detached: true,
  });
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${url}/wp-json/`).catch(() => undefined);
    if (child.exitCode !== null) throw new Error(`PHP could not listen at ${url}: is another run under way?`);
    if (answer?.ok) break;
    if (tries > 100) throw new Error('WordPress did not answer');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    stop() {
      // The server leads a process group: its workers end with it.
      if (child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    },
  };
}

/** Puts the plugin into the site as an upload of the zip would. */
export function installPlugin(zip) {
  // Without loading what is there: a broken plugin of the last run must not stand in its own way.
  wp('plugin', 'install', zip, '--force', '--skip-plugins');
  wp('plugin', 'activate', 'smart-summary');
}

/** Copies a stand-in for another plugin into the site. */
export function addPlugin(name) {
  cpSync(fileURLToPath(new URL(`plugins/${name}`, import.meta.url)), join(wordpress, 'wp-content/plugins', name), {
    recursive: true,
  });
}

/** Lines of the debug log that speak of the plugin. */
export function complaints(folder = wordpress) {
  const log = join(folder, 'wp-content/debug.log');
  if (!existsSync(log)) return [];
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => /smart-summary|Smart_Summary|PHP Fatal/.test(line));
}
