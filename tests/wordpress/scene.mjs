// What a file of tests of one administrator begins and ends with: importing it brings up a browser, a server that WordPress
// is told of, and somebody who has signed in; at the end all of it goes, and PHP must have had nothing to complain about.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Person, launch } from './pages.mjs';
import { complaints } from './site.mjs';
import { world } from './world.mjs';

// Bound anew before the first test.
export let browser, admin, place;
before(async () => {
  [browser, place] = await Promise.all([launch(), world()]);
  admin = await Person.signIn(browser, 'admin');
});
after(async () => {
  await admin?.close();
  await browser?.close();
  await place?.backend.stop();
  assert.deepEqual(complaints(), [], 'PHP has nothing to complain about');
});
