import { h, icon, Keyed, setAttr, setText, show } from '../dom.js';
import { level } from '../measure.js';
import { limits } from '../state.js';
import { frame } from './field.js';
import type { Panel, View } from './panel.js';

/** Keywords as chips. Backspace in the empty box takes the last one; Delete on a chip takes that one. */
export function keywordsField(panel: Panel): View {
  const { m, session, state } = panel;
  const parts = frame(panel, 'keywords', { labels: 'input-keywords' });
  const shown = h('span', { 'aria-hidden': 'true' });
  const spoken = h('span', { class: 'sr', id: 'count-keywords' });
  const count = h('span', { class: 'count', part: 'counter' }, shown);
  parts.head.append(count, spoken);

  const words = () => state().fields.keywords.value ?? [];
  const set = (value: string[]) => session.dispatch({ do: 'edit-keywords', value });
  const input = h('input', {
    id: 'input-keywords',
    part: 'input input-keywords',
    placeholder: m.addKeyword,
    'aria-label': m.addKeyword,
    'aria-describedby': 'count-keywords',
    autocomplete: 'off',
    enterkeyhint: 'done',
  });
  const add = () => {
    const fresh = input.value.split(/[,，、;；\n]/).map((word) => word.trim());
    const next = [...new Set([...words(), ...fresh.filter((word) => word !== '')])];
    input.value = '';
    if (next.length > words().length) set(next);
  };
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter' || event.key === ',' || event.key === '，' || event.key === '、') {
      event.preventDefault();
      add();
    } else if (event.key === 'Backspace' && input.value === '' && words().length > 0) set(words().slice(0, -1));
  });
  input.addEventListener('blur', add);

  const chips = h('ul', { class: 'chips', part: 'chips', 'aria-labelledby': 'name-keywords' });
  const list = new Keyed<string, { root: HTMLElement; update(word: string): void }>(chips, (word) => {
    const remove = () => {
      const at = words().indexOf(word);
      set(words().filter((other) => other !== word));
      // The focus goes to the chip that took the place, or to the box behind the last one.
      panel.afterRender(() => {
        const buttons = chips.querySelectorAll('button');
        (buttons[Math.min(at, buttons.length - 1)] ?? input).focus();
      });
    };
    const button = h(
      'button',
      { type: 'button', part: 'remove-keyword', 'aria-label': m.removeKeyword(word), click: remove },
      icon('close'),
    );
    button.addEventListener('keydown', (event) => {
      if (event.key === 'Delete' || event.key === 'Backspace') remove();
    });
    const text = h('span', {}, word);
    const root = h('li', { class: 'chip', part: 'chip' }, text, button);
    return {
      root,
      update() {
        const unsupported = (state().evidence[`keywords:${word}`]?.unsupported.length ?? 0) > 0;
        setAttr(text, 'class', unsupported ? 'word' : undefined);
        setAttr(text, 'title', unsupported ? m.notFound : undefined);
        setAttr(button, 'aria-description', unsupported ? m.notFound : undefined);
      },
    };
  });
  parts.body.append(h('div', { class: 'chip-line' }, chips, input));

  return {
    root: parts.root,
    update() {
      parts.update();
      const value = words();
      list.update(value, (word) => word);
      const max = limits(state()).keywords;
      setText(shown, `${value.length} / ${max}`);
      setText(spoken, m.words(value.length, max));
      setAttr(count, 'data-level', value.length > max ? 'over' : level(0, max));
      const busy = state().fields.keywords.status !== 'ready';
      if (input.readOnly !== busy) input.readOnly = busy;
      show(input, !busy);
    },
  };
}
