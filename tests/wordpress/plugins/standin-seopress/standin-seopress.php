<?php
/**
 * Plugin Name: Stand-in for SEOPress
 * Description: The fields and the meta box of SEOPress, as far as another plugin meets them.
 */

define( 'SEOPRESS_VERSION', '9.7.4' );

add_action( 'wp_head', function () {
	$description = is_singular() ? get_post_meta( get_the_ID(), '_seopress_titles_desc', true ) : '';
	if ( $description ) {
		printf( '<meta name="description" content="%s">' . "\n", esc_attr( $description ) );
	}
} );
// The meta box is posted after the post, with what its inputs hold.
add_action( 'add_meta_boxes', function () {
	add_meta_box( 'standin-seopress', 'SEOPress', function ( $post ) {
		printf( '<input name="seopress_titles_title" value="%s">', esc_attr( get_post_meta( $post->ID, '_seopress_titles_title', true ) ) );
		printf( '<textarea name="seopress_titles_desc">%s</textarea>', esc_textarea( get_post_meta( $post->ID, '_seopress_titles_desc', true ) ) );
	} );
} );
add_action( 'save_post', function ( $id ) {
	if ( isset( $_POST['seopress_titles_title'], $_POST['seopress_titles_desc'] ) ) {
		update_post_meta( $id, '_seopress_titles_title', sanitize_text_field( $_POST['seopress_titles_title'] ) );
		update_post_meta( $id, '_seopress_titles_desc', sanitize_text_field( $_POST['seopress_titles_desc'] ) );
	}
} );
