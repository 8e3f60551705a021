<?php
/**
 * Many old posts in one request.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;
use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * Sends a run's next posts as one batch of the backend and takes its results in. The run's options say which batch is under
 * way (`batch`) and how many there were (`batch_number`), so that a run that was killed finds its batch again. Where the
 * backend has no batches for the key (`batches:write`), the run's posts go one by one.
 *
 * @since 0.1.0
 */
final class Batch {

	/** Posts in one batch. */
	public const POSTS = 50;

	/** Bytes of pictures in one batch: PHP holds them in memory. */
	private const BYTES = 4000000;

	/** Seconds between two looks at a batch. */
	private const LOOK = 3;

	/**
	 * Whether a run's next posts go by a batch.
	 *
	 * @param array<string, mixed>             $options The run's options.
	 * @param array<int, array<string, mixed>> $items   Items that are not done.
	 * @return bool True when they do.
	 */
	public static function is_wanted( array $options, array $items ): bool {
		return isset( $options['batch'] ) || ( false !== ( $options['batches'] ?? true ) && count( $items ) > 1 && 'waiting' === $items[0]['state'] );
	}

	/**
	 * Sends a batch, or looks at the one that is under way.
	 *
	 * @param int                              $run_id  Run.
	 * @param array<string, mixed>             $options The run's options.
	 * @param array<int, array<string, mixed>> $items   Items that are not done.
	 * @param callable|null                    $tell    Called with each finished item.
	 * @return int Seconds to wait before going on; 0 to go on at once.
	 */
	public static function work( int $run_id, array $options, array $items, ?callable $tell ): int {
		return isset( $options['batch'] ) ? self::read( $run_id, $options, $items, $tell ) : self::send( $run_id, $options, $items, $tell );
	}

	/**
	 * Sends the next posts.
	 *
	 * @param int                              $run_id  Run.
	 * @param array<string, mixed>             $options The run's options.
	 * @param array<int, array<string, mixed>> $items   Items that are not done.
	 * @param callable|null                    $tell    Called with each finished item.
	 * @return int Seconds to wait.
	 */
	private static function send( int $run_id, array $options, array $items, ?callable $tell ): int {
		$requests = array();
		$bytes    = 0;
		$first    = $items[0];
		foreach ( $items as $item ) {
			$post    = get_post( $item['post_id'] );
			$missing = $post instanceof WP_Post ? Generator::missing( $post, $options ) : array();
			$asked   = Generator::questions( $missing );
			if ( ! $post instanceof WP_Post || ! $asked || 'waiting' !== $item['state'] ) {
				// Nothing to ask: it is over without the backend.
				Backfill::take( $item, $options, array(), $tell );
				continue;
			}
			$weight = array_sum( array_map( array( self::class, 'weight' ), $asked ) );
			if ( $requests && $bytes + $weight > self::BYTES ) {
				break;
			}
			$first  = $requests ? $first : $item;
			$bytes += $weight;
			foreach ( $asked as $at => $question ) {
				$requests[] = array(
					'id'      => $item['id'] . '.' . $at,
					'request' => self::request( $post, $question ),
				);
			}
		}
		if ( ! $requests ) {
			return 0;
		}
		$number = (int) ( $options['batch_number'] ?? 0 );
		$batch  = Client::send_batch( $requests, Generator::site() . $run_id . '-batch-' . $number );
		Log::note( 'batch', 0, is_wp_error( $batch ) ? $batch : null );
		if ( ! is_wp_error( $batch ) ) {
			Journal::set_run( $run_id, array( 'options' => array( 'batch' => (string) ( $batch['id'] ?? '' ) ) + $options ) );
			return self::LOOK;
		}
		if ( Backfill::passes( $batch ) ) {
			return Backfill::failed( $first, $batch, $tell );
		}
		// No scope, an older server, or one post that the backend refuses: one by one tells which.
		Journal::set_run( $run_id, array( 'options' => array( 'batches' => false ) + $options ) );
		return 0;
	}

	/**
	 * Takes the results in when they are there.
	 *
	 * @param int                              $run_id  Run.
	 * @param array<string, mixed>             $options The run's options.
	 * @param array<int, array<string, mixed>> $items   Items that are not done.
	 * @param callable|null                    $tell    Called with each finished item.
	 * @return int Seconds to wait.
	 */
	private static function read( int $run_id, array $options, array $items, ?callable $tell ): int {
		$id      = (string) $options['batch'];
		$batch   = Client::batch( $id );
		$results = is_wp_error( $batch ) || 'running' === ( $batch['status'] ?? '' ) ? $batch : Client::batch_results( $id );
		if ( is_wp_error( $results ) && Backfill::passes( $results ) ) {
			return Backfill::failed( $items[0], $results, $tell );
		}
		if ( ! is_wp_error( $results ) && $results === $batch ) {
			return self::LOOK;
		}
		$wait = 0;
		if ( ! is_wp_error( $results ) ) {
			$of = self::by_item( $results );
			foreach ( $items as $item ) {
				$wait = max( $wait, self::take( $item, $options, $of[ $item['id'] ] ?? array(), $tell ) );
			}
		}
		// A batch that is gone has no results: its posts go into the next.
		unset( $options['batch'] );
		Journal::set_run( $run_id, array( 'options' => array( 'batch_number' => 1 + (int) ( $options['batch_number'] ?? 0 ) ) + $options ) );
		Client::remove_batch( $id );
		return $wait;
	}

	/**
	 * Takes one post's results in. Without any it waits for the next batch.
	 *
	 * @param array<string, mixed>             $item    Item.
	 * @param array<string, mixed>             $options The run's options.
	 * @param array<int, array<string, mixed>> $results Its results, in the order of its questions.
	 * @param callable|null                    $tell    Called with the finished item.
	 * @return int Seconds to wait.
	 */
	private static function take( array $item, array $options, array $results, ?callable $tell ): int {
		$answers = array();
		foreach ( $results as $result ) {
			if ( 'failed' === ( $result['status'] ?? '' ) ) {
				$problem = (array) ( $result['problem'] ?? array() );
				return Backfill::failed( $item, new WP_Error( (string) ( $problem['code'] ?? 'internal' ), (string) ( $problem['detail'] ?? '' ) ), $tell );
			}
			if ( 'completed' !== ( $result['status'] ?? '' ) ) {
				return 0;
			}
			$answers[] = (array) ( $result['summary'] ?? array() );
		}
		return $answers || 'writing' === $item['state'] ? Backfill::take( $item, $options, $answers, $tell ) : 0;
	}

	/**
	 * Gives up the batch that a run has under way; what it has done already is taken in when the run goes on.
	 *
	 * @param array<string, mixed> $options The run's options.
	 */
	public static function cancel( array $options ): void {
		if ( isset( $options['batch'] ) ) {
			Client::remove_batch( (string) $options['batch'] );
		}
	}

	/**
	 * A question with its pictures.
	 *
	 * @param WP_Post                                            $post     Post.
	 * @param array{fields: string[], files: array<int, string>} $question From `Generator::questions`.
	 * @return array<string, mixed> Request.
	 */
	private static function request( WP_Post $post, array $question ): array {
		$request = Generator::request( $post, $question['fields'], $question['files'] );
		foreach ( $request['images'] as $at => $image ) {
			$request['images'][ $at ]['data'] = Pictures::data_uri( $question['files'][ (int) $image['id'] ] );
		}
		return $request;
	}

	/**
	 * What a question's pictures weigh.
	 *
	 * @param array{fields: string[], files: array<int, string>} $question Question.
	 * @return int Bytes.
	 */
	private static function weight( array $question ): int {
		return (int) array_sum( array_map( 'filesize', $question['files'] ) );
	}

	/**
	 * The results of each item.
	 *
	 * @param array<int, array<string, mixed>> $results Lines.
	 * @return array<int, array<int, array<string, mixed>>> Item => results in the order of its questions.
	 */
	private static function by_item( array $results ): array {
		$of = array();
		foreach ( $results as $result ) {
			list( $item, $at )              = array_pad( explode( '.', (string) ( $result['id'] ?? '' ) ), 2, '0' );
			$of[ (int) $item ][ (int) $at ] = $result;
		}
		return $of;
	}
}
