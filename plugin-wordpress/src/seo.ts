// The editor's half of each SEO plugin: what its own fields on this page hold, and how they take a new text.

import { facts, type SeoValues } from './facts.js';
import { ask, call } from './store.js';

type SeoField = keyof SeoValues;

/** What one SEO plugin shows on this page. */
interface Shown {
  /** The field's text; undefined where the page does not show it. */
  get(field: SeoField): string | undefined;
  set(field: SeoField, text: string): void;
}

const NOTHING: Shown = { get: () => undefined, set: () => undefined };

/** Yoast's meta box writes what its store holds after the post was saved, so the store has to know. */
const yoast: Shown = {
  get(field) {
    const data = ask('yoast-seo/editor', 'getSnippetEditorData') as Partial<SeoValues> | undefined;
    return data?.[field];
  },
  set(field, text) {
    call('yoast-seo/editor', 'updateData', { [field]: text });
  },
};

const rankMath: Shown = {
  get: (field) => ask('rank-math', field === 'title' ? 'getTitle' : 'getDescription') as string | undefined,
  set(field, text) {
    const name = field === 'title' ? 'Title' : 'Description';
    call('rank-math', `update${name}`, text);
    call('rank-math', `updateSerp${name}`, text);
  },
};

/** A meta box whose inputs are posted after the post. */
function inputs(names: SeoValues): Shown {
  const input = (field: SeoField) =>
    document.querySelector<HTMLInputElement | HTMLTextAreaElement>(`[name="${names[field]}"]`);
  return {
    get: (field) => input(field)?.value,
    set(field, text) {
      const element = input(field);
      if (element === null) return;
      element.value = text;
      element.dispatchEvent(new Event('input', { bubbles: true }));
      element.dispatchEvent(new Event('change', { bubbles: true }));
    },
  };
}

const aioseo: Shown = {
  get(field) {
    const value = window.aioseo?.currentPost?.[field];
    return typeof value === 'string' ? value : undefined;
  },
  set(field, text) {
    if (window.aioseo?.currentPost) window.aioseo.currentPost[field] = text;
  },
};

const SHOWN: Record<string, Shown> = {
  // The Classic Editor's meta box; the block editor keeps these as the post's meta.
  '': inputs({ title: 'smart_summary[title]', description: 'smart_summary[description]' }),
  yoast,
  'rank-math': rankMath,
  aioseo,
  seopress: inputs({ title: 'seopress_titles_title', description: 'seopress_titles_desc' }),
  tsf: inputs({ title: 'autodescription[_genesis_title]', description: 'autodescription[_genesis_description]' }),
};

/** The SEO plugin's fields, as a person has set them. A template that the plugin shows in an empty field is not a person's. */
export class SeoFields {
  readonly #shown: Shown = SHOWN[facts.seo] ?? NOTHING;
  readonly #stored: SeoValues = { ...facts.seoValues };
  /** What the page showed for the stored value, once its plugin was there. */
  readonly #first: Partial<SeoValues> = {};
  /** Our text -> what the page showed when we wrote it, so that the editor's undo brings that back. */
  readonly #before: Record<SeoField, Map<string, string>> = { title: new Map(), description: new Map() };

  get(field: SeoField): string {
    const now = this.#shown.get(field);
    if (now === undefined) return this.#stored[field];
    this.#first[field] ??= now;
    return now === this.#first[field] ? this.#stored[field] : now;
  }

  /** Shows a text that was accepted; `was` is the text of ours that it replaces. */
  accept(field: SeoField, text: string, was: string): void {
    const now = this.#shown.get(field);
    if (now !== undefined && !this.#before[field].has(was)) this.#before[field].set(was, now);
    this.#stored[field] = text;
    this.#first[field] = text;
    this.#shown.set(field, text);
  }

  /** Follows the editor's undo and redo: our text is now this one again. */
  restore(field: SeoField, text: string): void {
    const shown = this.#before[field].get(text) ?? text;
    this.#stored[field] = text === '' ? facts.seoValues[field] : text;
    this.#first[field] = shown;
    this.#shown.set(field, shown);
  }
}

/** After a save: reads what the SEO plugin holds, and writes once more where its own page has put the old words back. */
export async function confirmSaved(accepted: Partial<SeoValues>, before: SeoValues): Promise<SeoField[]> {
  const path = `/smart-summary/v1/posts/${facts.post}/seo`;
  const held = await wp.apiFetch<SeoValues>({ path });
  const lost = (Object.keys(accepted) as SeoField[]).filter(
    // Other words than the old ones are a person's, written after ours.
    (field) => held[field] !== accepted[field] && held[field] === before[field],
  );
  if (lost.length > 0) {
    await wp.apiFetch({
      path,
      method: 'POST',
      data: Object.fromEntries(lost.map((field) => [field, accepted[field]])),
    });
  }
  return lost;
}
