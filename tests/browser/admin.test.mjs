// What an operator does at /admin: sign in, make keys and withdraw them, look at use and at the audit trail.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch } from './page.mjs';
import { startServer } from './server.mjs';

const artefacts = fileURLToPath(new URL('artefacts/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const REPLY = {
  title: 'A title',
  meta_description: 'A description.',
  summary: 'A summary.',
  slug: 'a-title',
  usage: { prompt_tokens: 1000, image_tokens: 200, completion_tokens: 34 },
};
const PHONE = { width: 360, height: 740 };

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([startServer({ replies: [REPLY], demo: false }), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** The page in a context of its own; `troubles` collects what the browser complains about. */
async function open({ lang = 'en', scheme = 'light', viewport = { width: 1100, height: 800 }, to = server } = {}) {
  const locale = lang === 'zh' ? 'zh-CN' : 'en-GB';
  const permissions = ['clipboard-read', 'clipboard-write'];
  const context = await browser.newContext({ viewport, locale, permissions, colorScheme: scheme, timezoneId: 'UTC' });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    const refused = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !refused) troubles.push(`console: ${message.text()}`);
  });
  const foreign = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(to.url) && !request.url().startsWith('data:')) foreign.push(request.url());
  });
  await page.goto(`${to.url}/admin`);
  await page.locator('#key').waitFor();
  return {
    page,
    context,
    button: (name, exact = true) => page.getByRole('button', { name, exact }),
    async signIn(key = to.admin) {
      await page.locator('#key').fill(key);
      await page.locator('#key').press('Enter');
    },
    async shoot(name) {
      mkdirSync(artefacts, { recursive: true });
      await page.screenshot({ path: `${artefacts}admin-${name}.png`, fullPage: true });
    },
    /** Nothing sticks out at the side, and axe finds nothing. */
    async assertGood(state) {
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(beyond <= 0, `${state}: ${beyond} px beyond the side`);
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => (await globalThis.axe.run(document)).violations);
      const found = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
      );
      assert.deepEqual(found, [], `axe, state “${state}”`);
    },
    async close() {
      await context.close();
      assert.deepEqual(troubles, [], 'the browser complained');
      assert.deepEqual(foreign, [], 'the page asked somebody else');
    },
  };
}

/** Makes a key over the API. */
async function makeKey(name, more = {}) {
  const answer = await fetch(`${server.url}/v1/admin/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, scopes: ['summaries:write'], ...more }),
  });
  assert.equal(answer.status, 201);
  return answer.json();
}

const works = async (key) => {
  const answer = await fetch(`${server.url}/v1/usage`, { headers: { authorization: `Bearer ${key}` } });
  return answer.status === 200;
};

test('a wrong key is told in words, an admin key opens the page, and leaving closes it', async () => {
  const admin = await open();
  await admin.assertGood('signed out');
  await admin.shoot('sign-in');
  await admin.signIn('ss_live_wrong');
  await admin.page.getByText('This is not a key of this server').waitFor();
  await admin.signIn((await makeKey('no admin')).key);
  await admin.page.getByText('it lacks the scope admin').waitFor();
  await admin.assertGood('refused');
  await admin.signIn();
  await admin.page.getByRole('heading', { name: 'Keys' }).waitFor();
  const [cookie] = await admin.context.cookies(`${server.url}/admin`);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/admin']);
  assert.equal(await admin.page.evaluate(() => document.cookie), '', 'no script reads it');
  const stored = await admin.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes('ss_live'), 'the key is not kept');
  await admin.page.reload();
  await admin.page.getByRole('heading', { name: 'Keys' }).waitFor();
  await admin.button('Sign out').click();
  await admin.page.locator('#key').waitFor();
  await admin.page.reload();
  await admin.page.locator('#key').waitFor();
  await admin.close();
});

test('a key is made, shown once, changed, rotated and revoked', async () => {
  const admin = await open();
  await admin.signIn();
  await admin.button('New key').click();
  await admin.assertGood('new key');
  await admin.shoot('new-key');
  await admin.page.getByLabel('Name', { exact: true }).fill('blog <b>&amp; editors</b>');
  await admin.button('Make the key').click();
  await admin.page.getByText('at least one scope').waitFor();
  await admin.page.getByLabel('Summaries').check();
  await admin.page.getByLabel('Pages that may use it').fill('https://blog.example\nhttps://www.blog.example');
  await admin.button('Make the key').click();
  await admin.page.getByText('This is the only time').waitFor();
  const key = await admin.page.locator('.secret').innerText();
  assert.ok(await works(key));
  await admin.page.keyboard.press('Escape');
  assert.equal(await admin.page.locator('.secret').innerText(), key, 'Escape does not lose it');
  await admin.button('Copy').click();
  await admin.page.getByText('Copied.').waitFor();
  assert.equal(await admin.page.evaluate(() => navigator.clipboard.readText()), key);
  await admin.assertGood('shown once');
  await admin.button('I have kept it').click();
  const name = 'blog <b>&amp; editors</b>';
  const item = admin.page.getByRole('listitem').filter({ hasText: name });
  await item.waitFor();
  assert.ok(!(await admin.page.content()).includes(key), 'it is gone from the page');
  await admin.assertGood('keys');

  await item.getByRole('button', { name: `Change “${name}”` }).click();
  await admin.page.getByLabel('Limits (tier)').selectOption('high');
  await admin.page.getByLabel('Name', { exact: true }).fill('blog');
  await admin.button('Save').click();
  const renamed = admin.page.getByRole('listitem').filter({ hasText: 'https://www.blog.example' });
  await renamed.filter({ hasText: '6,000 requests' }).waitFor();

  await renamed.getByRole('button', { name: 'Rotate “blog”' }).click();
  await admin.button('Rotate').click();
  const next = await admin.page.locator('.secret').innerText();
  assert.ok((await works(key)) && (await works(next)) && key !== next);
  await admin.button('I have kept it').click();

  // Revoking asks once more, and the safe button has the focus.
  await admin.button('Revoke “blog”').click();
  await admin.page.getByText('cannot be undone').waitFor();
  assert.equal(await admin.page.evaluate(() => document.activeElement.textContent), 'Cancel');
  await admin.assertGood('revoke');
  await admin.shoot('revoke');
  await admin.page.keyboard.press('Enter');
  await admin.page.locator('dialog').waitFor({ state: 'detached' });
  assert.ok(await works(next), 'Cancel revokes nothing');
  await admin.button('Revoke “blog”').click();
  await admin.button('Revoke').click();
  await renamed.waitFor({ state: 'detached' });
  assert.ok(!(await works(next)));
  await admin.page.getByLabel('Show revoked keys').check();
  await renamed.filter({ hasText: 'revoked' }).waitFor();
  await admin.shoot('keys');
  await admin.close();
});

test('the audit trail names every act, and is verified', async () => {
  const admin = await open();
  await admin.signIn();
  const { id } = await makeKey('for the trail');
  await admin.page.getByRole('link', { name: 'Audit' }).click();
  await admin.page.getByRole('listitem').filter({ hasText: id }).filter({ hasText: 'key made' }).waitFor();
  await admin.page.getByRole('listitem').filter({ hasText: 'signed in' }).first().waitFor();
  await admin.button('Verify').click();
  await admin.page.getByText(/All \d+ entries are whole/).waitFor();
  assert.match(await admin.page.locator('main code').first().innerText(), /^\d+:[0-9a-f]{64}$/);
  await admin.page
    .getByLabel(/^Details/)
    .first()
    .click();
  await admin.assertGood('audit');
  await admin.shoot('audit');
  await admin.close();
});

test('use is drawn and stands in a table, and what goes on now is counted', async () => {
  const { key } = await makeKey('a busy site', { tier: 'high' });
  const answer = await fetch(`${server.url}/v1/summaries`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ article: { content: 'Bread is made of flour.', format: 'text' } }),
  });
  assert.equal(answer.status, 200);
  const admin = await open();
  await admin.signIn();
  await admin.button('New key').waitFor();
  await admin.page.getByRole('link', { name: 'Use' }).click();
  await admin.button('7 days').click();
  await admin.page.locator('button[aria-pressed="true"]', { hasText: '7 days' }).waitFor();
  const figure = admin.page.getByRole('figure').filter({ hasText: 'a busy site' });
  await figure.getByText('1,234 Tokens').waitFor();
  assert.equal(await figure.locator('rect').count(), 7);
  await figure.locator('summary').click();
  assert.deepEqual(await figure.locator('tbody td').allInnerTexts(), ['1,234']);
  await admin.assertGood('use');
  await admin.shoot('use');
  await admin.page.getByRole('link', { name: 'Now' }).click();
  await works('ss_live_wrong');
  // The page looks again by itself.
  await admin.page.getByRole('rowheader').filter({ hasText: 'key_mistyped' }).waitFor();
  await admin.assertGood('now');
  await admin.shoot('now');
  await admin.close();
});

test('the keyboard reaches everything, in the order of reading', async () => {
  const admin = await open();
  await makeKey('for the keyboard');
  await admin.signIn();
  await admin.button('New key').waitFor();
  await admin.page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  const seen = [];
  for (let step = 0; step < 12; step++) {
    await admin.page.keyboard.press('Tab');
    seen.push(
      await admin.page.evaluate(
        () => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent,
      ),
    );
  }
  // From the heading, which has the focus after arriving.
  assert.deepEqual(seen.slice(0, 2), ['New key', 'Find by name or id']);
  assert.ok(seen.includes('Revoke “for the keyboard”'), seen.join(' | '));
  await admin.button('New key').focus();
  await admin.page.keyboard.press('Enter');
  await admin.page.getByRole('dialog').waitFor();
  await admin.page.keyboard.press('Escape');
  await admin.page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await admin.page.evaluate(() => document.activeElement.textContent), 'New key', 'focus comes back');
  await admin.close();
});

test('a session that was ended elsewhere ends in words, and a dead server too', async () => {
  const own = await startServer({ replies: [REPLY], demo: false });
  try {
    const admin = await open({ to: own });
    await admin.signIn();
    await admin.page.getByRole('heading', { name: 'Keys' }).waitFor();
    await admin.context.clearCookies();
    await admin.page.getByRole('link', { name: 'Audit' }).click();
    await admin.page.getByText('The session is over').waitFor();
    await admin.signIn();
    await admin.page.getByRole('heading', { name: 'Audit trail' }).waitFor();
    await own.kill();
    await admin.page.getByRole('link', { name: 'Keys' }).click();
    await admin.page.getByText('The server does not answer').waitFor();
    await admin.assertGood('no server');
    await admin.close();
  } finally {
    await own.stop();
  }
});

for (const [lang, scheme] of [
  ['en', 'dark'],
  ['zh', 'light'],
]) {
  test(`every view fits a phone, ${lang}, ${scheme}`, async () => {
    const admin = await open({ lang, scheme, viewport: PHONE });
    await makeKey('a key with a name of sixty-four characters, as long as it may be', {
      scopes: ['summaries:write', 'chat:write', 'batches:write', 'tokens:write', 'admin'],
      origins: ['https://a-very-long-name-of-a-host-that-does-not-break.blog.example'],
    });
    await admin.assertGood('sign in');
    await admin.signIn();
    for (const view of ['keys', 'use', 'now', 'audit']) {
      await admin.page.evaluate((view) => (location.hash = view), view);
      await admin.page.locator(`nav a[aria-current][href="#${view}"]`).waitFor();
      await admin.page.locator('h1').waitFor();
      await admin.assertGood(view);
      await admin.shoot(`phone-${lang}-${scheme}-${view}`);
    }
    const words = await admin.page.locator('main').innerText();
    assert.equal(/[\u4e00-\u9fff]/.test(words), lang === 'zh');
    await admin.close();
  });
}

test('language and colours are a choice that is kept', async () => {
  const admin = await open();
  await admin.signIn();
  await admin.page.getByLabel('Language').selectOption('zh');
  await admin.page.getByRole('heading', { name: '密钥' }).waitFor();
  await admin.page.getByLabel('配色').selectOption('dark');
  await admin.page.reload();
  await admin.page.getByRole('heading', { name: '密钥' }).waitFor();
  assert.equal(await admin.page.evaluate(() => document.documentElement.lang), 'zh-CN');
  const color = await admin.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(color, 'rgb(21, 24, 28)');
  await admin.close();
});
