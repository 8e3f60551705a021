// The oldest WordPress that the plugin works with: the same zip, the same PHPUnit tests, and nothing in the log.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { complaints, phpIn, root, setupOldest, wpIn } from './site.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
let folder;
before(() => {
  folder = setupOldest(join(root, 'target/wordpress/smart-summary.zip'));
});
after(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

test('it is activated, has neither abilities nor an AI client, and says nothing about it', () => {
  assert.match(wpIn(folder, 'core', 'version'), /^6\.4/);
  const there = phpIn(
    folder,
    `return array( is_plugin_active( 'smart-summary/smart-summary.php' ), function_exists( 'wp_get_ability' ), class_exists( 'WordPress\\AiClient\\AiClient' ) );`,
  );
  assert.deepEqual(there, [true, false, false]);
});

test('PHPUnit, in the oldest WordPress', () => {
  const env = { ...process.env, WP_ROOT: folder };
  const output = execFileSync('phpunit', ['--bootstrap', 'phpunit/bootstrap.php', 'phpunit'], {
    cwd: here,
    env,
    encoding: 'utf8',
  });
  assert.match(output, /OK \(\d{2,} tests/);
  assert.deepEqual(complaints(folder), []);
});
