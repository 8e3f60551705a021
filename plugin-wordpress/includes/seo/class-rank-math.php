<?php
/**
 * Rank Math SEO.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * Post meta on the server; in the editor its store `rank-math`.
 *
 * @since 0.1.0
 */
final class Rank_Math extends Meta_Fields {

	/**
	 * Short name.
	 *
	 * @return string Name.
	 */
	public function slug(): string {
		return 'rank-math';
	}

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string {
		return 'Rank Math SEO';
	}

	/**
	 * Whether it runs.
	 *
	 * @return bool True when it does.
	 */
	public function is_active(): bool {
		return class_exists( 'RankMath' );
	}

	/**
	 * Its meta keys.
	 *
	 * @return array{title: string, description: string} Keys.
	 */
	protected function keys(): array {
		return array(
			'title'       => 'rank_math_title',
			'description' => 'rank_math_description',
		);
	}
}
