// The module `core`, as wasm-bindgen makes it from `src/lib.rs`. Only what the worker uses.

/** What the worker lends to a call; `upload.rs` says what each is for. */
export interface Host {
  token(reason: 'first' | 'expired' | 'refused'): Promise<string>;
  tell(json: string): void;
  sleep(ms: number): Promise<void>;
  within<T>(promise: Promise<T>, ms: number): Promise<T>;
  readonly signal: AbortSignal;
  beginTry(): AbortSignal;
  picture(id: string): Blob | undefined;
}

export class PreparedPicture {
  private constructor();
  readonly facts: string;
  take(): Uint8Array<ArrayBuffer>;
  free(): void;
}

export function admit(bytes: number): void;
export function prepare(bytes: Uint8Array, options: string): PreparedPicture;
export function summarize(options: string, request: string, host: Host): Promise<string>;
export default function init(from: { module_or_path: BufferSource }): Promise<unknown>;
