<?php
/**
 * Loads the plugin's scripts.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Enqueues `build/NAME.js` with its translations and what it has to know.
 *
 * @since 0.1.0
 */
final class Scripts {

	/**
	 * Enqueues a script in the footer.
	 *
	 * @param string               $name         File in `build`, without its ending.
	 * @param string[]             $dependencies Handles.
	 * @param array<string, mixed> $facts        Becomes `window.smartSummary`.
	 */
	public static function enqueue( string $name, array $dependencies, array $facts = array() ): void {
		$handle = 'smart-summary-' . $name;
		$file   = dirname( PLUGIN_FILE ) . '/build/' . $name . '.js';
		wp_enqueue_script( $handle, plugins_url( 'build/' . $name . '.js', PLUGIN_FILE ), $dependencies, is_file( $file ) ? (string) filemtime( $file ) : VERSION, true );
		wp_set_script_translations( $handle, 'smart-summary', dirname( PLUGIN_FILE ) . '/languages' );
		if ( $facts ) {
			wp_add_inline_script( $handle, 'window.smartSummary = ' . wp_json_encode( $facts, JSON_HEX_TAG | JSON_UNESCAPED_SLASHES ) . ';', 'before' );
		}
	}
}
