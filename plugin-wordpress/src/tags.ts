// Tags: the element knows words, WordPress knows numbers.

import { editor } from './store.js';

interface Term {
  id: number;
  name: string;
}

export class TagNames {
  readonly #names = new Map<number, string>();

  /** Whether this kind of post has tags that the user may set. */
  get supported(): boolean {
    return Array.isArray(editor().getEditedPostAttribute('tags'));
  }

  names(): string[] {
    return this.#ids().flatMap((id) => this.#names.get(id) ?? []);
  }

  /** Asks for the names of tags that are not known yet. */
  async load(): Promise<void> {
    const unknown = this.#ids().filter((id) => !this.#names.has(id));
    if (unknown.length === 0) return;
    const path = `/wp/v2/tags?include=${unknown.join(',')}&per_page=100&_fields=id,name`;
    for (const { id, name } of await wp.apiFetch<Term[]>({ path }).catch(() => [])) this.#names.set(id, decoded(name));
  }

  /** The numbers of these tags; one that does not exist is made. */
  async idsOf(names: string[]): Promise<number[]> {
    const ids: number[] = [];
    for (const name of names) {
      const id = this.#known(name) ?? (await this.#find(name)) ?? (await this.#make(name));
      if (id !== undefined && !ids.includes(id)) ids.push(id);
    }
    return ids;
  }

  #ids(): number[] {
    return this.supported ? (editor().getEditedPostAttribute('tags') as number[]) : [];
  }

  #known(name: string): number | undefined {
    for (const [id, known] of this.#names) if (same(known, name)) return id;
    return undefined;
  }

  async #find(name: string): Promise<number | undefined> {
    const path = `/wp/v2/tags?search=${encodeURIComponent(name)}&per_page=50&_fields=id,name`;
    const found = await wp.apiFetch<Term[]>({ path });
    const term = found.find((one) => same(decoded(one.name), name));
    return term && this.#keep(term);
  }

  async #make(name: string): Promise<number | undefined> {
    try {
      return this.#keep(await wp.apiFetch<Term>({ path: '/wp/v2/tags', method: 'POST', data: { name } }));
    } catch (cause) {
      // Another name with the same address: that tag is meant.
      const { code, data } = cause as { code?: string; data?: { term_id?: number } };
      if (code === 'term_exists' && data?.term_id !== undefined) return this.#keep({ id: data.term_id, name });
      throw cause;
    }
  }

  #keep({ id, name }: Term): number {
    this.#names.set(id, decoded(name));
    return id;
  }
}

const same = (one: string, other: string) => one.localeCompare(other, undefined, { sensitivity: 'accent' }) === 0;

/** WordPress gives names with entities. */
function decoded(name: string): string {
  return new DOMParser().parseFromString(name, 'text/html').body.textContent ?? name;
}
