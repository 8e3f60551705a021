import { aborted, SmartSummaryError, unlessAborted } from './error.js';
import { Lane, type WorkerLike } from './lane.js';
import type { Told } from './messages.js';
import { PICTURE, Pictures } from './pictures.js';
import { requestOf } from './request.js';
import { TokenHolder } from './token.js';
import type {
  Draft,
  DraftOptions,
  Evidence,
  FieldLimits,
  Post,
  PostImage,
  PrepareOptions,
  PreparedPicture,
  Progress,
  SmartSummary,
  SmartSummaryOptions,
  SummarizeOptions,
  Summary,
} from './types.js';

const RETRY = { attempts: 3, max_wait_ms: 30_000 };
const HOUR_MS = 3_600_000;

/**
 * The page's side. Pictures, upload and draft have workers of their own: a draft does not wait for pictures, and a
 * picture that brings its module down takes no upload with it. Each worker begins with the first call that needs it.
 */
export class Bridge implements SmartSummary {
  readonly #options: SmartSummaryOptions;
  readonly #token: TokenHolder;
  readonly #pictures: Pictures;
  readonly #upload: Lane;
  readonly #draft: Lane;
  #disposed = new AbortController();

  constructor(options: SmartSummaryOptions, spawn: () => WorkerLike) {
    this.#options = options;
    this.#token = new TokenHolder(options.token);
    this.#pictures = new Pictures(spawn);
    this.#upload = new Lane(spawn, Infinity);
    this.#draft = new Lane(spawn, 1);
  }

  async load(): Promise<void> {
    await Promise.all([this.#pictures.load(), this.#upload.run({ kind: 'load', part: 'net' })]);
  }

  async prepare(images: PostImage[], options: PrepareOptions = {}): Promise<PreparedPicture[]> {
    const { pictures, refused } = await this.#prepareAll(images, options);
    if (pictures.length === 0 && refused[0] !== undefined) throw refused[0];
    return pictures;
  }

  draft(post: Post, { signal, limits, prepared = [] }: DraftOptions = {}): Promise<Draft> {
    const measured = prepared.flatMap(({ id, looks }) => (looks === undefined ? [] : [[id, looks] as const]));
    const looks = Object.fromEntries(measured);
    return this.#draft.run({ kind: 'draft', request: this.#requestOf(post, limits), looks }, { signal });
  }

  async summarize(post: Post, options: SummarizeOptions = {}): Promise<Summary> {
    const { signal, onProgress } = options;
    const ready = new Map(options.prepared?.map((picture) => [picture.id, picture.blob]));
    const missing = post.images.filter(({ id }) => !ready.has(id));
    const { pictures, refused } = await this.#prepareAll(missing, { signal, onProgress });
    for (const { id, blob } of pictures) ready.set(id, blob);

    const images = post.images.filter(({ id }) => ready.has(id));
    if (images.length === 0 && post.content.trim() === '' && refused[0] !== undefined) throw refused[0];
    const summary = await this.#upload.run(
      {
        kind: 'summarize',
        options: {
          // The page's address is the base, not the worker's.
          endpoint: new URL(this.#options.endpoint, document.baseURI).href,
          idempotency_key: options.idempotencyKey ?? randomKey(),
          ...patience(options.retry ?? this.#options.retry),
        },
        request: requestOf(post, images, this.#options.defaults, options),
        pictures: ready,
      },
      {
        signal,
        told: (told) => tell(told, options),
        token: (reason) => this.#token.get(reason, signal),
      },
    );
    return JSON.parse(summary) as Summary;
  }

  ground(post: Post, texts: Record<string, string>): Promise<Record<string, Evidence>> {
    return this.#draft.run({ kind: 'ground', request: this.#requestOf(post), texts });
  }

  dispose(): void {
    this.#disposed.abort();
    this.#disposed = new AbortController();
    for (const part of [this.#pictures, this.#upload, this.#draft]) part.stop(aborted());
  }

  #requestOf(post: Post, limits?: FieldLimits) {
    return requestOf(post, post.images, this.#options.defaults, { limits });
  }

  /** The pictures in the given order; those that cannot be prepared are told and left out. */
  async #prepareAll(images: PostImage[], { signal, onProgress }: PrepareOptions) {
    const total = images.length;
    const pictures: PreparedPicture[] = [];
    const refused: SmartSummaryError[] = [];
    const queue = images.entries();
    const takeNext = async (): Promise<void> => {
      for (const [index, image] of queue) {
        if (signal?.aborted) throw aborted();
        notify(onProgress, { stage: 'preparing', image: image.id, index, total });
        try {
          const picture = await this.#prepareOne(image, signal);
          pictures[index] = picture;
          notify(onProgress, { stage: 'prepared', picture, index, total });
        } catch (cause) {
          const error = about(cause, image.id);
          if (error.code === 'aborted') throw error;
          refused.push(error);
          notify(onProgress, { stage: 'refused', image: image.id, error });
        }
      }
    };
    await Promise.all(Array.from({ length: this.#pictures.width }, takeNext));
    return { pictures: pictures.filter((picture) => picture !== undefined), refused };
  }

  async #prepareOne({ id, source }: PostImage, signal?: AbortSignal): Promise<PreparedPicture> {
    const blob =
      typeof source === 'function' ? await unlessAborted(source(signal), signal, this.#disposed.signal) : source;
    return this.#pictures.prepare(id, blob, PICTURE, signal);
  }
}

function tell(told: Told, { onProgress, onDelta, onField }: SummarizeOptions): void {
  switch (told.kind) {
    case 'delta':
      return safely(() => onDelta?.(told.field, told.text));
    case 'field':
      return safely(() => onField?.(told.name, told.value));
    case 'progress': {
      const { progress } = told;
      if (progress.stage !== 'retrying') return notify(onProgress, progress);
      return notify(onProgress, { ...progress, error: new SmartSummaryError(progress.error) });
    }
  }
}

function notify(listener: ((progress: Progress) => void) | undefined, progress: Progress): void {
  safely(() => listener?.(progress));
}

/** A listener that throws is told to the page as any uncaught error is; the call goes on. */
function safely(work: () => void): void {
  try {
    work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The error of a picture. A source that fails is a picture that cannot be read. */
function about(cause: unknown, image: string): SmartSummaryError {
  if (cause instanceof SmartSummaryError) return new SmartSummaryError({ ...cause, message: cause.message, image });
  const message = `the picture could not be read: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new SmartSummaryError({ code: 'image_broken', message, image }, cause);
}

/** Whole numbers within reason, so that `Infinity` is a way to say "very patient". */
function patience({ attempts, max_wait_ms } = RETRY): typeof RETRY {
  const whole = (value: number, most: number) => Math.round(Math.min(Math.max(value, 0), most));
  return { attempts: whole(attempts, 100), max_wait_ms: whole(max_wait_ms, HOUR_MS) };
}

/** 128 random bits; `crypto.randomUUID` exists on secure pages only, and some editors are not. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
