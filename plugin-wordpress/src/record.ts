// Who wrote what, as `class-meta.php` keeps it.

import type { HostValues } from '@smart-summary/web/element';

import type { Made } from './client.js';

export type Author = 'none' | 'human' | 'ai' | 'ai_edited';

export interface Entry {
  by: 'ai' | 'ai_edited' | 'human';
  hash: string;
}

export interface AltEntry extends Entry {
  text: string;
  decorative: boolean;
  /** A job has asked for a person: nothing certain could be said. */
  needs_human?: boolean;
}

export interface PostRecord {
  content: string;
  engine: string;
  model: string;
  language: string;
  fields: Record<string, Entry>;
  alts: Record<string, AltEntry>;
}

/** A complete record; PHP writes an empty object as an empty list. */
export function recordOf(value: unknown): PostRecord {
  const record = (value ?? {}) as Partial<PostRecord>;
  const object = <T>(map: unknown): Record<string, T> => (Array.isArray(map) ? {} : { ...(map as Record<string, T>) });
  return {
    content: record.content ?? '',
    engine: record.engine ?? '',
    model: record.model ?? '',
    language: record.language ?? '',
    fields: object<Entry>(record.fields),
    alts: object<AltEntry>(record.alts),
  };
}

/** FNV-1a, 32 bits, over UTF-8, with the length: the same as `Meta::hash`. It tells a change, it protects nothing. */
export function hash(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let value = 0x811c9dc5;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return `${value.toString(16).padStart(8, '0')}-${bytes.length}`;
}

/** The fingerprint of an article's words: the same as `Meta::content_hash`. */
export function contentHash(content: string): string {
  const words = content.replace(/<[^>]*>/g, ' ').replace(/[ \t\r\n\f]+/g, ' ');
  return hash(words.replace(/^[ \t\r\n\f]+|[ \t\r\n\f]+$/g, ''));
}

/** Who wrote a text, as far as the record knows. */
export function authorOf(entry: Entry | undefined, text: string): Author {
  if (text.trim() === '') return 'none';
  if (entry === undefined || entry.by === 'human') return 'human';
  return hash(text) === entry.hash ? entry.by : 'ai_edited';
}

/** The record with these fields as they are accepted now. */
export function recordWith(
  before: PostRecord,
  values: HostValues,
  made: Made | undefined,
  content: string,
): PostRecord {
  const next: PostRecord = {
    content: contentHash(content),
    engine: made?.engine || before.engine,
    model: made?.model || before.model,
    language: made?.language || before.language,
    fields: { ...before.fields },
    alts: { ...before.alts },
  };
  for (const field of ['title', 'meta_description', 'keywords', 'slug', 'summary'] as const) {
    const value = values[field];
    if (value === undefined) continue;
    const same = JSON.stringify(value) === JSON.stringify(made?.fields[field]);
    next.fields[field] = { by: same ? 'ai' : 'ai_edited', hash: hash(Array.isArray(value) ? value.join(',') : value) };
  }
  for (const [key, alt] of Object.entries(values.alt_texts ?? {})) {
    const same = made?.alts[key]?.text === alt;
    next.alts[key] = { by: same ? 'ai' : 'ai_edited', hash: hash(alt), text: alt, decorative: alt === '' };
  }
  return next;
}
