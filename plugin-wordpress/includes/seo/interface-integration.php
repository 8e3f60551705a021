<?php
/**
 * How the plugin reads and writes an SEO plugin's fields.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Seo;

defined( 'ABSPATH' ) || exit;

/**
 * One SEO plugin.
 *
 * @since 0.1.0
 */
interface Integration {

	/**
	 * Short name, as the editor's script knows it.
	 *
	 * @return string Name.
	 */
	public function slug(): string;

	/**
	 * The plugin's own name.
	 *
	 * @return string Name.
	 */
	public function label(): string;

	/**
	 * Whether the plugin runs on this site.
	 *
	 * @return bool True when it does.
	 */
	public function is_active(): bool;

	/**
	 * What the plugin holds for a post, as a person has set it; templates and defaults are not a person's words.
	 *
	 * @param int $post_id Post.
	 * @return array{title: string, description: string} Fields.
	 */
	public function read( int $post_id ): array;

	/**
	 * Hands fields to the plugin. A field that is not given stays.
	 *
	 * @param int                   $post_id Post.
	 * @param array<string, string> $fields  `title`, `description`.
	 * @return bool Whether the plugin now holds them.
	 */
	public function write( int $post_id, array $fields ): bool;
}
