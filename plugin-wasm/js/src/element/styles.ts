const DARK = `
  --surface: var(--ss-surface, #16191d); --text: var(--ss-text, #e6e9ed); --border: var(--ss-border, #3b424b);
  --accent: var(--ss-accent, #7cb8ff); --on-accent: #0a1726; --control: #848d97;
  --quiet: #a3acb7; --soft: #20252b; --near: #e3b341; --over: #ff938a; --good: #6bc46d; --link: #8ab4f8; --crumb: #bdc1c6;
  color-scheme: dark;
`;

const CSS = `
:host {
  --surface: var(--ss-surface, #fff); --text: var(--ss-text, #1b1f24); --border: var(--ss-border, #d5dbe1);
  --accent: var(--ss-accent, #0b5cad); --on-accent: #fff; --control: #7d8590;
  --quiet: #57606a; --soft: #f4f6f8; --near: #8a5a00; --over: #b3261e; --good: #1a7f37; --link: #1a0dab; --crumb: #4d5156;
  --radius: var(--ss-radius, 8px);
  color-scheme: light;
  display: block; container-type: inline-size;
  font: 14px/1.45 var(--ss-font, system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", sans-serif);
  color: var(--text); text-align: start;
}
:host([hidden]) { display: none; }
:host([theme="dark"]) { ${DARK} }
@media (prefers-color-scheme: dark) { :host(:not([theme="light"], [theme="dark"])) { ${DARK} } }

*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ul, dl, dd, pre { margin: 0; padding: 0; }
ul { list-style: none; }
button, input, textarea { font: inherit; color: inherit; letter-spacing: inherit; }
button { cursor: pointer; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { inline-size: 1.15em; block-size: 1.15em; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; flex: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.panel { background: var(--surface); border: 1px solid var(--border); border-radius: var(--radius); padding: 14px; display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); }
.panel > * + *:not([hidden]) { border-block-start: 1px solid var(--border); padding-block-start: 14px; }
.header { display: grid; gap: 10px; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; }
.name { font-weight: 600; }
.quiet, .note { color: var(--quiet); }
.note { font-size: 12px; }

.main { display: inline-flex; align-items: center; gap: 8px; min-block-size: 36px; padding: 6px 14px; border: 1px solid transparent; border-radius: calc(var(--radius) - 2px); background: var(--accent); color: var(--on-accent); font-weight: 600; }
.main:hover { filter: brightness(1.08); }
.main kbd { font: inherit; font-size: 11px; font-weight: 400; }
.main:disabled, .main[aria-disabled="true"] { background: var(--soft); color: var(--quiet); border-color: var(--border); cursor: default; filter: none; }
.main.main[part~="stop"] { background: transparent; color: var(--text); border-color: var(--control); }
.plain { border: 1px solid var(--control); background: transparent; border-radius: calc(var(--radius) - 2px); padding: 4px 10px; min-block-size: 30px; }
.plain:hover { background: var(--soft); }
.plain.small { font-size: 12px; padding: 2px 8px; min-block-size: 24px; }
.plain[aria-disabled="true"] { color: var(--quiet); border-style: dashed; cursor: default; }

.facts { display: flex; flex-wrap: wrap; min-inline-size: 0; font-size: 12px; }
.facts li { position: relative; display: flex; }
.facts li + li::before { content: "·"; color: var(--quiet); margin-inline: 5px; align-self: center; }
.fact { border: 0; background: none; padding: 0; min-block-size: 24px; color: var(--quiet); cursor: help; border-radius: 3px; overflow-wrap: anywhere; text-align: start; }
.tip { position: absolute; z-index: 2; inset-block-start: 100%; inset-inline-start: 0; inline-size: max-content; max-inline-size: 210px; padding: 5px 8px; border-radius: 6px; background: var(--text); color: var(--surface); font-size: 12px; font-weight: 400; line-height: 1.35; text-align: start; visibility: hidden; pointer-events: none; white-space: normal; }
.facts li:nth-last-child(-n+2) .tip { inset-inline-start: auto; inset-inline-end: 0; }
.fact:hover + .tip, .fact:focus-visible + .tip, .word:focus-visible > .tip { visibility: visible; }

.status { display: flex; align-items: center; gap: 8px; color: var(--quiet); overflow-wrap: anywhere; min-inline-size: 0; }
.pulse { display: none; inline-size: 8px; block-size: 8px; border-radius: 50%; background: var(--accent); flex: none; animation: pulse 1.2s ease-in-out infinite alternate; }
.status[data-running] .pulse { display: block; }
.refusal { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 6px 8px; padding: 10px; border: 1px solid var(--over); border-radius: calc(var(--radius) - 2px); overflow-wrap: anywhere; }
.refusal > .icon { color: var(--over); margin-block-start: 2px; }
.refusal > button { grid-column: 2; justify-self: start; }
.left { font-variant-numeric: tabular-nums; }

summary { cursor: pointer; min-block-size: 24px; border-radius: 4px; }
summary .quiet { margin-inline-start: 8px; font-size: 12px; }
.pictures > .note { margin-block: 6px 10px; }
.sent { display: grid; gap: 12px; }
.picture { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 10px; align-items: start; font-size: 12px; }
.picture > div:last-child { display: grid; gap: 2px; overflow-wrap: anywhere; grid-column: 2; }
.file { font-weight: 500; overflow-wrap: anywhere; min-inline-size: 0; }
/* Numbers read from left to right in every host. */
.size, .count { direction: ltr; unicode-bidi: isolate; }
.size { font-variant-numeric: tabular-nums; color: var(--quiet); }
.soft { color: var(--near); display: inline-flex; align-items: center; gap: 4px; }
.not-sent { display: grid; gap: 4px; margin-block-start: 8px; padding: 8px 10px; border: 1px solid var(--border); border-inline-start: 3px solid var(--near); border-radius: calc(var(--radius) - 2px); font-size: 12px; }
.not-sent ul { display: grid; gap: 4px; }
.not-sent li { overflow-wrap: anywhere; }
.soft-names { display: flex; align-items: center; gap: 4px; margin-block-start: 8px; color: var(--near); overflow-wrap: anywhere; }
.why { color: var(--quiet); }
.needs-human { display: flex; align-items: center; gap: 4px; margin-block: 4px 0; color: var(--near); overflow-wrap: anywhere; }
.thumb { inline-size: 28px; block-size: 28px; object-fit: cover; border-radius: 4px; background: var(--soft); flex: none; }
.thumb.large { inline-size: 64px; block-size: 48px; }
.bars { display: flex; gap: 4px; margin-block-start: 8px; }
.bars i { flex: 1; block-size: 3px; border-radius: 2px; background: var(--border); overflow: hidden; }
.bars i[data-stage="ready"] { background: var(--accent); }
.bars i[data-stage="preparing"]::before, .progress[data-stage="preparing"]::before { content: ""; display: block; block-size: 3px; inline-size: 40%; border-radius: 2px; background: var(--accent); animation: slide 1.1s ease-in-out infinite alternate; }
.progress { block-size: 3px; border-radius: 2px; }

.draft .top { margin-block-end: 8px; }
.draft .name, .draft dd { color: var(--quiet); }
.draft dl { display: grid; gap: 8px; padding: 10px; border: 1px dashed var(--control); border-radius: calc(var(--radius) - 2px); background: var(--soft); font-style: normal; }
.draft dt { font-size: 12px; color: var(--quiet); }
.draft dd { overflow-wrap: anywhere; }

.fields { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); }
.field, .structured .field { display: grid; gap: 5px; grid-template-columns: minmax(0, 1fr); }
.top { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; min-inline-size: 0; }
.edited { font-size: 11px; padding: 0 6px; border: 1px solid var(--control); border-radius: 99px; color: var(--quiet); }
.counts { display: inline-flex; align-items: center; gap: 8px; margin-inline-start: auto; }
.count { font-size: 12px; color: var(--quiet); font-variant-numeric: tabular-nums; white-space: nowrap; }
.count[data-level="near"] { color: var(--near); }
.count[data-level="over"] { color: var(--over); font-weight: 700; }
.meter { inline-size: 56px; block-size: 5px; border-radius: 3px; background: var(--border); overflow: hidden; }
.meter i { display: block; block-size: 100%; background: var(--good); border-radius: inherit; }
.meter[data-level="near"] i { background: var(--near); }
.meter[data-level="over"] i { background: var(--over); }
.tools { display: inline-flex; gap: 2px; }
.counts[hidden] + .tools { margin-inline-start: auto; }
.tool { display: inline-grid; place-items: center; inline-size: 28px; block-size: 28px; padding: 0; border: 1px solid transparent; border-radius: 6px; background: none; color: var(--quiet); }
.tool:hover { background: var(--soft); color: var(--text); }
.tool[aria-disabled="true"] { opacity: .4; cursor: default; }
.accept { border-color: var(--control); }
.accept .icon { visibility: hidden; }
.accept[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.accept[aria-pressed="true"] .icon { visibility: visible; }
.evidence.tool[aria-expanded="true"] { background: var(--soft); color: var(--text); }

.boxed { display: flex; border: 1px solid var(--control); border-radius: calc(var(--radius) - 2px); background: var(--surface); }
.boxed:focus-within { outline: 2px solid var(--accent); outline-offset: 0; border-color: transparent; }
.slash { padding: 6px 0 6px 10px; color: var(--quiet); }
.slash + .grow > * { padding-inline-start: 1px; }
.grow { display: grid; flex: 1; min-inline-size: 0; }
.grow > * { grid-area: 1 / 1; padding: 6px 10px; white-space: pre-wrap; overflow-wrap: anywhere; min-inline-size: 0; }
.ghost { visibility: hidden; }
textarea { border: 0; background: none; resize: none; overflow: hidden; outline: none; inline-size: 100%; }
.caret { display: none; inline-size: 2px; block-size: 1.1em; margin-inline-start: 1px; vertical-align: text-bottom; background: var(--accent); visibility: visible; animation: blink 1s steps(2) infinite; }
[data-status="writing"] .caret { display: inline-block; }
[data-status="awaited"] .value { opacity: .75; }
.skeleton { display: grid; gap: 6px; padding-block: 6px; }
.skeleton i { block-size: 12px; border-radius: 4px; background: var(--border); animation: pulse 1.2s ease-in-out infinite alternate; }
.skeleton i:last-child { inline-size: 60%; }
.was { justify-self: start; border: 0; background: none; padding: 2px 0; font-size: 12px; color: var(--quiet); text-align: start; text-decoration: underline; text-decoration-color: var(--control); text-underline-offset: 2px; overflow-wrap: anywhere; min-block-size: 24px; }
.was:hover { color: var(--text); }
.offer, .failure { font-size: 12px; overflow-wrap: anywhere; }
.failure { color: var(--over); }
.failure .plain { color: var(--text); }

.chip-line { display: flex; flex-wrap: wrap; gap: 6px; }
.chips { display: contents; }
.chip { display: inline-flex; align-items: center; border: 1px solid var(--border); background: var(--soft); border-radius: 99px; padding-inline-start: 10px; max-inline-size: 100%; overflow-wrap: anywhere; }
.chip button { display: grid; place-items: center; inline-size: 26px; block-size: 26px; border: 0; border-radius: 50%; background: none; padding: 0; color: var(--quiet); flex: none; }
.chip button:hover { color: var(--text); background: var(--border); }
.chip .icon { inline-size: 12px; block-size: 12px; }
.chip-line input { flex: 1 1 110px; min-inline-size: 0; max-inline-size: 180px; border: 1px dashed var(--control); border-radius: 99px; background: none; padding: 2px 10px; min-block-size: 28px; }
::placeholder { color: var(--quiet); opacity: 1; }

.alts { display: grid; gap: 12px; }
.alt { display: grid; gap: 5px; grid-template-columns: minmax(0, 1fr); }
.alt .file { flex: 1 1 60px; font-size: 12px; }
.switch { display: inline-flex; align-items: center; gap: 6px; font-size: 12px; color: var(--quiet); cursor: pointer; justify-self: start; min-block-size: 24px; position: relative; }
.switch input { position: absolute; opacity: 0; inline-size: 28px; block-size: 24px; margin: 0; cursor: pointer; }
.track { inline-size: 28px; block-size: 16px; border-radius: 99px; border: 1px solid var(--control); padding: 2px; flex: none; }
.track::before { content: ""; display: block; inline-size: 10px; block-size: 10px; border-radius: 50%; background: var(--control); }
.switch input:checked + .track { background: var(--accent); border-color: var(--accent); }
.switch input:checked + .track::before { background: var(--on-accent); margin-inline-start: 12px; }
.switch input:focus-visible + .track { outline: 2px solid var(--accent); outline-offset: 2px; }

.evidence:not(.tool) { display: grid; gap: 4px; font-size: 12px; }
.unsupported { display: flex; flex-wrap: wrap; gap: 2px 10px; margin-block-start: 4px; }
.word { text-decoration: underline dotted var(--near) 2px; text-underline-offset: 3px; }
button.word { position: relative; border: 0; background: none; padding: 2px 0; min-block-size: 24px; color: var(--near); cursor: help; }
.claims { display: grid; gap: 6px; list-style: none; }
.support { padding: 6px 10px; border-inline-start: 3px solid var(--border); overflow-wrap: anywhere; }
.support[data-supported="false"] { border-color: var(--near); }
.claim { color: var(--quiet); margin-block-end: 2px; }
/* The sentence of a field that has but one stands right above. */
.claims > :only-child > .claim { display: none; }

.structured .field { margin-block-start: 12px; }
pre { max-block-size: 180px; overflow: auto; padding: 8px 10px; border: 1px solid var(--border); border-radius: 6px; background: var(--soft); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; direction: ltr; text-align: left; }

.preview { display: grid; gap: 8px; grid-template-columns: minmax(0, 1fr); }
.tabs { display: flex; flex-wrap: wrap; gap: 4px; }
.tabs button { border: 1px solid transparent; border-radius: 99px; background: none; padding: 2px 10px; min-block-size: 28px; color: var(--quiet); }
.tabs button:hover { background: var(--soft); color: var(--text); }
.tabs button[aria-selected="true"] { border-color: var(--control); color: var(--text); font-weight: 600; }
.stage { padding: 14px; border: 1px solid var(--border); border-radius: calc(var(--radius) - 2px); overflow: hidden; font-family: Arial, "PingFang SC", "Microsoft YaHei", sans-serif; overflow-wrap: anywhere; }
.result { display: grid; gap: 3px; max-inline-size: 600px; }
.origin { display: flex; gap: 10px; align-items: center; color: var(--crumb); margin-block-end: 3px; }
.origin > div { display: grid; min-inline-size: 0; }
.origin .icon, .favicon { inline-size: 20px; block-size: 20px; flex: none; }
.site { font-size: 14px; color: var(--text); line-height: 1.3; }
.crumbs { font-size: 12px; line-height: 1.3; }
.result-title { font-size: 20px; line-height: 1.3; color: var(--link); }
.result-text { font-size: 14px; line-height: 1.58; color: var(--crumb); }
[data-target="mobile"] .result { max-inline-size: 360px; }
[data-target="mobile"] .result-title { font-size: 16px; }
[data-target="bing"] .result-title { font-family: "Segoe UI", Arial, sans-serif; }
[data-target="baidu"] .origin { order: 3; margin-block: 3px 0; }
[data-target="baidu"] .result-title { font-size: 18px; }
[data-target="baidu"] .result-text { font-size: 13px; }
.card { display: grid; max-inline-size: 504px; border: 1px solid var(--border); border-radius: 12px; overflow: hidden; }
.card-picture { aspect-ratio: 1200 / 630; background: var(--soft); display: grid; min-inline-size: 0; min-block-size: 0; }
.card-image { inline-size: 100%; block-size: 100%; object-fit: cover; min-block-size: 0; }
.card-blank { display: grid; place-items: center; color: var(--quiet); }
.card-blank .icon { inline-size: 32px; block-size: 32px; }
.card-words { display: grid; gap: 3px; padding: 10px 12px; }
.card-title { font-size: 15px; line-height: 1.35; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.card-text { font-size: 14px; line-height: 1.35; color: var(--crumb); display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.card-site { font-size: 12px; color: var(--crumb); }
[data-target="x"] .card-site { order: -1; }
[data-target="wechat"] .card { max-inline-size: 300px; border-radius: 4px; }
[data-target="wechat"] .card-title { font-size: 17px; }
[data-target="wechat"] .card-text { font-size: 13px; }

.footer { display: grid; gap: 8px; }
.told { display: inline-flex; align-items: center; gap: 8px; color: var(--quiet); }
.told .plain { color: var(--text); }

@container (max-width: 339px) {
  .panel { padding: 12px; gap: 12px; }
  .main kbd, .meter { display: none; }
  .top { column-gap: 4px; }
}
@container (min-width: 600px) {
  .field:not(.structured .field) { grid-template-columns: 110px minmax(0, 1fr); column-gap: 14px; }
  .field:not(.structured .field) > * { grid-column: 2; }
  .field:not(.structured .field) > .top { grid-column: 1 / -1; }
  .sent { grid-template-columns: 1fr 1fr; }
  .draft dl > div { display: grid; grid-template-columns: 110px minmax(0, 1fr); }
}
@media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; } }
@media (forced-colors: active) {
  .meter i, .bars i[data-stage="ready"] { background: CanvasText; forced-color-adjust: none; }
  .accept[aria-pressed="true"] { outline: 2px solid Highlight; }
}
@keyframes pulse { from { opacity: .45; } to { opacity: 1; } }
@keyframes slide { from { margin-inline-start: 0; } to { margin-inline-start: 60%; } }
@keyframes blink { to { visibility: hidden; } }
`;

let shared: CSSStyleSheet | undefined;

/** One sheet for all panels of a page; adopted, so that a strict `style-src` lets it be. */
export function sheet(): CSSStyleSheet {
  if (shared === undefined) {
    shared = new CSSStyleSheet();
    shared.replaceSync(CSS);
  }
  return shared;
}
