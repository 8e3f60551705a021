import { en, type Messages } from './en.js';
import { zh } from './zh.js';

export type { Messages } from './en.js';

/** The words for a language tag; English where there are none. */
export function messagesFor(tag: string): Messages {
  return /^zh\b/i.test(tag) ? zh : en;
}
