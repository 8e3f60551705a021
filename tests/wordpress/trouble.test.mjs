// What goes wrong: who may not, what is refused, who is away. And what is told then.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { startBackend } from './backend.mjs';
import { formsOf, gateway, listen } from './gateway.mjs';
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
  assert.match(nonce, /^[0-9a-f]{10}$/);
  assert.equal(await mint(admin.page, id, { 'X-WP-Nonce': nonce }), 200);
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
  const nonce = await author.page.evaluate(() => wp.apiFetch.nonceMiddleware.nonce);
  const asked = await mint(author.page, id, { 'X-WP-Nonce': nonce });
  assert.equal(asked, 403);
  connect(place.backend.url, place.key);
  assert.equal(await mint(author.page, id, { 'X-WP-Nonce': nonce }), 200, 'the role was all that kept it away');
  await author.close();
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
  const { server } = gateway(place.backend.url, { kept: ['content-type'] });
  try {
    connect(await listen(server), place.key);
    await admin.page.reload();
    const result = await admin.testConnection();
    assert.equal(result.code, 'cors');
    assert.ok(result.words.includes(url), 'the origin is named');
    admin.troubles = admin.troubles.filter((text) => !/CORS policy/.test(text));
  } finally {
    server.closeAllConnections();
    server.close();
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
  await admin.page.goto(`${url}/wp-admin/options-general.php?page=smart-summary`);
  const refused = admin.page.locator('#smart-summary-log tbody tr').first().locator('td');
  const [, what, who, which, code, request] = await refused.allInnerTexts();
  assert.deepEqual([what, who, which, code], ['token', 'admin', `#${id}`, 'key_revoked']);
  assert.match(request, /^[\w-]{8,}$/, 'the request’s id');
  const log = await admin.page.locator('#smart-summary-log').innerText();
  for (const word of ['Trouble', 'histogram', 'Prometheus', 'localhost']) assert.ok(!log.includes(word), word);

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

test('twenty pictures go eight at a time, small, past PHP and without the key, and each gets its alt text', async () => {
  const { page } = admin;
  const { id } = makePost({ title: 'Twenty', pictures: Array(20).fill(sample('pebble-beach.jpg')), sizes: false });
  const { server, passed } = gateway(place.backend.url, { kept: 'all' });
  const toWordPress = [];
  const minted = [];
  const note = (request) => request.method() !== 'GET' && request.url().startsWith(url) && toWordPress.push(request);
  const read = (answer) => answer.url().includes('/smart-summary/v1/token') && minted.push(answer.text());
  try {
    connect(await listen(server), place.key);
    await admin.openEditor(id);
    await admin.openPanel();
    page.on('request', note);
    page.on('response', read);
    await admin.run();
    assert.equal(await admin.part('alt').count(), 20);

    const pictures = (await formsOf(passed)).map((form) =>
      [...form.values()].filter(({ type }) => /^image\//.test(type)),
    );
    assert.deepEqual(
      pictures.map(({ length }) => length),
      [8, 8, 4],
    );
    for (const picture of pictures.flat()) {
      const bytes = Buffer.from(await picture.arrayBuffer());
      const [width, height] = await page.evaluate(
        async (address) => {
          const { width, height } = await createImageBitmap(await (await fetch(address)).blob());
          return [width, height];
        },
        `data:${picture.type};base64,${bytes.toString('base64')}`,
      );
      assert.ok(Math.max(width, height) <= 1024 && Math.max(width, height) > 512, `${width} × ${height}`);
    }
    assert.ok(toWordPress.length > 0);
    for (const request of toWordPress) {
      assert.doesNotMatch((await request.allHeaders())['content-type'] ?? '', /multipart|image/, request.url());
      assert.ok((request.postDataBuffer()?.length ?? 0) < 20_000, `no picture goes to ${request.url()}`);
    }
    assert.ok(minted.length > 0);
    const seen = [
      await page.content(),
      await page.evaluate(async () => (await fetch(location.href)).text()),
      ...(await Promise.all(minted)),
    ];
    for (const text of seen) assert.ok(!text.includes(place.key), 'the key never reaches the browser');
    assert.ok(!passed.some(({ body }) => body?.includes(place.key)));
  } finally {
    page.off('request', note);
    page.off('response', read);
    server.closeAllConnections();
    server.close();
    connect(place.backend.url, place.key);
  }
  await admin.apply();
  const alts = (await admin.blocks('core/image')).map(({ alt }) => alt);
  assert.equal(alts.filter((alt) => alt !== '').length, 20);
  assert.deepEqual(await admin.axe('smart-summary'), []);
});
