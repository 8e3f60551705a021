// The pictures of the documentation: `node run.mjs --keep screenshots.mjs` writes them into artefacts/, English and Chinese.
// Those in docs/images are chosen from them by hand.

import { after, before, test } from 'node:test';

import { Person, launch, sample } from './pages.mjs';
import { php, wp } from './site.mjs';
import { makePost, url, world } from './world.mjs';

const PICTURES = ['prometheus-histogram.png', 'harbour-cranes.jpg'].map(sample);
const LANGUAGES = [
  { language: 'en', locale: '' },
  { language: 'zh', locale: 'zh_CN' },
];

let browser, place;
before(async () => {
  [browser, place] = await Promise.all([launch(), world({ scopes: 'summaries:write,tokens:write,batches:write' })]);
});
after(async () => {
  php(`delete_user_meta( 1, 'locale' ); return 1;`);
  await browser?.close();
  await place?.backend.stop();
});

for (const { language, locale } of LANGUAGES) {
  test(`the pages in ${language}`, async () => {
    php(`update_user_meta( 1, 'locale', '${locale}' ); return 1;`);
    const admin = await Person.signIn(browser, 'admin');
    const { page } = admin;
    await page.setViewportSize({ width: 1280, height: 900 });
    const shot = (name) => admin.screenshot(`${name}-${language}`);
    const toTop = () => page.locator('smart-summary').evaluate((panel) => panel.scrollIntoView({ block: 'start' }));

    const { id } = makePost({ title: 'Latency in buckets', pictures: PICTURES });
    await admin.openEditor(id);
    await admin.openPanel();
    await toTop();
    await shot('panel-ready');
    await admin.run();
    await toTop();
    await shot('panel-done');
    await page.locator('smart-summary').locator('[part~=apply]').scrollIntoViewIfNeeded();
    await shot('panel-end');

    const [{ clientId }] = await admin.blocks('core/image');
    await page.evaluate((block) => wp.data.dispatch('core/block-editor').selectBlock(block), clientId);
    await page.click('.smart-summary-alt-button');
    await page.locator('.smart-summary-alt').getByRole('textbox').waitFor();
    await shot('image');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Publish', exact: true }).first().click();
    await page.locator('.smart-summary-check').first().waitFor();
    await page.locator('.smart-summary-check').first().scrollIntoViewIfNeeded();
    await shot('publish');

    await page.goto(`${url}/wp-admin/options-general.php?page=smart-summary`);
    await admin.testConnection();
    await page.setViewportSize({ width: 1280, height: 1700 });
    await shot('settings');
    await page.setViewportSize({ width: 1280, height: 700 });
    const old = makePost({ title: 'An old post', status: 'publish', pictures: [PICTURES[1]] }).id;
    wp('smart-summary', 'generate', `--ids=${old}`);
    await page.goto(`${url}/wp-admin/tools.php?page=smart-summary-tools`);
    await page.click('#smart-summary-count');
    await page.waitForFunction(() => document.getElementById('smart-summary-plan').textContent !== '');
    await shot('tools');

    wp('plugin', 'activate', 'standin-classic');
    try {
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.goto(`${url}/wp-admin/post.php?post=${id}&action=edit`);
      await page.waitForFunction(() => window.tinymce?.get('content')?.initialized);
      await admin.part('run').waitFor();
      await admin.run();
      await page.locator('#smart-summary').evaluate((box) => box.scrollIntoView({ block: 'start' }));
      await shot('classic');
    } finally {
      wp('plugin', 'deactivate', 'standin-classic');
    }
    await admin.context.close();
  });
}
