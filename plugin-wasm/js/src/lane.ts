import { aborted, SmartSummaryError } from './error.js';
import type { Answer, FromWorker, Job, Jobs, Told, ToWorker } from './messages.js';
import type { TokenReason } from './types.js';

/** A worker that has not let go of an aborted call after this time is ended: its module may be in a loop. */
const LET_GO_MS = 2_000;

/** What a lane needs of a `Worker`. */
export type WorkerLike = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror' | 'onmessageerror'>;

/** What a call listens to. */
export interface Ears {
  signal?: AbortSignal | undefined;
  told?(told: Told): void;
  token?(reason: TokenReason['reason']): Promise<string>;
}

interface Waiting {
  number: number;
  job: Job;
  ears: Ears;
  resolve(answer: unknown): void;
  reject(error: SmartSummaryError): void;
  release(): void;
}

/**
 * A worker and its queue: at most `width` calls are with the worker at a time, in the order in which they came. A worker
 * that traps or dies answers the calls it had with `worker_failed`; the others go on with a new one.
 */
export class Lane {
  readonly #spawn: () => WorkerLike;
  readonly #width: number;
  readonly #patienceMs: number;
  #worker: WorkerLike | undefined;
  #waiting: Waiting[] = [];
  readonly #running = new Map<number, Waiting>();
  #last = 0;

  /** A worker that has not answered a call after `patienceMs` is taken for dead. */
  constructor(spawn: () => WorkerLike, width: number, patienceMs = Infinity) {
    this.#spawn = spawn;
    this.#width = width;
    this.#patienceMs = patienceMs;
  }

  /** Calls that are not answered yet. */
  get load(): number {
    return this.#waiting.length + this.#running.size;
  }

  /** Does a job. An aborted call is rejected at once; its worker takes the next when it has let go of it. */
  run<Kind extends keyof Jobs>(job: { kind: Kind } & Jobs[Kind]['ask'], ears: Ears = {}): Promise<Answer<Kind>> {
    return new Promise((resolve, reject) => {
      if (ears.signal?.aborted) return reject(aborted());
      const number = ++this.#last;
      const stop = () => this.#abort(number);
      ears.signal?.addEventListener('abort', stop);
      this.#waiting.push({
        number,
        job: job as Job,
        ears,
        resolve: resolve as (answer: unknown) => void,
        reject,
        release: () => ears.signal?.removeEventListener('abort', stop),
      });
      this.#next();
    });
  }

  /** Ends the worker; every call is rejected with `error`. A later call begins anew. */
  stop(error: SmartSummaryError): void {
    const all = [...this.#running.values(), ...this.#waiting];
    this.#waiting = [];
    this.#drop();
    for (const call of all) finish(call).reject(error);
  }

  #next(): void {
    while (this.#running.size < this.#width) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      this.#running.set(call.number, call);
      this.#limit(call);
      try {
        this.#worker ??= this.#listen(this.#spawn());
        this.#say({ call: call.number, say: 'do', job: call.job });
      } catch (cause) {
        this.#running.delete(call.number);
        finish(call).reject(workerFailed(cause instanceof Error ? cause.message : String(cause), cause));
      }
    }
  }

  #limit(call: Waiting): void {
    if (this.#patienceMs === Infinity) return;
    const timer = setTimeout(() => this.#died(`no answer for ${this.#patienceMs} ms`), this.#patienceMs);
    const { release } = call;
    call.release = () => {
      clearTimeout(timer);
      release();
    };
  }

  #listen(worker: WorkerLike): WorkerLike {
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(data);
    worker.onmessageerror = () => this.#died('a message could not be read');
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(event.message || 'the worker could not be loaded');
    };
    return worker;
  }

  #hear(message: FromWorker): void {
    const call = this.#running.get(message.call);
    if (message.say === 'trapped') return this.#died(message.message);
    if (call === undefined) return;
    switch (message.say) {
      case 'told':
        return call.ears.told?.(message.told);
      case 'token':
        return void this.#giveToken(call, message.reason);
      case 'done':
        this.#running.delete(call.number);
        finish(call).resolve(message.answer);
        break;
      case 'failed':
        this.#running.delete(call.number);
        finish(call).reject(new SmartSummaryError(message.error));
        break;
    }
    this.#next();
  }

  async #giveToken({ number, ears }: Waiting, reason: TokenReason['reason']): Promise<void> {
    try {
      if (ears.token === undefined) throw new Error('this call has no token');
      const token = await ears.token(reason);
      if (this.#running.has(number)) this.#say({ call: number, say: 'token', token });
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (this.#running.has(number)) this.#say({ call: number, say: 'no_token', message });
    }
  }

  #abort(number: number): void {
    const running = this.#running.get(number);
    if (running !== undefined) {
      // It stays in its place until the worker has let go of it, so that no more than `width` are ever there.
      this.#running.set(number, { ...running, ears: {}, resolve: () => {}, reject: () => {} });
      this.#say({ call: number, say: 'abort' });
      finish(running).reject(aborted());
      // With more calls than one the worker only waits for the network, and an abort is heard.
      if (this.#width === 1) setTimeout(() => this.#running.has(number) && this.#died('it does not stop'), LET_GO_MS);
      return;
    }
    const waiting = this.#waiting.find((call) => call.number === number);
    this.#waiting = this.#waiting.filter((call) => call !== waiting);
    if (waiting !== undefined) finish(waiting).reject(aborted());
  }

  #died(why: string): void {
    const lost = [...this.#running.values()];
    this.#drop();
    for (const call of lost) finish(call).reject(workerFailed(why));
    this.#next();
  }

  #drop(): void {
    this.#running.clear();
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    // What it still says is not about its successor's calls.
    worker.onmessage = worker.onmessageerror = worker.onerror = null;
    worker.terminate();
  }

  #say(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }
}

function finish(call: Waiting): Waiting {
  call.release();
  return call;
}

function workerFailed(why: string, cause?: unknown): SmartSummaryError {
  return new SmartSummaryError({ code: 'worker_failed', message: `the worker has failed: ${why}` }, cause);
}
