// Makes `build/` (scripts, worker, WASM) and the compiled translations.

import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { mo, po } from 'gettext-parser';

const root = fileURLToPath(new URL('..', import.meta.url));
const web = join(root, 'node_modules/@smart-summary/web/dist');
const out = join(root, 'build');
/** What Plugin Check lets a page's script weigh. */
const MOST_BYTES = 300_000;

rmSync(out, { recursive: true, force: true });

const common = { absWorkingDir: root, bundle: true, target: 'es2022', legalComments: 'none', logLevel: 'warning' };
// Names are kept: the scripts stay readable, and WordPress' tools find the translations in them.
const scripts = ['editor', 'classic', 'settings', 'tools'].filter((name) => existsSync(join(root, `src/${name}.ts`)));
await build({ ...common, entryPoints: scripts.map((name) => `src/${name}.ts`), outdir: out, format: 'iife' });
// The package as it is, for its workers; what the page itself loads is one file, so that the panel opens at once.
const notForWorkers = ['adapters', 'element'].map((name) => join(web, name));
const kept = (path) => !path.endsWith('.d.ts') && !notForWorkers.some((folder) => path.startsWith(folder));
cpSync(web, join(out, 'web'), { recursive: true, filter: kept });
const panel = { entryPoints: ['src/web.ts'], outfile: join(out, 'web/panel.js') };
await build({ ...common, ...panel, format: 'esm', minify: true, external: ['./wasm/*'] });
for (const name of [...scripts.map((script) => `${script}.js`), 'web/panel.js', 'web/worker.js']) {
  const { size } = statSync(join(out, name));
  if (size > MOST_BYTES) throw new Error(`build/${name} has ${size} bytes; at most ${MOST_BYTES} are allowed`);
}
translations();

/** From each `.po` an `.mo` for PHP, and one `.json` for each script, named as WordPress looks for it. */
function translations() {
  const languages = join(root, 'languages');
  for (const name of readdirSync(languages).filter((file) => file.endsWith('.po'))) {
    const catalogue = po.parse(readFileSync(join(languages, name)));
    const base = name.slice(0, -'.po'.length);
    writeFileSync(join(languages, `${base}.mo`), mo.compile(catalogue));
    for (const script of scripts) {
      const source = readFileSync(join(out, `${script}.js`), 'utf8');
      const messages = {
        '': {
          domain: 'smart-summary',
          lang: catalogue.headers['Language'],
          'plural-forms': catalogue.headers['Plural-Forms'],
        },
      };
      for (const { msgid, msgstr } of Object.values(catalogue.translations[''] ?? {})) {
        // esbuild writes other characters than ASCII as they are or escaped; both are looked for.
        const escaped = JSON.stringify(msgid)
          .slice(1, -1)
          .replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
        if (msgid !== '' && (source.includes(JSON.stringify(msgid)) || source.includes(`"${escaped}"`)))
          messages[msgid] = msgstr;
      }
      const file = `${base}-${createHash('md5').update(`build/${script}.js`).digest('hex')}.json`;
      const content = { domain: 'smart-summary', locale_data: { 'smart-summary': messages } };
      writeFileSync(join(languages, file), JSON.stringify(content));
    }
  }
}
