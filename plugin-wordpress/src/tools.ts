// The Tools page: counts, begins, follows, stops and takes back runs over old posts.

import { __, _n, sprintf } from './i18n.js';

interface Run {
  id: number;
  created: string;
  state: 'running' | 'done' | 'stopped' | 'undone';
  not_before: number;
  total: number;
  counts: Partial<Record<'waiting' | 'writing' | 'done' | 'skipped' | 'failed' | 'undone', number>>;
  /** Why its next post has to be tried again. */
  waits_for: string;
  /** Pictures of which nothing certain could be said. */
  left_to_people: number;
  failed: { post: number; code: string }[];
}

type Verb = 'slice' | 'stop' | 'resume' | 'undo';

const ROUTE = '/smart-summary/v1';
const form = document.querySelector<HTMLFormElement>('#smart-summary-run');
const plan = document.querySelector<HTMLElement>('#smart-summary-plan');
const body = document.querySelector<HTMLElement>('#smart-summary-runs tbody');
const data = document.querySelector('#smart-summary-runs-data');
const language = document.documentElement.lang || undefined;

if (form !== null && body !== null) {
  const known = JSON.parse(data?.textContent ?? '[]') as Run[];
  for (const run of known) body.append(row(run));
  for (const run of known) if (run.state === 'running') void follow(run);
  document.querySelector('#smart-summary-count')?.addEventListener('click', () => guarded(count));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void guarded(begin);
  });
}

function wishes() {
  const values = new FormData(form!);
  return { fields: values.getAll('fields'), force: values.get('force') ?? 'none' };
}

async function count(): Promise<void> {
  const { posts, pictures } = await wp.apiFetch<{ posts: number; pictures: number }>({
    path: `${ROUTE}/plan`,
    method: 'POST',
    data: wishes(),
  });
  /* translators: %d: number of posts */
  const lacking = sprintf(_n('%d post lacks something', '%d posts lack something', posts, 'smart-summary'), posts);
  /* translators: %d: number of pictures */
  const sent = sprintf(
    _n('%d picture would be sent', '%d pictures would be sent', pictures, 'smart-summary'),
    pictures,
  );
  /* translators: 1: how many posts lack something, 2: how many pictures would be sent */
  say(sprintf(__('%1$s; %2$s.', 'smart-summary'), lacking, sent));
}

async function begin(): Promise<void> {
  const run = await wp.apiFetch<Run>({ path: `${ROUTE}/runs`, method: 'POST', data: wishes() });
  say('');
  body!.prepend(row(run));
  await follow(run);
}

/** Works a run off while this page is open. Closed, the site goes on by itself. */
async function follow(run: Run): Promise<void> {
  let now = run;
  while (now.state === 'running') {
    try {
      now = await act(now, 'slice');
    } catch (cause) {
      // Somebody else works on it, or the site is away for a moment.
      if ((cause as { code?: string }).code !== 'smart_summary_busy') await pause(3000);
      await pause(2000);
      now = await wp.apiFetch<Run>({ path: `${ROUTE}/runs/${now.id}` });
    }
    show(now);
    if (now.state === 'running') await pause(Math.min(15_000, Math.max(200, now.not_before * 1000 - Date.now())));
  }
  if (now.state === 'done')
    wp.a11y?.speak(sprintf(/* translators: %d: run */ __('Run %d is done.', 'smart-summary'), now.id));
}

function act(run: Run, verb: Verb): Promise<Run> {
  return wp.apiFetch<Run>({ path: `${ROUTE}/runs/${run.id}/${verb}`, method: 'POST' });
}

function row(run: Run): HTMLTableRowElement {
  const tr = document.createElement('tr');
  tr.dataset['run'] = String(run.id);
  fill(tr, run);
  return tr;
}

function show(run: Run): void {
  const tr = body!.querySelector<HTMLTableRowElement>(`[data-run="${run.id}"]`);
  if (tr !== null) fill(tr, run);
}

function fill(tr: HTMLTableRowElement, run: Run): void {
  const { counts, total, state } = run;
  const left = (counts.waiting ?? 0) + (counts.writing ?? 0);
  tr.dataset['state'] = state;
  const bar = document.createElement('progress');
  bar.max = Math.max(1, total);
  bar.value = total - left;
  bar.setAttribute('aria-label', sprintf(/* translators: %d: run */ __('Run %d', 'smart-summary'), run.id));
  const result = [
    /* translators: %d: number of posts */
    ((counts.done ?? 0) > 0 || state === 'running') && sprintf(__('%d done', 'smart-summary'), counts.done ?? 0),
    /* translators: %d: number of posts */
    (counts.skipped ?? 0) > 0 && sprintf(__('%d skipped', 'smart-summary'), counts.skipped),
    /* translators: %d: number of posts */
    (counts.failed ?? 0) > 0 && sprintf(__('%d failed', 'smart-summary'), counts.failed),
    /* translators: %d: number of posts */
    (counts.undone ?? 0) > 0 && sprintf(__('%d taken back', 'smart-summary'), counts.undone),
    run.left_to_people > 0 &&
      sprintf(
        /* translators: %d: number of pictures */
        _n('%d picture is left to you', '%d pictures are left to you', run.left_to_people, 'smart-summary'),
        run.left_to_people,
      ),
    ...run.failed.slice(0, 5).map(({ post, code }) => `#${post} ${code}`),
    /* translators: 1: time of day, 2: why it waits until then */
    run.waits_for !== '' &&
      sprintf(__('again at %1$s: %2$s', 'smart-summary'), clock(run.not_before), reason(run.waits_for)),
  ].filter((words) => words !== false);
  const buttons: Node[] = [];
  if (state === 'running') buttons.push(button(run, 'stop', __('Stop', 'smart-summary')));
  if (state === 'stopped' && left > 0) buttons.push(button(run, 'resume', __('Go on', 'smart-summary')));
  if (state !== 'running' && (counts.done ?? 0) > 0)
    buttons.push(button(run, 'undo', __('Undo the whole run', 'smart-summary')));
  tr.replaceChildren(
    cell(String(run.id)),
    cell(new Date(`${run.created.replace(' ', 'T')}Z`).toLocaleString(language)),
    cell(bar, ` ${total - left} / ${total}`),
    cell(result.join(', ')),
    cell(...buttons),
  );
}

function button(run: Run, verb: Verb, label: string): HTMLButtonElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'button button-small';
  made.dataset['verb'] = verb;
  made.textContent = label;
  made.addEventListener('click', () =>
    guarded(async () => {
      made.disabled = true;
      const now = await act(run, verb);
      show(now);
      if (verb === 'resume') await follow(now);
    }),
  );
  return made;
}

function cell(...content: (Node | string)[]): HTMLTableCellElement {
  const td = document.createElement('td');
  td.append(...content);
  return td;
}

async function guarded(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    say((cause as { message?: string }).message ?? String(cause));
  }
}

/** Why a run waits, for somebody who does not know the backend's codes. */
function reason(code: string): string {
  switch (code) {
    case 'smart_summary_unreachable':
    case 'smart_summary_timeout':
      return __('the backend does not answer', 'smart-summary');
    case 'rate_limited':
    case 'budget_used_up':
    case 'too_many_failures':
    case 'too_many_batches':
      return __('the backend’s limit is reached', 'smart-summary');
    default:
      return __('the backend is busy', 'smart-summary');
  }
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(language);
}

function say(words: string): void {
  if (plan !== null) plan.textContent = words;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
