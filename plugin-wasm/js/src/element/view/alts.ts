import type { AltText } from '../../types.js';
import { h, icon, Keyed, setAttr, setText, show } from '../dom.js';
import { lengthOf, level } from '../measure.js';
import { isWide, languageTag, limits } from '../state.js';
import { frame, iconButton } from './field.js';
import type { Panel, View } from './panel.js';

/** One alt text per picture, with a switch for pictures that say nothing. */
export function altTexts(panel: Panel): View {
  const parts = frame(panel, 'alt_texts', { acceptable: false });
  const rows = h('ul', { class: 'alts' });
  const list = new Keyed<AltText, ReturnType<typeof altRow>>(rows, ({ id }) => altRow(panel, id));
  parts.body.append(rows);
  return {
    root: parts.root,
    update() {
      parts.update();
      const names = new Map(panel.state().pictures.map(({ id, name }) => [id, name]));
      list.update(panel.state().fields.alt_texts.value ?? [], ({ id }) => `${id} ${names.get(id) ?? ''}`);
    },
  };
}

function altRow(panel: Panel, id: string) {
  const { m, session, state } = panel;
  const picture = () => state().pictures.find((one) => one.id === id);
  const name = picture()?.name ?? id;
  const thumb = h('img', { class: 'thumb', part: 'thumbnail', alt: '' });
  const shown = h('span', { 'aria-hidden': 'true' });
  const count = h('span', { class: 'count', part: 'counter' }, shown);
  const spoken = h('span', { class: 'sr', id: `count-alt-${id}` });
  const edited = h('span', { class: 'edited', part: 'edited' }, m.edited);
  const accept = iconButton('check', 'accept', m.accept(m.altOf(name)), () =>
    session.dispatch({ do: 'accept-alt', id, on: !picture()?.altAccepted }),
  );
  const copy = h('div', { class: 'ghost', 'aria-hidden': 'true' });
  const input = h('textarea', {
    rows: 1,
    part: 'input input-alt',
    'aria-label': m.altOf(name),
    'aria-describedby': `needs-alt-${id} count-alt-${id}`,
  });
  input.addEventListener('input', () => session.dispatch({ do: 'edit-alt', id, text: input.value }));
  const box = h('div', { class: 'boxed' }, h('div', { class: 'grow' }, copy, input));
  const why = h('span', { id: `needs-alt-${id}` });
  const needs = h('p', { class: 'note needs-human', part: 'needs-human' }, icon('warn'), why);
  const toggle = h('input', {
    type: 'checkbox',
    role: 'switch',
    part: 'decorative',
    'aria-label': m.decorativeOf(name),
  });
  toggle.addEventListener('change', () => session.dispatch({ do: 'edit-alt', id, decorative: toggle.checked }));
  const root = h(
    'li',
    { class: 'alt', part: 'alt', 'data-image': id },
    h(
      'div',
      { class: 'top' },
      thumb,
      h('span', { class: 'file' }, name),
      edited,
      h('span', { class: 'counts' }, count, spoken),
      h('span', { class: 'tools' }, accept),
    ),
    box,
    needs,
    h('label', { class: 'switch' }, toggle, h('span', { class: 'track', 'aria-hidden': 'true' }), m.decorative),
  );
  return {
    root,
    update({ text, decorative, needs_human: guessed }: AltText) {
      const url = panel.urlOf(id);
      show(thumb, url !== undefined);
      setAttr(thumb, 'src', url);
      if (input.value !== text) input.value = text;
      setText(copy, text === '' ? '\u200b' : text);
      setAttr(input, 'lang', languageTag(state()) || undefined);
      if (toggle.checked !== decorative) toggle.checked = decorative;
      show(box, !decorative);
      show(count, !decorative);
      const max = limits(state()).alt_chars;
      const length = lengthOf(text, isWide(languageTag(state())));
      setText(shown, `${length} / ${max}`);
      setText(spoken, m.chars(length, max));
      setAttr(count, 'data-level', level(length, max));
      const touched = picture()?.altEdited ?? false;
      show(edited, touched);
      // The writer's own word is no guess.
      const asks = guessed && !touched && !decorative;
      show(needs, asks);
      setText(why, asks ? (text.trim() === '' ? m.needsWords : m.needsLook) : '');
      const something = decorative || text.trim() !== '';
      setAttr(accept, 'aria-pressed', String(something && (picture()?.altAccepted ?? false)));
      setAttr(accept, 'aria-disabled', something ? undefined : 'true');
    },
  };
}
