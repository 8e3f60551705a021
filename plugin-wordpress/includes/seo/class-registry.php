<?php
/**
 * Finds the SEO plugin that this site has.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * The integrations, in the order in which they are tried.
 *
 * @since 0.1.0
 */
final class Registry {

	/**
	 * The active SEO plugin.
	 *
	 * @return Integration|null Integration; null when the site has none that is known.
	 */
	public static function active(): ?Integration {
		/**
		 * Filters the SEO plugins that are known, so that a site can add one of its own.
		 *
		 * @since 0.1.0
		 *
		 * @param Integration[] $integrations Tried in this order.
		 */
		$known = apply_filters( 'smart_summary_seo_integrations', array( new Yoast(), new Rank_Math(), new AIOSEO(), new SEOPress(), new TSF() ) );
		foreach ( $known as $integration ) {
			if ( $integration instanceof Integration && $integration->is_active() ) {
				return $integration;
			}
		}
		return null;
	}

	/**
	 * The active SEO plugin, else the plugin's own fields.
	 *
	 * @return Integration Integration.
	 */
	public static function target(): Integration {
		return self::active() ?? new Own();
	}
}
