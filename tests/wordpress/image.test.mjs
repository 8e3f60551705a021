// At the picture: a button in its toolbar, what the library says, decorative pictures, the check before publishing, Chinese.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, launch, sample } from './pages.mjs';
import { complaints, php, wp } from './site.mjs';
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

const PICTURE = sample('harbour-cranes.jpg');

async function choosePicture() {
  const [{ clientId }] = await admin.blocks('core/image');
  await admin.page.evaluate((block) => wp.data.dispatch('core/block-editor').selectBlock(block), clientId);
  await admin.page.locator('.smart-summary-alt-button').waitFor();
}

test('the toolbar’s button suggests an alt text, and writes it only when it is taken', async () => {
  const { id, attachments } = makePost({ title: 'Cranes in the harbour', pictures: [PICTURE], sizes: false });
  await admin.openEditor(id);
  await choosePicture();
  await admin.page.click('.smart-summary-alt-button');
  const dialog = admin.page.getByRole('dialog', { name: 'Alt text' });
  const field = dialog.getByRole('textbox', { name: 'Alt text' });
  await field.waitFor();
  const suggested = await field.inputValue();
  assert.notEqual(suggested, '');
  assert.equal((await admin.blocks('core/image'))[0].alt, '');
  await admin.screenshot('alt-dialog');
  assert.deepEqual(await admin.axe('.smart-summary-alt'), []);
  await field.fill('Two cranes over the harbour at dusk');
  await dialog.getByRole('button', { name: 'Use this alt text' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await admin.blocks('core/image'))[0].alt, 'Two cranes over the harbour at dusk');
  await admin.save();
  const record = php(`return get_post_meta( ${id}, '_smart_summary', true );`);
  assert.equal(record.alts[attachments[0]].by, 'ai_edited');
  await admin.page.evaluate(() => wp.data.dispatch('core/editor').undo());
  assert.equal((await admin.blocks('core/image'))[0].alt, '', 'one step back');
});

test('a different alt text in the library is shown, and may be taken', async () => {
  const { id, attachments } = makePost({
    title: 'Two alt texts',
    pictures: [PICTURE],
    sizes: false,
    alts: ['In the post'],
  });
  php(`update_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', 'In the library' ); return 1;`);
  await admin.openEditor(id);
  await choosePicture();
  await admin.page.getByText('The media library says: In the library').waitFor();
  await admin.screenshot('alt-differs');
  await admin.page.getByRole('button', { name: 'Write it into the library too' }).click();
  await admin.page.locator('.smart-summary-differs').waitFor({ state: 'detached' });
  assert.equal(php(`return get_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', true );`), 'In the post');
});

test('an accepted alt text does not replace a person’s in the library', async () => {
  const { id, attachments } = makePost({ title: 'A person’s library', pictures: [PICTURE], sizes: false });
  php(`update_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', 'By the photographer' ); return 1;`);
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  await admin.apply();
  await admin.save();
  assert.notEqual((await admin.blocks('core/image'))[0].alt, '');
  assert.equal(
    php(`return get_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', true );`),
    'By the photographer',
  );
});

test('a picture that a person calls decorative is not sent', async () => {
  const { id } = makePost({ title: 'An ornament', pictures: [PICTURE], sizes: false });
  await admin.openEditor(id);
  await choosePicture();
  await admin.page
    .getByRole('checkbox', { name: /decorative/i })
    .first()
    .check();
  await admin.page.evaluate(() => {
    wp.data.dispatch('core/block-editor').clearSelectedBlock();
    wp.data.dispatch('core/edit-post').openGeneralSidebar('edit-post/document');
  });
  await admin.openPanel();
  await admin.run();
  assert.equal(await admin.part('alt').count(), 0);
  await admin.save();
  assert.doesNotMatch(
    wp('smart-summary', 'generate', '--dry-run', `--ids=${id}`, '--fields=alts'),
    /alt:/,
    'nor by a job',
  );
});

test('before publishing the missing things are named', async () => {
  const { id } = makePost({ title: 'Unfinished', pictures: [PICTURE], sizes: false });
  await admin.openEditor(id);
  await admin.page.getByRole('button', { name: 'Publish', exact: true }).first().click();
  await admin.page.locator('.smart-summary-missing').waitFor();
  const words = await admin.page.locator('.smart-summary-missing').innerText();
  assert.match(words, /no description/);
  assert.match(words, /1 picture has no alt text/);
  await admin.screenshot('pre-publish');
  await admin.page.getByRole('button', { name: 'Open Smart Summary' }).click();
  await admin.part('run').waitFor();
});

test('after the article has changed its texts are called out of date', async () => {
  const { id } = makePost({ title: 'Changing' });
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  await admin.apply();
  const provenance = admin.page.locator('.smart-summary-provenance');
  await provenance.waitFor();
  assert.equal(await provenance.getAttribute('data-stale'), 'false');
  assert.match(await provenance.innerText(), /Description: made by Smart Summary/);
  await admin.page.evaluate(() => {
    const [block] = wp.data.select('core/block-editor').getBlocks();
    wp.data
      .dispatch('core/block-editor')
      .updateBlockAttributes(block.clientId, { content: 'Something else entirely.' });
  });
  await admin.page.locator('.smart-summary-provenance[data-stale=true]').waitFor();
});

test('an administrator who reads Chinese has all of it in Chinese', async () => {
  wp('user', 'meta', 'update', 'editor', 'locale', 'zh_CN');
  const { id } = makePost({ title: 'In two languages' });
  const editor = await Person.signIn(browser, 'editor');
  await editor.page.goto(`${url}/wp-admin/post.php?post=${id}&action=edit`);
  await editor.page.waitForFunction(() => window.wp?.data?.select('core/editor')?.getCurrentPostId());
  const translated = await editor.page.evaluate(() => wp.i18n.__('Use this alt text', 'smart-summary'));
  assert.match(translated, /[\u4e00-\u9fff]/);
  await editor.close();
});
