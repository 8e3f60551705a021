// What a picture's measurements say to the writer.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hintOf } from '../dist/element/view/pictures.js';

const check = (prepared, hint) => assert.equal(hintOf(prepared), hint);

test('a picture that is fine, unmeasured or not prepared has no hint', () => {
  check({ too_soft: false, looks: { exposure: 'good' } }, undefined);
  check({}, undefined);
  check(undefined, undefined);
});

test('a picture that is too soft, too dark or too bright says so, softness first', () => {
  check({ too_soft: true, looks: { exposure: 'dark' } }, 'soft');
  check({ too_soft: false, looks: { exposure: 'dark' } }, 'dark');
  check({ too_soft: false, looks: { exposure: 'bright' } }, 'bright');
});
