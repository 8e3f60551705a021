// The browser decodes, the module `core` does the rest. Pixels are written straight into its memory.

import type { Picture } from '../wasm/core.js';

/** A picture that is to be decoded. */
export interface Source {
  picture: Picture;
  /** The file; its buffer may be given away. */
  bytes: Uint8Array<ArrayBuffer>;
  memory: WebAssembly.Memory;
  signal: AbortSignal;
}

/**
 * A JPEG is decoded at least so many times larger than it will be: at 1.0 up to 3 dB are lost, at 1.25 nearly one, at 1.4
 * 0.31 of the five photographs that were measured.
 */
const MARGIN = 1.4;

/** WebCodecs: a JPEG is decoded at some eighths of its size, and pixels come as the decoder has them. */
export async function byImageDecoder(source: Source): Promise<void> {
  const { picture } = source;
  const data = upright(source);
  const decoder = new ImageDecoder({
    data,
    // Else a copy is made of all of it.
    transfer: [data.buffer],
    type: picture.mime,
    colorSpaceConversion: 'none',
    preferAnimation: false,
    ...(picture.is_jpeg && reduced(picture)),
  });
  try {
    const { image } = await decoder.decode();
    try {
      await pour(source, image, false);
    } finally {
      image.close();
    }
  } finally {
    decoder.close();
  }
}

/**
 * The size at which a JPEG is decoded: the smallest eighths that are enough. Three cost a decoder as much as four, for
 * which it has faster code, but are half as many pixels to hand over and to filter; five and more cost more than all.
 */
function reduced({
  width,
  height,
  longest_edge,
}: Picture): { desiredWidth: number; desiredHeight: number } | undefined {
  const enough = longest_edge * MARGIN;
  for (const eighths of [1, 2, 3, 4]) {
    const scaled = (edge: number) => Math.ceil((edge * eighths) / 8);
    if (scaled(Math.max(width, height)) >= enough) {
      return { desiredWidth: scaled(width), desiredHeight: scaled(height) };
    }
  }
  return undefined;
}

/** `createImageBitmap`: the browser converts the colours too. */
export async function byBitmap(source: Source): Promise<void> {
  const blob = new Blob([upright(source)], { type: source.picture.mime });
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: 'none' });
  try {
    if (typeof VideoFrame === 'undefined' || !(await pouredAsFrame(source, bitmap))) pourFromCanvas(source, bitmap);
  } finally {
    bitmap.close();
  }
}

/** Many times faster than a canvas, where it is possible. */
async function pouredAsFrame(source: Source, bitmap: ImageBitmap): Promise<boolean> {
  // Transparent pixels may have been multiplied on their way through a bitmap; a canvas undoes that, a frame does not.
  if (!source.picture.is_jpeg) return false;
  let frame: VideoFrame;
  try {
    frame = new VideoFrame(bitmap, { timestamp: 0 });
  } catch {
    return false;
  }
  try {
    const { primaries, transfer } = frame.colorSpace;
    // A bitmap may still have the file's own colours; those that have no name here come as null.
    if (primaries !== 'bt709' || transfer !== 'iec61966-2-1') return false;
    await pour(source, frame, true);
    return true;
  } finally {
    frame.close();
  }
}

/** In bands, so that neither a canvas's greatest size nor a second copy of the picture matters. */
function pourFromCanvas({ picture, memory, signal }: Source, bitmap: ImageBitmap): void {
  const { width, height } = bitmap;
  agree(picture, width, height);
  begin(picture, width, height, 'RGBA', 'rgb', true, true);
  let canvas: OffscreenCanvas | undefined;
  for (let rows = picture.band_rows; rows > 0; rows = picture.band_rows) {
    canvas ??= new OffscreenCanvas(width, rows);
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    if (pen === null) throw new Error('no canvas can be had');
    pen.globalCompositeOperation = 'copy';
    pen.drawImage(bitmap, 0, -picture.row);
    const { data } = pen.getImageData(0, 0, width, rows);
    if (signal.aborted) return;
    place(picture, memory).set(data);
    picture.take();
  }
}

/** Writes a frame's pixels into the module's memory, as they are. */
async function pour({ picture, memory, signal }: Source, frame: VideoFrame, converted: boolean): Promise<void> {
  const { format, colorSpace, visibleRect } = frame;
  const width = visibleRect?.width ?? frame.codedWidth;
  const height = visibleRect?.height ?? frame.codedHeight;
  agree(picture, width, height);
  if (format === null || visibleRect === null || visibleRect.x !== 0 || visibleRect.y !== 0) {
    throw new Error('the frame cannot be read');
  }
  begin(picture, width, height, format, colorSpace.matrix ?? 'rgb', colorSpace.fullRange ?? true, converted);
  for (let rows = picture.band_rows; rows > 0; rows = picture.band_rows) {
    const rect = { x: 0, y: picture.row, width, height: rows };
    const target = place(picture, memory);
    if (frame.allocationSize({ rect }) !== target.byteLength) throw new Error('the frame has padding');
    await frame.copyTo(target, { rect });
    if (signal.aborted) return;
    picture.take();
  }
}

function begin(
  picture: Picture,
  width: number,
  height: number,
  format: string,
  matrix: string,
  fullRange: boolean,
  converted: boolean,
): void {
  if (!picture.begin(width, height, format, matrix, fullRange, converted)) {
    throw new Error(`pixels come as ${format} ${matrix}`);
  }
}

/** A new view each time: the module's memory moves when it grows. */
function place(picture: Picture, memory: WebAssembly.Memory): Uint8Array<ArrayBuffer> {
  return new Uint8Array(memory.buffer, picture.place(), picture.place_length);
}

/** The file, so changed that no decoder turns it: some do and some do not, and the module does. */
function upright({ picture, bytes }: Source): Uint8Array<ArrayBuffer> {
  for (const at of picture.orientation_bytes()) bytes[at] = 1;
  return bytes;
}

/** Pixels of another shape than the file declares have been turned or are of another picture. */
function agree({ width, height }: Picture, gotWidth: number, gotHeight: number): void {
  const near = Math.abs(gotWidth * height - gotHeight * width) <= Math.max(width, height) * 2;
  if (!near || gotWidth > width || gotHeight > height) {
    throw new Error(`${gotWidth} x ${gotHeight} pixels came of ${width} x ${height}`);
  }
}
