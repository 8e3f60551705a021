// What an author does in the block editor: press, look, accept, save, reload.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, launch, sample } from './pages.mjs';
import { complaints, php, serveAt } from './site.mjs';
import { connect, makePost, url, world } from './world.mjs';

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
  php(`return set_post_thumbnail( ${id}, ${attachments[0]} );`);
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  const title = 'Reading latency from buckets';
  await admin.input('Title').fill(title);
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
  assert.equal(post.meta._smart_summary_title, title);
  assert.equal(post.meta._smart_summary_description, description);
  assert.equal(post.meta._smart_summary.fields.meta_description.by, 'ai');
  assert.ok(post.content.raw.includes(`alt="${picture.alt}"`));
  const media = await admin.rest(`/wp/v2/media/${attachments[0]}`);
  assert.equal(media.alt_text, picture.alt, 'the library had no alt text: it has this one too');

  await admin.page.goto(post.link);
  assert.ok((await admin.page.title()).startsWith(title), await admin.page.title());
  const printed = {
    'name=description': description,
    'property="og:title"': title,
    'property="og:description"': description,
  };
  for (const [which, content] of Object.entries(printed)) {
    const tag = admin.page.locator(`meta[${which}]`);
    assert.equal(await tag.count(), 1, which);
    assert.equal(await tag.getAttribute('content'), content);
  }
  const image = admin.page.locator('meta[property="og:image"]');
  assert.equal(await image.count(), 1);
  assert.match(await image.getAttribute('content'), /prometheus-histogram[\w-]*\.png$/);
  assert.equal(await admin.page.locator('meta[property="og:image:alt"]').getAttribute('content'), picture.alt);
  const data = JSON.parse(await admin.page.locator('script[type="application/ld+json"]').innerText());
  assert.equal(data['@type'], 'BlogPosting');
  assert.equal(data.headline, title);
  assert.equal(data.description, description);
});

test('titles and descriptions fit the place that the settings name, in the panel and in a job', async () => {
  const told = (id) =>
    php(`return \\Smart_Summary\\Generator::request( get_post( ${id} ), array( 'summary' ), array() )['limits'];`);
  const { id } = makePost({ title: 'Latency in buckets' });
  const { page } = admin;
  await page.goto(`${url}/wp-admin/options-general.php?page=smart-summary`);
  assert.equal(await page.inputValue('#smart-summary-target'), '', 'no place is named unasked');
  assert.deepEqual(await admin.axe('#wpbody-content .wrap'), []);
  try {
    await page.selectOption('#smart-summary-target', { label: 'a card in WeChat' });
    await Promise.all([page.waitForURL(/settings-updated=true/), page.click('#submit')]);
    assert.equal(await page.inputValue('#smart-summary-target'), 'wechat');
    await admin.openEditor(id);
    await admin.openPanel();
    await admin.run();
    const description = await admin.input('Description').inputValue();
    const wide = await page.evaluate((text) => {
      const context = document.createElement('canvas').getContext('2d');
      context.font = '13px Arial';
      return context.measureText(text).width;
    }, description);
    assert.ok(wide > 0 && wide <= 420, `“${description}” is ${wide} pixels wide`);
    assert.equal(await page.getByRole('tab', { name: 'WeChat' }).getAttribute('aria-selected'), 'true');
    assert.deepEqual(told(id), { target: 'wechat' });
  } finally {
    connect(place.backend.url, place.key);
  }
  assert.deepEqual(told(id), {});
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

test('only the fields that are ticked are written, and pictures of every kind of block', async () => {
  const { id, attachments } = makePost({ title: 'Some fields', pictures: Array(4).fill(PICTURE), sizes: false });
  const { slug, tags } = await admin.rest(`/wp/v2/posts/${id}?context=edit`);
  await admin.openEditor(id);
  await admin.page.evaluate(async () => {
    const { getBlocks } = wp.data.select('core/block-editor');
    const { replaceBlock } = wp.data.dispatch('core/block-editor');
    const [, cover, beside, featured] = getBlocks().filter(({ name }) => name === 'core/image');
    const of = ({ attributes: { id, url } }) => ({ id, url });
    // With a paragraph in each: an empty one would be chosen by the editor, whose sidebar then shows the block.
    const inside = () => [wp.blocks.createBlock('core/paragraph', { content: 'Beside the picture.' })];
    await replaceBlock(cover.clientId, wp.blocks.createBlock('core/cover', of(cover), inside()));
    const { id: mediaId, url: mediaUrl } = of(beside);
    const media = { mediaId, mediaUrl, mediaType: 'image' };
    await replaceBlock(beside.clientId, wp.blocks.createBlock('core/media-text', media, inside()));
    await wp.data.dispatch('core/block-editor').removeBlock(featured.clientId);
    await wp.data.dispatch('core/editor').editPost({ featured_media: of(featured).id });
  });
  await admin.save();
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  assert.equal(await admin.part('alt').count(), 4);
  for (const name of ['slug', 'keywords']) {
    const tick = admin.part(`field-${name}`).locator('[part~=accept]');
    assert.equal(await tick.getAttribute('aria-pressed'), 'true', name);
    await tick.click();
    assert.equal(await tick.getAttribute('aria-pressed'), 'false', name);
  }
  await admin.apply();
  await admin.save();
  await admin.openEditor(id);
  const post = await admin.rest(`/wp/v2/posts/${id}?context=edit`);
  assert.deepEqual([post.slug, post.tags], [slug, tags]);
  assert.notEqual(post.excerpt.raw, '');
  assert.notEqual(post.meta._smart_summary_description, '');
  for (const [name, kept] of Object.entries({
    'core/image': 'alt',
    'core/cover': 'alt',
    'core/media-text': 'mediaAlt',
  })) {
    const [block] = await admin.blocks(name);
    assert.ok(block.isValid && block[kept], `${name}: ${block[kept]}`);
  }
  const { alt_text: featured } = await admin.rest(`/wp/v2/media/${attachments[3]}`);
  assert.notEqual(featured, '', 'the featured image’s words are the library’s');
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

test('after a block was worked on and left, Apply and its undo leave the panel where it is', async () => {
  const { id } = makePost({ title: 'Worked on', pictures: [PICTURE] });
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  const canvas = admin.page.frameLocator('iframe[name="editor-canvas"]');
  await canvas.getByText('A histogram counts how many').click();
  await admin.page.keyboard.press('End');
  await admin.page.keyboard.type(' Written by hand.');
  // The sidebar shows the block by now; its other tab is the panel's.
  const chosen = () => admin.page.evaluate(() => wp.data.select('core/block-editor').getSelectedBlockClientId());
  const sidebar = () => admin.page.evaluate(() => wp.data.select('core/interface').getActiveComplementaryArea('core'));
  assert.notEqual(await chosen(), null);
  await admin.page.evaluate(() => {
    wp.data.dispatch('core/block-editor').clearSelectedBlock();
    wp.data.dispatch('core/edit-post').openGeneralSidebar('edit-post/document');
  });
  const alt = async () => (await admin.blocks('core/image'))[0].alt;
  const drawn = () =>
    admin.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestIdleCallback(done))));
  for (const took of ['first', 'second']) {
    await admin.apply();
    assert.notEqual(await alt(), '');
    // The editor looks for a block to choose after it has drawn the new ones.
    await drawn();
    assert.deepEqual([await chosen(), await sidebar()], [null, 'edit-post/document'], took);
    assert.ok(await admin.part('applied').isVisible(), 'what was applied is still said');
    await admin.part('undo').click();
    await drawn();
    assert.deepEqual([await chosen(), await sidebar()], [null, 'edit-post/document'], took);
    assert.equal(await alt(), '', 'one step took it back');
    assert.match((await admin.blocks('core/paragraph'))[0].content, /Written by hand/, 'and only that step');
  }
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

test('where the page is not isolated the panel works as well, and its WebAssembly comes with the first use', async () => {
  // WordPress isolates its editor at `localhost`, and not at an address without HTTPS.
  const site = await serveAt('127.0.0.1');
  const { id } = makePost({ title: 'Not isolated' });
  const [featured] = makePost({ pictures: [PICTURE], sizes: false }).attachments;
  php(`return set_post_thumbnail( ${id}, ${featured} );`);
  connect(place.backend.url, place.backend.createKey('summaries:write,tokens:write', site.url).key);
  try {
    const visitor = await Person.signIn(browser, 'admin', { at: site.url });
    const loaded = [];
    visitor.page.on('request', (request) => /\.wasm(\?|$)/.test(request.url()) && loaded.push(request.url()));
    await visitor.openEditor(id);
    await visitor.openPanel();
    assert.equal(await visitor.page.evaluate(() => window.crossOriginIsolated), false);
    assert.deepEqual(loaded, [], 'nothing before the button is touched');
    await visitor.run();
    assert.equal(await visitor.part('alt').count(), 1);
    assert.notEqual(await visitor.input('Description').inputValue(), '');
    assert.ok(loaded.length > 0);
    for (const address of loaded) assert.ok(address.startsWith(site.url), address);
    await visitor.close();
  } finally {
    site.stop();
    connect(place.backend.url, place.key);
  }
});
