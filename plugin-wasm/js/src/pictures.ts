import { type ErrorFacts, SmartSummaryError, unlessAborted } from './error.js';
import { LIMITS } from './generated/api.js';
import { Lane, type WorkerLike } from './lane.js';
import type { PictureOptions } from './messages.js';
import type { PreparedPicture } from './types.js';

/** The contract's size, and `api::limits::JPEG_QUALITY`. */
export const PICTURE: PictureOptions = { longest_edge: LIMITS.max_edge, quality: 85 };

/** More than any camera writes; a film is not read into memory. `imaging::Options::max_bytes`. */
const MAX_BYTES = 64 << 20;

/** A picture takes seconds on a slow phone. A worker that has said nothing for so long never will. */
const PATIENCE_MS = 60_000;

/**
 * The page's side of pictures: two workers, so that two pictures are in flight at most and each is bounded by itself. The
 * second worker begins with the second picture at a time.
 */
export class Pictures {
  readonly #lanes: [Lane, Lane];

  constructor(spawn: () => WorkerLike) {
    this.#lanes = [new Lane(spawn, 1, PATIENCE_MS), new Lane(spawn, 1, PATIENCE_MS)];
  }

  /** How many pictures may be in flight. */
  get width(): number {
    return this.#lanes.length;
  }

  /** Loads what the first picture will need. */
  async load(): Promise<void> {
    await this.#lanes[0].run({ kind: 'load', part: 'core' });
  }

  /**
   * Prepares a picture. When its worker fails, a new one tries without the modules that brought it down, and at last the
   * page itself: the call is answered all the same.
   */
  async prepare(id: string, blob: Blob, options: PictureOptions, signal?: AbortSignal): Promise<PreparedPicture> {
    if (blob.size > MAX_BYTES) throw tooLarge(blob.size);
    const ask = (more: Partial<PictureOptions>) => {
      const [one, other] = this.#lanes;
      const lane = other.load < one.load ? other : one;
      return lane.run({ kind: 'prepare', id, blob, options: { ...options, ...more } }, { signal });
    };
    try {
      return await ask({});
    } catch (cause) {
      if (codeOf(cause) !== 'worker_failed') throw cause;
      return await this.#otherwise(ask, [id, blob, options], cause, signal);
    }
  }

  stop(error: SmartSummaryError): void {
    for (const lane of this.#lanes) lane.stop(error);
  }

  async #otherwise(
    ask: (more: Partial<PictureOptions>) => Promise<PreparedPicture>,
    [id, blob, options]: [string, Blob, PictureOptions],
    first: unknown,
    signal?: AbortSignal,
  ): Promise<PreparedPicture> {
    try {
      return await ask({ paths: ['canvas'] });
    } catch (cause) {
      if (codeOf(cause) !== 'worker_failed') throw cause;
    }
    try {
      // Workers without a canvas, as in Safari before 16.4, or no worker at all: the page has one.
      const { byCanvas } = await import('./picture/canvas.js');
      const drawn = async () => byCanvas(new Uint8Array(await blob.arrayBuffer()), options, signal);
      return { id, path: 'canvas', ...(await unlessAborted(drawn(), signal)) };
    } catch (cause) {
      // The first failure says more than that of the last way round it.
      const facts = cause as ErrorFacts;
      if (facts.code === 'aborted') throw cause;
      throw cause instanceof Error || facts.code === 'worker_failed' ? first : new SmartSummaryError(facts);
    }
  }
}

function codeOf(cause: unknown): unknown {
  return (cause as SmartSummaryError | undefined)?.code;
}

function tooLarge(size: number): SmartSummaryError {
  const message = `the file has ${size} bytes; at most ${MAX_BYTES} are read`;
  return new SmartSummaryError({ code: 'image_too_large', message, limit: MAX_BYTES });
}
