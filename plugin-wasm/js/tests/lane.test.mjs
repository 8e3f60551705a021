import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lane } from '../dist/lane.js';
import { SmartSummaryError } from '../dist/error.js';

/** Workers that answer when the test says so. */
function workshop() {
  const workers = [];
  const spawn = () => {
    const worker = { heard: [], ended: false, terminate: () => (worker.ended = true) };
    worker.postMessage = (message) => worker.heard.push(message);
    worker.say = (message) => worker.onmessage({ data: message });
    worker.jobs = () => worker.heard.filter(({ say }) => say === 'do').map(({ call }) => call);
    workers.push(worker);
    return worker;
  };
  return { workers, spawn };
}
const load = { kind: 'load', part: 'core' };
const code = (promise) =>
  promise.then(
    () => 'done',
    (error) => (assert.ok(error instanceof SmartSummaryError), error.code),
  );

test('no worker is made before the first call', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  assert.equal(workers.length, 0);
  const answer = lane.run(load);
  workers[0].say({ call: 1, say: 'done', answer: 'here' });
  assert.equal(await answer, 'here');
});

test('no more than its width is with the worker, in the order of the calls', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 2);
  const all = [1, 2, 3].map(() => lane.run(load));
  assert.deepEqual(workers[0].jobs(), [1, 2]);
  workers[0].say({ call: 2, say: 'done', answer: null });
  assert.deepEqual(workers[0].jobs(), [1, 2, 3]);
  workers[0].say({ call: 1, say: 'done', answer: null });
  workers[0].say({ call: 3, say: 'failed', error: { code: 'not_an_image', message: 'no' } });
  assert.deepEqual(await Promise.all(all.map(code)), ['done', 'done', 'not_an_image']);
  assert.equal(lane.load, 0);
});

test('an aborted call is answered at once and keeps its place until the worker lets go', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  const stop = new AbortController();
  const first = code(lane.run(load, { signal: stop.signal }));
  const second = code(lane.run(load));
  stop.abort();
  assert.equal(await first, 'aborted');
  assert.deepEqual(workers[0].heard.at(-1), { call: 1, say: 'abort' });
  assert.deepEqual(workers[0].jobs(), [1]);
  workers[0].say({ call: 1, say: 'failed', error: { code: 'aborted', message: '' } });
  assert.deepEqual(workers[0].jobs(), [1, 2]);
  workers[0].say({ call: 2, say: 'done', answer: null });
  assert.equal(await second, 'done');
});

test('a worker that does not stop is replaced', async ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  const stop = new AbortController();
  const first = code(lane.run(load, { signal: stop.signal }));
  const second = code(lane.run(load));
  stop.abort();
  assert.equal(await first, 'aborted');
  mock.timers.tick(1_999);
  assert.equal(workers.length, 1);
  mock.timers.tick(1);
  assert.ok(workers[0].ended);
  workers[1].say({ call: 2, say: 'done', answer: null });
  assert.equal(await second, 'done');
});

test('a waiting call that is aborted never reaches the worker', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  const stop = new AbortController();
  void lane.run(load);
  const second = code(lane.run(load, { signal: stop.signal }));
  stop.abort();
  assert.equal(await second, 'aborted');
  workers[0].say({ call: 1, say: 'done', answer: null });
  assert.deepEqual(workers[0].jobs(), [1]);
});

test('a trap answers the call it had; those that wait go on with a new worker', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  const first = code(lane.run(load));
  const second = code(lane.run(load));
  workers[0].say({ call: 1, say: 'trapped', message: 'unreachable' });
  assert.equal(await first, 'worker_failed');
  assert.ok(workers[0].ended);
  workers[1].say({ call: 2, say: 'done', answer: null });
  assert.equal(await second, 'done');
});

test('a worker that cannot be made fails its call only', async () => {
  const { workers, spawn } = workshop();
  let broken = true;
  const lane = new Lane(() => {
    if (broken) throw new Error('blocked by policy');
    return spawn();
  }, 1);
  assert.equal(await code(lane.run(load)), 'worker_failed');
  broken = false;
  const next = code(lane.run(load));
  workers[0].say({ call: 2, say: 'done', answer: null });
  assert.equal(await next, 'done');
});

test('a token goes to the call that asked, and a host that fails is heard', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 2);
  const asked = [];
  void lane.run(load, { token: async (reason) => (asked.push(reason), 'secret') });
  void lane.run(load, { token: () => Promise.reject(new Error('signed out')) });
  workers[0].say({ call: 1, say: 'token', reason: 'first' });
  workers[0].say({ call: 2, say: 'token', reason: 'first' });
  await new Promise(setImmediate);
  assert.deepEqual(asked, ['first']);
  assert.deepEqual(workers[0].heard.slice(2), [
    { call: 1, say: 'token', token: 'secret' },
    { call: 2, say: 'no_token', message: 'signed out' },
  ]);
});

test('stopping rejects all and ends the worker', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  const all = [lane.run(load), lane.run(load)].map(code);
  lane.stop(new SmartSummaryError({ code: 'aborted', message: 'disposed' }));
  assert.deepEqual(await Promise.all(all), ['aborted', 'aborted']);
  assert.ok(workers[0].ended);
  assert.equal(workers.length, 1);
});

test('a worker that says nothing is taken for dead, and the next call has a new one', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1, 20);
  const silent = code(lane.run(load));
  const next = code(lane.run(load));
  assert.equal(await silent, 'worker_failed');
  assert.deepEqual([workers[0].ended, workers[1].jobs()], [true, [2]]);
  workers[1].say({ call: 2, say: 'done', answer: null });
  assert.equal(await next, 'done');
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.equal(workers[1].ended, false, 'an answered call is waited for no more');
});

test('a worker that dies answers its call, and what it says later is not heard', async () => {
  const { workers, spawn } = workshop();
  const lane = new Lane(spawn, 1);
  const lost = code(lane.run(load));
  workers[0].onerror({ message: 'gone', preventDefault: () => {} });
  assert.equal(await lost, 'worker_failed');
  assert.deepEqual([workers[0].onmessage, workers[0].onmessageerror, workers[0].onerror], [null, null, null]);
  const unread = code(lane.run(load));
  workers[1].onmessageerror();
  assert.equal(await unread, 'worker_failed');
});
