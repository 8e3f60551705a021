// What a writer sees when something is in the way: slow engines, limits, no connection, refusals.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, openPage } from './page.mjs';
import { startServer } from './server.mjs';

const SLOW = {
  when: 'Ask a team',
  chunk_chars: 3,
  chunk_ms: 60,
  title: 'A title that comes slowly, letter by letter',
  meta_description: 'A description that comes after the title and takes its time as well.',
  keywords: ['slow', 'histograms'],
  slug: 'a-title-that-comes-slowly',
  summary: 'The summary comes last.',
};

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Runs `body` with a server of its own. */
async function withServer(options, body) {
  const server = await startServer(options);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

test('text appears while the engine is still writing', () =>
  withServer({ replies: [SLOW] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.press();
    await demo.page.waitForFunction(() => {
      const root = document.querySelector('smart-summary').shadowRoot;
      return /^A ti/.test(
        root.querySelector('textarea[aria-label="Title"], [part~=fields] textarea')?.value ?? root.textContent,
      );
    });
    assert.equal(await demo.part('facts').isVisible(), false, 'it is not done yet');
    await demo.screenshot('writing');
    await demo.assertAccessible('writing');
    await demo.done();
    assert.equal(await demo.input('Title').inputValue(), SLOW.title);
    await demo.close();
  }));

test('Stop ends the run, on the server too, and the button is back', () =>
  withServer({ replies: [{ ...SLOW, end: 'stall' }] }, async (server) => {
    const demo = await openPage(browser, server);
    const ended = demo.page.waitForEvent('requestfailed', (request) => request.url().endsWith('/v1/summaries'));
    await demo.press();
    await demo.part('stop').waitFor();
    await demo.page.waitForRequest((request) => request.url().endsWith('/v1/summaries')).catch(() => {});
    await demo.part('stop').click();
    await ended;
    await demo.page.waitForFunction(
      () => !document.querySelector('smart-summary').shadowRoot.querySelector('[part~=stop]'),
    );
    await demo.close();
  }));

test('Escape stops a run as well', () =>
  withServer({ replies: [{ ...SLOW, end: 'stall' }] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.button.click({ trial: true });
    await demo.button.focus();
    await demo.page.keyboard.press('Enter');
    await demo.part('stop').waitFor();
    await demo.page.keyboard.press('Escape');
    await demo.page.waitForFunction(
      () => !document.querySelector('smart-summary').shadowRoot.querySelector('[part~=stop]'),
    );
    await demo.close();
  }));

test('without a connection the draft stays, and it is said so', () =>
  withServer({}, async (server) => {
    const demo = await openPage(browser, server);
    await demo.button.hover();
    await demo.part('draft').waitFor();
    await demo.page.context().setOffline(true);
    await demo.press();
    await demo.part('error').waitFor({ timeout: 60_000 });
    assert.match(await demo.part('error').innerText(), /No connection/);
    assert.ok(await demo.part('draft').isVisible());
    await demo.screenshot('offline');
    await demo.assertAccessible('offline');
    await demo.page.context().setOffline(false);
    await demo.run();
    assert.notEqual(await demo.input('Description').inputValue(), '');
    await demo.close();
  }));

test('a used-up quota counts down, and the run then goes on by itself', () =>
  withServer({ settings: ['[tiers.default]', 'requests_per_minute = 20', 'request_burst = 1'] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.run();
    let refusals = 0;
    let asked = 1;
    demo.page.on('response', (response) => {
      if (!response.url().endsWith('/v1/summaries')) return;
      asked += 1;
      if (response.status() === 429) refusals += 1;
    });
    const refused = demo.page.waitForResponse((response) => response.status() === 429);
    await demo.press();
    const answer = await refused;
    assert.ok(Number(answer.headers()['retry-after']) >= 1);
    const told = demo.part('error').getByText(/^Limit reached\. Again in \d+ s\.$/);
    await told.waitFor();
    assert.equal(await demo.part('error').getByRole('alert').innerText(), 'Limit reached.');
    const first = await told.innerText();
    await demo.screenshot('limit');
    await demo.panel
      .getByText(/^Limit reached\. Again in \d+ s\.$/)
      .filter({ hasNotText: first })
      .waitFor();
    assert.equal(refusals, 1, 'it does not ask before the time has come');
    await demo.part('error').waitFor({ state: 'hidden' });
    await demo.done();
    assert.equal(asked, 3, 'it has tried once by itself');
    await demo.close();
  }));

test('an engine that fails is told in words, with one action that tries again', () =>
  withServer({ replies: [{ end: 'failed' }] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.press();
    await demo.part('error').waitFor({ timeout: 90_000 });
    assert.equal(await demo.part('error-action').count(), 1);
    assert.equal((await demo.panel.getByRole('alert').count()) >= 1, true);
    await demo.screenshot('failed');
    await demo.assertAccessible('failed');
    await demo.close();
  }));

test('fields that did not come are named with the reason, said once, and their section is open', () =>
  withServer({ replies: [{ title: 'It came', meta_description: 'This came too.', end: 'failed' }] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.press();
    await demo.part('error').waitFor({ timeout: 90_000 });
    const alert = demo.panel.getByRole('alert').filter({ visible: true });
    assert.equal(await alert.count(), 1, 'one alert');
    assert.match(await alert.innerText(), /^Open Graph, JSON-LD did not come\. The server could not finish this/);
    assert.equal(await demo.input('Title').inputValue(), 'It came');
    assert.ok(await demo.part('field-json_ld').isVisible(), 'the structured section is open');
    assert.equal(await demo.part('code').filter({ visible: true }).count(), 0, 'no empty box');
    await demo.screenshot('part-failed');
    await demo.assertAccessible('part failed');
    await demo.close();
  }));

test('a panicking engine is a clear answer, and the server goes on', () =>
  withServer({ replies: [{ when: 'Ask a team', end: 'panic' }, { title: 'Fine' }] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.press();
    await demo.part('error').waitFor({ timeout: 90_000 });
    await demo.page.selectOption('#sample', 'monastery');
    await demo.run();
    assert.equal(await demo.input('Title').inputValue(), 'Fine');
    await demo.close();
  }));

test('a token that the server does not take is asked for again, and then the writer is', () =>
  withServer({}, async (server) => {
    const demo = await openPage(browser, server);
    let asked = 0;
    await demo.page.route('**/demo/token', (route) => {
      asked += 1;
      return route.fulfill({ json: { token: 'not.a.token', expires_at: Date.now() + 300_000 } });
    });
    await demo.press();
    await demo.part('error').waitFor({ timeout: 60_000 });
    assert.ok(asked >= 2, `the token was asked for ${asked} times`);
    assert.match(await demo.part('error').innerText(), /permission has expired/);
    assert.match(await demo.part('error-action').innerText(), /Sign in again/);
    await demo.screenshot('signed-out');
    await demo.page.unroute('**/demo/token');
    await demo.part('error-action').click();
    await demo.done();
    await demo.close();
  }));

test('a picture that is too large for the server is named with its limit', () =>
  withServer({ settings: ['[intake]', 'max_image_bytes = 2000'] }, async (server) => {
    const demo = await openPage(browser, server);
    await demo.press();
    await demo.part('error').waitFor({ timeout: 60_000 });
    assert.match(await demo.part('error').innerText(), /prometheus-histogram\.png is too large/);
    await demo.part('error-action').click();
    await demo.done();
    assert.notEqual(await demo.input('Description').inputValue(), '', 'the rest is summarised without it');
    await demo.close();
  }));

test('a known answer says that it is cached', () =>
  withServer({}, async (server) => {
    const first = await openPage(browser, server);
    await first.run();
    await first.close();
    const second = await openPage(browser, server);
    await second.run();
    assert.match(await second.part('facts').innerText(), /cached/);
    assert.notEqual(await second.input('Description').inputValue(), '');
    await second.close();
  }));

test('the page keeps its token to itself and holds no key', () =>
  withServer({}, async (server) => {
    const demo = await openPage(browser, server);
    const sent = demo.page.waitForRequest((request) => request.url().endsWith('/v1/summaries'));
    await demo.press();
    const headers = await (await sent).allHeaders();
    await demo.done();
    assert.match(headers['authorization'], /^Bearer eyJ/, 'a token, not a key');
    const kept = await demo.page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    );
    assert.ok(!kept.includes('eyJ') && !kept.includes('ss_live_'));
    await demo.close();
  }));
