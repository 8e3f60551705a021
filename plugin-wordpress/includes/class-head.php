<?php
/**
 * Meta tags for sites without an SEO plugin.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * Prints title, description, Open Graph and JSON-LD of a single post, once, and only where no SEO plugin does.
 *
 * @since 0.1.0
 */
final class Head {

	/**
	 * Whether this page is ours to describe.
	 *
	 * @return WP_Post|null The post; null when nothing is to be printed.
	 */
	private static function post(): ?WP_Post {
		if ( ! is_singular( (array) Settings::get( 'post_types' ) ) || ! Settings::get( 'own_head' ) || Seo\Registry::active() ) {
			return null;
		}
		$post = get_queried_object();
		return $post instanceof WP_Post && ! post_password_required( $post ) ? $post : null;
	}

	/**
	 * The title for search results, where one was accepted.
	 *
	 * @param array<string, string> $parts The document title's parts.
	 * @return array<string, string> The same with our title.
	 */
	public static function title( $parts ) {
		$post  = self::post();
		$title = $post ? (string) get_post_meta( $post->ID, Meta::TITLE, true ) : '';
		if ( '' !== $title ) {
			$parts['title'] = $title;
		}
		return $parts;
	}

	/**
	 * Prints the tags.
	 */
	public static function render(): void {
		$post = self::post();
		if ( ! $post ) {
			return;
		}
		$description = self::description( $post );
		if ( '' !== $description ) {
			printf( '<meta name="description" content="%s">' . "\n", esc_attr( $description ) );
		}
		foreach ( self::open_graph( $post, $description ) as $property => $content ) {
			printf( '<meta property="%s" content="%s">' . "\n", esc_attr( $property ), esc_attr( $content ) );
		}
		echo '<script type="application/ld+json" class="smart-summary-json-ld">';
		// JSON_HEX_TAG: no text of a post can end the script element.
		echo wp_json_encode( self::json_ld( $post, $description ), JSON_HEX_TAG | JSON_HEX_AMP | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- JSON inside a script element.
		echo "</script>\n";
	}

	/**
	 * The description: the accepted one, else the excerpt that a person has written.
	 *
	 * @param WP_Post $post Post.
	 * @return string Plain text.
	 */
	private static function description( WP_Post $post ): string {
		$own = (string) get_post_meta( $post->ID, Meta::DESCRIPTION, true );
		return '' !== $own ? $own : trim( wp_strip_all_tags( $post->post_excerpt, true ) );
	}

	/**
	 * Open Graph.
	 *
	 * @param WP_Post $post        Post.
	 * @param string  $description Description.
	 * @return array<string, string> Property => content.
	 */
	private static function open_graph( WP_Post $post, string $description ): array {
		$title = (string) get_post_meta( $post->ID, Meta::TITLE, true );
		$tags  = array(
			'og:type'        => 'article',
			'og:title'       => '' !== $title ? $title : wp_strip_all_tags( get_the_title( $post ) ),
			'og:description' => $description,
			'og:url'         => (string) get_permalink( $post ),
			'og:site_name'   => wp_strip_all_tags( get_bloginfo( 'name' ) ),
			'og:locale'      => get_locale(),
		);
		$image = self::image( $post );
		if ( $image ) {
			$tags += array(
				'og:image'        => $image['url'],
				'og:image:width'  => (string) $image['width'],
				'og:image:height' => (string) $image['height'],
				'og:image:alt'    => $image['alt'],
			);
		}
		return array_filter( $tags, 'strlen' );
	}

	/**
	 * JSON-LD.
	 *
	 * @param WP_Post $post        Post.
	 * @param string  $description Description.
	 * @return array<string, mixed> A schema.org object.
	 */
	private static function json_ld( WP_Post $post, string $description ): array {
		$title = (string) get_post_meta( $post->ID, Meta::TITLE, true );
		$image = self::image( $post );
		return array_filter(
			array(
				'@context'         => 'https://schema.org',
				'@type'            => 'post' === $post->post_type ? 'BlogPosting' : 'WebPage',
				'headline'         => '' !== $title ? $title : wp_strip_all_tags( get_the_title( $post ) ),
				'description'      => $description,
				'datePublished'    => get_the_date( 'c', $post ),
				'dateModified'     => get_the_modified_date( 'c', $post ),
				'inLanguage'       => str_replace( '_', '-', get_locale() ),
				'mainEntityOfPage' => get_permalink( $post ),
				'author'           => array(
					'@type' => 'Person',
					'name'  => get_the_author_meta( 'display_name', (int) $post->post_author ),
					'url'   => get_author_posts_url( (int) $post->post_author ),
				),
				'image'            => $image ? $image['url'] : '',
			)
		);
	}

	/**
	 * The featured image.
	 *
	 * @param WP_Post $post Post.
	 * @return array{url: string, width: int, height: int, alt: string}|null Picture.
	 */
	private static function image( WP_Post $post ): ?array {
		$id    = (int) get_post_thumbnail_id( $post );
		$image = $id ? wp_get_attachment_image_src( $id, 'large' ) : false;
		return $image ? array(
			'url'    => (string) $image[0],
			'width'  => (int) $image[1],
			'height' => (int) $image[2],
			'alt'    => (string) get_post_meta( $id, Library::KEY, true ),
		) : null;
	}
}
