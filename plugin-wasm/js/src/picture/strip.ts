// A file without its metadata, its picture byte for byte as it was.

import type { Header } from './header.js';

/** None when the file is of another kind, has colours that are to be converted, or ends before its picture does. */
export function withoutMetadata(bytes: Uint8Array<ArrayBuffer>, header: Header): Blob | undefined {
  if (header.bits > 8 || header.metadata.includes('color_profile')) return undefined;
  switch (header.format) {
    case 'jpeg':
      return bareJpeg(bytes);
    case 'png':
      return barePng(bytes);
    case 'webp':
      return bareWebp(bytes);
    default:
      return undefined;
  }
}

/** Whether a decoder needs the segment: APP14 says what the colours are, the other APPs and COM say nothing to it. */
function isNeeded(marker: number): boolean {
  return marker === 0xee || !((marker > 0xe0 && marker <= 0xef) || marker === 0xfe);
}

/** The segments that make the picture, up to its end; what follows is another picture or a film. */
export function bareJpeg(bytes: Uint8Array<ArrayBuffer>): Blob | undefined {
  const parts = [bytes.subarray(0, 2)];
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xd9) break;
    let end = at + 2 + (bytes[at + 2]! << 8) + bytes[at + 3]!;
    // The coded pixels of a scan: 0xff in them is followed by 0 or by a restart marker.
    if (marker === 0xda) {
      while (end < bytes.length && (bytes[end] !== 0xff || isCoded(bytes[end + 1]))) end++;
    }
    if (isNeeded(marker)) parts.push(bytes.subarray(at, end));
    at = end;
  }
  if (bytes[at] !== 0xff || bytes[at + 1] !== 0xd9) return undefined;
  parts.push(bytes.subarray(at, at + 2));
  return new Blob(parts, { type: 'image/jpeg' });
}

function isCoded(next: number | undefined): boolean {
  return next === 0 || (next !== undefined && next >= 0xd0 && next <= 0xd7);
}

/** The chunks that make pixels: those whose names begin with a capital, and transparency. */
function barePng(bytes: Uint8Array<ArrayBuffer>): Blob | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) return undefined;
    if (/^[A-Z]/.test(kind) || kind === 'tRNS') parts.push(bytes.subarray(at, end));
    if (kind === 'IEND') return new Blob(parts, { type: 'image/png' });
    at = end;
  }
  return undefined;
}

/** In the flags of `VP8X`: the file has a profile, EXIF, XMP. Source: the WebP container specification. */
const FLAGS_OF_METADATA = 0x20 | 0x08 | 0x04;

/** The chunks that make pixels, and the sizes and flags that go with them. */
function bareWebp(bytes: Uint8Array<ArrayBuffer>): Blob | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 4;
  let pixels = false;
  for (let at = 12; at + 8 <= bytes.length;) {
    const kind = String.fromCharCode(...bytes.subarray(at, at + 4));
    const end = at + 8 + view.getUint32(at + 4, true);
    if (end > bytes.length) return undefined;
    const next = end + (end & 1);
    if (['VP8X', 'ALPH', 'VP8 ', 'VP8L'].includes(kind)) {
      const part = new Uint8Array(next - at);
      part.set(bytes.subarray(at, end));
      if (kind === 'VP8X') part[8]! &= ~FLAGS_OF_METADATA;
      parts.push(part);
      length += part.length;
      pixels ||= kind === 'VP8 ' || kind === 'VP8L';
    }
    at = next;
  }
  if (!pixels) return undefined;
  const head = bytes.slice(0, 12);
  new DataView(head.buffer).setUint32(4, length, true);
  return new Blob([head, ...parts], { type: 'image/webp' });
}
