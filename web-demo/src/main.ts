import './style.css';

import type { SmartSummaryElement } from '@smart-summary/web/element';

import { createEditor } from './editor.js';
import { embed } from './embed.js';
import source from './embed.ts?raw';
import { samples } from './samples.js';
import { postSettings } from './settings.js';
import { createToolbar } from './toolbar.js';
import { type Language, type Word, remember, remembered, startLanguage, words } from './words.js';

const find = <T extends Element>(selector: string) => document.querySelector<T>(selector)!;
const title = find<HTMLTextAreaElement>('#title');
const panel = find<SmartSummaryElement>('#panel');
const sampleChoice = find<HTMLSelectElement>('#sample');
const languageChoice = find<HTMLSelectElement>('#language');
const themeChoice = find<HTMLSelectElement>('#theme');

let spoken = words(startLanguage());
const editor = createEditor(find('#editor'), () => spoken.bodyPlaceholder, spoken.editor);
const settings = postSettings(find<HTMLFormElement>('#settings'), find('#head'), () => spoken.headEmpty);
const nameTools = createToolbar(find('#toolbar'), editor);

embed(panel, editor, title, settings);

function speak(language: Language): void {
  spoken = words(language);
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll<HTMLElement>('[data-word]')) {
    place.textContent = spoken[place.dataset['word'] as Word];
  }
  for (const place of document.querySelectorAll<HTMLElement>('[data-label]')) {
    place.setAttribute('aria-label', spoken[place.dataset['label'] as Word]);
  }
  title.placeholder = spoken.titlePlaceholder;
  sampleChoice.replaceChildren(...samples.map(({ name }) => new Option(spoken[name], name, false, name === current)));
  nameTools(spoken);
  editor.view.dom.setAttribute('aria-label', spoken.editor);
  editor.view.dispatch(editor.state.tr);
  panel.setAttribute('lang', language);
  settings.set({});
}

function paint(theme: string): void {
  document.documentElement.dataset['theme'] = theme;
  panel.setAttribute('theme', theme);
}

function open(name: string): void {
  const sample = samples.find((sample) => sample.name === name) ?? samples[0]!;
  current = sample.name;
  sampleChoice.value = sample.name;
  settings.clear();
  title.value = sample.title;
  // Opening a post is nothing that a writer would take back.
  editor.chain().setMeta('addToHistory', false).setContent(sample.html, { emitUpdate: true }).setTextSelection(1).run();
  title.dispatchEvent(new Event('input', { bubbles: true }));
  panel.reset();
}

const first = new URLSearchParams(location.search).get('post');
let current = samples.some(({ name }) => name === first)
  ? first!
  : startLanguage() === 'zh-Hans'
    ? 'keycloak'
    : 'histograms';
languageChoice.value = startLanguage();
themeChoice.value = new URLSearchParams(location.search).get('theme') ?? remembered('theme') ?? 'auto';
speak(languageChoice.value as Language);
paint(themeChoice.value);
open(current);
find('#embed').textContent = (source.split('// <embed>\n')[1] ?? '').split('// </embed>')[0]?.trim() ?? '';

// A title is one line that wraps: Enter goes on to the text.
title.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.isComposing) return;
  event.preventDefault();
  editor.commands.focus('start');
});

sampleChoice.addEventListener('change', () => open(sampleChoice.value));
languageChoice.addEventListener('change', () => {
  remember('language', languageChoice.value);
  speak(languageChoice.value as Language);
});
themeChoice.addEventListener('change', () => {
  remember('theme', themeChoice.value);
  paint(themeChoice.value);
});
