// Packs the dictionary of Chinese words for the browser: `dict.txt` of the crate jieba-rs (MIT), gzipped, which the worker
// fetches with the first Chinese article. Not named `.gz`: some servers then announce it as an encoding and browsers unpack it.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const workspace = fileURLToPath(new URL('../../../', import.meta.url));
const out = fileURLToPath(new URL('../dist/wasm/', import.meta.url));
const metadata = execFileSync('cargo', ['metadata', '--format-version', '1', '--locked'], {
  cwd: workspace,
  maxBuffer: 1 << 28,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const { packages } = JSON.parse(metadata);
const jieba = packages.find(({ name }) => name === 'jieba-rs');
if (jieba === undefined)
  throw new Error('jieba-rs is not among the dependencies: where does the dictionary come from?');

mkdirSync(out, { recursive: true });
const words = readFileSync(join(dirname(jieba.manifest_path), 'src/data/dict.txt'));
writeFileSync(join(out, 'dictionary.bin'), gzipSync(words, { level: 9 }));
