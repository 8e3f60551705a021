// What must come out of every picture, whichever way a browser lets it go. Used for Chromium, with and without each of its
// parts, and for Firefox.

import assert from 'node:assert/strict';

import { prepareInPage, prepareTwentyInPage } from './gallery.mjs';

const PHOTO = { painted: [3000, 2000] };
const turned = (orientation) => ({ painted: orientation >= 5 ? [2000, 3000] : [3000, 2000], orientation });
const ORIENTATIONS = [1, 2, 3, 4, 5, 6, 7, 8];

/** How far two grids are from each other: the mean difference of a channel. */
function distance(one, other) {
  assert.equal(one.length, other.length);
  return one.reduce((sum, value, at) => sum + Math.abs(value - other[at]), 0) / one.length;
}

/** The pixel of a grid of 6 x 6. */
export const pixel = ({ grid }, x, y) => grid.slice((y * 6 + x) * 4, (y * 6 + x) * 4 + 3);

export function near(got, wanted, tolerance, what) {
  const far = got.some((value, at) => Math.abs(value - wanted[at]) > tolerance);
  assert.ok(!far, `${what}: ${got} instead of ${wanted}`);
}

/**
 * Checks one way. `run(pictures)` prepares them; `paths` says which way a photograph and others go, and how much a browser may
 * leave out: without WebAssembly the metadata are named by their containers only.
 */
export async function checkEverything(run, { photo, drawing = photo, tables, plain = false }) {
  await checkSizesAndPath(run, photo);
  await checkOrientation(run);
  await checkColors(run, drawing);
  await checkTables(run, tables ?? (photo === 'imagedecoder' ? 'bitmap' : photo));
  await checkSmallAndClean(run, plain);
  await checkInks(run);
  await checkTransparency(run);
  await checkText(run, plain);
  await checkRefusals(run);
  await checkCut(run, plain);
  await checkMetadata(run, plain);
  await checkAnimation(run);
}

async function checkSizesAndPath(run, photo) {
  const [large, small] = await run([PHOTO, { painted: [300, 200] }]);
  assert.deepEqual([large.path, large.width, large.height], [photo, 1024, 683], JSON.stringify({ ...large, grid: 0 }));
  assert.deepEqual([large.size, large.type], [[1024, 683], `image/${large.format}`]);
  assert.equal(large.bytes, large.bytes_after);
  assert.deepEqual(small.size, [300, 200], 'nothing is made larger');
  const tiny = [
    { painted: [300, 200], quality: 0.3 },
    { painted: [16, 16], type: 'image/png' },
    { painted: [120, 90], type: 'image/webp' },
  ];
  for (const other of [small, ...(await run(tiny))]) {
    assert.equal(other.error, undefined, other.message);
    assert.ok(other.bytes_after <= other.bytes_before, `${other.bytes_after} of ${other.bytes_before} bytes`);
  }
}

async function checkOrientation(run) {
  const [upright, ...others] = await run(ORIENTATIONS.map((value) => `orient-${value}.jpg`));
  for (const [i, other] of others.entries()) {
    assert.deepEqual(other.size, upright.size, `orientation ${i + 2}`);
    assert.ok(
      distance(other.grid, upright.grid) < 12,
      `orientation ${i + 2} differs by ${distance(other.grid, upright.grid)}`,
    );
  }
  // Large ones too: those are decoded at a reduced size.
  const [first, ...large] = await run(ORIENTATIONS.map(turned));
  assert.deepEqual(first.size, [1024, 683]);
  // Where the red corner of the stored picture, its upper left, comes to lie.
  const corners = { 2: [5, 0], 3: [5, 5], 4: [0, 5], 5: [0, 0], 6: [5, 0], 7: [5, 5], 8: [0, 5] };
  for (const [i, other] of large.entries()) {
    const [x, y] = corners[i + 2];
    assert.deepEqual(other.size, [1024, 683], `orientation ${i + 2}`);
    near(pixel(other, x, y), [208, 32, 32], 24, `the corner of orientation ${i + 2}`);
  }
  const [webp, png] = await run(['orient-8.webp', 'orient-6.png']);
  for (const [name, other] of Object.entries({ webp, png })) {
    assert.deepEqual(other.size, upright.size, name);
    assert.ok(distance(other.grid, upright.grid) < 16, `${name} differs by ${distance(other.grid, upright.grid)}`);
  }
}

async function checkColors(run, drawing) {
  const names = ['p3.png', 'gbr.png', 'rgb-16bit.png', 'gray.jpg', 'baseline.jpg', 'progressive.jpg', 'lossy.webp'];
  const [p3, gbr, deep, gray, baseline, progressive, webp] = await run(names);
  for (const [i, got] of [p3, gbr, deep, gray, baseline, progressive, webp].entries()) {
    assert.equal(got.error, undefined, `${names[i]}: ${got.message}`);
    assert.deepEqual(got.leaks, [], names[i]);
  }
  assert.equal(p3.path, drawing);
  // The one colour of each, as `cargo test -p imaging` has it.
  near(pixel(p3, 3, 3), [216, 93, 24], 6, 'Display P3');
  near(pixel(gbr, 3, 3), [46, 201, 100], 6, 'channels in another order');
  near(pixel(deep, 1, 1), [192, 64, 32], 4, 'sixteen bits');
  const wide = ['adobe-rgb.jpg', 'p3.jpg', 'rec2020.png'];
  for (const [i, got] of (await run(wide)).entries()) {
    assert.equal(got.error, undefined, `${wide[i]}: ${got.message}`);
    near(pixel(got, 3, 3), [200, 100, 50], 5, wide[i]);
    assert.deepEqual([got.leaks, got.removed], [[], ['color_profile']], wide[i]);
  }
  const [gamma, chromaticities] = await run(['gamma.png', 'chromaticities.png']);
  // As browsers show them.
  near(pixel(gamma, 3, 3), [200, 101, 50], 3, 'an exponent');
  near(pixel(chromaticities, 3, 3), [203, 119, 74], 3, 'chromaticities');
  for (const got of [gamma, chromaticities]) assert.deepEqual(got.removed, ['color_profile']);
  assert.ok(distance(progressive.grid, baseline.grid) < 6);
  assert.ok(distance(webp.grid, baseline.grid) < 10);
  const [r, g, b] = pixel(gray, 3, 3);
  assert.ok(Math.abs(r - g) < 4 && Math.abs(g - b) < 4, 'grey stays grey');
}

/** A profile with look-up tables, which only a whole colour engine reads: the browser's, or that of our own decoders. */
async function checkTables(run, path) {
  const [got] = await run(['tables.png']);
  near(pixel(got, 3, 3), [102, 51, 204], 4, 'a profile with tables');
  assert.deepEqual([got.path, got.removed, got.warnings], [path, ['color_profile'], []]);
}

async function checkSmallAndClean(run, plain) {
  for (const got of await run(['baseline.jpg', 'progressive.jpg'])) {
    assert.equal(got.bytes_after, got.bytes_before, 'it is sent as it is');
    assert.equal(got.looks?.class, plain ? undefined : 'photo');
  }
}

async function checkInks(run) {
  const [inks, ycck] = await run(['cmyk.jpg', 'ycck.jpg']);
  for (const got of [inks, ycck]) assert.equal(got.error, undefined, got.message);
}

/** The colours of inks by each way that knows them. `runWithout` gives the run of a worker that lacks names. */
export async function checkInksAsPrinted(runWithout) {
  for (const [without, path] of [
    [[], 'wasm'],
    [['WebAssembly'], 'canvas'],
    [['WebAssembly', 'OffscreenCanvas'], 'canvas'],
  ]) {
    const [inks] = await runWithout(without)(['cmyk.jpg']);
    assert.equal(inks.path, path);
    // As libvips has them with its press profile.
    near(pixel(inks, 3, 2), [188, 160, 186], 6, `a mixture of inks by ${path}`);
    near(pixel(inks, 5, 3), [202, 159, 46], 6, `yellow ink by ${path}`);
  }
}

async function checkTransparency(run) {
  const [drawn, palette, webp] = await run([
    { painted: [1800, 1200], type: 'image/png', alpha: true },
    'palette-transparent.png',
    'transparent.webp',
  ]);
  near(pixel(drawn, 0, 0), [255, 255, 255], 4, 'what is transparent');
  near(pixel(drawn, 3, 1), [32, 160, 64], 40, 'what is not');
  near(pixel(palette, 5, 1), [255, 255, 255], 4, 'what is transparent in a palette');
  near(pixel(webp, 1, 1), [255, 255, 255], 4, 'what is transparent in a WebP');
}

/** Black letters on a drawing stay letters: as a PNG, or at a quality that keeps their edges. */
async function checkText(run, plain) {
  const [sheet] = await run([{ painted: [1600, 1000], type: 'image/png', text: true }]);
  const wanted = plain ? /png|jpeg/ : /png/;
  assert.match(sheet.format, wanted, JSON.stringify({ ...sheet, grid: 0 }));
  assert.deepEqual(sheet.size, [1024, 640]);
  if (!plain) assert.ok(sheet.looks.class === 'drawn' && sheet.looks.text > 0.1, JSON.stringify(sheet.looks));
}

async function checkRefusals(run) {
  const [bomb] = await run(['bomb-40000x40000.png']);
  assert.equal(bomb.error, 'too_many_pixels', JSON.stringify(bomb));
  assert.match(bomb.message, /40000/);
  for (const [i, got] of (await run(BOMBS.map((bytes) => ({ bytes })))).entries()) {
    assert.equal(got.error, 'too_many_pixels', `bomb ${i}: ${JSON.stringify(got)}`);
  }
  for (const none of await run(['SOURCES.md', { bytes: [] }, { bytes: [0, 0, 0, 0, 1, 2, 3] }])) {
    assert.equal(none.error, 'not_an_image');
  }
  const unread = await run(UNREAD.map(([bytes]) => ({ bytes: Array.from(bytes, (letter) => letter.charCodeAt(0)) })));
  for (const [i, got] of unread.entries()) {
    assert.equal(got.error, 'unsupported_image', `${UNREAD[i][1]}: ${JSON.stringify(got)}`);
    assert.ok(got.message.includes(UNREAD[i][1]), `${UNREAD[i][1]}: ${got.message}`);
  }
}

const letters = (text) => Array.from(text, (letter) => letter.charCodeAt(0));
/** A JPEG of 65535 x 65535 pixels, a GIF of the same, a WebP of 16384 x 16384. */
const BOMBS = [
  [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, 0xda, 0, 2],
  [...letters('GIF89a'), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x2c],
  [...letters('RIFF\x16\0\0\0WEBPVP8L\x05\0\0\0'), 0x2f, 0xff, 0xff, 0xff, 0x0f, 0],
];
/** What people have besides, as `cargo test -p imaging` has it. */
const UNREAD = [
  ['\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'HEIC'],
  ['\0\0\0\x18ftypmif1\0\0\0\0mif1avif', 'AVIF'],
  ['\0\0\0\x18ftypavif\0\0\0\0mif1avif', 'AVIF'],
  ['<svg xmlns="http://www.w3.org/2000/svg"></svg>', 'SVG'],
  ['BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0', 'BMP'],
  ['II*\0\x08\0\0\0', 'TIFF'],
  ['%PDF-1.7\n', 'PDF'],
  ['\0\0\x01\0\x01\0\x10\x10', 'ICO'],
];

/** A file that ends early is used as far as it goes, with a warning, or refused as broken. A canvas cannot tell. */
async function checkCut(run, plain) {
  const files = ['baseline.jpg', 'progressive.jpg', 'rgb-16bit.png', 'lossy.webp'];
  for (const [i, got] of (await run(files.map((file) => ({ file, share: 0.6 })))).entries()) {
    const told = got.error === 'image_broken' || got.warnings?.includes('truncated');
    assert.ok(told || (plain && got.error === undefined), `${files[i]}: ${JSON.stringify({ ...got, grid: 0 })}`);
  }
}

async function checkMetadata(run, plain) {
  const [camera, motion] = await run(['metadata.jpg', 'motion.jpg']);
  const cameras = plain ? ['exif', 'gps'] : ['camera', 'comment', 'date', 'exif', 'gps', 'serial_number'];
  const motions = ['exif', 'iptc', 'thumbnail', 'trailer', 'xmp', ...(plain ? [] : ['camera', 'person'])];
  for (const [got, kinds] of [
    [camera, cameras],
    [motion, motions],
  ]) {
    assert.deepEqual(got.leaks, []);
    for (const kind of kinds) assert.ok(got.removed.includes(kind), `${kind} is in ${got.removed}`);
  }
}

async function checkAnimation(run) {
  const files = ['animated.gif', 'animated.png', 'animated.webp', 'animated-cover.png'];
  for (const [i, got] of (await run(files)).entries()) {
    assert.deepEqual(got.warnings, ['first_frame_only'], JSON.stringify({ ...got, grid: 0 }));
    // Of the last, the picture for readers that know no animations is red.
    near(pixel(got, 3, 3), i < 3 ? [208, 0, 0] : [0, 0, 208], 4, files[i]);
  }
}

/** `run` for a page of either browser's driver. */
export const runIn =
  (page, without = []) =>
  (pictures) =>
    page.evaluate(prepareInPage, { pictures, without });

/** A module sees a photograph in bands and keeps what is as wide as the result: less than the 48 MB of its pixels. */
const MOST_MEMORY = 40 << 20;

/** Twenty photographs of one post, whichever browser's driver has the page. */
export async function checkTwenty(page) {
  const { all, measured, stopped, after } = await page.evaluate(prepareTwentyInPage);
  const ids = Array.from({ length: 20 }, (_, i) => `photo-${i}`);
  assert.deepEqual(all.answer, ids);
  const prepared = all.told.filter(({ stage }) => stage === 'prepared');
  assert.deepEqual(prepared.map(({ id }) => id).sort(), [...ids].sort(), 'each is told once');
  for (const { id, index, total, path } of prepared) {
    assert.deepEqual([id, total, path], [`photo-${index}`, 20, 'imagedecoder']);
  }
  let [flying, most] = [0, 0];
  for (const { stage } of all.told) most = Math.max(most, (flying += stage === 'preparing' ? 1 : -1));
  assert.equal(most, 2, 'in flight');

  assert.equal(measured.length, 20);
  const workers = [...new Set(measured.map(({ worker }) => worker))];
  assert.ok(workers.length <= 2, `${workers.length} workers`);
  for (const answers of workers.map((name) => measured.filter(({ worker }) => worker === name))) {
    const [first, ...later] = answers.map(({ bytes }) => bytes);
    assert.ok(first <= MOST_MEMORY, `${first} bytes of a module`);
    assert.deepEqual(new Set(later), new Set([first]), 'a module does not grow with later pictures');
    for (const { open, most } of answers) assert.deepEqual([open, most], [0, 1], 'decoders: left open, at a time');
  }

  assert.equal(stopped.answer, 'aborted');
  const [last] = stopped.told.slice(-1);
  assert.equal(stopped.told.filter(({ stage }) => stage === 'prepared').length, 3);
  assert.equal(last.stage, 'prepared', 'nothing is told after an abort');
  assert.ok(stopped.asked.length <= 5, `${stopped.asked.length} pictures were asked for`);
  assert.equal(after, 'imagedecoder');
}
