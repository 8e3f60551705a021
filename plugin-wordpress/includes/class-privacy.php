<?php
/**
 * What WordPress' privacy tools ask.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * The text for the privacy policy, and the export and erasure of what is kept about a user: how many runs they had today,
 * and the log's lines.
 *
 * @since 0.1.0
 */
final class Privacy {

	/**
	 * Suggests a text for the privacy policy.
	 */
	public static function suggest(): void {
		wp_add_privacy_policy_content( 'Smart Summary', wp_kses_post( wpautop( __( 'When an author asks for a summary, the post’s text and small copies of its pictures are sent to this site’s own Smart Summary server. Camera data such as the place are removed before. The server keeps no pictures. This site keeps the time of the request, the author and the post’s number, but none of its words.', 'smart-summary' ) ) ) );
	}

	/**
	 * Registers the exporter.
	 *
	 * @param array<string, mixed> $exporters Exporters.
	 * @return array<string, mixed> Exporters.
	 */
	public static function exporters( $exporters ) {
		$exporters['smart-summary'] = array(
			'exporter_friendly_name' => __( 'Smart Summary', 'smart-summary' ),
			'callback'               => array( self::class, 'export' ),
		);
		return $exporters;
	}

	/**
	 * Registers the eraser.
	 *
	 * @param array<string, mixed> $erasers Erasers.
	 * @return array<string, mixed> Erasers.
	 */
	public static function erasers( $erasers ) {
		$erasers['smart-summary'] = array(
			'eraser_friendly_name' => __( 'Smart Summary', 'smart-summary' ),
			'callback'             => array( self::class, 'erase' ),
		);
		return $erasers;
	}

	/**
	 * What is kept about a user.
	 *
	 * @param string $email Address.
	 * @return array{data: array<int, mixed>, done: bool} Export.
	 */
	public static function export( $email ): array {
		$user = get_user_by( 'email', $email );
		$data = array();
		foreach ( $user ? Log::lines() : array() as $at => $line ) {
			if ( $line['user'] !== $user->ID ) {
				continue;
			}
			$data[] = self::item(
				(string) $at,
				array(
					__( 'When', 'smart-summary' ) => (string) wp_date( 'c', $line['time'] ),
					__( 'What', 'smart-summary' ) => $line['what'],
					__( 'Post', 'smart-summary' ) => (string) $line['post'],
				)
			);
		}
		$used = $user ? get_user_meta( $user->ID, Access::USED_META, true ) : '';
		if ( is_array( $used ) ) {
			$data[] = self::item(
				'used',
				array(
					__( 'When', 'smart-summary' ) => (string) ( $used['day'] ?? '' ),
					__( 'Runs', 'smart-summary' ) => (string) ( $used['runs'] ?? 0 ),
				)
			);
		}
		return array(
			'data' => $data,
			'done' => true,
		);
	}

	/**
	 * One thing that is kept, as the export lists it.
	 *
	 * @param string                $id    Which.
	 * @param array<string, string> $facts Name => value.
	 * @return array<string, mixed> Item.
	 */
	private static function item( string $id, array $facts ): array {
		$data = array();
		foreach ( $facts as $name => $value ) {
			$data[] = compact( 'name', 'value' );
		}
		return array(
			'group_id'    => 'smart-summary',
			'group_label' => __( 'Smart Summary', 'smart-summary' ),
			'item_id'     => 'smart-summary-' . $id,
			'data'        => $data,
		);
	}

	/**
	 * Erases it.
	 *
	 * @param string $email Address.
	 * @return array{items_removed: bool, items_retained: bool, messages: string[], done: bool} What was done.
	 */
	public static function erase( $email ): array {
		$user    = get_user_by( 'email', $email );
		$removed = 0;
		if ( $user ) {
			$removed = Log::forget( $user->ID ) + (int) delete_user_meta( $user->ID, Access::USED_META );
			if ( get_option( Journal::VERSION_OPTION ) ) {
				// The tables of an older version named the user who began a run.
				Journal::prepare();
			}
		}
		return array(
			'items_removed'  => $removed > 0,
			'items_retained' => false,
			'messages'       => array(),
			'done'           => true,
		);
	}
}
