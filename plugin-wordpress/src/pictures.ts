// The pictures of a post: which there are, what they are called, where their bytes are.

import type { PostImage } from '@smart-summary/web';

import { hash, type PostRecord } from './record.js';

/** A picture of the post. Two blocks that show the same file are one picture. */
export interface Picture {
  /** The attachment's id, else a fingerprint of the address; the key in the record. */
  key: string;
  attachment: number;
  src: string;
  alt: string;
  caption: string;
  /** Marked in the block itself, as newer versions of WordPress can. */
  decorative: boolean;
  /** The blocks that show it; none for the featured image. */
  blocks: { clientId: string; name: string; attribute: string }[];
}

/** Whether this WordPress lets a block of this kind be marked as decorative. */
export function marksDecorative(name: string): boolean {
  const attributes = wp.blocks.getBlockType(name)?.attributes;
  return attributes !== undefined && 'isDecorative' in attributes;
}

/** Where the kinds of block keep a picture. */
const KEPT: Record<string, { id: string; url: string; alt: string; caption?: string }> = {
  'core/image': { id: 'id', url: 'url', alt: 'alt', caption: 'caption' },
  'core/cover': { id: 'id', url: 'url', alt: 'alt' },
  'core/media-text': { id: 'mediaId', url: 'mediaUrl', alt: 'mediaAlt' },
};

/** The attribute in which a block keeps its alt text; undefined for blocks without a picture. */
export function altAttribute(name: string): string | undefined {
  return KEPT[name]?.alt;
}

export function keyOf(attachment: number, src: string): string {
  return attachment > 0 ? String(attachment) : `u${hash(src)}`;
}

/** The pictures of these blocks in reading order. */
export function picturesOf(blocks: Block[]): Picture[] {
  const found = new Map<string, Picture>();
  for (const block of flat(blocks)) {
    const kept = KEPT[block.name];
    if (kept === undefined) continue;
    const { attributes } = block;
    if (attributes['mediaType'] === 'video' || attributes['backgroundType'] === 'video') continue;
    const src = text(attributes[kept.url]);
    // A picture that is still being uploaded has an address of this page only.
    if (!/^https?:|^\//i.test(src)) continue;
    const attachment = Number(attributes[kept.id]) || 0;
    const key = keyOf(attachment, src);
    const alt = text(attributes[kept.alt]);
    const picture = found.get(key) ?? { key, attachment, src, alt, caption: '', decorative: false, blocks: [] };
    picture.alt ||= alt;
    picture.caption ||= kept.caption === undefined ? '' : plain(attributes[kept.caption]);
    picture.decorative ||= attributes['isDecorative'] === true;
    picture.blocks.push({ clientId: block.clientId, name: block.name, attribute: kept.alt });
    found.set(key, picture);
  }
  return [...found.values()];
}

/** What the media library says of featured images, by attachment. */
export type Featured = Map<number, { src: string; alt: string }>;

/** Asks the library about a featured image, once. */
export async function loadFeatured(id: number, known: Featured): Promise<void> {
  if (id <= 0 || known.has(id)) return;
  const media = await wp
    .apiFetch<{ source_url: string; alt_text: string }>({ path: `/wp/v2/media/${id}` })
    .catch(() => undefined);
  if (media !== undefined) known.set(id, { src: media.source_url, alt: media.alt_text });
}

/** The pictures with the featured one before them, unless it is among them. */
export function withFeatured(found: Picture[], id: number, known: Featured): Picture[] {
  const featured = known.get(id);
  if (featured === undefined || found.some(({ attachment }) => attachment === id)) return found;
  return [{ key: String(id), attachment: id, ...featured, caption: '', decorative: false, blocks: [] }, ...found];
}

export function flat(blocks: Block[]): Block[] {
  return blocks.flatMap((block) => [block, ...flat(block.innerBlocks)]);
}

/** Whether the author said that the picture says nothing. Such a picture is not sent. */
export function isDecorative(picture: Picture, record: PostRecord): boolean {
  return picture.alt === '' && (picture.decorative || (record.alts[picture.key]?.decorative ?? false));
}

/**
 * What the pictures are called in the article that is sent. WordPress' own endings (`-scaled`, `-1024x683`) are no words of
 * the author, and an engine that does not look at pictures would take them for some.
 */
export function namesOf(pictures: Picture[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { key, src } of pictures) {
    const name = fileName(src);
    const plainName = name.replace(/(-scaled|-rotated|-e\d{10,}|-\d+x\d+)+(?=\.\w+$)/i, '');
    names.set(key, [...names.values()].includes(plainName) ? name : plainName);
  }
  return names;
}

/** The article with the pictures' names in place of their addresses. */
export function withNames(html: string, pictures: Picture[]): string {
  const names = namesOf(pictures);
  let named = html;
  for (const { key, src } of pictures) {
    for (const written of new Set([src, src.replace(/&/g, '&amp;')]))
      named = named.replaceAll(written, names.get(key) ?? src);
  }
  return named;
}

/** The picture as the package takes it. Its bytes come in the smallest size that is large enough. */
export function postImage(picture: Picture, names: Map<string, string>): PostImage {
  return {
    id: picture.key,
    filename: names.get(picture.key) ?? fileName(picture.src),
    caption: picture.caption || undefined,
    source: () => bytes(picture),
  };
}

interface Media {
  source_url: string;
  media_details?: {
    width?: number;
    height?: number;
    sizes?: Record<string, { width: number; height: number; source_url: string; mime_type?: string }>;
  };
}

const LONGEST_EDGE = 1024;
const smallest = new Map<number, Promise<string | undefined>>();

async function bytes(picture: Picture): Promise<Blob> {
  const smaller = picture.attachment > 0 ? await smallestSize(picture.attachment) : undefined;
  const answer = await fetch(smaller ?? picture.src, { credentials: 'same-origin' });
  if (!answer.ok) throw new Error(`the picture answered with status ${answer.status}`);
  return answer.blob();
}

/** The address of the smallest size whose longest edge is 1024 pixels or more; undefined when only the file itself is. */
function smallestSize(attachment: number): Promise<string | undefined> {
  let asked = smallest.get(attachment);
  if (asked === undefined) {
    asked = wp
      .apiFetch<Media>({ path: `/wp/v2/media/${attachment}` })
      .then(({ media_details: details, source_url }) => {
        const ratio = (details?.width ?? 0) / (details?.height ?? 1);
        const sizes = Object.values(details?.sizes ?? {})
          // A thumbnail that was cut shows something else.
          .filter(({ width, height }) => Math.abs(width / height / ratio - 1) < 0.02)
          .filter(({ width, height }) => Math.max(width, height) >= LONGEST_EDGE)
          .sort((a, b) => a.width - b.width);
        return sizes[0]?.source_url ?? source_url;
      })
      .catch(() => undefined);
    smallest.set(attachment, asked);
  }
  return asked;
}

export function fileName(src: string): string {
  const path = src.split(/[?#]/, 1)[0] ?? '';
  const last = path.slice(path.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** An attribute's text; rich text is an object in newer versions. */
export function text(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}

/** Without its tags. */
export function plain(value: unknown): string {
  return new DOMParser().parseFromString(text(value), 'text/html').body.textContent?.trim() ?? '';
}
