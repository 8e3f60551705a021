<?php
/**
 * SEOPress.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * Post meta, which its route `seopress/v1` writes too.
 *
 * @since 0.1.0
 */
final class SEOPress extends Meta_Fields {

	/**
	 * Short name.
	 *
	 * @return string Name.
	 */
	public function slug(): string {
		return 'seopress';
	}

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string {
		return 'SEOPress';
	}

	/**
	 * Whether it runs.
	 *
	 * @return bool True when it does.
	 */
	public function is_active(): bool {
		return defined( 'SEOPRESS_VERSION' );
	}

	/**
	 * Its meta keys.
	 *
	 * @return array{title: string, description: string} Keys.
	 */
	protected function keys(): array {
		return array(
			'title'       => '_seopress_titles_title',
			'description' => '_seopress_titles_desc',
		);
	}
}
