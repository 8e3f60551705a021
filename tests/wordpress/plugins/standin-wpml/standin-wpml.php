<?php
/**
 * Plugin Name: Stand-in for WPML
 * Description: The language of a post by WPML's filters, and queries that are narrowed to one language unless they suppress filters.
 */

add_filter( 'wpml_post_language_details', function ( $empty, $post_id ) {
	$code = (string) get_post_meta( $post_id, 'standin_language', true );
	return array(
		'language_code'      => '' === $code ? null : $code,
		'locale'             => array( 'zh-hans' => 'zh_CN' )[ $code ] ?? null,
		'different_language' => 'en' !== $code,
	);
}, 10, 2 );

add_filter( 'wpml_current_language', function () {
	return get_option( 'standin_current_language', 'all' );
} );

add_filter( 'posts_where', function ( $where, $query ) {
	global $wpdb;
	$of_posts = in_array( 'post', (array) ( $query->query_vars['post_type'] ?? '' ), true );
	return $of_posts ? $where . " AND $wpdb->posts.ID IN ( SELECT post_id FROM $wpdb->postmeta WHERE meta_key = 'standin_language' AND meta_value = 'en' )" : $where;
}, 10, 2 );
