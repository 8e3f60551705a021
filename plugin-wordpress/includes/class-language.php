<?php
/**
 * The language of a post.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Asks Polylang and WPML. A site without them says nothing about one post's language, so the backend finds it out.
 *
 * @since 0.1.0
 */
final class Language {

	/**
	 * A post's language.
	 *
	 * @param int $post_id Post.
	 * @return string BCP 47 tag, or `auto`.
	 */
	public static function of( int $post_id ): string {
		$tag = '';
		if ( function_exists( 'pll_get_post_language' ) ) {
			$tag = (string) pll_get_post_language( $post_id, 'locale' );
		}
		if ( '' === $tag && has_filter( 'wpml_post_language_details' ) ) {
			// phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- WPML's hook.
			$details = apply_filters( 'wpml_post_language_details', null, $post_id );
			$tag     = is_array( $details ) ? (string) ( $details['locale'] ?? $details['language_code'] ?? '' ) : '';
		}
		/**
		 * Filters the language that is told to the backend.
		 *
		 * @since 0.1.0
		 *
		 * @param string $tag     BCP 47 tag, or `auto`.
		 * @param int    $post_id Post.
		 */
		$tag = (string) apply_filters( 'smart_summary_language', '' === $tag ? 'auto' : $tag, $post_id );
		return str_replace( '_', '-', $tag );
	}
}
