import { Bridge } from './bridge.js';
import { spawn } from './spawn.js';
import type { SmartSummary, SmartSummaryOptions } from './types.js';

export * from './types.js';
export { CODES, LIMITS } from './generated/api.js';

/**
 * The entrance. Nothing is loaded until the first call.
 *
 * @example
 * const smart = createSmartSummary({
 *   endpoint: 'https://summary.example',
 *   token: async ({ signal }) => (await fetch('/smart-summary-token', { method: 'POST', signal })).json(),
 * });
 * const summary = await smart.summarize({ content: editor.getHTML(), format: 'html', images: [] });
 */
export function createSmartSummary(options: SmartSummaryOptions): SmartSummary {
  return new Bridge(options, () => spawn(options.workerUrl));
}
