<?php
/**
 * What the plugin keeps with a post and with a picture.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Post;
use WP_REST_Request;

defined( 'ABSPATH' ) || exit;

/**
 * Post meta: the title and description that were accepted, and one record of who wrote what.
 *
 * The record: `fields` maps a field to `by` (`ai` or `ai_edited`) and `hash` of the text as it was accepted, so that a
 * later change by a person is seen; `alts` maps a picture's key to `by`, `hash`, `text`, `decorative` and `needs_human`; `content` is the
 * hash of the article that all of it was made from. A field without an entry is a person's.
 *
 * @since 0.1.0
 */
final class Meta {

	public const TITLE       = '_smart_summary_title';
	public const DESCRIPTION = '_smart_summary_description';
	public const RECORD      = '_smart_summary';
	/** On an attachment: who wrote its alt text. */
	public const ALT = '_smart_summary_alt';

	/**
	 * Registers the meta for the chosen kinds of post.
	 */
	public static function register(): void {
		foreach ( (array) Settings::get( 'post_types' ) as $type ) {
			foreach ( array( self::TITLE, self::DESCRIPTION ) as $key ) {
				register_post_meta(
					$type,
					$key,
					array(
						'type'              => 'string',
						'single'            => true,
						'default'           => '',
						'show_in_rest'      => true,
						'sanitize_callback' => 'sanitize_text_field',
						'auth_callback'     => array( self::class, 'may_edit' ),
					)
				);
			}
			register_post_meta(
				$type,
				self::RECORD,
				array(
					'type'              => 'object',
					'single'            => true,
					'default'           => self::empty_record(),
					'show_in_rest'      => array( 'schema' => self::schema() ),
					'sanitize_callback' => array( self::class, 'sanitize_record' ),
					'auth_callback'     => array( self::class, 'may_edit' ),
				)
			);
			add_action( 'rest_after_insert_' . $type, array( self::class, 'after_save' ), 5, 2 );
			// Meta over REST need the type to support custom fields.
			add_post_type_support( $type, 'custom-fields' );
		}
	}

	/**
	 * Whether the user may change the meta of this post.
	 *
	 * @param bool   $allowed  Unused.
	 * @param string $meta_key Unused.
	 * @param int    $post_id  Post.
	 * @return bool True when they may edit the post.
	 */
	public static function may_edit( $allowed, $meta_key, $post_id ): bool {
		return current_user_can( 'edit_post', (int) $post_id );
	}

	/**
	 * A record that says nothing.
	 *
	 * @return array{content: string, engine: string, model: string, language: string, fields: array<string, mixed>, alts: array<string, mixed>} Record.
	 */
	public static function empty_record(): array {
		return array(
			'content'  => '',
			'engine'   => '',
			'model'    => '',
			'language' => '',
			'fields'   => array(),
			'alts'     => array(),
		);
	}

	/**
	 * The record's schema.
	 *
	 * @return array<string, mixed> JSON schema.
	 */
	private static function schema(): array {
		$text  = array( 'type' => 'string' );
		$by    = array(
			'type' => 'string',
			'enum' => array( 'ai', 'ai_edited', 'human' ),
		);
		$field = array(
			'type'                 => 'object',
			'properties'           => array(
				'by'   => $by,
				'hash' => $text,
			),
			'additionalProperties' => false,
		);
		$alt   = $field;

		$alt['properties']['text']        = $text;
		$alt['properties']['decorative']  = array( 'type' => 'boolean' );
		$alt['properties']['needs_human'] = array( 'type' => 'boolean' );
		return array(
			'type'                 => 'object',
			'properties'           => array(
				'content'  => $text,
				'engine'   => $text,
				'model'    => $text,
				'language' => $text,
				'fields'   => array(
					'type'                 => 'object',
					'additionalProperties' => $field,
				),
				'alts'     => array(
					'type'                 => 'object',
					'additionalProperties' => $alt,
				),
			),
			'additionalProperties' => false,
		);
	}

	/**
	 * A post's record, complete.
	 *
	 * @param int $post_id Post.
	 * @return array{content: string, engine: string, model: string, language: string, fields: array<string, array{by: string, hash: string}>, alts: array<string, array{by: string, hash: string, text: string, decorative: bool, needs_human: bool}>} Record.
	 */
	public static function record( int $post_id ): array {
		return self::sanitize_record( get_post_meta( $post_id, self::RECORD, true ) );
	}

	/**
	 * Stores a post's record.
	 *
	 * @param int                  $post_id Post.
	 * @param array<string, mixed> $record  Record.
	 */
	public static function set_record( int $post_id, array $record ): void {
		update_post_meta( $post_id, self::RECORD, wp_slash( $record ) );
	}

	/**
	 * Cleans a record.
	 *
	 * @param mixed $record What came.
	 * @return array<string, mixed> Record.
	 */
	public static function sanitize_record( $record ): array {
		$record = is_object( $record ) ? (array) $record : $record;
		$clean  = self::empty_record();
		if ( ! is_array( $record ) ) {
			return $clean;
		}
		foreach ( array( 'content', 'engine', 'model', 'language' ) as $name ) {
			$clean[ $name ] = sanitize_text_field( (string) ( $record[ $name ] ?? '' ) );
		}
		foreach ( (array) ( $record['fields'] ?? array() ) as $name => $entry ) {
			$clean['fields'][ sanitize_key( (string) $name ) ] = self::sanitize_entry( (array) $entry );
		}
		foreach ( (array) ( $record['alts'] ?? array() ) as $name => $entry ) {
			$entry = (array) $entry;

			$clean['alts'][ sanitize_key( (string) $name ) ] = self::sanitize_entry( $entry ) + array(
				'text'        => sanitize_text_field( (string) ( $entry['text'] ?? '' ) ),
				'decorative'  => ! empty( $entry['decorative'] ),
				'needs_human' => ! empty( $entry['needs_human'] ),
			);
		}
		return $clean;
	}

	/**
	 * Cleans one entry.
	 *
	 * @param array<string, mixed> $entry Entry.
	 * @return array{by: string, hash: string} Entry.
	 */
	private static function sanitize_entry( array $entry ): array {
		$by = (string) ( $entry['by'] ?? '' );
		return array(
			'by'   => in_array( $by, array( 'ai', 'ai_edited', 'human' ), true ) ? $by : 'human',
			'hash' => sanitize_key( (string) ( $entry['hash'] ?? '' ) ),
		);
	}

	/**
	 * Who wrote a text, as far as the record knows.
	 *
	 * @param array<string, mixed> $entry The record's entry, or an empty array.
	 * @param string               $text  The text as it is now.
	 * @return string `ai`, `ai_edited`, `human` or `none` for an empty text.
	 */
	public static function author( array $entry, string $text ): string {
		if ( '' === trim( $text ) ) {
			return 'none';
		}
		if ( ! isset( $entry['by'], $entry['hash'] ) || 'human' === $entry['by'] ) {
			return 'human';
		}
		return self::hash( $text ) === $entry['hash'] ? (string) $entry['by'] : 'ai_edited';
	}

	/**
	 * A short fingerprint, the same in the editor's script. It tells a change, it protects nothing.
	 *
	 * @param string $text Text.
	 * @return string Eight hexadecimal digits, a hyphen, the length in bytes.
	 */
	public static function hash( string $text ): string {
		return hash( 'fnv1a32', $text ) . '-' . strlen( $text );
	}

	/**
	 * The fingerprint of an article: of its words, so that an alt text or a class does not make it another article.
	 *
	 * @param string $content The post's content.
	 * @return string Fingerprint.
	 */
	public static function content_hash( string $content ): string {
		$words = (string) preg_replace( '/<[^>]*>/', ' ', $content );
		return self::hash( trim( (string) preg_replace( '/[ \t\r\n\f]+/', ' ', $words ), " \t\r\n\f" ) );
	}

	/**
	 * Hands what was accepted in the editor to the SEO plugin and to the media library. Only for a save that brings it.
	 *
	 * @param WP_Post         $post    Post.
	 * @param WP_REST_Request $request The save.
	 */
	public static function after_save( $post, $request ): void {
		$sent = $request['meta'];
		if ( ! is_array( $sent ) ) {
			return;
		}
		$seo = array();
		foreach ( array(
			'title'       => self::TITLE,
			'description' => self::DESCRIPTION,
		) as $field => $key ) {
			if ( array_key_exists( $key, $sent ) ) {
				$seo[ $field ] = (string) get_post_meta( $post->ID, $key, true );
			}
		}
		$active = Seo\Registry::active();
		// An empty field means that it was taken back: then the SEO plugin's own editor says what stands there.
		if ( $active && array_filter( $seo, 'strlen' ) ) {
			$active->write( $post->ID, array_filter( $seo, 'strlen' ) );
		}
		if ( array_key_exists( self::RECORD, $sent ) ) {
			Library::follow( self::record( $post->ID )['alts'] );
		}
	}
}
