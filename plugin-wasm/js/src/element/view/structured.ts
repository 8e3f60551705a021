import { h, setAttr, setText, show } from '../dom.js';
import { structured } from '../state.js';
import { frame, iconButton } from './field.js';
import type { Panel, View } from './panel.js';

/** Open Graph and JSON-LD as they will be handed over, to be copied. */
export function structuredData(panel: Panel): View {
  const { m, state } = panel;
  const blocks = (['open_graph', 'json_ld'] as const).map((name) => block(panel, name));
  const root = h(
    'details',
    { class: 'structured', part: 'structured' },
    h('summary', { part: 'structured-toggle' }, h('span', { class: 'name' }, m.structured)),
    ...blocks.map((one) => one.root),
  );
  let opened = false;
  return {
    root,
    update() {
      const { open_graph, json_ld } = state().fields;
      const shown = [open_graph, json_ld].filter(
        ({ status, notes }) => status === 'ready' || status === 'failed' || notes.length > 0,
      );
      show(root, shown.length > 0);
      // What has failed is not hidden; it is opened once, so that it can be closed.
      const failed = shown.some(({ status }) => status === 'failed');
      if (failed && !opened) root.open = true;
      opened = failed;
      for (const one of blocks) one.update();
    },
  };
}

function block(panel: Panel, name: 'open_graph' | 'json_ld'): View {
  const { m, state } = panel;
  const parts = frame(panel, name);
  const code = h('pre', { part: `code code-${name}`, tabindex: 0, role: 'group', 'aria-label': m.fields[name] });
  const copy = iconButton('copy', 'copy', m.copy(m.fields[name]), () => {
    const text = code.textContent ?? '';
    const told = (words: string) => {
      panel.announce(words);
      setAttr(copy, 'title', words);
    };
    // Without the right to write to the clipboard the text is selected, so that the keyboard can copy it.
    navigator.clipboard.writeText(text).then(
      () => told(m.copied),
      () => {
        getSelection()?.selectAllChildren(code);
        told(m.notCopied);
      },
    );
  });
  parts.tools.prepend(copy);
  parts.body.append(code);
  return {
    root: parts.root,
    update() {
      parts.update();
      const value = structured(state(), name);
      // There is nothing to write by hand here, so an empty box says nothing.
      show(parts.body, value !== undefined);
      show(copy, value !== undefined);
      setText(
        code,
        value === undefined
          ? ''
          : name === 'json_ld'
            ? JSON.stringify(value, null, 2)
            : tags(value as Record<string, string>),
      );
    },
  };
}

/** The properties as the elements that a page's head holds. */
function tags(properties: Record<string, string>): string {
  const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
  return Object.entries(properties)
    .map(([name, text]) => `<meta property="${escaped(name)}" content="${escaped(String(text))}">`)
    .join('\n');
}
