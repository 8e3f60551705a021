// Every picture, every way: Chromium as it is, and Chromium that does without what another browser lacks.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { open, prepareInPage, STRICT, withoutWorkers } from './gallery.mjs';
import { launch } from './page.mjs';
import { checkEverything, checkInksAsPrinted, checkTwenty, runIn } from './ways.mjs';

let browser, gallery, strict;
before(async () => {
  [browser, gallery, strict] = await Promise.all([launch(), open(), open(STRICT)]);
});
after(async () => {
  await browser?.close();
  gallery?.close();
  strict?.close();
});

/** A page of `server` with the package in it. `before` runs in it first. */
async function visit(server, before = () => {}) {
  const page = await browser.newPage();
  await page.addInitScript(before);
  await page.goto(server.url);
  await page.waitForFunction(() => window.smart && window.one);
  return page;
}

const WEBCODECS = ['ImageDecoder', 'VideoFrame'];
const WAYS = [
  ['everything there', [], { photo: 'imagedecoder' }],
  ['no ImageDecoder, as in Safari from 16.4', ['ImageDecoder'], { photo: 'bitmap' }],
  ['no WebCodecs', WEBCODECS, { photo: 'bitmap' }],
  ['no OffscreenCanvas alone', ['OffscreenCanvas'], { photo: 'imagedecoder', tables: 'wasm' }],
  ['no WebCodecs and no OffscreenCanvas', [...WEBCODECS, 'OffscreenCanvas'], { photo: 'wasm' }],
  ['no WebCodecs and no createImageBitmap', [...WEBCODECS, 'createImageBitmap'], { photo: 'wasm' }],
  ['no WebAssembly', ['WebAssembly'], { photo: 'canvas', plain: true }],
  ['WebAssembly without vectors, as in Safari before 16.4', ['SIMD'], { photo: 'canvas', plain: true }],
  [
    'no WebAssembly and no OffscreenCanvas: the page draws',
    ['WebAssembly', 'OffscreenCanvas'],
    { photo: 'canvas', plain: true },
  ],
];

for (const [what, without, expected] of WAYS) {
  test(what, async () => {
    const page = await visit(gallery);
    await checkEverything(runIn(page, without), expected);
    await page.close();
  });
}

test('a policy against WebAssembly', async () => {
  const page = await visit(strict);
  await checkEverything(runIn(page), { photo: 'canvas', plain: true });
  await page.close();
});

test('inks look as they are printed, also where the browser decodes them', async () => {
  const page = await visit(gallery);
  await checkInksAsPrinted((without) => runIn(page, without));
  await page.close();
});

test('no module workers, as in Firefox before 114: the page does the work itself', async () => {
  const page = await visit(gallery, withoutWorkers);
  await checkEverything(runIn(page), { photo: 'imagedecoder' });
  await page.close();
});

test('a worker that is not there, or dies with each call, does not keep a picture back', async () => {
  const page = await visit(gallery);
  for (const workerUrl of ['/missing/worker.js', '/dying/worker.js']) {
    const [got] = await page.evaluate(prepareInPage, { pictures: [{ painted: [1600, 1200] }], workerUrl });
    assert.deepEqual([got.path, got.size], ['canvas', [1024, 768]], JSON.stringify({ ...got, grid: 0 }));
  }
  await page.close();
});

test('transparency is kept when that is wished, with WebAssembly and without', async () => {
  for (const [server, path] of [
    [gallery, 'imagedecoder'],
    [strict, 'canvas'],
  ]) {
    const page = await visit(server);
    const got = await page.evaluate(async () => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [1600, 1200];
      const pen = canvas.getContext('2d');
      pen.fillStyle = '#2040c0';
      pen.fillRect(0, 0, 800, 1200);
      const file = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
      const { blob, path } = await window.one.downscale(file, { keepAlpha: true });
      const bitmap = await createImageBitmap(blob);
      pen.clearRect(0, 0, 1600, 1200);
      pen.drawImage(bitmap, 0, 0);
      const at = (x) => Array.from(pen.getImageData(x, 100, 1, 1).data);
      return { path, type: blob.type, size: [bitmap.width, bitmap.height], pixels: [at(100), at(900)] };
    });
    assert.deepEqual(got, {
      path,
      type: 'image/png',
      size: [1024, 768],
      pixels: [
        [32, 64, 192, 255],
        [0, 0, 0, 0],
      ],
    });
    await page.close();
  }
});

test('a photograph loads the small module only; a drawing and a way of our own bring theirs', async () => {
  const page = await visit(gallery);
  const loaded = () => [...new Set(gallery.asked.splice(0).filter((path) => path.endsWith('.wasm')))].sort();
  loaded();
  await runIn(page)([{ painted: [1600, 1200] }]);
  assert.deepEqual(loaded(), ['/dist/wasm/core_bg.wasm']);
  await runIn(page)([{ painted: [1600, 1200], type: 'image/png' }]);
  assert.deepEqual(loaded(), ['/dist/wasm/drawings_bg.wasm']);
  await runIn(page)(['cmyk.jpg']);
  assert.deepEqual(loaded(), ['/dist/wasm/core_bg.wasm', '/dist/wasm/decoders_bg.wasm']);
  await page.close();
});

test('twenty photographs: two in flight at most, each told as it is done, and an abort at once', async () => {
  const page = await visit(gallery);
  await checkTwenty(page);
  await page.close();
});

test('downscale alone takes a fraction or a percentage as its quality, and says which way it went', async () => {
  const page = await visit(gallery);
  const sizes = await page.evaluate(async () => {
    await window.one.init();
    const blob = await (await fetch('/fixtures/baseline.jpg')).blob();
    const at = async (quality) => (await window.one.downscale(blob, { maxEdge: 64, quality })).bytes_after;
    const widths = [];
    for (const maxEdge of [Infinity, NaN, 2 ** 32, 0]) {
      widths.push((await window.one.downscale(blob, { maxEdge })).width);
    }
    return { fraction: await at(0.5), percentage: await at(50), better: await at(95), widths };
  });
  assert.equal(sizes.fraction, sizes.percentage);
  assert.ok(sizes.better > sizes.fraction, JSON.stringify(sizes));
  assert.deepEqual(sizes.widths, [240, 240, 240, 1], 'a wish beyond reason is one within it');
  await page.close();
});
