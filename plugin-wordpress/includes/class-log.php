<?php
/**
 * What was asked of the backend, without a word of what was in it.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;

defined( 'ABSPATH' ) || exit;

/**
 * The last calls: when, who, which post, and the problem's code. No titles, no texts, no addresses.
 *
 * @since 0.1.0
 */
final class Log {

	public const OPTION = 'smart_summary_log';
	private const KEPT  = 200;

	/**
	 * Adds a line; the oldest go.
	 *
	 * @param string        $what    `token`, `summary` or `connection`.
	 * @param int           $post_id Post, or 0.
	 * @param WP_Error|null $error   What went wrong.
	 */
	public static function note( string $what, int $post_id, ?WP_Error $error = null ): void {
		$data  = $error ? (array) $error->get_error_data() : array();
		$lines = self::lines();
		array_unshift(
			$lines,
			array(
				'time'       => time(),
				'what'       => $what,
				'user'       => get_current_user_id(),
				'post'       => $post_id,
				'code'       => $error ? (string) $error->get_error_code() : 'ok',
				'request_id' => (string) ( $data['request_id'] ?? '' ),
			)
		);
		update_option( self::OPTION, array_slice( $lines, 0, self::KEPT ), false );
	}

	/**
	 * The lines, newest first.
	 *
	 * @return array<int, array{time: int, what: string, user: int, post: int, code: string, request_id: string}> Lines.
	 */
	public static function lines(): array {
		$lines = get_option( self::OPTION, array() );
		return is_array( $lines ) ? $lines : array();
	}

	/**
	 * Removes a user's lines.
	 *
	 * @param int $user_id User.
	 * @return int Lines removed.
	 */
	public static function forget( int $user_id ): int {
		$lines = self::lines();
		$kept  = array_values(
			array_filter(
				$lines,
				static function ( array $line ) use ( $user_id ): bool {
					return $user_id !== $line['user'];
				}
			)
		);
		update_option( self::OPTION, $kept, false );
		return count( $lines ) - count( $kept );
	}
}
