import type { WorkerLike } from './lane.js';
import type { FromWorker, ToWorker } from './messages.js';

/**
 * Makes a worker. The literal form below is the one that Vite, webpack and Rollup find and bundle; a page without a
 * bundler loads `worker.js` from beside this file. Where a browser has no module workers, the page does the work itself.
 */
export function spawn(url?: string | URL): WorkerLike {
  if (!hasModuleWorkers()) return new PageWorker();
  return url === undefined
    ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
    : new Worker(url, { type: 'module' });
}

let known: boolean | undefined;

/** A browser that knows module workers asks for the type of a worker; an older one would load a module as a script. */
function hasModuleWorkers(): boolean {
  if (known !== undefined) return known;
  known = false;
  if (typeof Worker === 'undefined') return false;
  const probe = {
    get type(): 'module' {
      known = true;
      return 'module';
    },
  };
  try {
    // No address at all: nothing is fetched, and no policy is asked.
    new Worker('http://', probe).terminate();
  } catch {
    // Refused, after its options were read.
  }
  return known;
}

/** The worker's code in the page, loaded with its first message. */
class PageWorker implements WorkerLike {
  onmessage: WorkerLike['onmessage'] = null;
  onmessageerror: WorkerLike['onmessageerror'] = null;
  onerror: WorkerLike['onerror'] = null;
  readonly #hear: Promise<(message: ToWorker) => void>;
  #ended = false;

  constructor() {
    this.#hear = import('./serve.js').then(({ serve }) => serve((message) => this.#say(message)));
    this.#hear.catch((cause: unknown) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (!this.#ended) this.onerror?.call(this as never, new ErrorEvent('error', { message }));
    });
  }

  postMessage(message: ToWorker): void {
    void this.#hear.then(
      (hear) => this.#ended || hear(message),
      () => {},
    );
  }

  terminate(): void {
    this.#ended = true;
  }

  #say(message: FromWorker): void {
    if (!this.#ended) this.onmessage?.call(this as never, new MessageEvent('message', { data: message }));
  }
}
