import { h, Keyed, setAttr, setText, show } from '../dom.js';
import { iconButton } from './field.js';
import type { Claim } from '../../types.js';
import { languageTag, type TextField } from '../state.js';
import type { Panel, View } from './panel.js';

/** What the article says of a field: words that it does not hold, and for each sentence the one that supports it. */
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

  const claims = h('ul', {
    class: 'claims',
    part: 'support',
    id: `support-${name}`,
    'aria-label': m.support(m.lower(name)),
  });
  const proofs = new Keyed<Claim, { root: HTMLElement; update(claim: Claim): void }>(claims, (claim) =>
    proof(panel, claim),
  );
  const root = h('div', { class: 'evidence' }, words, claims);

  function update() {
    const found = state().evidence[name];
    const { value = '', status } = state().fields[name];
    const unsupported = (found?.unsupported ?? []).filter((word) => value.toLowerCase().includes(word.toLowerCase()));
    const known = found !== undefined && status === 'ready';
    show(find, known);
    setAttr(find, 'aria-expanded', String(open && known));
    show(words, known && unsupported.length > 0);
    list.update(unsupported, (word) => word);
    show(claims, open && known);
    proofs.update(found?.claims ?? [], ({ text, support }) => `${text}\n${support ?? ''}`);
  }
  return { root, update };
}

/** One sentence of a field, and the article's sentence that supports it. */
function proof({ m, session, announce, canReveal, state }: Panel, { text, support }: Claim) {
  const quote = h('q', { part: 'support-text' }, support ?? '');
  const said = h('span', { class: 'note' });
  const reveal = h('button', { type: 'button', class: 'plain small', part: 'reveal' }, m.reveal);
  reveal.addEventListener('click', () => {
    const found = session.reveal(support ?? '');
    setText(said, found ? '' : m.notRevealed);
    if (!found) announce(m.notRevealed);
  });
  const claim = h('p', { class: 'claim', part: 'claim' }, text);
  const intro = h(
    'span',
    support === undefined ? { class: 'near' } : {},
    support === undefined ? m.noSupport : m.supportedBy,
  );
  const root = h(
    'li',
    { class: 'support', 'data-supported': String(support !== undefined) },
    claim,
    intro,
    ' ',
    ...(support === undefined ? [] : [quote, ' ', reveal, ' ', said]),
  );
  return {
    root,
    update() {
      for (const words of [claim, quote]) setAttr(words, 'lang', languageTag(state()) || undefined);
      show(reveal, canReveal());
    },
  };
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
