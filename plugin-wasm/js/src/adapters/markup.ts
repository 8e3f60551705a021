// Pictures in Markdown and HTML sources, as text: found and given an alt text without touching anything else.

/** A picture as the source has it. */
export interface MarkupPicture {
  src: string;
  alt: string;
}

const MARKDOWN = /!\[((?:[^\]\\]|\\.)*)\]\(\s*(<[^>]*>|[^\s)]+)((?:\s+(?:"[^"]*"|'[^']*'))?\s*)\)/g;
const TAG = /<img\b(?:[^>"']|"[^"]*"|'[^']*')*>/gi;

/** The pictures of a source in reading order; one that stands twice is listed once. */
export function picturesIn(source: string): MarkupPicture[] {
  const found = new Map<string, MarkupPicture & { at: number }>();
  const note = (at: number, src: string, alt: string) => {
    if (src !== '' && !found.has(src)) found.set(src, { src, alt, at });
  };
  for (const match of source.matchAll(MARKDOWN)) note(match.index, bare(match[2] ?? ''), unescaped(match[1] ?? ''));
  for (const match of source.matchAll(TAG))
    note(match.index, attribute(match[0], 'src') ?? '', attribute(match[0], 'alt') ?? '');
  return [...found.values()].sort((a, b) => a.at - b.at).map(({ src, alt }) => ({ src, alt }));
}

/** The source with these alt texts; `alts` maps a picture's address to its text. */
export function withAlts(source: string, alts: ReadonlyMap<string, string>): string {
  return source
    .replace(MARKDOWN, (whole, _alt: string, src: string, rest: string) => {
      const alt = alts.get(bare(src));
      return alt === undefined ? whole : `![${alt.replace(/[[\]\\]/g, '\\$&')}](${src}${rest})`;
    })
    .replace(TAG, (tag) => {
      const alt = alts.get(attribute(tag, 'src') ?? '');
      return alt === undefined ? tag : tagWithAlt(tag, alt);
    });
}

function tagWithAlt(tag: string, alt: string): string {
  const value = `alt="${alt.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;')}"`;
  const old = /\salt(\s*=\s*("[^"]*"|'[^']*'|[^\s>]+))?/i;
  return old.test(tag)
    ? tag.replace(old, () => ` ${value}`)
    : tag.replace(/\s*(\/?)>$/, (_, slash: string) => ` ${value}${slash && ` ${slash}`}>`);
}

function attribute(tag: string, name: string): string | undefined {
  const match = new RegExp(`\\s${name}\\s*=\\s*("([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i').exec(tag);
  const value = match?.[2] ?? match?.[3] ?? match?.[4];
  return value
    ?.replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&amp;/g, '&');
}

function bare(src: string): string {
  return src.startsWith('<') ? src.slice(1, -1) : src;
}

function unescaped(alt: string): string {
  return alt.replace(/\\([[\]\\])/g, '$1');
}
