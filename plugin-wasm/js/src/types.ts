import type { SmartSummaryError } from './error.js';
import type {
  AltText,
  ContentFormat,
  EngineName,
  EnginePreference,
  Field,
  FieldLimits,
  Guidelines,
  ImageRole,
  Summary,
  SummaryRequest,
} from './generated/api.js';

export type * from './generated/api.js';
export { SmartSummaryError, type ClientCode } from './error.js';

/** Why a token is asked for. */
export interface TokenReason {
  /** `first`: none is held; `expired`: the one held is past its time; `refused`: the server did not take it. */
  reason: 'first' | 'expired' | 'refused';
  /** The signal of the call that needs the token. */
  signal?: AbortSignal;
}

/** A token as `POST /v1/tokens` gives it to your own server. */
export interface Token {
  token: string;
  /** Unix time in milliseconds. */
  expires_at: number;
}

/** How a site uses the package. */
export interface SmartSummaryOptions {
  /** The backend's address, for instance `https://summary.example`; a path is kept. */
  endpoint: string | URL;
  /** Asks the site's own server for a token. The browser never holds an API key. */
  token: (why: TokenReason) => Promise<Token>;
  /** Where `worker.js` lies, when the bundler does not find it by itself. The `wasm` folder lies beside it. */
  workerUrl?: string | URL;
  /** Taken for every request, where the call does not say otherwise. */
  defaults?: Partial<Omit<SummaryRequest, 'article' | 'images'>>;
  /** Tries in all, and the longest wait between two. Default: 3 tries, 30 seconds. */
  retry?: { attempts: number; max_wait_ms: number };
}

/** A post as the editor holds it. It is read, never changed. */
export interface Post {
  /** Which post this is, in the host's words; absent until it has one. The panel begins anew with another. Never sent. */
  id?: string;
  title?: string;
  content: string;
  format: ContentFormat;
  /** Where the post is or will be published. */
  url?: string;
  /** `auto` or a BCP 47 tag. */
  language?: string;
  images: PostImage[];
}

/** A picture of the post. */
export interface PostImage {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`; unique in the post; not `request`. */
  id: string;
  /** The picture, or how to get it; a function is called when its turn comes, with the call's signal. */
  source: Blob | ((signal?: AbortSignal) => Promise<Blob>);
  /** The file's name as in the post's content. */
  filename?: string;
  /** The visible caption. */
  caption?: string;
  /** Where it leads when it is a link; without it the link around it in the post's content counts. */
  link?: string;
  role?: ImageRole;
}

/**
 * Which way a picture went: the browser's decoder at a reduced size with our filter (`imagedecoder`), the browser's decoder
 * at full size with our filter (`bitmap`), all ours (`wasm`), or all the browser's (`canvas`).
 */
export type PicturePath = 'imagedecoder' | 'bitmap' | 'wasm' | 'canvas';

/** What can be said about a picture without understanding it. */
export interface PictureLooks {
  /** From a lens, or drawn by a program: a diagram, a chart, a screenshot. */
  class: 'photo' | 'drawn';
  /** Whether too much of a photograph is black or white to be seen. */
  exposure: 'good' | 'dark' | 'bright';
  /** Mean luma, 0 for black to 1 for white. */
  brightness: number;
  /** How much of the picture looks like lines of text, 0 to 1. */
  text: number;
  /** How many pixels have the very colour of their left neighbour, 0 to 1. */
  flatness: number;
}

/** A picture as it leaves the page. */
export interface PreparedPicture {
  id: string;
  path: PicturePath;
  /** Exactly the bytes that are sent. */
  blob: Blob;
  width: number;
  height: number;
  /** `jpeg`, `png`, `webp` or `gif`. */
  format: string;
  bytes_before: number;
  bytes_after: number;
  /** What came in, before orientation. */
  original: { format: string; width: number; height: number };
  /** Kinds of metadata that were in the file and are not in `blob`, for instance `gps`. */
  removed: string[];
  /** Absent where it was not measured: without WebAssembly. */
  sharpness?: number;
  /** Too blurred to be described well. */
  too_soft?: boolean;
  /** What was measured on the pixels that are sent; absent without WebAssembly. */
  looks?: PictureLooks;
  /** `first_frame_only`, `truncated`, `profile_ignored`. */
  warnings: string[];
}

/** How far a call is. `index` counts from 0. */
export type Progress =
  | { stage: 'preparing'; image: string; index: number; total: number }
  | { stage: 'prepared'; picture: PreparedPicture; index: number; total: number }
  /** The picture is left out; the call goes on. */
  | { stage: 'refused'; image: string; error: SmartSummaryError }
  | { stage: 'uploading' }
  /** `position` 1 is the next. */
  | { stage: 'queued'; position: number; wait_ms?: number }
  | { stage: 'started'; engine: EngineName; model: string }
  /** Tried again after `after_ms`; `attempt` is the number of the coming try, from 2. */
  | { stage: 'retrying'; after_ms: number; attempt: number; error: SmartSummaryError };

/** What one call of `summarize` may say. */
export interface SummarizeOptions {
  signal?: AbortSignal;
  /** The fields wanted; all when absent. */
  fields?: Field[];
  candidates?: number;
  guidelines?: Guidelines;
  limits?: FieldLimits;
  engine?: EnginePreference;
  /** Pictures prepared before; one with the id of a post's image is sent as it is. */
  prepared?: PreparedPicture[];
  onProgress?(progress: Progress): void;
  /** More text of a field that is being written. Over all calls the texts join to the field, also after a retry. */
  onDelta?(field: Field, text: string): void;
  /** A field is complete, in the form that `Summary` has. */
  onField?(field: Field, value: unknown): void;
  /** For this call, instead of the site's. */
  retry?: SmartSummaryOptions['retry'];
  /** Names this request for 24 hours, so that it is answered and paid once. Made when absent. */
  idempotencyKey?: string;
}

/** What one call of `prepare` may say. */
export interface PrepareOptions {
  signal?: AbortSignal;
  onProgress?(progress: Progress): void;
}

/** A summary made on this device, without a model. Any field may be empty. */
export interface Draft {
  language: string;
  title: string;
  meta_description: string;
  keywords: string[];
  slug: string;
  summary: string;
  /** One entry per picture, in the post's order. */
  alt_texts: AltText[];
}

export interface DraftOptions {
  signal?: AbortSignal;
  limits?: FieldLimits;
  /** Pictures that are prepared already: what was measured on them counts for their alt texts. */
  prepared?: PreparedPicture[];
}

/** Whether the article supports a text. */
export interface Evidence {
  /** Words of the text that the article does not hold. */
  unsupported: string[];
  /** The text's sentences, in order. */
  claims: Claim[];
}

/** A sentence of a text. */
export interface Claim {
  text: string;
  /** The article's sentence that supports it best; absent when none does. */
  support?: string;
}

/** One backend, one set of workers. Every call is independent; calls may overlap. */
export interface SmartSummary {
  /** Pictures that one call takes; the contract's limit unless a wrapper asks in several requests. */
  readonly maxImages?: number;
  /**
   * Loads the module for pictures and upload. Calls do so by themselves; this is for the moment of first intent
   * (hover, focus). Calling it again costs nothing.
   *
   * @example
   * button.addEventListener('pointerenter', () => smart.load(), { once: true });
   */
  load(): Promise<void>;
  /**
   * Makes pictures ready to be sent: at most 1024 pixels on the longest edge, upright, without metadata. A picture that
   * cannot be prepared is told by progress `refused` and left out of the result; if none can, the call fails with the
   * first one's error.
   *
   * @example
   * const pictures = await smart.prepare(post.images, { signal });
   * show(pictures.map(({ bytes_before, bytes_after }) => `${bytes_before} -> ${bytes_after}`));
   */
  prepare(images: PostImage[], options?: PrepareOptions): Promise<PreparedPicture[]>;
  /**
   * Drafts a summary on this device; nothing is sent.
   *
   * @example
   * show(await smart.draft(post), 'Draft, made on this device');
   */
  draft(post: Post, options?: DraftOptions): Promise<Draft>;
  /**
   * Summarises a post. Fields arrive through `onField` as they are complete.
   *
   * @example
   * const summary = await smart.summarize(post, { signal, onField: (name, value) => show(name, value) });
   */
  summarize(post: Post, options?: SummarizeOptions): Promise<Summary>;
  /**
   * Looks up each text in the article, on this device. The keys are the caller's.
   *
   * @example
   * const { title } = await smart.ground(post, { title: 'Running PostgreSQL on Kubernetes' });
   * underline(title.unsupported);
   */
  ground(post: Post, texts: Record<string, string>): Promise<Record<string, Evidence>>;
  /** Stops the workers; calls under way fail with `aborted`. A later call starts them again. */
  dispose(): void;
}
