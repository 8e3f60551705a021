import type { Article, ImageRef, SummaryRequest } from './generated/api.js';
import type { Post, PostImage, SmartSummaryOptions, SummarizeOptions } from './types.js';

/** The request for a post with these of its pictures. The call's word goes before the site's. */
export function requestOf(
  post: Post,
  images: PostImage[],
  defaults: SmartSummaryOptions['defaults'] = {},
  options: SummarizeOptions = {},
): SummaryRequest {
  const { fields, candidates, guidelines, limits, engine } = options;
  return {
    ...defaults,
    ...defined({ article: articleOf(post), images: images.map(imageOf), fields, candidates, engine }),
    ...defined({
      guidelines: merged(defaults.guidelines, guidelines),
      limits: merged(defaults.limits, limits),
    }),
  };
}

function articleOf({ title, content, format, url, language }: Post): Article | undefined {
  if (content.trim() === '' && (title ?? '').trim() === '') return undefined;
  return {
    content,
    format,
    ...defined({ title: title || undefined, url: url || undefined, language: language || undefined }),
  };
}

function imageOf({ id, filename, caption, link, role }: PostImage): ImageRef {
  return { id, ...defined({ filename, caption, link, role }) };
}

function merged<T extends object>(site: T | undefined, call: T | undefined): T | undefined {
  return site === undefined || call === undefined ? (call ?? site) : { ...site, ...defined(call) };
}

/** Without the entries that are `undefined`: they would hide what stands before them. */
function defined<T extends object>(entries: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}
