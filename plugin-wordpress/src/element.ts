import type { Adapter, SmartSummaryElement } from '@smart-summary/web/element';

import type { WordPressClient } from './client.js';
import { facts } from './facts.js';

/** The package's element in WordPress' colours and the user's language. */
export function panelElement(client: WordPressClient, adapter: Adapter): SmartSummaryElement {
  const { favicon, ...site } = facts.site;
  const element = document.createElement('smart-summary');
  element.lang = facts.userLocale;
  element.site = favicon === '' ? site : { ...site, favicon };
  // WordPress' own screens are light whatever the system's theme is.
  element.theme = 'light';
  element.style.setProperty('--ss-accent', 'var(--wp-admin-theme-color, #3858e9)');
  element.client = client;
  element.adapter = adapter;
  if (facts.target !== '') element.setAttribute('target', facts.target);
  unframe();
  return element;
}

/** The panel stands in a box of WordPress: a frame of its own would only take away room. */
function unframe(): void {
  if (document.getElementById('smart-summary-style') !== null) return;
  const style = document.createElement('style');
  style.id = 'smart-summary-style';
  style.textContent = 'smart-summary::part(panel) { border: 0; border-radius: 0; padding: 0; }';
  document.head.append(style);
}
