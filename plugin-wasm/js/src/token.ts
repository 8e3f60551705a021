import type { SmartSummaryOptions, Token, TokenReason } from './types.js';

/** A token is asked for anew this long before its time is over, so that it does not expire on the way. */
const MARGIN_MS = 5_000;

/** The page's token: asked for when it is needed, kept while it is good, never stored. */
export class TokenHolder {
  readonly #ask: SmartSummaryOptions['token'];
  readonly #now: () => number;
  #held: Token | undefined;

  constructor(ask: SmartSummaryOptions['token'], now: () => number = Date.now) {
    this.#ask = ask;
    this.#now = now;
  }

  /** `first`: for a new call; the others: the server has not taken the last one. */
  async get(reason: TokenReason['reason'], signal?: AbortSignal): Promise<string> {
    const held = this.#held;
    if (reason === 'first' && held !== undefined) {
      if (held.expires_at - MARGIN_MS > this.#now()) return held.token;
      reason = 'expired';
    }
    this.#held = undefined;
    const token: Token = await this.#ask(signal === undefined ? { reason } : { reason, signal });
    if (typeof token?.token !== 'string' || token.token === '') throw new Error('the token callback gave no token');
    this.#held = token;
    return token.token;
  }
}
