<?php
/**
 * Yoast SEO.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * Post meta on the server; in the editor its store `yoast-seo/editor`, because its meta box would write the old value back.
 *
 * @since 0.1.0
 */
final class Yoast extends Meta_Fields {

	/**
	 * Short name.
	 *
	 * @return string Name.
	 */
	public function slug(): string {
		return 'yoast';
	}

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string {
		return 'Yoast SEO';
	}

	/**
	 * Whether it runs.
	 *
	 * @return bool True when it does.
	 */
	public function is_active(): bool {
		return defined( 'WPSEO_VERSION' );
	}

	/**
	 * Its meta keys.
	 *
	 * @return array{title: string, description: string} Keys.
	 */
	protected function keys(): array {
		return array(
			'title'       => '_yoast_wpseo_title',
			'description' => '_yoast_wpseo_metadesc',
		);
	}

	/**
	 * Its pages are printed from its index of posts, which it makes anew when a post is saved; a job has to ask for it.
	 *
	 * @param int $post_id Post.
	 */
	protected function written( int $post_id ): void {
		$post = get_post( $post_id );
		if ( $post && ! doing_action( 'save_post' ) && ! doing_action( 'rest_after_insert_' . $post->post_type ) ) {
			// phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- Core's hook, on which the index listens.
			do_action( 'wp_insert_post', $post_id, $post, true );
		}
	}
}
