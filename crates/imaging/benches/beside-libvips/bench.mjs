// `node bench.mjs TIMED IMAGES [REPEATS]`: the example `timed` beside sharp (libvips, libjpeg-turbo with shrink-on-load),
// one thread each, in turn, so that what else the machine does meets both. The least of the repeats counts.
// Prints Markdown.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

const [timed, images, repeats = '7'] = process.argv.slice(2);
if (!images) throw new Error('usage: node bench.mjs TIMED IMAGES [REPEATS]');
sharp.cache(false);
sharp.concurrency(1);

const child = spawn(timed, { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

/** Milliseconds and bytes of ours; null when it refuses. */
async function ours(path) {
  child.stdin.write(`${path}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`the process ended at ${path}`);
  const [milliseconds, bytes] = value.split(' ');
  return milliseconds === '-' ? null : { ms: Number(milliseconds), bytes: Number(bytes) };
}

/** Milliseconds and bytes of sharp; null when it refuses. */
async function libvips(buffer) {
  const start = performance.now();
  try {
    const out = await sharp(buffer, { limitInputPixels: 40e6 })
      .autoOrient()
      .resize(1024, 1024, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#fff' })
      .jpeg({ quality: 85 })
      .toBuffer();
    return { ms: performance.now() - start, bytes: out.length };
  } catch {
    return null;
  }
}

const least = (a, b) => (a === null || (b !== null && b.ms < a.ms) ? b : a);
const geometric = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
const kinds = [
  ['JPEG of 12 MP and more', /^cam-(12|16|22|24)/],
  ['all JPEG', /\.jpg$/],
  ['PNG, WebP, GIF', /\.(png|webp|gif)$/],
  ['all', /./],
];

const rows = [];
for (const name of readdirSync(images).sort()) {
  if (!/\.(jpg|png|webp|gif)$/.test(name) || /^(bomb|corrupt|zero)/.test(name)) continue;
  const path = join(images, name);
  const buffer = readFileSync(path);
  let a = await ours(path);
  let b = await libvips(buffer);
  for (let round = 0; round < Number(repeats); round++) {
    a = least(await ours(path), a);
    b = least(await libvips(buffer), b);
  }
  if (a && b) rows.push({ name, a, b });
}
child.stdin.end();

console.log('| picture | ours ms | libvips ms | ratio | ours bytes | libvips bytes | ratio |');
console.log('|---|--:|--:|--:|--:|--:|--:|');
for (const { name, a, b } of rows) {
  const cells = [a.ms.toFixed(1), b.ms.toFixed(1), (a.ms / b.ms).toFixed(2), a.bytes, b.bytes, (a.bytes / b.bytes).toFixed(2)];
  console.log(`| ${name} | ${cells.join(' | ')} |`);
}
console.log('\n| pictures | time, geometric mean of ratios | bytes |\n|---|--:|--:|');
for (const [kind, names] of kinds) {
  const some = rows.filter(({ name }) => names.test(name));
  if (some.length === 0) continue;
  const time = geometric(some.map(({ a, b }) => a.ms / b.ms));
  const bytes = geometric(some.map(({ a, b }) => a.bytes / b.bytes));
  console.log(`| ${kind} (${some.length}) | ${time.toFixed(2)} | ${bytes.toFixed(2)} |`);
}
