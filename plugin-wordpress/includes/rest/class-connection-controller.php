<?php
/**
 * The connection test's route.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Rest;

use Smart_Summary\Connection;
use WP_REST_Response;
use WP_REST_Server;

defined( 'ABSPATH' ) || exit;

/**
 * `POST smart-summary/v1/connection`.
 *
 * @since 0.1.0
 */
final class Connection_Controller {

	/**
	 * Registers the route.
	 */
	public static function register(): void {
		register_rest_route(
			Token_Controller::NAMESPACE,
			'/connection',
			array(
				array(
					'methods'             => WP_REST_Server::CREATABLE,
					'callback'            => array( self::class, 'create_item' ),
					'permission_callback' => static function (): bool {
						return current_user_can( 'manage_options' );
					},
				),
				'schema' => array( self::class, 'schema' ),
			)
		);
	}

	/**
	 * Runs the test.
	 *
	 * @return WP_REST_Response Result.
	 */
	public static function create_item(): WP_REST_Response {
		return new WP_REST_Response( Connection::test() );
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
			'title'      => 'smart-summary-connection',
			'type'       => 'object',
			'properties' => array(
				'ok'       => array( 'type' => 'boolean' ),
				'code'     => $text,
				'message'  => $text,
				'endpoint' => $text,
				'token'    => $text,
			),
		);
	}
}
