// The worker: loads the modules, forwards calls to them and events from them. The work itself is Rust.

import type { ErrorFacts } from './error.js';
import type { FromWorker, Job, ToWorker, Told } from './messages.js';
import type { PreparedPicture } from './types.js';
import initCore, { admit, prepare, summarize, type Host } from './wasm/core.js';
import initDraft, { draft, ground, install_dictionary, needs_dictionary } from './wasm/draft.js';

/** How long a draft waits for the dictionary; it comes without, and the next one has it. */
const DICTIONARY_PATIENCE_MS = 3_000;

interface Scope {
  postMessage(message: FromWorker): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}
const scope = self as unknown as Scope;

/** A call under way. */
class Call implements Host {
  readonly #stop = new AbortController();
  #try = new AbortController();
  #token: { resolve(token: string): void; reject(error: Error): void } | undefined;
  pictures = new Map<string, Blob>();

  constructor(readonly number: number) {}

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  token(reason: 'first' | 'expired' | 'refused'): Promise<string> {
    scope.postMessage({ call: this.number, say: 'token', reason });
    return new Promise((resolve, reject) => (this.#token = { resolve, reject }));
  }

  giveToken(token: string): void {
    this.#token?.resolve(token);
  }

  refuseToken(message: string): void {
    this.#token?.reject(new Error(message));
  }

  tell(json: string): void {
    scope.postMessage({ call: this.number, say: 'told', told: JSON.parse(json) as Told });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(new Error('aborted'));
      };
      const timer = setTimeout(() => {
        this.signal.removeEventListener('abort', stop);
        resolve();
      }, ms);
      if (this.signal.aborted) stop();
      else this.signal.addEventListener('abort', stop, { once: true });
    });
  }

  within<T>(promise: Promise<T>, ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer for ${Math.round(ms / 1000)} s`)), ms);
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  beginTry(): AbortSignal {
    this.endTry();
    this.#try = new AbortController();
    if (this.signal.aborted) this.#try.abort();
    return this.#try.signal;
  }

  /** Lets the connection go, whether or not the answer has ended. */
  endTry(): void {
    this.#try.abort();
  }

  picture(id: string): Blob | undefined {
    return this.pictures.get(id);
  }

  abort(): void {
    this.#stop.abort();
    this.endTry();
    this.refuseToken('aborted');
  }
}

const calls = new Map<number, Call>();

const loadCore = once(() => load(new URL('./wasm/core_bg.wasm', import.meta.url), initCore));
const loadDraft = once(() => load(new URL('./wasm/draft_bg.wasm', import.meta.url), initDraft));
const loadDictionary = once(async () => {
  const response = await fetched(new URL('./wasm/dictionary.bin', import.meta.url));
  const plain = response.body?.pipeThrough(new DecompressionStream('gzip'));
  install_dictionary(new Uint8Array(await new Response(plain).arrayBuffer()));
});

/** Bytes, not `instantiateStreaming`: many sites serve `.wasm` with another media type. */
async function load(url: URL, init: (from: { module_or_path: BufferSource }) => Promise<unknown>): Promise<void> {
  const response = await fetched(url);
  await init({ module_or_path: await response.arrayBuffer() });
}

async function fetched(url: URL): Promise<Response> {
  const response = await fetch(url, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`${url.pathname} answered with status ${response.status}`);
  return response;
}

/** Runs `work` at the first call; after a failure the next call runs it again. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () =>
    (running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    }));
}

async function run(call: Call, job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'load':
      await loaded(job.part);
      return null;
    case 'prepare':
      await loaded('core');
      return preparePicture(call, job);
    case 'summarize':
      await loaded('core');
      call.pictures = job.pictures;
      return await summarize(JSON.stringify(job.options), JSON.stringify(job.request), call);
    case 'draft': {
      const request = JSON.stringify(job.request);
      await loaded('draft');
      await dictionaryFor(request, call);
      return JSON.parse(draft(request));
    }
    case 'ground': {
      const request = JSON.stringify(job.request);
      await loaded('draft');
      await dictionaryFor(request, call);
      return JSON.parse(ground(request, JSON.stringify(job.texts)));
    }
  }
}

async function loaded(part: 'core' | 'draft'): Promise<void> {
  try {
    await (part === 'core' ? loadCore() : loadDraft());
  } catch (cause) {
    throw plain('worker_failed', `the module \`${part}\` cannot be loaded (${words(cause)})`);
  }
}

async function preparePicture(call: Call, { id, blob, options }: Extract<Job, { kind: 'prepare' }>) {
  admit(blob.size);
  const bytes = await bytesOf(blob);
  if (call.signal.aborted) throw plain('aborted', 'the call was stopped');
  const picture = prepare(bytes, JSON.stringify(options));
  const { mime, ...facts } = JSON.parse(picture.facts) as Omit<PreparedPicture, 'id' | 'blob'> & { mime: string };
  const small = new Blob([picture.take()], { type: mime });
  picture.free();
  return { id, blob: small, ...facts } satisfies PreparedPicture;
}

/** A file may have been moved or changed since it was chosen. */
async function bytesOf(blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    if (hasTrapped(cause)) throw cause;
    throw plain('image_broken', `the picture could not be read: ${words(cause)}`);
  }
}

/** Chinese is read better with its words; without them a draft is still a draft. */
async function dictionaryFor(request: string, call: Call): Promise<void> {
  if (!needs_dictionary(request)) return;
  const dictionary = loadDictionary().catch((cause: unknown) => {
    if (hasTrapped(cause)) throw cause;
  });
  await call.within(dictionary, DICTIONARY_PATIENCE_MS).catch((cause: unknown) => {
    if (hasTrapped(cause)) throw cause;
  });
}

scope.addEventListener('message', ({ data }) => {
  const call = calls.get(data.call) ?? new Call(data.call);
  switch (data.say) {
    case 'do':
      calls.set(data.call, call);
      void answer(call, data.job);
      break;
    case 'abort':
      call.abort();
      break;
    case 'token':
      call.giveToken(data.token);
      break;
    case 'no_token':
      call.refuseToken(data.message);
      break;
  }
});

// A future of the module that traps rejects nothing that anybody awaits.
scope.addEventListener('unhandledrejection', ({ reason }) => {
  if (hasTrapped(reason)) scope.postMessage({ call: 0, say: 'trapped', message: words(reason) });
});

async function answer(call: Call, job: Job): Promise<void> {
  try {
    scope.postMessage({ call: call.number, say: 'done', answer: await run(call, job) });
  } catch (cause) {
    if (hasTrapped(cause)) scope.postMessage({ call: call.number, say: 'trapped', message: words(cause) });
    else scope.postMessage({ call: call.number, say: 'failed', error: factsOf(cause) });
  } finally {
    call.endTry();
    calls.delete(call.number);
  }
}

/** Out of stack is a `RangeError`; everything else that a module cannot go on after is a `RuntimeError`. */
function hasTrapped(cause: unknown): boolean {
  return cause instanceof WebAssembly.RuntimeError || cause instanceof RangeError;
}

/** Errors of the modules are plain objects with a code; anything else is a fault of this file. */
function factsOf(cause: unknown): ErrorFacts {
  if (
    typeof cause === 'object' &&
    cause !== null &&
    'code' in cause &&
    'message' in cause &&
    !(cause instanceof Error)
  ) {
    return cause as ErrorFacts;
  }
  return plain('worker_failed', words(cause));
}

function plain(code: ErrorFacts['code'], message: string): ErrorFacts {
  return { code, message };
}

function words(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
