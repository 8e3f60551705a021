<?php
/**
 * Who may use the backend, and how often.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;
use WP_User;

defined( 'ABSPATH' ) || exit;

/**
 * One capability, `use_smart_summary`, that the roles of the settings have. It is granted while it is asked for, so that
 * nothing is written into the roles and nothing has to be taken back.
 *
 * @since 0.1.0
 */
final class Access {

	public const CAPABILITY = 'use_smart_summary';
	public const USED_META  = '_smart_summary_used';

	/**
	 * Grants the capability to the chosen roles.
	 *
	 * @param array<string, bool> $allcaps The user's capabilities.
	 * @param string[]            $caps    Asked for.
	 * @param array<int, mixed>   $args    Unused.
	 * @param WP_User             $user    The user.
	 * @return array<string, bool> Capabilities.
	 */
	public static function grant( $allcaps, $caps, $args, $user ) {
		if ( in_array( self::CAPABILITY, $caps, true ) && array_intersect( $user->roles, (array) Settings::get( 'roles' ) ) ) {
			$allcaps[ self::CAPABILITY ] = true;
		}
		return $allcaps;
	}

	/**
	 * Whether the current user may ask the backend about this post.
	 *
	 * @param int $post_id Post.
	 * @return bool True when they may edit exactly this post and their role is one of the chosen.
	 */
	public static function may_use( int $post_id ): bool {
		return $post_id > 0 && current_user_can( self::CAPABILITY ) && current_user_can( 'edit_post', $post_id );
	}

	/**
	 * Takes one run out of today's quota of the user's role.
	 *
	 * @param WP_User $user User.
	 * @return true|WP_Error True, or that the quota is used up.
	 */
	public static function charge( WP_User $user ) {
		$quota = self::quota( $user );
		if ( null === $quota ) {
			return true;
		}
		$used = self::used_today( $user );
		if ( $used >= $quota ) {
			return new WP_Error(
				'quota_used_up',
				/* translators: %d: runs a day */
				sprintf( _n( 'Your role has %d summary a day, and today’s is used up.', 'Your role has %d summaries a day, and today’s are used up.', $quota, 'smart-summary' ), $quota ),
				array( 'status' => 429 )
			);
		}
		update_user_meta(
			$user->ID,
			self::USED_META,
			array(
				'day'  => current_time( 'Y-m-d' ),
				'runs' => $used + 1,
			)
		);
		return true;
	}

	/**
	 * Runs a day for the user: the largest of their roles' quotas; none when one role has none.
	 *
	 * @param WP_User $user User.
	 * @return int|null Runs a day; null for any number.
	 */
	public static function quota( WP_User $user ): ?int {
		$quotas = (array) Settings::get( 'quotas' );
		$of     = array();
		foreach ( array_intersect( $user->roles, (array) Settings::get( 'roles' ) ) as $role ) {
			if ( ! isset( $quotas[ $role ] ) ) {
				return null;
			}
			$of[] = (int) $quotas[ $role ];
		}
		return $of ? max( $of ) : null;
	}

	/**
	 * Runs that the user has had today, by the site's clock.
	 *
	 * @param WP_User $user User.
	 * @return int Runs.
	 */
	public static function used_today( WP_User $user ): int {
		$used = get_user_meta( $user->ID, self::USED_META, true );
		return is_array( $used ) && current_time( 'Y-m-d' ) === ( $used['day'] ?? '' ) ? (int) ( $used['runs'] ?? 0 ) : 0;
	}
}
