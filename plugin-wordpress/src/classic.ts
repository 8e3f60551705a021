// The Classic Editor's script: the same element in a meta box; accepted fields go into the form and are saved with it.

import type { Post } from '@smart-summary/web';
import type { Adapter, HostValues, UndoHandle } from '@smart-summary/web/element';

import { createClient, type Made } from './client.js';
import { panelElement } from './element.js';
import { facts } from './facts.js';
import { language } from './language.js';
import {
  isDecorative,
  keyOf,
  loadFeatured,
  namesOf,
  postImage,
  withFeatured,
  withNames,
  type Featured,
  type Picture,
} from './pictures.js';
import { provenanceLines } from './provenance.js';
import { authorOf, contentHash, recordOf, recordWith } from './record.js';
import { SeoFields } from './seo.js';
import { __ } from './i18n.js';

type Field = HTMLInputElement | HTMLTextAreaElement;
const field = (id: string) => document.getElementById(id) as Field | null;

/** The featured image of the box beside the editor; `-1` stands there for none. */
const featuredId = (): number => Math.max(0, Number(field('_thumbnail_id')?.value) || 0);

/** The visual editor while it is shown; until it has begun it holds nothing, and the words are in the form's field. */
const visual = (): TinyMceEditor | undefined => {
  const editor = window.tinymce?.get('content');
  return editor?.initialized !== true || editor.isHidden() ? undefined : editor;
};

class Classic implements Adapter {
  readonly #seo = new SeoFields();
  readonly #made: () => Made | undefined;
  readonly #library: Featured = new Map();
  #record = recordOf(facts.record);

  constructor(made: () => Made | undefined) {
    this.#made = made;
  }

  async read(): Promise<Post> {
    await loadFeatured(featuredId(), this.#library);
    const all = this.#pictures();
    return {
      title: field('title')?.value.trim() || undefined,
      content: withNames(this.#content(), all),
      format: 'html',
      url: /^https?:/.test(facts.permalink) ? facts.permalink : undefined,
      language: language(),
      images: all
        .filter((picture) => !isDecorative(picture, this.#record))
        .map((picture) => postImage(picture, namesOf(all))),
    };
  }

  current(): HostValues {
    const title = facts.titleTarget === 'post' ? (field('title')?.value ?? '') : this.#seo.get('title');
    return {
      title,
      meta_description: this.#seo.get('description'),
      keywords: tags(),
      slug: field('post_name')?.value ?? '',
      summary: field('excerpt')?.value ?? '',
      alt_texts: Object.fromEntries(this.#pictures().map(({ key, alt }) => [key, alt])),
      open_graph: { 'og:title': title || 'WordPress' },
      json_ld: { headline: title || 'WordPress' },
    };
  }

  apply(values: HostValues): UndoHandle {
    const before = this.current();
    const titleBefore = field('title')?.value ?? '';
    const recordBefore = this.#record;
    this.#write(values, values.title);
    this.#keep(recordWith(recordBefore, values, this.#made(), this.#content()));
    return {
      undo: () => {
        const names = Object.keys(values) as (keyof HostValues)[];
        const back = Object.fromEntries(names.map((name) => [name, before[name] ?? ''])) as HostValues;
        if (values.alt_texts !== undefined) {
          const keys = Object.keys(values.alt_texts);
          back.alt_texts = Object.fromEntries(keys.map((key) => [key, before.alt_texts?.[key] ?? '']));
        }
        this.#write(back, titleBefore);
        this.#keep(recordBefore);
      },
    };
  }

  onChange(callback: () => void): () => void {
    const form = document.querySelector('form#post');
    form?.addEventListener('input', callback);
    const listen = (editor: TinyMceEditor) => editor.id === 'content' && editor.on('input change undo redo', callback);
    const editor = window.tinymce?.get('content');
    if (editor) listen(editor);
    window.tinymce?.on('AddEditor', (event) => listen(event.editor));
    return () => {
      form?.removeEventListener('input', callback);
      window.tinymce?.get('content')?.off('input change undo redo', callback);
    };
  }

  reveal(sentence: string): boolean {
    const editor = visual();
    const wanted = sentence.trim();
    if (editor === undefined || wanted === '') return false;
    const blocks = [...editor.getBody().querySelectorAll('p, li, h1, h2, h3, h4, h5, h6, blockquote, figcaption, td')];
    const found = blocks.find((block) => block.textContent?.includes(wanted));
    if (found === undefined) return false;
    editor.selection.select(found);
    editor.selection.scrollIntoView(found);
    return true;
  }

  /** Who wrote description and excerpt, and whether the article is another by now; undefined when nothing was made. */
  provenance(): { stale: boolean; lines: string[] } | undefined {
    const { content, fields } = this.#record;
    if (Object.keys(fields).length === 0) return undefined;
    const stale = content !== '' && contentHash(this.#content()) !== content;
    const description = authorOf(fields['meta_description'], this.#seo.get('description'));
    const excerpt = authorOf(fields['summary'], field('excerpt')?.value ?? '');
    return { stale, lines: provenanceLines(stale, description, excerpt) };
  }

  #content(): string {
    return visual()?.getContent() ?? field('content')?.value ?? '';
  }

  #pictures(): Picture[] {
    const page = new DOMParser().parseFromString(this.#content(), 'text/html');
    const found = new Map<string, Picture>();
    for (const image of page.querySelectorAll('img')) {
      const src = image.getAttribute('src') ?? '';
      if (src === '' || src.startsWith('data:')) continue;
      const attachment = attachmentOf(image);
      const key = keyOf(attachment, src);
      const caption = image.closest('figure')?.querySelector('figcaption')?.textContent?.trim() ?? '';
      const alt = image.getAttribute('alt') ?? '';
      if (!found.has(key)) found.set(key, { key, attachment, src, alt, caption, decorative: false, blocks: [] });
    }
    return withFeatured([...found.values()], featuredId(), this.#library);
  }

  #write(values: HostValues, title: string | undefined): void {
    const { meta_description: description, keywords, slug, summary, alt_texts: alts } = values;
    const own = field('title');
    if (values.title !== undefined && title !== undefined) {
      if (own !== null && (facts.titleTarget === 'post' || own.value.trim() === '' || own.value === values.title))
        set(own, title);
      if (facts.titleTarget === 'seo') this.#seo.accept('title', values.title, '');
    }
    if (description !== undefined) this.#seo.accept('description', description, '');
    if (slug !== undefined) set(field('post_name'), slug);
    if (summary !== undefined) set(field('excerpt'), summary);
    if (keywords !== undefined) setTags(keywords);
    if (alts !== undefined) this.#writeAlts(alts);
  }

  #writeAlts(alts: Record<string, string>): void {
    const wanted = (image: Element) => alts[keyOf(attachmentOf(image), image.getAttribute('src') ?? '')];
    const editor = visual();
    if (editor !== undefined) {
      // One step of the editor's own undo.
      editor.undoManager.transact(() => {
        for (const image of editor.getBody().querySelectorAll('img')) {
          const alt = wanted(image);
          // Not by the editor's own function, which takes an empty attribute away: decorative pictures keep theirs.
          if (alt !== undefined) image.setAttribute('alt', alt);
        }
      });
      return;
    }
    const area = field('content');
    if (area === null) return;
    set(
      area,
      area.value.replace(/<img\b(?:[^>"']|"[^"]*"|'[^']*')*>/gi, (tag) => {
        const image = new DOMParser().parseFromString(tag, 'text/html').querySelector('img');
        const alt = image === null ? undefined : wanted(image);
        if (image === null || alt === undefined) return tag;
        image.setAttribute('alt', alt);
        return image.outerHTML;
      }),
    );
  }

  /** The record goes with the form. */
  #keep(record: ReturnType<typeof recordOf>): void {
    this.#record = record;
    set(field('smart-summary-record'), JSON.stringify(record));
  }
}

/** The lines above the panel; they follow the article once its writer pauses. */
function provenanceList(adapter: Classic): HTMLUListElement {
  const list = document.createElement('ul');
  list.className = 'smart-summary-provenance';
  const show = () => {
    const { stale = false, lines = [] } = adapter.provenance() ?? {};
    list.hidden = lines.length === 0;
    list.dataset['stale'] = String(stale);
    list.replaceChildren(...lines.map((line) => Object.assign(document.createElement('li'), { textContent: line })));
  };
  let timer = 0;
  adapter.onChange(() => {
    window.clearTimeout(timer);
    timer = window.setTimeout(show, 500);
  });
  show();
  return list;
}

function attachmentOf(image: Element): number {
  return Number(/(?:^|\s)wp-image-(\d+)(?:\s|$)/.exec(image.className)?.[1] ?? 0);
}

function set(to: Field | null, value: string): void {
  if (to === null) return;
  to.value = value;
  to.dispatchEvent(new Event('input', { bubbles: true }));
  to.dispatchEvent(new Event('change', { bubbles: true }));
}

/** WordPress keeps tags in a hidden field, and draws them when it is told to. */
function tags(): string[] {
  return (field('tax-input-post_tag')?.value ?? '')
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
}

function setTags(names: string[]): void {
  const area = field('tax-input-post_tag');
  if (area === null) return;
  area.value = names.join(',');
  const box = (window as unknown as { tagBox?: { quickClicks(element: Element | null): void } }).tagBox;
  box?.quickClicks(document.getElementById('post_tag'));
}

const place = document.getElementById('smart-summary-panel');
if (place !== null && !facts.ready) {
  place.textContent = __('Smart Summary has no backend yet.', 'smart-summary');
} else if (place !== null) {
  createClient().then(
    (client) => {
      const adapter = new Classic(() => client.made);
      place.append(provenanceList(adapter), panelElement(client, adapter));
    },
    () => (place.textContent = __('The panel could not be loaded. Reload the page.', 'smart-summary')),
  );
}
