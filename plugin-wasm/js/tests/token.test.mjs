import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenHolder } from '../dist/token.js';

/** Gives `t1`, `t2`, ... that live for a minute; notes why it was asked. */
function site() {
  const asked = [];
  const clock = { now: 1_000_000 };
  const ask = async ({ reason }) => ({ token: `t${asked.push(reason)}`, expires_at: clock.now + 60_000 });
  return { asked, clock, holder: new TokenHolder(ask, () => clock.now) };
}

test('a token is kept while it is good', async () => {
  const { asked, clock, holder } = site();
  assert.equal(await holder.get('first'), 't1');
  clock.now += 54_000;
  assert.equal(await holder.get('first'), 't1');
  assert.deepEqual(asked, ['first']);
});

test('one that would expire on the way is renewed before', async () => {
  const { asked, clock, holder } = site();
  await holder.get('first');
  clock.now += 56_000;
  assert.equal(await holder.get('first'), 't2');
  assert.deepEqual(asked, ['first', 'expired']);
});

test('one that the server refused is not used again', async () => {
  const { asked, holder } = site();
  await holder.get('first');
  assert.equal(await holder.get('refused'), 't2');
  assert.equal(await holder.get('first'), 't2');
  assert.deepEqual(asked, ['first', 'refused']);
});

test('an answer without a token is an error, and the next call asks again', async () => {
  const answers = [{}, undefined, { token: 'good', expires_at: Infinity }];
  const holder = new TokenHolder(
    async () => answers.shift(),
    () => 0,
  );
  await assert.rejects(holder.get('first'), /gave no token/);
  await assert.rejects(holder.get('first'), /gave no token/);
  assert.equal(await holder.get('first'), 'good');
});

test('the signal of the call reaches the host', async () => {
  const { signal } = new AbortController();
  const seen = [];
  const holder = new TokenHolder(
    async (why) => (seen.push(why), { token: 't', expires_at: 0 }),
    () => 0,
  );
  await holder.get('first', signal);
  assert.deepEqual(seen, [{ reason: 'first', signal }]);
});
