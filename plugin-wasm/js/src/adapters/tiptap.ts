import type { Adapter, HostValues, UndoHandle } from '../element/adapter.js';
import type { Post, PostImage } from '../types.js';
import { only, stillHeld } from './changes.js';
import { PictureIds, fileName, pictureAt } from './pictures.js';

/** The part of a ProseMirror node that is read here. */
export interface EditorNode {
  readonly type: { readonly name: string };
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly isText: boolean;
  readonly textContent: string;
  readonly marks: readonly { readonly type: { readonly name: string } }[];
  forEach(visit: (child: EditorNode, offset: number) => void): void;
  descendants(
    visit: (node: EditorNode, position: number, parent: EditorNode | null, index: number) => boolean | void,
  ): void;
  maybeChild(index: number): EditorNode | null;
}

interface Transaction {
  setNodeAttribute(position: number, name: string, value: unknown): Transaction;
  /** Absent before ProseMirror's transform 1.7.2. */
  setDocAttribute?(name: string, value: unknown): Transaction;
  getMeta(name: string): unknown;
  readonly docChanged: boolean;
  readonly steps: readonly object[];
}

/** The part of a TipTap editor that is used here, so that any version 2 or 3 fits and none is imported. */
export interface TiptapEditor {
  getHTML(): string;
  readonly state: { readonly doc: EditorNode; readonly tr: unknown };
  readonly view: { dispatch(transaction: never): void };
  readonly commands: {
    setTextSelection(range: { from: number; to: number }): boolean;
    scrollIntoView(): boolean;
    undo?(): boolean;
  };
  on(event: 'update', callback: () => void): unknown;
  on(event: 'transaction', callback: (event: { transaction: unknown }) => void): unknown;
  off(event: 'update', callback: () => void): unknown;
}

/** Where the host keeps what is not in the editor: description, keywords, address and so on. */
export interface MetaFields {
  get(): HostValues;
  set(values: HostValues): void;
}

/** What the adapter needs beside the editor. */
export interface TiptapOptions {
  /** The field that holds the post's title. */
  title: HTMLInputElement | HTMLTextAreaElement;
  meta: MetaFields;
  /** Which post is in the editor, where one editor shows several. */
  id?: () => string | undefined;
  /** Where the post is or will be published. */
  url?: () => string | undefined;
  /** The post's language, where the host knows it. */
  language?: () => string | undefined;
  /** The bytes of a picture that only the host can reach, for instance of a `blob:` address. */
  picture?: (src: string) => Blob | Promise<Blob> | undefined;
}

/**
 * Connects `<smart-summary>` with a TipTap editor.
 *
 * A picture is a node named `image` with `src` and `alt`. Its file name is the attribute `filename`, else the end of `src`;
 * its caption is the attribute `title`, else a paragraph in italics that follows it.
 *
 * @example
 * panel.adapter = tiptapAdapter(editor, { title: document.querySelector('#title'), meta });
 */
export function tiptapAdapter(editor: TiptapEditor, options: TiptapOptions): Adapter {
  const ids = new PictureIds();

  const read = (): Post => {
    const images: PostImage[] = pictures(editor.state.doc).map(({ src, node, caption }) => ({
      id: ids.of(src),
      filename: nameOf(node) ?? `${ids.of(src)}`,
      caption,
      role: node.attrs['role'] === 'presentation' ? 'decorative' : 'auto',
      source: async () => (await options.picture?.(src)) ?? pictureAt(src),
    }));
    return {
      id: options.id?.(),
      title: options.title.value.trim() || undefined,
      content: withFileNames(editor, ids),
      format: 'html',
      url: options.url?.(),
      language: options.language?.(),
      images,
    };
  };

  const current = (): HostValues => {
    const alts = pictures(editor.state.doc).map(({ src, node }) => [ids.of(src), text(node.attrs['alt'])]);
    return { ...options.meta.get(), title: options.title.value, alt_texts: Object.fromEntries(alts) };
  };

  const steps = new Steps(editor);
  const writeFields = ({ title, alt_texts: _, ...meta }: HostValues) => {
    if (title !== undefined) setTitle(options.title, title);
    if (Object.keys(meta).length > 0) options.meta.set(meta);
  };

  const apply = (values: HostValues): UndoHandle => {
    const before = only(current(), values);
    const gone: (() => void)[] = [];
    const back: (() => void)[] = [];
    let after = values;
    // The alt texts are the editor's own; title and meta lie beside it and follow its history.
    const step = steps.dispatch(altsTransaction(editor, ids, values.alt_texts ?? {}), (direction) => {
      const [from, to] = direction === 'back' ? [after, before] : [before, after];
      writeFields(stillHeld(current(), from, to));
      for (const call of direction === 'back' ? gone : back) call();
    });
    writeFields(values);
    // As the host gives it back: it may have trimmed or split what it was handed.
    after = only(current(), values);

    const undo = () => {
      if (steps.undo(step)) return;
      // Something was written since, or the history is another's: a step of its own that touches only what still stands.
      const { alt_texts: alts, ...fields } = stillHeld(current(), after, before);
      steps.dispatch(altsTransaction(editor, ids, alts ?? {}), (direction) => {
        const [from, to] = direction === 'back' ? [before, after] : [after, before];
        writeFields(only(stillHeld(current(), from, to), fields));
      });
      writeFields(fields);
    };
    return { undo, onGone: (call) => void gone.push(call), onBack: (call) => void back.push(call) };
  };

  const onChange = (callback: () => void): (() => void) => {
    editor.on('update', callback);
    options.title.addEventListener('input', callback);
    return () => {
      editor.off('update', callback);
      options.title.removeEventListener('input', callback);
    };
  };

  return { read, current, apply, onChange, reveal: (sentence) => reveal(editor, sentence) };
}

interface Picture {
  src: string;
  node: EditorNode;
  position: number;
  caption: string | undefined;
}

/** The pictures in reading order; one that stands twice is listed once. */
function pictures(doc: EditorNode): Picture[] {
  const found = new Map<string, Picture>();
  doc.descendants((node, position, parent, index) => {
    const src = node.attrs['src'];
    if (node.type.name !== 'image' || typeof src !== 'string' || src === '' || found.has(src)) return;
    found.set(src, { src, node, position, caption: text(node.attrs['title']) || captionAfter(parent, index) });
  });
  return [...found.values()];
}

function captionAfter(parent: EditorNode | null, index: number): string | undefined {
  const next = parent?.maybeChild(index + 1);
  if (!next || next.type.name !== 'paragraph' || next.textContent.trim() === '') return undefined;
  let italic = true;
  next.forEach((child) => {
    const marked = child.marks.some(({ type }) => type.name === 'italic' || type.name === 'em');
    italic &&= marked || child.textContent.trim() === '';
  });
  return italic ? next.textContent.trim() : undefined;
}

function nameOf(node: EditorNode): string | undefined {
  return text(node.attrs['filename']) || fileName(text(node.attrs['src']));
}

/** The post's HTML in which a picture is known by its file name: a `data:` address would carry the picture itself. */
function withFileNames(editor: TiptapEditor, ids: PictureIds): string {
  const page = new DOMParser().parseFromString(editor.getHTML(), 'text/html');
  const names = new Map(pictures(editor.state.doc).map(({ src, node }) => [src, nameOf(node) ?? ids.of(src)]));
  for (const image of page.querySelectorAll('img')) {
    const src = image.getAttribute('src') ?? '';
    image.setAttribute('src', names.get(src) ?? fileName(src) ?? '');
  }
  return page.body.innerHTML;
}

/**
 * Our steps in the editor's history. Each carries a mark: an attribute of the document that no schema knows, so that the
 * document stays as it is, and the step is in the history even when no picture was there to change. The mark's name survives
 * undo and redo, which put the inverse step in a transaction.
 */
class Steps {
  readonly #editor: TiptapEditor;
  readonly #moves = new Map<string, (direction: 'back' | 'forth') => void>();
  readonly #undone = new Set<string>();
  /** The mark of the newest step of the history, while it is one of ours. */
  #newest: string | undefined;
  #own = false;

  constructor(editor: TiptapEditor) {
    this.#editor = editor;
    editor.on('transaction', ({ transaction }) => this.#saw(transaction as Transaction));
  }

  /** Dispatches as one step of the history; `moved` is called whenever the editor's undo or redo passes it. */
  dispatch(transaction: Transaction, moved: (direction: 'back' | 'forth') => void): string {
    const mark = `${MARK}${this.#moves.size + 1}`;
    this.#moves.set(mark, moved);
    const marked = transaction.setDocAttribute?.(mark, true) ?? transaction;
    this.#own = true;
    if (marked.docChanged) this.#editor.view.dispatch(marked as never);
    this.#own = false;
    this.#newest = mark;
    return mark;
  }

  /** By the editor's own undo, when the step is the newest of its history; false when it is not. */
  undo(mark: string): boolean {
    // ProseMirror keeps a plugin's state under its key; a shared document has a history of another kind.
    const hasHistory = 'history$' in this.#editor.state;
    if (this.#newest !== mark || !hasHistory || this.#undone.has(mark)) return false;
    return this.#editor.commands.undo?.() === true && this.#undone.has(mark);
  }

  #saw(transaction: Transaction): void {
    if (this.#own || !transaction.docChanged) return;
    const mark = transaction.steps.map(markOf).find((name) => name !== undefined);
    if (transaction.getMeta('addToHistory') !== false) this.#newest = undefined;
    const moved = mark === undefined ? undefined : this.#moves.get(mark);
    if (mark === undefined || moved === undefined) return;
    if (this.#undone.delete(mark)) {
      this.#newest = mark;
      moved('forth');
    } else {
      this.#undone.add(mark);
      moved('back');
    }
  }
}

const MARK = 'smartSummaryApply';

function markOf(step: object): string | undefined {
  const attr = 'attr' in step && !('pos' in step) ? step.attr : undefined;
  return typeof attr === 'string' && attr.startsWith(MARK) ? attr : undefined;
}

/** All alt texts in one transaction. */
function altsTransaction(editor: TiptapEditor, ids: PictureIds, alts: Record<string, string>): Transaction {
  const wanted = new Map(Object.entries(alts).map(([id, alt]) => [ids.src(id), alt]));
  let transaction = editor.state.tr as Transaction;
  editor.state.doc.descendants((node, position) => {
    if (node.type.name !== 'image') return;
    const alt = wanted.get(text(node.attrs['src']));
    if (alt !== undefined) transaction = transaction.setNodeAttribute(position, 'alt', alt);
  });
  return transaction;
}

/** Selects the sentence and scrolls to it. A sentence lies in one block; a block's text may be in several nodes. */
function reveal(editor: TiptapEditor, sentence: string): boolean {
  const wanted = sentence.trim();
  let range: { from: number; to: number } | undefined;
  editor.state.doc.descendants((node, position) => {
    if (range !== undefined) return false;
    const at = node.type.name === 'doc' ? -1 : node.textContent.indexOf(wanted);
    if (at < 0 || !holdsText(node)) return;
    range = { from: position + 1 + at, to: position + 1 + at + wanted.length };
    return false;
  });
  if (range === undefined || wanted === '') return false;
  editor.commands.setTextSelection(range);
  return editor.commands.scrollIntoView();
}

function holdsText(node: EditorNode): boolean {
  let found = false;
  node.forEach((child) => (found ||= child.isText));
  return found;
}

function setTitle(field: HTMLInputElement | HTMLTextAreaElement, title: string): void {
  field.value = title;
  field.dispatchEvent(new Event('input', { bubbles: true }));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
