// The part of WordPress' scripts that is used here. They are globals of the page, and no part of the bundle.

type Attributes = Record<string, unknown>;

interface Block {
  clientId: string;
  name: string;
  attributes: Attributes;
  innerBlocks: Block[];
  isValid?: boolean;
}

type WpNode = unknown;
type Component<Props = Record<string, unknown>> = (props: Props) => WpNode;

interface WpElement {
  createElement(type: unknown, props?: Record<string, unknown> | null, ...children: unknown[]): WpNode;
  Fragment: unknown;
  useState<T>(initial: T | (() => T)): [T, (next: T | ((before: T) => T)) => void];
  useEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
  useRef<T>(initial: T): { current: T };
}

interface WpData {
  // Stores are known by name; each has methods of its own.
  select(store: string): Record<string, (...args: never[]) => unknown> | undefined;
  dispatch(store: string): Record<string, (...args: never[]) => unknown> | undefined;
  subscribe(listener: () => void): () => void;
  useSelect<T>(map: (select: WpData['select']) => T, inputs?: unknown[]): T;
}

interface ApiFetchOptions {
  path: string;
  method?: string;
  data?: unknown;
  signal?: AbortSignal;
}

interface Wp {
  element: WpElement;
  data: WpData;
  components: Record<string, unknown>;
  plugins: { registerPlugin(name: string, settings: { render: Component; icon?: unknown }): void };
  editor?: Record<string, unknown>;
  editPost?: Record<string, unknown>;
  blockEditor: Record<string, unknown>;
  blocks: {
    getBlockType(name: string): { attributes: Record<string, unknown> } | undefined;
    serialize(blocks: Block[]): string;
    __unstableSerializeAndClean?(blocks: Block[]): string;
  };
  compose: {
    createHigherOrderComponent(wrap: (inner: unknown) => Component, name: string): (inner: unknown) => Component;
  };
  hooks: { addFilter(hook: string, namespace: string, callback: unknown): void };
  i18n: {
    __(text: string, domain: string): string;
    _n(one: string, many: string, count: number, domain: string): string;
    sprintf(format: string, ...values: unknown[]): string;
  };
  apiFetch<T>(options: ApiFetchOptions): Promise<T>;
  a11y?: { speak(text: string, politeness?: 'polite' | 'assertive'): void };
}

interface TinyMceEditor {
  id: string;
  getContent(): string;
  getBody(): HTMLElement;
  initialized?: boolean;
  isHidden(): boolean;
  on(events: string, callback: () => void): void;
  off(events: string, callback: () => void): void;
  undoManager: { transact(work: () => void): unknown; undo(): unknown };
  selection: { select(node: Node): void; scrollIntoView(node: Node): void };
}

declare const wp: Wp;

interface Window {
  wp: Wp;
  smartSummary: import('./facts.js').Facts;
  aioseo?: { currentPost?: Record<string, unknown> };
  tinymce?: {
    get(id: string): TinyMceEditor | null;
    on(event: 'AddEditor', callback: (event: { editor: TinyMceEditor }) => void): void;
  };
}
