<?php
/**
 * Plugin Name: Stand-in for The SEO Framework
 * Description: The fields and the meta box of The SEO Framework, as far as another plugin meets them.
 */

define( 'THE_SEO_FRAMEWORK_VERSION', '5.1' );

add_action( 'wp_head', function () {
	$description = is_singular() ? get_post_meta( get_the_ID(), '_genesis_description', true ) : '';
	if ( $description ) {
		printf( '<meta name="description" content="%s">' . "\n", esc_attr( $description ) );
	}
} );
// The meta box is posted after the post, with what its inputs hold.
add_action( 'add_meta_boxes', function () {
	add_meta_box( 'standin-tsf', 'The SEO Framework', function ( $post ) {
		printf( '<input name="autodescription[_genesis_title]" value="%s">', esc_attr( get_post_meta( $post->ID, '_genesis_title', true ) ) );
		printf( '<textarea name="autodescription[_genesis_description]">%s</textarea>', esc_textarea( get_post_meta( $post->ID, '_genesis_description', true ) ) );
	} );
} );
add_action( 'save_post', function ( $id ) {
	if ( isset( $_POST['autodescription']['_genesis_title'], $_POST['autodescription']['_genesis_description'] ) ) {
		update_post_meta( $id, '_genesis_title', sanitize_text_field( $_POST['autodescription']['_genesis_title'] ) );
		update_post_meta( $id, '_genesis_description', sanitize_text_field( $_POST['autodescription']['_genesis_description'] ) );
	}
} );
