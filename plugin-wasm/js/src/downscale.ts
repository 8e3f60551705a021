import { PICTURE, Pictures } from './pictures.js';
import { spawn } from './spawn.js';
import type { PreparedPicture } from './types.js';

export { SmartSummaryError } from './error.js';

/** What is wished of the small picture. */
export interface DownscaleOptions {
  /** The longest edge, in pixels; `Infinity` leaves the size as it is. Default 1024. A picture is never made larger. */
  maxEdge?: number;
  /** JPEG quality: 1 to 100, or a canvas's 0 to 1. Default 85. */
  quality?: number;
  /** Keeps transparency, as a PNG; else it is laid onto white. */
  keepAlpha?: boolean;
  signal?: AbortSignal;
}

/** The small picture: upright, in sRGB, without metadata. With it comes what `prepare` tells, but no id. */
export type Downscaled = Omit<PreparedPicture, 'id'>;

/** No format that is read has a longer edge. */
const LONGEST = 65_535;

const pictures = new Pictures(() => spawn());

/** Loads what the first picture will need; calling it is a matter of the first picture's time only. */
export async function init(): Promise<void> {
  await pictures.load().catch(() => {
    // Without WebAssembly there is nothing to load, and pictures go another way.
  });
}

/**
 * Makes one picture small, in a worker, by the same way as `prepare`. For pages that want nothing else.
 *
 * @example
 * const { blob } = await downscale(input.files[0], { maxEdge: 1024, quality: 85 });
 */
export async function downscale(blob: Blob, options: DownscaleOptions = {}): Promise<Downscaled> {
  const { maxEdge = PICTURE.longest_edge, quality = PICTURE.quality, keepAlpha = false, signal } = options;
  const wishes = {
    longest_edge: whole(maxEdge, LONGEST, PICTURE.longest_edge),
    quality: whole(quality <= 1 ? quality * 100 : quality, 100, PICTURE.quality),
    keep_alpha: keepAlpha,
  };
  const { id: _, ...picture } = await pictures.prepare('picture', blob, wishes, signal);
  return picture;
}

/** A whole number from 1 to `most`; `usual` for what is no number. */
function whole(value: number, most: number, usual: number): number {
  return Number.isNaN(value) ? usual : Math.min(most, Math.max(1, Math.round(value)));
}
