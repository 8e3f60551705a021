import type { Adapter, HostValues, UndoHandle } from '../element/adapter.js';
import type { ContentFormat, Post } from '../types.js';
import { only, stillHeld } from './changes.js';
import { picturesIn, withAlts } from './markup.js';
import { PictureIds, fileName, pictureAt } from './pictures.js';
import type { MetaFields } from './tiptap.js';

/** What the adapter needs beside the textarea. */
export interface TextareaOptions {
  /** How the textarea's text is written. */
  format: ContentFormat;
  /** The field that holds the post's title, where there is one. */
  title?: HTMLInputElement | HTMLTextAreaElement;
  meta: MetaFields;
  /** Which post is in the editor, where one editor shows several. */
  id?: () => string | undefined;
  /** Pictures that were chosen but are not uploaded yet; they are known by their names. */
  files?: HTMLInputElement;
  url?: () => string | undefined;
  language?: () => string | undefined;
}

/**
 * Connects `<smart-summary>` with a plain textarea that holds Markdown, HTML or text.
 *
 * Pictures are those of the text (`![](src)`, `<img src>`), and the chosen files that the text does not name. Alt texts are
 * written into the text; a file that the text does not name has no place for one.
 *
 * @example
 * panel.adapter = textareaAdapter(document.querySelector('textarea'), { format: 'markdown', meta });
 */
export function textareaAdapter(area: HTMLTextAreaElement, options: TextareaOptions): Adapter {
  const ids = new PictureIds();
  const files = () => [...(options.files?.files ?? [])];

  const read = (): Post => {
    const written = options.format === 'text' ? [] : picturesIn(area.value);
    const named = new Map(files().map((file) => [file.name, file]));
    const images = written.map(({ src }) => {
      const filename = fileName(src) ?? ids.of(src);
      const file = named.get(filename);
      named.delete(filename);
      return { id: ids.of(src), filename, source: file ?? (() => pictureAt(src)) };
    });
    const unwritten = [...named.values()].map((file) => ({ id: ids.of(file.name), filename: file.name, source: file }));
    return {
      id: options.id?.(),
      title: options.title?.value.trim() || undefined,
      content: withoutData(area.value),
      format: options.format,
      url: options.url?.(),
      language: options.language?.(),
      images: [...images, ...unwritten],
    };
  };

  const current = (): HostValues => {
    const alts = picturesIn(area.value).map(({ src, alt }) => [ids.of(src), alt]);
    return { ...options.meta.get(), title: options.title?.value, alt_texts: Object.fromEntries(alts) };
  };

  const apply = (values: HostValues): UndoHandle => {
    const before = only(current(), values);
    const fields = [area, options.title].filter((field) => field !== undefined);
    const textsBefore = fields.map(({ value }) => value);
    const write = ({ title, alt_texts: alts, ...meta }: HostValues) => {
      if (title !== undefined && options.title !== undefined) setValue(options.title, title);
      if (alts !== undefined) {
        const byAddress = Object.entries(alts).map(([id, alt]) => [ids.src(id) ?? '', alt] as const);
        const text = withAlts(area.value, new Map(byAddress));
        if (text !== area.value) setValue(area, text);
      }
      if (Object.keys(meta).length > 0) options.meta.set(meta);
    };
    write(values);
    const after = only(current(), values);
    const textsAfter = fields.map(({ value }) => value);
    const changed = fields.map((_, at) => textsBefore[at] !== textsAfter[at]);

    const gone: (() => void)[] = [];
    const back: (() => void)[] = [];
    let standing = true;
    // The browser undoes what was typed into a field; what lies beside the fields follows when all of them are back.
    const follow = (event: Event) => {
      const { inputType } = event as InputEvent;
      const all = (texts: string[]) => fields.every(({ value }, at) => !changed[at] || value === texts[at]);
      const { title: _t, alt_texts: _a, ...meta } = after;
      if (inputType === 'historyUndo' && standing && all(textsBefore)) {
        standing = false;
        write(only(stillHeld(current(), after, before), meta));
        for (const call of gone) call();
      } else if (inputType === 'historyRedo' && !standing && all(textsAfter)) {
        standing = true;
        write(stillHeld(current(), only(before, meta), meta));
        for (const call of back) call();
      }
    };
    if (changed.includes(true)) for (const field of fields) field.addEventListener('input', follow);
    const undo = () => {
      for (const field of fields) field.removeEventListener('input', follow);
      write(stillHeld(current(), after, before));
    };
    return { undo, onGone: (call) => void gone.push(call), onBack: (call) => void back.push(call) };
  };

  const onChange = (callback: () => void): (() => void) => {
    const fields = [area, options.title, options.files].filter((field) => field !== undefined);
    for (const field of fields) field.addEventListener('input', callback);
    return () => {
      for (const field of fields) field.removeEventListener('input', callback);
    };
  };

  const reveal = (sentence: string): boolean => {
    const at = area.value.indexOf(sentence.trim());
    if (at < 0 || sentence.trim() === '') return false;
    area.focus();
    area.setSelectionRange(at, at + sentence.trim().length);
    return true;
  };

  return { read, current, apply, onChange, reveal };
}

/** A picture inside the text as `data:` would be sent twice, and would count as the article's characters. */
function withoutData(source: string): string {
  return source.replace(/data:image\/[a-z+.-]+;base64,[A-Za-z0-9+/=]+/gi, '');
}

/** Sets the value through the browser's own editing where it can, so that Ctrl+Z takes it back as one step. */
function setValue(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  const focused = document.activeElement;
  field.focus();
  field.select();
  const inserted = document.execCommand('insertText', false, value);
  if (!inserted) {
    field.value = value;
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }
  if (focused instanceof HTMLElement) focused.focus();
}
