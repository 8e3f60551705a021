// Alt text at the picture itself: a button in the toolbar of the image block, and what the library says.

import { backend } from './panel.js';
import { authorWords } from './provenance.js';
import { facts } from './facts.js';
import { language } from './language.js';
import { articleHtml, blocksWith, edit, meta, postBlocks, record, RECORD } from './gutenberg.js';
import {
  altAttribute,
  marksDecorative,
  namesOf,
  picturesOf,
  postImage,
  text,
  withNames,
  type Picture,
} from './pictures.js';
import { authorOf, hash } from './record.js';
import { editor } from './store.js';
import { __, sprintf } from './i18n.js';

const { createElement: el, useEffect, useState } = wp.element;
const { Button, Modal, Notice, PanelBody, TextareaControl, ToggleControl, ToolbarButton, Spinner } = wp.components;
const { BlockControls, InspectorControls } = wp.blockEditor;

interface BlockProps {
  name: string;
  clientId: string;
  attributes: Attributes;
  isSelected: boolean;
}

interface Suggestion {
  text: string;
  decorative: boolean;
  /** Absent in answers of older backends. */
  needs_human?: boolean;
}

function pictureOf(clientId: string): Picture | undefined {
  return picturesOf(postBlocks()).find(({ blocks }) => blocks.some((block) => block.clientId === clientId));
}

/** Asks for one picture's alt text, with the whole article around it. */
async function suggest(picture: Picture, signal: AbortSignal): Promise<Suggestion> {
  const { client } = await backend();
  const permalink = editor().getPermalink() ?? '';
  const all = picturesOf(postBlocks());
  const summary = await client.summarize(
    {
      title: text(editor().getEditedPostAttribute('title')) || undefined,
      content: withNames(articleHtml(), all),
      format: 'html',
      url: /^https?:/.test(permalink) ? permalink : undefined,
      language: language(),
      images: [postImage(picture, namesOf(all))],
    },
    { signal, fields: ['alt_texts'] },
  );
  const alt = summary.alt_texts?.find(({ id }) => id === picture.key);
  if (alt === undefined) throw new Error(__('The picture could not be read.', 'smart-summary'));
  return alt;
}

/** Writes the alt text into every block that shows the picture, and who made it into the record: one undo step. */
export async function accept(
  picture: Picture,
  alt: string,
  by: 'ai' | 'ai_edited' | 'human',
  decorative: boolean,
): Promise<void> {
  const kept = record();
  kept.alts[picture.key] = { by, hash: hash(alt), text: alt, decorative };
  await edit({
    ...blocksWith({ [picture.key]: alt }, [picture], decorative ? 'empty is decorative' : 'empty is missing'),
    meta: { ...meta(), [RECORD]: kept },
  });
}

function AltDialog({ picture, onClose }: { picture: Picture; onClose: () => void }): WpNode {
  const [made, setMade] = useState<Suggestion | undefined>(undefined);
  const [alt, setAlt] = useState('');
  const [decorative, setDecorative] = useState(false);
  const [failed, setFailed] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    suggest(picture, stop.signal).then(
      (suggestion) => {
        setMade(suggestion);
        setAlt(suggestion.text);
        setDecorative(suggestion.decorative);
        wp.a11y?.speak(__('The alt text is ready.', 'smart-summary'));
      },
      (cause: { code?: string; message?: string }) =>
        cause.code !== 'aborted' &&
        setFailed(cause.message || __('The server could not finish this.', 'smart-summary')),
    );
    return () => stop.abort();
  }, []);
  const take = () => {
    const by = made !== undefined && alt === made.text ? 'ai' : 'ai_edited';
    void accept(picture, decorative ? '' : alt.trim(), by, decorative).then(onClose);
  };
  const waiting = made === undefined && failed === '';
  const overwritten =
    picture.alt !== '' &&
    sprintf(
      /* translators: %s: alt text */
      __('This replaces: %s', 'smart-summary'),
      picture.alt,
    );
  return el(
    Modal,
    { title: __('Alt text', 'smart-summary'), onRequestClose: onClose, className: 'smart-summary-alt', size: 'medium' },
    failed !== '' && el(Notice, { status: 'error', isDismissible: false }, failed),
    waiting && el('p', { role: 'status' }, el(Spinner), __('Looking at the picture and the article.', 'smart-summary')),
    made?.needs_human === true &&
      el(
        Notice,
        { status: 'warning', isDismissible: false, className: 'smart-summary-needs-human' },
        made.text === ''
          ? __('Nothing tells what this picture shows: write it in a few words.', 'smart-summary')
          : __('This is a guess: hold it against the picture.', 'smart-summary'),
      ),
    made !== undefined &&
      el(TextareaControl, {
        label: __('Alt text', 'smart-summary'),
        value: alt,
        onChange: setAlt,
        disabled: decorative,
        help: overwritten || undefined,
        __nextHasNoMarginBottom: true,
      }),
    made !== undefined &&
      el(
        'div',
        { style: { marginTop: '16px' } },
        el(ToggleControl, {
          label: __('Decorative: says nothing, stays empty', 'smart-summary'),
          checked: decorative,
          onChange: setDecorative,
          __nextHasNoMarginBottom: true,
        }),
      ),
    el(
      'div',
      { className: 'smart-summary-buttons', style: { display: 'flex', gap: '8px', marginTop: '16px' } },
      el(
        Button,
        {
          variant: 'primary',
          onClick: take,
          disabled: made === undefined || (!decorative && alt.trim() === ''),
          accessibleWhenDisabled: true,
          __next40pxDefaultSize: true,
        },
        __('Use this alt text', 'smart-summary'),
      ),
      el(Button, { variant: 'tertiary', onClick: onClose, __next40pxDefaultSize: true }, __('Cancel', 'smart-summary')),
    ),
  );
}

/** What the media library has for the same picture. */
function LibraryAlt({ picture }: { picture: Picture }): WpNode {
  const [library, setLibrary] = useState<string | undefined>(undefined);
  const path = `/wp/v2/media/${picture.attachment}`;
  useEffect(() => {
    if (picture.attachment === 0) return;
    wp.apiFetch<{ alt_text: string }>({ path }).then(
      ({ alt_text: alt }) => setLibrary(alt),
      () => setLibrary(undefined),
    );
  }, [picture.attachment]);
  const kept = record().alts[picture.key];
  const who = picture.alt === '' ? '' : authorWords(authorOf(kept, picture.alt));
  const differs = library !== undefined && library !== picture.alt;
  const write = () =>
    wp
      .apiFetch<{ alt_text: string }>({ path, method: 'POST', data: { alt_text: picture.alt } })
      .then(({ alt_text: alt }) => setLibrary(alt));
  const use = () => accept(picture, library ?? '', 'human', false);
  const decorative = picture.alt === '' && (kept?.decorative ?? false);
  const marks = picture.blocks.some(({ name }) => marksDecorative(name));
  if (who === '' && marks && !differs) return null;
  return el(
    PanelBody,
    { title: __('Smart Summary', 'smart-summary'), initialOpen: true, className: 'smart-summary-image' },
    who !== '' && el('p', null, sprintf(/* translators: %s: who wrote it */ __('Alt text: %s', 'smart-summary'), who)),
    // Newer versions of WordPress have a switch of their own.
    !marks &&
      el(ToggleControl, {
        label: __('Decorative: says nothing, stays empty', 'smart-summary'),
        checked: decorative,
        onChange: (on: boolean) => void accept(picture, '', 'human', on),
        __nextHasNoMarginBottom: true,
      }),
    differs &&
      el(
        'div',
        { className: 'smart-summary-differs' },
        el(
          'p',
          null,
          library === ''
            ? __('The media library has no alt text for this picture.', 'smart-summary')
            : /* translators: %s: alt text */
              sprintf(__('The media library says: %s', 'smart-summary'), library),
        ),
        picture.alt !== '' &&
          el(
            Button,
            { variant: 'secondary', size: 'small', onClick: write },
            __('Write it into the library too', 'smart-summary'),
          ),
        library !== '' &&
          el(Button, { variant: 'secondary', size: 'small', onClick: use }, __('Use the library’s', 'smart-summary')),
      ),
  );
}

function Tools({ clientId }: { clientId: string }): WpNode {
  const [open, setOpen] = useState(false);
  const picture = pictureOf(clientId);
  if (picture === undefined) return null;
  // Where the block's own field for the alt text is: the tab "Content" came with the switch for decorative pictures.
  const group = picture.blocks.some(({ name }) => marksDecorative(name)) ? { group: 'content' } : null;
  return el(
    wp.element.Fragment,
    null,
    el(
      BlockControls,
      { group: 'other' },
      el(
        ToolbarButton,
        {
          onClick: () => setOpen(true),
          className: 'smart-summary-alt-button',
          label: __('Suggest an alt text', 'smart-summary'),
          showTooltip: true,
        },
        __('Alt text', 'smart-summary'),
      ),
    ),
    el(InspectorControls, group, el(LibraryAlt, { picture })),
    open && el(AltDialog, { picture, onClose: () => setOpen(false) }),
  );
}

export function registerImageTools(): void {
  const withTools = wp.compose.createHigherOrderComponent(
    (BlockEdit) => (props) => {
      const { name, clientId, isSelected } = props as unknown as BlockProps;
      const tools = isSelected && altAttribute(name) !== undefined;
      return el(wp.element.Fragment, null, el(BlockEdit, props), tools && el(Tools, { clientId }));
    },
    'withSmartSummary',
  );
  wp.hooks.addFilter('editor.BlockEdit', 'smart-summary/alt', withTools);
}
