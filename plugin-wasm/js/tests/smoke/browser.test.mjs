// The built package in a real browser, against the server beside this file.
//
//   CHROMIUM=/usr/bin/chromium PLAYWRIGHT=playwright-core node --test tests/smoke/
//
// Needs `dist` with its `wasm` folder, and playwright-core, which is no dependency of this package.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { serve } from './server.mjs';

const { chromium } = await import(process.env.PLAYWRIGHT ?? 'playwright-core');
const FLAGS = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const SUMMARY = {
  id: 'sum-1',
  language: 'zh',
  title: '黑麦面包：时间比技巧重要',
  slug: 'rye-bread',
  warnings: [],
  engine: 'extractive',
  model: 'extractive-1',
  prompt_version: '1',
  cached: false,
  usage: { prompt_tokens: 0, image_tokens: 0, completion_tokens: 0 },
  timings: { queue: 1, prefill: 2, decode: 3, total: 6 },
};
const POST = { title: 'Rye', content: '<p>Rye bread needs time more than skill.</p>', format: 'html', images: [] };

let server, browser, page;
before(async () => {
  server = await serve();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', ...FLAGS],
  });
  page = await browser.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log('# page:', message.text()));
  page.on('pageerror', (error) => console.log('# page error:', error.message));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.smart);
  await page.evaluate((origin) => {
    window.make = (backend, options = {}) => {
      const reasons = [];
      const smart = window.smart.createSmartSummary({
        endpoint: `${origin}/backend/${backend}`,
        token: async ({ reason }) => {
          reasons.push(reason);
          return { token: `token-${reasons.length}`, expires_at: Date.now() + 600_000 };
        },
        ...options,
      });
      return { smart, reasons };
    };
    window.facts = (error) => ({
      ...error,
      message: error.message,
      real: error instanceof window.smart.SmartSummaryError,
    });
    window.photo = async (width, height, type = 'image/jpeg') => {
      const canvas = new OffscreenCanvas(width, height);
      const pen = canvas.getContext('2d');
      for (let i = 0; i < 400; i++) {
        pen.fillStyle = `hsl(${i * 37} 80% ${20 + (i % 60)}%)`;
        pen.fillRect((i * 97) % width, (i * 57) % height, width / 9, height / 7);
      }
      return canvas.convertToBlob({ type, quality: 0.9 });
    };
    window.run = async (backend, post, options = {}, make = {}) => {
      const { smart, reasons } = window.make(backend, make);
      const told = [];
      const listen = {
        onProgress: ({ picture, ...progress }) =>
          told.push({
            ...progress,
            ...(progress.error && { error: progress.error.code, real: progress.error instanceof Error }),
          }),
        onDelta: (field, text) => told.push({ delta: field, text }),
        onField: (name, value) => told.push({ field: name, value }),
      };
      const ended = await smart.summarize(post, { ...options, ...listen }).then(
        (summary) => ({ summary }),
        (error) => ({ error: window.facts(error) }),
      );
      smart.dispose();
      return { ...ended, told, reasons };
    };
  }, server.origin);
});
after(async () => {
  await browser?.close();
  server?.close();
});

const sse = (response) => response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
const event = (name, data) => `event: ${name}\r\ndata: ${JSON.stringify(data)}\r\n\r\n`;
const problem = (response, status, code, more = {}, headers = {}) => {
  const body = {
    type: `/docs/errors#${code}`,
    title: code,
    status,
    code,
    detail: `about ${code}`,
    request_id: 'req-7',
    ...more,
  };
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(JSON.stringify(body));
};
const whole = (response) => {
  sse(response);
  response.end(event('started', { engine: 'extractive', model: 'm' }) + event('completed', SUMMARY));
};
const sent = (name) => server.requests.filter((request) => request.name === name);

test('nothing is loaded before the first call, and then only what photographs and a summary need', async () => {
  assert.deepEqual(
    server.assets.filter((path) => path.includes('wasm')),
    [],
  );
  await page.evaluate(async () => {
    const { smart } = window.make('none');
    await smart.load();
    await smart.load();
    smart.dispose();
  });
  const wasm = new Set(server.assets.filter((path) => path.endsWith('_bg.wasm')));
  assert.deepEqual([...wasm].sort(), ['/dist/wasm/core_bg.wasm', '/dist/wasm/net_bg.wasm']);
});

test('pictures are made small and upright and lose their metadata; what is none is told and left out', async () => {
  const { pictures, told } = await page.evaluate(async () => {
    const { smart } = window.make('none');
    const turned = await (await fetch('/fixtures/turned.jpg')).blob();
    const told = [];
    const pictures = await smart.prepare(
      [
        { id: 'photo', source: () => window.photo(2400, 1200) },
        { id: 'text', source: new Blob(['hello']) },
        { id: 'gone', source: () => Promise.reject(new Error('404')) },
        { id: 'turned', source: turned },
      ],
      {
        onProgress: (progress) =>
          told.push({
            ...progress,
            picture: progress.picture?.id,
            error: progress.error?.code,
            why: progress.error?.message,
          }),
      },
    );
    const size = async ({ blob }) => {
      const { width, height } = await createImageBitmap(blob);
      return { width, height };
    };
    const seen = await Promise.all(pictures.map(size));
    smart.dispose();
    return {
      pictures: pictures.map((picture, i) => ({
        ...picture,
        type: picture.blob.type,
        bytes: picture.blob.size,
        seen: seen[i],
      })),
      told,
    };
  });
  assert.deepEqual(
    pictures.map(({ id }) => id),
    ['photo', 'turned'],
    JSON.stringify(told),
  );
  const [photo, turned] = pictures;
  assert.deepEqual([photo.width, photo.height, photo.format, photo.type], [1024, 512, 'jpeg', 'image/jpeg']);
  assert.deepEqual(photo.original, { format: 'jpeg', width: 2400, height: 1200 });
  for (const picture of pictures) {
    assert.deepEqual(picture.seen, { width: picture.width, height: picture.height });
    assert.equal(picture.bytes, picture.bytes_after);
  }
  assert.ok(turned.removed.includes('gps'), String(turned.removed));
  assert.deepEqual([turned.width, turned.height], [24, 48]);
  assert.deepEqual(turned.original, { format: 'jpeg', width: 48, height: 24 });
  assert.deepEqual(
    told
      .filter(({ stage }) => stage === 'refused')
      .map(({ image, error }) => [image, error])
      .sort(),
    [
      ['gone', 'image_broken'],
      ['text', 'not_an_image'],
    ],
  );
});

test('a call whose only content cannot be read fails with its reason', async () => {
  const error = await page.evaluate(() =>
    window
      .make('none')
      .smart.prepare([{ id: 'text', source: new Blob(['hello']) }])
      .catch(window.facts),
  );
  assert.deepEqual([error.code, error.image, error.real], ['not_an_image', 'text', true]);
  const { error: other } = await page.evaluate(() =>
    window.run('none', { content: ' ', format: 'text', images: [{ id: 'text', source: new Blob(['hello']) }] }),
  );
  assert.equal(other.code, 'not_an_image');
});

test('a post goes out as a form and its fields come back as they are written', async () => {
  server.scripts.set('whole', async (response) => {
    sse(response);
    const bytes = Buffer.from(
      ': hello\n\n' +
        event('queued', { position: 2, wait_ms: 40 }) +
        event('started', { engine: 'extractive', model: 'extractive-1' }) +
        event('telepathy', {}) +
        event('delta', { field: 'title', text: '黑麦面包：' }) +
        event('delta', { field: 'title', text: '时间比技巧重要' }) +
        event('field', { name: 'title', value: SUMMARY.title }) +
        event('completed', SUMMARY),
    );
    // Every seven bytes: through characters, through CRLF, through names.
    for (let at = 0; at < bytes.length; at += 7) {
      response.write(bytes.subarray(at, at + 7));
      if (at % 70 === 0) await pause(1);
    }
    response.end();
  });
  const { summary, told, reasons } = await page.evaluate(
    async (post) =>
      window.run(
        'whole',
        {
          ...post,
          images: [
            { id: 'hero', source: await window.photo(1600, 900), filename: 'IMG 1.jpg', caption: 'A loaf' },
            { id: 'bad', source: new Blob(['x']) },
          ],
        },
        { fields: ['title', 'slug'], idempotencyKey: 'key-1', guidelines: { tone: 'warm' } },
        { defaults: { guidelines: { brand: 'Bread' }, engine: 'extractive' } },
      ),
    POST,
  );
  assert.deepEqual(summary, SUMMARY);
  assert.deepEqual(reasons, ['first']);
  const stages = told.filter(({ stage }) => stage).map(({ stage }) => stage);
  assert.deepEqual([...stages].slice(-3), ['uploading', 'queued', 'started']);
  assert.deepEqual(stages.slice(0, -3).sort(), ['prepared', 'preparing', 'preparing', 'refused']);
  assert.deepEqual(
    told.find(({ stage }) => stage === 'queued'),
    { stage: 'queued', position: 2, wait_ms: 40 },
  );
  assert.equal(
    told
      .filter(({ delta }) => delta === 'title')
      .map(({ text }) => text)
      .join(''),
    SUMMARY.title,
  );
  assert.deepEqual(
    told.filter(({ field }) => field),
    [{ field: 'title', value: SUMMARY.title }],
  );

  const [{ headers, form }] = sent('whole');
  assert.equal(headers.authorization, 'Bearer token-1');
  assert.equal(headers['idempotency-key'], 'key-1');
  assert.equal(headers.accept, 'text/event-stream');
  assert.equal(headers.cookie, undefined);
  assert.deepEqual([...form.keys()], ['request', 'hero']);
  assert.equal(form.get('request').type, 'application/json');
  assert.equal(form.get('hero').name, 'hero.jpg');
  const request = JSON.parse(await form.get('request').text());
  assert.equal(request.article.title, 'Rye');
  assert.deepEqual(request.images, [{ id: 'hero', filename: 'IMG 1.jpg', caption: 'A loaf', role: 'auto' }]);
  assert.deepEqual(request.fields, ['title', 'slug']);
  assert.equal(request.engine, 'extractive');
  assert.deepEqual([request.guidelines.brand, request.guidelines.tone], ['Bread', 'warm']);
});

test('a picture that was prepared before is sent as it is', async () => {
  server.scripts.set('reuse', whole);
  const { before, told } = await page.evaluate(async (post) => {
    const { smart } = window.make('none');
    const image = { id: 'hero', source: await window.photo(1500, 500) };
    const prepared = await smart.prepare([image]);
    smart.dispose();
    const { told } = await window.run('reuse', { ...post, images: [image] }, { prepared });
    return { before: prepared[0].bytes_after, told };
  }, POST);
  assert.equal(sent('reuse')[0].form.get('hero').size, before);
  assert.deepEqual(
    told.map(({ stage }) => stage),
    ['uploading', 'started'],
  );
});

test('a token that has expired is renewed once and kept for the next call', async () => {
  server.scripts.set('expired', (response, nth) =>
    nth === 1 ? problem(response, 401, 'token_expired') : whole(response),
  );
  const { summary, reasons } = await page.evaluate((post) => window.run('expired', post), POST);
  assert.equal(summary.id, 'sum-1');
  assert.deepEqual(reasons, ['first', 'expired']);
  assert.deepEqual(
    sent('expired').map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  );

  server.scripts.set('twice', whole);
  const kept = await page.evaluate(async (post) => {
    const { smart, reasons } = window.make('twice');
    await smart.summarize(post);
    await smart.summarize(post);
    smart.dispose();
    return reasons;
  }, POST);
  assert.deepEqual(kept, ['first']);

  server.scripts.set('refused', (response) => problem(response, 401, 'token_used_up'));
  const refused = await page.evaluate((post) => window.run('refused', post), POST);
  assert.deepEqual(refused.reasons, ['first', 'refused']);
  assert.deepEqual(
    [refused.error.code, refused.error.status, refused.error.request_id],
    ['token_used_up', 401, 'req-7'],
  );
});

test('a host without a token is told so', async () => {
  const { error } = await page.evaluate(
    (post) => window.run('none', post, {}, { token: () => Promise.reject(new Error('signed out')) }),
    POST,
  );
  assert.deepEqual([error.code, error.message, error.real], ['token_failed', 'signed out', true]);
});

test('a full quota is waited for, and the repeated request is the same one', async () => {
  server.scripts.set('limited', (response, nth) =>
    nth === 1 ? problem(response, 429, 'rate_limited', {}, { 'retry-after': '1' }) : whole(response),
  );
  const started = performance.now();
  const { summary, told } = await page.evaluate((post) => window.run('limited', post), POST);
  assert.ok(performance.now() - started >= 1000);
  assert.equal(summary.id, 'sum-1');
  const retrying = told.find(({ stage }) => stage === 'retrying');
  assert.deepEqual([retrying.attempt, retrying.error, retrying.real], [2, 'rate_limited', true]);
  assert.ok(retrying.after_ms >= 1000 && retrying.after_ms <= 1250, String(retrying.after_ms));
  const keys = sent('limited').map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys.length, 2);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
  assert.equal(keys[0], keys[1]);
});

test('a wait beyond patience is told with its time', async () => {
  server.scripts.set('patience', (response) => problem(response, 429, 'rate_limited', { retry_after_ms: 24_000 }));
  const { error } = await page.evaluate(
    (post) =>
      window.run(
        'patience',
        post,
        {},
        { endpoint: '/backend/patience', retry: { attempts: Infinity, max_wait_ms: 5_000 } },
      ),
    POST,
  );
  assert.deepEqual([error.code, error.retry_after_ms, sent('patience').length], ['rate_limited', 24_000, 1]);
});

test('a stream that breaks off is asked for again, and nothing is told twice', async () => {
  server.scripts.set('broken', async (response, nth) => {
    sse(response);
    response.write(
      event('started', { engine: 'extractive', model: 'm' }) + event('delta', { field: 'title', text: '黑麦' }),
    );
    if (nth === 1) {
      await pause(50);
      response.destroy();
      return;
    }
    response.write(event('delta', { field: 'title', text: '面包：时间比技巧重要' }));
    response.end(event('field', { name: 'title', value: SUMMARY.title }) + event('completed', SUMMARY));
  });
  const { summary, told } = await page.evaluate((post) => window.run('broken', post), POST);
  assert.equal(summary.id, 'sum-1');
  assert.deepEqual(
    told.filter(({ delta }) => delta).map(({ text }) => text),
    ['黑麦', '面包：时间比技巧重要'],
  );
  assert.equal(told.filter(({ stage }) => stage === 'retrying').length, 1);
});

test('a refusal names its picture and its limit', async () => {
  server.scripts.set('large', (response) => problem(response, 413, 'too_many_pixels', { image: 'hero', limit: 40 }));
  const { error } = await page.evaluate((post) => window.run('large', post), POST);
  assert.deepEqual([error.code, error.image, error.status, error.problem.limit], ['too_many_pixels', 'hero', 413, 40]);
  assert.equal(sent('large').length, 1);
});

test('an answer that is not ours says so', async () => {
  server.scripts.set('foreign', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello'));
  const { error } = await page.evaluate((post) => window.run('foreign', post), POST);
  assert.equal(error.code, 'protocol');
});

test('a server that cannot be reached is `offline` after the last try', async () => {
  const { error, told } = await page.evaluate(
    (post) =>
      window.run(
        'none',
        post,
        {},
        { endpoint: `${location.origin}:1`.replace(/:\d+:1$/, ':9'), retry: { attempts: 2, max_wait_ms: 100 } },
      ),
    POST,
  );
  assert.equal(error.code, 'offline');
  assert.ok(told.filter(({ stage }) => stage === 'retrying').length <= 1);
});

test('stopping is answered at once and lets the connection go', async () => {
  server.scripts.set('slow', async (response) => {
    sse(response);
    response.write(event('started', { engine: 'extractive', model: 'm' }));
  });
  // The server never ends its answer: only the abort can end the call.
  const error = await page.evaluate(async (post) => {
    const { smart } = window.make('slow');
    const stop = new AbortController();
    const onProgress = ({ stage }) => stage === 'started' && stop.abort();
    return smart.summarize(post, { signal: stop.signal, onProgress }).catch(window.facts);
  }, POST);
  assert.deepEqual([error.code, error.real], ['aborted', true]);
  for (let i = 0; i < 50 && !sent('slow')[0].left; i++) await pause(10);
  assert.ok(sent('slow')[0].left, 'the server saw its client leave');
});

test('an aborted signal stops pictures too', async () => {
  const codes = await page.evaluate(async () => {
    const { smart } = window.make('none');
    const stop = new AbortController();
    const image = { id: 'a', source: await window.photo(3000, 2000) };
    const running = smart
      .prepare([image, { ...image, id: 'b' }, { ...image, id: 'c' }], { signal: stop.signal })
      .catch((error) => error.code);
    setTimeout(() => stop.abort(), 5);
    const early = await smart.prepare([image], { signal: AbortSignal.abort() }).catch((error) => error.code);
    const later = await running;
    const again = await smart.prepare([image]);
    smart.dispose();
    return [early, later, again.length];
  });
  assert.deepEqual(codes, ['aborted', 'aborted', 1]);
});

test('a call whose module traps is answered all the same, and the next call has a new module', async () => {
  server.scripts.set('steady', async (response) => {
    sse(response);
    response.write(event('started', { engine: 'extractive', model: 'm' }));
    await pause(600);
    response.end(event('completed', SUMMARY));
  });
  const { refused, after, trapped, summary } = await page.evaluate(async (post) => {
    const { smart } = window.make('steady', { workerUrl: '/trapping/worker.js' });
    const uploading = smart.summarize(post);
    const good = { id: 'good', source: await window.photo(800, 600) };
    const trap = new Blob([good.source, 'trap']);
    const [answered] = await smart.prepare([{ id: 'trap', source: trap }]);
    const refused = await smart.prepare([{ id: 'four', source: new Blob(['trap']) }]).catch(window.facts);
    const after = await smart.prepare([good, { ...good, id: 'other' }]);
    const summary = await uploading;
    smart.dispose();
    const { path, width, height } = answered;
    return { refused, after: after.map(({ path }) => path), trapped: { path, width, height }, summary };
  }, POST);
  assert.deepEqual(trapped, { path: 'canvas', width: 800, height: 600 }, 'it goes round the module');
  assert.deepEqual([refused.code, refused.image, refused.real], ['not_an_image', 'four', true]);
  assert.deepEqual(after, ['imagedecoder', 'imagedecoder']);
  assert.equal(summary.id, 'sum-1');
});

test('a worker that is not there is told', async () => {
  const error = await page.evaluate(() =>
    window.make('none', { workerUrl: '/nowhere.js' }).smart.load().catch(window.facts),
  );
  assert.deepEqual([error.code, error.real], ['worker_failed', true]);
});

test('the page is not blocked while a large picture is prepared', async () => {
  const turns = await page.evaluate(async () => {
    const { smart } = window.make('none');
    await smart.load();
    const photo = await window.photo(4000, 3000);
    let turns = 0;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      turns++;
      port2.postMessage(0);
    };
    port2.postMessage(0);
    await smart.prepare([{ id: 'large', source: photo }]);
    port1.close();
    smart.dispose();
    return turns;
  });
  // The few steps that the call takes in the page would be all the turns if the work were done there.
  assert.ok(turns > 100, `the page took ${turns} turns`);
});

test('downscale is the same way', async () => {
  const small = await page.evaluate(async () => {
    const { blob, width, height, path } = await window.smart.downscale(await window.photo(900, 300), {
      maxEdge: 300,
      quality: 60,
    });
    return { type: blob.type, width, height, path };
  });
  assert.deepEqual(small, { type: 'image/jpeg', width: 300, height: 100, path: 'imagedecoder' });
});

test('a draft and its evidence are made on the device, and Chinese brings its dictionary', async () => {
  const draft = await page.evaluate(async (post) => {
    const { smart } = window.make('none');
    const draft = await smart.draft({
      ...post,
      title: 'Bake rye bread',
      images: [{ id: 'a', source: new Blob(), caption: 'A dark loaf' }],
    });
    const evidence = await smart.ground(post, { title: 'Rye bread needs saffron' });
    smart.dispose();
    return { draft, evidence };
  }, POST);
  assert.equal(draft.draft.language, 'en');
  assert.equal(draft.draft.slug, 'bake-rye-bread');
  assert.equal(draft.draft.alt_texts[0].text, 'A dark loaf');
  assert.deepEqual(draft.evidence.title, {
    unsupported: ['saffron'],
    claims: [{ text: 'Rye bread needs saffron', support: 'Rye bread needs time more than skill.' }],
  });
  assert.ok(!server.assets.some((path) => path.endsWith('dictionary.bin')));

  const { chinese, ms } = await page.evaluate(async () => {
    const { smart } = window.make('none');
    const content = '<p>数据库索引可以加快查询速度。合理设计索引，需要了解查询的条件和数据的分布。</p>';
    const post = { title: '数据库索引的设计', content, format: 'html', images: [] };
    const began = performance.now();
    const chinese = await smart.draft(post);
    const ms = performance.now() - began;
    smart.dispose();
    return { chinese, ms };
  });
  console.log(
    `# the first Chinese draft, with its dictionary, took ${ms.toFixed(0)} ms: ${chinese.keywords.join(' ')}`,
  );
  assert.match(chinese.language, /^zh/);
  assert.ok(
    chinese.keywords.some((word) => word.includes('索引')),
    String(chinese.keywords),
  );
  assert.ok(server.assets.includes('/dist/wasm/dictionary.bin'));
});

test('after `dispose` the calls under way have ended and a new one begins anew', async () => {
  const [code, count] = await page.evaluate(async () => {
    const { smart } = window.make('none');
    const image = { id: 'a', source: await window.photo(600, 400) };
    const running = smart.prepare([image]).catch((error) => error.code);
    await new Promise((resolve) => setTimeout(resolve));
    smart.dispose();
    const code = await running;
    const again = await smart.prepare([image]);
    smart.dispose();
    return [code, again.length];
  });
  assert.deepEqual([code, count], ['aborted', 1]);
});
