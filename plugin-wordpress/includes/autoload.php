<?php
/**
 * Loads `Smart_Summary\Seo\Rank_Math` from `includes/seo/class-rank-math.php`.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

spl_autoload_register(
	static function ( string $name ): void {
		$prefix = 'Smart_Summary\\';
		if ( 0 !== strpos( $name, $prefix ) ) {
			return;
		}
		$parts = explode( '\\', strtolower( str_replace( '_', '-', substr( $name, strlen( $prefix ) ) ) ) );
		$last  = array_pop( $parts );
		$dir   = __DIR__ . '/' . ( $parts ? implode( '/', $parts ) . '/' : '' );
		foreach ( array( 'class', 'interface' ) as $kind ) {
			$file = $dir . $kind . '-' . $last . '.php';
			if ( is_file( $file ) ) {
				require $file;
				return;
			}
		}
	}
);
