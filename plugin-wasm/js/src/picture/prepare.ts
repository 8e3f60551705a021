// One picture, in the worker or, where a browser lacks workers, in the page: which way it goes, and what if that fails.

import type { Facts, PictureOptions } from '../messages.js';
import { core, decoders, drawings, hasTrapped, plain, words } from '../modules.js';
import type { PicturePath, PreparedPicture } from '../types.js';
import type { Picture, PreparedPicture as Encoded } from '../wasm/core.js';
import { byBitmap, byImageDecoder, type Source } from './browser.js';

/** How a JPEG begins. It is seldom a drawing; everything else may be one, or has to be named. */
const JPEG = [0xff, 0xd8];

/** Makes a picture small, upright and free of metadata. Rejects with the code that the server would give. */
export async function preparePicture(
  id: string,
  blob: Blob,
  options: PictureOptions,
  signal: AbortSignal,
): Promise<PreparedPicture> {
  const bytes = await bytesOf(blob);
  stopIf(signal);
  const { longest_edge, quality, keep_alpha = false, paths } = options;
  const allowed = (path: PicturePath) => paths === undefined || paths.includes(path);
  if (paths?.every((path) => path === 'canvas')) return drawn(id, bytes, options, signal);
  const load = JPEG.every((byte, at) => bytes[at] === byte) ? core : drawings;
  const [loaded, refusal] = allowed('canvas') ? await settled(load()) : [await load(), undefined];
  if (loaded === undefined) {
    // No WebAssembly, none with SIMD, or a policy against it.
    if (refusal !== undefined && hasTrapped(refusal)) throw refusal;
    return drawn(id, bytes, options, signal);
  }

  const picture = new loaded.Picture(bytes, longest_edge, quality, keep_alpha);
  try {
    const source: Source = { picture, bytes, memory: loaded.memory, signal };
    for (const [path, run] of ways(picture)) {
      if (!allowed(path)) continue;
      // The way before has given it away.
      if (source.bytes.byteLength === 0) source.bytes = await bytesOf(blob);
      const done = await attempt(() => run(source), signal);
      if (done) return { id, path, ...packed(picture.finish()) };
    }
  } finally {
    picture.free();
  }
  if (!allowed('wasm')) throw plain('worker_failed', 'no way is left for this picture');
  const pure = await decoders();
  // As it came: the other ways change where it says that it is turned.
  const again = await bytesOf(blob);
  stopIf(signal);
  return { id, path: 'wasm', ...packed(pure.prepare(again, longest_edge, quality, keep_alpha)) };
}

/** Without WebAssembly. */
async function drawn(
  id: string,
  bytes: Uint8Array<ArrayBuffer>,
  options: PictureOptions,
  signal: AbortSignal,
): Promise<PreparedPicture> {
  const { byCanvas } = await import('./canvas.js');
  return { id, path: 'canvas', ...(await byCanvas(bytes, options, signal)) };
}

/** The browser's own ways that are right for this picture, the fastest first. */
function ways(picture: Picture): [PicturePath, (source: Source) => Promise<void>][] {
  const ways: [PicturePath, (source: Source) => Promise<void>][] = [];
  if (picture.plain && typeof ImageDecoder !== 'undefined') ways.push(['imagedecoder', byImageDecoder]);
  if (picture.convertible && typeof createImageBitmap !== 'undefined' && canRead()) ways.push(['bitmap', byBitmap]);
  return ways;
}

/** Whether the pixels of a bitmap can be had here. */
function canRead(): boolean {
  return typeof VideoFrame !== 'undefined' || typeof OffscreenCanvas !== 'undefined';
}

/** Whether a way led to the pixels. What a browser refuses, another way may still read or refuse with its reason. */
async function attempt(way: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
  try {
    await way();
    return true;
  } catch (cause) {
    if (hasTrapped(cause)) throw cause;
    return false;
  } finally {
    stopIf(signal);
  }
}

function packed(encoded: Encoded): Omit<PreparedPicture, 'id' | 'path'> {
  const { mime, ...facts } = encoded.facts satisfies Facts;
  const blob = new Blob([encoded.take()], { type: mime });
  encoded.free();
  return { blob, ...facts };
}

/** A file may have been moved or changed since it was chosen. */
async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    if (hasTrapped(cause)) throw cause;
    throw plain('image_broken', `the picture could not be read: ${words(cause)}`);
  }
}

function stopIf(signal: AbortSignal): void {
  if (signal.aborted) throw plain('aborted', 'the call was stopped');
}

async function settled<T>(promise: Promise<T>): Promise<[T, undefined] | [undefined, unknown]> {
  try {
    return [await promise, undefined];
  } catch (cause) {
    return [undefined, cause];
  }
}
