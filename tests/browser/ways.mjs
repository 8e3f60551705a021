// What must come out of every picture, whichever way a browser lets it go. Used for Chromium, with and without each of its
// parts, and for Firefox.

import assert from 'node:assert/strict';

import { prepareInPage } from './gallery.mjs';

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
 * Checks one way. `run(pictures)` prepares them; `paths` says which way a photograph goes, and how much a browser may
 * leave out: without WebAssembly the metadata are named by their containers only.
 */
export async function checkEverything(run, { photo, drawing = photo, plain = false }) {
  await checkSizesAndPath(run, photo);
  await checkOrientation(run);
  await checkColors(run, drawing, plain);
  await checkTransparency(run);
  await checkRefusals(run);
  await checkMetadata(run);
  await checkAnimation(run);
}

async function checkSizesAndPath(run, photo) {
  const [large, small] = await run([PHOTO, { painted: [300, 200] }]);
  assert.deepEqual([large.path, large.width, large.height], [photo, 1024, 683], JSON.stringify({ ...large, grid: 0 }));
  assert.deepEqual([large.size, large.type], [[1024, 683], `image/${large.format}`]);
  assert.equal(large.bytes, large.bytes_after);
  assert.deepEqual(small.size, [300, 200], 'nothing is made larger');
  assert.ok(small.bytes_after <= small.bytes_before, `${small.bytes_after} of ${small.bytes_before} bytes`);
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

async function checkColors(run, drawing, plain) {
  const names = ['p3.png', 'gbr.png', 'rgb-16bit.png', 'gray.jpg', 'baseline.jpg', 'progressive.jpg', 'lossy.webp'];
  const [p3, gbr, deep, gray, baseline, progressive, webp] = await run(names);
  for (const [i, got] of [p3, gbr, deep, gray, baseline, progressive, webp].entries()) {
    assert.equal(got.error, undefined, `${names[i]}: ${got.message}`);
    assert.deepEqual(got.leaks, [], names[i]);
  }
  assert.equal(p3.path, drawing);
  // The one colour of each, as `cargo test -p imaging` has it.
  if (!plain)
    assert.ok(Math.max(...pixel(gbr, 2, 2)) - Math.min(...pixel(gbr, 2, 2)) > 20, 'the channels are told apart');
  assert.ok(distance(progressive.grid, baseline.grid) < 6);
  assert.ok(distance(webp.grid, baseline.grid) < 10);
  const [r, g, b] = pixel(gray, 3, 3);
  assert.ok(Math.abs(r - g) < 4 && Math.abs(g - b) < 4, 'grey stays grey');
  const [inks] = await run(['cmyk.jpg']);
  assert.equal(inks.error, undefined, inks.message);
}

async function checkTransparency(run) {
  const [drawn, palette, webp] = await run([
    { painted: [1800, 1200], type: 'image/png', alpha: true },
    'palette-transparent.png',
    'transparent.webp',
  ]);
  near(pixel(drawn, 0, 0), [255, 255, 255], 4, 'what is transparent');
  near(pixel(drawn, 3, 1), [32, 160, 64], 40, 'what is not');
  for (const got of [palette, webp]) assert.equal(got.error, undefined, got.message);
}

async function checkRefusals(run) {
  const [bomb] = await run(['bomb-40000x40000.png']);
  assert.equal(bomb.error, 'too_many_pixels', JSON.stringify(bomb));
  assert.match(bomb.message, /40000/);
  const [none] = await run(['SOURCES.md']);
  assert.equal(none.error, 'not_an_image');
}

async function checkMetadata(run) {
  const [got] = await run(['metadata.jpg']);
  assert.deepEqual(got.leaks, []);
  for (const kind of ['exif', 'gps']) assert.ok(got.removed.includes(kind), `${kind} is in ${got.removed}`);
}

async function checkAnimation(run) {
  for (const got of await run(['animated.gif', 'animated.webp'])) {
    assert.deepEqual(got.warnings, ['first_frame_only'], JSON.stringify({ ...got, grid: 0 }));
  }
}

/** `run` for a page of either browser's driver. */
export const runIn =
  (page, without = []) =>
  (pictures) =>
    page.evaluate(prepareInPage, { pictures, without });
