import { h, icon, Keyed, setAttr, setText, show } from '../dom.js';
import { actionLabel, actionOf, isBusy, wordsOf, type RefusalAction } from '../refusal.js';
import { FIELDS, type Facts } from '../state.js';
import type { Panel, View } from './panel.js';

/** The button, the line of facts, the line that says how far the run is, and what stands in its way. */
export function header(panel: Panel): View & { button: HTMLButtonElement } {
  const main = mainButton(panel);
  const parts = [facts(panel), status(panel), refusal(panel)];
  const root = h(
    'div',
    { class: 'header', part: 'header' },
    h('div', { class: 'bar' }, main.root, parts[0]!.root),
    parts[1]!.root,
    parts[2]!.root,
  );
  return {
    root,
    button: main.root,
    update() {
      main.update();
      for (const part of parts) part.update();
    },
  };
}

function mainButton({ m, session, state }: Panel) {
  const label = h('span');
  const keys = h('kbd', { 'aria-hidden': 'true' }, /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘⇧S' : 'Ctrl+Shift+S');
  const marks = { run: icon('spark'), stop: icon('stop') };
  const press = () => {
    if (session.running) session.stop();
    else if (!state().empty) void session.run();
  };
  const root = h(
    'button',
    { type: 'button', class: 'main', part: 'run', click: press, 'aria-keyshortcuts': 'Control+Shift+S Meta+Shift+S' },
    marks.run,
    marks.stop,
    label,
    keys,
  );
  return {
    root,
    update() {
      const { empty } = state();
      const { running } = session;
      setText(label, running ? m.stop : m.run);
      marks.run.toggleAttribute('hidden', running);
      marks.stop.toggleAttribute('hidden', !running);
      show(keys, !running);
      setAttr(root, 'part', running ? 'run stop' : 'run');
      if (root.disabled !== (empty && !running)) root.disabled = empty && !running;
      setAttr(root, 'aria-describedby', empty ? 'status' : undefined);
    },
  };
}

interface Fact {
  key: string;
  text: string;
  tip: string;
}

function facts({ m, state }: Panel): View {
  const root = h('ul', { class: 'facts', part: 'facts', 'aria-label': m.facts });
  const list = new Keyed<Fact, { root: HTMLElement; update(fact: Fact): void }>(root, ({ key }) => {
    const tip = h('span', { class: 'tip', role: 'tooltip', id: `fact-${key}` });
    const button = h('button', {
      type: 'button',
      class: 'fact',
      part: `fact fact-${key}`,
      'aria-describedby': `fact-${key}`,
    });
    return {
      root: h('li', {}, button, tip),
      update(fact) {
        setText(button, fact.text);
        setText(tip, fact.tip);
      },
    };
  });
  const of = ({ language, source, model, total_ms, cached }: Facts): Fact[] => [
    {
      key: 'language',
      text: (language.split('-')[0] ?? '').toUpperCase(),
      tip: m.languageTip(languageName(language, m.tag)),
    },
    { key: 'engine', text: source === 'device' ? m.thisDevice : model, tip: m.engineTip[source] },
    ...(source === 'device' ? [] : [{ key: 'seconds', text: m.seconds(total_ms), tip: m.secondsTip }]),
    ...(cached ? [{ key: 'cached', text: m.cached, tip: m.cachedTip }] : []),
  ];
  return {
    root,
    update() {
      const { facts: known, run } = state();
      show(root, known !== undefined && run === undefined);
      list.update(known === undefined ? [] : of(known), ({ key }) => key);
    },
  };
}

function languageName(tag: string, locale: string): string {
  try {
    return new Intl.DisplayNames([locale], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

function status({ m, session, state }: Panel): View {
  const text = h('span');
  const root = h(
    'p',
    { class: 'status', part: 'status', id: 'status' },
    h('span', { class: 'pulse', 'aria-hidden': 'true' }),
    text,
  );
  const words = (): string => {
    const { empty, run, pictures } = state();
    if (run === undefined) return empty ? m.empty : '';
    if (run.phase === 'writing') return m.writing;
    if (run.phase === 'preparing') {
      const going = pictures.filter(({ error }) => error?.code !== 'too_many_images');
      const at = going.findIndex(({ stage }) => stage === 'preparing');
      return at < 0 ? m.preparingAll : m.preparing(going[at]!.name, at + 1, going.length);
    }
    if (run.position !== undefined) return m.queued(run.position, run.wait_ms);
    if (run.retryAt === undefined) return m.reading;
    const left = Math.max(0, run.retryAt - Date.now());
    const told = run.error !== undefined && isBusy(run.error);
    return told ? `${wordsOf(run.error!, m, state())} ${m.againIn(left)}` : m.tryingAgain(left);
  };
  return {
    root,
    update() {
      const now = words();
      setText(text, now);
      show(root, now !== '');
      setAttr(root, 'data-running', session.running);
      setAttr(root, 'data-phase', state().run?.phase);
    },
  };
}

function refusal(panel: Panel): View {
  const { m, session, state } = panel;
  // The alert is said once; the countdown beside it changes every second and is not part of it.
  const words = h('span', { role: 'alert', part: 'error-text' });
  const left = h('span', { class: 'left', part: 'countdown' });
  let action: RefusalAction | 'failed' = 'again';
  const press = () => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    if (action === 'close') session.dispatch({ do: 'dismiss' });
    else if (action === 'leave-out') session.leaveOut(state().refusal!.error.image!);
    else if (action === 'fewer') session.fewer();
    else if (action === 'shorten') session.shorten();
    else if (action === 'hold') return session.hold();
    else if (action === 'failed') session.againFailed();
    else session.again();
    panel.focusMain();
  };
  const button = h('button', { type: 'button', class: 'plain', part: 'error-action', click: press });
  const root = h('div', { class: 'refusal', part: 'error' }, icon('warn'), h('p', {}, words, ' ', left), button);
  return {
    root,
    update() {
      const { refusal: now, partly, fields } = state();
      const failed = FIELDS.filter((name) => fields[name].status === 'failed');
      const part = partly !== undefined && failed.length > 0;
      show(root, now !== undefined || part);
      if (now !== undefined) {
        const wait = Math.max(0, (now.retryAt ?? 0) - Date.now());
        action = actionOf(now);
        setText(words, wordsOf(now.error, m, state()));
        setText(left, wait > 0 ? m.againIn(wait) : '');
        setText(button, actionLabel(action, m));
        setAttr(button, 'aria-disabled', wait > 0 && action === 'again' ? 'true' : undefined);
        setAttr(root, 'data-code', now.error.code);
      } else if (part) {
        action = 'failed';
        const names = m.list(failed.map((name, at) => (at === 0 ? m.fields[name] : m.lower(name))));
        setText(words, `${m.partly(names)} ${wordsOf(partly, m, state())}`);
        setText(left, '');
        setText(button, m.tryAgain);
        setAttr(root, 'data-code', partly.code);
      } else setText(words, '');
    },
  };
}
