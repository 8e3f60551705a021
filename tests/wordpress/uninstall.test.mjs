// The end, and a new beginning: nothing of ours is left, and the zip is uploaded as a site's owner would.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';

import { Person, launch } from './pages.mjs';
import { complaints, php, root, wp } from './site.mjs';
import { makePost, url, world } from './world.mjs';

let browser, admin, place;
before(async () => {
  [browser, place] = await Promise.all([launch(), world()]);
  admin = await Person.signIn(browser, 'admin');
});
after(async () => {
  await admin?.close();
  await browser?.close();
  await place?.backend.stop();
  assert.deepEqual(complaints(), []);
});

const traces = () =>
  php(`global $wpdb; return array(
    'options' => $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%smart_summary%'" ),
    'postmeta' => $wpdb->get_col( "SELECT DISTINCT meta_key FROM $wpdb->postmeta WHERE meta_key LIKE '%smart_summary%'" ),
    'usermeta' => $wpdb->get_col( "SELECT DISTINCT meta_key FROM $wpdb->usermeta WHERE meta_key LIKE '%smart_summary%'" ),
    'tables' => array_values( array_filter( $wpdb->get_col( 'SHOW TABLES' ), function ( $name ) { return false !== strpos( $name, 'smart_summary' ); } ) ),
    'cron' => false !== strpos( wp_json_encode( _get_cron_array() ), 'smart_summary' ) );`);

test('uninstalling takes everything of ours and nothing of the site’s', () => {
  const { id } = makePost({ title: 'Before the end', status: 'publish' });
  wp('smart-summary', 'generate', `--ids=${id}`);
  php(
    `update_user_meta( 1, '_smart_summary_used', array( 'day' => 'x', 'runs' => 1 ) ); \\Smart_Summary\\Backfill::schedule( 1 ); return 1;`,
  );
  const had = traces();
  assert.ok(
    had.options.length >= 3 &&
      had.postmeta.length >= 2 &&
      had.tables.length === 2 &&
      had.usermeta.length === 1 &&
      had.cron,
    JSON.stringify(had),
  );
  wp('plugin', 'uninstall', 'smart-summary', '--deactivate');
  assert.deepEqual(traces(), { options: [], postmeta: [], usermeta: [], tables: [], cron: false });
  assert.notEqual(php(`return get_post( ${id} )->post_excerpt;`), '', 'an accepted excerpt is the site’s');
});

test('the zip is uploaded, activated, and told of its backend', async () => {
  const { page } = admin;
  await page.goto(`${url}/wp-admin/plugin-install.php?tab=upload`);
  await page.setInputFiles('#pluginzip', join(root, 'target/wordpress/smart-summary.zip'));
  await page.click('#install-plugin-submit');
  await page.getByRole('link', { name: 'Activate Plugin' }).click();
  await page.waitForURL(/plugins\.php/);
  await admin.setBackend(place.backend.url, place.key);
  assert.equal((await admin.testConnection()).code, 'ok');
});
