// Old posts behind the scenes: in slices by Action Scheduler where a plugin brings it, else by WP-Cron; a slice that was
// killed has a successor; the Tools page stops a run, lets it go on, and says what it waits for.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, launch } from './pages.mjs';
import { complaints, php, wp } from './site.mjs';
import { connect, url, world } from './world.mjs';

let place;
before(async () => {
  place = await world({
    settings: ['[tiers.default]', 'requests_per_minute = 100000', 'request_burst = 10000'],
    scopes: 'summaries:write,tokens:write,batches:write',
  });
});
after(async () => {
  await place?.backend.stop();
  assert.deepEqual(complaints(), []);
});

/** Published posts of their own words, so that no answer comes from the server's memory. */
const posts = (count, word) =>
  php(`return array_map( function ( $at ) { return wp_insert_post( array( 'post_title' => "${word} $at", 'post_status' => 'publish', 'post_content' =>
    "<p>Part $at of the ${word} says how the pump of the well is primed before the first frost of the year, with $at litres of water.</p>" ) ); }, range( 1, ${count} ) );`);

/** How many of these posts have a description. */
const described = (ids) =>
  php(
    `return count( array_filter( array_map( function ( $id ) { return get_post_meta( $id, '_smart_summary_description', true ); }, array( ${ids.join(', ')} ) ) ) );`,
  );

const SCHEDULERS = [
  {
    name: 'WP-Cron',
    next: () => wp('cron', 'event', 'run', 'smart_summary_slice'),
    waiting: () =>
      php(
        `$waiting = array(); foreach ( (array) _get_cron_array() as $hooks ) { foreach ( $hooks['smart_summary_slice'] ?? array() as $event ) { $waiting[] = $event['args']; } } return $waiting;`,
      ),
  },
  {
    name: 'Action Scheduler',
    plugin: 'standin-action-scheduler',
    next: () => php('standin_run_next(); return 1;'),
    waiting: () =>
      php(
        `return array_column( array_filter( standin_actions(), function ( $action ) { return 'pending' === $action['status']; } ), 'args' );`,
      ),
  },
];

for (const { name, plugin, next, waiting } of SCHEDULERS) {
  test(`${name} works a run off in slices, and a slice that was killed has a successor`, () => {
    if (plugin) wp('plugin', 'activate', plugin);
    try {
      // One post at a time, and the process is killed in the middle of the second.
      const slow = posts(3, `${name} manual`);
      const { id: killed } = begin(slow, { batches: false });
      assert.throws(() =>
        php(`add_filter( 'smart_summary_language', function ( $tag, $post ) {
            if ( ${slow[1]} === $post ) { posix_kill( getmypid(), SIGKILL ); } return $tag; }, 10, 2 );
          do_action( 'smart_summary_slice', ${killed} ); return 1;`),
      );
      assert.deepEqual(waiting(), [[killed]], 'exactly one successor');
      assert.equal(php(`return \\Smart_Summary\\Journal::run( ${killed} )['counts']['done'];`), 1);
      next();
      assert.equal(run(killed).state, 'done');
      assert.deepEqual(waiting(), [], 'and nothing is left behind a run that is done');
      assert.equal(described(slow), 3);

      // By batches: a slice sends one, a later one takes its results in.
      const many = posts(4, `${name} guide`);
      const { id } = begin(many);
      let slices = 0;
      for (; run(id).state === 'running' && slices < 100; slices++) {
        assert.deepEqual(waiting(), [[id]]);
        php(`return \\Smart_Summary\\Journal::set_run( ${id}, array( 'not_before' => 0 ) );`);
        next();
      }
      assert.ok(slices >= 2, `${slices} slices`);
      assert.deepEqual(run(id).counts, { done: 4 });
      assert.equal(described(many), 4);
      assert.deepEqual(waiting(), []);
    } finally {
      if (plugin) wp('plugin', 'deactivate', plugin);
    }
  });
}

const run = (id) => php(`return \\Smart_Summary\\Journal::run( ${id} );`);

/** Begins a run over these posts as the Tools page does. */
const begin = (ids, more = {}) =>
  php(`$id = \\Smart_Summary\\Backfill::begin( json_decode( '${JSON.stringify({ ids, fields: ['description'], ...more })}', true ) );
    \\Smart_Summary\\Backfill::schedule( $id ); return \\Smart_Summary\\Journal::run( $id );`);

test('the Tools page stops a run, lets it go on by batches, says what it waits for, and takes it back', async () => {
  const { backend, key } = place;
  const written = posts(5, 'handbook');
  const browser = await launch();
  try {
    const admin = await Person.signIn(browser, 'admin');
    const { page } = admin;
    // Nobody is there yet: the run waits, as long as it takes to press Stop.
    connect('http://127.0.0.1:9', key);
    await page.goto(`${url}/wp-admin/tools.php?page=smart-summary-tools`);
    await page.uncheck('input[value=excerpt]');
    await page.uncheck('input[value=alts]');
    await page.getByRole('button', { name: 'Fill' }).click();
    const row = page.locator('#smart-summary-runs tbody tr').first();
    await row.getByText(/again at .*: the backend does not answer/).waitFor();
    assert.equal(await row.locator('progress').evaluate((bar) => bar.value), 0);
    await admin.screenshot('tools-waiting');
    const id = Number(await row.getAttribute('data-run'));
    assert.equal(SCHEDULERS[0].waiting().length, 1, 'closed, the page would not be missed');
    await row.getByRole('button', { name: 'Stop' }).click();
    await page.locator(`tr[data-run="${id}"][data-state=stopped]`).waitFor();
    assert.deepEqual(SCHEDULERS[0].waiting(), []);

    connect(backend.url, key);
    await page.reload();
    await row.getByRole('button', { name: 'Go on' }).click();
    await page.locator(`tr[data-run="${id}"][data-state=done]`).waitFor({ timeout: 60_000 });
    assert.deepEqual(
      await row.locator('progress').evaluate(({ value, max }) => [value === max, max >= 5]),
      [true, true],
      'the bar is full',
    );
    assert.equal(described(written), 5);
    assert.ok(
      php(`return count( array_keys( array_column( \\Smart_Summary\\Log::lines(), 'what' ), 'batch', true ) );`) > 0,
    );
    assert.deepEqual(await admin.axe('#wpbody-content .wrap'), []);
    await admin.screenshot('tools');
    await row.getByRole('button', { name: 'Undo the whole run' }).click();
    await page.locator(`tr[data-run="${id}"][data-state=undone]`).waitFor();
    assert.equal(described(written), 0);
    await admin.close();
  } finally {
    await browser.close();
  }
});
