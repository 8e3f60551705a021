// Who wrote what, and whether the article has changed since, in words: the same in both editors.

import { __, sprintf } from './i18n.js';
import type { Author } from './record.js';

export function provenanceLines(stale: boolean, description: Author, excerpt: Author): string[] {
  return [
    stale && __('The article has changed since its texts were made.', 'smart-summary'),
    /* translators: %s: who wrote it */
    description !== 'none' && sprintf(__('Description: %s', 'smart-summary'), authorWords(description)),
    /* translators: %s: who wrote it */
    excerpt !== 'none' && sprintf(__('Excerpt: %s', 'smart-summary'), authorWords(excerpt)),
  ].filter((line) => line !== false);
}

export function authorWords(author: Author): string {
  switch (author) {
    case 'ai':
      return __('made by Smart Summary', 'smart-summary');
    case 'ai_edited':
      return __('made by Smart Summary, edited by a person', 'smart-summary');
    default:
      return __('written by a person', 'smart-summary');
  }
}
