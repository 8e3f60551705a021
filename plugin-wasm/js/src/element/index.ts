import { SmartSummaryElement } from './element.js';

export type { Adapter, HostValues, Site, UndoHandle } from './adapter.js';
export { SmartSummaryElement } from './element.js';

declare global {
  interface HTMLElementTagNameMap {
    'smart-summary': SmartSummaryElement;
  }
}

// A page may load two copies, for instance two plugins; the first one stays.
if (customElements.get('smart-summary') === undefined) customElements.define('smart-summary', SmartSummaryElement);
