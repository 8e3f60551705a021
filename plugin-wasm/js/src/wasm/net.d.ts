// The module `net`, as wasm-bindgen makes it from `src/lib.rs`. Only what the worker uses.

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

export function summarize(options: string, request: string, host: Host): Promise<string>;
export default function init(from: { module_or_path: BufferSource }): Promise<unknown>;
