import { h, setAttr, setText, show } from '../dom.js';
import { lengthOf, level, pixelsOf } from '../measure.js';
import { isWide, languageTag, type TextField } from '../state.js';
import { evidence } from './evidence.js';
import { frame } from './field.js';
import type { Panel, View } from './panel.js';
import type { Target } from './targets.js';

/** A field of one text. `target`: whose pixel widths the bar is measured by. */
export function textField(panel: Panel, name: TextField, target: () => Target): View {
  const { m, session, state } = panel;
  const id = `input-${name}`;
  const parts = frame(panel, name, { labels: id });
  const counter = counters(panel, name, target);
  parts.head.append(...counter.nodes);

  // The hidden copy gives the box its height, and carries the caret while the text is being written.
  const ghost = document.createTextNode('');
  const copy = h('div', { class: 'ghost', 'aria-hidden': 'true' }, ghost, h('i', { class: 'caret' }));
  const input = h('textarea', {
    id,
    rows: 1,
    part: `input input-${name}`,
    spellcheck: 'true',
    'aria-describedby': counter.id,
  });
  input.addEventListener('input', () => session.dispatch({ do: 'edit', field: name, value: input.value }));
  if (name !== 'summary') {
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.isComposing) event.preventDefault();
    });
  }
  const prefix = name === 'slug' ? [h('span', { class: 'slash', 'aria-hidden': 'true' }, '/')] : [];
  parts.body.append(h('div', { class: 'boxed' }, ...prefix, h('div', { class: 'grow' }, copy, input)));
  const proof = name === 'slug' ? undefined : evidence(panel, name, parts.tools);
  if (proof) parts.body.append(proof.root);

  return {
    root: parts.root,
    update() {
      parts.update();
      const { value = '', status } = state().fields[name];
      if (input.value !== value) input.value = value;
      setText(ghost, value === '' ? '\u200b' : value);
      const busy = status === 'awaited' || status === 'writing';
      if (input.readOnly !== busy) input.readOnly = busy;
      setAttr(input, 'lang', name === 'slug' ? 'en' : languageTag(state()) || undefined);
      counter.update(value);
      proof?.update();
    },
  };
}

function counters({ m, state }: Panel, name: TextField, target: () => Target) {
  const id = `count-${name}`;
  const shown = h('span', { 'aria-hidden': 'true' });
  const spoken = h('span', { class: 'sr', id });
  const fill = h('i');
  const meter = h('span', { class: 'meter', part: 'meter', 'aria-hidden': 'true' }, fill);
  const count = h('span', { class: 'count', part: 'counter' }, shown);
  const kind = name === 'title' ? 'title' : name === 'meta_description' ? 'description' : undefined;
  if (kind === undefined) return { id: undefined, nodes: [], update: () => undefined };
  return {
    id,
    nodes: [count, spoken, meter],
    update(value: string) {
      const wideScript = isWide(languageTag(state()));
      const { font, pixels, narrow_chars, wide_chars } = target()[kind];
      const max = wideScript ? wide_chars : narrow_chars;
      const length = lengthOf(value, wideScript);
      const width = Math.round(pixelsOf(value, font));
      setText(shown, `${length} / ${max}`);
      setAttr(count, 'data-level', level(length, max));
      setAttr(meter, 'data-level', level(width, pixels));
      setAttr(meter, 'title', m.pixels(width, pixels));
      fill.style.setProperty('inline-size', `${Math.min(100, (width / pixels) * 100)}%`);
      const over = length > max ? `, ${m.over(length - max)}` : '';
      const wide = width > pixels ? `, ${m.tooWide}` : '';
      setText(spoken, `${m.chars(length, max)}${over}; ${m.pixels(width, pixels)}${wide}`);
      show(meter, value !== '');
    },
  };
}
