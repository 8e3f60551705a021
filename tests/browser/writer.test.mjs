// What a writer does: press, look, edit, apply, undo; with the embedded engine.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, openPage } from './page.mjs';
import { record, startServer } from './server.mjs';

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('one press fills every field of an English post', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  for (const label of ['Title', 'Description', 'Address', 'Summary']) {
    assert.notEqual(await demo.input(label).inputValue(), '', `${label} is filled`);
  }
  assert.ok((await demo.input('Description').inputValue()).length <= 160);
  assert.match(await demo.input('Address').inputValue(), /^[a-z0-9-]+$/);
  assert.ok((await demo.part('chip').count()) >= 3, 'there are keywords');
  assert.match(await demo.input('Alt text of prometheus-histogram.png').inputValue(), /histogram/i);
  assert.match(await demo.part('facts').innerText(), /EN.*extractive.*s/s);
  await demo.part('structured-toggle').click();
  const structured = await demo.part('structured').innerText();
  assert.match(structured, /og:title/);
  assert.match(structured, /"BlogPosting"/);
  await demo.screenshot('english-done');
  await demo.close();
});

test('one press fills every field of a Chinese post, in Chinese', async () => {
  const demo = await openPage(browser, server, { post: 'keycloak', lang: 'zh' });
  await demo.run();
  for (const label of ['标题', '描述', '摘要']) {
    assert.match(await demo.input(label).inputValue(), /[\u4e00-\u9fff]/, `${label} is Chinese`);
  }
  assert.match(await demo.input('网址').inputValue(), /^[a-z0-9-]+$/, 'the address is Latin');
  assert.match(await demo.part('facts').innerText(), /ZH/);
  await demo.screenshot('chinese-done');
  await demo.close();
});

test('a draft made on this device is there before the button is pressed', async () => {
  const demo = await openPage(browser, server);
  await demo.button.hover();
  await demo.part('draft').waitFor();
  assert.match(await demo.part('draft').innerText(), /Draft, made on this device/);
  await demo.screenshot('draft');
  await demo.close();
});

test('an edited field is applied as edited, and undo takes everything back in one step', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  await demo.input('Description').fill('My own words about histograms.');
  await demo.part('edited').filter({ visible: true }).first().waitFor();
  const title = await demo.page.locator('#title').inputValue();
  await demo.applyButton.click();
  await demo.part('applied').waitFor();
  assert.equal(await demo.setting('meta_description').inputValue(), 'My own words about histograms.');
  assert.notEqual(await demo.setting('slug').inputValue(), '');
  assert.notEqual((await demo.altsInEditor)[0], '');
  assert.equal(await demo.page.locator('#title').inputValue(), title, 'a title that was there is not replaced unasked');
  await demo.screenshot('applied');
  await demo.part('undo').click();
  assert.equal(await demo.setting('meta_description').inputValue(), '');
  assert.equal(await demo.setting('slug').inputValue(), '');
  assert.deepEqual(await demo.altsInEditor, ['']);
  await demo.close();
});

test('Undo leaves what was written since', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  await demo.applyButton.click();
  await demo.part('applied').waitFor();
  const alts = await demo.altsInEditor;
  await demo.setting('meta_description').fill('Typed after Apply.');
  await demo.page.locator('#editor .tiptap').press('Control+Home');
  await demo.page.keyboard.type('Typed too. ');
  await demo.part('undo').click();
  assert.equal(await demo.setting('meta_description').inputValue(), 'Typed after Apply.');
  assert.match(await demo.page.locator('#editor').innerText(), /Typed too\. /);
  assert.equal(await demo.setting('slug').inputValue(), '', 'what still stood is taken back');
  assert.deepEqual(await demo.altsInEditor, ['']);
  // That was a step of the editor too.
  await demo.page.getByRole('button', { name: 'Undo', exact: true }).first().click();
  assert.deepEqual(await demo.altsInEditor, alts);
  assert.notEqual(await demo.setting('slug').inputValue(), '');
  assert.equal(await demo.setting('meta_description').inputValue(), 'Typed after Apply.');
  await demo.close();
});

test('the editor’s own undo takes everything back in one step, and its redo brings it again', async () => {
  const demo = await openPage(browser, server, { post: 'newPost' });
  await demo.page.locator('#editor .tiptap').fill('Rye bread needs time, not strength. The dough rests overnight.');
  await demo.run();
  await demo.applyButton.click();
  await demo.part('applied').waitFor();
  const settings = () =>
    Promise.all(['meta_description', 'keywords', 'slug', 'summary'].map((name) => demo.setting(name).inputValue()));
  const [applied, title] = [await settings(), await demo.page.locator('#title').inputValue()];
  assert.notEqual(applied[0], '');
  assert.notEqual(title, '');
  const tool = (name) => demo.page.getByRole('toolbar').getByRole('button', { name, exact: true });
  await tool('Undo').click();
  assert.deepEqual(await settings(), ['', '', '', '']);
  assert.equal(await demo.page.locator('#title').inputValue(), '');
  assert.match(await demo.page.locator('#editor').innerText(), /Rye bread/, 'the text stays');
  await demo.part('undo').waitFor({ state: 'hidden' });
  await tool('Redo').click();
  assert.deepEqual(await settings(), applied);
  assert.equal(await demo.page.locator('#title').inputValue(), title);
  await demo.part('undo').click();
  assert.deepEqual(await settings(), ['', '', '', '']);
  await demo.close();
});

test('another post begins with an empty panel, and its undo touches no other post', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  await demo.applyButton.click();
  await demo.part('applied').waitFor();
  await demo.page.selectOption('#sample', 'monastery');
  await demo.part('facts').waitFor({ state: 'hidden' });
  assert.equal(await demo.input('Description').count(), 0, 'no field of the post before');
  assert.equal(await demo.part('undo').isVisible(), false);
  await demo.run();
  assert.doesNotMatch(await demo.input('Description').inputValue(), /histogram/i);
  await demo.close();
});

test('a textarea’s own undo takes the settings back too, and Undo leaves what was written since', async () => {
  const demo = await openPage(browser, server);
  const dist = fileURLToPath(new URL('../../plugin-wasm/js/dist/', import.meta.url));
  await demo.page.route('**/package/**', (route) =>
    route.fulfill({ path: dist + new URL(route.request().url()).pathname.slice('/package/'.length) }),
  );
  const seen = await demo.page.evaluate(async () => {
    const { textareaAdapter } = await import('/package/adapters/textarea.js');
    const area = document.body.appendChild(document.createElement('textarea'));
    area.value = 'Bread ![](loaf.png) bread.';
    let held = { slug: '', summary: 'Old' };
    const meta = { get: () => ({ ...held }), set: (values) => (held = { ...held, ...values }) };
    const adapter = textareaAdapter(area, { format: 'markdown', meta });
    const told = [];
    const handle = adapter.apply({ slug: 'bread', summary: 'New', alt_texts: { 'img-1': 'A loaf' } });
    handle.onGone(() => told.push('gone'));
    handle.onBack(() => told.push('back'));
    const now = () => [area.value, held.slug, held.summary];
    const states = [now()];
    area.focus();
    document.execCommand('undo');
    states.push(now());
    document.execCommand('redo');
    states.push(now());
    held.summary = 'Typed since';
    handle.undo();
    states.push(now());
    return { states, told };
  });
  assert.deepEqual(seen.states, [
    ['Bread ![A loaf](loaf.png) bread.', 'bread', 'New'],
    ['Bread ![](loaf.png) bread.', '', 'Old'],
    ['Bread ![A loaf](loaf.png) bread.', 'bread', 'New'],
    ['Bread ![](loaf.png) bread.', '', 'Typed since'],
  ]);
  assert.deepEqual(seen.told, ['gone', 'back']);
  await demo.close();
});

test('nothing is written into the post before Apply is pressed', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  assert.equal(await demo.setting('meta_description').inputValue(), '');
  assert.deepEqual(await demo.altsInEditor, ['']);
  await demo.close();
});

test('each sentence of a field is shown with the one that supports it', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  await demo.input('Summary').fill('Prometheus keeps histograms in buckets. Saffron cures melancholia.');
  const tool = demo.page.getByRole('button', { name: 'Show what supports the summary' });
  await tool.click();
  const claims = demo.page.locator('smart-summary #support-summary > li');
  await claims.filter({ hasText: 'Saffron cures melancholia.' }).waitFor();
  assert.equal(await claims.count(), 2);
  assert.match(await claims.nth(0).innerText(), /buckets\.[^]*In the article:[^]*histogram/);
  assert.match(await claims.nth(1).innerText(), /melancholia\.[^]*No sentence of the article supports this\./);
  await demo.screenshot('claims');
  await demo.close();
});

test('in Chinese too each sentence of a field is shown with the one that supports it', async () => {
  const demo = await openPage(browser, server, { post: 'keycloak', lang: 'zh' });
  await demo.run();
  const [sentence] = (await demo.page.locator('#editor p').first().innerText()).match(/^[^。]+。/);
  await demo.input('摘要').fill(`${sentence}藏红花能治疗忧郁。`);
  await demo.page.getByRole('button', { name: '查看摘要的依据' }).click();
  const claims = demo.page.locator('smart-summary #support-summary > li');
  await claims.filter({ hasText: '藏红花能治疗忧郁。' }).waitFor();
  assert.equal(await claims.count(), 2);
  const supported = await claims.nth(0).innerText();
  assert.ok(supported.includes('文章中：') && supported.split('文章中：')[1].includes(sentence), supported);
  assert.match(await claims.nth(1).innerText(), /藏红花能治疗忧郁。[^]*文章中没有句子支持此内容。/);
  await demo.assertAccessible('claims in Chinese');
  await demo.close();
});

for (const { lang, alt, nothing, guess } of [
  {
    lang: 'en',
    alt: (name) => `Alt text of ${name}`,
    nothing: 'Nothing tells what this picture shows: write it in a few words, or mark it as decorative.',
    guess: 'A guess: hold this against the picture before you use it.',
  },
  {
    lang: 'zh',
    alt: (name) => `${name} 的替代文本`,
    nothing: '无从得知这张图片的内容：请用几个词描述它，或将其标为装饰性。',
    guess: '这只是推测：使用前请对照图片核实。',
  },
]) {
  test(`a picture that nobody has told of is left to a person, who is asked in words: ${lang}`, async () => {
    // Without a word in the post.
    const demo = await openPage(browser, server, { post: 'newPost', lang });
    const picture = await demo.page.evaluate(async () => {
      const canvas = new OffscreenCanvas(64, 48);
      const pen = canvas.getContext('2d');
      for (let x = 0; x < 64; x += 8) ((pen.fillStyle = x % 16 ? '#fff' : '#123'), pen.fillRect(x, 0, 8, 48));
      return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    });
    const files = ['IMG_0042.png', 'oven-door-handle.png'].map((name, at) => ({
      name,
      mimeType: 'image/png',
      // The same bytes would be the same picture.
      buffer: Buffer.concat([Buffer.from(picture), Buffer.from([at])]),
    }));
    await demo.page.setInputFiles('#file', files);
    await demo.page.locator('#editor img[data-filename="oven-door-handle.png"]').waitFor({ state: 'attached' });
    await demo.run();
    const row = (name) =>
      demo.part('alt').filter({ has: demo.page.getByRole('textbox', { name: alt(name), exact: true }) });
    const asked = (name) => row(name).locator('[part~="needs-human"]');
    const [unknown, guessed] = files.map(({ name }) => name);
    assert.equal(await demo.input(alt(unknown)).inputValue(), '');
    assert.equal((await asked(unknown).innerText()).trim(), nothing);
    assert.notEqual(await demo.input(alt(guessed)).inputValue(), '');
    assert.equal((await asked(guessed).innerText()).trim(), guess);
    await demo.assertAccessible('pictures that a person has to look at');
    await demo.screenshot(`needs-human-${lang}`);
    await demo.input(alt(unknown)).fill('x');
    assert.equal(await asked(unknown).isVisible(), false, 'the writer’s own word is no guess');
    await row(guessed).locator('[part~="decorative"]').click({ force: true });
    assert.equal(await asked(guessed).isVisible(), false, 'nor is what says nothing on purpose');
    await demo.close();
  });
}

test('title and description are fitted to the place that the host names', async () => {
  const demo = await openPage(browser, server);
  await demo.page.evaluate(() => document.querySelector('smart-summary').setAttribute('target', 'wechat'));
  await demo.run();
  const wide = await demo.page.evaluate(
    (text) => {
      const context = document.createElement('canvas').getContext('2d');
      context.font = '13px Arial';
      return context.measureText(text).width;
    },
    await demo.input('Description').inputValue(),
  );
  assert.ok(wide > 0 && wide <= 420, `the description is ${wide} pixels wide`);
  assert.equal(await demo.page.getByRole('tab', { name: 'WeChat' }).getAttribute('aria-selected'), 'true');
  assert.match(await demo.part('counter').filter({ visible: true }).first().innerText(), /\/ 64$/);
  await demo.close();
});

test('an edited field survives another run', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  await demo.input('Description').fill('Mine.');
  await demo.run();
  assert.equal(await demo.input('Description').inputValue(), 'Mine.');
  await demo.close();
});

test('one field is made anew without touching the others', async () => {
  const wire = await record(server);
  const demo = await openPage(browser, wire);
  await demo.run();
  const title = await demo.input('Title').inputValue();
  await demo.panel.getByRole('button', { name: 'Regenerate Description' }).click();
  await demo.part('stop').waitFor({ state: 'detached' });
  await demo.done();
  assert.match(String(wire.bodies.at(-1)), /"fields":\["meta_description"\]/);
  assert.equal(await demo.input('Title').inputValue(), title);
  await demo.close();
  wire.stop();
});

test('the panel shows what leaves the page, and the photos leave small and without their place', async () => {
  const wire = await record(server);
  const demo = await openPage(browser, wire, { post: 'monastery' });
  await demo.run();
  await demo.part('pictures-toggle').click();
  const pictures = await demo.part('pictures').innerText();
  assert.match(pictures, /harbour-cranes\.jpg/);
  assert.match(pictures, /3\.\d MB → \d+ KB/);
  assert.match(pictures, /GPS/);
  const [body] = wire.bodies;
  assert.ok(body.length > 50_000 && body.length < 1_500_000, `three photos in ${body.length} bytes`);
  for (const metadata of ['Exif', 'http://ns.adobe.com', 'iPhone', 'ICC_PROFILE']) {
    assert.ok(!body.includes(metadata), `no ${metadata} leaves the page`);
  }
  const sizes = await demo
    .part('picture')
    .locator('img')
    .evaluateAll((images) => images.map((image) => Math.max(image.naturalWidth, image.naturalHeight)));
  assert.ok(sizes.length === 3 && sizes.every((edge) => edge === 1024), `edges ${sizes}`);
  await demo.screenshot('what-leaves');
  await demo.close();
  wire.stop();
});

test('pictures that are not sent are named with the reason, and the rest is summarised', async () => {
  const wire = await record(server);
  const demo = await openPage(browser, wire, { post: 'newPost' });
  await demo.page.locator('#editor .tiptap').fill('Rye bread needs time, not strength. The dough rests overnight.');
  const header = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
  const pixels = await demo.page.evaluate(async () => {
    const canvas = new OffscreenCanvas(64, 48);
    const pen = canvas.getContext('2d');
    for (let x = 0; x < 64; x += 8) ((pen.fillStyle = x % 16 ? '#fff' : '#123'), pen.fillRect(x, 0, 8, 48));
    return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
  });
  const files = [
    ['phone.heic', 'image/heic', header([0, 0, 0, 24], 'ftypheic', [0, 0, 0, 0], 'mif1heic')],
    ['plan.svg', 'image/svg+xml', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['broken.jpg', 'image/jpeg', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3])],
    ...[1, 2, 3, 4, 5, 6].map((at) => [`loaf-${at}.png`, 'image/png', Buffer.from(pixels)]),
  ];
  // The same bytes would be the same picture.
  files.forEach((file, at) => (file[2] = Buffer.concat([file[2], Buffer.from([at])])));
  await demo.page.setInputFiles(
    '#file',
    files.map(([name, mimeType, buffer]) => ({ name, mimeType, buffer })),
  );
  await demo.page.locator('#editor img[data-filename="loaf-6.png"]').waitFor({ state: 'attached' });
  await demo.run();
  const lines = await demo.part('left-out').allInnerTexts();
  assert.equal(lines.length, 4, lines.join('; '));
  const [heic, svg, broken, beyond] = lines;
  assert.match(heic, /phone\.heic HEIC is not read here; save it as JPEG\./);
  assert.match(svg, /plan\.svg SVG is not read here; save it as JPEG\./);
  assert.match(broken, /broken\.jpg The file cannot be read;/);
  assert.match(beyond, /loaf-6\.png More pictures than are sent at once\./);
  assert.match(await demo.part('pictures-toggle').innerText(), /Pictures \(5\)/);
  assert.match(await demo.part('not-sent').innerText(), /Not sent \(4\)/);
  await demo.part('pictures-toggle').click();
  assert.equal(await demo.part('picture').count(), 5, 'the list of what leaves holds what leaves');
  assert.equal(String(wire.bodies.at(-1)).match(/filename="img-/g).length, 5);
  assert.notEqual(await demo.input('Description').inputValue(), '');
  await demo.screenshot('left-out');
  await demo.assertAccessible('pictures left out');
  await demo.close();
  wire.stop();
});

test('a pasted picture becomes part of the post', async () => {
  const demo = await openPage(browser, server);
  await demo.page.locator('#editor .tiptap').evaluate(async (target) => {
    const canvas = new OffscreenCanvas(1600, 900);
    canvas.getContext('2d').fillRect(0, 0, 800, 900);
    const file = new File([await canvas.convertToBlob()], 'pasted.png', { type: 'image/png' });
    const clipboardData = new DataTransfer();
    clipboardData.items.add(file);
    target.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  });
  await demo.page.locator('#editor img[data-filename="pasted.png"]').waitFor();
  await demo.run();
  assert.equal(await demo.part('alt').count(), 2);
  await demo.close();
});

test('an empty post cannot be summarised, and the panel says why', async () => {
  const demo = await openPage(browser, server, { post: 'newPost' });
  assert.equal(await demo.button.isDisabled(), true);
  assert.match(await demo.part('status').innerText(), /Write something or add a picture first\./);
  await demo.page.locator('#editor .tiptap').fill('Rye bread needs time, not strength. The dough rests overnight.');
  await demo.run();
  assert.notEqual(await demo.input('Description').inputValue(), '');
  await demo.close();
});

test('the keyboard alone runs, reaches every control, and moves between previews', async () => {
  const demo = await openPage(browser, server);
  await demo.page.locator('#title').focus();
  await demo.page.keyboard.press('Control+Shift+S');
  await demo.done();
  const tabs = demo.panel.getByRole('tab');
  await tabs.first().focus();
  await demo.page.keyboard.press('ArrowRight');
  assert.equal(await tabs.nth(1).getAttribute('aria-selected'), 'true');
  await demo.page.keyboard.press('End');
  assert.equal(await tabs.last().getAttribute('aria-selected'), 'true');
  await demo.button.focus();
  const reached = new Set();
  for (let step = 0; step < 80; step += 1) {
    await demo.page.keyboard.press('Tab');
    const name = await demo.page.evaluate(() => {
      let active = document.activeElement;
      while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
      return active?.getAttribute('part') ?? '';
    });
    for (const part of name.split(' ')) reached.add(part);
    if (reached.has('apply')) break;
  }
  for (const part of ['pictures-toggle', 'input', 'regenerate', 'accept', 'decorative', 'apply']) {
    assert.ok(reached.has(part), `Tab reaches ${part}; it reached ${[...reached].join(' ')}`);
  }
  await demo.close();
});

test('a screen reader is told once, politely, that the summary is ready', async () => {
  const demo = await openPage(browser, server);
  const live = demo.part('live');
  assert.equal(await live.getAttribute('aria-live'), 'polite');
  await demo.run();
  await demo.page.waitForFunction(() => {
    const region = document.querySelector('smart-summary').shadowRoot.querySelector('[part~=live]');
    return /^Summary ready: title, description,.* 1 alt text/.test(region.textContent);
  });
  assert.equal(await demo.panel.locator('[aria-live]').count(), 1, 'there is one live region');
  await demo.close();
});

test('the interface changes its language in place and keeps what was made', async () => {
  const demo = await openPage(browser, server);
  await demo.run();
  const description = await demo.input('Description').inputValue();
  await demo.page.selectOption('#language', 'zh-Hans');
  assert.equal(await demo.input('描述').inputValue(), description);
  await demo.close();
});

for (const theme of ['light', 'dark']) {
  for (const lang of ['en', 'zh']) {
    test(`axe finds nothing: ${theme}, ${lang}`, async () => {
      const demo = await openPage(browser, server, { post: lang === 'zh' ? 'keycloak' : 'monastery', lang, theme });
      await demo.assertAccessible('ready');
      await demo.run();
      await demo.part('pictures-toggle').click();
      await demo.part('structured-toggle').click();
      await demo.assertAccessible('done');
      await demo.applyButton.click();
      await demo.part('applied').waitFor();
      await demo.assertAccessible('applied');
      await demo.screenshot(`${theme}-${lang}`);
      await demo.close();
    });
  }
}

for (const width of [390, 800]) {
  test(`the page fits a window ${width} pixels wide`, async () => {
    const demo = await openPage(browser, server, { viewport: { width, height: 844 } });
    await demo.run();
    const overflow = await demo.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    await demo.screenshot(`narrow-${width}`);
    await demo.close();
  });
}

test('the toolbar stays with the text, and code reads from left to right in right-to-left pages', async () => {
  const demo = await openPage(browser, server, { viewport: { width: 1280, height: 500 } });
  await demo.page.evaluate(() => (document.documentElement.dir = 'rtl'));
  assert.equal(await demo.page.locator('#embed').evaluate((code) => getComputedStyle(code).direction), 'ltr');
  await demo.setting('summary').scrollIntoViewIfNeeded();
  await demo.page.locator('#settings').evaluate((form) => form.scrollIntoView({ block: 'start' }));
  const [bar, form] = await Promise.all(['#toolbar', '#settings'].map((id) => demo.page.locator(id).boundingBox()));
  assert.ok(bar.y + bar.height <= form.y, `the toolbar ends at ${bar.y + bar.height}, the settings begin at ${form.y}`);
  await demo.close();
});
