// The demo page before the model itself, on a checkpoint of random weights: what it says is nonsense, how it comes is not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, openPage } from './page.mjs';
import { startServer } from './server.mjs';

const model = fileURLToPath(new URL('../../crates/glm4v/tests/fixtures/checkpoint-b', import.meta.url));

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([startServer({ model }), launch()]);
  while ((await fetch(`${server.url}/readyz`)).status !== 200) await new Promise((ready) => setTimeout(ready, 100));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('a model that cannot hold a post is given its beginning, and fills every field', async () => {
  const demo = await openPage(browser, server);
  await demo.press();
  await demo.panel.getByRole('button', { name: 'Use the beginning' }).click({ timeout: 60_000 });
  await demo.done();
  assert.match(await demo.part('facts').innerText(), /EN.*checkpoint-b.*s/s);
  for (const label of ['Title', 'Description', 'Summary']) {
    assert.notEqual(await demo.input(label).inputValue(), '', `${label} is filled`);
  }
  // Characters, as the contract counts them.
  assert.ok([...(await demo.input('Title').inputValue())].length <= 60);
  assert.ok([...(await demo.input('Description').inputValue())].length <= 160);
  const [leftOut] = await demo.part('left-out').allInnerTexts();
  assert.match(leftOut, /prometheus-histogram\.png\s+The model of this server has no room for it beside the text/);
  // Nonsense is marked as such.
  await demo.panel.getByText('Holds words that are not in the article').first().waitFor();
  await demo.screenshot('model');
  await demo.close();
});
