// What goes wrong: who may not, what is refused, who is away. And what is told then.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { startBackend } from './backend.mjs';
import { Person, launch, sample } from './pages.mjs';
import { complaints, php } from './site.mjs';
import { connect, makePost, url, world } from './world.mjs';

let browser, admin, place;
before(async () => {
  [browser, place] = await Promise.all([launch(), world()]);
  admin = await Person.signIn(browser, 'admin');
});
after(async () => {
  await admin?.close();
  await browser?.close();
  await place?.backend.stop();
  assert.deepEqual(complaints(), []);
});

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

const mint = (page, post, headers) =>
  page.evaluate(
    async ({ post, headers }) => {
      const body = JSON.stringify({ post });
      const answer = await fetch('/wp-json/smart-summary/v1/token', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body,
      });
      return answer.status;
    },
    { post, headers },
  );

test('a token is given for exactly the post that its user may edit, with a nonce', async () => {
  const { id } = makePost({ title: 'Guarded' });
  const nonce = await admin.page.evaluate(() => wp.apiFetch.nonceMiddleware?.nonce ?? window.wpApiSettings?.nonce);
  assert.equal(await mint(admin.page, id, { 'X-WP-Nonce': 'deadbeef00' }), 403, 'a wrong nonce');
  assert.equal(await mint(admin.page, id, {}), 401, 'no nonce');
  if (nonce) assert.equal(await mint(admin.page, id, { 'X-WP-Nonce': nonce }), 200);
  const statuses = php(`
    $out = array();
    foreach ( array( 'admin', 'author', 'subscriber', '' ) as $login ) {
      wp_set_current_user( $login ? get_user_by( 'login', $login )->ID : 0 );
      $request = new WP_REST_Request( 'POST', '/smart-summary/v1/token' );
      $request->set_param( 'post', ${id} );
      $out[ $login ] = rest_do_request( $request )->get_status();
    }
    return $out;`);
  assert.deepEqual(statuses, { admin: 200, author: 403, subscriber: 403, '': 401 });
});

test('a role that is not chosen has no panel and gets no token', async () => {
  connect(place.backend.url, place.key, { roles: ['administrator'] });
  const { id } = makePost({ title: 'Not for authors', author: 'author' });
  const author = await Person.signIn(browser, 'author');
  await author.openEditor(id);
  assert.equal(await author.page.locator('#smart-summary-editor-js').count(), 0);
  await author.close();
  connect(place.backend.url, place.key);
});

test('a role’s quota counts presses, and the panel says when it is used up', async () => {
  connect(place.backend.url, place.key, { quotas: { author: 2 } });
  const { id } = makePost({ title: 'Two a day', author: 'author' });
  const author = await Person.signIn(browser, 'author');
  await author.openEditor(id);
  await author.openPanel();
  await author.run();
  await author.run();
  await author.part('run').click();
  await author.page.locator('smart-summary').getByText("Today's budget is used up.").waitFor();
  await author.close();
  connect(place.backend.url, place.key);
});

test('the connection test names what is wrong', async () => {
  const { page } = admin;
  const other = place.backend.createKey('summaries:write', url);
  const elsewhere = place.backend.createKey('summaries:write,tokens:write', 'https://elsewhere.example');
  const cases = [
    [place.backend.url, place.key, 'ok', /takes the key/],
    [place.backend.url, other.key, 'scope_missing', /scope/i],
    [place.backend.url, elsewhere.key, 'origin_refused', new RegExp(url)],
    [place.backend.url, place.key.slice(0, -2) + 'zz', 'key_mistyped', /mistyped/],
    ['http://127.0.0.1:9', place.key, 'smart_summary_unreachable', /Address/],
    [url, place.key, 'smart_summary_protocol', /not a Smart Summary server/],
  ];
  for (const [address, key, code, words] of cases) {
    await admin.setBackend(address, key);
    assert.equal(await page.inputValue('#smart-summary-key'), '');
    assert.ok(!(await page.content()).includes(key), 'the key is never printed back');
    const result = await admin.testConnection();
    assert.equal(result.code, code);
    assert.match(result.words, words);
  }
  await admin.setBackend(place.backend.url, '');
  assert.equal((await admin.testConnection()).code, 'ok', 'an empty field keeps the stored key');
  assert.deepEqual(await admin.axe('#wpbody-content .wrap'), []);
  await admin.screenshot('settings');
  const stored = php(`return get_option( 'smart_summary_key' );`);
  assert.ok(!stored.includes(place.key) && stored.startsWith('ssx1:'), 'encrypted at rest');
});

test('the connection test tells a time-out from an address that only the server reaches', async () => {
  const silent = createServer(() => undefined);
  const address = await listen(silent);
  try {
    connect(address, place.key, { timeout: 1 });
    await admin.page.goto(`${url}/wp-admin/options-general.php?page=smart-summary`);
    const result = await admin.testConnection();
    assert.equal(result.code, 'smart_summary_timeout');
    assert.match(result.words, /did not answer in time/);
  } finally {
    silent.closeAllConnections();
    silent.close();
  }

  // The backend behind a gateway that drops the headers by which a browser may read its answers.
  const gateway = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = request.method === 'POST' ? Buffer.concat(parts) : undefined;
    const headers = { ...request.headers };
    for (const name of ['host', 'connection', 'content-length']) delete headers[name];
    const answer = await fetch(place.backend.url + request.url, { method: request.method, headers, body });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    response.end(await answer.text());
  });
  try {
    connect(await listen(gateway), place.key);
    await admin.page.reload();
    const result = await admin.testConnection();
    assert.equal(result.code, 'cors');
    assert.ok(result.words.includes(url), 'the origin is named');
    admin.troubles = admin.troubles.filter((text) => !/CORS policy/.test(text));
  } finally {
    gateway.closeAllConnections();
    gateway.close();
    connect(place.backend.url, place.key);
  }
});

test('the panel says what is wrong: revoked key, backend away, limit reached', async () => {
  const { id } = makePost({ title: 'Trouble' });
  const panel = admin.page.locator('smart-summary');
  const short = place.backend.createKey('summaries:write,tokens:write', url);
  connect(place.backend.url, short.key);
  place.backend.revoke(short.id);
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.part('run').click();
  await panel.getByText(/does not take this site’s key/).waitFor();

  const strict = await startBackend({ settings: ['[tiers.default]', 'requests_per_minute = 1', 'request_burst = 2'] });
  connect(strict.url, strict.createKey('summaries:write,tokens:write', url).key);
  await admin.openEditor(id);
  await admin.openPanel();
  await admin.run();
  await admin.part('run').click();
  await panel.getByText(/Limit reached/).waitFor();
  await strict.stop();

  await admin.openEditor(id);
  await admin.openPanel();
  await admin.part('run').click();
  await panel.getByText(/cannot be reached/).waitFor();
  await admin.screenshot('backend-away');
  connect(place.backend.url, place.key);
});

test('twenty pictures go eight at a time, and each gets its alt text', async () => {
  const { id } = makePost({ title: 'Twenty', pictures: Array(20).fill(sample('pebble-beach.jpg')), sizes: false });
  await admin.openEditor(id);
  await admin.openPanel();
  const requests = [];
  admin.page.on('request', (request) => request.url().endsWith('/v1/summaries') && requests.push(request));
  await admin.run();
  assert.equal(await admin.part('alt').count(), 20);
  await admin.apply();
  const alts = (await admin.blocks('core/image')).map(({ alt }) => alt);
  assert.equal(alts.filter((alt) => alt !== '').length, 20);
  assert.deepEqual(await admin.axe('smart-summary'), []);
});
