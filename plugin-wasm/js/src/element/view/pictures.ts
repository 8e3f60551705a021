import type { PreparedPicture } from '../../types.js';
import { h, icon, Keyed, setAttr, setText, show } from '../dom.js';
import { bytes } from '../measure.js';
import { reasonOf } from '../refusal.js';
import { leftOut, sent, type PictureState } from '../state.js';
import type { Panel, View } from './panel.js';

/** The pictures: a thin bar while they are prepared, those that are not sent, and on request exactly what leaves the page. */
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
  const soft = h('p', { class: 'note soft-names', part: 'soft-names', title: m.softTip }, icon('warn'));
  const softNames = h('span');
  soft.append(softNames);
  const notSent = notSentList(panel);
  const wrapper = h('div', { class: 'pictures-wrap' }, root, bars, soft, notSent.root);
  return {
    root: wrapper,
    update() {
      const { run } = state();
      const all = sent(state());
      show(wrapper, state().pictures.length > 0);
      show(root, all.length > 0);
      setText(title, m.pictures(all.length));
      const blurred = all.filter(({ prepared }) => prepared?.too_soft);
      show(soft, blurred.length > 0);
      setText(softNames, m.softNames(m.list(blurred.map(({ name }) => name))));
      notSent.update();
      list.update(all, ({ id, name }) => `${id} ${name}`);
      show(bars, run?.phase === 'preparing');
      while (bars.childElementCount < all.length) bars.append(h('i'));
      while (bars.childElementCount > all.length) bars.lastElementChild!.remove();
      all.forEach(({ stage }, at) => setAttr(bars.children[at]!, 'data-stage', stage));
    },
  };
}

/** Every picture that is not sent, always visible, with its reason and what to do. */
function notSentList({ m, state }: Panel): View {
  const title = h('p', { class: 'name', id: 'not-sent' });
  const rows = h('ul', { 'aria-labelledby': 'not-sent' });
  const list = new Keyed<PictureState, { root: HTMLElement; update(picture: PictureState): void }>(rows, ({ name }) => {
    const why = h('span', { class: 'why' });
    return {
      root: h('li', { part: 'left-out' }, h('span', { class: 'file' }, name), ' ', why),
      update: ({ error }) => setText(why, error === undefined ? '' : reasonOf(error, m)),
    };
  });
  const root = h('div', { class: 'not-sent', part: 'not-sent' }, title, rows);
  return {
    root,
    update() {
      const all = leftOut(state());
      show(root, all.length > 0);
      setText(title, m.notSentTitle(all.length));
      list.update(all, ({ id, name }) => `${id} ${name}`);
    },
  };
}

function pictureRow(panel: Panel, { name }: PictureState) {
  const { m } = panel;
  const thumb = h('img', { class: 'thumb large', part: 'thumbnail', alt: m.sent(name) });
  const file = h('span', { class: 'file' }, name);
  const size = h('span', { class: 'size', part: 'size' });
  const removed = h('span', { class: 'quiet', part: 'removed' });
  const hint = h('span');
  const tip = h('span', { class: 'sr' });
  const soft = h('span', { class: 'soft', part: 'soft' }, icon('warn'), hint, tip);
  const flaws = h('span', { class: 'quiet', part: 'flaws' });
  const bar = h('span', { class: 'progress', 'aria-hidden': 'true' });
  const lines = h('div', {}, file, size, removed, flaws, soft, bar);
  const root = h('li', { class: 'picture', part: 'picture' }, thumb, lines);
  return {
    root,
    update({ id, prepared, stage }: PictureState) {
      const url = panel.urlOf(id);
      setAttr(thumb, 'src', url);
      show(thumb, url !== undefined);
      const sizes = prepared && m.bytes(bytes(prepared.bytes_before, m.tag), bytes(prepared.bytes_after, m.tag));
      setText(size, sizes ?? m.notYet);
      const kinds = prepared?.removed.map((kind) => m.removedNames[kind] ?? kind) ?? [];
      const words = kinds.length > 0 ? m.removed(m.list(kinds)) : m.nothingRemoved;
      setText(removed, prepared === undefined ? '' : words);
      const known = prepared?.warnings.map((warning) => m.pictureWarnings[warning] ?? '') ?? [];
      setText(flaws, known.join(' '));
      const found = hintOf(prepared);
      show(soft, found !== undefined);
      setAttr(soft, 'title', found && m[`${found}Tip`]);
      setText(hint, found === undefined ? '' : m[found]);
      setText(tip, found === undefined ? '' : `: ${m[`${found}Tip`]}`);
      setAttr(root, 'data-stage', stage);
      setAttr(bar, 'data-stage', stage);
    },
  };
}

/** What keeps a picture from being described well, the worst first. */
export function hintOf(prepared: PreparedPicture | undefined): 'soft' | 'dark' | 'bright' | undefined {
  if (prepared?.too_soft) return 'soft';
  const exposure = prepared?.looks?.exposure;
  return exposure === 'dark' || exposure === 'bright' ? exposure : undefined;
}
