<?php
/**
 * Removes what the plugin has stored.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Options, meta, tables and scheduled work, on every site of a network.
 *
 * @since 0.1.0
 */
final class Uninstall {

	/**
	 * Removes everything.
	 */
	public static function run(): void {
		Network::each_site( array( self::class, 'site' ) );
		delete_site_option( Settings::OPTION );
		delete_site_option( Settings::KEY_OPTION );
		delete_metadata( 'user', 0, Access::USED_META, '', true );
	}

	/**
	 * Removes what one site has.
	 */
	public static function site(): void {
		global $wpdb;
		Backfill::unschedule();
		delete_transient( 'smart_summary_ai' );
		foreach ( array( Settings::OPTION, Settings::KEY_OPTION, Log::OPTION, Journal::VERSION_OPTION, Backfill::LOCK_OPTION ) as $option ) {
			delete_option( $option );
		}
		foreach ( array( Meta::TITLE, Meta::DESCRIPTION, Meta::RECORD, Meta::ALT ) as $key ) {
			delete_post_meta_by_key( $key );
		}
		foreach ( array( Journal::runs_table(), Journal::items_table() ) as $table ) {
			// phpcs:ignore WordPress.DB.DirectDatabaseQuery, WordPress.DB.PreparedSQL -- The plugin's own tables, whose names it makes itself.
			$wpdb->query( $wpdb->prepare( 'DROP TABLE IF EXISTS %i', $table ) );
		}
	}
}
