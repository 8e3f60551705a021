// The panel's state: every action as a writer meets it, without a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { initial, reduce, selected, structured } from '../dist/element/state.js';
import { SmartSummaryError } from '../dist/error.js';

const POST = {
  content: 'Ask a team how fast its service is.',
  format: 'text',
  images: [
    { id: 'one', filename: 'one.jpg', source: new Blob(['1']) },
    { id: 'two', filename: 'two.jpg', source: new Blob(['2']) },
  ],
};
const ALTS = [
  { id: 'one', text: 'A chart.', decorative: false },
  { id: 'two', text: 'A line.', decorative: false },
];
const SUMMARY = {
  id: 'x',
  language: 'en',
  engine: 'glm4v',
  model: 'M',
  cached: false,
  warnings: [],
  timings: { queue: 0, prefill: 0, decode: 0, total: 1234 },
};
const DRAFT = {
  language: 'en',
  title: 'Draft title',
  meta_description: 'Draft description',
  keywords: [],
  slug: 'draft',
  summary: '',
  alt_texts: [],
};

const after = (...actions) => actions.reduce(reduce, initial());
const read = (host = {}, post = POST) => ({ do: 'read', post, host });
const start = (...wanted) => ({ do: 'start', wanted });
const field = (name, value) => ({ do: 'field', field: name, value });
const delta = (name, text) => ({ do: 'delta', field: name, text });
const finish = (values = {}) => ({ do: 'finish', summary: { ...SUMMARY, ...values } });
const progress = (stage, more = {}) => ({ do: 'progress', progress: { stage, ...more } });
const error = (code, more = {}) => new SmartSummaryError({ code, message: code, ...more });
const fail = (failure, automatic = true) => ({ do: 'fail', error: failure, now: 1000, automatic });
const ran = (values, host = {}) => [
  read(host),
  start(...Object.keys(values).filter((name) => name !== 'warnings')),
  finish(values),
];

test('a post without words and pictures is empty, a picture alone is not', () => {
  assert.equal(after(read({}, { ...POST, content: ' ', images: [] })).empty, true);
  assert.equal(after(read({}, { ...POST, content: '<p>&nbsp;</p>', format: 'html', images: [] })).empty, true);
  assert.equal(after(read({}, { ...POST, content: '' })).empty, false);
  assert.equal(after(read()).empty, false);
});

test('the language is the post’s, or told by its letters', () => {
  const of = (content, language) => after(read({}, { content, format: 'text', images: [], language })).language;
  assert.equal(of('words', 'de-CH'), 'de-CH');
  assert.equal(of('用 Keycloak 登录多个网站', 'auto'), 'zh');
  assert.equal(of('A word: 字'), '');
});

test('a picture is kept while it is the same one, and begins anew when its bytes differ', () => {
  const prepared = { do: 'prepared', pictures: [{ id: 'one' }, { id: 'two' }] };
  const [one, other] = POST.images;
  const images = [one, { ...other, source: new Blob(['longer']) }];
  const { pictures } = after(read(), prepared, read({}, { ...POST, images }));
  assert.deepEqual(
    pictures.map(({ stage }) => stage),
    ['ready', 'idle'],
  );
});

test('a start awaits what was asked for, first the pictures', () => {
  const { run, fields } = after(read(), start('title', 'alt_texts'));
  assert.equal(run.phase, 'preparing');
  assert.equal(fields.title.status, 'awaited');
  assert.equal(fields.alt_texts.status, 'awaited');
  assert.equal(fields.slug.status, 'absent');
});

test('a run goes from the pictures over the queue to the writing', () => {
  const steps = [
    [progress('preparing', { image: 'one' }), 'preparing', undefined],
    [progress('uploading'), 'waiting', undefined],
    [progress('queued', { position: 3, wait_ms: 4000 }), 'waiting', 3],
    [progress('retrying', { after_ms: 900 }), 'waiting', undefined],
    [progress('started'), 'writing', undefined],
  ];
  let state = after(read(), start('title'));
  for (const [step, phase, position] of steps) {
    state = reduce(state, step);
    assert.deepEqual([state.run.phase, state.run.position], [phase, position], step.progress.stage);
  }
});

test('deltas grow a text, and the whole field takes their place', () => {
  const growing = after(read(), start('title'), delta('title', 'A '), delta('title', 'word'));
  assert.equal(growing.fields.title.value, 'A word');
  assert.equal(growing.fields.title.status, 'writing');
  const whole = reduce(growing, field('title', 'A word.'));
  assert.equal(whole.fields.title.value, 'A word.');
  assert.equal(whole.fields.title.status, 'ready');
});

test('a delta of a later run replaces the text of the one before', () => {
  const state = after(...ran({ title: 'Old' }), start('title'), delta('title', 'N'));
  assert.equal(state.fields.title.value, 'N');
});

test('nothing that comes after a run has ended changes a field', () => {
  const state = after(read(), start('title'), { do: 'stop' }, delta('title', 'late'), field('title', 'late'));
  assert.equal(state.fields.title.status, 'absent');
  assert.equal(state.run, undefined);
});

test('the facts are those of the answer', () => {
  const { facts } = after(...ran({ title: 'T' }));
  assert.deepEqual(facts, { language: 'en', source: 'glm4v', model: 'M', total_ms: 1234, cached: false });
});

test('only fields that are empty in the host are accepted by themselves', () => {
  const values = { title: 'T', meta_description: 'D', keywords: ['k'] };
  const { fields } = after(...ran(values, { title: 'Mine', meta_description: ' ', keywords: [] }));
  assert.equal(fields.title.accepted, false);
  assert.equal(fields.meta_description.accepted, true);
  assert.equal(fields.keywords.accepted, true);
});

test('a choice of the writer outlasts the next run', () => {
  const refused = { do: 'accept', field: 'title', on: false };
  assert.equal(after(...ran({ title: 'T' }), refused, ...ran({ title: 'U' })).fields.title.accepted, false);
});

test('an edited field is kept by a later run, whose text is offered', () => {
  const edit = { do: 'edit', field: 'title', value: 'Mine' };
  const again = [start('title'), delta('title', 'Th'), field('title', 'Theirs'), finish({ title: 'Theirs' })];
  const state = after(...ran({ title: 'T' }), edit, ...again);
  assert.equal(state.fields.title.value, 'Mine');
  assert.equal(state.fields.title.edited, true);
  assert.equal(state.fields.title.offer, 'Theirs');
  const taken = reduce(state, { do: 'take-offer', field: 'title' });
  assert.equal(taken.fields.title.value, 'Theirs');
  assert.equal(taken.fields.title.edited, false);
  assert.equal(taken.fields.title.offer, undefined);
});

test('edited keywords are kept as well', () => {
  const edit = { do: 'edit-keywords', value: ['mine'] };
  const { keywords } = after(...ran({ keywords: ['k'] }), edit, ...ran({ keywords: ['other'] })).fields;
  assert.deepEqual(keywords.value, ['mine']);
  assert.deepEqual(keywords.offer, ['other']);
});

test('the same text again is told as such', () => {
  assert.equal(after(...ran({ title: 'T' }), ...ran({ title: 'T' })).fields.title.unchanged, true);
  assert.equal(after(...ran({ title: 'T' }), ...ran({ title: 'U' })).fields.title.unchanged, false);
});

test('an edited alt text is kept, its neighbour is renewed', () => {
  const edit = { do: 'edit-alt', id: 'one', text: 'Mine.' };
  const renewed = ALTS.map((alt) => ({ ...alt, text: 'New.' }));
  const { value } = after(...ran({ alt_texts: ALTS }), edit, ...ran({ alt_texts: renewed })).fields.alt_texts;
  assert.deepEqual(
    value.map(({ text }) => text),
    ['Mine.', 'New.'],
  );
});

test('a decorative picture is applied with an empty alt text', () => {
  const decorative = { do: 'edit-alt', id: 'two', decorative: true };
  const state = after(...ran({ alt_texts: ALTS }), decorative);
  assert.deepEqual(selected(state).alt_texts, { one: 'A chart.', two: '' });
});

test('a picture that has an alt text in the host keeps it unless it is accepted', () => {
  const state = after(...ran({ alt_texts: ALTS }, { alt_texts: { one: 'There already' } }));
  assert.deepEqual(selected(state).alt_texts, { two: 'A line.' });
  const both = reduce(state, { do: 'accept-alt', id: 'one', on: true });
  assert.deepEqual(selected(both).alt_texts, { one: 'A chart.', two: 'A line.' });
});

test('a field that is missing from the answer has failed, the others stay', () => {
  const state = after(read(), start('title', 'summary'), finish({ title: 'T' }));
  assert.equal(state.fields.title.status, 'ready');
  assert.equal(state.fields.summary.status, 'failed');
  assert.equal(state.fields.summary.error.code, 'engine_output');
  assert.equal(state.partly.code, 'engine_output');
});

test('an engine that stops midway leaves what came and says what did not', () => {
  const stopped = [read(), start('title', 'summary'), field('title', 'T'), fail(error('engine_failed'))];
  const state = after(...stopped);
  assert.equal(state.fields.title.status, 'ready');
  assert.equal(state.fields.summary.status, 'failed');
  assert.equal(state.partly.code, 'engine_failed');
  assert.equal(state.refusal, undefined);
});

test('a failed run leaves the values of the run before', () => {
  const state = after(...ran({ title: 'T' }), start('title'), delta('title', 'N'), fail(error('internal')));
  assert.equal(state.fields.title.value, 'T');
  assert.equal(state.refusal.error.code, 'internal');
});

test('a refusal counts down to one try by itself, where waiting helps', () => {
  const cases = [
    [error('rate_limited', { retry_after_ms: 24_000 }), true, 25_000, true],
    [error('overloaded', { retry_after_ms: 2_000 }), true, 3_000, true],
    [error('rate_limited', { retry_after_ms: 24_000 }), false, 25_000, false],
    [error('rate_limited'), true, undefined, false],
    [error('budget_used_up', { retry_after_ms: 9_000 }), true, 10_000, false],
    [error('token_expired'), true, undefined, false],
  ];
  for (const [failure, automatic, retryAt, expected] of cases) {
    const { refusal, run } = after(read(), start('title'), fail(failure, automatic));
    assert.equal(run, undefined);
    assert.deepEqual([refusal.retryAt, refusal.automatic], [retryAt, expected], failure.code);
  }
});

test('the writer need not wait', () => {
  const limited = fail(error('rate_limited', { retry_after_ms: 24_000 }));
  const { refusal } = after(read(), start('title'), limited, { do: 'hold' });
  assert.equal(refusal.automatic, false);
  assert.equal(refusal.retryAt, 25_000);
});

test('a draft is shown apart, and taken over only when asked for', () => {
  const drafted = after(read({ title: 'Mine' }), { do: 'drafted', draft: DRAFT });
  assert.equal(drafted.fields.title.status, 'absent');
  const taken = reduce(drafted, { do: 'take-draft' });
  assert.equal(taken.fields.title.value, 'Draft title');
  assert.equal(taken.fields.title.accepted, false);
  assert.equal(taken.fields.slug.accepted, true);
  assert.equal(taken.fields.summary.status, 'absent');
  assert.equal(taken.facts.source, 'device');
});

test('the draft of an emptied post is gone', () => {
  const emptied = read({}, { content: '', format: 'text', images: [] });
  assert.equal(after(read(), { do: 'drafted', draft: DRAFT }, emptied).draft, undefined);
});

test('what is applied is what is accepted and there', () => {
  const values = { title: 'T', meta_description: 'D', keywords: ['k'], slug: 's' };
  const state = after(...ran(values), { do: 'accept', field: 'slug', on: false });
  assert.deepEqual(selected(state), { title: 'T', meta_description: 'D', keywords: ['k'] });
  assert.deepEqual(selected(after(read(), start('title'), delta('title', 'T'))), {});
});

test('structured data carry the writer’s words', () => {
  const graph = { 'og:title': 'T', 'og:type': 'article' };
  const edit = { do: 'edit', field: 'title', value: 'Mine' };
  const state = after(...ran({ title: 'T', open_graph: graph }), edit);
  assert.deepEqual(structured(state, 'open_graph'), { 'og:title': 'Mine', 'og:type': 'article' });
});

test('undo is offered while the host has it', () => {
  const applied = after(...ran({ title: 'T' }), { do: 'applied', fields: 1, host: { title: 'T' } });
  assert.deepEqual(applied.applied, { fields: 1, undoable: true });
  assert.deepEqual(reduce(applied, { do: 'undo-gone' }).applied, { fields: 1, undoable: false });
  const undone = reduce(applied, { do: 'undone', host: {} });
  assert.equal(undone.applied, undefined);
  assert.deepEqual(undone.host, {});
});

test('warnings stand at their field and go with the next run', () => {
  const warnings = [{ code: 'field_shortened', field: 'title', detail: '' }];
  const state = after(...ran({ title: 'T', warnings }));
  assert.deepEqual(state.fields.title.notes, ['field_shortened']);
  assert.deepEqual(reduce(state, start('title')).fields.title.notes, []);
});

test('an answer without words leaves its field empty, unselected, with the reason', () => {
  const blank = { title: '', meta_description: ' ', keywords: [], slug: '', summary: '', alt_texts: [] };
  const state = after(...ran(blank));
  for (const name of Object.keys(blank)) {
    const { status, accepted, notes } = state.fields[name];
    assert.deepEqual([status, accepted, notes], ['absent', false, ['field_empty']], name);
  }
  assert.deepEqual(selected(state), {});
});

test('a field that the article is too thin for is empty, not failed', () => {
  const warnings = [{ code: 'field_empty', field: 'summary', detail: '' }];
  const state = after(read(), start('title', 'summary'), finish({ title: 'T', warnings }));
  assert.equal(state.fields.summary.status, 'absent');
  assert.deepEqual(state.fields.summary.notes, ['field_empty']);
});

test('a blank answer takes away nothing that was there', () => {
  const state = after(...ran({ title: 'T' }), ...ran({ title: ' ' }));
  assert.equal(state.fields.title.value, 'T');
  assert.equal(state.fields.title.status, 'ready');
});

test('structured data without a title or a description are not selected', () => {
  const whole = { headline: 'T', description: 'D', '@type': 'BlogPosting' };
  const cases = [
    ['open_graph', { 'og:type': 'article' }, false],
    ['open_graph', { 'og:title': 'T', 'og:type': 'article' }, false],
    ['open_graph', { 'og:title': 'T', 'og:description': 'D' }, true],
    ['json_ld', { ...whole, headline: '' }, false],
    ['json_ld', whole, true],
  ];
  for (const [name, value, expected] of cases)
    assert.equal(after(...ran({ [name]: value })).fields[name].accepted, expected, JSON.stringify(value));
});

test('each arrival is selected by what the host holds then', () => {
  const filled = { title: 'Theirs', alt_texts: { one: 'Theirs.' } };
  const again = after(...ran({ title: 'T', alt_texts: ALTS }), ...ran({ title: 'U', alt_texts: ALTS }, filled));
  assert.equal(again.fields.title.accepted, false);
  assert.deepEqual(selected(again).alt_texts, { two: 'A line.' });
  const meanwhile = after(read(), start('title'), { ...field('title', 'T'), host: { title: 'Typed meanwhile' } });
  assert.equal(meanwhile.fields.title.accepted, false);
  const emptied = after(...ran({ title: 'T' }, { title: 'Theirs' }), ...ran({ title: 'U' }));
  assert.equal(emptied.fields.title.accepted, true);
});

test('what the writer chose is for the texts that were then handed over', () => {
  const chosen = [...ran({ title: 'T' }, { title: 'Old' }), { do: 'accept', field: 'title', on: true }];
  const handed = { do: 'applied', fields: 1, host: { title: 'T' } };
  assert.equal(after(...chosen, ...ran({ title: 'U' }, { title: 'Old' })).fields.title.accepted, true);
  assert.equal(after(...chosen, handed, ...ran({ title: 'U' }, { title: 'T' })).fields.title.accepted, false);
});
