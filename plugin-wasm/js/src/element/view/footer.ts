import { h, setAttr, setText, show } from '../dom.js';
import { hasFields, selected } from '../state.js';
import type { Panel, View } from './panel.js';

/** Nothing reaches the host before this button is pressed. */
export function footer({ m, session, state }: Panel): View {
  const apply = h('button', { type: 'button', class: 'main', part: 'apply' });
  apply.addEventListener('click', () => {
    if (apply.getAttribute('aria-disabled') !== 'true') void session.apply();
  });
  const told = h('span', { part: 'applied' });
  const undo = h('button', { type: 'button', class: 'plain', part: 'undo' }, m.undo);
  undo.addEventListener('click', () => {
    void session.undo();
    apply.focus();
  });
  const failed = h('p', { class: 'failure', role: 'alert', part: 'apply-error' });
  const root = h(
    'div',
    { class: 'footer', part: 'footer' },
    h('div', { class: 'bar' }, apply, h('span', { class: 'told' }, told, ' ', undo)),
    failed,
  );
  return {
    root,
    update() {
      const { applied, applyFailed } = state();
      const count = Object.keys(selected(state())).length;
      show(root, hasFields(state()) || applied !== undefined);
      setText(apply, m.apply(count));
      // Not `disabled`: the focus may be here when the last field is taken out.
      setAttr(apply, 'aria-disabled', count === 0 || session.running ? 'true' : undefined);
      setText(told, applied === undefined ? '' : m.applied(applied.fields));
      show(undo, applied?.undoable ?? false);
      setText(failed, applyFailed ? m.applyFailed : '');
      show(failed, applyFailed ?? false);
    },
  };
}
