import type { Code, Problem } from './generated/api.js';

/** What can go wrong on this side of the wire; everything else has one of the server's codes. */
export type ClientCode =
  /** The caller's signal was aborted. */
  | 'aborted'
  /** The server cannot be reached from here. */
  | 'offline'
  /** The host's `token` callback failed, or gave no token. */
  | 'token_failed'
  /** The worker could not be loaded, or stopped in the middle of this call. Other calls go on; this one may be tried again. */
  | 'worker_failed'
  /** The answer is not one of this contract. */
  | 'protocol';

/** The facts of an error, as they cross from the worker. */
export interface ErrorFacts {
  code: Code | ClientCode;
  message: string;
  status?: number;
  problem?: Problem;
  retry_after_ms?: number;
  image?: string;
  /** The bound that was exceeded, where this side has one of its own. */
  limit?: number;
}

/**
 * The one error that this package throws. `code` is stable and is what to act on; `message` is for a person.
 *
 * @example
 * try {
 *   await smart.summarize(post);
 * } catch (error) {
 *   if (error instanceof SmartSummaryError && error.code === 'rate_limited') wait(error.retry_after_ms);
 * }
 */
export class SmartSummaryError extends Error {
  override readonly name = 'SmartSummaryError';
  /** The server's problem code, or one of this side's. */
  readonly code: Code | ClientCode;
  /** The HTTP status, when the server answered. */
  readonly status?: number;
  /** The server's problem body, when it sent one. */
  readonly problem?: Problem;
  /** When to try again, in milliseconds from the answer. */
  readonly retry_after_ms?: number;
  /** The picture that is at fault. */
  readonly image?: string;
  /** The request's field that is at fault. */
  readonly field?: string;
  /** The bound of this side that was exceeded; the server's are in `problem`. */
  readonly limit?: number;
  /** Names the request in the server's log. */
  readonly request_id?: string;

  constructor({ code, message, ...facts }: ErrorFacts, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    Object.assign(this, facts, facts.problem && { field: facts.problem.field, request_id: facts.problem.request_id });
  }
}

/** The caller's signal was aborted, or the whole was disposed of. */
export function aborted(): SmartSummaryError {
  return new SmartSummaryError({ code: 'aborted', message: 'the call was stopped' });
}

/** What `work` gives, unless one of the signals comes first. */
export function unlessAborted<T>(work: Promise<T>, ...signals: (AbortSignal | undefined)[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = () => signals.forEach((signal) => signal?.removeEventListener('abort', stop));
    const stop = () => {
      release();
      reject(aborted());
    };
    signals.forEach((signal) => signal?.addEventListener('abort', stop));
    if (signals.some((signal) => signal?.aborted)) stop();
    work.then(resolve, reject).finally(release);
  });
}
