<?php
/**
 * Runs whose posts go to the backend as one batch.
 *
 * @package Smart_Summary
 */

use PHPUnit\Framework\TestCase;
use Smart_Summary\Backfill;
use Smart_Summary\Journal;

/**
 * Each test makes its own posts.
 */
final class BatchTest extends TestCase {

	private const BATCH = array( 'id' => 'batch-1', 'status' => 'running' );

	/**
	 * A run over new posts.
	 *
	 * @param int $posts How many.
	 * @return int[] Run, and its items.
	 */
	private static function run_of( int $posts ): array {
		$ids = array();
		for ( $at = 0; $at < $posts; $at++ ) {
			$ids[] = wp_insert_post( array( 'post_title' => "Post $at", 'post_content' => '<p>Words.</p>', 'post_status' => 'publish' ) );
		}
		$run = Backfill::begin( array( 'ids' => $ids, 'fields' => array( 'excerpt' ) ) );
		return array( $run, array_column( Journal::items( $run, array(), 100 ), 'id' ) );
	}

	private static function ok( $body, int $status = 200 ): array {
		return compact( 'status', 'body' );
	}

	private static function problem( string $code, int $status, array $headers = array() ): array {
		return array( 'status' => $status, 'body' => array( 'code' => $code, 'detail' => 'x' ), 'headers' => $headers );
	}

	private static function completed( int $item, string $words ): array {
		return array( 'id' => "$item.0", 'status' => 'completed', 'summary' => array( 'summary' => $words, 'engine' => 'extractive', 'model' => 'm', 'language' => 'en' ) );
	}

	private static function lines( array ...$results ): array {
		return self::ok( implode( "\n", array_map( 'wp_json_encode', $results ) ) . "\n" );
	}

	private static function go_on( int $run ): array {
		Journal::set_run( $run, array( 'not_before' => 0 ) );
		return Backfill::slice( $run, 5 );
	}

	/** @return string[] Method and route of each request. */
	private static function asked(): array {
		return array_map(
			static function ( array $one ): string {
				return $one['args']['method'] . ' ' . str_replace( 'http://backend.test/v1/', '', $one['url'] );
			},
			Backend::$asked
		);
	}

	private static function excerpts( int $run ): array {
		return array_map(
			static function ( array $item ): string {
				return get_post( $item['post_id'] )->post_excerpt;
			},
			Journal::items( $run, array(), 100 )
		);
	}

	public function test_posts_go_as_one_batch_and_come_back_by_their_names(): void {
		list( $run, $items ) = self::run_of( 2 );
		Backend::answers(
			self::ok( self::BATCH, 201 ),
			self::ok( self::BATCH ),
			self::ok( array( 'status' => 'finished' ) + self::BATCH ),
			self::lines( self::completed( $items[1], 'Second.' ), self::completed( $items[0], 'First.' ) ),
			self::ok( self::BATCH )
		);
		$sent = self::go_on( $run );
		$this->assertSame( array( 'running', array( 'waiting' => 2 ) ), array( $sent['state'], $sent['counts'] ) );
		$this->assertGreaterThan( time(), $sent['not_before'] );
		$this->assertSame( array( 'waiting' => 2 ), self::go_on( $run )['counts'], 'it is not finished yet' );
		$this->assertSame( 'done', self::go_on( $run )['state'] );
		$this->assertSame( array( 'First.', 'Second.' ), self::excerpts( $run ) );
		$this->assertSame( array( 'POST batches', 'GET batches/batch-1', 'GET batches/batch-1', 'GET batches/batch-1/results', 'DELETE batches/batch-1' ), self::asked() );
		$body = json_decode( Backend::$asked[0]['args']['body'], true );
		$this->assertSame( array( $items[0] . '.0', $items[1] . '.0' ), array_column( $body['items'], 'id' ) );
		$this->assertSame( 'Post 1', $body['items'][0]['request']['article']['title'], 'the newest post is first' );
		$this->assertStringContainsString( "-$run-batch-0", Backend::$asked[0]['args']['headers']['Idempotency-Key'] );
	}

	public function test_a_key_without_the_scope_has_its_posts_one_by_one_and_is_not_asked_twice(): void {
		list( $run ) = self::run_of( 2 );
		$summary     = array( 'summary' => 'Alone.' );
		Backend::answers( self::problem( 'scope_missing', 403 ), self::ok( $summary ), self::ok( $summary ) );
		$this->assertSame( 'done', self::go_on( $run )['state'] );
		$this->assertSame( array( 'POST batches', 'POST summaries', 'POST summaries' ), self::asked() );
		$this->assertSame( array( 'Alone.', 'Alone.' ), self::excerpts( $run ) );
	}

	public function test_a_batch_waits_when_the_backend_is_busy(): void {
		list( $run ) = self::run_of( 2 );
		Backend::answers( self::problem( 'too_many_batches', 429, array( 'Retry-After' => '40' ) ) );
		$now = self::go_on( $run );
		$this->assertSame( array( 'running', array( 'waiting' => 2 ) ), array( $now['state'], $now['counts'] ) );
		$this->assertEqualsWithDelta( time() + 40, $now['not_before'], 2 );
	}

	public function test_a_post_with_a_problem_is_given_up_and_one_that_may_pass_goes_into_the_next_batch(): void {
		list( $run, $items ) = self::run_of( 3 );
		$failed              = static function ( int $item, string $code ): array {
			return array( 'id' => "$item.0", 'status' => 'failed', 'problem' => array( 'code' => $code, 'detail' => 'x' ) );
		};
		Backend::answers(
			self::ok( self::BATCH, 201 ),
			self::ok( array( 'status' => 'finished' ) + self::BATCH ),
			self::lines( $failed( $items[0], 'image_broken' ), $failed( $items[1], 'deadline_exceeded' ), $failed( $items[2], 'deadline_exceeded' ) ),
			self::ok( self::BATCH ),
			self::ok( array( 'id' => 'batch-2' ) + self::BATCH, 201 )
		);
		self::go_on( $run );
		$this->assertSame( array( 'failed' => 1, 'waiting' => 2 ), self::go_on( $run )['counts'] );
		self::go_on( $run );
		$body = json_decode( Backend::$asked[4]['args']['body'], true );
		$this->assertSame( array( $items[1] . '.0', $items[2] . '.0' ), array_column( $body['items'], 'id' ) );
		$this->assertStringContainsString( "-$run-batch-1", Backend::$asked[4]['args']['headers']['Idempotency-Key'], 'another batch has another name' );
	}

	public function test_a_batch_that_is_gone_is_sent_anew(): void {
		list( $run ) = self::run_of( 2 );
		Backend::answers( self::ok( self::BATCH, 201 ), self::problem( 'not_found', 404 ), self::problem( 'not_found', 404 ), self::ok( self::BATCH, 201 ) );
		self::go_on( $run );
		$this->assertSame( array( 'waiting' => 2 ), self::go_on( $run )['counts'] );
		$this->assertSame( array( 'POST batches', 'GET batches/batch-1', 'DELETE batches/batch-1', 'POST batches' ), self::asked() );
	}

	public function test_a_stopped_run_cancels_its_batch_and_keeps_what_was_done(): void {
		list( $run, $items ) = self::run_of( 2 );
		Backend::answers(
			self::ok( self::BATCH, 201 ),
			self::ok( self::BATCH ),
			self::ok( array( 'status' => 'cancelled' ) + self::BATCH ),
			self::lines( self::completed( $items[0], 'Done before.' ), array( 'id' => $items[1] . '.0', 'status' => 'cancelled' ) ),
			self::ok( self::BATCH ),
			self::ok( array( 'summary' => 'Done after.' ) )
		);
		self::go_on( $run );
		Backfill::stop( $run );
		Backfill::resume( $run );
		$this->assertSame( 'done', self::go_on( $run )['state'] );
		$this->assertSame( array( 'Done before.', 'Done after.' ), self::excerpts( $run ) );
		$this->assertSame( 'DELETE batches/batch-1', self::asked()[1] );
		$this->assertSame( 'POST summaries', self::asked()[5], 'one post is no batch' );
	}

	public function test_a_person_who_was_faster_than_the_batch_is_kept(): void {
		list( $run, $items ) = self::run_of( 2 );
		Backend::answers(
			self::ok( self::BATCH, 201 ),
			self::ok( array( 'status' => 'finished' ) + self::BATCH ),
			self::lines( self::completed( $items[0], 'Made.' ), self::completed( $items[1], 'Made.' ) ),
			self::ok( self::BATCH )
		);
		self::go_on( $run );
		wp_update_post( array( 'ID' => Journal::items( $run, array(), 1 )[0]['post_id'], 'post_excerpt' => 'By hand.' ) );
		self::go_on( $run );
		$this->assertSame( array( 'By hand.', 'Made.' ), self::excerpts( $run ) );
	}
}
