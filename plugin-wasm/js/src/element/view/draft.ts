import type { Draft } from '../../types.js';
import { h, Keyed, setAttr, setText, show } from '../dom.js';
import { FIELDS, hasFields } from '../state.js';
import type { Panel, View } from './panel.js';

interface Line {
  name: (typeof FIELDS)[number];
  text: string;
}

/** What this device made without a model: greyed, called a draft, and taken over only by a press. */
export function draft(panel: Panel): View {
  const { m, session, state } = panel;
  const use = h('button', { type: 'button', class: 'plain small', part: 'use-draft' }, m.useDraft);
  use.addEventListener('click', () => {
    session.dispatch({ do: 'take-draft' });
    panel.focusMain();
  });
  const lines = h('dl');
  const list = new Keyed<Line, { root: HTMLElement; update(line: Line): void }>(lines, ({ name }) => {
    const text = h('dd');
    return {
      root: h('div', { 'data-draft': name }, h('dt', {}, m.fields[name]), text),
      update: (line) => setText(text, line.text),
    };
  });
  const root = h(
    'section',
    { class: 'draft', part: 'draft', 'aria-labelledby': 'draft-name' },
    h('div', { class: 'top' }, h('span', { class: 'name', id: 'draft-name' }, m.draft), use),
    lines,
  );
  const of = ({ title, meta_description, keywords, slug, summary }: Draft): Line[] => {
    const texts = { title, meta_description, keywords: m.list(keywords), slug: slug && `/${slug}`, summary };
    return FIELDS.flatMap((name) =>
      name in texts && texts[name as 'title'] ? { name, text: texts[name as 'title'] } : [],
    );
  };
  return {
    root,
    update() {
      const { draft: made, run } = state();
      const shown = made !== undefined && !hasFields(state()) && run?.phase !== 'writing';
      show(root, shown);
      if (!shown) return;
      setAttr(lines, 'lang', made.language);
      show(use, run === undefined);
      list.update(of(made), ({ name }) => name);
    },
  };
}
