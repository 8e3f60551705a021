// The settings page: the browser's half of the connection test.

import { __, sprintf } from './i18n.js';

interface Result {
  ok: boolean;
  code: string;
  message: string;
  endpoint: string;
  token: string;
}

const button = document.getElementById('smart-summary-test') as HTMLButtonElement | null;
const output = document.getElementById('smart-summary-test-result');

button?.addEventListener('click', async () => {
  if (output === null) return;
  button.disabled = true;
  show('running', __('Testing…', 'smart-summary'));
  try {
    const result = await wp.apiFetch<Result>({ path: '/smart-summary/v1/connection', method: 'POST' });
    if (result.ok) await fromHere(result);
    else show(result.code, result.message);
  } catch (cause) {
    show('failed', (cause as { message?: string }).message ?? String(cause));
  } finally {
    button.disabled = false;
  }
});

/** The server can reach the backend; whether this browser can is another question. */
async function fromHere({ endpoint, token, message }: Result): Promise<void> {
  if (
    location.protocol === 'https:' &&
    endpoint.startsWith('http:') &&
    !/^http:\/\/(127\.|localhost|\[::1\])/.test(endpoint)
  ) {
    return show(
      'mixed',
      __(
        'This page is https, the backend http: browsers refuse to mix them. Give the backend a certificate.',
        'smart-summary',
      ),
    );
  }
  try {
    const headers = {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      Accept: 'application/json',
    };
    const body = JSON.stringify({ article: { content: 'A connection test.', format: 'text' }, fields: ['title'] });
    const answer = await fetch(`${endpoint}/v1/summaries`, { method: 'POST', headers, body });
    if (answer.ok) return show('ok', message);
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
    show(
      problem.code ?? 'failed',
      problem.detail ??
        sprintf(
          /* translators: %d: HTTP status */ __('The backend answered with status %d.', 'smart-summary'),
          answer.status,
        ),
    );
  } catch {
    show(
      'cors',
      sprintf(
        /* translators: %s: origin of this site */
        __(
          'This server reaches the backend, but this browser does not: either the address is one that only the server knows, or the key does not name the origin %s.',
          'smart-summary',
        ),
        location.origin,
      ),
    );
  }
}

function show(code: string, words: string): void {
  if (output === null) return;
  output.dataset['code'] = code;
  output.textContent = words;
}
