// What a file says about its picture, read without WebAssembly: for browsers and pages that refuse it. The same bounds and
// words as the crate `imaging`, and no more than is needed to draw the picture upright and never a bomb.

import { plain } from '../modules.js';

/** `imaging::Options::max_pixels`. */
const MAX_PIXELS = 40_000_000;

/** What a file declares. */
export interface Header {
  format: 'jpeg' | 'png' | 'webp' | 'gif';
  /** As stored, before orientation. */
  width: number;
  height: number;
  /** EXIF, 1 to 8. */
  orientation: number;
  /** Where the orientation's byte stands; set to 1, no decoder turns the picture. */
  turnsAt: number[];
  /** A JPEG of four inks. */
  inks: boolean;
  /** Bits of one channel. */
  bits: number;
  /** There is more than one frame. */
  animated: boolean;
  /** The kinds of metadata, by their containers. */
  metadata: string[];
}

type Found = Omit<Header, 'format'>;

/** Reads the header within bounds; throws what the server would answer. */
export function headerOf(bytes: Uint8Array): Header {
  const [format, read] = reader(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Found = {
    width: 0,
    height: 0,
    orientation: 1,
    turnsAt: [],
    inks: false,
    bits: 8,
    animated: false,
    metadata: [],
  };
  try {
    read(view, found);
  } catch {
    // Past the end: what has been found counts.
  }
  const { width, height } = found;
  if (width === 0 || height === 0) throw plain('image_broken', 'the picture is broken: its header declares no pixels');
  if (width * height > MAX_PIXELS) {
    const most = `at most ${MAX_PIXELS} pixels are read`;
    throw plain('too_many_pixels', `the picture declares ${width} x ${height} pixels; ${most}`);
  }
  return { format, ...found, metadata: [...new Set(found.metadata)].sort() };
}

function reader(bytes: Uint8Array): [Header['format'], (view: DataView, found: Found) => void] {
  const has = (text: string, at = 0) => [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
  if (has('\xff\xd8')) return ['jpeg', jpeg];
  if (has('\x89PNG\r\n\x1a\n')) return ['png', png];
  if (has('RIFF') && has('WEBP', 8)) return ['webp', webp];
  if (has('GIF8')) return ['gif', gif];
  const found = has('ftyp', 4) ? isoMedia(bytes) : NAMED.find(([start]) => has(start))?.[1];
  if (found === undefined && !isSvg(bytes)) throw plain('not_an_image', 'this is not a picture');
  throw plain('unsupported_image', `${found ?? 'SVG'} is not read; send JPEG, PNG, WebP or GIF`);
}

/** What is recognised and not read, by its first bytes. `unreadable` of the crate `imaging`. */
const NAMED = [
  ['BM', 'BMP'],
  ['II*\0', "TIFF or a camera's raw file"],
  ['MM\0*', "TIFF or a camera's raw file"],
  ['\0\0\x01\0', 'ICO'],
  ['%PDF-', 'PDF'],
  ['\xff\x0a', 'JPEG XL'],
  ['\0\0\0\x0cJXL ', 'JPEG XL'],
  ['\0\0\0\x0cjP  ', 'JPEG 2000'],
  ['\xff\x4f\xff\x51', 'JPEG 2000'],
  ['8BPS', 'PSD'],
] as const;

/** Told apart by the brands: the first, then those it is compatible with. */
function isoMedia(bytes: Uint8Array): string {
  const brands = String.fromCharCode(...bytes.subarray(8, 72));
  if (/^avi[fs]/.test(brands) || (/^mi[fs]1/.test(brands) && brands.includes('avif'))) return 'AVIF';
  return /^(he[iv][cxms]|mi[fs]1)/.test(brands) ? 'HEIC' : 'A video';
}

function isSvg(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 1024)).trimStart();
  return start.startsWith('<') && start.includes('<svg');
}

function jpeg(view: DataView, found: Found): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let at = 2; ;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) return;
    const marker = view.getUint8(at + 1);
    if (marker === 0xd9) return trailer(view, at + 2, found);
    if (marker === 0xff) {
      at++;
      continue;
    }
    // Those without a length: stuffing and restarts in the coded pixels of a scan among them.
    if (marker <= 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const length = view.getUint16(at + 2);
    const payload = at + 4;
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc && !found.width) {
      found.height = view.getUint16(payload + 1);
      found.width = view.getUint16(payload + 3);
      found.inks = view.getUint8(payload + 5) === 4;
    } else if (marker === 0xe1 && text(view, payload, 4) === 'Exif') exif(view, payload + 6, at + 2 + length, found);
    else if (marker === 0xe1) found.metadata.push('xmp');
    else if (marker === 0xe2 && text(view, payload, 11) === 'ICC_PROFILE') found.metadata.push('color_profile');
    else if (marker === 0xed) found.metadata.push('iptc');
    else if (marker === 0xfe) found.metadata.push('comment');
    else if (marker >= 0xe2 && marker <= 0xef && marker !== 0xee) found.metadata.push('other');
    at += 2 + length;
  }
}

/** Primaries 1 and transfer 13, the codes of sRGB. */
const CODED_SRGB = 0x010d;

/** The numbers of sRGB: x and y of white, red, green and blue, in hundred-thousandths. */
const MEASURED_SRGB = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000];

function png(view: DataView, found: Found): void {
  // Numbers count where no name is given. `measured` of `profile.rs`.
  let [named, gamma, chromaticities] = [false, 0, MEASURED_SRGB];
  const kinds: Record<string, string> = {
    iCCP: 'color_profile',
    tEXt: 'comment',
    zTXt: 'comment',
    iTXt: 'comment',
    tIME: 'date',
  };
  for (let at = 8; ; at += 12 + view.getUint32(at)) {
    const chunk = text(view, at + 4, 4);
    named ||= ['cICP', 'iCCP', 'sRGB'].includes(chunk);
    if (chunk === 'IHDR') {
      found.width = view.getUint32(at + 8);
      found.height = view.getUint32(at + 12);
      found.bits = view.getUint8(at + 16);
    } else if (chunk === 'acTL') found.animated = true;
    else if (chunk === 'eXIf') exif(view, at + 8, at + 8 + view.getUint32(at), found);
    else if (chunk === 'cICP' && view.getUint16(at + 8) !== CODED_SRGB) found.metadata.push('color_profile');
    else if (chunk === 'gAMA') gamma = view.getUint32(at + 8);
    else if (chunk === 'cHRM') chromaticities = MEASURED_SRGB.map((_, i) => view.getUint32(at + 8 + 4 * i));
    else if (chunk === 'IDAT' && !named && gamma > 0) {
      const off = chromaticities.some((value, i) => Math.abs(value - MEASURED_SRGB[i]!) >= 100);
      if (off || Math.abs((gamma * 2.2) / 1e5 - 1) > 0.05) found.metadata.push('color_profile');
    } else if (kinds[chunk] !== undefined) found.metadata.push(kinds[chunk]);
    else if (chunk === 'IEND') return trailer(view, at + 12, found);
  }
}

function webp(view: DataView, found: Found): void {
  trailer(view, 8 + ((view.getUint32(4, true) + 1) & ~1), found);
  const whole = (at: number) => 1 + view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  for (let at = 12; ; at += 8 + ((view.getUint32(at + 4, true) + 1) & ~1)) {
    const chunk = text(view, at, 4);
    const body = at + 8;
    if (chunk === 'VP8X') {
      [found.width, found.height] = [whole(body + 4), whole(body + 7)];
      found.animated = (view.getUint8(body) & 2) !== 0;
    } else if (chunk === 'VP8 ' && !found.width) {
      found.width = view.getUint16(body + 6, true) & 0x3fff;
      found.height = view.getUint16(body + 8, true) & 0x3fff;
    } else if (chunk === 'VP8L' && !found.width) {
      const packed = view.getUint32(body + 1, true);
      found.width = (packed & 0x3fff) + 1;
      found.height = ((packed >> 14) & 0x3fff) + 1;
    } else if (chunk === 'ICCP') found.metadata.push('color_profile');
    else if (chunk === 'XMP ') found.metadata.push('xmp');
    else if (chunk === 'EXIF') {
      const tiff = text(view, body, 4) === 'Exif' ? body + 6 : body;
      exif(view, tiff, body + view.getUint32(at + 4, true), found);
    }
  }
}

function gif(view: DataView, found: Found): void {
  found.width = view.getUint16(6, true);
  found.height = view.getUint16(8, true);
  const table = (flags: number) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  const blocks = (from: number) => {
    let at = from;
    while (view.getUint8(at) !== 0) at += 1 + view.getUint8(at);
    return at + 1;
  };
  let frames = 0;
  for (let at = 13 + table(view.getUint8(10)); ;) {
    const kind = view.getUint8(at);
    if (kind === 0x2c) {
      found.animated = ++frames > 1;
      at = blocks(at + 11 + table(view.getUint8(at + 9)));
    } else if (kind === 0x21) {
      if (view.getUint8(at + 1) === 0xfe) found.metadata.push('comment');
      at = blocks(at + 2);
    } else if (kind === 0x3b) return trailer(view, at + 1, found);
    else return;
  }
}

/** What follows the end of a picture: a film, a second picture. */
function trailer(view: DataView, end: number, found: Found): void {
  if (end < view.byteLength) found.metadata.push('trailer');
}

/** The orientation out of the first directory of a TIFF block, and whether there are ones of places and of a thumbnail. */
function exif(view: DataView, tiff: number, end: number, found: Found): void {
  found.metadata.push('exif');
  try {
    directory(view, tiff, end, found);
  } catch {
    // It leads outside the file, and the picture may be a good one all the same.
  }
}

function directory(view: DataView, tiff: number, end: number, found: Found): void {
  const little = view.getUint16(tiff) === 0x4949;
  const first = tiff + view.getUint32(tiff + 4, little);
  let entry = first + 2;
  for (let left = view.getUint16(first, little); left > 0 && entry + 12 <= end; left--, entry += 12) {
    const tag = view.getUint16(entry, little);
    if (tag === 0x8825) found.metadata.push('gps');
    // BYTE, SHORT or LONG, by its length.
    const length = [0, 1, 0, 2, 4][view.getUint16(entry + 2, little)] ?? 0;
    if (tag !== 0x0112 || length === 0) continue;
    const low = entry + 8 + (little ? 0 : length - 1);
    const value = view.getUint8(low);
    if (value < 1 || value > 8) continue;
    if (found.turnsAt.length === 0) found.orientation = value;
    found.turnsAt.push(low);
  }
  if (entry + 4 <= end && view.getUint32(entry, little) > 0) found.metadata.push('thumbnail');
}

function text(view: DataView, at: number, length: number): string {
  return Array.from({ length }, (_, i) => String.fromCharCode(view.getUint8(at + i))).join('');
}
