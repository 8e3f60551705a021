// WordPress' own AI client writes with the site's own backend: the real client, the real server, a model that answers by a table.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBackend } from './backend.mjs';
import { sample } from './pages.mjs';
import { complaints, php } from './site.mjs';
import { connect, url, world } from './world.mjs';

const CHATS = [
  { when: 'Bread?', text: 'Rye bread needs time.' },
  { when: 'as JSON', text: '{"title":"Rye bread"}' },
  { when: 'What is to be seen?', text: 'A square before a monastery.' },
];
let place;
before(async () => {
  place = await world({ chats: CHATS, scopes: 'summaries:write,tokens:write,chat:write' });
});
after(async () => {
  await place?.backend.stop();
  assert.deepEqual(complaints(), []);
});

/** What a prompt gives; an error gives its message. */
const prompt = (words, more = '') =>
  php(`delete_transient( 'smart_summary_ai' );
    $answer = wp_ai_client_prompt( '${words}' )->using_provider( 'smart-summary' )${more}->generate_text();
    return is_wp_error( $answer ) ? array( 'error' => $answer->get_error_message() ) : $answer;`);

test('a prompt with a system instruction is answered by the backend', () => {
  const more = `->using_system_instruction( 'Be brief.' )->using_temperature( 0.2 )->using_max_tokens( 50 )`;
  assert.equal(prompt('Bread?', more), CHATS[0].text);
});

test('a schema goes along, and the answer is its JSON', () => {
  const schema = `array( 'type' => 'object', 'properties' => array( 'title' => array( 'type' => 'string' ) ), 'required' => array( 'title' ) )`;
  assert.deepEqual(JSON.parse(prompt('Bread as JSON', `->as_json_response( ${schema} )`)), { title: 'Rye bread' });
});

test('a picture of the library goes along', () => {
  const picture = `->with_file( 'data:image/jpeg;base64,' . base64_encode( file_get_contents( '${sample('monastery-square.jpg')}' ) ) )`;
  assert.equal(prompt('What is to be seen?', picture), CHATS[2].text);
});

test('WordPress makes a Connector of the backend, which asks for no key of its own', () => {
  const connector = php(`return wp_get_connector( 'smart-summary' );`);
  assert.equal(connector.name, 'Smart Summary');
  assert.equal(connector.type, 'ai_provider');
  assert.equal(connector.authentication.method, 'none');
});

test('several answers may be asked for', () => {
  const texts = php(`return wp_ai_client_prompt( 'Bread?' )->using_provider( 'smart-summary' )->generate_texts( 2 );`);
  assert.deepEqual(texts, [CHATS[0].text, CHATS[0].text]);
});

test('a key without the scope, and a backend without a model, are no provider', async () => {
  const supported = () =>
    php(`delete_transient( 'smart_summary_ai' );
      return wp_ai_client_prompt( 'Bread?' )->using_provider( 'smart-summary' )->is_supported_for_text_generation();`);
  assert.equal(supported(), true);
  connect(place.backend.url, place.backend.createKey('summaries:write,tokens:write', url).key);
  assert.equal(supported(), false);
  const plain = await startBackend();
  try {
    connect(plain.url, plain.createKey('chat:write', url).key);
    assert.equal(supported(), false);
  } finally {
    await plain.stop();
    connect(place.backend.url, place.key);
  }
});

test('a key that is revoked is told in the backend’s words', () => {
  const { id, key } = place.backend.createKey('chat:write', url);
  connect(place.backend.url, key);
  assert.equal(prompt('Bread?'), CHATS[0].text);
  place.backend.revoke(id);
  assert.match(prompt('Bread?').error, /revoked|no models|not available|No models/i);
  connect(place.backend.url, place.key);
});
