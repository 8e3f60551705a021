import { LIMITS, type Target } from '../generated/api.js';
import type { SmartSummary } from '../types.js';
import type { Adapter, Site } from './adapter.js';
import { h, setAttr, setText, show } from './dom.js';
import { messagesFor, type Messages } from './messages/index.js';
import { Session } from './session.js';
import { FIELDS, hasFields } from './state.js';
import { sheet } from './styles.js';
import { altTexts } from './view/alts.js';
import { draft } from './view/draft.js';
import { footer } from './view/footer.js';
import { header } from './view/header.js';
import { keywordsField } from './view/keywords.js';
import type { Panel, View } from './view/panel.js';
import { pictures } from './view/pictures.js';
import { preview } from './view/preview.js';
import { structuredData } from './view/structured.js';
import { textField } from './view/text.js';

/**
 * The panel beside an editor. It asks for nothing until the writer shows intent, and changes nothing before "Apply".
 *
 * Attributes: `theme` (`light`, `dark`, `auto`), `lang` (`en`, `zh-Hans`), `target` (`google`, `google_mobile`, `bing`,
 * `baidu`, `wechat`, `x`: title and description are fitted to that place, and its preview is the first to be shown). Events: `ss-run`, `ss-apply` (the values),
 * `ss-undo`, `ss-error` (a `SmartSummaryError`).
 *
 * @example
 * const panel = document.querySelector('smart-summary');
 * panel.client = createSmartSummary({ endpoint, token });
 * panel.adapter = myEditor;
 */
export class SmartSummaryElement extends HTMLElement {
  static readonly observedAttributes = ['lang', 'target'];

  /** The site's name, address and icon in the previews. */
  site: Site = { name: '', url: '' };
  #client: SmartSummary | undefined;
  #adapter: Adapter | undefined;
  #session: Session;
  #view: (View & { focusMain(): void }) | undefined;
  #attached: Adapter | undefined;
  #rendering = false;
  #afterRender: (() => void)[] = [];
  readonly #live = h('p', { class: 'sr', role: 'status', 'aria-live': 'polite', part: 'live' });
  readonly #urls = new Map<string, { blob: Blob; url: string }>();

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet()];
    this.#session = new Session({
      client: () => this.#client,
      adapter: () => this.#adapter,
      messages: () => this.#messages(),
      target: () => this.#target(),
      render: () => this.#render(),
      announce: (text) => this.#announce(text),
      emit: (name, detail) => this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true })),
    });
    for (const event of ['pointerenter', 'focusin', 'pointerdown'])
      this.addEventListener(event, () => this.#session.intent());
  }

  /** The backend. */
  get client(): SmartSummary {
    return this.#client as SmartSummary;
  }

  set client(client: SmartSummary) {
    this.#client = client;
  }

  /** The editor. */
  get adapter(): Adapter {
    return this.#adapter as Adapter;
  }

  set adapter(adapter: Adapter) {
    this.#adapter = adapter;
    if (this.isConnected) this.#attach();
  }

  get theme(): string {
    return this.getAttribute('theme') ?? 'auto';
  }

  set theme(theme: string) {
    this.setAttribute('theme', theme);
  }

  /** Asks for all fields, as a press of the button does. */
  run(): Promise<void> {
    return this.#session.run();
  }

  /** Stops the run; what came stays. */
  stop(): void {
    this.#session.stop();
  }

  /**
   * Another post is in the editor: a run stops, and nothing of the post before stays in the panel. A host whose adapter
   * gives each post an `id` need not call it.
   */
  reset(): void {
    this.#session.reset();
    this.#dropUrls();
  }

  connectedCallback(): void {
    this.#build();
    document.addEventListener('keydown', this.#onKey);
    addEventListener('pagehide', this.#onLeave);
    if (this.#attached === undefined || this.#attached !== this.#adapter) this.#attach();
  }

  disconnectedCallback(): void {
    document.removeEventListener('keydown', this.#onKey);
    removeEventListener('pagehide', this.#onLeave);
    // A host that moves the panel takes it out and puts it in again in one turn: its work and its fields stay.
    queueMicrotask(() => {
      if (!this.isConnected) this.#detach();
    });
  }

  #attach(): void {
    this.#attached = this.#adapter;
    this.#session.attach(this.#adapter);
  }

  #detach(): void {
    this.#attached = undefined;
    this.#session.detach();
    this.#dropUrls();
  }

  #dropUrls(): void {
    for (const { url } of this.#urls.values()) URL.revokeObjectURL(url);
    this.#urls.clear();
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#build();
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const runs = event.code === 'KeyS' && event.shiftKey && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (runs && !this.#session.running) void this.#session.run();
    else if (event.key === 'Escape' && this.#session.running) this.#session.stop();
    if (runs) event.preventDefault();
  };

  readonly #onLeave = (): void => this.#session.stop();

  #messages(): Messages {
    return messagesFor(this.lang || document.documentElement.lang || navigator.language);
  }

  #target(): Target | undefined {
    const named = this.getAttribute('target') ?? '';
    return Object.hasOwn(LIMITS.places, named) ? (named as Target) : undefined;
  }

  #build(): void {
    const m = this.#messages();
    const panel: Panel = {
      m,
      session: this.#session,
      state: () => this.#session.state,
      site: () => (this.site.name === '' && this.site.url === '' ? undefined : this.site),
      target: () => this.#target(),
      urlOf: (image) => this.#urlOf(image),
      announce: (text) => this.#announce(text),
      canReveal: () => this.#adapter?.reveal !== undefined,
      afterRender: (work) => this.#afterRender.push(work),
      focusMain: () => this.#view?.focusMain(),
    };
    this.#view = panelView(panel, () => this.#render());
    setAttr(this.#view.root, 'lang', m.tag);
    this.shadowRoot!.replaceChildren(this.#view.root, this.#live);
    this.#view.update();
  }

  /** Many changes in one turn are drawn once. */
  #render(): void {
    if (this.#rendering) return;
    this.#rendering = true;
    queueMicrotask(() => {
      this.#rendering = false;
      this.#view?.update();
      for (const work of this.#afterRender.splice(0)) work();
    });
  }

  #announce(text: string): void {
    setText(this.#live, text);
  }

  #urlOf(image: string): string | undefined {
    const blob = this.#session.state.pictures.find(({ id }) => id === image)?.prepared?.blob;
    const held = this.#urls.get(image);
    if (held !== undefined && held.blob === blob) return held.url;
    if (held !== undefined) URL.revokeObjectURL(held.url);
    this.#urls.delete(image);
    if (blob === undefined) return undefined;
    const url = URL.createObjectURL(blob);
    this.#urls.set(image, { blob, url });
    return url;
  }
}

/** All pieces, top to bottom. */
function panelView(panel: Panel, render: () => void): View & { focusMain(): void } {
  const top = header(panel);
  const shown = preview(panel, render);
  const target = () => shown.target();
  const fields: View[] = FIELDS.flatMap((name) => {
    if (name === 'keywords') return keywordsField(panel);
    if (name === 'alt_texts') return altTexts(panel);
    return name === 'open_graph' || name === 'json_ld' ? [] : textField(panel, name, target);
  });
  const group = h('div', { class: 'fields', part: 'fields' }, ...fields.map(({ root }) => root));
  const pieces = [top, pictures(panel), draft(panel), ...fields, structuredData(panel), shown, footer(panel)];
  const [, images, offline, ...rest] = pieces;
  const after = rest.slice(fields.length);
  const root = h('div', { class: 'panel', part: 'panel', role: 'region', 'aria-label': panel.m.panel });
  root.append(top.root, images!.root, offline!.root, group, ...after.map((view) => view.root));
  return {
    root,
    focusMain: () => top.button.focus(),
    update() {
      for (const piece of pieces) piece.update();
      const { run } = panel.state();
      show(group, hasFields(panel.state()) || run !== undefined);
      // While a place is awaited the draft is more use than grey boxes.
      const draftShown = !offline!.root.hidden;
      if (run !== undefined && draftShown) show(group, false);
      setAttr(root, 'aria-busy', run !== undefined ? 'true' : undefined);
    },
  };
}
