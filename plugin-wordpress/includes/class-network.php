<?php
/**
 * A network of sites.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * What all sites of a network share: an address and a key for those that have none of their own, set under Network Admin →
 * Settings. Everything else is each site's.
 *
 * @since 0.1.0
 */
final class Network {

	private const ACTION = 'smart_summary_network';

	/**
	 * Does something on every site; without a network on this one.
	 *
	 * @param callable $work Called without arguments, with that site as the current one.
	 */
	public static function each_site( callable $work ): void {
		if ( ! is_multisite() ) {
			$work();
			return;
		}
		foreach ( get_sites(
			array(
				'fields' => 'ids',
				'number' => 0,
			)
		) as $id ) {
			switch_to_blog( (int) $id );
			$work();
			restore_current_blog();
		}
	}

	/**
	 * A site that is deleted takes our tables with it.
	 *
	 * @param string[] $tables Tables that are dropped.
	 * @return string[] With ours.
	 */
	public static function drop_tables( $tables ) {
		return array_merge( $tables, array( Journal::runs_table(), Journal::items_table() ) );
	}

	/**
	 * Adds the page to the network's menu.
	 */
	public static function menu(): void {
		add_submenu_page( 'settings.php', __( 'Smart Summary', 'smart-summary' ), __( 'Smart Summary', 'smart-summary' ), 'manage_network_options', Settings_Page::SLUG, array( self::class, 'render' ) );
	}

	/**
	 * Prints the page. The key is never printed.
	 */
	public static function render(): void {
		if ( ! current_user_can( 'manage_network_options' ) ) {
			return;
		}
		echo '<div class="wrap"><h1>' . esc_html__( 'Smart Summary for all sites', 'smart-summary' ) . '</h1>';
		// phpcs:ignore WordPress.Security.NonceVerification.Recommended -- Only says that it was saved.
		if ( isset( $_GET['updated'] ) ) {
			echo '<div class="notice notice-success"><p>' . esc_html__( 'Settings saved.', 'smart-summary' ) . '</p></div>';
		}
		echo '<p>' . esc_html__( 'A site without an address and a key of its own uses these. The key names the addresses of all sites as its origins.', 'smart-summary' ) . '</p>';
		echo '<form method="post" action="' . esc_url( network_admin_url( 'edit.php?action=' . self::ACTION ) ) . '">';
		wp_nonce_field( self::ACTION );
		echo '<table class="form-table" role="presentation">';
		printf(
			'<tr><th scope="row"><label for="smart-summary-url">%1$s</label></th><td><input type="url" class="regular-text code" id="smart-summary-url" name="url" value="%2$s" placeholder="https://summary.example"></td></tr>',
			esc_html__( 'Address', 'smart-summary' ),
			esc_attr( Settings::network_url() )
		);
		printf(
			'<tr><th scope="row"><label for="smart-summary-key">%1$s</label></th><td><input type="password" class="regular-text code" id="smart-summary-key" name="key" value="" autocomplete="off" spellcheck="false"><p class="description">%2$s</p></td></tr>',
			esc_html__( 'Key', 'smart-summary' ),
			esc_html( '' === (string) get_site_option( Settings::KEY_OPTION, '' ) ? __( 'Paste the key that the backend’s operator gave you. It stays on this server.', 'smart-summary' ) : __( 'A key is stored, encrypted. Leave this empty to keep it.', 'smart-summary' ) )
		);
		echo '</table>';
		submit_button();
		echo '</form></div>';
	}

	/**
	 * Stores what the page sends.
	 */
	public static function save(): void {
		check_admin_referer( self::ACTION );
		if ( ! current_user_can( 'manage_network_options' ) ) {
			wp_die( esc_html__( 'Your role may not change the network’s settings.', 'smart-summary' ), 403 );
		}
		$url = isset( $_POST['url'] ) ? sanitize_text_field( wp_unslash( $_POST['url'] ) ) : '';
		// A key is kept as it was typed; it is encrypted before it is stored.
		$key     = isset( $_POST['key'] ) ? trim( (string) wp_unslash( $_POST['key'] ) ) : ''; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput.InputNotSanitized
		$options = get_site_option( Settings::OPTION, array() );
		update_site_option( Settings::OPTION, array( 'url' => Settings::is_address( $url ) ? untrailingslashit( sanitize_url( $url, array( 'http', 'https' ) ) ) : '' ) + ( is_array( $options ) ? $options : array() ) );
		if ( '' !== $key ) {
			update_site_option( Settings::KEY_OPTION, Secret::seal( $key ) );
		}
		wp_safe_redirect( network_admin_url( 'settings.php?page=' . Settings_Page::SLUG . '&updated=1' ) );
		exit;
	}
}
