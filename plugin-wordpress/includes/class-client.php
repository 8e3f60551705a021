<?php
/**
 * Talks to the backend from the server.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;

defined( 'ABSPATH' ) || exit;

/**
 * The backend's routes that PHP needs. Every failure is a `WP_Error` whose code is the backend's problem code, or one of
 * `smart_summary_not_set_up`, `smart_summary_unreachable`, `smart_summary_timeout`, `smart_summary_protocol`.
 *
 * @since 0.1.0
 */
final class Client {

	/**
	 * Mints a token for one page.
	 *
	 * @param string $subject      Who uses it; for the backend's log, no name.
	 * @param string $origin       The page's origin.
	 * @param int    $max_requests How often it may be used.
	 * @return array{token: string, expires_at: int}|WP_Error Token, or why there is none.
	 */
	public static function token( string $subject, string $origin, int $max_requests ) {
		$answer = self::post_json(
			'/v1/tokens',
			array(
				'subject'      => $subject,
				'origin'       => $origin,
				'scopes'       => array( 'summaries:write' ),
				'ttl_seconds'  => 300,
				'max_requests' => $max_requests,
			)
		);
		if ( is_wp_error( $answer ) ) {
			return $answer;
		}
		if ( ! is_string( $answer['token'] ?? null ) || ! is_int( $answer['expires_at'] ?? null ) ) {
			return self::protocol_error();
		}
		return array(
			'token'      => $answer['token'],
			'expires_at' => $answer['expires_at'],
		);
	}

	/**
	 * Summarises a post from the server, for jobs that have no browser.
	 *
	 * @param array<string, mixed>  $request         The request's JSON.
	 * @param array<string, string> $pictures        Picture id => path of a file on this server.
	 * @param string                $idempotency_key Names the request, so that a repeated one is answered and paid once.
	 * @return array<string, mixed>|WP_Error The summary.
	 */
	public static function summarize( array $request, array $pictures, string $idempotency_key ) {
		$boundary = 'smart-summary-' . bin2hex( random_bytes( 12 ) );
		$body     = self::part( $boundary, 'request', 'application/json', (string) wp_json_encode( $request ) );
		foreach ( $pictures as $id => $path ) {
			// phpcs:ignore WordPress.WP.AlternativeFunctions.file_get_contents_file_get_contents -- A file of the uploads folder.
			$bytes = file_get_contents( $path );
			if ( false === $bytes ) {
				/* translators: %s: file name */
				return new WP_Error( 'smart_summary_file', sprintf( __( '%s cannot be read.', 'smart-summary' ), basename( $path ) ) );
			}
			$body .= self::part( $boundary, (string) $id, (string) ( wp_check_filetype( $path )['type'] ?: 'application/octet-stream' ), $bytes, basename( $path ) );
		}
		return self::send(
			'POST',
			'/v1/summaries',
			array(
				'timeout' => max( 60, (int) Settings::get( 'timeout' ) ),
				'headers' => array(
					'Content-Type'    => 'multipart/form-data; boundary=' . $boundary,
					'Accept'          => 'application/json',
					'Idempotency-Key' => $idempotency_key,
				),
				'body'    => $body . '--' . $boundary . "--\r\n",
			)
		);
	}

	/**
	 * Sends many requests at once.
	 *
	 * @param array<int, array{id: string, request: array<string, mixed>}> $items           Requests, pictures as `data:` addresses.
	 * @param string                                                       $idempotency_key Names the batch.
	 * @return array<string, mixed>|WP_Error The batch.
	 */
	public static function send_batch( array $items, string $idempotency_key ) {
		return self::send(
			'POST',
			'/v1/batches',
			array(
				'timeout' => max( 60, (int) Settings::get( 'timeout' ) ),
				'headers' => array(
					'Content-Type'    => 'application/json',
					'Idempotency-Key' => $idempotency_key,
				),
				'body'    => (string) wp_json_encode( compact( 'items' ), JSON_UNESCAPED_SLASHES ),
			)
		);
	}

	/**
	 * Where a batch stands.
	 *
	 * @param string $id Batch.
	 * @return array<string, mixed>|WP_Error The batch.
	 */
	public static function batch( string $id ) {
		return self::send( 'GET', '/v1/batches/' . rawurlencode( $id ), array() );
	}

	/**
	 * What came of a batch that is over.
	 *
	 * @param string $id Batch.
	 * @return array<int, array<string, mixed>>|WP_Error One entry per request, in their order.
	 */
	public static function batch_results( string $id ) {
		$lines = static function ( string $body ): array {
			return array_map(
				static function ( string $line ): array {
					return (array) json_decode( $line, true );
				},
				array_values( array_filter( explode( "\n", $body ), 'strlen' ) )
			);
		};
		return self::send( 'GET', '/v1/batches/' . rawurlencode( $id ) . '/results', array( 'timeout' => 60 ), $lines );
	}

	/**
	 * Cancels a batch that runs, removes one that is over.
	 *
	 * @param string $id Batch.
	 * @return array<string, mixed>|WP_Error The batch as it was.
	 */
	public static function remove_batch( string $id ) {
		return self::send( 'DELETE', '/v1/batches/' . rawurlencode( $id ), array() );
	}

	/**
	 * What the key may still use.
	 *
	 * @return array<string, mixed>|WP_Error The backend's answer.
	 */
	public static function usage() {
		return self::send( 'GET', '/v1/usage', array() );
	}

	/**
	 * Posts JSON.
	 *
	 * @param string               $path Route.
	 * @param array<string, mixed> $body Body.
	 * @return array<string, mixed>|WP_Error Answer.
	 */
	public static function post_json( string $path, array $body ) {
		return self::send(
			'POST',
			$path,
			array(
				'headers' => array( 'Content-Type' => 'application/json' ),
				'body'    => (string) wp_json_encode( $body ),
			)
		);
	}

	/**
	 * Sends one request with the key.
	 *
	 * Redirects are not followed: the key goes to the address that was set and to no other.
	 *
	 * @param string               $method HTTP method.
	 * @param string               $path   Route.
	 * @param array<string, mixed> $args   For `wp_remote_request`.
	 * @param callable|null        $read   Makes an array of the body of a good answer; JSON when absent.
	 * @return array<int|string, mixed>|WP_Error What the answer says.
	 */
	private static function send( string $method, string $path, array $args, ?callable $read = null ) {
		if ( ! Settings::ready() ) {
			return new WP_Error( 'smart_summary_not_set_up', __( 'Smart Summary has no backend yet. An administrator sets its address and key under Settings → Smart Summary.', 'smart-summary' ), array( 'status' => 503 ) );
		}
		$args['method']                   = $method;
		$args['redirection']              = 0;
		$args['timeout']                  = $args['timeout'] ?? (int) Settings::get( 'timeout' );
		$args['headers']['Authorization'] = 'Bearer ' . Settings::key();
		$args['user-agent']               = 'smart-summary-wordpress/' . VERSION;

		// Not the "safe" variant: a backend on the site's own network is the usual case, and only an administrator sets the address.
		$response = wp_remote_request( Settings::url() . $path, $args );
		if ( is_wp_error( $response ) ) {
			return self::transport_error( $response );
		}
		$status = (int) wp_remote_retrieve_response_code( $response );
		$text   = wp_remote_retrieve_body( $response );
		$body   = json_decode( $text, true );
		if ( $read && 200 === $status ) {
			return $read( $text );
		}
		if ( $status >= 200 && $status < 300 && is_array( $body ) ) {
			return $body;
		}
		if ( is_array( $body ) && is_string( $body['code'] ?? null ) ) {
			$retry_after = wp_remote_retrieve_header( $response, 'retry-after' );
			return new WP_Error(
				$body['code'],
				(string) ( $body['detail'] ?? $body['title'] ?? $body['code'] ),
				array(
					'status'      => $status,
					'retry_after' => is_numeric( $retry_after ) ? (int) $retry_after : null,
					'request_id'  => (string) ( $body['request_id'] ?? '' ),
				)
			);
		}
		return self::protocol_error( $status );
	}

	/**
	 * Why no answer came, told apart by what a person can do about it.
	 *
	 * @param WP_Error $error What WordPress says.
	 * @return WP_Error With one of our codes.
	 */
	private static function transport_error( WP_Error $error ): WP_Error {
		$message = $error->get_error_message();
		$timeout = false !== strpos( $message, 'cURL error 28' ) || false !== stripos( $message, 'timed out' );
		return new WP_Error(
			$timeout ? 'smart_summary_timeout' : 'smart_summary_unreachable',
			$timeout
				? __( 'The backend did not answer in time.', 'smart-summary' )
				/* translators: %s: what the transport says */
				: sprintf( __( 'The backend cannot be reached: %s', 'smart-summary' ), $message ),
			array( 'status' => $timeout ? 504 : 502 )
		);
	}

	/**
	 * The answer is not one of this interface.
	 *
	 * @param int $status HTTP status.
	 * @return WP_Error Error.
	 */
	private static function protocol_error( int $status = 200 ): WP_Error {
		/* translators: %d: HTTP status */
		return new WP_Error( 'smart_summary_protocol', sprintf( __( 'What answered at this address (status %d) is not a Smart Summary server.', 'smart-summary' ), $status ), array( 'status' => 502 ) );
	}

	/**
	 * One part of a multipart body.
	 *
	 * @param string $boundary Boundary.
	 * @param string $name     Name.
	 * @param string $type     Media type.
	 * @param string $bytes    Content.
	 * @param string $filename File name, for pictures.
	 * @return string Part.
	 */
	private static function part( string $boundary, string $name, string $type, string $bytes, string $filename = '' ): string {
		$file = '' === $filename ? '' : '; filename="' . str_replace( array( '"', "\r", "\n" ), '', $filename ) . '"';
		return "--$boundary\r\nContent-Disposition: form-data; name=\"$name\"$file\r\nContent-Type: $type\r\n\r\n$bytes\r\n";
	}
}
