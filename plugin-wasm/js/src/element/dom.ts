type Child = Node | string;
type Props = Record<string, string | boolean | number | ((event: never) => void) | undefined>;

/**
 * An element. A function is a listener of that event, `false` and `undefined` leave an attribute out.
 *
 * @example
 * h('button', { type: 'button', part: 'undo', click: () => undo() }, 'Undo')
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name, value as unknown as EventListener);
    else setAttr(element, name, value);
  }
  element.append(...children);
  return element;
}

/** Sets only what differs: an unneeded write moves the caret, restarts animations and wakes screen readers. */
export function setAttr(element: Element, name: string, value: string | boolean | number | undefined): void {
  if (value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? '' : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function setText(element: Node, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element: HTMLElement, on: boolean): void {
  if (element.hidden === on) element.hidden = !on;
}

/** Keeps one node per key, in order; nodes that stay are not touched. */
export class Keyed<T, V extends { root: HTMLElement; update(item: T): void }> {
  readonly #parent: HTMLElement;
  readonly #make: (item: T) => V;
  #views = new Map<string, V>();

  constructor(parent: HTMLElement, make: (item: T) => V) {
    this.#parent = parent;
    this.#make = make;
  }

  update(items: readonly T[], key: (item: T) => string): void {
    const next = new Map<string, V>();
    for (const item of items) {
      const name = key(item);
      const view = this.#views.get(name) ?? this.#make(item);
      next.set(name, view);
      view.update(item);
    }
    for (const [name, view] of this.#views) if (!next.has(name)) view.root.remove();
    let place = this.#parent.firstElementChild;
    for (const { root } of next.values()) {
      if (root === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(root, place);
    }
    this.#views = next;
  }
}

const PATHS = {
  spark: 'M12 3l1.9 5.6L19.5 10.5 13.9 12.4 12 18l-1.9-5.6L4.5 10.5l5.6-1.9zM19 16v4M17 18h4',
  stop: 'M7 7h10v10H7z',
  again: 'M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  close: 'M6 6l12 12M18 6L6 18',
  plus: 'M12 5v14M5 12h14',
  find: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5',
  warn: 'M12 4L2.8 20h18.4zM12 10v4.5M12 17.4v.2',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  globe: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18',
} as const;

/** An outline icon of this file; never read out, its button has a name. */
export function icon(name: keyof typeof PATHS): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [key, value] of [
    ['viewBox', '0 0 24 24'],
    ['aria-hidden', 'true'],
    ['class', 'icon'],
  ] as const) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
