// The language of the post, as its page says now: Polylang and WPML let the writer choose another one there.

import { facts } from './facts.js';

/** BCP 47 tag, or `auto`. What PHP knows holds until another language was chosen. */
export function language(): string {
  const choice = document.querySelector<HTMLSelectElement>(
    'select[name="post_lang_choice"], select[name="icl_post_language"]',
  );
  const chosen = choice?.selectedOptions[0];
  if (chosen === undefined || chosen.defaultSelected) return facts.language;
  // Polylang's options carry their tag, WPML's values are tags.
  return chosen.lang || chosen.value || facts.language;
}
