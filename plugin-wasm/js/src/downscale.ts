import { Lane } from './lane.js';
import { spawn } from './spawn.js';

export { SmartSummaryError } from './error.js';

/** What is wished of the small picture. */
export interface DownscaleOptions {
  /** The longest edge, in pixels. Default 1024. A picture is never made larger. */
  maxEdge?: number;
  /** JPEG quality, 1 to 100. Default 85. */
  quality?: number;
  signal?: AbortSignal;
}

/** The small picture: upright, without metadata. */
export interface Downscaled {
  blob: Blob;
  width: number;
  height: number;
}

const lane = new Lane(() => spawn(), 1);

/**
 * Makes one picture small, in a worker, by the same way as `prepare`. For pages that want nothing else.
 *
 * @example
 * const { blob } = await downscale(input.files[0], { maxEdge: 1024, quality: 85 });
 */
export async function downscale(blob: Blob, options: DownscaleOptions = {}): Promise<Downscaled> {
  const { maxEdge, quality, signal } = options;
  const wishes = { ...(maxEdge && { longest_edge: maxEdge }), ...(quality && { quality }) };
  const picture = await lane.run({ kind: 'prepare', id: 'picture', blob, options: wishes }, { signal });
  return { blob: picture.blob, width: picture.width, height: picture.height };
}
