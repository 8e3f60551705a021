// A picture without WebAssembly: the browser decodes, draws and encodes. Runs in a worker with OffscreenCanvas, else in the
// page.

import { plain, words } from '../modules.js';
import type { PictureOptions } from '../messages.js';
import type { PreparedPicture } from '../types.js';
import { headerOf, type Header } from './header.js';
import { lookOfInks, ONE_INK } from './inks.js';
import { bareJpeg, withoutMetadata } from './strip.js';

/** A canvas of either kind. */
interface Easel {
  width: number;
  height: number;
  pen: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
  encode(type: string, quality: number): Promise<Blob | null>;
}

/** JPEG qualities that are tried until the result is smaller than the file. */
const LOWER = [0.75, 0.6, 0.45, 0.3];

/** What a program drew keeps its small text with this quality. `DRAWN_QUALITY` of the crate `imaging`. */
const DRAWN_QUALITY = 0.9;

/** From so many pixels on with the very colour of their left neighbour a picture is drawn. `DRAWN` of `imaging`. */
const DRAWN = 0.4;

/** So many bytes are never too many; above, half a byte a pixel. `fair_size` of `imaging`. */
const SMALL_FILE = 64 << 10;

/** Where there is no canvas to draw on; the page has one. */
const NO_CANVAS = 'there is no canvas here';

/** Makes a picture small, upright and free of metadata. */
export async function byCanvas(
  bytes: Uint8Array<ArrayBuffer>,
  { longest_edge: longestEdge, quality, keep_alpha: keepAlpha = false }: PictureOptions,
  signal?: AbortSignal,
): Promise<Omit<PreparedPicture, 'id' | 'path'>> {
  const header = headerOf(bytes);
  const stop = () => {
    if (signal?.aborted) throw plain('aborted', 'the call was stopped');
  };
  if (typeof OffscreenCanvas === 'undefined' && typeof document === 'undefined') throw new Error(NO_CANVAS);
  for (const at of header.turnsAt) bytes[at] = 1;
  const picture = await decoded(new Blob([bytes], { type: `image/${header.format}` }));
  stop();
  const swapped = header.orientation >= 5;
  const scale = Math.min(1, longestEdge / Math.max(header.width, header.height));
  const across = Math.max(1, Math.round(header.width * scale));
  const down = Math.max(1, Math.round(header.height * scale));
  const [width, height] = swapped ? [down, across] : [across, down];
  const easel = easelOf(width, height);
  const { pen } = easel;
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = 'high';
  pen.setTransform(...turned(header.orientation, width, height));
  pen.drawImage(picture.source, 0, 0, across, down);
  picture.close();
  if (header.inks && (await mixesInksPlainly())) lookOfInks(pen, width, height);
  const { transparent, drawn } = seen(easel);
  if (transparent && !keepAlpha) layOntoWhite(easel);
  const same = scale === 1 && header.orientation === 1 && !header.inks && !header.animated;
  const kept = same && (keepAlpha || !transparent) ? withoutMetadata(bytes, header) : undefined;
  const exact = header.format !== 'jpeg' || drawn;
  const wish = { quality: quality / 100, kept, drawn, exact, transparent: transparent && keepAlpha };
  const { blob, format } = await encoded(easel, wish, bytes.byteLength);
  stop();
  return {
    blob,
    width,
    height,
    format,
    bytes_before: bytes.byteLength,
    bytes_after: blob.size,
    original: { format: header.format, width: header.width, height: header.height },
    removed: header.metadata,
    warnings: header.animated ? ['first_frame_only'] : [],
  };
}

/** The transformation from stored to upright. Source: Exif 2.32, tag 274. */
function turned(orientation: number, w: number, h: number): [number, number, number, number, number, number] {
  switch (orientation) {
    case 2:
      return [-1, 0, 0, 1, w, 0];
    case 3:
      return [-1, 0, 0, -1, w, h];
    case 4:
      return [1, 0, 0, -1, 0, h];
    case 5:
      return [0, 1, 1, 0, 0, 0];
    case 6:
      return [0, 1, -1, 0, w, 0];
    case 7:
      return [0, -1, -1, 0, w, h];
    case 8:
      return [0, -1, 1, 0, 0, h];
    default:
      return [1, 0, 0, 1, 0, 0];
  }
}

/** How a picture may be sent. */
interface Wish {
  /** Of a JPEG, 0 to 1. */
  quality: number;
  /** The file itself without its metadata, where that may be sent. */
  kept: Blob | undefined;
  drawn: boolean;
  /** A PNG is worth a try. */
  exact: boolean;
  transparent: boolean;
}

/**
 * The file itself when it is small and clean; what stays transparent and what a program drew as PNG, within bounds; the rest
 * as JPEG, of at most `most` bytes as far as qualities go.
 */
async function encoded(
  easel: Easel,
  { quality, kept, drawn, exact, transparent }: Wish,
  most: number,
): Promise<{ blob: Blob; format: string }> {
  const fair = Math.max(SMALL_FILE, (easel.width * easel.height) / 2);
  if (kept !== undefined && kept.size <= fair) return named(kept);
  const png = exact || transparent ? await easel.encode('image/png', 1) : null;
  if (png !== null && png.size > 0 && (transparent || (drawn && png.size <= Math.min(most, fair)))) return named(png);
  const first = drawn ? Math.max(quality, DRAWN_QUALITY) : quality;
  let best: Blob | null = kept ?? null;
  for (const next of new Set([first, quality, ...LOWER.filter((lower) => lower < quality)])) {
    const blob = await bare(await easel.encode('image/jpeg', next));
    for (const other of [blob, png]) {
      if (other !== null && other.size > 0 && (best === null || other.size < best.size)) best = other;
    }
    if (best !== null && best.size <= most) break;
  }
  if (best === null) throw plain('image_broken', 'the browser could not write the picture');
  return named(best);
}

function named(blob: Blob): { blob: Blob; format: string } {
  return { blob, format: blob.type.replace('image/', '') };
}

function layOntoWhite({ pen, width, height }: Easel): void {
  pen.resetTransform();
  pen.globalCompositeOperation = 'destination-over';
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
}

/** Whether some pixel lets the page through, and whether a program drew the picture. */
function seen({ pen, width, height }: Easel): { transparent: boolean; drawn: boolean } {
  const pixels = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
  let equal = 0;
  let transparent = false;
  for (let at = 0; at < pixels.length; at++) {
    if (at % width > 0 && pixels[at] === pixels[at - 1]) equal++;
    transparent ||= pixels[at]! >>> 24 < 255;
  }
  return { transparent, drawn: equal >= pixels.length * DRAWN };
}

/** Without the colour profile that some browsers write, which says sRGB as its absence does. */
async function bare(jpeg: Blob | null): Promise<Blob | null> {
  if (jpeg === null || jpeg.type !== 'image/jpeg') return jpeg;
  return bareJpeg(new Uint8Array(await jpeg.arrayBuffer())) ?? jpeg;
}

let plainly: Promise<boolean> | undefined;

/** Whether this browser takes cyan for the complement of red and so on, as most do; one with a press profile is right. */
function mixesInksPlainly(): Promise<boolean> {
  return (plainly ??= decoded(new Blob([ONE_INK], { type: 'image/jpeg' }))
    .then(({ source, close }) => {
      const { pen } = easelOf(1, 1);
      pen.drawImage(source, 0, 0, 1, 1);
      close();
      const [red = 255, green = 0, blue = 0] = pen.getImageData(0, 0, 1, 1).data;
      return red < 16 && green > 240 && blue > 240;
    })
    .catch(() => false));
}

async function decoded(blob: Blob): Promise<{ source: CanvasImageSource; close(): void }> {
  try {
    if (typeof createImageBitmap !== 'undefined') {
      const source = await createImageBitmap(blob);
      return { source, close: () => source.close() };
    }
    const url = URL.createObjectURL(blob);
    try {
      const source = new Image();
      source.src = url;
      await source.decode();
      return { source, close: () => {} };
    } finally {
      URL.revokeObjectURL(url);
    }
  } catch (cause) {
    throw plain('image_broken', `the picture is broken: ${words(cause)}`);
  }
}

function easelOf(width: number, height: number): Easel {
  if (typeof OffscreenCanvas !== 'undefined') {
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext('2d');
    if (pen !== null) {
      return { width, height, pen, encode: (type, quality) => canvas.convertToBlob({ type, quality }) };
    }
  }
  if (typeof document === 'undefined') throw new Error(NO_CANVAS);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d');
  if (pen === null) throw plain('worker_failed', 'this browser has no canvas');
  const encode = (type: string, quality: number) =>
    new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, type, quality));
  return { width, height, pen, encode };
}
