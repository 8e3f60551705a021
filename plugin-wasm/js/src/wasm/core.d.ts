// The module `core`, as wasm-bindgen makes it from `src/lib.rs`. Only what the worker uses.

import type { Facts } from '../messages.js';

/** A picture whose header has been read; the browser's decoder writes its pixels, and `finish` encodes them. */
export class Picture {
  /** Throws what the server would answer for such a picture. */
  constructor(bytes: Uint8Array, longestEdge: number, quality: number, keepAlpha: boolean);
  readonly mime: string;
  /** As stored, before orientation. */
  readonly width: number;
  readonly height: number;
  readonly longest_edge: number;
  readonly is_jpeg: boolean;
  /** The pixels, as a browser hands them over without conversion, can be understood by this module. */
  readonly plain: boolean;
  /** A browser's own conversion of the colours is right. */
  readonly convertible: boolean;
  /** Set each of these bytes to 1 and no decoder turns the picture. */
  orientation_bytes(): Uint32Array;
  /** Pixels will come; `false` when their layout is not known. */
  begin(width: number, height: number, format: string, matrix: string, fullRange: boolean, converted: boolean): boolean;
  /** Where in the module's memory the next rows are written: `place_length` bytes. */
  place(): number;
  readonly place_length: number;
  /** The first of the next rows, and how many they are; 0 when all have come. */
  readonly row: number;
  readonly band_rows: number;
  /** The rows have been written. */
  take(): void;
  finish(): PreparedPicture;
  free(): void;
}

export class PreparedPicture {
  private constructor();
  readonly facts: Facts;
  take(): Uint8Array<ArrayBuffer>;
  free(): void;
}

export default function init(from: { module_or_path: BufferSource }): Promise<{ memory: WebAssembly.Memory }>;
