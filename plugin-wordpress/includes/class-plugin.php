<?php
/**
 * Where every hook is added.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * The plugin's one table of hooks.
 *
 * @since 0.1.0
 */
final class Plugin {

	/**
	 * Adds the hooks.
	 */
	public static function boot(): void {
		add_action( 'init', array( self::class, 'load_translations' ) );
		add_action( 'init', array( Meta::class, 'register' ), 20 );
		add_filter( 'user_has_cap', array( Access::class, 'grant' ), 10, 4 );

		add_action( 'rest_api_init', array( Rest\Token_Controller::class, 'register' ) );
		add_action( 'rest_api_init', array( Rest\Seo_Controller::class, 'register' ) );
		add_action( 'rest_api_init', array( Rest\Connection_Controller::class, 'register' ) );
		add_action( 'rest_api_init', array( Rest\Runs_Controller::class, 'register' ) );

		add_action( 'enqueue_block_editor_assets', array( Editor::class, 'enqueue_block_editor' ) );
		add_action( 'add_meta_boxes', array( Editor::class, 'add_meta_box' ), 10, 2 );
		add_action( 'admin_enqueue_scripts', array( Editor::class, 'enqueue_classic' ) );
		add_action( 'save_post', array( Editor::class, 'save_meta_box' ) );

		add_action( 'admin_init', array( Settings_Page::class, 'register' ) );
		add_action( 'admin_menu', array( Settings_Page::class, 'menu' ) );
		add_action( 'admin_enqueue_scripts', array( Settings_Page::class, 'enqueue' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( PLUGIN_FILE ), array( self::class, 'action_links' ) );

		add_action( 'admin_menu', array( Tools_Page::class, 'menu' ) );
		add_action( 'admin_enqueue_scripts', array( Tools_Page::class, 'enqueue' ) );
		add_action( Backfill::HOOK, array( Backfill::class, 'scheduled' ) );
		if ( defined( 'WP_CLI' ) && WP_CLI ) {
			\WP_CLI::add_command( 'smart-summary', CLI::class );
		}

		add_action( 'network_admin_menu', array( Network::class, 'menu' ) );
		add_action( 'network_admin_edit_smart_summary_network', array( Network::class, 'save' ) );
		add_filter( 'wpmu_drop_tables', array( Network::class, 'drop_tables' ) );

		add_action( 'admin_init', array( Privacy::class, 'suggest' ) );
		add_filter( 'wp_privacy_personal_data_exporters', array( Privacy::class, 'exporters' ) );
		add_filter( 'wp_privacy_personal_data_erasers', array( Privacy::class, 'erasers' ) );

		// These hooks come only from versions of WordPress that have the Abilities API.
		add_action( 'wp_abilities_api_categories_init', array( Abilities::class, 'register_category' ) );
		add_action( 'wp_abilities_api_init', array( Abilities::class, 'register' ) );

		// Before priority 10, at which WordPress makes a Connector of each provider.
		add_action( 'init', array( Ai_Client::class, 'register' ), 5 );
		add_filter( 'http_request_host_is_external', array( Ai_Client::class, 'allow_host' ), 10, 3 );
		add_filter( 'http_allowed_safe_ports', array( Ai_Client::class, 'allow_port' ), 10, 3 );

		add_filter( 'document_title_parts', array( Head::class, 'title' ), 20 );
		add_action( 'wp_head', array( Head::class, 'render' ), 5 );
	}

	/**
	 * Loads the plugin's own translations; WordPress loads those of its directory by itself.
	 */
	public static function load_translations(): void {
		// phpcs:ignore PluginCheck.CodeAnalysis.DiscouragedFunctions.load_plugin_textdomainFound -- The zip brings its translations.
		load_plugin_textdomain( 'smart-summary', false, dirname( plugin_basename( PLUGIN_FILE ) ) . '/languages' );
	}

	/**
	 * A link to the settings in the list of plugins.
	 *
	 * @param string[] $links Links.
	 * @return string[] Links.
	 */
	public static function action_links( $links ) {
		array_unshift( $links, '<a href="' . esc_url( admin_url( 'options-general.php?page=' . Settings_Page::SLUG ) ) . '">' . esc_html__( 'Settings', 'smart-summary' ) . '</a>' );
		return $links;
	}

	/**
	 * Nothing is prepared before it is needed.
	 */
	public static function activate(): void {
	}

	/**
	 * Nothing is left running.
	 *
	 * @param bool $network_wide Whether it is deactivated on every site of a network.
	 */
	public static function deactivate( $network_wide ): void {
		$network_wide ? Network::each_site( array( Backfill::class, 'unschedule' ) ) : Backfill::unschedule();
	}
}
