// What an author does in the block editor: press, look, accept, save, reload.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, launch, sample } from './pages.mjs';
import { complaints, php } from './site.mjs';
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
  assert.deepEqual(complaints(), [], 'PHP has nothing to complain about');
});

const PICTURE = sample('prometheus-histogram.png');

test('one press, accepted fields, saved, reloaded: the post has them', async () => {
  const { id, attachments } = makePost({ title: 'Latency in buckets', pictures: [PICTURE] });
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  const description = await admin.input('Description').inputValue();
  assert.notEqual(description, '');
  assert.equal(await admin.edited('excerpt'), '', 'nothing is written before Apply');
  await admin.screenshot('panel-done');
  await admin.apply();
  const [picture] = await admin.blocks('core/image');
  assert.notEqual(picture.alt, '');
  assert.equal(picture.isValid, true);
  await admin.page.locator('smart-summary').evaluate((panel) => panel.scrollIntoView({ block: 'start' }));
  await admin.screenshot('panel-fields');

  await admin.save({ publish: true });
  await admin.openEditor(id);
  const post = await admin.rest(`/wp/v2/posts/${id}?context=edit`);
  assert.equal(post.title.raw, 'Latency in buckets', 'a title that was there stays');
  assert.notEqual(post.excerpt.raw, '');
  assert.match(post.slug, /^[a-z0-9-]+$/);
  assert.ok(post.tags.length >= 3);
  assert.equal(post.meta._smart_summary_description, description);
  assert.equal(post.meta._smart_summary.fields.meta_description.by, 'ai');
  assert.ok(post.content.raw.includes(`alt="${picture.alt}"`));
  const media = await admin.rest(`/wp/v2/media/${attachments[0]}`);
  assert.equal(media.alt_text, picture.alt, 'the library had no alt text: it has this one too');

  await admin.page.goto(post.link);
  assert.equal(await admin.page.locator('meta[name=description]').count(), 1);
  assert.equal(await admin.page.locator('meta[name=description]').getAttribute('content'), description);
  assert.equal(await admin.page.locator('meta[property="og:description"]').getAttribute('content'), description);
  const data = JSON.parse(await admin.page.locator('script[type="application/ld+json"]').innerText());
  assert.equal(data['@type'], 'BlogPosting');
  assert.equal(data.description, description);
});

test('everything that Apply wrote is one step of the editor’s undo, and of redo', async () => {
  const { id } = makePost({ pictures: [PICTURE] });
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  const state = () =>
    admin.page.evaluate(() => {
      const edited = (name) => wp.data.select('core/editor').getEditedPostAttribute(name);
      return {
        ...Object.fromEntries(['title', 'excerpt', 'slug', 'tags'].map((name) => [name, edited(name)])),
        description: edited('meta')._smart_summary_description,
        alt: wp.data
          .select('core/block-editor')
          .getBlocks()
          .find(({ name }) => name === 'core/image').attributes.alt,
      };
    });
  const before = await state();
  await admin.apply();
  const applied = await state();
  for (const [name, value] of Object.entries(applied)) assert.notDeepEqual(value, before[name], `${name} was written`);
  await admin.page.evaluate(() => wp.data.dispatch('core/editor').undo());
  assert.deepEqual(await state(), before, 'Ctrl+Z takes everything back');
  await admin.page.evaluate(() => wp.data.dispatch('core/editor').redo());
  assert.deepEqual(await state(), applied);
  await admin.page.evaluate(() => wp.data.dispatch('core/editor').undo());
  await admin.apply();
  await admin.part('undo').click();
  assert.deepEqual(await state(), before, 'so does the panel’s Undo');
});

test('choosing a block does not throw away what was written', async () => {
  const { id } = makePost({ title: 'Kept', pictures: [PICTURE] });
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  const description = await admin.input('Description').inputValue();
  const [{ clientId }] = await admin.blocks('core/image');
  await admin.page.evaluate((block) => wp.data.dispatch('core/block-editor').selectBlock(block), clientId);
  await admin.page.evaluate(() => wp.data.dispatch('core/edit-post').openGeneralSidebar('edit-post/block'));
  await admin.page.locator('.smart-summary-alt-button').waitFor();
  await admin.page.evaluate(() => wp.data.dispatch('core/edit-post').openGeneralSidebar('edit-post/document'));
  await admin.part('run').waitFor();
  assert.equal(await admin.input('Description').inputValue(), description);
});

test('a person’s words are not replaced unasked', async () => {
  const { id } = makePost({ title: 'My title', pictures: [PICTURE], alts: ['My own alt text'] });
  php(
    `wp_update_post( array( 'ID' => ${id}, 'post_excerpt' => 'My own excerpt' ) ); update_post_meta( ${id}, '_smart_summary_description', 'My own description' ); return 1;`,
  );
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  await admin.apply();
  await admin.save();
  const post = await admin.rest(`/wp/v2/posts/${id}?context=edit`);
  assert.equal(post.title.raw, 'My title');
  assert.equal(post.excerpt.raw, 'My own excerpt');
  assert.equal(post.meta._smart_summary_description, 'My own description');
  assert.ok(post.content.raw.includes('alt="My own alt text"'));
});
