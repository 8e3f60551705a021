// A picture's source may take for ever; the caller's patience does not.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Bridge } from '../dist/bridge.js';

const bridge = () =>
  new Bridge({ endpoint: '/nowhere', token: () => Promise.reject(new Error('no token here')) }, () => {
    throw new Error('no worker is needed');
  });
const code = (promise) =>
  promise.then(
    () => 'done',
    (error) => error.code,
  );
const endless = { id: 'slow', source: () => new Promise(() => {}) };

test('an abort ends a call whose picture has not come yet', async () => {
  const stop = new AbortController();
  const told = [];
  const source = (signal) => (told.push(signal), endless.source());
  const running = code(bridge().prepare([{ id: 'slow', source }], { signal: stop.signal }));
  await Promise.resolve();
  stop.abort();
  assert.equal(await running, 'aborted');
  assert.deepEqual(told, [stop.signal], 'the source is told of the abort too');
});

test('so does dispose', async () => {
  const whole = bridge();
  const running = code(whole.prepare([endless]));
  await Promise.resolve();
  whole.dispose();
  assert.equal(await running, 'aborted');
});

test('a film is refused before it is read, with the bound of this side', async () => {
  const film = { size: 3_000_000_000, arrayBuffer: () => assert.fail('it is not read') };
  const error = await bridge()
    .prepare([{ id: 'film', source: film }])
    .catch((error) => error);
  assert.deepEqual([error.code, error.image, error.limit], ['image_too_large', 'film', 64 << 20]);
});
