<?php
/**
 * SEO plugins that keep their fields as post meta.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * Reads and writes two post meta.
 *
 * @since 0.1.0
 */
abstract class Meta_Fields implements Integration {

	/**
	 * Our field => the plugin's meta key.
	 *
	 * @return array{title: string, description: string} Keys.
	 */
	abstract protected function keys(): array;

	/**
	 * What the plugin holds.
	 *
	 * @param int $post_id Post.
	 * @return array{title: string, description: string} Fields.
	 */
	public function read( int $post_id ): array {
		$keys = $this->keys();
		return array(
			'title'       => (string) get_post_meta( $post_id, $keys['title'], true ),
			'description' => (string) get_post_meta( $post_id, $keys['description'], true ),
		);
	}

	/**
	 * Hands fields to the plugin.
	 *
	 * @param int                   $post_id Post.
	 * @param array<string, string> $fields  Fields.
	 * @return bool Whether it holds them.
	 */
	public function write( int $post_id, array $fields ): bool {
		foreach ( array_intersect_key( $this->keys(), $fields ) as $field => $key ) {
			if ( '' === $fields[ $field ] ) {
				delete_post_meta( $post_id, $key );
			} else {
				// WordPress takes one layer of slashes away.
				update_post_meta( $post_id, $key, wp_slash( $fields[ $field ] ) );
			}
		}
		$this->written( $post_id );
		return array() === array_diff_assoc( $fields, $this->read( $post_id ) );
	}

	/**
	 * What the plugin has to be told after its meta have changed.
	 *
	 * @param int $post_id Post.
	 */
	protected function written( int $post_id ): void {
	}
}
