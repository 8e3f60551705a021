// How four inks look, where the browser decodes them and has no press profile.

/**
 * Coefficients of 1 or 2 inks multiplied, for red, green and blue; inks are what the browser's red, green and blue lack, 0
 * to 1, and light is 0 to 255.
 *
 * Red = (1 - cyan)(1 - black), as browsers have it, is not how ink looks. Fitted by least squares to the 17^3 colours that
 * littleCMS separates with the press profile of `inks.rs`, whose polynomial knows the black apart and is better: over all
 * of them this one has 31 dB, and a browser alone 16.
 */
const TERMS = [
  [0, 3, -280, -113, -39],
  [1, 3, 1, -166, -126],
  [2, 3, 0, -28, -176],
  [0, 0, -69, -11, 26],
  [0, 1, 150, 128, -13],
  [0, 2, 9, 11, 53],
  [1, 1, -31, -80, 4],
  [1, 2, -21, 19, 124],
  [2, 2, 13, 7, -83],
] as const;

/** Gives the browser's mixture of inks the look that they have on paper. */
export function lookOfInks(
  pen: Pick<CanvasRenderingContext2D, 'getImageData' | 'putImageData'>,
  width: number,
  height: number,
): void {
  const image = pen.getImageData(0, 0, width, height);
  const { data } = image;
  // The last is always full, for terms of one ink.
  const inks = [0, 0, 0, 1];
  for (let at = 0; at < data.length; at += 4) {
    for (let i = 0; i < 3; i++) inks[i] = 1 - data[at + i]! / 255;
    let [red, green, blue] = [255, 255, 255];
    for (const [one, other, r, g, b] of TERMS) {
      const mixed = inks[one]! * inks[other]!;
      red += r * mixed;
      green += g * mixed;
      blue += b * mixed;
    }
    [data[at], data[at + 1], data[at + 2]] = [red, green, blue];
  }
  pen.putImageData(image, 0, 0);
}

/** A table of Huffman codes: 0 for `first`, and 10 for `second` if there is one. */
const codes = (kind: number, first: number, ...second: number[]) => {
  const lengths = [1, second.length, ...Array<number>(14).fill(0)];
  return [0xff, 0xc4, 0, 20 + second.length, kind, ...lengths, first, ...second];
};

/** A JPEG of 8 x 8 pixels that are all cyan ink, as Adobe's programs write it: the ink's light, so that 0 is full. */
export const ONE_INK = new Uint8Array([
  ...[0xff, 0xd8],
  ...[0xff, 0xee, 0, 14, 65, 100, 111, 98, 101, 0, 100, 0, 0, 0, 0, 0],
  ...[0xff, 0xdb, 0, 67, 0, ...Array<number>(64).fill(8)],
  ...[0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0],
  ...codes(0x00, 0, 7),
  ...codes(0x10, 0),
  ...[0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0],
  // Of each ink the code 10, seven bits of a mean that is -127 or 127 from the middle, and the end of the block.
  ...[0b10000000, 0b00101111, 0b11101011, 0b11111010, 0b11111110],
  ...[0xff, 0xd9],
]);
