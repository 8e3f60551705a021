<?php
/**
 * The plugin's abilities, for WordPress versions that have the Abilities API.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;
use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * `smart-summary/summarize` and `smart-summary/alt-text`: suggestions only; nothing is written.
 *
 * @since 0.1.0
 */
final class Abilities {

	/**
	 * Registers the category.
	 */
	public static function register_category(): void {
		wp_register_ability_category(
			'smart-summary',
			array(
				'label'       => __( 'Smart Summary', 'smart-summary' ),
				'description' => __( 'Suggestions from this site’s own Smart Summary server.', 'smart-summary' ),
			)
		);
	}

	/**
	 * Registers the abilities.
	 */
	public static function register(): void {
		$post = array(
			'type'        => 'integer',
			'minimum'     => 1,
			'description' => __( 'The post.', 'smart-summary' ),
		);
		$text = array( 'type' => 'string' );
		$meta = array(
			'show_in_rest' => true,
			'annotations'  => array(
				'readonly'    => true,
				'destructive' => false,
			),
		);
		wp_register_ability(
			'smart-summary/summarize',
			array(
				'label'               => __( 'Summarize a post', 'smart-summary' ),
				'description'         => __( 'Suggests title, description, keywords, address and summary for a post. Nothing is written.', 'smart-summary' ),
				'category'            => 'smart-summary',
				'input_schema'        => array(
					'type'                 => 'object',
					'properties'           => array( 'post_id' => $post ),
					'required'             => array( 'post_id' ),
					'additionalProperties' => false,
				),
				'output_schema'       => array(
					'type'       => 'object',
					'properties' => array(
						'title'            => $text,
						'meta_description' => $text,
						'keywords'         => array(
							'type'  => 'array',
							'items' => $text,
						),
						'slug'             => $text,
						'summary'          => $text,
						'language'         => $text,
					),
				),
				'permission_callback' => array( self::class, 'may_use' ),
				'execute_callback'    => array( self::class, 'summarize' ),
				'meta'                => $meta,
			)
		);
		wp_register_ability(
			'smart-summary/alt-text',
			array(
				'label'               => __( 'Suggest an alt text', 'smart-summary' ),
				'description'         => __( 'Suggests an alt text for a picture as it is used in a post. Nothing is written.', 'smart-summary' ),
				'category'            => 'smart-summary',
				'input_schema'        => array(
					'type'                 => 'object',
					'properties'           => array(
						'post_id'       => $post,
						'attachment_id' => array(
							'type'        => 'integer',
							'minimum'     => 1,
							'description' => __( 'The picture in the media library.', 'smart-summary' ),
						),
					),
					'required'             => array( 'post_id', 'attachment_id' ),
					'additionalProperties' => false,
				),
				'output_schema'       => array(
					'type'       => 'object',
					'properties' => array(
						'text'        => $text,
						'decorative'  => array( 'type' => 'boolean' ),
						'needs_human' => array(
							'type'        => 'boolean',
							'description' => __( 'Whether a person has to look at the picture before the text is used.', 'smart-summary' ),
						),
					),
				),
				'permission_callback' => array( self::class, 'may_use' ),
				'execute_callback'    => array( self::class, 'alt_text' ),
				'meta'                => $meta,
			)
		);
	}

	/**
	 * Whether the user may use the plugin for exactly this post, and see the picture.
	 *
	 * @param array<string, mixed> $input Input.
	 * @return bool True when they may.
	 */
	public static function may_use( $input ): bool {
		$picture = (int) ( $input['attachment_id'] ?? 0 );
		return Access::may_use( (int) ( $input['post_id'] ?? 0 ) ) && ( 0 === $picture || current_user_can( 'read_post', $picture ) );
	}

	/**
	 * Suggests a post's fields.
	 *
	 * @param array<string, mixed> $input Input.
	 * @return array<string, mixed>|WP_Error Fields.
	 */
	public static function summarize( $input ) {
		$names  = array( 'title', 'meta_description', 'keywords', 'slug', 'summary' );
		$answer = self::ask( (int) $input['post_id'], $names, array() );
		return is_wp_error( $answer ) ? $answer : array_intersect_key( $answer, array_flip( $names ) + array( 'language' => 0 ) );
	}

	/**
	 * Suggests an alt text.
	 *
	 * @param array<string, mixed> $input Input.
	 * @return array{text: string, decorative: bool, needs_human: bool}|WP_Error Alt text.
	 */
	public static function alt_text( $input ) {
		$id   = (int) $input['attachment_id'];
		$file = Pictures::small_file( $id );
		if ( '' === $file ) {
			return new WP_Error( 'smart_summary_file', __( 'The library has no size of this picture that is small enough to be sent.', 'smart-summary' ), array( 'status' => 422 ) );
		}
		$answer = self::ask( (int) $input['post_id'], array( 'alt_texts' ), array( $id => $file ) );
		if ( is_wp_error( $answer ) ) {
			return $answer;
		}
		return array(
			'text'        => (string) ( $answer['alt_texts'][0]['text'] ?? '' ),
			'decorative'  => ! empty( $answer['alt_texts'][0]['decorative'] ),
			'needs_human' => ! empty( $answer['alt_texts'][0]['needs_human'] ),
		);
	}

	/**
	 * Asks the backend, within the role's quota.
	 *
	 * @param int                $post_id Post.
	 * @param string[]           $fields  Fields.
	 * @param array<int, string> $files   Attachment => path.
	 * @return array<string, mixed>|WP_Error Answer.
	 */
	private static function ask( int $post_id, array $fields, array $files ) {
		$post    = get_post( $post_id );
		$charged = Access::charge( wp_get_current_user() );
		if ( is_wp_error( $charged ) ) {
			return $charged;
		}
		if ( ! $post instanceof WP_Post ) {
			return new WP_Error( 'smart_summary_no_post', __( 'There is no such post.', 'smart-summary' ), array( 'status' => 404 ) );
		}
		return Generator::summarize( $post, $fields, $files, 'ability', 'interactive' );
	}
}
