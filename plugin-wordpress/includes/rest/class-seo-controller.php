<?php
/**
 * The route by which the editor checks that the SEO plugin holds what was accepted.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Rest;

use Smart_Summary\Access;
use Smart_Summary\Seo\Registry;
use WP_Error;
use WP_REST_Request;
use WP_REST_Server;

defined( 'ABSPATH' ) || exit;

/**
 * `GET|POST smart-summary/v1/posts/ID/seo`.
 *
 * An SEO plugin's meta box is saved after the post, and may put back what it had when the page was opened. The editor
 * therefore reads once more after a save, and writes again where the words are gone.
 *
 * @since 0.1.0
 */
final class Seo_Controller {

	/**
	 * Registers the routes.
	 */
	public static function register(): void {
		$text = array(
			'type'              => 'string',
			'maxLength'         => 1000,
			'sanitize_callback' => 'sanitize_text_field',
		);
		register_rest_route(
			Token_Controller::NAMESPACE,
			'/posts/(?P<id>\d+)/seo',
			array(
				'args'   => array(
					'id' => array(
						'description' => __( 'The post.', 'smart-summary' ),
						'type'        => 'integer',
					),
				),
				array(
					'methods'             => WP_REST_Server::READABLE,
					'callback'            => array( self::class, 'get_item' ),
					'permission_callback' => array( self::class, 'may_use' ),
				),
				array(
					'methods'             => WP_REST_Server::CREATABLE,
					'callback'            => array( self::class, 'update_item' ),
					'permission_callback' => array( self::class, 'may_use' ),
					'args'                => array(
						'title'       => $text,
						'description' => $text,
					),
				),
				'schema' => array( self::class, 'schema' ),
			)
		);
	}

	/**
	 * Whether the user may use the plugin for exactly this post.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return true|WP_Error True, or the refusal.
	 */
	public static function may_use( $request ) {
		return Access::may_use( (int) $request['id'] ) ? true : new WP_Error( 'rest_forbidden', __( 'Your role may not use Smart Summary for this post.', 'smart-summary' ), array( 'status' => rest_authorization_required_code() ) );
	}

	/**
	 * What the SEO plugin holds.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array{plugin: string, title: string, description: string} Fields.
	 */
	public static function get_item( $request ): array {
		$target = Registry::target();
		return array( 'plugin' => $target->slug() ) + $target->read( (int) $request['id'] );
	}

	/**
	 * Hands fields to the SEO plugin.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array{plugin: string, title: string, description: string}|WP_Error What it holds now.
	 */
	public static function update_item( $request ) {
		$fields = array();
		foreach ( array( 'title', 'description' ) as $field ) {
			if ( isset( $request[ $field ] ) ) {
				$fields[ $field ] = (string) $request[ $field ];
			}
		}
		$target = Registry::target();
		if ( ! $target->write( (int) $request['id'], $fields ) ) {
			/* translators: %s: name of an SEO plugin */
			return new WP_Error( 'smart_summary_seo', sprintf( __( '%s did not take the fields.', 'smart-summary' ), $target->label() ), array( 'status' => 500 ) );
		}
		return self::get_item( $request );
	}

	/**
	 * The answer's schema.
	 *
	 * @return array<string, mixed> JSON schema.
	 */
	public static function schema(): array {
		$text = array( 'type' => 'string' );
		return array(
			'$schema'    => 'http://json-schema.org/draft-04/schema#',
			'title'      => 'smart-summary-seo',
			'type'       => 'object',
			'properties' => array(
				'plugin'      => $text,
				'title'       => $text,
				'description' => $text,
			),
		);
	}
}
