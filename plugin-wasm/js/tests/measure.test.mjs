// Lengths as the server counts them, and how a text is cut.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytes, cut, lengthOf, level } from '../dist/element/measure.js';

test('characters are counted, full-width ones as one and the others as half where the language is wide', () => {
  const cases = [
    ['PostgreSQL', false, 10],
    ['', true, 0],
    ['一二三', true, 3],
    ['一二三', false, 3],
    ['用 SQL', true, 3],
    ['a', true, 1],
    ['，。！', true, 3],
    ['한글', true, 2],
    ['👍', false, 1],
    ['𠮷', true, 1],
  ];
  for (const [text, wide, expected] of cases) assert.equal(lengthOf(text, wide), expected, `${text}, wide: ${wide}`);
});

test('a bound is near from nine tenths on and over when passed', () => {
  const cases = [
    [53, 'ok'],
    [54, 'near'],
    [60, 'near'],
    [61, 'over'],
  ];
  for (const [value, expected] of cases) assert.equal(level(value, 60), expected, String(value));
});

test('a text is cut at a word’s end, Chinese between any two characters', () => {
  const width = (text) => [...text].length;
  const cases = [
    ['short', 10, 'short'],
    ['one two three', 10, 'one two …'],
    ['one, two three', 7, 'one …'],
    ['unbreakable', 6, 'unbr …'],
    ['一二三四五六七八', 6, '一二三四 …'],
  ];
  for (const [text, max, expected] of cases) assert.equal(cut(text, max, width), expected, text);
});

test('no cut text is wider than its place', () => {
  const width = (text) => [...text].length;
  const text = 'Ask a team how fast its service is, and you will hear an average; 平均数不说明问题。';
  for (let max = 4; max < 70; max += 1) assert.ok(width(cut(text, max, width)) <= max, String(max));
});

test('sizes are told as a person says them', () => {
  const cases = [
    [1, 'en', '1 KB'],
    [98_304, 'en', '96 KB'],
    [3_250_585, 'en', '3.1 MB'],
    [3_250_585, 'de', '3,1 MB'],
  ];
  for (const [count, locale, expected] of cases) assert.equal(bytes(count, locale), expected);
});
