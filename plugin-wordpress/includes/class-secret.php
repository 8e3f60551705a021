<?php
/**
 * Keeps one secret unreadable in the database.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Encrypts with libsodium under a key made from the site's salts, so that a copy of the database alone gives nothing away.
 *
 * @since 0.1.0
 */
final class Secret {

	private const MARK = 'ssx1:';

	/**
	 * Encrypts.
	 *
	 * @param string $plain Secret.
	 * @return string What may be stored.
	 */
	public static function seal( string $plain ): string {
		$nonce = random_bytes( SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_encode -- Bytes in a text column.
		return self::MARK . base64_encode( $nonce . sodium_crypto_secretbox( $plain, $nonce, self::key() ) );
	}

	/**
	 * Decrypts.
	 *
	 * @param string $sealed What was stored.
	 * @return string The secret; empty when the salts have changed since.
	 */
	public static function open( string $sealed ): string {
		if ( ! self::is_sealed( $sealed ) ) {
			return '';
		}
		// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_decode -- Bytes in a text column.
		$bytes = base64_decode( substr( $sealed, strlen( self::MARK ) ), true );
		if ( false === $bytes || strlen( $bytes ) <= SODIUM_CRYPTO_SECRETBOX_NONCEBYTES ) {
			return '';
		}
		$nonce = substr( $bytes, 0, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$plain = sodium_crypto_secretbox_open( substr( $bytes, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES ), $nonce, self::key() );
		return false === $plain ? '' : $plain;
	}

	/**
	 * Whether a text was made by `seal`.
	 *
	 * @param string $text Text.
	 * @return bool True when it was.
	 */
	public static function is_sealed( string $text ): bool {
		return 0 === strpos( $text, self::MARK );
	}

	/**
	 * The key that the site's salts give.
	 *
	 * @return string 32 bytes.
	 */
	private static function key(): string {
		return hash( 'sha256', 'smart-summary|' . wp_salt( 'auth' ), true );
	}
}
