import { PICTURE, Pictures } from './pictures.js';
import { spawn } from './spawn.js';
import type { PreparedPicture } from './types.js';

export { SmartSummaryError } from './error.js';

/** What is wished of the small picture. */
export interface DownscaleOptions {
  /** The longest edge, in pixels. Default 1024. A picture is never made larger. */
  maxEdge?: number;
  /** JPEG quality: 1 to 100, or a canvas's 0 to 1. Default 85. */
  quality?: number;
  signal?: AbortSignal;
}

/** The small picture: upright, in sRGB, without metadata. With it comes what `prepare` tells, but no id. */
export type Downscaled = Omit<PreparedPicture, 'id'>;

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
  const { maxEdge = PICTURE.longest_edge, quality = PICTURE.quality, signal } = options;
  const wishes = {
    longest_edge: Math.max(1, Math.round(maxEdge)),
    quality: Math.min(100, Math.max(1, Math.round(quality <= 1 ? quality * 100 : quality))),
  };
  const { id: _, ...picture } = await pictures.prepare('picture', blob, wishes, signal);
  return picture;
}
