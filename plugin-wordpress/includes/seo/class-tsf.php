<?php
/**
 * The SEO Framework.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * Post meta; in the editor the inputs of its meta box, which are saved after the post.
 *
 * @since 0.1.0
 */
final class TSF extends Meta_Fields {

	/**
	 * Short name.
	 *
	 * @return string Name.
	 */
	public function slug(): string {
		return 'tsf';
	}

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string {
		return 'The SEO Framework';
	}

	/**
	 * Whether it runs.
	 *
	 * @return bool True when it does.
	 */
	public function is_active(): bool {
		return defined( 'THE_SEO_FRAMEWORK_VERSION' );
	}

	/**
	 * Its meta keys.
	 *
	 * @return array{title: string, description: string} Keys.
	 */
	protected function keys(): array {
		return array(
			'title'       => '_genesis_title',
			'description' => '_genesis_description',
		);
	}
}
