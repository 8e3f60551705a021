// Chromium with WordPress in it, and what the tests do there.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { root } from './site.mjs';

const artefacts = fileURLToPath(new URL('artefacts/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const url = process.env.WP_URL;
export const sample = (name) => join(root, 'web-demo/public/samples', name);

/** Chromium as Debian installs it; `CHROME` names another. */
export function launch() {
  const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({
    executablePath: process.env.CHROME ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', ...quiet],
  });
}

/** A signed-in user's window. */
export class Person {
  /** What the browser complained about; refused requests are the matter of some tests. */
  troubles = [];

  static async signIn(browser, name, { locale = 'en-GB', at = url } = {}) {
    const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, locale });
    const person = new Person();
    person.name = name;
    person.url = at;
    person.context = context;
    person.page = await context.newPage();
    person.page.setDefaultTimeout(30_000);
    person.page.on('pageerror', (error) => person.troubles.push(`uncaught: ${error.message}`));
    person.page.on('console', (message) => {
      const text = message.text();
      if (message.type() === 'error' && !/Failed to load resource|gravatar|net::ERR/.test(text))
        person.troubles.push(text);
    });
    await person.page.goto(`${at}/wp-login.php`);
    await person.page.fill('#user_login', name);
    await person.page.fill('#user_pass', `${name}-pass`);
    await Promise.all([person.page.waitForURL(/wp-admin/), person.page.click('#wp-submit')]);
    return person;
  }

  async close() {
    const ours = this.troubles.filter((text) => !/Permissions-Policy|Deprecat|deprecat/.test(text));
    await this.context.close();
    assert.deepEqual(ours, [], 'the browser has nothing to complain about');
  }

  async screenshot(name) {
    mkdirSync(artefacts, { recursive: true });
    await this.page.screenshot({ path: join(artefacts, `${name}.png`) });
  }

  /** Calls the site's REST API with the page's own nonce. */
  rest(path, { method = 'GET', data } = {}) {
    return this.page.evaluate(({ path, method, data }) => wp.apiFetch({ path, method, data }), { path, method, data });
  }

  /** What axe finds inside `selector`. */
  async axe(selector) {
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(
      (inside) => window.axe.run(inside, { resultTypes: ['violations'] }),
      selector,
    );
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }

  // --- settings ------------------------------------------------------------------------------------------------------

  async setBackend(address, key) {
    await this.page.goto(`${this.url}/wp-admin/options-general.php?page=smart-summary`);
    await this.page.fill('#smart-summary-url', address);
    await this.page.fill('#smart-summary-key', key);
    await Promise.all([this.page.waitForURL(/settings-updated=true/), this.page.click('#submit')]);
  }

  async testConnection() {
    await this.page.click('#smart-summary-test');
    const result = this.page.locator('#smart-summary-test-result[data-code]:not([data-code=running])');
    await result.waitFor();
    return { code: await result.getAttribute('data-code'), words: await result.innerText() };
  }

  // --- the block editor ----------------------------------------------------------------------------------------------

  async openEditor(post) {
    await this.page.goto(`${this.url}/wp-admin/${post ? `post.php?post=${post}&action=edit` : 'post-new.php'}`);
    await this.page.waitForFunction(() => window.wp?.data?.select('core/editor')?.getCurrentPostId());
    await this.page.waitForFunction(
      (known) =>
        !known ||
        wp.data.select('core/block-editor').getBlocks().length > 0 ||
        wp.data.select('core/editor').getEditedPostContent() === '',
      Boolean(post),
    );
    await this.page.evaluate(() => {
      wp.data.dispatch('core/block-editor').clearSelectedBlock();
      wp.data.dispatch('core/edit-post').openGeneralSidebar('edit-post/document');
    });
  }

  /** Unfolds the panel and waits for the element. */
  async openPanel() {
    const toggle = this.page.getByRole('button', { name: /^(Smart Summary|智能摘要)$/ }).first();
    await toggle.waitFor();
    if ((await toggle.getAttribute('aria-expanded')) !== 'true') await toggle.click();
    await this.part('run').waitFor();
  }

  part(name) {
    return this.page.locator('smart-summary').locator(`[part~="${name}"]`);
  }

  input(label) {
    return this.page.locator('smart-summary').getByRole('textbox', { name: label, exact: true });
  }

  /** Presses the button and waits for the end of the run. */
  async run() {
    await this.part('run').click();
    await this.part('facts').waitFor();
    await this.page.waitForFunction(
      () =>
        document.querySelector('smart-summary').shadowRoot.querySelector('[part~=panel]').getAttribute('aria-busy') !==
        'true',
    );
  }

  async apply() {
    await this.part('apply').click();
    await this.part('applied').waitFor();
  }

  async save({ publish = false } = {}) {
    await this.page.evaluate(async (publish) => {
      if (publish) await wp.data.dispatch('core/editor').editPost({ status: 'publish' });
      await wp.data.dispatch('core/editor').savePost();
    }, publish);
    await this.page.waitForFunction(
      () => !wp.data.select('core/editor').isSavingPost() && !wp.data.select('core/edit-post').isSavingMetaBoxes?.(),
    );
    assert.ok(
      await this.page.evaluate(() => wp.data.select('core/editor').didPostSaveRequestSucceed()),
      'the post was saved',
    );
  }

  edited(name) {
    return this.page.evaluate((name) => wp.data.select('core/editor').getEditedPostAttribute(name), name);
  }

  blocks(name) {
    return this.page.evaluate(
      (name) =>
        wp.data
          .select('core/block-editor')
          .getBlocks()
          .filter((block) => block.name === name)
          .map(({ clientId, attributes, isValid }) => ({
            clientId,
            isValid,
            ...JSON.parse(JSON.stringify(attributes)),
          })),
      name,
    );
  }
}
