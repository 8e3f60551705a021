<?php
/**
 * Plugin Name: Stand-in for Polylang
 * Description: The language of a post, the box in which its writer changes it, and queries that are narrowed to one language.
 */

const STANDIN_LANGUAGES = array(
	'en' => array( 'en_US', 'en-US' ),
	'de' => array( 'de_DE_formal', 'de-DE' ),
);

function pll_get_post_language( $post_id, $field = 'slug' ) {
	$slug = (string) get_post_meta( $post_id, 'standin_language', true );
	if ( ! isset( STANDIN_LANGUAGES[ $slug ] ) ) {
		return false;
	}
	return array( 'slug' => $slug, 'locale' => STANDIN_LANGUAGES[ $slug ][0], 'w3c' => STANDIN_LANGUAGES[ $slug ][1] )[ $field ] ?? false;
}

// English is the language of the dashboard: a query that does not name `lang` itself finds posts in English.
add_action( 'parse_query', function ( $query ) {
	if ( ! isset( $query->query_vars['lang'] ) && in_array( 'post', (array) ( $query->query_vars['post_type'] ?? '' ), true ) ) {
		$query->query_vars['meta_key']   = 'standin_language';
		$query->query_vars['meta_value'] = 'en';
	}
} );

add_action( 'add_meta_boxes', function () {
	add_meta_box( 'ml_box', 'Languages', function ( $post ) {
		echo '<select name="post_lang_choice" id="post_lang_choice" class="post_lang_choice tags-input">';
		foreach ( STANDIN_LANGUAGES as $slug => $of ) {
			printf( '<option value="%s" lang="%s"%s>%s</option>', $slug, $of[1], selected( $slug, pll_get_post_language( $post->ID ), false ), $slug );
		}
		echo '</select>';
	}, 'post', 'side', 'high' );
} );
