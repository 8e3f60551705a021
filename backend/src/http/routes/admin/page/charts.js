// One small chart: a bar a day, or an hour. What it shows stands in a table beside it.

const SVG = 'http://www.w3.org/2000/svg';
const [HEIGHT, LEFT, BOTTOM, TOP] = [150, 44, 18, 8];

function shape(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** The least round number that is not below `value`: 1, 2 or 5 and zeros. */
export function roundUp(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((round) => round >= value) ?? value;
}

/**
 * Bars for `values`, named by `labels`; `short` writes a number in few letters. For the eye alone: hidden from screen
 * readers, which have the table.
 */
export function bars(values, labels, short) {
  // Drawn about as wide as it will be, so that letters keep their size on a phone.
  const width = Math.min(Math.max(innerWidth - 64, 280), 880);
  const top = roundUp(Math.max(...values));
  const step = (width - LEFT) / values.length;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const svg = shape('svg', { class: 'chart', viewBox: `0 0 ${width} ${HEIGHT}`, 'aria-hidden': 'true' });
  for (const value of [0, top / 2, top]) {
    svg.append(shape('line', { class: 'axis', x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
    if (Number.isInteger(value)) {
      svg.append(shape('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value)));
    }
  }
  values.forEach((value, place) => {
    const height = value === 0 ? 0 : Math.max(y(0) - y(value), 1.5);
    const box = { x: LEFT + place * step + step * 0.12, y: y(0) - height, width: step * 0.76, height };
    const title = shape('title', {}, `${labels[place]}: ${short(value)}`);
    svg.append(shape('rect', { class: 'bar', rx: Math.min(2, step / 4), ...box }, title));
  });
  for (const place of new Set([0, Math.floor((values.length - 1) / 2), values.length - 1])) {
    const anchor = place === 0 ? 'start' : place === values.length - 1 ? 'end' : 'middle';
    const x = place === 0 ? LEFT : place === values.length - 1 ? width : LEFT + (place + 0.5) * step;
    svg.append(shape('text', { x, y: HEIGHT - 4, 'text-anchor': anchor }, labels[place]));
  }
  return svg;
}
