<?php
/**
 * All in One SEO.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * Its truth is its own table. The post meta `_aioseo_*` are a mirror that it never reads.
 *
 * @since 0.1.0
 */
final class AIOSEO implements Integration {

	private const MODEL = '\AIOSEO\Plugin\Common\Models\Post';

	/**
	 * Short name.
	 *
	 * @return string Name.
	 */
	public function slug(): string {
		return 'aioseo';
	}

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string {
		return 'All in One SEO';
	}

	/**
	 * Whether it runs.
	 *
	 * @return bool True when it does.
	 */
	public function is_active(): bool {
		return defined( 'AIOSEO_VERSION' );
	}

	/**
	 * What its table holds.
	 *
	 * @param int $post_id Post.
	 * @return array{title: string, description: string} Fields.
	 */
	public function read( int $post_id ): array {
		global $wpdb;
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The other plugin's table has no function for reading that bypasses its defaults.
		$row = $wpdb->get_row( $wpdb->prepare( 'SELECT title, description FROM %i WHERE post_id = %d', $this->table(), $post_id ), ARRAY_A );
		return array(
			'title'       => (string) ( $row['title'] ?? '' ),
			'description' => (string) ( $row['description'] ?? '' ),
		);
	}

	/**
	 * Writes through its model where there is one, so that its caches know; else into its table.
	 *
	 * @param int                   $post_id Post.
	 * @param array<string, string> $fields  Fields.
	 * @return bool Whether it holds them.
	 */
	public function write( int $post_id, array $fields ): bool {
		$fields = array_intersect_key( $fields, array_flip( array( 'title', 'description' ) ) );
		$model  = self::MODEL;
		if ( class_exists( $model ) && is_callable( array( $model, 'getPost' ) ) ) {
			$row = $model::getPost( $post_id );
			foreach ( $fields as $field => $text ) {
				$row->$field = '' === $text ? null : $text;
			}
			$row->save();
		} else {
			$this->write_table( $post_id, $fields );
		}
		return array() === array_diff_assoc( $fields, $this->read( $post_id ) );
	}

	/**
	 * Writes the table.
	 *
	 * @param int                   $post_id Post.
	 * @param array<string, string> $fields  Fields.
	 */
	private function write_table( int $post_id, array $fields ): void {
		global $wpdb;
		$fields['updated'] = current_time( 'mysql', true );
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The other plugin's table.
		$known = (int) $wpdb->get_var( $wpdb->prepare( 'SELECT COUNT(*) FROM %i WHERE post_id = %d', $this->table(), $post_id ) );
		if ( $known > 0 ) {
			// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The other plugin's table.
			$wpdb->update( $this->table(), $fields, array( 'post_id' => $post_id ) );
		} else {
			$fields['post_id'] = $post_id;
			$fields['created'] = $fields['updated'];
			// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- The other plugin's table.
			$wpdb->insert( $this->table(), $fields );
		}
	}

	/**
	 * Its table.
	 *
	 * @return string Name.
	 */
	private function table(): string {
		global $wpdb;
		return $wpdb->prefix . 'aioseo_posts';
	}
}
