// Each SEO plugin takes title and description by its own way, keeps it through its own save, and prints them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, launch, sample } from './pages.mjs';
import { complaints, php, wp } from './site.mjs';
import { makePost, world } from './world.mjs';

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

const meta = (title, description) => (id) =>
  `return array( get_post_meta( ${id}, '${title}', true ), get_post_meta( ${id}, '${description}', true ) );`;
/** Where each plugin holds title and description. */
const PLUGINS = {
  yoast: meta('_yoast_wpseo_title', '_yoast_wpseo_metadesc'),
  'rank-math': meta('rank_math_title', 'rank_math_description'),
  aioseo: (id) =>
    `global $wpdb; return $wpdb->get_row( "SELECT title, description FROM {$wpdb->prefix}aioseo_posts WHERE post_id = ${id}", ARRAY_N );`,
  seopress: meta('_seopress_titles_title', '_seopress_titles_desc'),
  tsf: meta('_genesis_title', '_genesis_description'),
};

for (const [name, held] of Object.entries(PLUGINS)) {
  test(`${name}: accepted words are there after the plugin’s own save, and printed once`, async () => {
    wp('plugin', 'activate', `standin-${name}`);
    try {
      const { id } = makePost({ title: `With ${name}` });
      await admin.openEditor(id);
      await admin.openPanel();
      await admin.run();
      // The embedded engine keeps a post's title; the writer has another for search results.
      const title = `Found with ${name}`;
      await admin.input('Title').fill(title);
      const description = await admin.input('Description').inputValue();
      await admin.apply();
      await admin.save({ publish: true });
      await admin.page.waitForTimeout(1500);
      assert.deepEqual(php(held(id)), [title, description]);
      const { link, title: own } = await admin.rest(`/wp/v2/posts/${id}?context=edit`);
      assert.equal(own.raw, `With ${name}`, 'the post’s own title stays');
      await admin.page.goto(link);
      const printed = admin.page.locator('meta[name=description]');
      assert.equal(await printed.count(), 1);
      assert.equal(await printed.getAttribute('content'), description);
      assert.equal(await admin.page.locator('.smart-summary-json-ld').count(), 0, 'the SEO plugin prints; we do not');
    } finally {
      wp('plugin', 'deactivate', `standin-${name}`);
    }
  });
}

test('the editor’s undo takes the words out of the SEO plugin’s own fields too', async () => {
  wp('plugin', 'activate', 'standin-yoast');
  try {
    const { id } = makePost({ title: 'Undo with an SEO plugin' });
    await admin.openEditor(id);
    await admin.openPanel();
    const shown = () => admin.page.evaluate(() => wp.data.select('yoast-seo/editor').getSnippetEditorData());
    const before = await shown();
    await admin.run();
    await admin.apply();
    const applied = await shown();
    assert.notEqual(applied.description, '');
    await admin.page.evaluate(() => wp.data.dispatch('core/editor').undo());
    assert.deepEqual(await shown(), before);
    await admin.page.evaluate(() => wp.data.dispatch('core/editor').redo());
    assert.deepEqual(await shown(), applied);
    await admin.page.evaluate(() => wp.data.dispatch('core/editor').undo());
    assert.deepEqual(await shown(), before);
  } finally {
    wp('plugin', 'deactivate', 'standin-yoast');
  }
});

test('a person’s description in the SEO plugin is not replaced unasked, and a later one is not put back', async () => {
  wp('plugin', 'activate', 'standin-yoast');
  try {
    const { id } = makePost({ title: 'A person was first' });
    php(`update_post_meta( ${id}, '_yoast_wpseo_metadesc', 'A person wrote this' ); return 1;`);
    await admin.openEditor(id);
    await admin.openPanel();
    await admin.run();
    await admin.apply();
    await admin.save();
    assert.equal(php(PLUGINS.yoast(id))[1], 'A person wrote this');
    // Now the person takes ours, and then writes their own in the SEO plugin's box.
    await admin.page.locator('smart-summary').getByRole('button', { name: 'Apply Description' }).click();
    await admin.apply();
    await admin.page.evaluate(() => wp.data.dispatch('yoast-seo/editor').updateData({ description: 'Better words' }));
    await admin.save();
    await admin.page.waitForTimeout(1500);
    assert.equal(php(PLUGINS.yoast(id))[1], 'Better words');
  } finally {
    wp('plugin', 'deactivate', 'standin-yoast');
  }
});
