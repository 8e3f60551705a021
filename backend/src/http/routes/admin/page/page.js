// The operator's page. Everything is made by hand of elements and text: nothing that comes from the server becomes markup.

import { bars } from './charts.js';
import { LANGUAGES, wordsOf } from './words.js';

const root = document.getElementById('page');
const said = document.getElementById('said');
const LOOK_AGAIN_MS = 5000;
const SHOWN_KEYS = 100;

let session;
let language = remembered('language') ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');
let m = wordsOf(language);
let timer;

// ── Small things ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** An element: `on…` are listeners, what is `undefined` or `false` is left out, the rest are attributes. */
function h(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return node;
}

function remembered(name) {
  try {
    return localStorage.getItem(`smart-summary-admin-${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`smart-summary-admin-${name}`, value);
  } catch {
    // A browser that keeps nothing: the choice holds for this visit.
  }
}

function say(text) {
  said.textContent = text;
}

const number = (value) => new Intl.NumberFormat(m.tag).format(value);
const short = (value) => new Intl.NumberFormat(m.tag, { notation: 'compact', maximumFractionDigits: 1 }).format(value);
const time = (at) => new Intl.DateTimeFormat(m.tag, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at));
const dayOf = (at) => new Intl.DateTimeFormat(m.tag, { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(at);
const hourOf = (at) => new Intl.DateTimeFormat(m.tag, { hour: '2-digit', minute: '2-digit' }).format(at);
const sum = (values) => values.reduce((all, value) => all + value, 0);

function bytes(value) {
  const unit = value >= 2 ** 30 ? ['gigabyte', 2 ** 30] : ['megabyte', 2 ** 20];
  const form = { style: 'unit', unit: unit[0], unitDisplay: 'short', maximumFractionDigits: 1 };
  return new Intl.NumberFormat(m.tag, form).format(value / unit[1]);
}

function duration(seconds) {
  const [unit, size] = [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
  ].find(([, size]) => seconds >= size) ?? ['second', 1];
  const form = { style: 'unit', unit, unitDisplay: 'long' };
  return new Intl.NumberFormat(m.tag, form).format(Math.floor(seconds / size));
}

// ── The server ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the server refused, with its problem when it told one. */
class Refused extends Error {
  constructor(problem) {
    super(problem?.detail ?? m.offline);
    this.problem = problem;
  }

  /** In the reader's words where they say more than the server's. */
  get words() {
    const wait = this.problem?.retry_after_ms;
    const words = {
      session_over: m.over,
      key_unknown: m.wrongKey,
      key_mistyped: m.wrongKey,
      key_expired: m.deadKey,
      key_revoked: m.deadKey,
      scope_missing: m.notAdmin,
      store_unavailable: m.store,
    };
    if (this.problem?.status === 429 && wait) return m.wait(Math.ceil(wait / 1000));
    return words[this.problem?.code] ?? this.message;
  }
}

async function ask(method, path, body) {
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (session !== undefined && method !== 'GET') headers['x-csrf-token'] = session.token;
  let answer;
  try {
    const options = { method, headers, credentials: 'same-origin', redirect: 'error', cache: 'no-store' };
    answer = await fetch(`/admin/api/${path}`, { ...options, body: body && JSON.stringify(body) });
  } catch {
    throw new Refused();
  }
  const told = answer.status === 204 ? undefined : await answer.json().catch(() => undefined);
  if (answer.ok) return told;
  const refused = new Refused(told);
  if (told?.code === 'session_over' && session !== undefined) {
    session = undefined;
    signIn(m.over);
  }
  throw refused;
}

// ── Coming and leaving ────────────────────────────────────────────────────────────────────────────────────────────────

function settings() {
  const choice = (label, options, chosen, onchange) =>
    h(
      'select',
      { 'aria-label': label, onchange: (event) => onchange(event.target.value) },
      Object.entries(options).map(([value, text]) => h('option', { value, selected: value === chosen }, text)),
    );
  return [
    choice(m.language, LANGUAGES, language, (value) => {
      remember('language', value);
      language = value;
      m = wordsOf(value);
      show();
    }),
    choice(m.theme, m.themes, remembered('theme') ?? 'auto', (value) => {
      remember('theme', value);
      paint();
    }),
  ];
}

function paint() {
  const theme = remembered('theme') ?? 'auto';
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function signIn(why) {
  clearInterval(timer);
  for (const open of document.querySelectorAll('dialog')) open.remove();
  const trouble = h('p', { class: 'bad', role: 'alert', id: 'trouble' }, why ?? '');
  const key = h('input', {
    id: 'key',
    type: 'password',
    autocomplete: 'current-password',
    spellcheck: 'false',
    autocapitalize: 'none',
    required: true,
    'aria-describedby': 'key-hint trouble',
  });
  const button = h('button', { class: 'first', type: 'submit' }, m.signIn);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    trouble.textContent = '';
    try {
      session = await ask('POST', 'session', { key: key.value.trim() });
      key.value = '';
      say(m.signedIn(session.key.name));
      show();
    } catch (refused) {
      trouble.textContent = refused.words;
      key.focus();
    } finally {
      button.disabled = false;
    }
  };
  root.replaceChildren(
    h('header', {}, h('strong', {}, m.brand), settings()),
    h(
      'main',
      { class: 'narrow' },
      h(
        'form',
        { onsubmit: submit },
        h('h1', { tabindex: '-1' }, m.signIn),
        h('div', { class: 'field' }, h('label', { for: 'key' }, m.adminKey), key),
        h('p', { class: 'hint', id: 'key-hint' }, m.signInHint),
        trouble,
        button,
        h('p', { class: 'hint' }, m.noKeyHint),
      ),
    ),
  );
  key.focus();
}

async function signOut() {
  try {
    await ask('DELETE', 'session');
  } catch (refused) {
    if (session !== undefined) return say(refused.words);
  }
  session = undefined;
  signIn();
  say(m.signedOut);
}

// ── The frame ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const VIEWS = { keys: keysView, use: useView, now: nowView, audit: auditView };

function show() {
  clearInterval(timer);
  document.documentElement.lang = m.tag;
  document.title = m.title;
  if (session === undefined) return signIn();
  const wanted = location.hash.slice(1);
  const view = Object.hasOwn(VIEWS, wanted) ? wanted : 'keys';
  const tab = (name) => h('a', { href: `#${name}`, 'aria-current': name === view && 'page' }, m.tabs[name]);
  const main = h('main', {}, heading(m.tabs[view]), h('p', { class: 'quiet' }, m.loading));
  root.replaceChildren(
    h(
      'header',
      {},
      h('strong', {}, m.brand),
      h('span', { class: 'quiet' }, session.key.name),
      settings(),
      h('button', { type: 'button', onclick: signOut }, m.signOut),
    ),
    h('nav', { 'aria-label': m.sections }, Object.keys(VIEWS).map(tab)),
    main,
  );
  load(main, VIEWS[view]);
}

/** Fills `main` with a view, or with what went wrong and a way to try again. */
async function load(main, view) {
  try {
    main.replaceChildren(...(await view(main)));
    main.querySelector('h1')?.focus({ preventScroll: true });
  } catch (refused) {
    if (session === undefined || !main.isConnected) return;
    if (!(refused instanceof Refused)) throw refused;
    const again = h('button', { type: 'button', onclick: () => load(main, view) }, m.again);
    const trouble = h('section', {}, h('p', { class: 'bad', role: 'alert' }, refused.words), again);
    main.replaceChildren(heading(main.querySelector('h1').textContent), trouble);
  }
}

const heading = (text, ...beside) => h('div', { class: 'row apart' }, h('h1', { tabindex: '-1' }, text), beside);

/** A dialog; `act` does it and gives what is shown then, if anything. A refusal stays in the dialog. */
function dialog({ title, body, button, danger, act }) {
  const trouble = h('p', { class: 'bad', role: 'alert' });
  const go = h('button', { class: danger ? 'danger' : 'first', type: 'submit' }, button);
  const box = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => box.remove() });
  const submit = async (event) => {
    event.preventDefault();
    go.disabled = true;
    trouble.textContent = '';
    try {
      await act();
      box.close();
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      trouble.textContent = refused.words;
      const field = refused.problem?.field?.split('/')[1];
      box.querySelector(`[name="${CSS.escape(field ?? '')}"]`)?.focus();
    } finally {
      go.disabled = false;
    }
  };
  const cancel = h('button', { type: 'button', onclick: () => box.close() }, m.cancel);
  box.append(
    h(
      'form',
      { onsubmit: submit },
      h('h2', { id: 'dialog-title' }, title),
      body,
      trouble,
      h('div', { class: 'row' }, go, cancel),
    ),
  );
  document.body.append(box);
  box.showModal();
  if (danger) cancel.focus();
}

/** Shows a new secret. Nothing but its button closes it: it is gone then. */
function secret({ key }) {
  const shown = h('code', { class: 'secret', tabindex: '0' }, key);
  const copy = async () => {
    await navigator.clipboard.writeText(key);
    copied.textContent = m.copied;
  };
  const copied = h('span', { role: 'status', class: 'good' });
  const box = h('dialog', {
    'aria-labelledby': 'dialog-title',
    oncancel: (event) => event.preventDefault(),
    onclose: () => box.remove(),
  });
  const done = () => {
    shown.textContent = '';
    box.close();
    show();
  };
  box.append(
    h('h2', { id: 'dialog-title' }, m.shownOnce),
    shown,
    h(
      'div',
      { class: 'row' },
      navigator.clipboard !== undefined && h('button', { type: 'button', class: 'first', onclick: copy }, m.copy),
      h('button', { type: 'button', onclick: done }, m.kept),
      copied,
    ),
  );
  document.body.append(box);
  box.showModal();
}

// ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function keysView() {
  const { keys } = await ask('GET', 'keys');
  const list = h('ul', { class: 'list' });
  const rest = h('p', { class: 'quiet' });
  const find = h('input', { type: 'search', 'aria-label': m.find, placeholder: m.find, oninput: fill });
  const revoked = h('input', { type: 'checkbox', onchange: fill });
  function fill() {
    const words = find.value.trim().toLowerCase();
    const fits = ({ id, name, revoked_at }) =>
      (revoked.checked || revoked_at === undefined) &&
      (name.toLowerCase().includes(words) || id.includes(find.value.trim()));
    const found = keys.filter(fits);
    list.replaceChildren(...found.slice(0, SHOWN_KEYS).map(keyItem));
    const hidden = found.length - SHOWN_KEYS;
    rest.textContent = found.length === 0 ? m.noKeys : hidden > 0 ? m.hiddenKeys(number(hidden)) : '';
  }
  fill();
  return [
    heading(m.keys, h('button', { type: 'button', class: 'first', onclick: newKey }, m.newKey)),
    h(
      'section',
      {},
      h('div', { class: 'field' }, find),
      h('label', { class: 'row' }, revoked, m.showRevoked),
      h('br'),
      list,
      rest,
    ),
  ];
}

function keyItem(key) {
  const over = key.revoked_at !== undefined;
  const expired = key.expires_at !== undefined && key.expires_at <= Date.now();
  const own = key.id === session.key.id;
  const state = over ? m.isRevoked : expired ? m.isExpired : own ? m.isYours : undefined;
  const tier = session.tiers.find(({ name }) => name === key.tier);
  const act = (word, label, todo, style) =>
    h('button', { type: 'button', class: style, 'aria-label': label(key.name), onclick: () => todo(key) }, word);
  const facts = [
    `${m.created} ${time(key.created_at)}`,
    `${m.lastUsed}: ${key.last_used_at === undefined ? m.never : time(key.last_used_at)}`,
    key.expires_at !== undefined && `${m.expires}: ${time(key.expires_at)}`,
  ];
  return h(
    'li',
    {},
    h(
      'div',
      { class: 'row' },
      h('strong', {}, key.name),
      h('code', { class: 'quiet' }, key.id),
      state !== undefined && h('span', { class: over || expired ? 'tag bad' : 'tag good' }, state),
    ),
    h(
      'div',
      { class: 'row' },
      key.scopes.map((scope) => h('span', { class: 'tag' }, m.scopeWords[scope] ?? scope)),
    ),
    key.origins.length > 0 && h('p', {}, h('code', {}, key.origins.join(' '))),
    h('p', { class: 'hint' }, `${key.tier}: ${tier === undefined ? '' : m.tierLine(tier, number)}`),
    h('p', { class: 'hint' }, facts.filter(Boolean).join(' · ')),
    !over &&
      h(
        'div',
        { class: 'row' },
        act(m.edit, m.editOf, editKey),
        act(m.rotate, m.rotateOf, rotateKey),
        act(m.revoke, m.revokeOf, revokeKey, 'danger'),
      ),
  );
}

/** The fields of a key, filled with `key`'s, and how to read them. */
function keyFields(key) {
  let count = 0;
  const field = (label, input, hint) => {
    const id = `field-${(count += 1)}`;
    input.id = id;
    if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
    const below = hint && h('span', { class: 'hint', id: `${id}-hint` }, hint);
    return h('div', { class: 'field' }, h('label', { for: id }, label), input, below);
  };
  const box = (label, checked, name) => {
    const input = h('input', { type: 'checkbox', checked, name });
    return [input, h('label', {}, input, label)];
  };
  const name = h('input', { name: 'name', required: true, maxlength: '64', value: key?.name });
  const scopes = session.scopes.map((scope) => {
    const [input, label] = box(m.scopeWords[scope] ?? scope, key?.scopes.includes(scope), 'scopes');
    return { scope, input, label };
  });
  const tierHint = h('span', { class: 'hint' });
  const tellTier = () => {
    const tier = session.tiers.find(({ name }) => name === tiers.value);
    tierHint.textContent = tier === undefined ? '' : m.tierLine(tier, number);
  };
  const names = new Set([...session.tiers.map(({ name }) => name), ...(key === undefined ? [] : [key.tier])]);
  const chosen = key?.tier ?? 'default';
  const options = [...names].map((value) => h('option', { value, selected: value === chosen }, value));
  const tiers = h('select', { name: 'tier', onchange: tellTier }, options);
  tellTier();
  const origins = h('textarea', { name: 'origins', rows: '2', spellcheck: 'false' }, key?.origins.join('\n') ?? '');
  const before = key?.expires_at;
  const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const expires = h('input', { name: 'expires_at', type: 'datetime-local', value: before && local(before) });
  const [mask, maskLabel] = box(m.maskNumbers, key?.safety.mask_numbers ?? true, 'safety');
  const [moderate, moderateLabel] = box(m.moderate, key?.safety.moderate ?? true, 'safety');
  const group = (legend, labels) => h('fieldset', {}, h('legend', {}, legend), labels);
  const body = [
    field(m.name, name, m.nameHint),
    group(
      m.scopes,
      scopes.map(({ label }) => label),
    ),
    h('div', {}, field(m.tier, tiers), tierHint),
    field(m.origins, origins, m.originsHint),
    field(m.expires, expires, m.expiresHint),
    group(m.safety, [maskLabel, moderateLabel]),
  ];
  const read = () => {
    const end =
      expires.value === '' || (before && expires.value === local(before)) ? undefined : +new Date(expires.value);
    return {
      name: name.value,
      scopes: scopes.filter(({ input }) => input.checked).map(({ scope }) => scope),
      origins: origins.value.split(/\s+/).filter(Boolean),
      // A tier that is gone from the configuration stays until another is chosen.
      ...(tiers.value !== key?.tier && { tier: tiers.value }),
      safety: { mask_numbers: mask.checked, moderate: moderate.checked },
      ...(end !== undefined && { expires_at: end }),
    };
  };
  return { body, read };
}

function newKey() {
  const { body, read } = keyFields();
  const act = async () => {
    const made = await ask('POST', 'keys', read());
    say(m.made);
    secret(made);
  };
  dialog({ title: m.newKey, body, button: m.create, act });
}

function editKey(key) {
  const { body, read } = keyFields(key);
  const act = async () => {
    await ask('PATCH', `keys/${key.id}`, read());
    say(m.changed);
    show();
  };
  dialog({ title: m.editOf(key.name), body, button: m.save, act });
}

function rotateKey(key) {
  const act = async () => {
    const made = await ask('POST', `keys/${key.id}/rotate`);
    say(m.rotated);
    secret(made);
  };
  dialog({ title: m.rotateOf(key.name), body: h('p', {}, m.rotateAsk), button: m.rotate, act });
}

function revokeKey(key) {
  const act = async () => {
    await ask('DELETE', `keys/${key.id}`);
    say(m.revoked);
    show();
  };
  const body = [h('p', {}, m.revokeAsk), key.id === session.key.id && h('p', { class: 'bad' }, m.revokeSelf)];
  dialog({ title: m.revokeOf(key.name), body, button: m.revoke, danger: true, act });
}

// ── Use ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

let period = 30;

async function useView(main) {
  const [used, { keys }] = await Promise.all([ask('GET', `use?days=${period}`), ask('GET', 'keys')]);
  const nameOf = (id) => keys.find((key) => key.id === id)?.name ?? id;
  const choose = (days) => {
    const pick = () => ((period = days), load(main, useView));
    return h('button', { type: 'button', 'aria-pressed': String(days === period), onclick: pick }, m.days(days));
  };
  const total = sum(used.tiers.map((tier) => tier.total));
  const top = [
    heading(m.use, h('div', { class: 'row', role: 'group', 'aria-label': m.period }, [7, 30, 90, 365].map(choose))),
    h('p', { class: 'hint' }, m.useHint),
  ];
  if (total === 0) return [...top, h('section', {}, h('p', {}, m.noUse))];
  const days = used.tiers[0].days.map((_, place) => used.first_day + place * 86_400_000);
  const all = days.map((_, place) => sum(used.tiers.map((tier) => tier.days[place])));
  const curves = (title, series, name) => [
    h('h2', {}, title),
    h(
      'ul',
      { class: 'list' },
      series.map((one) => h('li', {}, curve(name(one.name), one.total, one.days, days))),
    ),
  ];
  return [
    ...top,
    h('section', {}, curve(m.all, total, all, days)),
    h(
      'section',
      {},
      curves(m.byTier, used.tiers, (name) => name || m.lostTier),
    ),
    h(
      'section',
      {},
      curves(m.byKey, used.keys, nameOf),
      used.more_keys > 0 && h('p', { class: 'quiet' }, m.moreKeys(used.more_keys)),
    ),
  ].filter(Boolean);
}

/** A chart of tokens by day, and the same as a table. */
function curve(name, total, values, days) {
  const rows = days.map((day, place) => [dayOf(day), values[place]]).filter(([, value]) => value > 0);
  return h(
    'figure',
    {},
    h('div', { class: 'row apart' }, h('strong', {}, name), h('span', {}, `${number(total)} ${m.tokens}`)),
    bars(values, days.map(dayOf), short),
    asTable(name, [m.day, m.tokens], rows),
  );
}

function asTable(name, [first, second], rows) {
  const row = ([label, value]) =>
    h('tr', {}, h('th', { scope: 'row' }, label), h('td', { class: 'number' }, number(value)));
  return h(
    'details',
    {},
    h('summary', { 'aria-label': `${m.asTable}: ${name}` }, m.asTable),
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, name),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, first), h('th', { scope: 'col', class: 'number' }, second))),
      h('tbody', {}, rows.map(row)),
    ),
  );
}

// ── Now ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function nowView(main) {
  const [first, { keys }] = await Promise.all([ask('GET', 'now'), ask('GET', 'keys')]);
  const nameOf = (id) => keys.find((key) => key.id === id)?.name ?? id;
  const parts = h('div', { class: 'parts' });
  const stale = h('span', { class: 'bad', role: 'status' });
  const fill = (told) => {
    // What a reader has opened stays open.
    const open = [...parts.querySelectorAll('details')].map((box) => box.open);
    parts.replaceChildren(...nowParts(told, nameOf));
    [...parts.querySelectorAll('details')].forEach((box, place) => (box.open = open[place] ?? false));
  };
  fill(first);
  let asking = false;
  clearInterval(timer);
  timer = setInterval(async () => {
    if (document.hidden || asking || parts.contains(document.activeElement) || !main.isConnected) return;
    asking = true;
    try {
      fill(await ask('GET', 'now'));
      stale.textContent = '';
    } catch {
      stale.textContent = m.stale;
    } finally {
      asking = false;
    }
  }, LOOK_AGAIN_MS);
  return [heading(m.now), h('p', { class: 'hint' }, m.live, ' ', stale), parts];
}

function nowParts(told, nameOf) {
  const { levels, engines, batches, refusals } = told;
  const fact = (label, value, more) =>
    h('div', {}, h('dt', {}, label), h('dd', {}, value, more && h('small', {}, ` ${more}`)));
  const share = (label, pair) => pair !== null && fact(label, bytes(pair[0]), `${m.of} ${bytes(pair[1])}`);
  const model = levels.engine_memory !== null;
  return [
    told.draining && h('p', { class: 'bad', role: 'alert' }, m.draining),
    h(
      'section',
      {},
      h(
        'dl',
        { class: 'facts' },
        fact(m.inFlight, number(levels.in_flight)),
        fact(m.queued, number(levels.queued)),
        fact(m.queuedBatch, number(levels.queued_batch)),
        fact(m.streams, number(levels.streams)),
        fact(m.cache, bytes(levels.cache_bytes)),
        fact(m.up, duration(told.up_seconds)),
        fact(m.version, told.version),
      ),
    ),
    h(
      'section',
      {},
      h('h2', {}, m.engines),
      h('ul', { class: 'list' }, engines.map(engineItem)),
      h(
        'dl',
        { class: 'facts' },
        model && fact(m.rows, number(levels.engine_rows)),
        model && fact(m.engineWaiting, number(levels.engine_waiting)),
        share(m.engineMemory, levels.engine_memory),
        share(m.gpuMemory, levels.gpu_memory),
        levels.gpu_busy_percent !== null && fact(m.gpuBusy, `${levels.gpu_busy_percent} %`),
      ),
      levels.gpu_memory === null && h('p', { class: 'hint' }, m.noGpu),
    ),
    h(
      'section',
      {},
      h('h2', {}, m.batches),
      batches.length === 0
        ? h('p', { class: 'quiet' }, m.noBatches)
        : h(
            'ul',
            { class: 'list' },
            batches.map((batch) => batchItem(batch, nameOf)),
          ),
    ),
    refusalsPart(refusals),
  ].filter(Boolean);
}

function engineItem(engine) {
  const state = h('span', { class: engine.ready ? 'tag good' : 'tag bad' }, engine.ready ? m.ready : m.notReady);
  const sees = engine.sees_images && h('span', { class: 'tag' }, m.seesImages);
  return h('li', { class: 'row' }, h('strong', {}, engine.engine), h('code', {}, engine.model), state, sees);
}

function batchItem(batch, nameOf) {
  const { total, completed, failed } = batch.items;
  const done = completed + failed;
  return h(
    'li',
    {},
    h('div', { class: 'row apart' }, h('strong', {}, nameOf(batch.key)), h('code', { class: 'quiet' }, batch.id)),
    h('progress', { max: total, value: done, 'aria-label': batch.id }),
    h(
      'p',
      { class: 'hint' },
      `${m.items(number(done), number(total))} · ${time(batch.created_at)}`,
      failed > 0 && h('span', { class: 'bad' }, ` · ${m.failedItems(number(failed))}`),
    ),
  );
}

function refusalsPart({ first_hour, codes }) {
  if (codes.length === 0) {
    return h('section', {}, h('h2', {}, m.refusals), h('p', { class: 'quiet' }, m.noRefusals));
  }
  const hours = codes[0].counts.map((_, place) => first_hour + place * 3_600_000);
  const all = hours.map((_, place) => sum(codes.map(({ counts }) => counts[place])));
  const row = ({ code, status, title, counts }) =>
    h(
      'tr',
      {},
      h(
        'th',
        { scope: 'row' },
        h('a', { href: `/docs/errors#${code}` }, h('code', {}, code)),
        h('div', { class: 'hint' }, `${status} ${title}`),
      ),
      h('td', { class: 'number' }, number(sum(counts))),
    );
  const table = h(
    'table',
    {},
    h('caption', { class: 'hidden' }, m.refusals),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, m.code), h('th', { scope: 'col', class: 'number' }, m.count))),
    h('tbody', {}, codes.map(row)),
  );
  const rows = hours.map((hour, place) => [hourOf(hour), all[place]]).filter(([, count]) => count > 0);
  return h(
    'section',
    {},
    h('h2', {}, m.refusals),
    h('p', { class: 'hint' }, m.refusalHint),
    bars(all, hours.map(hourOf), short),
    asTable(m.refusals, [m.hour, m.count], rows),
    table,
  );
}

// ── The audit trail ───────────────────────────────────────────────────────────────────────────────────────────────────

async function auditView() {
  const [first, { keys }] = await Promise.all([ask('GET', 'audit'), ask('GET', 'keys')]);
  const nameOf = (id) => keys.find((key) => key.id === id)?.name ?? '';
  const list = h('ul', { class: 'list' });
  const trouble = h('p', { class: 'bad', role: 'alert' });
  const older = h('button', { type: 'button', onclick: more }, m.older);
  const found = h('div', { role: 'status' });
  const check = h('button', { type: 'button', onclick: verify }, m.verify);
  let last;
  function fill({ entries, more }) {
    list.append(...entries.map((entry) => entryItem(entry, nameOf)));
    last = entries.at(-1)?.number;
    older.hidden = !more;
  }
  async function more() {
    trouble.textContent = '';
    try {
      fill(await ask('GET', `audit?before=${last}`));
    } catch (refused) {
      trouble.textContent = refused.words;
    }
  }
  async function verify() {
    check.disabled = true;
    found.replaceChildren(h('p', { class: 'quiet' }, m.verifying));
    try {
      const { number: count, head, broken } = await ask('POST', 'audit/verify');
      found.replaceChildren(
        broken === null
          ? h('p', {}, h('span', { class: 'good' }, m.whole(number(count))), ' ', h('code', {}, `${count}:${head}`))
          : h('p', { class: 'bad' }, m.broken(number(count + 1), broken)),
      );
    } catch (refused) {
      found.replaceChildren(h('p', { class: 'bad' }, refused.words));
    } finally {
      check.disabled = false;
    }
  }
  fill(first);
  return [
    heading(m.audit, check),
    h('p', { class: 'hint' }, m.auditHint),
    found,
    h('section', {}, first.entries.length === 0 ? h('p', {}, m.noEntries) : list, trouble, older),
  ];
}

function entryItem({ number: place, at, actor, act, subject, detail }, nameOf) {
  const who = actor.startsWith('key ') ? `${nameOf(actor.slice(4))} (${actor})` : actor;
  const text = typeof detail === 'string' ? detail : JSON.stringify(detail, undefined, 1);
  const about = !act.startsWith('session_') && subject !== '';
  return h(
    'li',
    {},
    h(
      'div',
      { class: 'row' },
      h('span', { class: 'quiet' }, `${m.number} ${place}`),
      h('strong', {}, m.acts[act] ?? act),
      about && h('span', {}, nameOf(subject)),
      about && h('code', { class: 'quiet' }, subject),
    ),
    h('p', { class: 'hint' }, `${time(at)} · ${who}`),
    !['{}', 'null'].includes(text) &&
      h('details', {}, h('summary', { 'aria-label': `${m.details} ${place}` }, m.details), h('code', {}, text)),
  );
}

// ── Beginning ─────────────────────────────────────────────────────────────────────────────────────────────────────────

addEventListener('hashchange', show);
paint();
try {
  // Nothing where nobody has signed in yet.
  session = await ask('GET', 'session');
  show();
} catch (refused) {
  document.documentElement.lang = m.tag;
  document.title = m.title;
  signIn(refused.problem?.code === 'session_over' ? undefined : refused.words);
}
