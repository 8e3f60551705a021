// What of a post is sent, where it is more than is taken at once.

import type { ContentFormat, Post, PostImage } from '../types.js';

/** What is taken at once; the contract's limits until a server names others. */
export interface Bounds {
  images: number;
  contentChars: number;
}

/** The pictures that are sent: the first ones of the post, those that only adorn it after all others. */
export function chosen(images: readonly PostImage[], most: number): PostImage[] {
  if (images.length <= most) return [...images];
  const adorns = ({ role }: PostImage) => role === 'decorative';
  const first = [...images.filter((image) => !adorns(image)), ...images.filter(adorns)].slice(0, most);
  return images.filter((image) => first.includes(image));
}

/** Characters as the server counts them: code points. */
export function charsOf({ content }: Post): number {
  let count = 0;
  for (const _ of content) count += 1;
  return count;
}

/** The post with no more than the first `most` characters of its text, which ends where a block or a line ends if it can. */
export function beginning(post: Post, most: number): Post {
  const head = [...post.content].slice(0, most).join('');
  if (head.length === post.content.length) return post;
  return { ...post, content: head.slice(0, endOf(head, post.format)) };
}

function endOf(head: string, format: ContentFormat): number {
  const ends =
    format === 'html'
      ? [...head.matchAll(/<\/(?:p|li|h[1-6]|blockquote|figure|table|ul|ol|div|section)\s*>/gi)].map(
          (match) => match.index + match[0].length,
        )
      : [...head.matchAll(/\n/g)].map((match) => match.index);
  const last = ends.at(-1) ?? 0;
  // A text of one block has no such place: it is cut before a tag or a word that would be halved.
  if (last >= head.length / 2) return last;
  const open = head.lastIndexOf('<');
  const whole = format === 'html' && open > head.lastIndexOf('>') ? open : head.length;
  const space = head.slice(0, whole).search(/\s\S*$/u);
  return space >= whole / 2 ? space : whole;
}
