<?php
/**
 * Says whether the backend can be used, and if not, what to do.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;

defined( 'ABSPATH' ) || exit;

/**
 * The connection test: address, key, scopes, the page's origin. The browser adds its own half: whether it can reach the
 * backend at all, and whether the backend lets it read the answer.
 *
 * @since 0.1.0
 */
final class Connection {

	/**
	 * Asks the backend for a token and for the key's limits.
	 *
	 * @return array{ok: bool, code: string, message: string, endpoint: string, token: string} Result; `token` lets the
	 *                                                                                       browser try its half.
	 */
	public static function test(): array {
		$origin = Rest\Token_Controller::origin();
		$token  = Client::token( 'wp-connection-test', $origin, 2 );
		Log::note( 'connection', 0, is_wp_error( $token ) ? $token : null );
		if ( is_wp_error( $token ) ) {
			return array(
				'ok'       => false,
				'code'     => (string) $token->get_error_code(),
				'message'  => self::advice( $token, $origin ),
				'endpoint' => Settings::url(),
				'token'    => '',
			);
		}
		return array(
			'ok'       => true,
			'code'     => 'ok',
			'message'  => __( 'The backend takes the key and gives this site’s editors their tokens.', 'smart-summary' ),
			'endpoint' => Settings::url(),
			'token'    => $token['token'],
		);
	}

	/**
	 * What a person can do about a failure.
	 *
	 * @param WP_Error $error  Failure.
	 * @param string   $origin This site's origin.
	 * @return string Advice.
	 */
	private static function advice( WP_Error $error, string $origin ): string {
		switch ( $error->get_error_code() ) {
			case 'key_mistyped':
				return __( 'Key: a character is missing or mistyped. Copy the key again.', 'smart-summary' );
			case 'key_unknown':
				return __( 'Key: this backend does not know it. Ask its operator for a key.', 'smart-summary' );
			case 'key_revoked':
			case 'key_expired':
				return __( 'Key: it was withdrawn or has expired. Ask the backend’s operator for a new one.', 'smart-summary' );
			case 'credentials_missing':
			case 'credentials_malformed':
				return __( 'Key: this is not a Smart Summary key; one begins with ss_live_.', 'smart-summary' );
			case 'scope_missing':
				/* translators: %s: a command */
				return sprintf( __( 'Scope: the key lacks a scope. It needs both of %s.', 'smart-summary' ), 'summaries:write, tokens:write' );
			case 'origin_refused':
				/* translators: %s: origin of this site */
				return sprintf( __( 'Origin: the key does not name this site. The operator adds %s to the key’s origins.', 'smart-summary' ), $origin );
			case 'rate_limited':
			case 'budget_used_up':
			case 'too_many_failures':
				return __( 'Limit: the backend has had too many requests for now. Try again in a minute.', 'smart-summary' );
			case 'smart_summary_timeout':
				return __( 'Time-out: the backend did not answer in time. Check that it runs, and that no firewall is between it and this site.', 'smart-summary' );
			case 'smart_summary_unreachable':
				/* translators: %s: what the transport says */
				return sprintf( __( 'Address: %s', 'smart-summary' ), $error->get_error_message() );
			case 'smart_summary_protocol':
				/* translators: %s: what was found */
				return sprintf( __( 'Address: %s', 'smart-summary' ), $error->get_error_message() );
			default:
				return $error->get_error_message();
		}
	}
}
