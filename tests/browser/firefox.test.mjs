// Firefox, driven by WebDriver BiDi: the same pictures come out, whichever way it takes.

import { after, before, test } from 'node:test';

import puppeteer from 'puppeteer-core';

import { open, STRICT, withoutWorkers } from './gallery.mjs';
import { checkEverything, checkInksAsPrinted, checkTwenty, runIn } from './ways.mjs';

let browser, gallery, strict;
before(async () => {
  [browser, gallery, strict] = await Promise.all([
    puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      headless: true,
    }),
    open(),
    open(STRICT),
  ]);
});
after(async () => {
  await browser?.close();
  gallery?.close();
  strict?.close();
});

const WAYS = [
  ['as it is', [], { photo: 'imagedecoder' }],
  ['without ImageDecoder, as before 133', ['ImageDecoder'], { photo: 'bitmap' }],
  ['without WebCodecs, as before 130', ['ImageDecoder', 'VideoFrame'], { photo: 'bitmap' }],
  ['with decoders of our own only', ['ImageDecoder', 'VideoFrame', 'OffscreenCanvas'], { photo: 'wasm' }],
  ['without WebAssembly', ['WebAssembly'], { photo: 'canvas', plain: true }],
];

async function visit(server, before = () => {}) {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(before);
  await page.goto(server.url);
  // Not `waitForFunction`: this driver makes a function of a text in the page, which the page's policy refuses.
  const there = () => page.evaluate(() => Boolean(window.smart && window.one));
  while (!(await there())) await new Promise((resolve) => setTimeout(resolve, 50));
  return page;
}

for (const [what, without, expected] of WAYS) {
  test(what, async () => {
    const page = await visit(gallery);
    await checkEverything(runIn(page, without), expected);
    await page.close();
  });
}

test('with a policy against WebAssembly', async () => {
  const page = await visit(strict);
  await checkEverything(runIn(page), { photo: 'canvas', plain: true });
  await page.close();
});

test('inks look as they are printed, also where the browser decodes them', async () => {
  const page = await visit(gallery);
  await checkInksAsPrinted((without) => runIn(page, without));
  await page.close();
});

test('no module workers, as before 114: the page does the work itself', async () => {
  const page = await visit(gallery, withoutWorkers);
  await checkEverything(runIn(page), { photo: 'imagedecoder' });
  await page.close();
});

test('twenty photographs: two in flight at most, each told as it is done, and an abort at once', async () => {
  const page = await visit(gallery);
  await checkTwenty(page);
  await page.close();
});
