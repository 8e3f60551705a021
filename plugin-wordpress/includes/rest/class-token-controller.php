<?php
/**
 * The route by which an editor's page gets its token.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Rest;

use Smart_Summary\Access;
use Smart_Summary\Client;
use Smart_Summary\Log;
use WP_Error;
use WP_REST_Request;
use WP_REST_Server;

defined( 'ABSPATH' ) || exit;

/**
 * `POST smart-summary/v1/token`.
 *
 * @since 0.1.0
 */
final class Token_Controller {

	public const NAMESPACE = 'smart-summary/v1';

	/** A run asks at most this often: pictures go eight at a time, and each request may be tried again. */
	private const REQUESTS_PER_RUN = 40;

	/**
	 * Registers the route.
	 */
	public static function register(): void {
		register_rest_route(
			self::NAMESPACE,
			'/token',
			array(
				array(
					'methods'             => WP_REST_Server::CREATABLE,
					'callback'            => array( self::class, 'create_item' ),
					'permission_callback' => array( self::class, 'may_create' ),
					'args'                => array(
						'post' => array(
							'description'       => __( 'The post that is open in the editor.', 'smart-summary' ),
							'type'              => 'integer',
							'minimum'           => 1,
							'required'          => true,
							'sanitize_callback' => 'absint',
						),
					),
				),
				'schema' => array( self::class, 'schema' ),
			)
		);
	}

	/**
	 * Whether the user may edit exactly this post and may use the backend.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return true|WP_Error True, or the refusal.
	 */
	public static function may_create( $request ) {
		if ( Access::may_use( (int) $request['post'] ) ) {
			return true;
		}
		return new WP_Error( 'rest_forbidden', __( 'Your role may not use Smart Summary for this post.', 'smart-summary' ), array( 'status' => rest_authorization_required_code() ) );
	}

	/**
	 * Mints the token with which this editor's browser may call the backend.
	 *
	 * `single` tells the page to ask again for every run, so that a role's quota counts runs.
	 *
	 * @since 0.1.0
	 *
	 * @param WP_REST_Request $request Request whose user may edit the post.
	 * @return array{token: string, expires_at: int, single: bool}|WP_Error Token, or the backend's problem.
	 */
	public static function create_item( $request ) {
		$user    = wp_get_current_user();
		$charged = Access::charge( $user );
		if ( is_wp_error( $charged ) ) {
			Log::note( 'token', (int) $request['post'], $charged );
			return $charged;
		}
		$token = Client::token( 'wp-user-' . $user->ID, self::origin(), self::REQUESTS_PER_RUN );
		Log::note( 'token', (int) $request['post'], is_wp_error( $token ) ? $token : null );
		if ( is_wp_error( $token ) ) {
			return self::for_the_page( $token );
		}
		return $token + array( 'single' => null !== Access::quota( $user ) );
	}

	/**
	 * A problem as the page may see it: a wrong key is the site's matter, not the writer's sign-in.
	 *
	 * @param WP_Error $error The backend's problem.
	 * @return WP_Error With a status that the page understands.
	 */
	private static function for_the_page( WP_Error $error ): WP_Error {
		$data   = (array) $error->get_error_data();
		$status = (int) ( $data['status'] ?? 502 );
		if ( in_array( $status, array( 401, 403 ), true ) ) {
			return new WP_Error( (string) $error->get_error_code(), __( 'The backend does not take this site’s key. An administrator sees why under Settings → Smart Summary.', 'smart-summary' ), array( 'status' => 502 ) );
		}
		return $error;
	}

	/**
	 * The origin of the pages on which the editor runs.
	 *
	 * @return string For instance `https://blog.example`.
	 */
	public static function origin(): string {
		$parts = wp_parse_url( admin_url() );
		$port  = isset( $parts['port'] ) ? ':' . $parts['port'] : '';
		return ( $parts['scheme'] ?? 'https' ) . '://' . ( $parts['host'] ?? '' ) . $port;
	}

	/**
	 * The answer's schema.
	 *
	 * @return array<string, mixed> JSON schema.
	 */
	public static function schema(): array {
		return array(
			'$schema'    => 'http://json-schema.org/draft-04/schema#',
			'title'      => 'smart-summary-token',
			'type'       => 'object',
			'properties' => array(
				'token'      => array(
					'description' => __( 'Sent to the backend as Authorization: Bearer.', 'smart-summary' ),
					'type'        => 'string',
					'readonly'    => true,
				),
				'expires_at' => array(
					'description' => __( 'Unix time in milliseconds.', 'smart-summary' ),
					'type'        => 'integer',
					'readonly'    => true,
				),
				'single'     => array(
					'description' => __( 'Whether every run needs a token of its own.', 'smart-summary' ),
					'type'        => 'boolean',
					'readonly'    => true,
				),
			),
		);
	}
}
