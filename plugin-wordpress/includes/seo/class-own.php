<?php
/**
 * The plugin's own fields, for sites without an SEO plugin.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

use Smart_Summary\Meta;

defined( 'ABSPATH' ) || exit;

/**
 * Two post meta, printed by `Head`.
 *
 * @since 0.1.0
 */
final class Own extends Meta_Fields {

	/**
	 * Short name.
	 *
	 * @return string Name.
	 */
	public function slug(): string {
		return 'own';
	}

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string {
		return 'Smart Summary';
	}

	/**
	 * Always there.
	 *
	 * @return bool True.
	 */
	public function is_active(): bool {
		return true;
	}

	/**
	 * Its meta keys.
	 *
	 * @return array{title: string, description: string} Keys.
	 */
	protected function keys(): array {
		return array(
			'title'       => Meta::TITLE,
			'description' => Meta::DESCRIPTION,
		);
	}
}
