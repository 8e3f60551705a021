import type { MetaFields } from '@smart-summary/web/adapters/tiptap';
import type { HostValues } from '@smart-summary/web/element';

/** The block "Post settings", which stands for what a real site stores with a post. */
export function postSettings(
  form: HTMLFormElement,
  head: HTMLElement,
  empty: () => string,
): MetaFields & { clear(): void } {
  let openGraph: HostValues['open_graph'];
  let jsonLd: HostValues['json_ld'];
  const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement | HTMLTextAreaElement;
  const showHead = () => {
    const tags = Object.entries(openGraph ?? {}).map(
      ([name, content]) => `<meta property="${name}" content="${content}">`,
    );
    const data = jsonLd === undefined ? [] : [JSON.stringify(jsonLd, null, 2)];
    head.textContent = [...tags, ...data].join('\n') || empty();
  };
  form.addEventListener('submit', (event) => event.preventDefault());

  const meta = {
    get: (): HostValues => ({
      meta_description: field('meta_description').value,
      keywords: field('keywords')
        .value.split(/[,，、]/)
        .map((word) => word.trim())
        .filter((word) => word !== ''),
      slug: field('slug').value,
      summary: field('summary').value,
      open_graph: openGraph,
      json_ld: jsonLd,
    }),
    set: (values: HostValues): void => {
      for (const name of ['meta_description', 'slug', 'summary'] as const) {
        if (name in values) field(name).value = values[name] ?? '';
      }
      if ('keywords' in values) field('keywords').value = (values.keywords ?? []).join(', ');
      if ('open_graph' in values) openGraph = values.open_graph;
      if ('json_ld' in values) jsonLd = values.json_ld;
      showHead();
    },
    clear: () => {
      form.reset();
      openGraph = jsonLd = undefined;
      showHead();
    },
  };
  return meta;
}
