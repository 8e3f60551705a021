// What of a large post is sent.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { beginning, charsOf, chosen } from '../dist/element/choice.js';

const names = (images) => images.map(({ id }) => id).join('');
const images = (letters, decorative = '') =>
  [...letters].map((id) => ({ id, role: decorative.includes(id) ? 'decorative' : 'auto' }));

test('the first pictures are sent, in the post’s order, those that only adorn it last', () => {
  assert.equal(names(chosen(images('abc'), 3)), 'abc');
  assert.equal(names(chosen(images('abcd'), 2)), 'ab');
  assert.equal(names(chosen(images('abcd', 'a'), 2)), 'bc');
  assert.equal(names(chosen(images('abcd', 'ac'), 3)), 'abd');
});

test('characters are code points', () => assert.equal(charsOf({ content: 'a👍字' }), 3));

test('a long text is cut where a block ends, never within a tag or a word', () => {
  const cases = [
    ['<p>One two.</p><p>Three four.</p>', 'html', 25, '<p>One two.</p>'],
    ['One two.\n\nThree four.', 'text', 14, 'One two.\n'],
    ['One two three', 'text', 9, 'One two'],
    ['<p>One two three <a href="x">four</a></p>', 'html', 24, '<p>One two three'],
    ['一二三四五六', 'text', 4, '一二三四'],
    ['short', 'text', 10, 'short'],
  ];
  for (const [content, format, most, expected] of cases) {
    const cut = beginning({ content, format, images: [] }, most);
    assert.equal(cut.content, expected);
    assert.ok(charsOf(cut) <= most);
  }
});
