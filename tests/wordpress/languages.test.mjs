// Sites in several languages: the backend is told the post's own, and old posts of every language are found.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, launch } from './pages.mjs';
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

/** A post in this language, as the stand-ins keep it. */
function postIn(language, title) {
  const { id } = makePost({ title, status: 'publish' });
  if (language !== '') php(`update_post_meta( ${id}, 'standin_language', '${language}' ); return 1;`);
  return id;
}

/** What a job would tell the backend. */
const told = (id) =>
  php(
    `return \\Smart_Summary\\Generator::request( get_post( ${id} ), array( 'summary' ), array() )['article']['language'];`,
  );

/** The posts that a run would work on, for somebody in the dashboard. */
const planned = () =>
  php(`return array_keys( \\Smart_Summary\\Backfill::plan( array( 'fields' => array( 'description' ) ) ) );`);

async function withPlugin(name, work) {
  wp('plugin', 'activate', name);
  try {
    await work();
  } finally {
    wp('plugin', 'deactivate', name);
  }
}

test('Polylang: jobs and the editor tell the post’s language, and the one that its writer has just chosen', () =>
  withPlugin('standin-polylang', async () => {
    const german = postIn('de', 'Deutsch');
    const english = postIn('en', 'English');
    assert.deepEqual([told(german), told(english), told(postIn('', 'None'))], ['de-DE', 'en-US', 'auto']);
    const plan = planned();
    assert.ok(plan.includes(german) && plan.includes(english), 'posts of both languages lack something');

    await admin.openEditor(german);
    await admin.openPanel();
    await admin.run();
    assert.match(await admin.part('facts').innerText(), /\bDE\b/i);
    await admin.page.selectOption('#post_lang_choice', 'en', { force: true });
    await admin.run();
    assert.match(await admin.part('facts').innerText(), /\bEN\b/i);
  }));

test('WPML: a post’s locale or code, and the dashboard’s language for a post that was never saved', () =>
  withPlugin('standin-wpml', async () => {
    const chinese = postIn('zh-hans', '中文');
    const brazilian = postIn('pt-br', 'Português');
    assert.deepEqual([told(chinese), told(brazilian), told(postIn('', 'None'))], ['zh-CN', 'pt-br', 'auto']);
    assert.ok(planned().includes(chinese), 'posts of other languages than the dashboard’s are found');
    const draft = php(`return wp_insert_post( array( 'post_status' => 'auto-draft', 'post_title' => 'New' ) );`);
    assert.equal(told(draft), 'auto', 'the dashboard shows all languages');
    php(`return update_option( 'standin_current_language', 'fr' );`);
    assert.equal(told(draft), 'fr');
    php(`return delete_option( 'standin_current_language' );`);
  }));
