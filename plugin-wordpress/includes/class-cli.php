<?php
/**
 * `wp smart-summary`.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_CLI;

defined( 'ABSPATH' ) || exit;

/**
 * Fills descriptions, excerpts and alt texts of posts that lack them.
 *
 * @since 0.1.0
 */
final class CLI {

	/**
	 * Fills what is missing in old posts.
	 *
	 * The server sends each post's text and small copies of its pictures to the backend. Nothing that a person has written
	 * is replaced. A run that was killed goes on with --resume.
	 *
	 * ## OPTIONS
	 *
	 * [--ids=<ids>]
	 * : Only these posts, separated by commas; drafts too.
	 *
	 * [--post-types=<types>]
	 * : Only these kinds of post, separated by commas.
	 *
	 * [--fields=<fields>]
	 * : Of description, excerpt, tags, alts, separated by commas.
	 * ---
	 * default: description,excerpt,alts
	 * ---
	 *
	 * [--limit=<number>]
	 * : At most so many posts.
	 *
	 * [--force]
	 * : Also fields that Smart Summary wrote and nobody has changed.
	 *
	 * [--overwrite-people]
	 * : With --force: also what people have written. Asks first.
	 *
	 * [--yes]
	 * : Does not ask.
	 *
	 * [--one-by-one]
	 * : Each post in a request of its own, also where the backend has batches.
	 *
	 * [--dry-run]
	 * : Says what is missing, asks nobody, writes nothing.
	 *
	 * [--resume=<run>]
	 * : Goes on with this run.
	 *
	 * ## EXAMPLES
	 *
	 *     $ wp smart-summary generate --dry-run
	 *     $ wp smart-summary generate --ids=12,15 --fields=alts
	 *
	 * @param string[]              $args  Unused.
	 * @param array<string, string> $flags Flags.
	 */
	public function generate( $args, $flags ): void {
		if ( isset( $flags['resume'] ) ) {
			$run_id = (int) $flags['resume'];
			Backfill::resume( $run_id );
			$this->work( $run_id );
			return;
		}
		$list    = static function ( string $name ) use ( $flags ): array {
			return array_values( array_filter( array_map( 'trim', explode( ',', (string) ( $flags[ $name ] ?? '' ) ) ), 'strlen' ) );
		};
		$options = array(
			'fields' => $list( 'fields' ),
			'limit'  => (int) ( $flags['limit'] ?? 0 ),
			'force'  => isset( $flags['force'] ) ? ( isset( $flags['overwrite-people'] ) ? 'all' : 'ai' ) : 'none',
		);
		$unknown = array_diff( $options['fields'], Generator::FIELDS );
		if ( $unknown ) {
			WP_CLI::error( sprintf( 'Unknown field %s; there are %s.', implode( ', ', $unknown ), implode( ', ', Generator::FIELDS ) ) );
		}
		if ( isset( $flags['one-by-one'] ) ) {
			$options['batches'] = false;
		}
		if ( isset( $flags['ids'] ) ) {
			$options['ids'] = array_map( 'intval', $list( 'ids' ) );
		}
		if ( isset( $flags['post-types'] ) ) {
			$options['post_types'] = $list( 'post-types' );
		}
		$plan = Backfill::plan( $options );
		if ( isset( $flags['dry-run'] ) ) {
			foreach ( $plan as $post_id => $missing ) {
				WP_CLI::line( sprintf( '%d: %s', $post_id, implode( ', ', $missing ) ) );
			}
			WP_CLI::success( sprintf( '%d posts lack something. Nothing was sent, nothing was written.', count( $plan ) ) );
			return;
		}
		if ( 'all' === $options['force'] ) {
			WP_CLI::confirm( sprintf( 'Replace what people have written in %d posts? A run can be undone.', count( $plan ) ), $flags );
		}
		$run_id = Journal::begin( array_keys( $plan ), $options );
		WP_CLI::line( sprintf( 'run %d: %d posts', $run_id, count( $plan ) ) );
		$this->work( $run_id );
	}

	/**
	 * Says how the runs are.
	 *
	 * ## OPTIONS
	 *
	 * [<run>]
	 * : One run, with each of its posts.
	 *
	 * [--format=<format>]
	 * : table, json or csv.
	 * ---
	 * default: table
	 * ---
	 *
	 * @param string[]              $args  Run.
	 * @param array<string, string> $flags Flags.
	 */
	public function status( $args, $flags ): void {
		$format = (string) ( $flags['format'] ?? 'table' );
		if ( isset( $args[0] ) ) {
			$items = array_map(
				static function ( array $item ): array {
					return array(
						'post'    => $item['post_id'],
						'state'   => $item['state'],
						'code'    => $item['code'],
						'changes' => implode( ' ', array_column( $item['changes'], 'field' ) ),
					);
				},
				Journal::items( (int) $args[0], array(), 100000 )
			);
			WP_CLI\Utils\format_items( $format, $items, array( 'post', 'state', 'code', 'changes' ) );
			return;
		}
		$runs = array();
		foreach ( Journal::newest( 50 ) as $run_id ) {
			$run = Journal::run( $run_id );
			if ( $run ) {
				$runs[] = array(
					'run'     => $run['id'],
					'created' => $run['created'],
					'state'   => $run['state'],
					'posts'   => $run['total'],
				) + array_merge( array_fill_keys( array( 'done', 'skipped', 'failed', 'waiting', 'undone' ), 0 ), $run['counts'] );
			}
		}
		WP_CLI\Utils\format_items( $format, $runs, array( 'run', 'created', 'state', 'posts', 'done', 'skipped', 'failed', 'waiting', 'undone' ) );
	}

	/**
	 * Takes a whole run back. What a person has changed since stays.
	 *
	 * ## OPTIONS
	 *
	 * <run>
	 * : The run.
	 *
	 * [--dry-run]
	 * : Only says what would go back.
	 *
	 * @param string[]              $args  Run.
	 * @param array<string, string> $flags Flags.
	 */
	public function undo( $args, $flags ): void {
		$run_id = (int) $args[0];
		if ( isset( $flags['dry-run'] ) ) {
			foreach ( Journal::items( $run_id, array( 'done', 'writing' ), 100000 ) as $item ) {
				WP_CLI::line( sprintf( '%d: %s', $item['post_id'], implode( ', ', array_column( $item['changes'], 'field' ) ) ) );
			}
			return;
		}
		$undone = Backfill::undo(
			$run_id,
			static function ( array $item, int $kept ): void {
				WP_CLI::line( sprintf( '%d: %s', $item['post_id'], $kept > 0 ? "taken back but for $kept that a person has changed" : 'taken back' ) );
			}
		);
		if ( is_wp_error( $undone ) ) {
			WP_CLI::error( $undone );
		}
		WP_CLI::success( sprintf( '%d posts are as they were.', $undone ) );
	}

	/**
	 * Works a run off, waiting where the backend asks for it.
	 *
	 * @param int $run_id Run.
	 */
	private function work( int $run_id ): void {
		do {
			$run = Backfill::slice(
				$run_id,
				3600,
				static function ( array $item ): void {
					WP_CLI::line( sprintf( '%d: %s %s', $item['post_id'], $item['state'], implode( ' ', array_column( $item['changes'], 'field' ) ) . ( '' === $item['code'] ? '' : ' (' . $item['code'] . ')' ) ) );
				}
			);
			if ( is_wp_error( $run ) ) {
				WP_CLI::error( $run );
			}
			$wait = max( 0, $run['not_before'] - time() );
			if ( 'running' === $run['state'] && $wait > 0 ) {
				WP_CLI::line( sprintf( 'waiting %d s', $wait ) );
				sleep( $wait );
			}
		} while ( 'running' === $run['state'] );
		$counts = $run['counts'];
		$line   = sprintf( 'run %d is %s: %d done, %d skipped, %d failed. Undo: wp smart-summary undo %1$d', $run_id, $run['state'], $counts['done'] ?? 0, $counts['skipped'] ?? 0, $counts['failed'] ?? 0 );
		if ( ! empty( $counts['failed'] ) ) {
			WP_CLI::error( $line );
		}
		WP_CLI::success( $line );
	}
}
