// The WASM modules: each is loaded with the first call that needs it.

import type { ErrorFacts } from './error.js';

type Init<T> = (from: { module_or_path: BufferSource }) => Promise<T>;

/** Photographs that the browser decodes. */
export const core = once(async () => {
  const glue = await import('./wasm/core.js');
  const { memory } = await load(new URL('./wasm/core_bg.wasm', import.meta.url), glue.default);
  return { Picture: glue.Picture, memory };
});

/** The same for files that may be drawings. */
export const drawings = once(async () => {
  const glue = await import('./wasm/drawings.js');
  const { memory } = await load(new URL('./wasm/drawings_bg.wasm', import.meta.url), glue.default);
  return { Picture: glue.Picture, memory };
});

/** Pictures that the browser does not decode, or not rightly. */
export const decoders = once(async () => {
  const glue = await import('./wasm/decoders.js');
  await load(new URL('./wasm/decoders_bg.wasm', import.meta.url), glue.default);
  return glue;
});

/** Upload and stream. */
export const net = once(async () => {
  const glue = await import('./wasm/net.js');
  await load(new URL('./wasm/net_bg.wasm', import.meta.url), glue.default);
  return glue;
});

/** Drafts. */
export const drafts = once(async () => {
  const glue = await import('./wasm/draft.js');
  await load(new URL('./wasm/draft_bg.wasm', import.meta.url), glue.default);
  return glue;
});

/** The dictionary of Chinese words, into the module of drafts. */
export const dictionary = once(async () => {
  const { install_dictionary } = await drafts();
  const response = await fetched(new URL('./wasm/dictionary.bin', import.meta.url));
  const plain = response.body?.pipeThrough(new DecompressionStream('gzip'));
  install_dictionary(new Uint8Array(await new Response(plain).arrayBuffer()));
});

/** Bytes, not `instantiateStreaming`: many sites serve `.wasm` with another media type. */
async function load<T>(url: URL, init: Init<T>): Promise<T> {
  const response = await fetched(url);
  return init({ module_or_path: await response.arrayBuffer() });
}

async function fetched(url: URL): Promise<Response> {
  const response = await fetch(url, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`${url.pathname} answered with status ${response.status}`);
  return response;
}

/** Runs `work` at the first call; after a failure the next call runs it again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () =>
    (running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    }));
}

/** Out of stack is a `RangeError`; everything else that a module cannot go on after is a `RuntimeError`. */
export function hasTrapped(cause: unknown): boolean {
  if (cause instanceof RangeError) return true;
  return typeof WebAssembly !== 'undefined' && cause instanceof WebAssembly.RuntimeError;
}

/** An error as the modules throw them. */
export function plain(code: ErrorFacts['code'], message: string): ErrorFacts {
  return { code, message };
}

/** What an error says. */
export function words(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
