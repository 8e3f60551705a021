<?php
/**
 * Tools → Smart Summary.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Counts what old posts lack, fills it, shows how far it is, takes it back.
 *
 * @since 0.1.0
 */
final class Tools_Page {

	public const SLUG = 'smart-summary-tools';

	/**
	 * Adds the page to the menu.
	 */
	public static function menu(): void {
		add_management_page( __( 'Smart Summary', 'smart-summary' ), __( 'Smart Summary', 'smart-summary' ), 'manage_options', self::SLUG, array( self::class, 'render' ) );
	}

	/**
	 * Loads the page's script.
	 *
	 * @param string $hook The screen.
	 */
	public static function enqueue( $hook ): void {
		if ( 'tools_page_' . self::SLUG === $hook ) {
			Scripts::enqueue( 'tools', array( 'wp-api-fetch', 'wp-i18n', 'wp-a11y' ) );
		}
	}

	/**
	 * Prints the page.
	 */
	public static function render(): void {
		if ( ! current_user_can( 'manage_options' ) ) {
			return;
		}
		echo '<div class="wrap"><h1>' . esc_html__( 'Smart Summary for old posts', 'smart-summary' ) . '</h1>';
		if ( ! Settings::ready() ) {
			printf( '<p>%s <a href="%s">%s</a></p></div>', esc_html__( 'Smart Summary has no backend yet.', 'smart-summary' ), esc_url( admin_url( 'options-general.php?page=' . Settings_Page::SLUG ) ), esc_html__( 'Open the settings', 'smart-summary' ) );
			return;
		}
		echo '<p>' . esc_html__( 'Fills what published posts lack. What a person has written stays; pictures marked as decorative are not sent. This server sends each post’s text and the smaller sizes of its pictures to your backend.', 'smart-summary' ) . '</p>';
		echo '<form id="smart-summary-run"><fieldset style="line-height:2.2"><legend class="screen-reader-text">' . esc_html__( 'What to fill', 'smart-summary' ) . '</legend>';
		foreach ( array(
			'description' => __( 'Descriptions for search results', 'smart-summary' ),
			'excerpt'     => __( 'Excerpts', 'smart-summary' ),
			'alts'        => __( 'Alt texts', 'smart-summary' ),
			'tags'        => __( 'Tags', 'smart-summary' ),
		) as $field => $label ) {
			printf( '<label><input type="checkbox" name="fields" value="%s" %s> %s</label><br>', esc_attr( $field ), checked( 'tags' !== $field, true, false ), esc_html( $label ) );
		}
		printf( '<label><input type="checkbox" name="force" value="ai"> %s</label>', esc_html__( 'Also renew what Smart Summary wrote and nobody has changed', 'smart-summary' ) );
		echo '</fieldset><p><button type="button" class="button" id="smart-summary-count">' . esc_html__( 'Count', 'smart-summary' ) . '</button> <button type="submit" class="button button-primary">' . esc_html__( 'Fill', 'smart-summary' ) . '</button> <span id="smart-summary-plan" role="status"></span></p></form>';
		echo '<h2>' . esc_html__( 'Runs', 'smart-summary' ) . '</h2><table class="widefat striped" id="smart-summary-runs"><thead><tr><th>' . esc_html__( 'Run', 'smart-summary' ) . '</th><th>' . esc_html__( 'Begun', 'smart-summary' ) . '</th><th>' . esc_html__( 'How far', 'smart-summary' ) . '</th><th>' . esc_html__( 'Result', 'smart-summary' ) . '</th><th><span class="screen-reader-text">' . esc_html__( 'Actions', 'smart-summary' ) . '</span></th></tr></thead><tbody></tbody></table>';
		$runs = array_map( array( Rest\Runs_Controller::class, 'view' ), array_values( array_filter( array_map( array( Journal::class, 'run' ), Journal::newest( 20 ) ) ) ) );
		printf( '<script type="application/json" id="smart-summary-runs-data">%s</script></div>', wp_json_encode( $runs, JSON_HEX_TAG | JSON_HEX_AMP ) ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- JSON inside a script element, without < and &.
	}
}
