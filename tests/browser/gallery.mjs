// Pictures of every kind in a page that holds nothing but the package, and a server for it that can take things away from
// the browser: a policy against WebAssembly, or names that the worker must do without.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const DIST = new URL('../../plugin-wasm/js/dist/', import.meta.url);
const FIXTURES = new URL('../../crates/imaging/tests/fixtures/', import.meta.url);
const TYPES = { js: 'text/javascript', html: 'text/html' };
export const USUAL = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:";
export const STRICT = "default-src 'self'; script-src 'self'; img-src 'self' blob:";

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gallery</title><link rel="icon" href="data:,">
<script type="module" src="/gallery.js"></script></html>`;
const SCRIPT = `import * as smart from '/dist/index.js';
import * as one from '/dist/downscale.js';
Object.assign(window, { smart, one });`;

/** Starts it on a free port of this machine. `policy` goes with every answer. */
export async function open(policy = USUAL) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    asked.push(pathname);
    const body = await answer(decodeURIComponent(pathname)).catch(() => undefined);
    const type = TYPES[pathname === '/' ? 'html' : pathname.split('.').pop()] ?? 'application/octet-stream';
    response.writeHead(body === undefined ? 404 : 200, {
      'content-type': type,
      'content-security-policy': policy,
      'cache-control': 'no-store',
    });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    asked,
    close: () => (server.closeAllConnections(), server.close()),
  };
}

async function answer(path) {
  if (path === '/') return PAGE;
  if (path === '/gallery.js') return SCRIPT;
  const [, names] = path.match(/^\/without\/([\w,]*)\/worker\.js$/) ?? [];
  if (names !== undefined) return `import './taken.js';\nimport '/dist/worker.js';`;
  const [, taken] = path.match(/^\/without\/([\w,]*)\/taken\.js$/) ?? [];
  if (taken !== undefined) return take(taken.split(','));
  if (path === '/dying/worker.js') return DYING;
  if (path === '/measured/worker.js') return `import './measuring.js';\nimport '/dist/worker.js';`;
  if (path === '/measured/measuring.js') return MEASURING;
  const [, room, file] = path.match(/^\/(dist|fixtures)\/([\w./-]+)$/);
  if (file.includes('..')) throw new Error('outside');
  return readFile(fileURLToPath(new URL(file, room === 'dist' ? DIST : FIXTURES)));
}

/** A worker that dies with the first thing it is asked. */
const DYING = "self.addEventListener('message', () => { throw new Error('it dies'); });";

/** A worker that tells with each answer how large the memories of its modules are, and how many decoders it has had open. */
const MEASURING = `const worker = Math.random();
  const told = new BroadcastChannel('measured');
  const memories = [];
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...all) => {
    const made = await instantiate(...all);
    memories.push(made.instance.exports.memory);
    return made;
  };
  let [open, most] = [0, 0];
  self.ImageDecoder = class extends ImageDecoder {
    constructor(wish) {
      super(wish);
      most = Math.max(most, ++open);
    }
    close() {
      open--;
      super.close();
    }
  };
  const say = self.postMessage.bind(self);
  self.postMessage = (message) => {
    const bytes = memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    if (message.say === 'done') told.postMessage({ worker, bytes, open, most });
    say(message);
  };`;

/** A WebAssembly that knows no vectors, as Safari's before 16.4: it refuses modules that have them. */
const NO_SIMD = `for (const name of ['instantiate', 'instantiateStreaming', 'compile', 'compileStreaming']) {
    WebAssembly[name] = () => Promise.reject(new WebAssembly.CompileError('SIMD is not known here'));
  }`;

/** A script that takes names away, wherever they stand. */
function take(all) {
  const names = all.filter((name) => name !== 'SIMD');
  const simd = names.length < all.length ? NO_SIMD : '';
  return `${simd} for (const name of ${JSON.stringify(names)}) {
    for (let owner = self; owner !== null; owner = Object.getPrototypeOf(owner)) delete owner[name];
    if (name in self) throw new Error(name + ' cannot be taken away');
  }`;
}

/**
 * Runs in the page: prepares pictures with the package, whose worker does without `without`, and says what came out. A
 * picture is the name of a fixture, `{ file, share }` for the beginning of one, `{ bytes }`, or
 * `{ painted: [width, height], type?, quality?, orientation?, alpha?, text? }`.
 *
 * `grid` is the picture as 6 x 6 pixels, upright, so that any wrong turn and any wrong colour shows.
 */
export async function prepareInPage({ pictures, without = [], workerUrl }) {
  const paint = async ({
    painted,
    type = 'image/jpeg',
    quality = 0.92,
    orientation = 1,
    alpha = false,
    text = false,
  }) => {
    const [width, height] = painted;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext('2d');
    const colors = ['#d02020', '#20a040', '#2040c0', '#f0c020', '#e8e8e8', '#101010'];
    for (let i = 0; i < 6; i++) {
      pen.fillStyle = colors[i];
      pen.fillRect(((i % 3) * width) / 3, (Math.floor(i / 3) * height) / 2, width / 3, height / 2);
    }
    if (alpha) pen.clearRect(0, 0, width / 3, height / 2);
    if (text) {
      [pen.fillStyle, pen.font] = ['#000000', `${width / 60}px sans-serif`];
      for (let line = 0; line < 30; line++)
        pen.fillText('Rye 12, wheat 34 | time 56', width / 10, (line * height) / 30);
    }
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, quality));
    if (orientation === 1) return blob;
    // An EXIF segment with one tag, right behind the start of the picture.
    const exif = [0xff, 0xe1, 0, 34, 69, 120, 105, 102, 0, 0, 77, 77, 0, 42, 0, 0, 0, 8, 0, 1];
    exif.push(1, 18, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0);
    return new Blob([blob.slice(0, 2), new Uint8Array(exif), blob.slice(2)], { type });
  };
  const blobOf = async (picture) => {
    if (picture.painted) return paint(picture);
    if (picture.bytes) return new Blob([new Uint8Array(picture.bytes)]);
    const blob = await (await fetch(`/fixtures/${picture.file ?? picture}`)).blob();
    return blob.slice(0, Math.round(blob.size * (picture.share ?? 1)));
  };
  const LEAKS = [
    'Exif\0',
    'ICC_PROFILE',
    'http://ns.adobe.com',
    'xmpmeta',
    'iCCP',
    'eXIf',
    'tEXt',
    'EXIF',
    'XMP ',
    'ICCP',
  ];
  // Of `metadata.jpg` and `motion.jpg`.
  LEAKS.push('SERIAL-4711', 'a private remark', 'CANARY', 'MotionPhoto', '8BIM', 'ftyp');
  const seen = async (blob) => {
    const url = URL.createObjectURL(blob);
    const image = new Image();
    image.src = url;
    await image.decode();
    URL.revokeObjectURL(url);
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    // The mean of each cell, since a canvas's own way to a smaller size looks at few pixels in some browsers.
    const cell = (x, y) => {
      const [left, top] = [Math.floor((x * width) / 6), Math.floor((y * height) / 6)];
      const [right, bottom] = [Math.ceil(((x + 1) * width) / 6), Math.ceil(((y + 1) * height) / 6)];
      const { data } = pen.getImageData(left, top, right - left, bottom - top);
      const sums = [0, 0, 0, 0];
      data.forEach((value, at) => (sums[at % 4] += value));
      return sums.map((sum) => Math.round((sum * 4) / data.length));
    };
    const cells = Array.from({ length: 36 }, (_, i) => cell(i % 6, Math.floor(i / 6)));
    return { size: [width, height], grid: cells.flat() };
  };
  const smart = window.smart.createSmartSummary({
    endpoint: '/nowhere',
    token: () => Promise.reject(new Error('no token here')),
    ...(without.length > 0 && { workerUrl: `/without/${without.join(',')}/worker.js` }),
    ...(workerUrl && { workerUrl }),
  });
  const answers = [];
  for (const picture of pictures) {
    const source = await blobOf(picture);
    try {
      const [{ blob, ...facts }] = await smart.prepare([{ id: 'a', source }]);
      const head = new TextDecoder('latin1').decode(await blob.arrayBuffer());
      const leaks = LEAKS.filter((it) => head.includes(it));
      answers.push({ ...facts, ...(await seen(blob)), type: blob.type, bytes: blob.size, leaks });
    } catch (error) {
      answers.push({ error: error.code, message: error.message });
    }
  }
  smart.dispose();
  return answers;
}

/** Runs in the page before all else: a browser that knows workers, but no modules in them. */
export function withoutWorkers() {
  window.Worker = class {
    constructor() {
      throw new Error('a module cannot be a worker here');
    }
  };
}

/**
 * Runs in the page: prepares twenty photographs of 12 megapixels in one call, then again with an abort in the third answer,
 * then one more. Says what the page was told, which pictures it was asked for, and what the workers measured.
 */
export async function prepareTwentyInPage() {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [4000, 3000];
  const pen = canvas.getContext('2d');
  for (let i = 0; i < 400; i++) {
    pen.fillStyle = `hsl(${i * 37} 80% ${20 + (i % 60)}%)`;
    pen.fillRect((i * 97) % 4000, (i * 57) % 3000, 444, 428);
  }
  const photo = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.9));
  const smart = window.smart.createSmartSummary({
    endpoint: '/nowhere',
    token: () => Promise.reject(),
    workerUrl: '/measured/worker.js',
  });
  const measured = [];
  const channel = new BroadcastChannel('measured');
  // They come by a way of their own, perhaps after the answer.
  const allMeasured = new Promise((resolve) => {
    channel.onmessage = ({ data }) => measured.push(data) === 20 && resolve(measured.slice());
  });

  const run = async (signal, heard) => {
    const [told, asked] = [[], []];
    const images = Array.from({ length: 20 }, (_, i) => ({
      id: `photo-${i}`,
      source: async () => (asked.push(i), photo),
    }));
    const onProgress = ({ stage, image, picture, index, total }) => {
      told.push({ stage, id: image ?? picture.id, path: picture?.path, index, total });
      heard?.(told);
    };
    const answer = await smart.prepare(images, { signal, onProgress }).then(
      (pictures) => pictures.map(({ id }) => id),
      ({ code }) => code,
    );
    return { answer, told, asked };
  };
  const all = await run();
  const first = await allMeasured;
  const stop = new AbortController();
  const stopped = await run(stop.signal, (told) => {
    if (told.filter(({ stage }) => stage === 'prepared').length === 3) stop.abort();
  });
  const [after] = await smart.prepare([{ id: 'after', source: photo }]);
  smart.dispose();
  channel.close();
  return { all, measured: first, stopped, after: after.path };
}
