<?php
/**
 * Answers for the backend.
 *
 * @package Smart_Summary
 */

/**
 * Stored responses for `wp_remote_request`.
 */
final class Backend {

	/** @var array<int, array{url: string, args: array<string, mixed>}> What was asked. */
	public static $asked = array();

	/** @var array<int, array{status: int, body: mixed, headers?: array<string, string>}|WP_Error> What is answered next. */
	private static $answers = array();

	/**
	 * Begins anew, with these answers in this order.
	 *
	 * @param array ...$answers Answers.
	 */
	public static function answers( ...$answers ): void {
		self::$asked   = array();
		self::$answers = $answers;
		update_option( 'smart_summary_settings', array( 'url' => 'http://backend.test' ) + \Smart_Summary\Settings::defaults() );
		update_option( 'smart_summary_key', \Smart_Summary\Secret::seal( 'ss_live_test' ) );
	}

	/**
	 * The filter.
	 *
	 * @param mixed                $response Unused.
	 * @param array<string, mixed> $args     Request.
	 * @param string               $url      Address.
	 * @return array<string, mixed>|WP_Error Response.
	 */
	public static function answer( $response, $args, $url ) {
		self::$asked[] = compact( 'url', 'args' );
		$next          = array_shift( self::$answers );
		if ( null === $next || is_wp_error( $next ) ) {
			return $next ?? new WP_Error( 'http_request_failed', 'no answer was stored for ' . $url );
		}
		return array(
			'headers'  => new WpOrg\Requests\Utility\CaseInsensitiveDictionary( $next['headers'] ?? array() ),
			'body'     => is_string( $next['body'] ) ? $next['body'] : wp_json_encode( $next['body'] ),
			'response' => array(
				'code'    => $next['status'],
				'message' => '',
			),
			'cookies'  => array(),
		);
	}
}

add_filter( 'pre_http_request', array( Backend::class, 'answer' ), 10, 3 );
