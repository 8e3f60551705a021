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
		$tag = self::polylang( $post_id );
		$tag = self::tag( '' === $tag ? self::wpml( $post_id ) : $tag );
		/**
		 * Filters the language that is told to the backend.
		 *
		 * @since 0.1.0
		 *
		 * @param string $tag     BCP 47 tag, or `auto`.
		 * @param int    $post_id Post.
		 */
		return str_replace( '_', '-', (string) apply_filters( 'smart_summary_language', '' === $tag ? 'auto' : $tag, $post_id ) );
	}

	/**
	 * What Polylang says.
	 *
	 * @param int $post_id Post.
	 * @return string Locale, or empty.
	 */
	private static function polylang( int $post_id ): string {
		return function_exists( 'pll_get_post_language' ) ? (string) pll_get_post_language( $post_id, 'locale' ) : '';
	}

	/**
	 * What WPML says. A post that was never saved is written in the language that its author has chosen for the dashboard.
	 *
	 * @param int $post_id Post.
	 * @return string Locale or language code, or empty.
	 */
	private static function wpml( int $post_id ): string {
		// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- WPML's hooks.
		$details = apply_filters( 'wpml_post_language_details', null, $post_id );
		$details = is_array( $details ) ? array_filter( $details, 'is_string' ) : array();
		foreach ( array( 'locale', 'language_code' ) as $name ) {
			if ( '' !== ( $details[ $name ] ?? '' ) ) {
				return $details[ $name ];
			}
		}
		return 'auto-draft' === get_post_status( $post_id ) ? (string) apply_filters( 'wpml_current_language', '' ) : '';
		// phpcs:enable
	}

	/**
	 * A locale of WordPress as a tag: language, script and region, without `_formal` and the like.
	 *
	 * @param string $locale Locale.
	 * @return string BCP 47 tag; empty when it names no language, as WPML's `all`.
	 */
	private static function tag( string $locale ): string {
		$is_one = 'all' !== $locale && preg_match( '/^[a-z]{2,3}([_-][a-z]{4})?([_-]([a-z]{2}|\d{3}))?(?![a-z\d])/i', $locale, $found );
		return $is_one ? str_replace( '_', '-', $found[0] ) : '';
	}
}
