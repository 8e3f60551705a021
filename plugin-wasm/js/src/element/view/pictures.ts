import { h, icon, Keyed, setAttr, setText, show } from '../dom.js';
import { bytes } from '../measure.js';
import { wordsOf } from '../refusal.js';
import type { PictureState } from '../state.js';
import type { Panel, View } from './panel.js';

/** The pictures: a thin bar while they are prepared, and on request exactly what leaves the page. */
export function pictures(panel: Panel): View {
  const { m, session, state } = panel;
  const title = h('span', { class: 'name' });
  const summary = h('summary', { part: 'pictures-toggle' }, title, h('span', { class: 'quiet' }, m.leaves));
  const rows = h('ul', { class: 'sent' });
  const list = new Keyed<PictureState, ReturnType<typeof pictureRow>>(rows, (picture) => pictureRow(panel, picture));
  const root = h(
    'details',
    { class: 'pictures', part: 'pictures' },
    summary,
    h('p', { class: 'note' }, m.leavesNote),
    rows,
  );
  root.addEventListener('toggle', () => {
    if (root.open) void session.prepare();
  });
  // While pictures are prepared their rows are shown, also when the list is closed.
  const bars = h('div', { class: 'bars', 'aria-hidden': 'true' });
  const wrapper = h('div', { class: 'pictures-wrap' }, root, bars);
  return {
    root: wrapper,
    update() {
      const { pictures: all, run } = state();
      show(wrapper, all.length > 0);
      setText(title, m.pictures(all.length));
      list.update(all, ({ id, name }) => `${id} ${name}`);
      show(bars, run?.phase === 'preparing');
      while (bars.childElementCount < all.length) bars.append(h('i'));
      while (bars.childElementCount > all.length) bars.lastElementChild!.remove();
      all.forEach(({ stage }, at) => setAttr(bars.children[at]!, 'data-stage', stage));
    },
  };
}

function pictureRow(panel: Panel, { name }: PictureState) {
  const { m, state } = panel;
  const thumb = h('img', { class: 'thumb large', part: 'thumbnail', alt: m.sent(name) });
  const file = h('span', { class: 'file' }, name);
  const size = h('span', { class: 'size', part: 'size' });
  const removed = h('span', { class: 'quiet', part: 'removed' });
  const soft = h(
    'span',
    { class: 'soft', part: 'soft', title: m.softTip },
    icon('warn'),
    m.soft,
    h('span', { class: 'sr' }, `: ${m.softTip}`),
  );
  const reason = h('span', { class: 'why', part: 'left-out' });
  const bar = h('span', { class: 'progress', 'aria-hidden': 'true' });
  const root = h(
    'li',
    { class: 'picture', part: 'picture' },
    thumb,
    h('div', {}, file, size, removed, soft, reason, bar),
  );
  return {
    root,
    update({ id, prepared, stage, error }: PictureState) {
      const url = panel.urlOf(id);
      setAttr(thumb, 'src', url);
      show(thumb, url !== undefined);
      const sizes = prepared && m.bytes(bytes(prepared.bytes_before, m.tag), bytes(prepared.bytes_after, m.tag));
      setText(size, sizes ?? (stage === 'refused' ? '' : m.notYet));
      const kinds = prepared?.removed.map((kind) => m.removedNames[kind] ?? kind) ?? [];
      const words = kinds.length > 0 ? m.removed(m.list(kinds)) : m.nothingRemoved;
      setText(removed, prepared === undefined ? '' : words);
      show(soft, prepared?.too_soft ?? false);
      setText(reason, error === undefined ? '' : m.leftOut(wordsOf(error, m, state())));
      setAttr(root, 'data-stage', stage);
      setAttr(bar, 'data-stage', stage);
    },
  };
}
