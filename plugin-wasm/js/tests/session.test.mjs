// What the panel does over time, with an editor and a backend whose answers come when the test says so.

import assert from 'node:assert/strict';
import { setImmediate as settle } from 'node:timers/promises';
import { test } from 'node:test';

import { en } from '../dist/element/messages/en.js';
import { Session } from '../dist/element/session.js';

const SUMMARY = {
  id: 'x',
  language: 'en',
  engine: 'glm4v',
  model: 'M',
  cached: false,
  warnings: [],
  timings: { queue: 0, prefill: 0, decode: 0, total: 1 },
};
const picture = (name) => ({ id: name, filename: `${name}.jpg`, source: new Blob([name]) });

/** A session with its surroundings. `summarize` of the client answers by `answers`, call by call. */
function stage({ post = {}, host = {}, target } = {}) {
  const editor = { content: 'Rye bread needs time.', format: 'text', images: [], ...post };
  const calls = [];
  const said = [];
  const applied = [];
  const client = {
    load: async () => undefined,
    draft: async () => ({ language: 'en', title: 'Draft', meta_description: '', keywords: [], slug: '', summary: '' }),
    ground: async () => ({}),
    prepare: async (images) => images.map(({ id }) => ({ id, blob: new Blob([id]), removed: [], warnings: [] })),
    summarize: (sent, options) =>
      new Promise((resolve, reject) => {
        calls.push({ sent, options, resolve: (values) => resolve({ ...SUMMARY, ...values }), reject });
        options.signal.addEventListener('abort', () => reject({ code: 'aborted', message: '' }));
      }),
  };
  const adapter = {
    read: () => ({ ...editor }),
    current: () => ({ ...host }),
    apply: (values) => {
      applied.push(values);
      Object.assign(host, values);
      return { undo: () => undefined };
    },
    onChange: () => () => undefined,
  };
  const session = new Session({
    client: () => client,
    adapter: () => adapter,
    messages: () => en,
    target: () => target,
    render: () => undefined,
    announce: (text) => said.push(text),
    emit: () => undefined,
  });
  session.attach(adapter);
  return { session, editor, host, adapter, client, calls, said, applied };
}

/** A whole run that answers with these values. */
async function run({ session, calls }, values, fields = Object.keys(values)) {
  const done = session.run(fields);
  await settle();
  calls.at(-1).resolve(values);
  await done;
}

test('title and description are asked for the place that the host names, and for none where it names none', async () => {
  const baidu = stage({ target: 'baidu' });
  await run(baidu, { title: 'Rye' });
  assert.deepEqual(baidu.calls[0].options.limits, { target: 'baidu' });
  const none = stage();
  await run(none, { title: 'Rye' });
  assert.equal(none.calls[0].options.limits, undefined);
});

test('what was measured on the prepared pictures counts for the draft, also for one that was made before', async () => {
  const the = stage({ post: { images: [picture('a')] } });
  const seen = [];
  const made = await the.client.draft();
  the.client.draft = async (post, { prepared }) => (seen.push(prepared.map(({ id }) => id)), made);
  the.session.intent();
  await settle();
  await the.session.prepare();
  await settle();
  assert.deepEqual(seen, [[], ['a']]);
});

test('another post begins with an empty panel', async () => {
  const the = stage({ post: { id: 'one', images: [picture('a')] } });
  await run(the, { title: 'Of the first post', alt_texts: [{ id: 'a', text: 'A loaf.', decorative: false }] });
  the.session.dispatch({ do: 'edit', field: 'title', value: 'Mine' });
  await the.session.apply();
  Object.assign(the.editor, { id: 'two', images: [picture('a')] });
  await run(the, { summary: 'Of the second post' });
  const { fields, applied, pictures } = the.session.state;
  assert.equal(fields.title.status, 'absent');
  assert.equal(fields.title.value, undefined);
  assert.equal(fields.summary.value, 'Of the second post');
  assert.equal(applied, undefined);
  assert.equal(pictures[0].altEdited, false);
  await the.session.apply();
  assert.deepEqual(the.applied.at(-1), { summary: 'Of the second post' }, 'nothing of the first post is applied');
});

test('a run for a post that has gone is stopped, and what comes late is dropped', async () => {
  const the = stage({ post: { id: 'one' } });
  const first = the.session.run(['title']);
  await settle();
  the.session.reset();
  assert.equal(the.calls[0].options.signal.aborted, true);
  the.calls[0].options.onField('title', 'Late');
  the.calls[0].resolve({ title: 'Late' });
  await first;
  assert.equal(the.session.state.fields.title.status, 'absent');
  assert.equal(the.session.running, false);
});

test('a picture that was left out of one post is sent with the next', async () => {
  const the = stage({ post: { id: 'one', images: [picture('a'), picture('b')] } });
  const first = the.session.run();
  await settle();
  the.calls[0].reject({ code: 'image_too_large', message: '', image: 'a', status: 413 });
  await first;
  the.session.leaveOut('a');
  await settle();
  assert.deepEqual(
    the.calls[1].sent.images.map(({ id }) => id),
    ['b'],
  );
  the.session.reset();
  const next = the.session.run();
  await settle();
  assert.deepEqual(
    the.calls[2].sent.images.map(({ id }) => id),
    ['a', 'b'],
  );
  the.session.stop();
  await next;
});

test('a post that gets its id when it is saved is the same post', async () => {
  const the = stage();
  await run(the, { title: 'Kept' });
  the.editor.id = 'now-saved';
  await run(the, { summary: 'More' });
  assert.equal(the.session.state.fields.title.value, 'Kept');
});

test('a slow editor’s old answer does not bring an old post back', async () => {
  const the = stage({ post: { id: 'one' } });
  the.session.intent();
  await settle();
  const answers = [];
  the.adapter.read = () => new Promise((resolve) => answers.push(resolve));
  const first = the.session.run(['title']);
  the.session.reset();
  const second = the.session.run(['title']);
  answers[2]({ ...the.editor, id: 'two', content: 'The second post.' });
  answers[0]({ ...the.editor, id: 'one', content: 'The first post.' });
  answers[1]({ ...the.editor, id: 'one', content: 'The first post.' });
  await settle();
  assert.deepEqual(
    the.calls.map(({ sent }) => sent.content),
    ['The second post.'],
  );
  the.calls[0].resolve({ title: 'Of the second' });
  await Promise.all([first, second]);
  assert.equal(the.session.state.fields.title.value, 'Of the second');
});

test('a post that is too thin for a summary is not announced as summarised', async () => {
  const the = stage({ post: { content: 'a' } });
  await run(the, { title: '', meta_description: '', summary: ' ' });
  assert.equal(the.said.at(-1), 'The article does not hold enough for a summary.');
  const some = stage();
  await run(some, { title: 'Rye', summary: ' ' });
  assert.equal(some.said.at(-1), 'Summary ready: title.');
});

test('of more pictures than are taken the first are sent, and the others are named before any is prepared', async () => {
  const the = stage({ post: { images: [...'abcdefghij'].map(picture) } });
  const done = the.session.run();
  await settle();
  assert.equal(the.calls[0].sent.images.map(({ id }) => id).join(''), 'abcdefgh');
  const stages = () => the.session.state.pictures.map(({ stage }) => stage[0]).join('');
  assert.equal(stages(), 'iiiiiiiirr');
  the.calls[0].options.onProgress({ stage: 'uploading' });
  assert.equal(the.said.at(-1), '2 pictures are not sent: i.jpg, j.jpg.');
  the.calls[0].resolve({ title: 'T' });
  await done;
  the.editor.images = the.editor.images.slice(1);
  await run(the, { title: 'U' });
  assert.equal(the.calls[1].sent.images.map(({ id }) => id).join(''), 'bcdefghi');
  assert.equal(stages(), 'iiiiiiiir');
});

test('a server that takes fewer pictures is sent fewer', async () => {
  const the = stage({ post: { images: [...'abc'].map(picture) } });
  const first = the.session.run();
  await settle();
  the.calls[0].reject({ code: 'too_many_images', message: '', status: 413, problem: { limit: 2 } });
  await first;
  the.session.fewer();
  await settle();
  assert.equal(the.calls[1].sent.images.map(({ id }) => id).join(''), 'ab');
  the.session.stop();
});

test('a post that a model cannot hold is sent by halves, and the next post whole again', async () => {
  const images = [...'abcd'].map(picture);
  const the = stage({ post: { content: 'Rye bread. '.repeat(400), images } });
  const full = { code: 'content_too_long', message: '', status: 413, problem: { code: 'content_too_long' } };
  const sent = [];
  for (const step of [0, 1, 2]) {
    if (step === 0) void the.session.run();
    else the.session.shorten();
    await settle();
    const post = the.calls[step].sent;
    sent.push([post.content.length, post.images.length]);
    the.calls[step].reject(full);
    await settle();
    assert.equal(the.session.state.refusal.error.code, 'content_too_long');
  }
  assert.deepEqual(
    sent.map(([, images]) => images),
    [4, 2, 1],
  );
  assert.equal(sent[0][0], 4400);
  assert.ok(sent[1][0] > 2000 && sent[1][0] <= 2200, String(sent[1][0]));
  assert.ok(sent[2][0] > 900 && sent[2][0] <= 1100, String(sent[2][0]));
  the.session.reset();
  void the.session.run();
  await settle();
  assert.deepEqual([the.calls[3].sent.content.length, the.calls[3].sent.images.length], [4400, 4]);
  the.session.stop();
});

test('an article that is too long is refused before anything is prepared, and its beginning can be used', async () => {
  const the = stage({ post: { content: 'Rye bread. '.repeat(20_000) } });
  await the.session.run();
  assert.equal(the.calls.length, 0);
  assert.equal(the.session.state.refusal.error.code, 'content_too_long');
  assert.equal(the.session.state.chars, 220_000);
  the.session.shorten();
  await settle();
  assert.equal(the.calls.length, 1);
  assert.ok(the.calls[0].sent.content.length <= 200_000);
  the.session.stop();
});

test('a wait that the client makes by itself is told with its reason and counted down', async () => {
  const the = stage();
  const done = the.session.run();
  await settle();
  const { options } = the.calls[0];
  assert.ok(options.retry.max_wait_ms < 3000, 'a longer wait is told as a refusal');
  options.onProgress({ stage: 'retrying', after_ms: 9000, attempt: 2, error: { code: 'rate_limited', message: '' } });
  const { run: waiting } = the.session.state;
  assert.equal(waiting.error.code, 'rate_limited');
  assert.ok(waiting.retryAt > Date.now() + 8000 && waiting.retryAt <= Date.now() + 9000);
  the.session.stop();
  await done;
});
