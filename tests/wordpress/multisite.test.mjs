// A real network of two sites: activated for both, one address and key for all or each its own, and uninstalled from both.

import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startBackend } from './backend.mjs';
import { Person, launch } from './pages.mjs';
import { asJson, dir, freePort, serve, wordpress, wpIn } from './site.mjs';

const folder = join(dir, '../network/site');
let url, server, backend, key, browser, admin;
const wp = (...args) => wpIn(folder, ...args);
const on = (site, code) => JSON.parse(wp('eval', asJson(code), `--url=${url}${site}`));

before(async () => {
  url = `http://localhost:${await freePort()}`;
  copySite();
  wp('core', 'multisite-convert', '--title=Network', '--base=/');
  // What the rewrite rules of a web server do for a site in its own folder.
  symlinkSync('.', join(folder, 'second'));
  wp('site', 'create', '--slug=second', `--url=${url}/`);
  wp('plugin', 'activate', 'smart-summary', '--network');
  // No welcome in the second site's editor either.
  on(
    '/second/',
    `global $wpdb; return update_user_meta( 1, $wpdb->prefix . 'persisted_preferences', get_user_meta( 1, $wpdb->base_prefix . 'persisted_preferences', true ) );`,
  );
  [server, backend, browser] = await Promise.all([serve(folder, url), startBackend(), launch()]);
  ({ key } = backend.createKey('summaries:write,tokens:write', url));
  admin = await Person.signIn(browser, 'admin', { at: url });
});
after(async () => {
  await admin?.close();
  await browser?.close();
  await backend?.stop();
  server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The site of the other tests at another address, without what they have left of the plugin. */
function copySite() {
  const old = readFileSync(join(dir, 'url'), 'utf8');
  rmSync(folder, { recursive: true, force: true });
  cpSync(wordpress, folder, { recursive: true });
  rmSync(join(folder, 'wp-content/debug.log'), { force: true });
  const config = join(folder, 'wp-config.php');
  writeFileSync(
    config,
    readFileSync(config, 'utf8')
      .replaceAll(old, url)
      .replace(/define\( '(WP_HOME|WP_SITEURL)'/g, "define( 'WAS_$1'"),
  );
  wp(
    'eval',
    `update_option( 'home', '${url}' ); update_option( 'siteurl', '${url}' );
    foreach ( array( 'smart_summary_settings', 'smart_summary_key', 'smart_summary_log' ) as $name ) { delete_option( $name ); }`,
  );
  wp('plugin', 'deactivate', 'smart-summary');
}

const post = (site) =>
  on(
    site,
    `return wp_insert_post( array( 'post_title' => 'A well', 'post_status' => 'publish', 'post_author' => 1,
    'post_content' => '<p>The pump of the well is primed before the first frost, and the handle is moved slowly.</p>' ) );`,
  );
const SITES = ['/', '/second/'];

test('the network’s address and key are set once, and a site without its own has them', async () => {
  const { page } = admin;
  await page.goto(`${url}/wp-admin/network/settings.php?page=smart-summary`);
  await page.fill('#smart-summary-url', backend.url);
  await page.fill('#smart-summary-key', key);
  await page.click('#submit');
  await page.getByText('Settings saved.').waitFor();
  assert.ok(!(await page.content()).includes(key), 'the key is never printed back');
  for (const site of SITES) assert.equal(on(site, 'return \\Smart_Summary\\Settings::ready();'), true, site);

  admin.url = `${url}/second`;
  await admin.openEditor(post('/second/'));
  await admin.openPanel();
  await admin.run();
  assert.notEqual(await admin.input('Description').inputValue(), '');
  await page.goto(`${url}/second/wp-admin/options-general.php?page=smart-summary`);
  assert.equal(await page.getAttribute('#smart-summary-key-state', 'data-source'), 'network');
  assert.equal((await admin.testConnection()).code, 'ok');
});

test('a site’s own settings are its own, and so are its runs', async () => {
  const other = await startBackend();
  try {
    const own = other.createKey('summaries:write,tokens:write', url).key;
    await admin.setBackend(other.url, own);
    const of = (site) =>
      on(site, 'return array( \\Smart_Summary\\Settings::url(), \\Smart_Summary\\Settings::key() );');
    assert.deepEqual(of('/second/'), [other.url, own]);
    assert.deepEqual(of('/'), [backend.url, key]);
    const runs = () => on('/', 'return \\Smart_Summary\\Journal::newest( 1 );');
    const before = runs();
    const id = post('/second/');
    wp('smart-summary', 'generate', `--ids=${id}`, `--url=${url}/second/`);
    assert.notEqual(on('/second/', `return get_post( ${id} )->post_excerpt;`), '');
    assert.deepEqual(runs(), before, 'the other site has no new run');
  } finally {
    await other.stop();
  }
});

test('deactivating leaves nothing scheduled, deleting a site takes its tables, uninstalling leaves nothing on any site', () => {
  for (const site of SITES)
    on(site, '\\Smart_Summary\\Journal::prepare(); \\Smart_Summary\\Backfill::schedule( 1 ); return 1;');
  wp('site', 'create', '--slug=third', `--url=${url}/`);
  const third = on('/third/', '\\Smart_Summary\\Journal::prepare(); return get_current_blog_id();');
  const left = (site) =>
    on(
      site,
      `global $wpdb; return array(
      'tables' => $wpdb->get_col( "SHOW TABLES LIKE '{$wpdb->prefix}smart%'" ),
      'options' => $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE 'smart_summary%'" ),
      'meta' => (int) $wpdb->get_var( "SELECT COUNT(*) FROM $wpdb->postmeta WHERE meta_key LIKE '_smart_summary%'" ),
      'cron' => false !== strpos( wp_json_encode( _get_cron_array() ), 'smart_summary' ) );`,
    );
  for (const site of [...SITES, '/third/']) assert.equal(left(site).tables.length, 2, site);
  wp('site', 'delete', String(third), '--yes');
  assert.deepEqual(
    on('/', `global $wpdb; return $wpdb->get_col( "SHOW TABLES LIKE '{$wpdb->base_prefix}${third}_%'" );`),
    [],
  );

  wp('plugin', 'deactivate', 'smart-summary', '--network');
  for (const site of SITES) assert.equal(left(site).cron, false, site);
  wp('plugin', 'uninstall', 'smart-summary');
  for (const site of SITES) assert.deepEqual(left(site), { tables: [], options: [], meta: 0, cron: false }, site);
  assert.deepEqual(
    on(
      '/',
      `global $wpdb; return $wpdb->get_col( "SELECT meta_key FROM $wpdb->sitemeta WHERE meta_key LIKE 'smart_summary%'" );`,
    ),
    [],
  );
  const log = join(folder, 'wp-content/debug.log');
  assert.doesNotMatch(read(log), /smart-summary|Smart_Summary|PHP Fatal/);
});

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
