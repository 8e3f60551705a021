import type { Field } from '../../types.js';
import { h, icon, setAttr, setText, show } from '../dom.js';
import { wordsOf } from '../refusal.js';
import { isBlank } from '../state.js';
import type { Panel } from './panel.js';

/** The frame that every field has: name, counters, controls, and below the value what is to be said about it. */
export interface Frame {
  root: HTMLElement;
  body: HTMLElement;
  /** Beside the name: counters. */
  head: HTMLElement;
  /** Before "regenerate": a field's own control. */
  tools: HTMLElement;
  label: HTMLElement;
  update(): void;
}

/** `labels`: the id of the field's one input, when it has one. */
export function frame(
  panel: Panel,
  name: Field,
  { labels, acceptable = true }: { labels?: string; acceptable?: boolean } = {},
): Frame {
  const { m, session, state } = panel;
  const label =
    labels === undefined ? h('span', { id: `name-${name}` }) : h('label', { for: labels, id: `name-${name}` });
  label.className = 'name';
  label.textContent = m.fields[name];
  const edited = h('span', { class: 'edited', part: 'edited' }, m.edited);
  const head = h('span', { class: 'counts' });

  const again = iconButton('again', 'regenerate', m.regenerate(m.lower(name)), () => void session.run([name]));
  const accept = iconButton('check', 'accept', m.accept(m.lower(name)), () =>
    session.dispatch({ do: 'accept', field: name, on: !state().fields[name].accepted }),
  );
  const tools = h('span', { class: 'tools' }, again);
  if (acceptable) tools.append(accept);

  const body = h('div', { class: 'value' });
  const skeleton = h('div', { class: 'skeleton', 'aria-hidden': 'true' }, h('i'), h('i'));
  const below = [was(panel, name), offer(panel, name), notes(panel, name), failure(panel, name)];
  const root = h(
    'section',
    { class: 'field', part: `field field-${name}`, 'data-field': name, 'aria-labelledby': `name-${name}` },
    h('div', { class: 'top' }, label, edited, head, tools),
    skeleton,
    body,
    ...below.map((one) => one.root),
  );
  return {
    root,
    body,
    head,
    tools,
    label,
    update() {
      const field = state().fields[name];
      const bare = isBlank(field.value) && field.status === 'awaited';
      // An answer without words: the note says so where the field would be.
      const hollow = isBlank(field.value) && field.status === 'absent';
      show(skeleton, bare);
      show(body, !bare && !hollow);
      show(head, !hollow);
      show(accept, !hollow && (field.status !== 'failed' || !isBlank(field.value)));
      show(edited, field.edited);
      show(root, !hollow || field.notes.length > 0);
      setAttr(root, 'data-status', field.status);
      setAttr(root, 'aria-busy', field.status === 'awaited' || field.status === 'writing' ? 'true' : undefined);
      setAttr(accept, 'aria-pressed', String(field.accepted));
      setAttr(again, 'aria-disabled', session.running ? 'true' : undefined);
      for (const one of below) one.update();
    },
  };
}

/** A button with an icon and a name. */
export function iconButton(
  sign: Parameters<typeof icon>[0],
  part: string,
  name: string,
  press: () => void,
): HTMLButtonElement {
  const button = h(
    'button',
    { type: 'button', class: `tool ${part}`, part, 'aria-label': name, title: name },
    icon(sign),
  );
  button.addEventListener('click', () => {
    if (button.getAttribute('aria-disabled') !== 'true') press();
  });
  return button;
}

type Below = { root: HTMLElement; update(): void };

/** The host's own value, one press away. */
function was({ m, session, state }: Panel, name: Field): Below {
  const button = h('button', {
    type: 'button',
    class: 'was',
    part: 'was',
    click: () => {
      const value = state().host[name];
      if (name === 'keywords') session.dispatch({ do: 'edit-keywords', value: value as string[] });
      else session.dispatch({ do: 'edit', field: name as 'title', value: value as string });
    },
  });
  const applies = name !== 'alt_texts' && name !== 'open_graph' && name !== 'json_ld';
  return {
    root: button,
    update() {
      const { host, fields } = state();
      const value = applies ? host[name] : undefined;
      const text = Array.isArray(value) ? m.list(value) : typeof value === 'string' ? value : '';
      const now = fields[name].value;
      const differs = text.trim() !== '' && text !== (Array.isArray(now) ? m.list(now as string[]) : now);
      show(button, differs && fields[name].status === 'ready');
      setText(button, m.was(text));
      setAttr(button, 'aria-label', m.wasAction(m.fields[name], text));
    },
  };
}

/** A later run's text for a field that the writer had edited. */
function offer({ m, session, state }: Panel, name: Field): Below {
  const text = h('span');
  const use = h(
    'button',
    { type: 'button', class: 'plain small', part: 'use-offer', 'aria-label': m.offerAction(m.lower(name)) },
    m.use,
  );
  use.addEventListener('click', () => session.dispatch({ do: 'take-offer', field: name }));
  const root = h('p', { class: 'offer', part: 'offer' }, text, ' ', use);
  return {
    root,
    update() {
      const { offer: value } = state().fields[name];
      const words = Array.isArray(value) ? m.list(value as string[]) : value;
      const shown = typeof words === 'string';
      show(root, shown);
      setText(text, shown ? m.offer(words) : '');
    },
  };
}

function notes({ m, state }: Panel, name: Field): Below {
  const root = h('p', { class: 'note', part: 'note' });
  return {
    root,
    update() {
      const { notes: codes, unchanged, status } = state().fields[name];
      const words = codes.map((code) => m.warnings[code]);
      if (unchanged && status === 'ready') words.push(m.unchanged);
      show(root, words.length > 0 && status !== 'failed');
      setText(root, words.join(' '));
    },
  };
}

function failure(panel: Panel, name: Field): Below {
  const { m, session, state } = panel;
  // The alert above all fields says it once; this is where the eye looks for it.
  const why = h('span', { part: 'field-error-text' });
  const again = h('button', { type: 'button', class: 'plain small', part: 'try-again' }, m.tryAgain);
  again.addEventListener('click', () => {
    void session.run([name]);
    panel.focusMain();
  });
  setAttr(again, 'aria-label', `${m.tryAgain}: ${m.lower(name)}`);
  const root = h('p', { class: 'failure', part: 'field-error' }, why, ' ', again);
  return {
    root,
    update() {
      const { status, error, notes: codes } = state().fields[name];
      const failed = status === 'failed';
      show(root, failed);
      const reason = codes.includes('field_empty') ? m.warnings.field_empty : error && wordsOf(error, m, state());
      setText(why, failed ? (reason ?? m.didNotCome) : '');
    },
  };
}
