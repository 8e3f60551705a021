<?php
/**
 * Plugin Name: Stand-in for Yoast SEO
 * Description: The fields, the editor store and the meta box of Yoast SEO, as far as another plugin meets them.
 */

define( 'WPSEO_VERSION', '28.3' );

add_action( 'wp_head', function () {
	$description = is_singular() ? get_post_meta( get_the_ID(), '_yoast_wpseo_metadesc', true ) : '';
	if ( $description ) {
		printf( '<meta name="description" content="%s">' . "\n", esc_attr( $description ) );
	}
} );

// The meta box is posted after the post, with what the store holds: a value that is only in the database is lost.
add_action( 'add_meta_boxes', function () {
	add_meta_box( 'wpseo', 'Yoast', function ( $post ) {
		foreach ( array( 'title', 'metadesc' ) as $name ) {
			printf( '<input type="hidden" id="yoast_wpseo_%1$s" name="yoast_wpseo_%1$s" value="%2$s">', $name, esc_attr( get_post_meta( $post->ID, '_yoast_wpseo_' . $name, true ) ) );
		}
	} );
} );
add_action( 'save_post', function ( $id ) {
	foreach ( array( 'title', 'metadesc' ) as $name ) {
		if ( isset( $_POST[ 'yoast_wpseo_' . $name ] ) ) {
			update_post_meta( $id, '_yoast_wpseo_' . $name, sanitize_text_field( $_POST[ 'yoast_wpseo_' . $name ] ) );
		}
	}
} );
add_action( 'enqueue_block_editor_assets', function () {
	wp_register_script( 'standin-yoast', '', array( 'wp-data' ), '1', true );
	wp_enqueue_script( 'standin-yoast' );
	wp_add_inline_script( 'standin-yoast', <<<'JS'
	const template = '%%title%% %%page%% %%sep%% %%sitename%%';
	const hidden = ( name ) => document.getElementById( 'yoast_wpseo_' + name );
	wp.data.register( wp.data.createReduxStore( 'yoast-seo/editor', {
		reducer( state = null, action ) {
			const before = state || { title: hidden( 'title' )?.value || template, description: hidden( 'metadesc' )?.value || '' };
			if ( action.type !== 'UPDATE' ) return before;
			const next = { ...before, ...action.data };
			if ( hidden( 'metadesc' ) ) {
				hidden( 'metadesc' ).value = next.description;
				hidden( 'title' ).value = next.title === template ? '' : next.title;
			}
			return next;
		},
		actions: { updateData: ( data ) => ( { type: 'UPDATE', data } ) },
		selectors: { getSnippetEditorData: ( state ) => state },
	} ) );
JS
	);
} );
