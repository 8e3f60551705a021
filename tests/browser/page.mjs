// Chromium with the demo page in it, and what the tests look for there.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const artefacts = fileURLToPath(new URL('artefacts/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Chromium as Debian installs it; `CHROME` names another. */
export function launch() {
  const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({
    executablePath: process.env['CHROME'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', ...quiet],
  });
}

/** The demo page in a context of its own; `troubles` collects what the browser complains about. */
export async function openPage(browser, server, { post = 'histograms', lang = 'en', theme = 'light', viewport } = {}) {
  const context = await browser.newContext({
    viewport: viewport ?? { width: 1440, height: 900 },
    locale: lang === 'zh' ? 'zh-CN' : 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    // A refused request is the matter of some tests; the browser logs each.
    const refused = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !refused) troubles.push(`console: ${message.text()}`);
  });
  await page.goto(`${server.url}/?post=${post}&lang=${lang}&theme=${theme}`);
  await page.locator('smart-summary').locator('[part~=run]').waitFor();
  return new Demo(page, troubles);
}

/** The page as a writer sees it. */
export class Demo {
  constructor(page, troubles) {
    this.page = page;
    this.troubles = troubles;
    this.panel = page.locator('smart-summary');
    this.button = this.part('run');
    this.applyButton = this.part('apply');
  }

  part(name) {
    return this.panel.locator(`[part~="${name}"]`);
  }

  /** The text field of a field, by its label. */
  input(label) {
    return this.panel.getByRole('textbox', { name: label, exact: true });
  }

  setting(name) {
    return this.page.locator(`#settings [name="${name}"]`);
  }

  get altsInEditor() {
    return this.page.locator('#editor img').evaluateAll((images) => images.map((image) => image.getAttribute('alt')));
  }

  async press() {
    await this.button.click();
  }

  /** Waits until a run has ended well. */
  async done() {
    await this.part('facts').waitFor({ timeout: 60_000 });
  }

  async run() {
    await this.press();
    await this.done();
  }

  async screenshot(name) {
    mkdirSync(artefacts, { recursive: true });
    await this.page.screenshot({ path: `${artefacts}${name}.png`, fullPage: true });
  }

  /** Fails on any finding of axe in the page and in the panel's shadow tree. */
  async assertAccessible(state) {
    // The page's policy refuses foreign scripts; the debugger's own evaluation is not bound by it.
    await this.page.evaluate(axe);
    const violations = await this.page.evaluate(async () => (await globalThis.axe.run(document)).violations);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
    assert.deepEqual(found, [], `axe, state “${state}”`);
  }

  async close() {
    await this.page.context().close();
    assert.deepEqual(this.troubles, [], 'the browser complained');
  }
}
