<?php
/**
 * Runs over old posts.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;
use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * Works a run off in slices: by Action Scheduler where a site has it, else by WP-Cron, by the open Tools page, or by WP-CLI
 * in one go. Posts go by `Batch` where the backend has batches, else one by one. One slice works at a time. Killed anywhere, a run goes on where it was.
 *
 * @since 0.1.0
 */
final class Backfill {

	public const HOOK        = 'smart_summary_slice';
	public const LOCK_OPTION = 'smart_summary_lock';
	private const GROUP      = 'smart-summary';

	/** Seconds after which a slice that never ended has a successor: more than the lock's. */
	private const SUCCESSOR = 180;

	/** Tries of one post before it is given up. */
	private const ATTEMPTS = 8;

	/** What passes by waiting. */
	private const PASSING = array( 'rate_limited', 'budget_used_up', 'too_many_failures', 'overloaded', 'draining', 'engine_unavailable', 'store_unavailable', 'deadline_exceeded', 'idempotency_in_progress', 'batch_not_finished', 'too_many_batches', 'smart_summary_timeout', 'smart_summary_unreachable' );

	/**
	 * The posts that a run would work on: those with something missing.
	 *
	 * @param array<string, mixed> $options `ids`, `post_types`, `limit`, and those of `Generator::missing`.
	 * @return array<int, string[]> Post => what is missing.
	 */
	public static function plan( array $options ): array {
		$ids   = array_map( 'intval', (array) ( $options['ids'] ?? array() ) );
		$types = array_intersect( (array) ( $options['post_types'] ?? Settings::get( 'post_types' ) ), (array) Settings::get( 'post_types' ) );
		$limit = (int) ( $options['limit'] ?? 0 );
		$plan  = array();
		$page  = 1;
		do {
			$query = array(
				'post_type'        => $types,
				'post_status'      => $ids ? array( 'publish', 'future', 'draft', 'pending', 'private' ) : 'publish',
				'posts_per_page'   => 100,
				'paged'            => $page++,
				'orderby'          => 'ID',
				'order'            => 'DESC',
				// Posts of every language: WPML narrows queries by filters, Polylang by `lang`.
				'suppress_filters' => true,
				'lang'             => '',
			);
			if ( $ids ) {
				$query['post__in'] = $ids;
			}
			$posts = $types ? get_posts( $query ) : array();
			$found = count( $posts );
			foreach ( $posts as $post ) {
				$missing = Generator::missing( $post, $options );
				if ( $missing ) {
					$plan[ $post->ID ] = $missing;
				}
				if ( $limit > 0 && count( $plan ) >= $limit ) {
					return $plan;
				}
			}
		} while ( 100 === $found );
		return $plan;
	}

	/**
	 * Begins a run.
	 *
	 * @param array<string, mixed> $options Options.
	 * @return int Its number.
	 */
	public static function begin( array $options ): int {
		return Journal::begin( array_keys( self::plan( $options ) ), $options );
	}

	/**
	 * Has the run worked off behind the scenes: its next slice comes then, and only then.
	 *
	 * @param int $run_id Run.
	 * @param int $when   Unix time.
	 */
	public static function schedule( int $run_id, int $when = 0 ): void {
		$when = max( time() + 5, $when );
		self::unschedule( $run_id );
		if ( function_exists( 'as_schedule_single_action' ) ) {
			as_schedule_single_action( $when, self::HOOK, array( $run_id ), self::GROUP );
		} else {
			wp_schedule_single_event( $when, self::HOOK, array( $run_id ) );
		}
	}

	/**
	 * Takes away what is scheduled.
	 *
	 * @param int $run_id Run; 0 for all.
	 */
	public static function unschedule( int $run_id = 0 ): void {
		if ( function_exists( 'as_unschedule_all_actions' ) ) {
			// Action Scheduler takes a hook alone, or hook, arguments and group, for all that are waiting.
			$run_id > 0 ? as_unschedule_all_actions( self::HOOK, array( $run_id ), self::GROUP ) : as_unschedule_all_actions( self::HOOK );
		}
		$run_id > 0 ? wp_clear_scheduled_hook( self::HOOK, array( $run_id ) ) : wp_unschedule_hook( self::HOOK );
	}

	/**
	 * A slice in the background, and the next.
	 *
	 * @param int $run_id Run.
	 */
	public static function scheduled( $run_id ): void {
		$run_id = (int) $run_id;
		// Before any work: a process that is ended in the middle leaves its successor behind.
		self::schedule( $run_id, time() + self::SUCCESSOR );
		$run = self::slice( $run_id, 20 );
		if ( is_wp_error( $run ) && 'smart_summary_busy' === $run->get_error_code() ) {
			return;
		}
		if ( is_array( $run ) && 'running' === $run['state'] ) {
			self::schedule( $run_id, $run['not_before'] );
		} else {
			self::unschedule( $run_id );
		}
	}

	/**
	 * Works on a run for some seconds.
	 *
	 * @param int           $run_id  Run.
	 * @param int           $seconds How long; a post that was begun is finished.
	 * @param callable|null $tell    Called with each finished item.
	 * @return array<string, mixed>|WP_Error The run as it is then.
	 */
	public static function slice( int $run_id, int $seconds, ?callable $tell = null ) {
		$run = Journal::run( $run_id );
		if ( ! $run ) {
			return new WP_Error( 'smart_summary_no_run', __( 'There is no such run.', 'smart-summary' ), array( 'status' => 404 ) );
		}
		if ( 'running' !== $run['state'] || $run['not_before'] > time() ) {
			return $run;
		}
		if ( ! self::lock() ) {
			return new WP_Error( 'smart_summary_busy', __( 'Another run is being worked on.', 'smart-summary' ), array( 'status' => 409 ) );
		}
		$until = time() + $seconds;
		// As it is under the lock: another process may have just sent a batch.
		$run = Journal::run( $run_id ) ?? $run;
		while ( 'running' === $run['state'] ) {
			$items = Journal::items( $run_id, array( 'waiting', 'writing' ), Batch::POSTS );
			if ( ! $items ) {
				Journal::set_run( $run_id, array( 'state' => 'done' ) );
				break;
			}
			self::lock( 'renew' );
			$options = (array) $run['options'];
			$wait    = Batch::is_wanted( $options, $items )
				? Batch::work( $run_id, $options, $items, $tell )
				: self::work( $run_id, $items[0], $options, $tell );
			if ( $wait > 0 ) {
				Journal::set_run( $run_id, array( 'not_before' => time() + $wait ) );
				break;
			}
			if ( time() >= $until ) {
				break;
			}
			$run = Journal::run( $run_id ) ?? $run;
		}
		self::unlock();
		return Journal::run( $run_id ) ?? $run;
	}

	/**
	 * Works on one post.
	 *
	 * @param int                  $run_id  Run.
	 * @param array<string, mixed> $item    Item.
	 * @param array<string, mixed> $options The run's options.
	 * @param callable|null        $tell    Called with the finished item.
	 * @return int Seconds to wait before going on; 0 to go on at once.
	 */
	private static function work( int $run_id, array $item, array $options, ?callable $tell ): int {
		$post    = get_post( $item['post_id'] );
		$answers = array();
		if ( 'waiting' === $item['state'] && $post instanceof WP_Post ) {
			foreach ( Generator::questions( Generator::missing( $post, $options ) ) as $at => $question ) {
				$answer = Generator::summarize( $post, $question['fields'], $question['files'], $run_id . '-' . $at );
				if ( is_wp_error( $answer ) ) {
					return self::failed( $item, $answer, $tell );
				}
				$answers[] = $answer;
			}
		}
		return self::take( $item, $options, $answers, $tell );
	}

	/**
	 * Writes what the backend has answered. An item that a kill left half written is finished as it was stored.
	 *
	 * @param array<string, mixed>             $item    Item.
	 * @param array<string, mixed>             $options The run's options.
	 * @param array<int, array<string, mixed>> $answers Answers to the post's questions, in their order.
	 * @param callable|null                    $tell    Called with the finished item.
	 * @return int 0.
	 */
	public static function take( array $item, array $options, array $answers, ?callable $tell ): int {
		$post = get_post( $item['post_id'] );
		if ( ! $post instanceof WP_Post ) {
			return self::finish( $item, 'skipped', 'post_gone', $tell );
		}
		$facts = array();
		if ( 'waiting' === $item['state'] ) {
			$missing = Generator::missing( $post, $options );
			if ( ! $missing ) {
				return self::finish( $item, 'skipped', 'nothing_missing', $tell );
			}
			$answer          = Generator::answered( $post, $missing, $answers );
			$facts           = $answer['facts'];
			$item['changes'] = $answer['changes'];
			$item['code']    = implode( ' ', array_slice( $answer['notes'], 0, 2 ) );
			// Stored before anything is written: whoever comes after a kill knows what to finish, and what to undo.
			Journal::set_item(
				$item['id'],
				array(
					'state'   => 'writing',
					'changes' => $item['changes'],
				)
			);
		}
		$kept = Generator::write( $post->ID, $item['changes'], 'forward', $facts );
		return self::finish( $item, $item['changes'] ? 'done' : 'skipped', $kept > 0 ? 'changed_by_a_person' : ( $item['changes'] ? $item['code'] : 'nothing_made' ), $tell );
	}

	/**
	 * Ends an item.
	 *
	 * @param array<string, mixed> $item  Item.
	 * @param string               $state State.
	 * @param string               $code  Why.
	 * @param callable|null        $tell  Called with the item.
	 * @return int 0.
	 */
	private static function finish( array $item, string $state, string $code, ?callable $tell ): int {
		Journal::set_item(
			$item['id'],
			array(
				'state' => $state,
				'code'  => substr( $code, 0, 60 ),
			)
		);
		if ( $tell ) {
			$tell( array_merge( $item, compact( 'state', 'code' ) ) );
		}
		return 0;
	}

	/**
	 * A post whose request failed: later, when that may help.
	 *
	 * @param array<string, mixed> $item  Item.
	 * @param WP_Error             $error Error.
	 * @param callable|null        $tell  Called with an item that is given up.
	 * @return int Seconds to wait.
	 */
	public static function failed( array $item, WP_Error $error, ?callable $tell ): int {
		$code = (string) $error->get_error_code();
		if ( ! self::passes( $error ) || $item['attempts'] + 1 >= self::ATTEMPTS ) {
			return self::finish( $item, 'failed', $code, $tell );
		}
		Journal::set_item(
			$item['id'],
			array(
				'attempts' => $item['attempts'] + 1,
				'code'     => $code,
			)
		);
		$data = (array) $error->get_error_data();
		return max( 1, (int) ( $data['retry_after'] ?? min( 300, 2 ** ( $item['attempts'] + 1 ) ) ) );
	}

	/**
	 * Whether waiting may help.
	 *
	 * @param WP_Error $error Error.
	 * @return bool True when it may.
	 */
	public static function passes( WP_Error $error ): bool {
		return in_array( (string) $error->get_error_code(), self::PASSING, true );
	}

	/**
	 * Stops a run, and its batch at the backend; what is done stays.
	 *
	 * @param int $run_id Run.
	 */
	public static function stop( int $run_id ): void {
		Journal::set_run( $run_id, array( 'state' => 'stopped' ) );
		self::unschedule( $run_id );
		Batch::cancel( Journal::run( $run_id )['options'] ?? array() );
	}

	/**
	 * Lets a stopped run go on.
	 *
	 * @param int $run_id Run.
	 */
	public static function resume( int $run_id ): void {
		$run = Journal::run( $run_id );
		if ( $run && 'stopped' === $run['state'] ) {
			Journal::set_run(
				$run_id,
				array(
					'state'      => 'running',
					'not_before' => 0,
				)
			);
		}
	}

	/**
	 * Takes a whole run back. What a person has changed since stays.
	 *
	 * @param int           $run_id Run.
	 * @param callable|null $tell   Called with each item and the number of fields that stay.
	 * @return int|WP_Error Posts taken back.
	 */
	public static function undo( int $run_id, ?callable $tell = null ) {
		$run = Journal::run( $run_id );
		if ( ! $run ) {
			return new WP_Error( 'smart_summary_no_run', __( 'There is no such run.', 'smart-summary' ), array( 'status' => 404 ) );
		}
		if ( ! self::lock() ) {
			return new WP_Error( 'smart_summary_busy', __( 'Another run is being worked on.', 'smart-summary' ), array( 'status' => 409 ) );
		}
		self::stop( $run_id );
		$count = 0;
		do {
			$items = Journal::items( $run_id, array( 'done', 'writing' ), 50 );
			foreach ( $items as $item ) {
				$kept = Generator::write( $item['post_id'], array_reverse( $item['changes'] ), 'back' );
				Journal::set_item(
					$item['id'],
					array(
						'state' => 'undone',
						'code'  => $kept > 0 ? 'changed_by_a_person' : '',
					)
				);
				++$count;
				if ( $tell ) {
					$tell( $item, $kept );
				}
			}
			self::lock( 'renew' );
		} while ( $items );
		Journal::set_run( $run_id, array( 'state' => 'undone' ) );
		self::unlock();
		return $count;
	}

	/**
	 * Takes the lock, or renews it. The lock of a process that has ended, or that says nothing for two minutes, is free.
	 *
	 * @param string $how `take` or `renew`.
	 * @return bool Whether this process has it.
	 */
	private static function lock( string $how = 'take' ): bool {
		global $wpdb;
		$mine = wp_json_encode(
			array(
				'host'  => gethostname(),
				'pid'   => getmypid(),
				'until' => time() + 120,
			)
		);
		if ( 'renew' === $how ) {
			// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- A lock is not cached.
			$wpdb->update( $wpdb->options, array( 'option_value' => $mine ), array( 'option_name' => self::LOCK_OPTION ) );
			return true;
		}
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- Only the database can say who was first.
		$taken = $wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO %i ( option_name, option_value, autoload ) VALUES ( %s, %s, 'off' )", $wpdb->options, self::LOCK_OPTION, $mine ) );
		if ( $taken ) {
			return true;
		}
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- A lock is not cached.
		$theirs = (string) $wpdb->get_var( $wpdb->prepare( 'SELECT option_value FROM %i WHERE option_name = %s', $wpdb->options, self::LOCK_OPTION ) );
		if ( ! self::is_stale( (array) json_decode( $theirs, true ) ) ) {
			return false;
		}
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- Of two that find it stale, one takes it.
		return 1 === (int) $wpdb->update(
			$wpdb->options,
			array( 'option_value' => $mine ),
			array(
				'option_name'  => self::LOCK_OPTION,
				'option_value' => $theirs,
			)
		);
	}

	/**
	 * Whether nobody holds a lock any more.
	 *
	 * @param array<string, mixed> $lock Lock.
	 * @return bool True when it is free.
	 */
	private static function is_stale( array $lock ): bool {
		if ( (int) ( $lock['until'] ?? 0 ) < time() ) {
			return true;
		}
		return is_dir( '/proc/self' ) && gethostname() === ( $lock['host'] ?? '' ) && ! is_dir( '/proc/' . (int) ( $lock['pid'] ?? 0 ) );
	}

	/**
	 * Gives the lock back.
	 */
	private static function unlock(): void {
		global $wpdb;
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- A lock is not cached.
		$wpdb->delete( $wpdb->options, array( 'option_name' => self::LOCK_OPTION ) );
	}
}
