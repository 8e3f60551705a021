const EAST_ASIAN_WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Characters as the server counts them: in a wide language a full-width one is 1 and any other one half. */
export function lengthOf(text: string, wide: boolean): number {
  if (!wide) return [...text].length;
  let halves = 0;
  for (const char of text) halves += EAST_ASIAN_WIDE.test(char) ? 2 : 1;
  return Math.ceil(halves / 2);
}

let context: CanvasRenderingContext2D | null | undefined;

/** Width in CSS pixels, as the browser draws it; the fonts of search pages are the system's. */
export function pixelsOf(text: string, font: string): number {
  context ??= document.createElement('canvas').getContext('2d');
  if (!context) return 0;
  if (context.font !== font) context.font = font;
  return context.measureText(text).width;
}

/** The text as a result page cuts it: at a word's end, or between CJK characters, with an ellipsis. */
export function cut(text: string, max: number, width: (text: string) => number): string {
  if (width(text) <= max) return text;
  const chars = [...text];
  let low = 0;
  let high = chars.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (width(`${chars.slice(0, middle).join('')} …`) <= max) low = middle;
    else high = middle - 1;
  }
  const head = chars.slice(0, low).join('');
  const next = chars[low] ?? '';
  const inWord = /[\p{L}\p{N}]$/u.test(head) && /[\p{L}\p{N}]/u.test(next) && !EAST_ASIAN_WIDE.test(next);
  const whole = inWord ? head.replace(/[^\s\p{Script=Han}]+$/u, '') : head;
  return `${(whole.trim() || head).replace(/[\s,;:，、；：-]+$/u, '')} …`;
}

/** Bytes for a person. */
export function bytes(count: number, locale: string): string {
  const [value, unit] = count < 1_048_576 ? [Math.max(1, Math.round(count / 1024)), 'KB'] : [count / 1_048_576, 'MB'];
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(value)} ${unit}`;
}

/** `ok` below 90 %, then `near`, `over` past the limit. */
export function level(value: number, max: number): 'ok' | 'near' | 'over' {
  if (value > max) return 'over';
  return value >= max * 0.9 ? 'near' : 'ok';
}
