<?php
/**
 * Fills one old post's empty fields, on the server.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

use WP_Error;
use WP_Post;

defined( 'ABSPATH' ) || exit;

/**
 * What is missing, what to ask, what to change. A change is `{object, field, before, after, entry}`: `object` is the post or
 * an attachment, `field` one of `description`, `excerpt`, `tags`, `alt:ID` (in the post's content), `decorative:ID`,
 * `person:ID` (who has to look at the picture) and `library` (the attachment's alt text); `entry` is what the post's record said of the field before, or null.
 *
 * @since 0.1.0
 */
final class Generator {

	/** The fields that a run may fill. Title and address of a published post are left to people. */
	public const FIELDS = array( 'description', 'excerpt', 'tags', 'alts' );

	/** Pictures in one request, as the backend takes them. */
	private const AT_ONCE = 8;

	/**
	 * What a run would fill in a post.
	 *
	 * @param WP_Post              $post    Post.
	 * @param array<string, mixed> $options `fields`, and `force`: `none`, `ai` (also what this plugin wrote and nobody
	 *                                      changed) or `all`.
	 * @return string[] Fields; `alt:ID` for pictures.
	 */
	public static function missing( WP_Post $post, array $options ): array {
		$record = Meta::record( $post->ID );
		$fields = (array) ( $options['fields'] ?? self::FIELDS );
		$force  = (string) ( $options['force'] ?? 'none' );
		$values = array(
			'description' => array( 'meta_description', Seo\Registry::target()->read( $post->ID )['description'] ),
			'excerpt'     => array( 'summary', $post->post_excerpt ),
			'tags'        => array( 'keywords', implode( ',', self::tags( $post->ID ) ) ),
		);
		if ( ! is_object_in_taxonomy( $post->post_type, 'post_tag' ) ) {
			unset( $values['tags'] );
		}
		$missing = array();
		foreach ( array_intersect_key( $values, array_flip( $fields ) ) as $field => $of ) {
			if ( self::may_fill( Meta::author( $record['fields'][ $of[0] ] ?? array(), $of[1] ), $force ) ) {
				$missing[] = $field;
			}
		}
		if ( in_array( 'alts', $fields, true ) ) {
			foreach ( Pictures::of( $post ) as $id => $picture ) {
				$entry = $record['alts'][ (string) $id ] ?? array();
				// Empty on purpose: nobody is asked again.
				$decorative = '' === $picture['alt'] && ( $picture['decorative'] || ! empty( $entry['decorative'] ) );
				// A person was asked for; a job asks again only when it is told to renew.
				$waits  = '' === $picture['alt'] && 'none' === $force && ! empty( $entry['needs_human'] );
				$author = $picture['featured'] ? Library::author( $id ) : Meta::author( $entry, $picture['alt'] );
				if ( ! $decorative && ! $waits && self::may_fill( $author, $force ) ) {
					$missing[] = 'alt:' . $id;
				}
			}
		}
		return $missing;
	}

	/**
	 * Whether a field may be filled.
	 *
	 * @param string $author Who wrote what stands there.
	 * @param string $force  `none`, `ai` or `all`.
	 * @return bool True when it may.
	 */
	private static function may_fill( string $author, string $force ): bool {
		return 'none' === $author || 'all' === $force || ( 'ai' === $force && 'ai' === $author );
	}

	/**
	 * The requests that what is missing needs: the first has the texts, each has as many pictures as the backend takes.
	 *
	 * @param string[] $missing From `missing`.
	 * @return array<int, array{fields: string[], files: array<int, string>}> Fields of the answer; attachment => path.
	 */
	public static function questions( array $missing ): array {
		$files  = array_filter( self::files( $missing ), 'strlen' );
		$names  = array(
			'description' => 'meta_description',
			'excerpt'     => 'summary',
			'tags'        => 'keywords',
		);
		$fields = array_values( array_intersect_key( $names, array_flip( $missing ) ) );
		$asked  = array();
		foreach ( $files ? array_chunk( $files, self::AT_ONCE, true ) : array( array() ) as $group ) {
			if ( $group ) {
				$fields[] = 'alt_texts';
			}
			if ( $fields ) {
				$asked[] = array(
					'fields' => $fields,
					'files'  => $group,
				);
			}
			$fields = array();
		}
		return $asked;
	}

	/**
	 * A small file of each picture that lacks an alt text.
	 *
	 * @param string[] $missing From `missing`.
	 * @return array<int, string> Attachment => path, empty when there is none.
	 */
	private static function files( array $missing ): array {
		$files = array();
		foreach ( $missing as $field ) {
			if ( 0 === strpos( $field, 'alt:' ) ) {
				$id           = (int) substr( $field, 4 );
				$files[ $id ] = Pictures::small_file( $id );
			}
		}
		return $files;
	}

	/**
	 * What the answers to `questions` change.
	 *
	 * @param WP_Post                          $post    Post.
	 * @param string[]                         $missing From `missing`.
	 * @param array<int, array<string, mixed>> $answers In the order of the questions.
	 * @return array{changes: array<int, array<string, mixed>>, facts: array<string, string>, notes: string[]} Changes.
	 */
	public static function answered( WP_Post $post, array $missing, array $answers ): array {
		$whole = array();
		foreach ( $answers as $answer ) {
			$answer['alt_texts'] = array_merge( $whole['alt_texts'] ?? array(), $answer['alt_texts'] ?? array() );
			$whole               = array_merge( $whole, $answer );
		}
		$notes = array();
		foreach ( array_keys( self::files( $missing ), '', true ) as $id ) {
			$notes[] = 'no_small_file:' . $id;
		}
		return array(
			'changes' => self::changes( $post, $missing, $whole ),
			'facts'   => array(
				'engine'   => (string) ( $whole['engine'] ?? '' ),
				'model'    => (string) ( $whole['model'] ?? '' ),
				'language' => (string) ( $whole['language'] ?? '' ),
			),
			'notes'   => $notes,
		);
	}

	/**
	 * Asks one question about a post.
	 *
	 * @param WP_Post            $post   Post.
	 * @param string[]           $fields Fields of the answer.
	 * @param array<int, string> $files  Attachment => path.
	 * @param string             $run    Names the request.
	 * @param string             $who    `batch` or `interactive`.
	 * @return array<string, mixed>|WP_Error The answer.
	 */
	public static function summarize( WP_Post $post, array $fields, array $files, string $run, string $who = 'batch' ) {
		$request = self::request( $post, $fields, $files, $who );
		$key     = self::site() . $run . '-' . md5( (string) wp_json_encode( $request ) );
		$answer  = Client::summarize( $request, array_combine( array_map( 'strval', array_keys( $files ) ), $files ), $key );
		Log::note( 'summary', $post->ID, is_wp_error( $answer ) ? $answer : null );
		return $answer;
	}

	/**
	 * What this site's idempotency keys begin with.
	 *
	 * @return string Beginning.
	 */
	public static function site(): string {
		return 'wp-' . substr( md5( home_url() ), 0, 8 ) . '-';
	}

	/**
	 * A question about a post, without the pictures' bytes.
	 *
	 * @param WP_Post            $post   Post.
	 * @param string[]           $fields Fields of the answer.
	 * @param array<int, string> $files  Attachment => path.
	 * @param string             $who    `batch` or `interactive`.
	 * @return array<string, mixed> For `POST /v1/summaries`.
	 */
	public static function request( WP_Post $post, array $fields, array $files, string $who = 'batch' ): array {
		$sources = Pictures::of( $post );
		$names   = Pictures::names( $sources );
		$content = trim( (string) preg_replace( '/<!--\s*\/?wp:.*?-->\n?/s', '', $post->post_content ) );
		foreach ( $sources as $id => $picture ) {
			$content = str_replace( array( esc_attr( $picture['src'] ), $picture['src'] ), $names[ $id ], $content );
		}
		$request = array(
			'fields'     => $fields,
			'guidelines' => (object) Settings::guidelines(),
			'limits'     => (object) Settings::limits(),
			'priority'   => $who,
			'images'     => array(),
		);
		if ( '' !== $content || '' !== $post->post_title ) {
			$request['article'] = array(
				'content'  => $content,
				'format'   => 'html',
				'language' => Language::of( $post->ID ),
			);
			if ( '' !== $post->post_title ) {
				$request['article']['title'] = wp_strip_all_tags( $post->post_title );
			}
			$request['article']['url'] = (string) get_permalink( $post );
		}
		foreach ( $files as $id => $path ) {
			$image   = array(
				'id'       => (string) $id,
				// As in the content, so that the picture's place in the text is found.
				'filename' => $names[ $id ] ?? wp_basename( $path ),
			);
			$caption = trim( wp_strip_all_tags( (string) wp_get_attachment_caption( $id ) ) );
			if ( '' !== $caption ) {
				$image['caption'] = mb_substr( $caption, 0, 500 );
			}
			$request['images'][] = $image;
		}
		return $request;
	}

	/**
	 * The changes that an answer makes.
	 *
	 * @param WP_Post              $post    Post.
	 * @param string[]             $missing Fields that may be filled.
	 * @param array<string, mixed> $answer  Answer.
	 * @return array<int, array<string, mixed>> Changes.
	 */
	private static function changes( WP_Post $post, array $missing, array $answer ): array {
		$changes = array();
		$record  = Meta::record( $post->ID );
		$add     = static function ( int $id, string $field, $before, $after ) use ( &$changes, $record ): void {
			if ( $before !== $after ) {
				list( $place, $name ) = self::place( $field );

				$changes[] = array(
					'object' => $id,
					'field'  => $field,
					'before' => $before,
					'after'  => $after,
					'entry'  => $record[ $place ][ $name ] ?? null,
				);
			}
		};
		$text    = static function ( string $name ) use ( $answer ): string {
			return sanitize_text_field( (string) ( $answer[ $name ] ?? '' ) );
		};
		if ( in_array( 'description', $missing, true ) && '' !== $text( 'meta_description' ) ) {
			$add( $post->ID, 'description', Seo\Registry::target()->read( $post->ID )['description'], $text( 'meta_description' ) );
		}
		if ( in_array( 'excerpt', $missing, true ) && '' !== $text( 'summary' ) ) {
			$add( $post->ID, 'excerpt', $post->post_excerpt, $text( 'summary' ) );
		}
		if ( in_array( 'tags', $missing, true ) && ! empty( $answer['keywords'] ) ) {
			$add( $post->ID, 'tags', self::tags( $post->ID ), array_values( array_map( 'sanitize_text_field', (array) $answer['keywords'] ) ) );
		}
		$pictures = Pictures::of( $post );
		foreach ( (array) ( $answer['alt_texts'] ?? array() ) as $alt ) {
			$id = (int) ( $alt['id'] ?? 0 );
			if ( ! isset( $pictures[ $id ] ) || ! in_array( 'alt:' . $id, $missing, true ) ) {
				continue;
			}
			if ( ! empty( $alt['needs_human'] ) ) {
				// Nothing is written that nobody has looked at, and what stands there stays. Remembered as a person's to do.
				if ( '' === $pictures[ $id ]['alt'] ) {
					$add( $post->ID, 'person:' . $id, ! empty( $record['alts'][ (string) $id ]['needs_human'] ), true );
				}
				continue;
			}
			$decorative = ! empty( $alt['decorative'] );
			$words      = $decorative ? '' : sanitize_text_field( (string) ( $alt['text'] ?? '' ) );
			$library    = (string) get_post_meta( $id, Library::KEY, true );
			if ( ! $pictures[ $id ]['featured'] ) {
				$add( $post->ID, 'alt:' . $id, $pictures[ $id ]['alt'], $words );
			}
			// The featured image has no other place for its words.
			if ( '' === $library || $pictures[ $id ]['featured'] ) {
				$add( $id, 'library', $library, $words );
			}
			if ( $decorative ) {
				// Remembered, so that the next run does not send it again.
				$add( $post->ID, 'decorative:' . $id, false, true );
			}
		}
		return $changes;
	}

	/**
	 * Where the post's record speaks of a field.
	 *
	 * @param string $field A change's field.
	 * @return array{string, string} `fields` or `alts`, and the name in it; `library` is in neither.
	 */
	private static function place( string $field ): array {
		$names             = array(
			'description' => 'meta_description',
			'excerpt'     => 'summary',
			'tags'        => 'keywords',
		);
		list( $kind, $of ) = array_pad( explode( ':', $field, 2 ), 2, '' );
		return isset( $names[ $kind ] ) ? array( 'fields', $names[ $kind ] ) : array( 'library' === $kind ? 'library' : 'alts', $of );
	}

	/**
	 * A post's tags.
	 *
	 * @param int $post_id Post.
	 * @return string[] Names.
	 */
	public static function tags( int $post_id ): array {
		$names = wp_get_post_tags( $post_id, array( 'fields' => 'names' ) );
		return is_array( $names ) ? array_values( array_map( 'strval', $names ) ) : array();
	}

	/**
	 * Writes changes, in the direction asked for. A field whose present value is neither the old nor the new one was
	 * changed by a person meanwhile and stays.
	 *
	 * @param int                              $post_id Post.
	 * @param array<int, array<string, mixed>> $changes Changes.
	 * @param string                           $way     `forward` or `back`.
	 * @param array<string, string>            $facts   Engine, model, language; for `forward`.
	 * @return int How many were not written because a person was faster.
	 */
	public static function write( int $post_id, array $changes, string $way, array $facts = array() ): int {
		$post = get_post( $post_id );
		if ( ! $post instanceof WP_Post ) {
			return count( $changes );
		}
		$from    = 'forward' === $way ? 'before' : 'after';
		$to      = 'forward' === $way ? 'after' : 'before';
		$kept    = 0;
		$content = $post->post_content;
		$excerpt = $post->post_excerpt;
		$written = array();
		foreach ( $changes as $change ) {
			list( $kind, $of ) = array_pad( explode( ':', (string) $change['field'], 2 ), 2, '' );
			$now               = self::current( $post_id, $content, $excerpt, $change );
			if ( $now !== $change[ $from ] && $now !== $change[ $to ] ) {
				++$kept;
				continue;
			}
			$value = $change[ $to ];
			switch ( $kind ) {
				case 'description':
					Seo\Registry::target()->write( $post_id, array( 'description' => (string) $value ) );
					break;
				case 'excerpt':
					$excerpt = (string) $value;
					break;
				case 'tags':
					wp_set_post_tags( $post_id, (array) $value, false );
					break;
				case 'alt':
					$content = Pictures::with_alt( $content, (int) $of, (string) $change[ $from ], (string) $value );
					break;
				case 'library':
					Library::write( (int) $change['object'], (string) $value, 'ai' );
					break;
			}
			$written[] = $change;
		}
		if ( $content !== $post->post_content || $excerpt !== $post->post_excerpt ) {
			self::update( $post_id, $content, $excerpt );
		}
		self::remember( $post_id, $content, $written, $way, $facts );
		return $kept;
	}

	/**
	 * A field's value as it is now.
	 *
	 * @param int                  $post_id Post.
	 * @param string               $content Content with the changes so far.
	 * @param string               $excerpt Excerpt with the changes so far.
	 * @param array<string, mixed> $change  Change.
	 * @return mixed Value.
	 */
	private static function current( int $post_id, string $content, string $excerpt, array $change ) {
		list( $kind, $of ) = array_pad( explode( ':', (string) $change['field'], 2 ), 2, '' );
		switch ( $kind ) {
			case 'description':
				return Seo\Registry::target()->read( $post_id )['description'];
			case 'excerpt':
				return $excerpt;
			case 'tags':
				$now = self::tags( $post_id );
				// The database gives them by name, the backend by weight.
				foreach ( array( 'before', 'after' ) as $side ) {
					if ( array() === array_diff( $now, (array) $change[ $side ] ) && array() === array_diff( (array) $change[ $side ], $now ) ) {
						return $change[ $side ];
					}
				}
				return $now;
			case 'alt':
				return Pictures::in( $content )[ (int) $of ]['alt'] ?? null;
			case 'library':
				return (string) get_post_meta( (int) $change['object'], Library::KEY, true );
			case 'person':
				return ! empty( Meta::record( $post_id )['alts'][ $of ]['needs_human'] );
			default:
				return ! empty( Meta::record( $post_id )['alts'][ $of ]['decorative'] );
		}
	}

	/**
	 * Saves content and excerpt. A job has no user, whose missing right to unfiltered HTML would cost the post its embeds.
	 *
	 * @param int    $post_id Post.
	 * @param string $content Content.
	 * @param string $excerpt Excerpt.
	 */
	private static function update( int $post_id, string $content, string $excerpt ): void {
		$filtered = false !== has_filter( 'content_save_pre', 'wp_filter_post_kses' );
		if ( $filtered ) {
			kses_remove_filters();
		}
		wp_update_post(
			wp_slash(
				array(
					'ID'           => $post_id,
					'post_content' => $content,
					'post_excerpt' => $excerpt,
				)
			)
		);
		if ( $filtered ) {
			kses_init_filters();
		}
	}

	/**
	 * Notes in the record who wrote the fields.
	 *
	 * @param int                              $post_id Post.
	 * @param string                           $content The content as it is now.
	 * @param array<int, array<string, mixed>> $written Changes.
	 * @param string                           $way     `forward` or `back`.
	 * @param array<string, string>            $facts   Engine, model, language.
	 */
	private static function remember( int $post_id, string $content, array $written, string $way, array $facts ): void {
		$record = Meta::record( $post_id );
		foreach ( $written as $change ) {
			list( $place, $name ) = self::place( (string) $change['field'] );
			$is_decorative        = 0 === strpos( (string) $change['field'], 'decorative:' );
			$needs_human          = 0 === strpos( (string) $change['field'], 'person:' );
			if ( 'library' === $place ) {
				continue;
			}
			if ( 'back' === $way ) {
				$record[ $place ][ $name ] = $change['entry'] ?? null;
				$record[ $place ]          = array_filter( $record[ $place ] );
				continue;
			}
			$text  = $is_decorative || $needs_human ? '' : implode( ',', (array) $change['after'] );
			$entry = array(
				// What a person was asked for is a person's.
				'by'   => $needs_human ? 'human' : 'ai',
				'hash' => Meta::hash( $text ),
			);
			if ( 'alts' === $place ) {
				$entry += array(
					'text'        => $text,
					'decorative'  => $is_decorative,
					'needs_human' => $needs_human,
				);
			}
			$record[ $place ][ $name ] = $entry;
		}
		if ( 'forward' === $way && $written ) {
			$record = array_merge( $record, array_filter( $facts ), array( 'content' => Meta::content_hash( $content ) ) );
		}
		Meta::set_record( $post_id, $record );
	}
}
