<?php
/**
 * The parts that have rules of their own.
 *
 * @package Smart_Summary
 */

use PHPUnit\Framework\TestCase;
use Smart_Summary\Access;
use Smart_Summary\Backfill;
use Smart_Summary\Client;
use Smart_Summary\Generator;
use Smart_Summary\Journal;
use Smart_Summary\Library;
use Smart_Summary\Meta;
use Smart_Summary\Pictures;
use Smart_Summary\Privacy;
use Smart_Summary\Log;
use Smart_Summary\Secret;
use Smart_Summary\Settings;

/**
 * Each test makes its own posts.
 */
final class PluginTest extends TestCase {

	private const ANSWER = array(
		'meta_description' => 'A description.',
		'summary'          => 'A summary. "Quoted" \\ back.',
		'keywords'         => array( 'valves', 'heating' ),
		'engine'           => 'extractive',
		'model'            => 'm',
		'language'         => 'en',
	);

	private static function post( string $content = '<p>Words.</p>', array $more = array() ): int {
		return wp_insert_post( wp_slash( array( 'post_title' => 'A post', 'post_content' => $content, 'post_status' => 'publish' ) + $more ) );
	}

	public function test_a_secret_is_unreadable_without_the_sites_salts(): void {
		$sealed = Secret::seal( 'ss_live_secret' );
		$this->assertStringNotContainsString( 'secret', $sealed );
		$this->assertSame( 'ss_live_secret', Secret::open( $sealed ) );
		$this->assertNotSame( $sealed, Secret::seal( 'ss_live_secret' ), 'a nonce each time' );
		add_filter( 'salt', array( $this, 'other_salt' ) );
		wp_cache_flush();
		$this->assertSame( '', Secret::open( $sealed ) );
		remove_filter( 'salt', array( $this, 'other_salt' ) );
		$this->assertSame( '', Secret::open( 'ssx1:broken' ) );
		$this->assertSame( '', Secret::open( 'plain' ) );
	}

	public function other_salt(): string {
		return 'another salt';
	}

	/** The editor's script makes the same: `editor.test.mjs` finds a text of the script's unchanged here. */
	public function test_a_fingerprint_is_the_one_of_the_editors_script(): void {
		$this->assertSame( '811c9dc5-0', Meta::hash( '' ) );
		$this->assertSame( 'e40c292c-1', Meta::hash( 'a' ) );
		$this->assertSame( 'fb1bceee-6', Meta::hash( 'é 中' ) );
		$this->assertSame( Meta::content_hash( "<p>One</p>\n<!-- wp:x --> two" ), Meta::content_hash( '<p class="y">One</p> two' ) );
		$this->assertNotSame( Meta::content_hash( '<p>One</p>' ), Meta::content_hash( '<p>Two</p>' ) );
	}

	/** Every route of the plugin: who may not, is refused before anything is asked, and everybody is told the answer's shape. */
	public function test_no_route_answers_those_who_may_not(): void {
		Backend::answers();
		$server   = rest_get_server();
		$post     = self::post( '<p>Of the administrator.</p>', array( 'post_author' => 1 ) );
		$run      = Backfill::begin( array( 'ids' => array( $post ), 'fields' => array( 'excerpt' ) ) );
		$refused  = array();
		$expected = array();
		foreach ( $server->get_routes( 'smart-summary/v1' ) as $route => $handlers ) {
			if ( '/smart-summary/v1' === $route ) {
				continue;
			}
			$schema = call_user_func( $server->get_route_options( $route )['schema'] );
			$this->assertSame( 'object', $schema['type'], $route );
			$this->assertNotEmpty( $schema['properties'], $route );
			$of = false === strpos( $route, 'runs' ) ? $post : $run;
			foreach ( false === strpos( $route, '<verb>' ) ? array( '' ) : array( 'slice', 'stop', 'resume', 'undo' ) as $verb ) {
				$path = preg_replace( array( '/\(\?P<id>[^)]*\)/', '/\(\?P<verb>[^)]*\)/' ), array( (string) $of, $verb ), $route );
				foreach ( $handlers as $handler ) {
					foreach ( array_keys( $handler['methods'] ) as $method ) {
						foreach ( array( '' => 401, 'subscriber' => 403, 'author' => 403 ) as $login => $status ) {
							wp_set_current_user( $login ? get_user_by( 'login', $login )->ID : 0 );
							$request = new WP_REST_Request( $method, $path );
							$request->set_body_params( array( 'post' => $post, 'fields' => array( 'excerpt' ), 'description' => 'Not yours.' ) );
							$what              = "$method $path of $login";
							$expected[ $what ] = $status;
							$refused[ $what ]  = rest_do_request( $request )->get_status();
						}
					}
				}
			}
		}
		wp_set_current_user( 0 );
		$this->assertSame( $expected, $refused );
		$this->assertCount( 3 * 11, $refused, 'a new route is counted here' );
		$this->assertSame( array(), Backend::$asked );
		$this->assertSame( 'running', Journal::run( $run )['state'] );
		Journal::set_run( $run, array( 'state' => 'stopped' ) );
	}

	public function test_the_environment_goes_before_what_is_stored(): void {
		Backend::answers();
		$this->assertSame( array( 'option', 'ss_live_test' ), array( Settings::key_source(), Settings::key() ) );
		putenv( 'SMART_SUMMARY_KEY=ss_live_environment' );
		putenv( 'SMART_SUMMARY_URL=https://environment.example/' );
		$seen = array( Settings::key_source(), Settings::key(), Settings::url() );
		Client::usage();
		putenv( 'SMART_SUMMARY_KEY' );
		putenv( 'SMART_SUMMARY_URL' );
		$this->assertSame( array( 'environment', 'ss_live_environment', 'https://environment.example' ), $seen );
		$this->assertSame( 'Bearer ss_live_environment', Backend::$asked[0]['args']['headers']['Authorization'] );
		$this->assertSame( 'option', Settings::key_source() );
	}

	public function test_tone_and_phrases_of_the_settings_go_with_a_request(): void {
		Backend::answers();
		$wishes = array( 'tone' => 'calm', 'audience' => 'gardeners', 'brand' => 'Well & Co', 'must_include' => array( 'rain' ), 'avoid' => array( 'best ever', 'cheap' ) );
		update_option( Settings::OPTION, $wishes + Settings::all() );
		$post = get_post( self::post() );
		$this->assertSame( $wishes, (array) Generator::request( $post, array( 'summary' ), array() )['guidelines'] );
		$this->assertStringContainsString( '"tone":"calm"', wp_json_encode( Generator::request( $post, array( 'summary' ), array() ) ) );
		update_option( Settings::OPTION, array( 'tone' => 'calm' ) + Settings::defaults() );
		$this->assertSame( array( 'tone' => 'calm' ), (array) Generator::request( $post, array( 'summary' ), array() )['guidelines'], 'an empty wish is none' );
	}

	public function test_the_place_that_texts_are_fitted_to_goes_with_a_request(): void {
		$post  = get_post( self::post() );
		$limit = static function () use ( $post ): string {
			return (string) wp_json_encode( Generator::request( $post, array( 'meta_description' ), array() )['limits'] );
		};
		$old   = Settings::all();
		unset( $old['target'] );
		update_option( Settings::OPTION, $old );
		$this->assertSame( '{}', $limit(), 'settings of before the setting have no place' );
		update_option( Settings::OPTION, Settings::sanitize( array( 'target' => 'wechat' ) + $old ) );
		$this->assertSame( '{"target":"wechat"}', $limit() );
		foreach ( array( 'yahoo', '', array( 'x' ), null ) as $unknown ) {
			$this->assertSame( '', Settings::sanitize( array( 'target' => $unknown ) + $old )['target'] );
		}
	}

	public function test_an_author_is_told_by_the_text_as_it_is_now(): void {
		$entry = array( 'by' => 'ai', 'hash' => Meta::hash( 'Made.' ) );
		$this->assertSame( 'ai', Meta::author( $entry, 'Made.' ) );
		$this->assertSame( 'ai_edited', Meta::author( $entry, 'Made better.' ) );
		$this->assertSame( 'none', Meta::author( $entry, ' ' ) );
		$this->assertSame( 'human', Meta::author( array(), 'Mine.' ) );
	}

	public function test_a_record_is_cleaned(): void {
		$clean = Meta::sanitize_record( array( 'fields' => array( 'ti<b>tle' => array( 'by' => 'alien', 'hash' => '<x>' ) ), 'alts' => 'no', 'more' => 1 ) );
		$this->assertSame( array( 'by' => 'human', 'hash' => 'x' ), $clean['fields']['tibtle'] );
		$this->assertArrayNotHasKey( 'more', $clean );
	}

	public function test_an_alt_text_is_written_where_it_was_empty_and_nowhere_else(): void {
		$content = '<figure><img class="wp-image-7" src="a.png" alt=""/></figure><img class="size-full wp-image-7" alt="By hand"><img class="wp-image-70" alt=""><p>wp-image-7</p>';
		$this->assertSame(
			'<figure><img class="wp-image-7" src="a.png" alt="&quot;Tall&quot; &amp; wide"/></figure><img class="size-full wp-image-7" alt="By hand"><img class="wp-image-70" alt=""><p>wp-image-7</p>',
			Pictures::with_alt( $content, 7, '', '"Tall" & wide' )
		);
		$this->assertSame( $content, Pictures::with_alt( Pictures::with_alt( $content, 7, '', 'x' ), 7, 'x', '' ) );
	}

	public function test_an_address_that_is_none_is_not_stored(): void {
		update_option( Settings::OPTION, array( 'url' => 'https://old.example' ) );
		foreach ( array( 'ftp://x', 'javascript:alert(1)', 'x' ) as $wrong ) {
			$this->assertSame( 'https://old.example', Settings::sanitize( array( 'url' => $wrong ) )['url'] );
		}
		$this->assertSame( 'https://new.example/base', Settings::sanitize( array( 'url' => ' https://new.example/base/ ' ) )['url'] );
		$this->assertSame( array(), Settings::sanitize( array( 'roles' => array( 'nobody' ) ) )['roles'] );
	}

	public function test_a_problem_keeps_its_code_and_its_wait(): void {
		Backend::answers( array( 'status' => 429, 'body' => array( 'code' => 'rate_limited', 'detail' => 'Wait.', 'request_id' => 'r1' ), 'headers' => array( 'Retry-After' => '7' ) ) );
		$error = Client::token( 's', 'https://a.example', 1 );
		$this->assertSame( 'rate_limited', $error->get_error_code() );
		$this->assertSame( array( 'status' => 429, 'retry_after' => 7, 'request_id' => 'r1' ), $error->get_error_data() );
		$this->assertSame( 'Bearer ss_live_test', Backend::$asked[0]['args']['headers']['Authorization'] );
		$this->assertSame( 0, Backend::$asked[0]['args']['redirection'], 'the key goes nowhere else' );
		Backend::answers( array( 'status' => 200, 'body' => '<html>' ) );
		$this->assertSame( 'smart_summary_protocol', Client::usage()->get_error_code() );
		Backend::answers( new WP_Error( 'http_request_failed', 'cURL error 28: Operation timed out' ) );
		$this->assertSame( 'smart_summary_timeout', Client::usage()->get_error_code() );
	}

	public function test_a_job_waits_as_long_as_the_backend_says(): void {
		$id = self::post();
		Backend::answers( array( 'status' => 429, 'body' => array( 'code' => 'rate_limited', 'detail' => 'x' ), 'headers' => array( 'Retry-After' => '90' ) ) );
		$run = Backfill::slice( Backfill::begin( array( 'ids' => array( $id ), 'fields' => array( 'excerpt' ) ) ), 5 );
		$this->assertSame( 'running', $run['state'] );
		$this->assertEqualsWithDelta( time() + 90, $run['not_before'], 2 );
		$this->assertSame( array( 'waiting' => 1 ), $run['counts'] );
	}

	public function test_a_job_gives_a_broken_post_up_and_goes_on(): void {
		$ids = array( self::post(), self::post() );
		Backend::answers( array( 'status' => 422, 'body' => array( 'code' => 'image_broken', 'detail' => 'x' ) ), array( 'status' => 200, 'body' => self::ANSWER ) );
		$run = Backfill::slice( Backfill::begin( array( 'ids' => $ids, 'fields' => array( 'excerpt' ), 'batches' => false ) ), 5 );
		$this->assertSame( 'done', $run['state'] );
		$this->assertSame( 1, $run['counts']['done'] );
		$this->assertSame( 1, $run['counts']['failed'] );
	}

	public function test_what_was_stored_before_a_kill_is_written_after_it_without_asking_again(): void {
		$id      = self::post();
		$run_id  = Backfill::begin( array( 'ids' => array( $id ), 'fields' => array( 'excerpt' ) ) );
		$item    = Journal::items( $run_id, array( 'waiting' ), 1 )[0];
		$changes = array( array( 'object' => $id, 'field' => 'excerpt', 'before' => '', 'after' => 'From before the kill.' ) );
		Journal::set_item( $item['id'], array( 'state' => 'writing', 'changes' => $changes ) );
		Backend::answers();
		$this->assertSame( 'done', Backfill::slice( $run_id, 5 )['state'] );
		$this->assertSame( array(), Backend::$asked );
		$this->assertSame( 'From before the kill.', get_post( $id )->post_excerpt );
	}

	public function test_texts_arrive_as_they_are_and_go_back_as_they_were(): void {
		$id = self::post( '<p>Back\\slash.</p>' );
		wp_set_post_tags( $id, array( 'old' ) );
		$fields = array( 'description', 'excerpt', 'tags' );
		Backend::answers( array( 'status' => 200, 'body' => self::ANSWER ) );
		$this->assertSame( array( 'description', 'excerpt' ), Generator::missing( get_post( $id ), array( 'fields' => $fields ) ), 'tags are there' );
		$run_id = Backfill::begin( array( 'ids' => array( $id ), 'fields' => $fields ) );
		Backfill::slice( $run_id, 5 );
		$this->assertSame( self::ANSWER['summary'], get_post( $id )->post_excerpt );
		$this->assertSame( '<p>Back\\slash.</p>', get_post( $id )->post_content );
		$this->assertSame( array( 'old' ), Generator::tags( $id ) );
		$this->assertSame( 'ai', Meta::author( Meta::record( $id )['fields']['summary'], get_post( $id )->post_excerpt ) );
		$this->assertSame( array( 'excerpt' ), Generator::missing( get_post( $id ), array( 'fields' => array( 'excerpt' ), 'force' => 'ai' ) ) );
		Backfill::undo( $run_id );
		$this->assertSame( '', get_post( $id )->post_excerpt );
		$this->assertSame( array(), Meta::record( $id )['fields'] );
	}

	/** A picture of the library that is small enough to be sent. */
	private static function picture(): int {
		$image = imagecreatetruecolor( 40, 30 );
		ob_start();
		imagepng( $image );
		$upload = wp_upload_bits( 'small.png', null, (string) ob_get_clean() );
		$id     = wp_insert_attachment( array( 'post_mime_type' => 'image/png', 'post_title' => 'Small', 'post_status' => 'inherit' ), $upload['file'] );
		wp_update_attachment_metadata( $id, array( 'width' => 40, 'height' => 30, 'file' => _wp_relative_upload_path( $upload['file'] ) ) );
		return $id;
	}

	/** An answer that says of a picture that it only adorns. */
	private static function adorns( int $picture ): array {
		return array( 'status' => 200, 'body' => array( 'alt_texts' => array( array( 'id' => (string) $picture, 'text' => '', 'decorative' => true ) ) ) + self::ANSWER );
	}

	public function test_a_picture_that_a_job_finds_decorative_is_remembered_and_forgotten_with_the_run(): void {
		$picture = self::picture();
		$content = '<p>Words.</p><img class="wp-image-' . $picture . '" src="' . wp_get_attachment_url( $picture ) . '" alt="">';
		$id      = self::post( $content );
		$wishes  = array( 'ids' => array( $id ), 'fields' => array( 'alts' ), 'batches' => false );
		$this->assertSame( array( $id => array( 'alt:' . $picture ) ), Backfill::plan( $wishes ) );
		Backend::answers( self::adorns( $picture ) );
		$run = Backfill::slice( Backfill::begin( $wishes ), 5 );
		$this->assertSame( array( 'done' => 1 ), $run['counts'] );
		$this->assertCount( 1, Backend::$asked );
		$this->assertTrue( Meta::record( $id )['alts'][ (string) $picture ]['decorative'] );
		$this->assertSame( $content, get_post( $id )->post_content );
		$this->assertSame( '', (string) get_post_meta( $picture, Library::KEY, true ) );
		$this->assertSame( array(), Backfill::plan( $wishes ), 'no job sends it again' );
		Backfill::undo( $run['id'] );
		$this->assertSame( array(), Meta::record( $id )['alts'] );
		$this->assertSame( array( $id => array( 'alt:' . $picture ) ), Backfill::plan( $wishes ) );
	}

	public function test_a_picture_of_which_nothing_is_certain_is_left_to_a_person(): void {
		$picture  = self::picture();
		$featured = self::picture();
		$content  = '<p>Words.</p><img class="wp-image-' . $picture . '" src="' . wp_get_attachment_url( $picture ) . '" alt="">';
		$id       = self::post( $content );
		set_post_thumbnail( $id, $featured );
		$wishes = array( 'ids' => array( $id ), 'fields' => array( 'alts' ), 'batches' => false );
		$guess  = static function ( int $of ): array {
			return array( 'id' => (string) $of, 'text' => 'Small', 'decorative' => false, 'needs_human' => true );
		};
		$answer = array( 'status' => 200, 'body' => array( 'alt_texts' => array( $guess( $picture ), $guess( $featured ) ) ) + self::ANSWER );
		Backend::answers( $answer );
		$run = Backfill::slice( Backfill::begin( $wishes ), 5 );
		$this->assertSame( $content, get_post( $id )->post_content, 'a guess is not written' );
		$this->assertSame( array( '', '' ), array( (string) get_post_meta( $picture, Library::KEY, true ), (string) get_post_meta( $featured, Library::KEY, true ) ) );
		$entry = Meta::record( $id )['alts'][ (string) $picture ];
		$this->assertSame( array( true, false, '' ), array( $entry['needs_human'], $entry['decorative'], $entry['text'] ) );
		$this->assertSame( 2, \Smart_Summary\Rest\Runs_Controller::view( $run )['left_to_people'] );
		$this->assertSame( array(), Backfill::plan( $wishes ), 'nobody asks again unasked' );
		$this->assertSame( array( $id ), array_keys( Backfill::plan( array( 'force' => 'ai' ) + $wishes ) ) );

		$this->assertSame( 'human', Meta::author( $entry, 'Written by the person' ), 'what the person writes is the person’s' );
		Backend::answers( $answer );
		$again = Backfill::slice( Backfill::begin( array( 'force' => 'ai' ) + $wishes ), 5 );
		$this->assertSame( array( 'skipped' => 1 ), $again['counts'], 'to ask once more changes nothing' );
		Backfill::undo( $run['id'] );
		$this->assertSame( array(), Meta::record( $id )['alts'] );
		$this->assertSame( array( $id ), array_keys( Backfill::plan( $wishes ) ) );
	}

	public function test_what_a_run_has_written_is_not_renewed_by_a_guess(): void {
		$picture = self::picture();
		$id      = self::post( '<p>Words.</p><img class="wp-image-' . $picture . '" src="x.png" alt="">' );
		$wishes  = array( 'ids' => array( $id ), 'fields' => array( 'alts' ), 'batches' => false, 'force' => 'ai' );
		$answer  = static function ( string $text, bool $guessed ) use ( $picture ): array {
			return array( 'status' => 200, 'body' => array( 'alt_texts' => array( array( 'id' => (string) $picture, 'text' => $text, 'decorative' => false, 'needs_human' => $guessed ) ) ) + self::ANSWER );
		};
		Backend::answers( $answer( 'A well.', false ), $answer( 'x', true ) );
		Backfill::slice( Backfill::begin( $wishes ), 5 );
		Backfill::slice( Backfill::begin( $wishes ), 5 );
		$alt = Pictures::of( get_post( $id ) )[ $picture ]['alt'];
		$this->assertSame( array( 'A well.', 'ai' ), array( $alt, Meta::author( Meta::record( $id )['alts'][ (string) $picture ], $alt ) ) );
	}

	public function test_a_featured_image_gets_its_alt_text_in_the_library(): void {
		$picture = self::picture();
		$id      = self::post( '<p>Words.</p>' );
		set_post_thumbnail( $id, $picture );
		$wishes = array( 'ids' => array( $id ), 'fields' => array( 'alts' ), 'batches' => false );
		$this->assertSame( array( $id => array( 'alt:' . $picture ) ), Backfill::plan( $wishes ) );
		Backend::answers( array( 'status' => 200, 'body' => array( 'alt_texts' => array( array( 'id' => (string) $picture, 'text' => 'A well.' ) ) ) + self::ANSWER ) );
		$run = Backfill::slice( Backfill::begin( $wishes ), 5 );
		$this->assertStringContainsString( (string) file_get_contents( get_attached_file( $picture ) ), Backend::$asked[0]['args']['body'] );
		$this->assertSame( array( 'done' => 1 ), $run['counts'] );
		$this->assertSame( array( 'A well.', 'ai' ), array( get_post_meta( $picture, Library::KEY, true ), Library::author( $picture ) ) );
		$this->assertSame( '<p>Words.</p>', get_post( $id )->post_content );
		$this->assertSame( array(), Backfill::plan( $wishes ) );
		Backend::answers( array( 'status' => 200, 'body' => array( 'alt_texts' => array( array( 'id' => (string) $picture, 'text' => 'A deep well.' ) ) ) + self::ANSWER ) );
		$renewed = Backfill::slice( Backfill::begin( array( 'force' => 'ai' ) + $wishes ), 5 );
		$this->assertSame( 'A deep well.', get_post_meta( $picture, Library::KEY, true ) );
		Backfill::undo( $renewed['id'] );
		$this->assertSame( 'A well.', get_post_meta( $picture, Library::KEY, true ) );
		Backfill::undo( $run['id'] );
		$this->assertSame( '', (string) get_post_meta( $picture, Library::KEY, true ) );

		update_post_meta( $picture, Library::KEY, 'By hand' );
		$this->assertSame( array(), Backfill::plan( array( 'force' => 'ai' ) + $wishes ), 'a person’s words stay' );
		delete_post_meta( $picture, Library::KEY );
		Backend::answers( self::adorns( $picture ) );
		$run = Backfill::slice( Backfill::begin( $wishes ), 5 );
		$this->assertSame( array(), Backfill::plan( $wishes ), 'nor is one sent again that only adorns' );
		Backfill::undo( $run['id'] );
		$this->assertSame( array( $id ), array_keys( Backfill::plan( $wishes ) ) );
	}

	public function test_what_a_run_renews_is_the_machines_again_when_the_run_is_taken_back(): void {
		$picture = self::picture();
		$id      = self::post( '<p>Words.</p><img class="wp-image-' . $picture . '" src="x.png" alt="">' );
		$wishes  = array( 'ids' => array( $id ), 'fields' => array( 'excerpt', 'alts' ), 'batches' => false );
		$first   = array( 'alt_texts' => array( array( 'id' => (string) $picture, 'text' => 'A well.' ) ) ) + self::ANSWER;
		$author  = static function () use ( $id, $picture ): array {
			$record = Meta::record( $id );
			$alt    = Pictures::of( get_post( $id ) )[ $picture ]['alt'];
			return array( $alt, Meta::author( $record['alts'][ (string) $picture ], $alt ), get_post( $id )->post_excerpt, Meta::author( $record['fields']['summary'], get_post( $id )->post_excerpt ) );
		};
		Backend::answers( array( 'status' => 200, 'body' => $first ) );
		Backfill::slice( Backfill::begin( $wishes ), 5 );
		$this->assertSame( array( 'A well.', 'ai', self::ANSWER['summary'], 'ai' ), $author() );
		$answer                    = self::adorns( $picture );
		$answer['body']['summary'] = 'Renewed.';
		Backend::answers( $answer );
		$run = Backfill::slice( Backfill::begin( array( 'force' => 'ai' ) + $wishes ), 5 );
		$this->assertSame( array( '', 'none', 'Renewed.', 'ai' ), $author(), 'an alt text is not left on what only adorns' );
		Backfill::undo( $run['id'] );
		$this->assertSame( array( 'A well.', 'ai', self::ANSWER['summary'], 'ai' ), $author() );
	}

	public function test_a_library_text_of_a_person_stays(): void {
		$id = wp_insert_attachment( array( 'post_title' => 'p', 'post_mime_type' => 'image/png' ) );
		wp_set_current_user( 1 );
		update_post_meta( $id, Library::KEY, 'By hand' );
		Library::follow( array( (string) $id => array( 'by' => 'ai', 'text' => 'Made' ) ) );
		$this->assertSame( 'By hand', get_post_meta( $id, Library::KEY, true ) );
		delete_post_meta( $id, Library::KEY );
		Library::follow( array( (string) $id => array( 'by' => 'ai', 'text' => 'Made' ) ) );
		$this->assertSame( 'Made', get_post_meta( $id, Library::KEY, true ) );
		$this->assertSame( 'ai', Library::author( $id ) );
		wp_set_current_user( 0 );
		Library::follow( array( (string) $id => array( 'by' => 'ai', 'text' => 'Made by nobody' ) ) );
		$this->assertSame( 'Made', get_post_meta( $id, Library::KEY, true ), 'without the right to edit the picture nothing is written' );
	}

	public function test_quota_is_the_largest_of_a_users_roles_and_counts_by_day(): void {
		Backend::answers();
		update_option( Settings::OPTION, array( 'quotas' => array( 'author' => 1 ) ) + Settings::all() );
		$user = get_user_by( 'login', 'author' );
		delete_user_meta( $user->ID, Access::USED_META );
		$this->assertTrue( Access::charge( $user ) );
		$this->assertSame( 'quota_used_up', Access::charge( $user )->get_error_code() );
		update_user_meta( $user->ID, Access::USED_META, array( 'day' => '2020-01-01', 'runs' => 5 ) );
		$this->assertTrue( Access::charge( $user ) );
		$this->assertNull( Access::quota( get_user_by( 'login', 'editor' ) ) );
	}

	public function test_a_users_traces_are_exported_and_erased(): void {
		$user = get_user_by( 'login', 'author' );
		wp_set_current_user( $user->ID );
		Log::note( 'token', 5 );
		wp_set_current_user( 0 );
		update_user_meta( $user->ID, Access::USED_META, array( 'day' => '2026-01-02', 'runs' => 3 ) );
		$tools = static function ( string $what ) use ( $user ): array {
			return call_user_func( apply_filters( "wp_privacy_personal_data_$what", array() )['smart-summary']['callback'], $user->user_email, 1 );
		};
		$data  = $tools( 'exporters' )['data'];
		$words = array_merge( ...array_column( $data, 'data' ) );
		$this->assertContains( array( 'name' => 'Post', 'value' => '5' ), $words );
		$this->assertContains( array( 'name' => 'When', 'value' => '2026-01-02' ), $words );
		$this->assertContains( array( 'name' => 'Runs', 'value' => '3' ), $words );
		$this->assertTrue( $tools( 'erasers' )['items_removed'] );
		$this->assertSame( array(), $tools( 'exporters' )['data'] );
		$this->assertSame( '', get_user_meta( $user->ID, Access::USED_META, true ) );
		$this->assertNotContains( $user->ID, array_column( Log::lines(), 'user' ) );
	}

	public function test_a_run_names_no_user_also_in_the_tables_of_an_older_version(): void {
		global $wpdb;
		Journal::prepare();
		$wpdb->query( $wpdb->prepare( 'ALTER TABLE %i ADD COLUMN user_id bigint(20) unsigned NOT NULL DEFAULT 0', Journal::runs_table() ) );
		update_option( Journal::VERSION_OPTION, '1', false );
		$old = Journal::newest( 1 );
		Privacy::erase( get_user_by( 'login', 'author' )->user_email );
		$this->assertNotContains( 'user_id', $wpdb->get_col( $wpdb->prepare( 'SHOW COLUMNS FROM %i', Journal::runs_table() ) ) );
		$this->assertSame( $old, Journal::newest( 1 ), 'the runs stay' );
	}

	public function test_abilities_are_there_and_ask_for_the_right_to_edit_the_post(): void {
		if ( ! function_exists( 'wp_get_ability' ) ) {
			$this->assertSame( 0, did_action( 'wp_abilities_api_init' ), 'an older WordPress never asks for them' );
			return;
		}
		$id = self::post();
		Backend::answers( array( 'status' => 200, 'body' => self::ANSWER + array( 'title' => 'T', 'slug' => 't' ) ) );
		$ability = wp_get_ability( 'smart-summary/summarize' );
		wp_set_current_user( get_user_by( 'login', 'subscriber' )->ID );
		$this->assertNotTrue( $ability->check_permissions( array( 'post_id' => $id ) ) );
		wp_set_current_user( 1 );
		$this->assertSame( 'A description.', $ability->execute( array( 'post_id' => $id ) )['meta_description'] );

		$picture = self::picture();
		$ability = wp_get_ability( 'smart-summary/alt-text' );
		$input   = array( 'post_id' => $id, 'attachment_id' => $picture );
		Backend::answers( array( 'status' => 200, 'body' => array( 'alt_texts' => array( array( 'id' => (string) $picture, 'text' => 'A well.', 'decorative' => false ) ) ) ) );
		$this->assertSame( array( 'text' => 'A well.', 'decorative' => false, 'needs_human' => false ), $ability->execute( $input ) );
		$this->assertStringContainsString( (string) file_get_contents( get_attached_file( $picture ) ), Backend::$asked[0]['args']['body'], 'the picture itself goes along' );
		$this->assertSame( '', (string) get_post_meta( $picture, Library::KEY, true ), 'and nothing is written' );
		wp_set_current_user( get_user_by( 'login', 'author' )->ID );
		$this->assertNotTrue( $ability->check_permissions( $input ), 'of another’s post' );
		wp_delete_attachment( $picture, true );
		wp_set_current_user( 1 );
		$this->assertSame( 'smart_summary_file', $ability->execute( array( 'post_id' => $id, 'attachment_id' => self::post() ) )->get_error_code(), 'what has no small file' );
		wp_set_current_user( 0 );
	}

	public function test_the_ai_client_may_use_the_backend(): void {
		if ( ! class_exists( '\\WordPress\\AiClient\\AiClient' ) ) {
			$this->assertFalse( function_exists( 'wp_ai_client_prompt' ) );
			return;
		}
		$chat = array(
			'id'      => 'chat-1',
			'choices' => array( array( 'index' => 0, 'finish_reason' => 'stop', 'message' => array( 'role' => 'assistant', 'content' => 'Rye bread needs time.' ) ) ),
			'usage'   => array( 'prompt_tokens' => 3, 'completion_tokens' => 4, 'total_tokens' => 7 ),
		);
		Backend::answers( array( 'status' => 200, 'body' => array( 'object' => 'list', 'data' => array( array( 'id' => 'glm', 'object' => 'model' ) ) ) ), array( 'status' => 200, 'body' => $chat ) );
		delete_transient( 'smart_summary_ai' );
		Smart_Summary\Ai_Client::register();
		$this->assertSame( 'Rye bread needs time.', wp_ai_client_prompt( 'Bread?' )->using_provider( 'smart-summary' )->generate_text() );
		$this->assertSame( array( 'http://backend.test/v1/models', 'http://backend.test/v1/chat/completions' ), array_column( Backend::$asked, 'url' ) );
		$headers = array_change_key_case( Backend::$asked[1]['args']['headers'] );
		$this->assertSame( 'Bearer ss_live_test', $headers['authorization'] );

		// A backend without chats is no provider, and is not asked again for each prompt.
		update_option( 'smart_summary_settings', array( 'url' => 'http://other.test' ) + Settings::all() );
		WordPress\AiClient\AiClient::defaultRegistry()->getProviderClassName( 'smart-summary' )::modelMetadataDirectory()->invalidateCaches();
		$this->assertFalse( wp_ai_client_prompt( 'Bread?' )->using_provider( 'smart-summary' )->is_supported_for_text_generation() );
		$asked = count( Backend::$asked );
		$this->assertFalse( wp_ai_client_prompt( 'Bread?' )->using_provider( 'smart-summary' )->is_supported_for_text_generation() );
		$this->assertCount( $asked, Backend::$asked );
	}

	public function test_only_the_backend_is_let_through_as_a_host_of_the_own_network(): void {
		update_option( 'smart_summary_settings', array( 'url' => 'http://10.0.0.5:9123' ) + Settings::defaults() );
		$this->assertNotFalse( wp_http_validate_url( 'http://10.0.0.5:9123/v1/models' ) );
		foreach ( array( 'http://10.0.0.5:9124/v1/models', 'http://10.0.0.6:9123/v1/models', 'http://10.0.0.5:9123.evil.test/', 'http://10.0.0.5/' ) as $other ) {
			$this->assertFalse( wp_http_validate_url( $other ), $other );
		}
	}

	public function test_wordpress_own_endings_are_not_taken_for_the_authors_words(): void {
		$this->assertSame(
			array( 'a-bridge.jpg', 'gear-5.png', 'a-bridge-1024x683.jpg' ),
			array_values( Pictures::names( array( array( 'src' => 'http://x/a-bridge-e1700000000-scaled.jpg' ), array( 'src' => 'http://x/gear-5.png?v=1' ), array( 'src' => 'http://x/a-bridge-1024x683.jpg' ) ) ) )
		);
	}
}
