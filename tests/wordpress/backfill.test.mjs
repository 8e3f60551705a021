// Old posts: WP-CLI and the Tools page fill what is missing, go on after a kill, and take a whole run back.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Person, launch, sample } from './pages.mjs';
import { complaints, dir, php, wordpress, wp } from './site.mjs';
import { connect, makePost, url, world } from './world.mjs';

let place;
before(async () => {
  place = await world({
    settings: [
      '[tiers.default]',
      'requests_per_minute = 100000',
      'request_burst = 10000',
      'images_per_minute = 100000',
    ],
  });
});
after(async () => {
  await place?.backend.stop();
  assert.deepEqual(complaints(), []);
});

// The article has the words of its name, so that its alt text is no guess.
const PICTURE = sample('prometheus-histogram.png');
const WP_CLI = ['-d', 'memory_limit=512M', join(dir, 'wp-cli.phar'), '--allow-root', `--path=${wordpress}`];
const state = (id) =>
  php(`$post = get_post( ${id} ); return array( 'excerpt' => $post->post_excerpt, 'content' => $post->post_content,
    'description' => get_post_meta( ${id}, '_smart_summary_description', true ) );`);
const runOf = (output) => Number(/run (\d+)/.exec(output)[1]);

test('a dry run says what is missing and changes nothing', () => {
  const { id, attachments } = makePost({ title: 'Dry', status: 'publish', pictures: [PICTURE] });
  const before = state(id);
  const output = wp('smart-summary', 'generate', '--dry-run', `--ids=${id}`);
  assert.match(output, new RegExp(`${id}: description, excerpt, alt:${attachments[0]}`));
  assert.deepEqual(state(id), before);
});

test('a run fills what is missing, keeps a person’s words, and is taken back as a whole', () => {
  const embed = '<!-- wp:html --><iframe src="https://video.example/1"></iframe><!-- /wp:html -->';
  const { id, attachments } = makePost({ title: 'Filled', status: 'publish', pictures: [PICTURE] });
  php(
    `global $wpdb; $wpdb->update( $wpdb->posts, array( 'post_content' => get_post( ${id} )->post_content . '${embed}' ), array( 'ID' => ${id} ) ); clean_post_cache( ${id} ); return 1;`,
  );
  const written = makePost({ title: 'Written', status: 'publish', pictures: [PICTURE], alts: ['By hand'] });
  php(`wp_update_post( array( 'ID' => ${written.id}, 'post_excerpt' => 'By hand' ) ); return 1;`);
  const before = [state(id), state(written.id)];

  const run = runOf(wp('smart-summary', 'generate', `--ids=${id},${written.id}`));
  const after = state(id);
  assert.notEqual(after.description, '');
  assert.notEqual(after.excerpt, '');
  assert.match(after.content, /alt="[^"]+"/);
  assert.ok(after.content.includes(embed), 'an embed survives the job, which has no user');
  assert.notEqual(php(`return get_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', true );`), '');
  assert.equal(state(written.id).excerpt, 'By hand');
  assert.ok(state(written.id).content.includes('alt="By hand"'));
  assert.equal(php(`return get_post_meta( ${id}, '_smart_summary', true )['fields']['meta_description']['by'];`), 'ai');

  // Nothing is missing any more, and nothing is asked again.
  assert.match(wp('smart-summary', 'generate', '--dry-run', `--ids=${id}`), /0 posts/);

  php(`update_post_meta( ${written.id}, '_smart_summary_description', 'Better, by hand' ); return 1;`);
  const output = wp('smart-summary', 'undo', String(run));
  assert.deepEqual(state(id), before[0]);
  assert.equal(state(written.id).description, 'Better, by hand', 'what a person has changed since stays');
  assert.match(output, /taken back but for 1/);
  assert.match(wp('smart-summary', 'status'), /undone/);
});

test('the command takes of the posts those that its flags say, and of their words those that nobody will miss', () => {
  const made = makePost({ title: 'Renewed', status: 'publish' }).id;
  const page = makePost({
    title: 'Kept',
    status: 'publish',
    type: 'page',
    paragraphs: ['A page about the opening hours.'],
  }).id;
  const both = [`--ids=${made},${page}`, '--fields=description'];
  const planned = (...flags) =>
    [...wp('smart-summary', 'generate', '--dry-run', ...flags).matchAll(/^(\d+): /gm)]
      .map(([, id]) => Number(id))
      .sort();
  assert.deepEqual(planned(...both), [made, page].sort());
  assert.deepEqual(planned(...both, '--post-types=page'), [page]);
  assert.equal(planned(...both, '--limit=1').length, 1);

  wp('smart-summary', 'generate', ...both);
  const first = state(made).description;
  assert.deepEqual(planned(...both), []);
  const changes = { post_content: '<p>Another article by now: the harbour has a second crane since the spring.</p>' };
  php(`wp_update_post( array( 'ID' => ${made} ) + json_decode( '${JSON.stringify(changes)}', true ) );
    update_post_meta( ${page}, '_smart_summary_description', 'By hand' ); return 1;`);
  assert.deepEqual(planned(...both, '--force'), [made]);
  const renewed = runOf(wp('smart-summary', 'generate', ...both, '--force'));
  const second = state(made).description;
  assert.ok(second !== first && second !== '', second);
  assert.equal(state(page).description, 'By hand');

  // Nobody says yes: nothing is replaced.
  const asked = wp('smart-summary', 'generate', ...both, '--force', '--overwrite-people');
  assert.match(asked, /Replace what people have written in 2 posts\?/);
  assert.doesNotMatch(asked, /^run \d+/m);
  assert.equal(state(page).description, 'By hand');
  const run = runOf(wp('smart-summary', 'generate', ...both, '--force', '--overwrite-people', '--yes'));
  const replaced = state(page).description;
  assert.notEqual(replaced, 'By hand');

  assert.match(wp('smart-summary', 'undo', String(run), '--dry-run'), new RegExp(`^${page}: description$`, 'm'));
  assert.equal(state(page).description, replaced, 'a dry run takes nothing back');
  wp('smart-summary', 'undo', String(run));
  assert.equal(state(page).description, 'By hand');
  wp('smart-summary', 'undo', String(renewed));
  assert.equal(state(made).description, first);
});

test('a picture that was found decorative is not sent again', () => {
  const { id, attachments } = makePost({ title: 'Decorative', status: 'publish', pictures: [PICTURE] });
  php(
    `\\Smart_Summary\\Meta::set_record( ${id}, array( 'alts' => array( '${attachments[0]}' => array( 'by' => 'human', 'decorative' => true ) ) ) ); return 1;`,
  );
  const output = wp('smart-summary', 'generate', '--dry-run', `--ids=${id}`);
  assert.doesNotMatch(output, /alt:/);
});

test('a run that was killed goes on where it was, and does nothing twice', async () => {
  const posts = Array.from({ length: 14 }, (_, at) => makePosts(at)).map(({ id }) => id);
  const child = spawn('php', [...WP_CLI, 'smart-summary', 'generate', `--ids=${posts.join(',')}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let run = 0;
  let done = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^run \d+: 14 posts$/.test(line)) run = runOf(line);
    if (/^\d+: done/.test(line) && ++done === 4) break;
  }
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const items = () => JSON.parse(wp('smart-summary', 'status', String(run), '--format=json'));
  const first = items().filter(({ state }) => state === 'done').length;
  assert.ok(first >= 4 && first < 14, `${first} were done when it was killed`);

  const output = wp('smart-summary', 'generate', `--resume=${run}`);
  assert.match(output, /14 done, 0 skipped, 0 failed/);
  const resumed = output.split('\n').filter((line) => /^\d+: done/.test(line)).length;
  assert.equal(resumed, 14 - first, 'only what was left was done');
  for (const id of posts) assert.notEqual(state(id).description, '');
});

/** A post of its own words, so that no answer comes from the server's memory. */
function makePosts(at) {
  const paragraphs = [
    `Chapter ${at} of the manual explains how valve number ${at} of the radiator is opened and closed.`,
    `It takes ${at + 3} turns, and every turn changes the flow by a fixed share.`,
  ];
  return makePost({ title: `Chapter ${at}`, status: 'publish', paragraphs });
}

test('a run that was killed while its batch is under way finds that batch again', async () => {
  const { backend, key } = place;
  const { key: batches } = backend.createKey('summaries:write,tokens:write,batches:write', url);
  connect(backend.url, batches);
  const texts = Array.from({ length: 5 }, (_, at) => makePosts(at + 20)).map(({ id }) => id);
  const { id, attachments } = makePost({ title: 'With a picture', status: 'publish', pictures: [PICTURE] });
  const posts = [id, ...texts];
  const child = spawn('php', [...WP_CLI, 'smart-summary', 'generate', `--ids=${posts.join(',')}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let run = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^run \d+: 6 posts$/.test(line)) run = runOf(line);
    if (/^waiting/.test(line)) break;
  }
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const made = async () => {
    const answer = await fetch(`${backend.url}/v1/batches`, { headers: { authorization: `Bearer ${batches}` } });
    return (await answer.json()).batches.map(({ items }) => items.total);
  };
  assert.deepEqual(await made(), [6], 'one batch was sent');
  for (const post of posts) assert.equal(state(post).description, '', 'and nothing was written');

  assert.match(wp('smart-summary', 'generate', `--resume=${run}`), /6 done, 0 skipped, 0 failed/);
  for (const post of posts) assert.notEqual(state(post).description, '');
  assert.notEqual(php(`return get_post_meta( ${attachments[0]}, '_wp_attachment_image_alt', true );`), '');
  assert.deepEqual(await made(), [], 'no other batch was sent, and the backend keeps nothing of it');
  wp('smart-summary', 'undo', String(run));
  for (const post of posts) assert.equal(state(post).description, '');
  connect(backend.url, key);
});

test('without a backend a run waits and tries again instead of failing', async () => {
  const { id } = makePost({ title: 'Nobody there', status: 'publish' });
  php(
    `$s = get_option( 'smart_summary_settings' ); $s['url'] = 'http://127.0.0.1:9'; update_option( 'smart_summary_settings', $s ); return 1;`,
  );
  const run = php(
    `$id = \\Smart_Summary\\Backfill::begin( array( 'ids' => array( ${id} ), 'fields' => array( 'description' ) ) ); return \\Smart_Summary\\Backfill::slice( $id, 5 );`,
  );
  assert.equal(run.state, 'running');
  assert.ok(run.not_before > Date.now() / 1000 - 5);
  php(
    `$s = get_option( 'smart_summary_settings' ); $s['url'] = '${place.backend.url}'; update_option( 'smart_summary_settings', $s ); return 1;`,
  );
  const done = php(
    `\\Smart_Summary\\Journal::set_run( ${run.id}, array( 'not_before' => 0 ) ); do_action( 'smart_summary_slice', ${run.id} ); return \\Smart_Summary\\Journal::run( ${run.id} );`,
  );
  assert.equal(done.state, 'done');
  assert.notEqual(state(id).description, '');
});

test('the Tools page counts, fills, shows how far it is, and takes back', async () => {
  const { id } = makePost({ title: 'From the Tools page', status: 'publish', pictures: [PICTURE] });
  const browser = await launch();
  try {
    const admin = await Person.signIn(browser, 'admin');
    const { page } = admin;
    await page.goto(`${url}/wp-admin/tools.php?page=smart-summary-tools`);
    await page.click('#smart-summary-count');
    await page.getByText(/lacks? something/).waitFor();
    const before = await page.locator('#smart-summary-runs tbody tr').count();
    await page.getByRole('button', { name: 'Fill' }).click();
    await page.locator(`#smart-summary-runs tbody tr:nth-child(${before + 1})`).waitFor();
    const newest = page.locator('#smart-summary-runs tbody tr').first();
    await page.locator('#smart-summary-runs tbody tr:first-child[data-state=done]').waitFor({ timeout: 60_000 });
    assert.notEqual(state(id).description, '');
    await admin.screenshot('tools');
    assert.deepEqual(await admin.axe('#smart-summary-runs'), []);
    await newest.getByRole('button', { name: 'Undo the whole run' }).click();
    await page.locator('#smart-summary-runs tbody tr:first-child[data-state=undone]').waitFor();
    assert.equal(state(id).description, '');
    await admin.close();
  } finally {
    await browser.close();
  }
});
