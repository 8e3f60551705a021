import type { Editor } from '@tiptap/core';

import { insertPictures } from './editor.js';
import type { Word, words } from './words.js';

interface Tool {
  word: Word;
  /** The path of a 24 x 24 icon, drawn with strokes. */
  icon: string;
  run(editor: Editor): unknown;
  active?(editor: Editor): boolean;
  possible?(editor: Editor): boolean;
}

const tools: Tool[] = [
  {
    word: 'heading2',
    icon: 'M4 5v14M12 5v14M4 12h8M16.2 12.6a2.2 2.2 0 1 1 4 1.5L16 19h4.8',
    run: (e) => e.chain().focus().toggleHeading({ level: 2 }).run(),
    active: (e) => e.isActive('heading', { level: 2 }),
  },
  {
    word: 'heading3',
    icon: 'M4 6v12M12 6v12M4 12h8M16 11h4l-2.5 3a2 2 0 1 1-1.5 3.5',
    run: (e) => e.chain().focus().toggleHeading({ level: 3 }).run(),
    active: (e) => e.isActive('heading', { level: 3 }),
  },
  {
    word: 'bold',
    icon: 'M8 5v14M8 5h5a3.5 3.5 0 0 1 0 7H8h6a3.5 3.5 0 0 1 0 7H8',
    run: (e) => e.chain().focus().toggleBold().run(),
    active: (e) => e.isActive('bold'),
  },
  {
    word: 'italic',
    icon: 'M10 5h8M6 19h8M14 5l-4 14',
    run: (e) => e.chain().focus().toggleItalic().run(),
    active: (e) => e.isActive('italic'),
  },
  {
    word: 'link',
    icon: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
    run: (e) => setLink(e),
    active: (e) => e.isActive('link'),
  },
  {
    word: 'bulletList',
    icon: 'M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01',
    run: (e) => e.chain().focus().toggleBulletList().run(),
    active: (e) => e.isActive('bulletList'),
  },
  {
    word: 'orderedList',
    icon: 'M10 6h10M10 12h10M10 18h10M4 5l1.5-1v5M4 14.5a1.5 1.5 0 1 1 2.4 1.2L4 18.5h3',
    run: (e) => e.chain().focus().toggleOrderedList().run(),
    active: (e) => e.isActive('orderedList'),
  },
  {
    word: 'blockquote',
    icon: 'M5 5v14M10 8h9M10 12h9M10 16h6',
    run: (e) => e.chain().focus().toggleBlockquote().run(),
    active: (e) => e.isActive('blockquote'),
  },
  { word: 'image', icon: 'M4 5h16v14H4zM4 16l4.5-4.5 4 4 3-3L20 16M15.5 9h.01', run: () => chooser().click() },
  {
    word: 'undo',
    icon: 'M9 7L4 12l5 5M4 12h10a5 5 0 0 1 0 8',
    run: (e) => e.chain().focus().undo().run(),
    possible: (e) => e.can().undo(),
  },
  {
    word: 'redo',
    icon: 'M15 7l5 5-5 5M20 12H10a5 5 0 0 0 0 8',
    run: (e) => e.chain().focus().redo().run(),
    possible: (e) => e.can().redo(),
  },
];

let linkQuestion = '';

/** Fills the toolbar; one button is in the tab order and the arrow keys move between them (WAI-ARIA toolbar). */
export function createToolbar(bar: HTMLElement, editor: Editor): (spoken: ReturnType<typeof words>) => void {
  const buttons = tools.map((tool) => createButton(tool, editor));
  bar.replaceChildren(...buttons);
  bar.addEventListener('keydown', (event) => moveFocus(buttons, event));
  chooser().addEventListener('change', () => {
    insertPictures(editor, [...(chooser().files ?? [])], editor.state.selection.to);
    chooser().value = '';
  });

  const refresh = () => tools.forEach((tool, index) => show(tool, buttons[index], editor));
  editor.on('transaction', refresh);
  refresh();
  focusable(buttons, 0);

  return (spoken) => {
    linkQuestion = spoken.linkAsk;
    tools.forEach(({ word }, index) => {
      buttons[index]?.setAttribute('aria-label', spoken[word]);
      buttons[index]?.setAttribute('title', spoken[word]);
    });
  };
}

function createButton(tool: Tool, editor: Editor): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  icon.setAttribute('viewBox', '0 0 24 24');
  icon.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', tool.icon);
  icon.append(path);
  button.append(icon);
  button.addEventListener('click', () => button.getAttribute('aria-disabled') !== 'true' && tool.run(editor));
  return button;
}

function show(tool: Tool, button: HTMLButtonElement | undefined, editor: Editor): void {
  if (tool.active) button?.setAttribute('aria-pressed', String(tool.active(editor)));
  if (tool.possible) button?.setAttribute('aria-disabled', String(!tool.possible(editor)));
}

function moveFocus(buttons: HTMLButtonElement[], event: KeyboardEvent): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = buttons.indexOf(event.target as HTMLButtonElement);
  if (step === undefined || at < 0) return;
  event.preventDefault();
  const next = (at + step + buttons.length) % buttons.length;
  focusable(buttons, next);
  buttons[next]?.focus();
}

function focusable(buttons: HTMLButtonElement[], wanted: number): void {
  buttons.forEach((button, index) => (button.tabIndex = index === wanted ? 0 : -1));
}

function setLink(editor: Editor): void {
  const before = String(editor.getAttributes('link')['href'] ?? '');
  const href = window.prompt(linkQuestion, before);
  if (href === null) return;
  const chain = editor.chain().focus().extendMarkRange('link');
  if (href === '') chain.unsetLink().run();
  else chain.setLink({ href }).run();
}

function chooser(): HTMLInputElement {
  return document.querySelector<HTMLInputElement>('#file')!;
}
