// The slot of the harness for the package with its own decoders only. Lies beside the package's scripts when it runs.

import { Pictures } from './pictures.js';
import { spawn } from './spawn.js';

const pictures = new Pictures(() => spawn());

export async function init() {
  await pictures.load();
}

export function downscale(blob, { maxEdge, quality }) {
  const wishes = { longest_edge: maxEdge, quality: Math.round(quality * 100), paths: ['wasm'] };
  return pictures.prepare('picture', blob, wishes);
}
