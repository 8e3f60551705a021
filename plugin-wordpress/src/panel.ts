// The panel beside the block editor, the check before publishing.

import type { SmartSummaryElement } from '@smart-summary/web/element';

import { createClient, type WordPressClient } from './client.js';
import { panelElement } from './element.js';
import { facts } from './facts.js';
import { Gutenberg, articleHtml, meta, pictures, postBlocks, record, RECORD } from './gutenberg.js';
import { provenanceLines } from './provenance.js';
import { authorOf, contentHash, recordOf, type Author } from './record.js';
import { call, editor } from './store.js';
import { isDecorative, picturesOf, plain, text } from './pictures.js';
import { __, _n, sprintf } from './i18n.js';

const { createElement: el, useEffect, useState } = wp.element;
const { Button, Notice } = wp.components as Record<string, unknown>;
export const NAME = 'smart-summary';
const PANEL = `${NAME}/${NAME}`;

/** The one element of this page. It outlives the panel: choosing a block must not throw away what was just written. */
let held: Promise<{ element: SmartSummaryElement; client: WordPressClient }> | undefined;
let adapter: Gutenberg | undefined;

/** The client, for the panel and the toolbar of pictures. */
export function backend(): Promise<{ element: SmartSummaryElement; client: WordPressClient }> {
  held ??= createClient().then((client) => {
    adapter = new Gutenberg(() => client.made);
    return { element: panelElement(client, adapter), client };
  });
  return held;
}

/** Where the element waits while its panel is not shown. */
function parking(): HTMLElement {
  const id = 'smart-summary-parking';
  const there = document.getElementById(id);
  if (there !== null) return there;
  const made = document.createElement('div');
  made.id = id;
  made.hidden = true;
  return document.body.appendChild(made);
}

/** The place in the sidebar; React calls this with the node, and with null before it takes the node away. */
let place: HTMLElement | null = null;
function settle(node: HTMLElement | null): void {
  // Before the place goes, not after: an element that leaves the page ends its work.
  const element = place?.querySelector('smart-summary');
  if (node === null && element) parking().append(element);
  place = node;
}

function Place(): WpNode {
  const [failed, setFailed] = useState('');
  useEffect(() => {
    backend().then(
      ({ element }) => place?.append(element),
      (cause: unknown) => setFailed(String(cause)),
    );
  }, []);
  if (failed !== '') {
    const words = __('The panel could not be loaded. Reload the page.', 'smart-summary');
    return el(Notice, { status: 'error', isDismissible: false }, words);
  }
  return el('div', { ref: settle, className: 'smart-summary-place' });
}

function Panel(): WpNode {
  const Shell = (wp.editor?.['PluginDocumentSettingPanel'] ?? wp.editPost?.['PluginDocumentSettingPanel']) as unknown;
  return el(
    Shell,
    { name: NAME, title: __('Smart Summary', 'smart-summary'), className: 'smart-summary-panel' },
    facts.ready ? el('div', null, el(Provenance), el(Place)) : el(NotReady),
  );
}

function NotReady(): WpNode {
  const words = __('Smart Summary has no backend yet.', 'smart-summary');
  const link = el('a', { href: facts.settings }, __('Open the settings', 'smart-summary'));
  return el('p', null, words, ' ', facts.settings === '' ? '' : link);
}

/** Who wrote the description, and whether the article has changed since. */
function Provenance(): WpNode {
  const state = wp.data.useSelect(() => {
    const kept = recordOf(meta()[RECORD]);
    const made = Object.keys(kept.fields).length > 0;
    return JSON.stringify({ made, stale: made && kept.content !== '' && isStale(kept.content), ...authors() });
  }, []);
  const { made, stale, description, excerpt } = JSON.parse(state) as {
    made: boolean;
    stale: boolean;
    description: Author;
    excerpt: Author;
  };
  if (!made) return null;
  const lines = provenanceLines(stale, description, excerpt);
  return el(
    'ul',
    { className: 'smart-summary-provenance', 'data-stale': String(stale) },
    ...lines.map((line, at) => el('li', { key: at }, line)),
  );
}

function authors(): { description: Author; excerpt: Author } {
  const { fields } = record();
  return {
    description: authorOf(fields['meta_description'], adapter?.seo.get('description') ?? facts.seoValues.description),
    excerpt: authorOf(fields['summary'], plain(editor().getEditedPostAttribute('excerpt'))),
  };
}

let staleFor: { blocks: unknown; hash: string } | undefined;

/** Serialising the post costs; it is done once for each state of its blocks. */
function isStale(hash: string): boolean {
  const blocks = postBlocks();
  if (staleFor?.blocks !== blocks) staleFor = { blocks, hash: contentHash(editor().getEditedPostContent()) };
  return staleFor.hash !== hash;
}

/** What is missing, before the post goes out. */
function PrePublish(): WpNode {
  const Shell = (wp.editor?.['PluginPrePublishPanel'] ?? wp.editPost?.['PluginPrePublishPanel']) as unknown;
  const state = wp.data.useSelect(() => JSON.stringify(missing()), []);
  const { description, alts, stale, words } = JSON.parse(state) as ReturnType<typeof missing>;
  const lines = [
    !description && __('There is no description for search results.', 'smart-summary'),
    alts > 0 &&
      /* translators: %d: number of pictures */
      sprintf(_n('%d picture has no alt text.', '%d pictures have no alt text.', alts, 'smart-summary'), alts),
    stale && __('The article has changed since its texts were made.', 'smart-summary'),
  ].filter((line) => line !== false);
  const open = () => {
    call('core/editor', 'closePublishSidebar');
    call('core/edit-post', 'closePublishSidebar');
    openPanel();
  };
  const content =
    lines.length === 0 || !words
      ? el('p', null, __('Description and alt texts are there.', 'smart-summary'))
      : el(
          'div',
          null,
          el('ul', { className: 'smart-summary-missing' }, ...lines.map((line, at) => el('li', { key: at }, line))),
          el(Button, { variant: 'secondary', onClick: open }, __('Open Smart Summary', 'smart-summary')),
        );
  return el(
    Shell,
    { title: __('Smart Summary', 'smart-summary'), initialOpen: lines.length > 0, className: 'smart-summary-check' },
    content,
  );
}

function missing(): { description: boolean; alts: number; stale: boolean; words: boolean } {
  const kept = record();
  const among = adapter?.pictures() ?? pictures(new Map());
  return {
    description:
      (adapter?.seo.get('description') ??
        (text(meta()['_smart_summary_description']) || facts.seoValues.description)) !== '',
    alts: among.filter((picture) => picture.alt === '' && !isDecorative(picture, kept)).length,
    stale: Object.keys(kept.fields).length > 0 && kept.content !== '' && isStale(kept.content),
    words:
      articleHtml()
        .replace(/<[^>]*>/g, '')
        .trim() !== '' || picturesOf(postBlocks()).length > 0,
  };
}

/** Shows the panel: the sidebar's tab for the post, and the panel unfolded. */
export function openPanel(): void {
  call('core/block-editor', 'clearSelectedBlock');
  call('core/edit-post', 'openGeneralSidebar', 'edit-post/document');
  const open = (store: string) =>
    (wp.data.select(store) as { isEditorPanelOpened?(name: string): boolean } | undefined)?.isEditorPanelOpened?.(
      PANEL,
    );
  if (!(open('core/editor') ?? open('core/edit-post'))) {
    if (!call('core/editor', 'toggleEditorPanelOpened', PANEL))
      call('core/edit-post', 'toggleEditorPanelOpened', PANEL);
  }
}

export function registerPanel(): void {
  wp.plugins.registerPlugin(NAME, {
    icon: null,
    render: () => el(wp.element.Fragment, null, el(Panel), facts.ready && el(PrePublish)),
  });
}
