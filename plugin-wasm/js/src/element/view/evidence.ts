import { h, Keyed, setAttr, setText, show } from '../dom.js';
import { iconButton } from './field.js';
import type { TextField } from '../state.js';
import type { Panel, View } from './panel.js';

/** What the article says of a field: words that it does not hold, and the sentence that supports the text. */
export function evidence(panel: Panel, name: Exclude<TextField, 'slug'>, tools: HTMLElement): View {
  const { m, session, state } = panel;
  let open = false;
  const find = iconButton('find', 'evidence', m.support(m.lower(name)), () => {
    open = !open;
    update();
  });
  setAttr(find, 'aria-controls', `support-${name}`);
  tools.prepend(find);

  const words = h('ul', { class: 'unsupported', part: 'unsupported', 'aria-label': m.notFound });
  const list = new Keyed<string, { root: HTMLElement; update(word: string): void }>(words, (word) => ({
    root: h('li', {}, unsupportedWord(panel, word)),
    update: () => undefined,
  }));

  const quote = h('q', { part: 'support-text' });
  const said = h('span', { class: 'note' });
  const reveal = h('button', { type: 'button', class: 'plain small', part: 'reveal' }, m.reveal);
  reveal.addEventListener('click', () => {
    const found = session.reveal(quote.textContent ?? '');
    setText(said, found ? '' : m.notRevealed);
    if (!found) panel.announce(m.notRevealed);
  });
  const intro = h('span');
  const support = h(
    'div',
    { class: 'support', part: 'support', id: `support-${name}` },
    intro,
    ' ',
    quote,
    ' ',
    reveal,
    ' ',
    said,
  );
  const root = h('div', { class: 'evidence' }, words, support);

  function update() {
    const found = state().evidence[name];
    const { value = '', status } = state().fields[name];
    const unsupported = (found?.unsupported ?? []).filter((word) => value.toLowerCase().includes(word.toLowerCase()));
    const known = found !== undefined && status === 'ready';
    show(find, known);
    setAttr(find, 'aria-expanded', String(open && known));
    show(words, known && unsupported.length > 0);
    list.update(unsupported, (word) => word);
    show(support, open && known);
    setText(intro, found?.support === undefined ? m.noSupport : m.supportedBy);
    setText(quote, found?.support ?? '');
    show(quote, found?.support !== undefined);
    show(reveal, found?.support !== undefined && panel.canReveal());
  }
  return { root, update };
}

/** A word with a dotted line; focus and hover say what it means. */
export function unsupportedWord({ m }: Panel, word: string): HTMLElement {
  const tip = h('span', { class: 'tip', 'aria-hidden': 'true' }, m.notFound);
  const name = `${word}: ${m.notFound}`;
  return h(
    'button',
    { type: 'button', class: 'word', part: 'unsupported-word', title: m.notFound, 'aria-label': name },
    word,
    tip,
  );
}
