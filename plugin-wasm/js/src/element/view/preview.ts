import { h, icon, setAttr, setText, show } from '../dom.js';
import { cut, pixelsOf } from '../measure.js';
import { hasFields, isBlank, languageTag } from '../state.js';
import type { Panel, View } from './panel.js';
import { TARGETS, targetName, type Target } from './targets.js';

/** How search pages and networks may show the post. `changed` is called when another one is chosen. */
export function preview(panel: Panel, changed: () => void): View & { target(): Target } {
  const { m, state } = panel;
  let chosen: Target = TARGETS.find(({ id }) => id === panel.target()) ?? TARGETS[0];
  const tabs = TARGETS.map((target) => {
    const name = targetName(target.id, m.tag);
    const tab = h(
      'button',
      {
        type: 'button',
        role: 'tab',
        id: `tab-${target.id}`,
        part: `tab tab-${target.id}`,
        'aria-controls': 'preview-panel',
      },
      name,
    );
    tab.addEventListener('click', () => choose(target));
    return tab;
  });
  const choose = (target: Target) => {
    chosen = target;
    changed();
  };
  const strip = h('div', { role: 'tablist', class: 'tabs', part: 'tabs', 'aria-label': m.preview }, ...tabs);
  strip.addEventListener('keydown', (event) => {
    const at = TARGETS.indexOf(chosen);
    const forth = getComputedStyle(strip).direction === 'rtl' ? -1 : 1;
    const steps: Record<string, number> = {
      ArrowRight: at + forth,
      ArrowLeft: at - forth,
      Home: 0,
      End: TARGETS.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + TARGETS.length) % TARGETS.length;
    choose(TARGETS[next]!);
    tabs[next]!.focus();
  });
  const result = searchResult(panel);
  const card = socialCard(panel);
  const body = h(
    'div',
    { role: 'tabpanel', id: 'preview-panel', class: 'stage', part: 'preview', tabindex: 0 },
    result.root,
    card.root,
  );
  const note = h('p', { class: 'note' }, m.previewNote);
  const root = h(
    'section',
    { class: 'preview', 'aria-labelledby': 'preview-name' },
    h('span', { class: 'name', id: 'preview-name' }, m.preview),
    strip,
    body,
    note,
  );
  return {
    root,
    target: () => chosen,
    update() {
      show(root, hasFields(state()));
      tabs.forEach((tab, at) => {
        const on = TARGETS[at] === chosen;
        setAttr(tab, 'aria-selected', String(on));
        setAttr(tab, 'tabindex', on ? 0 : -1);
      });
      setAttr(body, 'aria-labelledby', `tab-${chosen.id}`);
      setAttr(body, 'data-target', chosen.id);
      setAttr(body, 'lang', languageTag(state()) || undefined);
      show(result.root, chosen.kind === 'result');
      show(card.root, chosen.kind === 'card');
      (chosen.kind === 'result' ? result : card).update(chosen);
    },
  };
}

/** Title and description as they would be shown: the panel's, else the host's. */
function words({ state, m }: Panel, target: Target) {
  const { fields, host } = state();
  const pick = (name: 'title' | 'meta_description') =>
    isBlank(fields[name].value) ? (host[name] ?? '') : fields[name].value!;
  const fit = (text: string, { font, pixels }: Target['title']) => cut(text, pixels, (part) => pixelsOf(part, font));
  return {
    title: fit(pick('title'), target.title) || m.untitled,
    description: fit(pick('meta_description'), target.description),
  };
}

function searchResult(panel: Panel) {
  const favicon = h('img', { class: 'favicon', alt: '' });
  const globe = icon('globe');
  const site = h('span', { class: 'site' });
  const crumbs = h('span', { class: 'crumbs' });
  const title = h('span', { class: 'result-title', part: 'preview-title' });
  const text = h('span', { class: 'result-text', part: 'preview-description' });
  const root = h(
    'div',
    { class: 'result' },
    h('div', { class: 'origin' }, globe, favicon, h('div', {}, site, crumbs)),
    title,
    text,
  );
  return {
    root,
    update(target: Target) {
      const host = panel.site();
      const { slug } = panel.state().fields;
      const { title: head, description } = words(panel, target);
      show(favicon, host?.favicon !== undefined);
      globe.toggleAttribute('hidden', host?.favicon !== undefined);
      setAttr(favicon, 'src', host?.favicon);
      setText(site, host?.name ?? hostOf(host?.url));
      setText(crumbs, [hostOf(host?.url), slug.value || panel.state().host.slug].filter(Boolean).join(' › '));
      setText(title, head);
      setText(text, description);
    },
  };
}

function socialCard(panel: Panel) {
  const image = h('img', { class: 'card-image', part: 'preview-image' });
  const blank = h('div', { class: 'card-blank', 'aria-hidden': 'true' }, icon('globe'));
  const domain = h('span', { class: 'card-site' });
  const title = h('span', { class: 'card-title', part: 'preview-title' });
  const text = h('span', { class: 'card-text', part: 'preview-description' });
  const root = h(
    'div',
    { class: 'card' },
    h('div', { class: 'card-picture' }, image, blank),
    h('div', { class: 'card-words' }, title, text, domain),
  );
  return {
    root,
    update(target: Target) {
      const { fields, pictures } = panel.state();
      const alts = new Map(fields.alt_texts.value?.map((alt) => [alt.id, alt]));
      const informative = pictures.find(
        ({ id, prepared }) => prepared !== undefined && alts.get(id)?.decorative !== true,
      );
      const url = informative && panel.urlOf(informative.id);
      const { title: head, description } = words(panel, target);
      show(image, url !== undefined);
      show(blank, url === undefined);
      setAttr(image, 'src', url);
      setAttr(image, 'alt', (informative && alts.get(informative.id)?.text) ?? '');
      setText(
        domain,
        target.id === 'x' ? hostOf(panel.site()?.url) : (panel.site()?.name ?? hostOf(panel.site()?.url)),
      );
      setText(title, head);
      setText(text, description);
    },
  };
}

function hostOf(url: string | undefined): string {
  try {
    return url === undefined ? '' : new URL(url).host;
  } catch {
    return '';
  }
}
