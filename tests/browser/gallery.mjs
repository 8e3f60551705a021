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
  const [, room, file] = path.match(/^\/(dist|fixtures)\/([\w./-]+)$/);
  if (file.includes('..')) throw new Error('outside');
  return readFile(fileURLToPath(new URL(file, room === 'dist' ? DIST : FIXTURES)));
}

/** A worker that dies with the first thing it is asked. */
const DYING = "self.addEventListener('message', () => { throw new Error('it dies'); });";

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
  // Of `metadata.jpg`.
  LEAKS.push('SERIAL-4711', 'a private remark');
  const seen = async (blob) => {
    const url = URL.createObjectURL(blob);
    const image = new Image();
    image.src = url;
    await image.decode();
    URL.revokeObjectURL(url);
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [6, 6];
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(image, 0, 0, 6, 6);
    const { data } = pen.getImageData(0, 0, 6, 6);
    return { size: [image.naturalWidth, image.naturalHeight], grid: Array.from(data) };
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
