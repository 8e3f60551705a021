// What a worker does: forwards calls to the modules and events from them. The work itself is Rust and the browser's.

import type { ErrorFacts } from './error.js';
import type { FromWorker, Job, Told, ToWorker } from './messages.js';
import { core, decoders, dictionary, drafts, drawings, hasTrapped, net, plain, words } from './modules.js';
import { preparePicture } from './picture/prepare.js';
import type { Host } from './wasm/net.js';

/** How long a draft waits for the dictionary; it comes without, and the next one has it. */
const DICTIONARY_PATIENCE_MS = 3_000;

/**
 * Kinds of work whose module has trapped. A worker is replaced with all its modules; the page, where it works itself, is
 * not, and its modules cannot be loaded a second time.
 */
const trapped = new Set<Job['kind']>();

/** A call under way. */
class Call implements Host {
  readonly #stop = new AbortController();
  #try = new AbortController();
  #token: { resolve(token: string): void; reject(error: Error): void } | undefined;
  pictures = new Map<string, Blob>();

  constructor(
    readonly number: number,
    readonly say: (message: FromWorker) => void,
  ) {}

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  token(reason: 'first' | 'expired' | 'refused'): Promise<string> {
    this.say({ call: this.number, say: 'token', reason });
    return new Promise((resolve, reject) => (this.#token = { resolve, reject }));
  }

  giveToken(token: string): void {
    this.#token?.resolve(token);
  }

  refuseToken(message: string): void {
    this.#token?.reject(new Error(message));
  }

  tell(json: string): void {
    this.say({ call: this.number, say: 'told', told: JSON.parse(json) as Told });
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

/** Serves the calls of one page: give it each message, and send on what it says. */
export function serve(say: (message: FromWorker) => void): (message: ToWorker) => void {
  const calls = new Map<number, Call>();

  const answer = async (call: Call, job: Job): Promise<void> => {
    try {
      say({ call: call.number, say: 'done', answer: await run(call, job) });
    } catch (cause) {
      if (hasTrapped(cause)) {
        trapped.add(job.kind);
        say({ call: call.number, say: 'trapped', message: words(cause) });
      } else say({ call: call.number, say: 'failed', error: factsOf(cause) });
    } finally {
      call.endTry();
      calls.delete(call.number);
    }
  };

  return (message) => {
    const call = calls.get(message.call) ?? new Call(message.call, say);
    switch (message.say) {
      case 'do':
        calls.set(message.call, call);
        void answer(call, message.job);
        break;
      case 'abort':
        call.abort();
        break;
      case 'token':
        call.giveToken(message.token);
        break;
      case 'no_token':
        call.refuseToken(message.message);
        break;
    }
  };
}

async function run(call: Call, job: Job): Promise<unknown> {
  if (trapped.has(job.kind)) {
    if (job.kind !== 'prepare') throw plain('worker_failed', 'its module has failed before; load the page again');
    return preparePicture(job.id, job.blob, { ...job.options, paths: ['canvas'] }, call.signal);
  }
  switch (job.kind) {
    case 'load':
      await loaded<unknown>(job.part, { core, drawings, decoders, net, draft: drafts }[job.part]);
      return null;
    case 'prepare':
      return preparePicture(job.id, job.blob, job.options, call.signal);
    case 'summarize': {
      const { summarize } = await loaded('net', net);
      call.pictures = job.pictures;
      return await summarize(JSON.stringify(job.options), JSON.stringify(job.request), call);
    }
    case 'draft': {
      const request = JSON.stringify(job.request);
      const { draft, needs_dictionary } = await loaded('draft', drafts);
      if (needs_dictionary(request)) await dictionaryFor(call);
      return JSON.parse(draft(request, JSON.stringify(job.looks)));
    }
    case 'ground': {
      const request = JSON.stringify(job.request);
      const { ground, needs_dictionary } = await loaded('draft', drafts);
      if (needs_dictionary(request)) await dictionaryFor(call);
      return JSON.parse(ground(request, JSON.stringify(job.texts)));
    }
  }
}

async function loaded<T>(part: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw plain('worker_failed', `the module \`${part}\` cannot be loaded (${words(cause)})`);
  }
}

/** Chinese is read better with its words; without them a draft is still a draft. */
async function dictionaryFor(call: Call): Promise<void> {
  const forgive = (cause: unknown) => {
    if (hasTrapped(cause)) throw cause;
  };
  await call.within(dictionary().catch(forgive), DICTIONARY_PATIENCE_MS).catch(forgive);
}

/** Errors of the modules are plain objects with a code; anything else is a fault of this file. */
function factsOf(cause: unknown): ErrorFacts {
  const isFacts = typeof cause === 'object' && cause !== null && 'code' in cause && 'message' in cause;
  if (isFacts && !(cause instanceof Error)) return cause as ErrorFacts;
  return plain('worker_failed', words(cause));
}
