// Times the module that drafts in the browser: `node quality.mjs FOLDER CORPUS.jsonl TIMES.jsonl`.
//
// FOLDER holds `draft.js`, `draft_bg.wasm` and `dictionary.bin`. One line of TIMES: `{"id", "ms"}`, the least of seven
// runs, after one run of all articles in which the JavaScript engine compiles what is hot.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';

const RUNS = 7;

const [folder, corpus, out] = process.argv.slice(2);
const { initSync, draft, install_dictionary } = await import(pathToFileURL(resolve(folder, 'draft.js')).href);
initSync({ module: readFileSync(join(folder, 'draft_bg.wasm')) });
install_dictionary(gunzipSync(readFileSync(join(folder, 'dictionary.bin'))));

const lines = readFileSync(corpus, 'utf8').trimEnd().split('\n');
const articles = lines.map((line) => {
  const { id, title, body_markdown, images } = JSON.parse(line);
  const request = {
    article: { title, content: body_markdown, format: 'markdown' },
    images: images.map(({ file }) => ({ id: file, filename: file })),
  };
  return { id, request: JSON.stringify(request) };
});

function milliseconds({ request }) {
  const start = performance.now();
  draft(request, '{}');
  return performance.now() - start;
}

articles.forEach(milliseconds);
const rows = articles.map((article) => {
  const times = Array.from({ length: RUNS }, () => milliseconds(article));
  return JSON.stringify({ id: article.id, ms: Math.min(...times) });
});
writeFileSync(out, `${rows.join('\n')}\n`);
