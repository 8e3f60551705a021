// The Classic Editor: the same element in a meta box; the form carries what was accepted.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { formsOf, gateway, listen } from './gateway.mjs';
import { Person, launch, sample } from './pages.mjs';
import { complaints, php, wp } from './site.mjs';
import { connect, makePost, url, world } from './world.mjs';

let browser, author, place;
before(async () => {
  [browser, place] = await Promise.all([launch(), world()]);
  wp('plugin', 'activate', 'standin-classic');
  author = await Person.signIn(browser, 'author');
});
after(async () => {
  await author?.close();
  await browser?.close();
  wp('plugin', 'deactivate', 'standin-classic');
  await place?.backend.stop();
  assert.deepEqual(complaints(), []);
});

test('accepted fields are in the form, are taken back by Undo, and are saved with the post', async () => {
  const { id, attachments } = makePost({
    title: 'Classic',
    author: 'author',
    pictures: [sample('prometheus-histogram.png')],
    sizes: false,
  });
  const [featured] = makePost({
    author: 'author',
    pictures: [sample('monastery-square.jpg')],
    sizes: false,
  }).attachments;
  php(`return set_post_thumbnail( ${id}, ${featured} );`);
  await author.page.goto(`${url}/wp-admin/post.php?post=${id}&action=edit`);
  await author.page.waitForFunction(() => window.tinymce?.get('content')?.initialized);
  await author.part('run').waitFor();
  await author.run();
  assert.equal(await author.part('alt').count(), 2, 'the article’s picture and the featured one');
  const alt = () =>
    author.page.evaluate(() => tinymce.get('content').getBody().querySelector('img').getAttribute('alt') ?? '');
  const description = await author.input('Description').inputValue();
  await author.apply();
  assert.notEqual(await alt(), '');
  assert.equal(await author.page.inputValue('#smart-summary-description'), description);
  await author.part('undo').click();
  assert.equal(await alt(), '');
  assert.equal(await author.page.inputValue('#smart-summary-description'), '');
  await author.apply();
  await author.screenshot('classic');
  const accepted = await alt();
  const step = (name) => author.page.evaluate((name) => void tinymce.get('content').undoManager[name](), name);
  await step('undo');
  assert.equal(await alt(), '', 'one step of the editor’s own undo');
  await step('redo');
  assert.equal(await alt(), accepted);
  await author.page.click('#save-post');
  await author.page.waitForURL(/message=/);
  const provenance = author.page.locator('.smart-summary-provenance');
  await provenance.getByText('Description: made by Smart Summary').waitFor();
  await author.page.waitForFunction(() => window.tinymce?.get('content')?.initialized);
  await author.page.locator('.smart-summary-provenance[data-stale=false]').waitFor();
  await author.page.evaluate(() => {
    const editor = tinymce.get('content');
    editor.insertContent('<p>Another paragraph.</p>');
  });
  await author.page.locator('.smart-summary-provenance[data-stale=true]').waitFor();
  assert.match(await provenance.innerText(), /has changed since its texts were made/);
  const saved = php(`$post = get_post( ${id} ); return array(
    'excerpt' => $post->post_excerpt, 'content' => $post->post_content, 'tags' => count( wp_get_post_tags( ${id} ) ),
    'description' => get_post_meta( ${id}, '_smart_summary_description', true ), 'record' => get_post_meta( ${id}, '_smart_summary', true ),
    'library' => get_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', true ),
    'featured' => get_post_meta( ${featured}, '_wp_attachment_image_alt', true ) );`);
  assert.notEqual(saved.featured, '');
  assert.equal(saved.description, description);
  assert.notEqual(saved.excerpt, '');
  assert.ok(saved.tags >= 3);
  assert.ok(saved.content.includes(`alt="${accepted}"`));
  assert.equal(saved.library, accepted);
  assert.equal(saved.record.fields.meta_description.by, 'ai');
});

test('the post’s own address goes with the request: the one that visitors have, or the one of a draft', async () => {
  const { server, passed } = gateway(place.backend.url, { kept: 'all' });
  try {
    connect(await listen(server), place.key);
    const addresses = [];
    for (const [title, status] of [
      ['Classic and public', 'publish'],
      ['Classic draft', 'draft'],
    ]) {
      const { id } = makePost({ title, status, author: 'author' });
      addresses.push(php(`return get_permalink( ${id} );`));
      await author.page.goto(`${url}/wp-admin/post.php?post=${id}&action=edit`);
      await author.page.waitForFunction(() => window.tinymce?.get('content')?.initialized);
      await author.part('run').waitFor();
      await author.run();
    }
    const requests = (await formsOf(passed)).map((form) => form.get('request'));
    const texts = await Promise.all(requests.map((part) => (typeof part === 'string' ? part : part.text())));
    assert.deepEqual(
      texts.map((text) => JSON.parse(text).article.url),
      addresses,
    );
    const [visited, draft] = addresses.map((address) => address.slice(url.length));
    assert.match(visited, /^\/classic-and-public(-\d+)?\/$/);
    assert.match(draft, /^\/\?p=\d+$/);
  } finally {
    server.closeAllConnections();
    server.close();
    connect(place.backend.url, place.key);
  }
});
