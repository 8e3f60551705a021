// What the panel says, in every language: no word is missing, and no refusal is without its one action.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { en } from '../dist/element/messages/en.js';
import { messagesFor } from '../dist/element/messages/index.js';
import { zh } from '../dist/element/messages/zh.js';
import { actionLabel, actionOf, reasonOf, wordsOf } from '../dist/element/refusal.js';
import { initial } from '../dist/element/state.js';
import { SmartSummaryError } from '../dist/error.js';
import { CODES } from '../dist/generated/api.js';

const LANGUAGES = [en, zh];
const CLIENT_CODES = ['aborted', 'offline', 'token_failed', 'worker_failed', 'protocol'];
const STATE = { ...initial(), pictures: [{ id: 'one', name: 'hero.jpg' }] };

const problem = (code, more = {}) =>
  new SmartSummaryError({
    code,
    message: 'the engine is not offered here',
    status: CODES[code],
    problem: CODES[code] && { code, status: CODES[code], detail: 'the engine is not offered here' },
    ...more,
  });
const action = (error, automatic = false) => actionOf({ error, automatic });

/** Every text and every function of a message file, by its path. */
function* entries(messages, path = '') {
  for (const [key, value] of Object.entries(messages)) {
    if (typeof value === 'object') yield* entries(value, `${path}${key}.`);
    else yield [`${path}${key}`, value];
  }
}

test('every language has the same words, and none is empty', () => {
  const keys = (messages) => [...entries(messages)].map(([key]) => key).sort();
  assert.deepEqual(keys(zh), keys(en));
  for (const messages of LANGUAGES) {
    for (const [key, value] of entries(messages)) {
      if (typeof value === 'string') assert.notEqual(value.trim(), '', `${messages.tag}: ${key}`);
    }
  }
});

test('no words cry out', () => {
  for (const messages of LANGUAGES) {
    for (const [key, value] of entries(messages)) assert.doesNotMatch(String(value), /[^=!]![^=]|！/, key);
  }
});

for (const messages of LANGUAGES) {
  test(`every code has words and one action (${messages.tag})`, () => {
    for (const code of [...Object.keys(CODES), ...CLIENT_CODES]) {
      const error = problem(code);
      const words = wordsOf(error, messages, STATE);
      assert.match(words, /\S/, code);
      assert.doesNotMatch(words, /undefined|null|NaN/, code);
      for (const automatic of [true, false]) {
        assert.match(actionLabel(action(error, automatic), messages), /\S/, code);
      }
    }
  });
}

test('what can be done is told by the code', () => {
  const picture = { image: 'one' };
  const cases = [
    ['token_expired', {}, 'sign-in'],
    ['credentials_missing', {}, 'sign-in'],
    ['scope_missing', {}, 'close'],
    ['origin_refused', {}, 'close'],
    ['image_too_large', picture, 'leave-out'],
    ['unsupported_image', picture, 'leave-out'],
    ['image_broken', picture, 'leave-out'],
    ['content_too_long', {}, 'shorten'],
    ['too_many_images', {}, 'fewer'],
    ['rate_limited', {}, 'again'],
    ['engine_failed', {}, 'again'],
    ['offline', {}, 'again'],
  ];
  for (const [code, more, expected] of cases) assert.equal(action(problem(code, more)), expected, code);
  assert.equal(action(problem('rate_limited'), true), 'hold');
});

test('an error that this side made without an answer is told by its code alone', () => {
  const error = new SmartSummaryError({ code: 'image_too_large', message: '', image: 'one' });
  assert.equal(action(error), 'leave-out');
  assert.equal(wordsOf(error, en, STATE), 'hero.jpg is too large; at most 5 MB are taken.');
  assert.equal(wordsOf(error, zh, STATE), 'hero.jpg 太大，最多 5 MB。');
});

test('a picture is called by its name, and its limit is the server’s', () => {
  const detail = { code: 'too_many_pixels', status: 413, detail: '', limit: 12_000_000 };
  const error = problem('too_many_pixels', { image: 'one', problem: detail });
  assert.equal(wordsOf(error, en, STATE), 'hero.jpg has too many pixels; at most 12,000,000 are taken.');
  assert.equal(wordsOf(problem('not_an_image'), en, STATE), 'A picture is not a JPEG, PNG, WebP or GIF.');
});

test('without a connection the draft is pointed to, if there is one', () => {
  assert.equal(wordsOf(problem('offline'), en, STATE), 'No connection.');
  const drafted = { ...STATE, draft: { title: 'T' } };
  assert.equal(wordsOf(problem('offline'), en, drafted), 'No connection. The draft below was made on this device.');
});

test('numbers bend their words', () => {
  const cases = [
    [en.applied(1), 'Applied 1 field.'],
    [en.applied(5), 'Applied 5 fields.'],
    [en.altTexts(1), '1 alt text'],
    [en.altTexts(3), '3 alt texts'],
    [en.partly('Summary, JSON-LD'), 'Summary, JSON-LD did not come.'],
    [en.tooManyImages(1), 'At most 1 picture is taken at once.'],
    [en.tooManyImages(8), 'At most 8 pictures are taken at once.'],
    [zh.applied(1), '已应用 1 项。'],
    [zh.altTexts(3), '3 条替代文本'],
  ];
  for (const [said, expected] of cases) assert.equal(said, expected);
});

test('a place in the queue is said in words, never bare', () => {
  const cases = [
    [en.queued(3, 4000), 'Third in line, about 4 s.'],
    [en.queued(1), 'First in line.'],
    [en.queued(12, 800), 'Number 12 in line, about 1 s.'],
    [zh.queued(3, 4000), '排在第 3 位，约 4 秒。'],
  ];
  for (const [said, expected] of cases) assert.equal(said, expected);
});

test('a long wait is told in minutes and hours', () => {
  const cases = [
    [en.againIn(24_000), 'Again in 24 s.'],
    [en.againIn(200), 'Again in 1 s.'],
    [en.againIn(600_000), 'Again in 10 min.'],
    [en.againIn(5 * 3_600_000), 'Again in 5 h.'],
    [zh.againIn(24_000), '24 秒后再试。'],
  ];
  for (const [said, expected] of cases) assert.equal(said, expected);
});

test('a language without words of its own is spoken to in English', () => {
  const cases = { zh, 'zh-Hans': zh, 'zh-CN': zh, en, 'en-GB': en, de: en, '': en };
  for (const [tag, messages] of Object.entries(cases)) assert.equal(messagesFor(tag), messages, tag);
});

test('a picture that is not sent has a reason and what to do', () => {
  const cases = [
    [
      { code: 'unsupported_image', message: 'HEIC is not read here; save the picture as JPEG' },
      'HEIC is not read here; save it as JPEG.',
    ],
    [{ code: 'unsupported_image', message: 'SVG is not read; send JPEG' }, 'SVG is not read here; save it as JPEG.'],
    [{ code: 'unsupported_image', message: '' }, 'This kind of file is not read here; save it as JPEG.'],
    [{ code: 'too_many_pixels', message: '' }, 'Too many pixels; save it with at most 40,000,000.'],
    [{ code: 'image_broken', message: '' }, 'The file cannot be read; open it in an image editor and save it again.'],
    [{ code: 'not_an_image', message: '' }, 'This is not a picture; choose a JPEG, PNG, WebP or GIF.'],
  ];
  for (const [facts, expected] of cases) assert.equal(reasonOf(new SmartSummaryError(facts), en), expected);
  const heic = new SmartSummaryError(cases[0][0]);
  assert.equal(reasonOf(heic, zh), '此处无法读取 HEIC，请另存为 JPEG。');
});

test('an article that is too long is told by how much', () => {
  const long = { ...STATE, chars: 212_345 };
  const error = problem('content_too_long');
  const limited = { problem: { ...error.problem, field: '/article/content', limit: 200_000 } };
  for (const known of [problem('content_too_long', limited), problem('content_too_long', { problem: undefined })]) {
    assert.equal(wordsOf(known, en, long), 'The article is 12,345 characters too long; at most 200,000 are taken.');
    assert.equal(wordsOf(known, zh, long), '文章超出 12,345 字，最多 200,000 字。');
  }
});

test('a model that cannot hold a post does not say how many characters are taken', () => {
  const error = problem('content_too_long');
  const tokens = problem('content_too_long', { problem: { ...error.problem, limit: 900 } });
  for (const full of [error, tokens]) {
    assert.doesNotMatch(wordsOf(full, en, STATE) + wordsOf(full, zh, STATE), /\d/);
    assert.match(wordsOf(full, en, STATE), /beginning.*fewer pictures/);
    assert.equal(action(full), 'shorten');
  }
});
