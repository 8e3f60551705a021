<?php
/**
 * What the runs over old posts have done.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Two tables: a run, and one item for each of its posts. An item's changes are stored before they are written, so that a
 * run that was killed in the middle can be finished, and a finished one undone.
 *
 * No run names a user: the log of calls does, and forgets.
 *
 * States of a run: `running`, `done`, `stopped`, `undone`. States of an item: `waiting`, `writing` (changes stored, perhaps
 * not all written), `done`, `skipped`, `failed`, `undone`.
 *
 * @since 0.1.0
 */
final class Journal {

	public const VERSION_OPTION = 'smart_summary_journal';
	private const VERSION       = '2';

	/**
	 * The runs' table.
	 *
	 * @return string Name.
	 */
	public static function runs_table(): string {
		global $wpdb;
		return $wpdb->prefix . 'smart_summary_runs';
	}

	/**
	 * The items' table.
	 *
	 * @return string Name.
	 */
	public static function items_table(): string {
		global $wpdb;
		return $wpdb->prefix . 'smart_summary_items';
	}

	/**
	 * Makes the tables when a run is first wanted.
	 */
	public static function prepare(): void {
		global $wpdb;
		if ( self::VERSION === get_option( self::VERSION_OPTION ) ) {
			return;
		}
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		$charset = $wpdb->get_charset_collate();
		$runs    = self::runs_table();
		$items   = self::items_table();
		if ( '1' === get_option( self::VERSION_OPTION ) ) {
			// Named the user who began a run, for nobody to read.
			// phpcs:ignore WordPress.DB -- The plugin's own table.
			$wpdb->query( $wpdb->prepare( 'ALTER TABLE %i DROP COLUMN user_id', $runs ) );
		}
		dbDelta(
			"CREATE TABLE $runs (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			created datetime NOT NULL,
			state varchar(20) NOT NULL,
			options longtext NOT NULL,
			not_before bigint(20) unsigned NOT NULL DEFAULT 0,
			PRIMARY KEY  (id)
		) $charset;"
		);
		dbDelta(
			"CREATE TABLE $items (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			run_id bigint(20) unsigned NOT NULL,
			post_id bigint(20) unsigned NOT NULL,
			state varchar(20) NOT NULL,
			code varchar(60) NOT NULL DEFAULT '',
			attempts int(11) NOT NULL DEFAULT 0,
			changes longtext NOT NULL,
			PRIMARY KEY  (id),
			KEY run_state (run_id,state)
		) $charset;"
		);
		update_option( self::VERSION_OPTION, self::VERSION, false );
	}

	/**
	 * Begins a run.
	 *
	 * @param int[]                $post_ids Posts.
	 * @param array<string, mixed> $options  What to fill, and how.
	 * @return int Its number.
	 */
	public static function begin( array $post_ids, array $options ): int {
		global $wpdb;
		self::prepare();
		// phpcs:disable WordPress.DB.DirectDatabaseQuery -- The plugin's own tables.
		$wpdb->insert(
			self::runs_table(),
			array(
				'created' => current_time( 'mysql', true ),
				'state'   => $post_ids ? 'running' : 'done',
				'options' => (string) wp_json_encode( $options ),
			)
		);
		$run_id = (int) $wpdb->insert_id;
		foreach ( $post_ids as $post_id ) {
			$wpdb->insert(
				self::items_table(),
				array(
					'run_id'  => $run_id,
					'post_id' => $post_id,
					'state'   => 'waiting',
					'changes' => '[]',
				)
			);
		}
		// phpcs:enable
		return $run_id;
	}

	/**
	 * A run with its progress.
	 *
	 * @param int $run_id Run.
	 * @return array{id: int, created: string, state: string, options: array<string, mixed>, not_before: int, total: int, counts: array<string, int>}|null Run.
	 */
	public static function run( int $run_id ): ?array {
		global $wpdb;
		self::prepare();
		// phpcs:disable WordPress.DB.DirectDatabaseQuery -- The plugin's own tables.
		$row = $wpdb->get_row( $wpdb->prepare( 'SELECT * FROM %i WHERE id = %d', self::runs_table(), $run_id ), ARRAY_A );
		if ( ! $row ) {
			return null;
		}
		$counts = array();
		foreach ( (array) $wpdb->get_results( $wpdb->prepare( 'SELECT state, COUNT(*) AS n FROM %i WHERE run_id = %d GROUP BY state', self::items_table(), $run_id ), ARRAY_A ) as $one ) {
			$counts[ (string) $one['state'] ] = (int) $one['n'];
		}
		// phpcs:enable
		return array(
			'id'         => (int) $row['id'],
			'created'    => (string) $row['created'],
			'state'      => (string) $row['state'],
			'options'    => (array) json_decode( (string) $row['options'], true ),
			'not_before' => (int) $row['not_before'],
			'total'      => (int) array_sum( $counts ),
			'counts'     => $counts,
		);
	}

	/**
	 * How many pictures a run has left to people.
	 *
	 * @param int $run_id Run.
	 * @return int Pictures.
	 */
	public static function left_to_people( int $run_id ): int {
		global $wpdb;
		// As `set_item` writes it; inside a text the quotes are escaped.
		$mark = '"field":"person:';
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The plugin's own tables.
		$letters = (int) $wpdb->get_var( $wpdb->prepare( "SELECT SUM( LENGTH( changes ) - LENGTH( REPLACE( changes, %s, '' ) ) ) FROM %i WHERE run_id = %d AND state = 'done'", $mark, self::items_table(), $run_id ) );
		return intdiv( $letters, strlen( $mark ) );
	}

	/**
	 * The newest runs.
	 *
	 * @param int $most How many.
	 * @return int[] Numbers, newest first.
	 */
	public static function newest( int $most ): array {
		global $wpdb;
		self::prepare();
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The plugin's own tables.
		return array_map( 'intval', $wpdb->get_col( $wpdb->prepare( 'SELECT id FROM %i ORDER BY id DESC LIMIT %d', self::runs_table(), $most ) ) );
	}

	/**
	 * A run's items in these states, in the order of their making.
	 *
	 * @param int      $run_id Run.
	 * @param string[] $states States; all when empty.
	 * @param int      $most   How many.
	 * @return array<int, array{id: int, post_id: int, state: string, code: string, attempts: int, changes: array<int, array<string, mixed>>}> Items.
	 */
	public static function items( int $run_id, array $states, int $most ): array {
		global $wpdb;
		$states = $states ? $states : array( 'waiting', 'writing', 'done', 'skipped', 'failed', 'undone' );
		$marks  = implode( ', ', array_fill( 0, count( $states ), '%s' ) );
		// phpcs:ignore WordPress.DB -- The plugin's own tables; the placeholders are as many as the states.
		$rows = $wpdb->get_results( $wpdb->prepare( "SELECT * FROM %i WHERE run_id = %d AND state IN ( $marks ) ORDER BY id LIMIT %d", array_merge( array( self::items_table(), $run_id ), $states, array( $most ) ) ), ARRAY_A );
		return array_map(
			static function ( array $row ): array {
				return array(
					'id'       => (int) $row['id'],
					'post_id'  => (int) $row['post_id'],
					'state'    => (string) $row['state'],
					'code'     => (string) $row['code'],
					'attempts' => (int) $row['attempts'],
					'changes'  => (array) json_decode( (string) $row['changes'], true ),
				);
			},
			(array) $rows
		);
	}

	/**
	 * Changes an item.
	 *
	 * @param int                  $item_id Item.
	 * @param array<string, mixed> $columns Columns; `changes` as a list.
	 */
	public static function set_item( int $item_id, array $columns ): void {
		global $wpdb;
		if ( isset( $columns['changes'] ) ) {
			$columns['changes'] = (string) wp_json_encode( $columns['changes'] );
		}
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The plugin's own tables.
		$wpdb->update( self::items_table(), $columns, array( 'id' => $item_id ) );
	}

	/**
	 * Changes a run.
	 *
	 * @param int                  $run_id  Run.
	 * @param array<string, mixed> $columns Columns; `options` as an array.
	 */
	public static function set_run( int $run_id, array $columns ): void {
		global $wpdb;
		if ( isset( $columns['options'] ) ) {
			$columns['options'] = (string) wp_json_encode( $columns['options'] );
		}
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The plugin's own tables.
		$wpdb->update( self::runs_table(), $columns, array( 'id' => $run_id ) );
	}
}
