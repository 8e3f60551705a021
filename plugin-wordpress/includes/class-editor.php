<?php
/**
 * The block editor and the Classic Editor.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * Puts the panel beside the editor.
 *
 * @since 0.1.0
 */
final class Editor {

	/**
	 * The block editor's script.
	 */
	public static function enqueue_block_editor(): void {
		$post = get_post();
		if ( ! $post instanceof WP_Post || ! self::has_panel( $post ) ) {
			return;
		}
		// Some of these exist only in newer versions; a handle that is not registered would keep the script away.
		$wanted = array( 'wp-plugins', 'wp-element', 'wp-components', 'wp-data', 'wp-core-data', 'wp-api-fetch', 'wp-blocks', 'wp-block-editor', 'wp-editor', 'wp-edit-post', 'wp-compose', 'wp-hooks', 'wp-i18n', 'wp-notices', 'wp-a11y' );
		$there  = array_values(
			array_filter(
				$wanted,
				static function ( string $handle ): bool {
					return wp_script_is( $handle, 'registered' );
				}
			)
		);
		Scripts::enqueue( 'editor', $there, self::facts( $post ) );
	}

	/**
	 * Adds the meta box to the Classic Editor.
	 *
	 * @param string  $post_type Kind of post.
	 * @param WP_Post $post      Post.
	 */
	public static function add_meta_box( $post_type, $post ): void {
		if ( ! $post instanceof WP_Post || ! self::has_panel( $post ) ) {
			return;
		}
		add_meta_box(
			'smart-summary',
			__( 'Smart Summary', 'smart-summary' ),
			array( self::class, 'render_meta_box' ),
			$post_type,
			'side',
			'default',
			// The block editor has its own panel.
			array( '__back_compat_meta_box' => true )
		);
	}

	/**
	 * The Classic Editor's script. The block editor runs on the same screens.
	 *
	 * @param string $hook The screen.
	 */
	public static function enqueue_classic( $hook ): void {
		$post   = get_post();
		$screen = get_current_screen();
		if ( ! in_array( $hook, array( 'post.php', 'post-new.php' ), true ) || ! $screen || $screen->is_block_editor() || ! $post instanceof WP_Post || ! self::has_panel( $post ) ) {
			return;
		}
		Scripts::enqueue( 'classic', array( 'wp-api-fetch', 'wp-i18n', 'wp-a11y' ), self::facts( $post ) );
	}

	/**
	 * Prints the meta box: the element, and the fields that carry what was accepted.
	 *
	 * @param WP_Post $post Post.
	 */
	public static function render_meta_box( $post ): void {
		wp_nonce_field( 'smart_summary_' . $post->ID, 'smart_summary_nonce' );
		$seo = Seo\Registry::active();
		if ( ! $seo ) {
			$own = ( new Seo\Own() )->read( $post->ID );
			foreach ( array(
				'title'       => __( 'Title for search results', 'smart-summary' ),
				'description' => __( 'Description for search results', 'smart-summary' ),
			) as $field => $label ) {
				printf(
					'<p><label for="smart-summary-%1$s">%2$s</label><textarea class="widefat" rows="2" id="smart-summary-%1$s" name="smart_summary[%1$s]">%3$s</textarea></p>',
					esc_attr( $field ),
					esc_html( $label ),
					esc_textarea( $own[ $field ] )
				);
			}
		}
		echo '<input type="hidden" id="smart-summary-record" name="smart_summary[record]" value=""><div id="smart-summary-panel"></div>';
	}

	/**
	 * Saves the Classic Editor's fields.
	 *
	 * @param int $post_id Post.
	 */
	public static function save_meta_box( $post_id ): void {
		$nonce = isset( $_POST['smart_summary_nonce'] ) ? sanitize_text_field( wp_unslash( $_POST['smart_summary_nonce'] ) ) : '';
		if ( ! wp_verify_nonce( $nonce, 'smart_summary_' . $post_id ) || ! current_user_can( 'edit_post', $post_id ) || wp_is_post_autosave( $post_id ) || wp_is_post_revision( $post_id ) ) {
			return;
		}
		// phpcs:ignore WordPress.Security.ValidatedSanitizedInput.InputNotSanitized -- Each field is cleaned below.
		$sent   = isset( $_POST['smart_summary'] ) ? (array) wp_unslash( $_POST['smart_summary'] ) : array();
		$fields = array();
		foreach ( array( 'title', 'description' ) as $field ) {
			if ( is_string( $sent[ $field ] ?? null ) ) {
				$fields[ $field ] = sanitize_text_field( $sent[ $field ] );
			}
		}
		if ( $fields && ! Seo\Registry::active() ) {
			( new Seo\Own() )->write( $post_id, $fields );
		}
		$record = is_string( $sent['record'] ?? null ) ? json_decode( $sent['record'], true ) : null;
		if ( is_array( $record ) ) {
			$record = Meta::sanitize_record( $record );
			Meta::set_record( $post_id, $record );
			Library::follow( $record['alts'] );
		}
	}

	/**
	 * Whether this post has the panel.
	 *
	 * @param WP_Post $post Post.
	 * @return bool True when its kind and the user's role are chosen.
	 */
	private static function has_panel( WP_Post $post ): bool {
		return in_array( $post->post_type, (array) Settings::get( 'post_types' ), true ) && Access::may_use( $post->ID );
	}

	/**
	 * What the scripts have to know. No secret is among it.
	 *
	 * @param WP_Post $post Post.
	 * @return array<string, mixed> Facts.
	 */
	private static function facts( WP_Post $post ): array {
		$seo = Seo\Registry::active();
		return array(
			'build'       => plugins_url( 'build/', PLUGIN_FILE ),
			'version'     => VERSION,
			'endpoint'    => Settings::url(),
			'ready'       => Settings::ready(),
			'settings'    => current_user_can( 'manage_options' ) ? admin_url( 'options-general.php?page=' . Settings_Page::SLUG ) : '',
			'post'        => $post->ID,
			'permalink'   => (string) get_permalink( $post ),
			'titleTarget' => (string) Settings::get( 'title_target' ),
			'target'      => (string) Settings::get( 'target' ),
			'guidelines'  => (object) Settings::guidelines(),
			'seo'         => $seo ? $seo->slug() : '',
			'seoLabel'    => $seo ? $seo->label() : '',
			'seoValues'   => Seo\Registry::target()->read( $post->ID ),
			'record'      => Meta::record( $post->ID ),
			'language'    => Language::of( $post->ID ),
			'userLocale'  => str_replace( '_', '-', get_user_locale() ),
			'site'        => array(
				'name'    => wp_strip_all_tags( get_bloginfo( 'name' ) ),
				'url'     => home_url( '/' ),
				'favicon' => get_site_icon_url( 32 ),
			),
		);
	}
}
