// A picture without WebAssembly: the browser decodes, draws and encodes. Runs in a worker with OffscreenCanvas, else in the
// page.

import { plain, words } from '../modules.js';
import type { PreparedPicture } from '../types.js';
import { headerOf, type Header } from './header.js';
import { lookOfInks, ONE_INK } from './inks.js';

/** A canvas of either kind. */
interface Easel {
  pen: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
  encode(type: string, quality: number): Promise<Blob | null>;
}

/** JPEG qualities that are tried until the result is smaller than the file. */
const LOWER = [0.75, 0.6, 0.45];

/** Where there is no canvas to draw on; the page has one. */
const NO_CANVAS = 'there is no canvas here';

/** Makes a picture small, upright and free of metadata, on white. */
export async function byCanvas(
  bytes: Uint8Array<ArrayBuffer>,
  longestEdge: number,
  quality: number,
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
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = 'high';
  pen.setTransform(...turned(header.orientation, width, height));
  pen.drawImage(picture.source, 0, 0, across, down);
  picture.close();
  if (header.inks && (await mixesInksPlainly())) lookOfInks(pen, width, height);
  const { blob, format } = await encoded(easel, header, quality / 100, bytes.byteLength);
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

/** As JPEG, or as PNG where a small drawing is smaller so; never larger than the file, as far as qualities go. */
async function encoded(
  easel: Easel,
  { format }: Header,
  quality: number,
  most: number,
): Promise<{ blob: Blob; format: string }> {
  const drawing = format === 'png' || format === 'gif' ? await easel.encode('image/png', 1) : null;
  let best: Blob | null = null;
  for (const next of [quality, ...LOWER.filter((lower) => lower < quality)]) {
    const blob = await bare(await easel.encode('image/jpeg', next));
    if (blob !== null && blob.size > 0 && (best === null || blob.size < best.size)) best = blob;
    if (drawing !== null && drawing.size > 0 && (best === null || drawing.size <= best.size)) best = drawing;
    if (best !== null && best.size <= most) break;
  }
  if (best === null) throw plain('image_broken', 'the browser could not write the picture');
  return { blob: best, format: best.type.replace('image/', '') };
}

/** Without the colour profile that some browsers write, which says sRGB as its absence does. */
async function bare(jpeg: Blob | null): Promise<Blob | null> {
  if (jpeg === null || jpeg.type !== 'image/jpeg') return jpeg;
  const bytes = new Uint8Array(await jpeg.arrayBuffer());
  const kept = [bytes.subarray(0, 2)];
  let at = 2;
  while (bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + (bytes[at + 2]! << 8) + bytes[at + 3]!;
    const isMetadata = bytes[at + 1]! > 0xe0 && bytes[at + 1]! <= 0xef && bytes[at + 1] !== 0xee;
    if (!isMetadata) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return new Blob([...kept, bytes.subarray(at)], { type: jpeg.type });
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
    if (pen !== null) return { pen, encode: (type, quality) => canvas.convertToBlob({ type, quality }) };
  }
  if (typeof document === 'undefined') throw new Error(NO_CANVAS);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d');
  if (pen === null) throw plain('worker_failed', 'this browser has no canvas');
  return { pen, encode: (type, quality) => new Promise((resolve) => canvas.toBlob(resolve, type, quality)) };
}
