<?php
/**
 * Alt texts in the media library.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * A picture's alt text in a post and in the library are two fields that do not follow each other. What a writer accepts for
 * a post is taken over into the library only where nobody has written anything else.
 *
 * @since 0.1.0
 */
final class Library {

	/** The post meta in which WordPress keeps a picture's alt text. */
	public const KEY = '_wp_attachment_image_alt';

	/**
	 * Takes over the alt texts of a post's record.
	 *
	 * @param array<string, array<string, mixed>> $alts The record's `alts`; keys are attachment ids, or fingerprints of
	 *                                                 addresses of pictures that are not in the library.
	 */
	public static function follow( array $alts ): void {
		foreach ( $alts as $key => $alt ) {
			$id = (int) $key;
			if ( $id > 0 && (string) $id === (string) $key && empty( $alt['decorative'] ) && self::may_write( $id ) ) {
				self::write( $id, (string) $alt['text'], (string) $alt['by'] );
			}
		}
	}

	/**
	 * Whether the user may change it and no person's words stand there.
	 *
	 * @param int $id Attachment.
	 * @return bool True when it may be written.
	 */
	private static function may_write( int $id ): bool {
		return current_user_can( 'edit_post', $id ) && in_array( self::author( $id ), array( 'none', 'ai' ), true );
	}

	/**
	 * Writes an alt text and remembers who made it.
	 *
	 * @param int    $id   Attachment.
	 * @param string $text Alt text.
	 * @param string $by   `ai` or `ai_edited`.
	 */
	public static function write( int $id, string $text, string $by ): void {
		if ( '' === $text ) {
			delete_post_meta( $id, self::KEY );
			delete_post_meta( $id, Meta::ALT );
			return;
		}
		update_post_meta( $id, self::KEY, wp_slash( $text ) );
		update_post_meta(
			$id,
			Meta::ALT,
			array(
				'by'   => $by,
				'hash' => Meta::hash( $text ),
			)
		);
	}

	/**
	 * Who wrote a picture's alt text in the library.
	 *
	 * @param int $id Attachment.
	 * @return string `none`, `human`, `ai` or `ai_edited`.
	 */
	public static function author( int $id ): string {
		$entry = get_post_meta( $id, Meta::ALT, true );
		return Meta::author( is_array( $entry ) ? $entry : array(), (string) get_post_meta( $id, self::KEY, true ) );
	}
}
