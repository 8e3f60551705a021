import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestOf } from '../dist/request.js';

const POST = { content: '<p>Rye</p>', format: 'html', images: [] };
const check = (post, defaults, options, expect) =>
  assert.deepEqual(JSON.parse(JSON.stringify(requestOf(post, post.images, defaults, options))), expect);

test('a post alone is its article', () => {
  check(POST, undefined, undefined, { article: { content: '<p>Rye</p>', format: 'html' }, images: [] });
});

test('empty words are absent', () => {
  check(
    { ...POST, title: '', url: '', language: '' },
    {},
    {},
    { article: { content: '<p>Rye</p>', format: 'html' }, images: [] },
  );
});

test('a post without words has no article', () => {
  check({ ...POST, content: ' \n', title: ' ' }, {}, {}, { images: [] });
  check(
    { ...POST, content: '', title: 'Rye' },
    {},
    {},
    { article: { content: '', format: 'html', title: 'Rye' }, images: [] },
  );
});

test('of a picture only what is said about it is in the request', () => {
  const images = [{ id: 'a', source: new Blob(), filename: 'a.jpg', role: 'decorative' }];
  check(
    { ...POST, images },
    {},
    {},
    {
      article: { content: '<p>Rye</p>', format: 'html' },
      images: [{ id: 'a', filename: 'a.jpg', role: 'decorative' }],
    },
  );
});

test("the call's word goes before the site's, wish by wish", () => {
  const defaults = {
    engine: 'glm4v',
    candidates: 3,
    guidelines: { brand: 'Bread', tone: 'warm' },
    limits: { title_chars: 50 },
  };
  const options = { engine: 'extractive', fields: ['title'], guidelines: { tone: 'factual', audience: undefined } };
  check(POST, defaults, options, {
    article: { content: '<p>Rye</p>', format: 'html' },
    images: [],
    fields: ['title'],
    engine: 'extractive',
    candidates: 3,
    guidelines: { brand: 'Bread', tone: 'factual' },
    limits: { title_chars: 50 },
  });
});

test('neither the post nor the defaults are changed', () => {
  const defaults = Object.freeze({ guidelines: Object.freeze({ brand: 'Bread' }) });
  requestOf(Object.freeze({ ...POST, images: Object.freeze([]) }), [], defaults, { guidelines: { tone: 'warm' } });
});
