<?php
/**
 * The pictures in a post's content, on the server.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_HTML_Tag_Processor;
use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * Finds pictures, finds a small file of each, and writes alt texts into the content without touching anything else.
 *
 * @since 0.1.0
 */
final class Pictures {

	private const LONGEST_EDGE = 1024;
	private const FORMATS      = array( 'image/jpeg', 'image/png', 'image/webp', 'image/gif' );

	/**
	 * The pictures of a post: the featured image with the library's alt text, unless the content shows it too, and those of
	 * the content.
	 *
	 * @param WP_Post $post Post.
	 * @return array<int, array{alt: string, src: string, decorative: bool, featured: bool}> Attachment => what is known.
	 */
	public static function of( WP_Post $post ): array {
		$found = self::in( $post->post_content );
		$id    = (int) get_post_thumbnail_id( $post );
		if ( $id <= 0 || isset( $found[ $id ] ) || ! wp_attachment_is_image( $id ) ) {
			return $found;
		}
		$featured = array(
			'alt'        => (string) get_post_meta( $id, Library::KEY, true ),
			'src'        => (string) wp_get_attachment_url( $id ),
			'decorative' => false,
			'featured'   => true,
		);
		return array( $id => $featured ) + $found;
	}

	/**
	 * The pictures of a content that are in the library, in reading order; each once.
	 *
	 * @param string $content The post's content.
	 * @return array<int, array{alt: string, src: string, decorative: bool, featured: bool}> Attachment => what the content says.
	 */
	public static function in( string $content ): array {
		$found = array();
		$tags  = new WP_HTML_Tag_Processor( $content );
		while ( $tags->next_tag( 'img' ) ) {
			$id = self::attachment( $tags );
			if ( $id > 0 && ! isset( $found[ $id ] ) ) {
				$found[ $id ] = array(
					'alt'        => (string) $tags->get_attribute( 'alt' ),
					'src'        => (string) $tags->get_attribute( 'src' ),
					'decorative' => self::is_marked( $content, $id ),
					'featured'   => false,
				);
			}
		}
		return $found;
	}

	/**
	 * Replaces one picture's alt text where it is exactly `before`.
	 *
	 * @param string $content The post's content.
	 * @param int    $id      Attachment.
	 * @param string $before  The text that stands there.
	 * @param string $after   The new text.
	 * @return string Content.
	 */
	public static function with_alt( string $content, int $id, string $before, string $after ): string {
		$tags = new WP_HTML_Tag_Processor( $content );
		while ( $tags->next_tag( 'img' ) ) {
			if ( self::attachment( $tags ) === $id && (string) $tags->get_attribute( 'alt' ) === $before ) {
				$tags->set_attribute( 'alt', $after );
			}
		}
		return $tags->get_updated_html();
	}

	/**
	 * The attachment behind an image tag. A cover keeps its alt text in the block's comment too, so it is left to the editor.
	 *
	 * @param WP_HTML_Tag_Processor $tags At an image tag.
	 * @return int Attachment, or 0.
	 */
	private static function attachment( WP_HTML_Tag_Processor $tags ): int {
		$classes = (string) $tags->get_attribute( 'class' );
		if ( false !== strpos( $classes, 'wp-block-cover__image-background' ) ) {
			return 0;
		}
		if ( preg_match( '/(?:^|\s)wp-image-(\d+)(?:\s|$)/', $classes, $match ) ) {
			return (int) $match[1];
		}
		return attachment_url_to_postid( (string) $tags->get_attribute( 'src' ) );
	}

	/**
	 * Whether the block of a picture is marked as decorative, as newer versions of WordPress can.
	 *
	 * @param string $content The post's content.
	 * @param int    $id      Attachment.
	 * @return bool True when it is.
	 */
	private static function is_marked( string $content, int $id ): bool {
		return 1 === preg_match( '/<!-- wp:image (\{[^>]*"id":' . $id . '\b[^>]*\}) -->/', $content, $match )
			&& true === ( json_decode( $match[1], true )['isDecorative'] ?? false );
	}

	/**
	 * A file of a picture whose longest edge is at most 1024 pixels: the largest that WordPress has made already.
	 *
	 * @param int $id Attachment.
	 * @return string Path; empty when there is none.
	 */
	public static function small_file( int $id ): string {
		$path = (string) get_attached_file( $id );
		$meta = wp_get_attachment_metadata( $id );
		if ( '' === $path || ! is_array( $meta ) || empty( $meta['width'] ) || empty( $meta['height'] ) ) {
			return '';
		}
		$ratio = $meta['width'] / $meta['height'];
		$best  = max( $meta['width'], $meta['height'] ) <= self::LONGEST_EDGE ? array( (int) $meta['width'], $path ) : array( 0, '' );
		foreach ( (array) ( $meta['sizes'] ?? array() ) as $size ) {
			$fits  = max( $size['width'], $size['height'] ) <= self::LONGEST_EDGE;
			$whole = abs( $size['width'] / max( 1, $size['height'] ) / $ratio - 1 ) < 0.02;
			if ( $fits && $whole && $size['width'] > $best[0] ) {
				$best = array( (int) $size['width'], path_join( dirname( $path ), $size['file'] ) );
			}
		}
		$file = $best[1];
		return '' !== $file && is_readable( $file ) && in_array( (string) wp_check_filetype( $file )['type'], self::FORMATS, true ) ? $file : '';
	}

	/**
	 * A picture as a `data:` address.
	 *
	 * @param string $path File.
	 * @return string Address; without bytes when the file cannot be read.
	 */
	public static function data_uri( string $path ): string {
		// phpcs:ignore WordPress.WP.AlternativeFunctions.file_get_contents_file_get_contents, WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_encode -- A file of the uploads folder, as a data: address.
		return 'data:' . wp_check_filetype( $path )['type'] . ';base64,' . base64_encode( (string) file_get_contents( $path ) );
	}

	/**
	 * What the pictures are called in the article that is sent. WordPress' own endings (`-scaled`, `-1024x683`) are no words
	 * of the author, and an engine that does not look at pictures would take them for some.
	 *
	 * @param array<int, array{src: string}> $pictures Attachment => address.
	 * @return array<int, string> Attachment => name.
	 */
	public static function names( array $pictures ): array {
		$names = array();
		foreach ( $pictures as $id => $picture ) {
			$name         = rawurldecode( wp_basename( (string) wp_parse_url( $picture['src'], PHP_URL_PATH ) ) );
			$plain        = (string) preg_replace( '/(-scaled|-rotated|-e\d{10,}|-\d+x\d+)+(?=\.\w+$)/i', '', $name );
			$names[ $id ] = in_array( $plain, $names, true ) ? $name : $plain;
		}
		return $names;
	}
}
