// The module `decoders`, as wasm-bindgen makes it from `src/lib.rs`. Only what the worker uses.

import type { PreparedPicture } from './core.js';

/** Throws what the server would answer for such a picture. */
export function prepare(bytes: Uint8Array, longestEdge: number, quality: number, keepAlpha: boolean): PreparedPicture;
export default function init(from: { module_or_path: BufferSource }): Promise<unknown>;
