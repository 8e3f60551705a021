// The block editor as the element's adapter: how the post is read, and how accepted fields are written as one undo step.

import type { Post } from '@smart-summary/web';
import type { Adapter, HostValues, UndoHandle } from '@smart-summary/web/element';

import type { Made } from './client.js';
import { facts, type SeoValues } from './facts.js';
import { language } from './language.js';
import {
  flat,
  isDecorative,
  loadFeatured,
  marksDecorative,
  namesOf,
  picturesOf,
  plain,
  postImage,
  text,
  withFeatured,
  withNames,
  type Featured,
  type Picture,
} from './pictures.js';
import { recordOf, recordWith, type PostRecord } from './record.js';
import { SeoFields, confirmSaved } from './seo.js';
import { blockEditor, call, coreActions, editor } from './store.js';
import { TagNames } from './tags.js';

export const TITLE = '_smart_summary_title';
export const DESCRIPTION = '_smart_summary_description';
export const RECORD = '_smart_summary';

export type Meta = Record<string, unknown>;

export const meta = (): Meta => (editor().getEditedPostAttribute('meta') as Meta | undefined) ?? {};
export const record = (): PostRecord => recordOf(meta()[RECORD]);
const attribute = (name: string): string => text(editor().getEditedPostAttribute(name));
const ours = (field: keyof SeoValues): string => text(meta()[field === 'title' ? TITLE : DESCRIPTION]);

/** The post's own blocks; with the template shown they lie inside one of its blocks. */
export function postBlocks(): Block[] {
  const all = blockEditor().getBlocks();
  const inside = flat(all).find(({ name }) => name === 'core/post-content');
  return inside === undefined ? all : blockEditor().getBlocks(inside.clientId);
}

const featuredId = (): number => Number(editor().getEditedPostAttribute('featured_media')) || 0;

/** The pictures of the post, the featured one first. */
export function pictures(library: Featured): Picture[] {
  return withFeatured(picturesOf(postBlocks()), featuredId(), library);
}

/** The article as it is sent: the words, captions and links, without the editor's own comments. */
export function articleHtml(): string {
  return editor()
    .getEditedPostContent()
    .replace(/<!--\s*\/?wp:[\s\S]*?-->\n?/g, '');
}

/** Connects the element with the block editor. */
export class Gutenberg implements Adapter {
  readonly seo = new SeoFields();
  readonly #made: () => Made | undefined;
  readonly #tags = new TagNames();
  readonly #library: Featured = new Map();
  /** What was accepted since the last save, and what the SEO plugin held before. */
  #accepted: Partial<SeoValues> = {};
  #before: SeoValues = { ...facts.seoValues };
  /** Our own edit, which is no undo. */
  #applying = false;

  constructor(made: () => Made | undefined) {
    this.#made = made;
    this.#followUndo();
    this.#followSaves();
  }

  async read(): Promise<Post> {
    await Promise.all([this.#tags.load(), loadFeatured(featuredId(), this.#library)]);
    const permalink = editor().getPermalink() ?? '';
    const all = this.pictures();
    return {
      title: attribute('title').trim() || undefined,
      content: withNames(articleHtml(), all),
      format: 'html',
      url: /^https?:/.test(permalink) ? permalink : undefined,
      language: language(),
      images: all
        .filter((picture) => !isDecorative(picture, record()))
        .map((picture) => postImage(picture, namesOf(all))),
    };
  }

  pictures(): Picture[] {
    return pictures(this.#library);
  }

  current(): HostValues {
    const title = facts.titleTarget === 'post' ? attribute('title') : this.seo.get('title');
    const description = this.seo.get('description');
    return {
      title,
      meta_description: description,
      keywords: this.#tags.names(),
      slug: attribute('slug'),
      summary: plain(attribute('excerpt')),
      alt_texts: Object.fromEntries(this.pictures().map(({ key, alt }) => [key, alt])),
      // The site prints these from the post itself.
      open_graph: { 'og:title': title || attribute('title') },
      json_ld: { headline: title || attribute('title') },
    };
  }

  async apply(values: HostValues): Promise<UndoHandle> {
    const edits: Record<string, unknown> = {};
    const metaEdits: Meta = {};
    const seo: Partial<SeoValues> = {};
    const was = { title: ours('title'), description: ours('description') };
    if (values.title !== undefined) {
      if (facts.titleTarget === 'post' || attribute('title').trim() === '') edits['title'] = values.title;
      if (facts.titleTarget === 'seo') seo.title = values.title;
    }
    if (values.meta_description !== undefined) seo.description = values.meta_description;
    if (seo.title !== undefined) metaEdits[TITLE] = seo.title;
    if (seo.description !== undefined) metaEdits[DESCRIPTION] = seo.description;
    if (values.slug !== undefined) edits['slug'] = values.slug;
    if (values.summary !== undefined) edits['excerpt'] = values.summary;
    if (values.keywords !== undefined && this.#tags.supported) edits['tags'] = await this.#tags.idsOf(values.keywords);
    if (values.alt_texts !== undefined)
      Object.assign(edits, blocksWith(values.alt_texts, this.pictures(), 'empty is decorative'));
    metaEdits[RECORD] = recordWith(record(), values, this.#made(), editor().getEditedPostContent());

    for (const field of ['title', 'description'] as const) {
      if (this.#accepted[field] === undefined) this.#before[field] = this.seo.get(field);
    }
    Object.assign(this.#accepted, seo);
    const undo = new Undo(this, Object.keys(edits), Object.keys(metaEdits), Object.keys(values.alt_texts ?? {}));
    this.#applying = true;
    try {
      for (const field of ['title', 'description'] as const) {
        if (seo[field] !== undefined) this.seo.accept(field, seo[field], was[field]);
      }
      // One edit of the post is one step of the editor's undo: title, excerpt, blocks and meta go and come back together.
      await edit({ ...edits, meta: { ...meta(), ...metaEdits } });
    } finally {
      this.#applying = false;
    }
    return undo.applied();
  }

  /** Calls back when something that the element reads has changed; stores call on every key and every hover. */
  onChange(callback: () => void): () => void {
    const look = () => [
      blockEditor().getBlocks(),
      ...['title', 'excerpt', 'slug', 'tags', 'featured_media', 'meta'].map((name) =>
        editor().getEditedPostAttribute(name),
      ),
    ];
    let seen = look();
    return wp.data.subscribe(() => {
      const now = look();
      if (now.every((value, at) => value === seen[at])) return;
      seen = now;
      callback();
    });
  }

  reveal(sentence: string): boolean {
    const wanted = sentence.trim();
    const block = flat(postBlocks())
      .filter(({ innerBlocks }) => innerBlocks.length === 0)
      .find(({ attributes }) => Object.values(attributes).some((value) => plain(value).includes(wanted)));
    if (block === undefined || wanted === '') return false;
    const canvas = document.querySelector<HTMLIFrameElement>('iframe[name="editor-canvas"]');
    const page = canvas?.contentDocument ?? document;
    page.getElementById(`block-${block.clientId}`)?.scrollIntoView({ block: 'center' });
    call('core/block-editor', 'flashBlock', block.clientId);
    return true;
  }

  /** The editor's undo changes our meta; the SEO plugin's fields on this page have to follow. */
  #followUndo(): void {
    let seen = { title: ours('title'), description: ours('description') };
    wp.data.subscribe(() => {
      const now = { title: ours('title'), description: ours('description') };
      const before = seen;
      // First of all: what follows changes other stores, which call back here.
      seen = now;
      for (const field of ['title', 'description'] as const) {
        if (now[field] === before[field]) continue;
        if (!this.#applying) this.seo.restore(field, now[field]);
      }
    });
  }

  #followSaves(): void {
    const busy = () =>
      (editor().isSavingPost() && !editor().isAutosavingPost()) ||
      (wp.data.select('core/edit-post') as { isSavingMetaBoxes?(): boolean } | undefined)?.isSavingMetaBoxes?.() ===
        true;
    let was = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    wp.data.subscribe(() => {
      const is = busy();
      if (was && !is && editor().didPostSaveRequestSucceed() && facts.seo !== '') {
        // Meta boxes are saved in a second request, which begins right after the first.
        clearTimeout(timer);
        timer = setTimeout(() => !busy() && void this.#confirm(), 400);
      }
      was = is;
    });
  }

  async #confirm(): Promise<void> {
    const accepted = this.#accepted;
    // Only what still stands: a field that was taken back or changed in the SEO plugin's own box is a person's.
    const standing = Object.fromEntries(
      (Object.keys(accepted) as (keyof SeoValues)[])
        .filter((field) => this.seo.get(field) === accepted[field])
        .map((field) => [field, accepted[field]]),
    );
    this.#accepted = {};
    if (Object.keys(standing).length > 0) await confirmSaved(standing, this.#before).catch(() => undefined);
  }
}

/** Edits the post in one step, and leaves the choice of a block as it is. */
export async function edit(edits: Record<string, unknown>): Promise<void> {
  const { getCurrentPostType, getCurrentPostId } = editor();
  const record = ['postType', getCurrentPostType(), getCurrentPostId()] as const;
  if ('blocks' in edits) {
    // With new blocks the editor chooses the block that was last worked on, and shows it instead of this panel; it is told
    // who is chosen now. Not in the step itself, whose undo would choose that block too.
    const { getSelectionStart, getSelectionEnd } = blockEditor();
    const selection = { selectionStart: getSelectionStart(), selectionEnd: getSelectionEnd(), initialPosition: null };
    await coreActions().editEntityRecord(...record, { selection }, { undoIgnore: true });
  }
  return coreActions().editEntityRecord(...record, edits);
}

/** The post's blocks and content with these alt texts, for one edit of the post. */
export function blocksWith(
  alts: Record<string, string>,
  among: Picture[],
  empty: 'empty is missing' | 'empty is decorative' = 'empty is missing',
): Record<string, unknown> {
  const changes = new Map<string, Attributes>();
  for (const { key, blocks } of among) {
    const alt = alts[key];
    if (alt === undefined) continue;
    const isDecorative = empty === 'empty is decorative' && alt === '' ? true : undefined;
    for (const { clientId, name, attribute: kept } of blocks) {
      changes.set(clientId, { [kept]: alt, ...(marksDecorative(name) && { isDecorative }) });
    }
  }
  if (changes.size === 0) return {};
  const changed = (blocks: Block[]): Block[] =>
    blocks.map((block) => {
      const change = changes.get(block.clientId);
      const innerBlocks = changed(block.innerBlocks);
      const moved = innerBlocks.some((inner, at) => inner !== block.innerBlocks[at]);
      if (change === undefined && !moved) return block;
      return { ...block, innerBlocks, attributes: { ...block.attributes, ...change } };
    });
  return {
    blocks: changed(postBlocks()),
    content: ({ blocks = [] }: { blocks?: Block[] }) =>
      (wp.blocks.__unstableSerializeAndClean ?? wp.blocks.serialize)(blocks),
  };
}

/** Takes one `apply` back: by the editor's own undo while nothing came after it, else by writing what was there. */
class Undo implements UndoHandle {
  readonly #before: Record<string, unknown>;
  readonly #metaBefore: Meta;
  readonly #altsBefore: Record<string, string>;
  readonly #adapter: Gutenberg;
  #after: string | undefined;
  #applied: Record<string, unknown> = {};

  constructor(adapter: Gutenberg, edits: string[], metaKeys: string[], alts: string[]) {
    const simple = edits.filter((name) => name !== 'blocks' && name !== 'content');
    this.#adapter = adapter;
    this.#before = Object.fromEntries(simple.map((name) => [name, value(name)]));
    this.#metaBefore = Object.fromEntries(metaKeys.map((key) => [key, meta()[key]]));
    const shown = new Map(adapter.pictures().map(({ key, alt }) => [key, alt]));
    this.#altsBefore = Object.fromEntries(alts.map((key) => [key, shown.get(key) ?? '']));
  }

  /** Remembers the post as `apply` has left it. */
  applied(): this {
    this.#after = fingerprint();
    this.#applied = Object.fromEntries(Object.keys(this.#before).map((name) => [name, value(name)]));
    return this;
  }

  async undo(): Promise<void> {
    if (fingerprint() === this.#after && editor().hasEditorUndo()) {
      call('core/editor', 'undo');
      return;
    }
    // What was written since stays; the rest goes back.
    const untouched = Object.entries(this.#before).filter(
      ([name]) => JSON.stringify(value(name)) === JSON.stringify(this.#applied[name]),
    );
    await edit({
      ...Object.fromEntries(untouched),
      ...blocksWith(this.#altsBefore, this.#adapter.pictures()),
      meta: { ...meta(), ...this.#metaBefore },
    });
  }
}

/** An attribute as it is edited; `title` and `excerpt` are plain texts there. */
const value = (name: string): unknown => editor().getEditedPostAttribute(name);

function fingerprint(): string {
  const attributes = ['title', 'excerpt', 'slug', 'tags', 'meta'].map(value);
  return JSON.stringify([editor().getEditedPostContent(), ...attributes]);
}
