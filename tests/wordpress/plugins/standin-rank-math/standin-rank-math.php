<?php
/**
 * Plugin Name: Stand-in for Rank Math
 * Description: The fields and the editor store of Rank Math, as far as another plugin meets them.
 */

class RankMath {}

add_action( 'wp_head', function () {
	$description = is_singular() ? get_post_meta( get_the_ID(), 'rank_math_description', true ) : '';
	if ( $description ) {
		printf( '<meta name="description" content="%s">' . "\n", esc_attr( $description ) );
	}
} );
// Its editor saves what its store holds by its own route, once the post is saved.
add_action( 'rest_api_init', function () {
	register_rest_route( 'rankmath/v1', '/updateMeta', array(
		'methods'             => 'POST',
		'permission_callback' => function ( $request ) { return current_user_can( 'edit_post', (int) $request['objectID'] ); },
		'callback'            => function ( $request ) {
			foreach ( (array) $request['meta'] as $key => $value ) {
				if ( 0 === strpos( $key, 'rank_math_' ) ) {
					update_post_meta( (int) $request['objectID'], $key, sanitize_text_field( $value ) );
				}
			}
			return true;
		},
	) );
} );
add_action( 'enqueue_block_editor_assets', function () {
	wp_register_script( 'standin-rank-math', '', array( 'wp-data', 'wp-api-fetch', 'wp-editor' ), '1', true );
	wp_enqueue_script( 'standin-rank-math' );
	$id   = get_the_ID();
	$held = wp_json_encode( array( 'title' => (string) get_post_meta( $id, 'rank_math_title', true ), 'description' => (string) get_post_meta( $id, 'rank_math_description', true ) ) );
	wp_add_inline_script( 'standin-rank-math', "const held = $held, id = $id;" . <<<'JS'
	wp.data.register( wp.data.createReduxStore( 'rank-math', {
		reducer: ( state = held, action ) => action.type === 'SET' ? { ...state, [ action.name ]: action.value } : state,
		actions: {
			updateTitle: ( value ) => ( { type: 'SET', name: 'title', value } ),
			updateDescription: ( value ) => ( { type: 'SET', name: 'description', value } ),
			updateSerpTitle: ( value ) => ( { type: 'SET', name: 'serpTitle', value } ),
			updateSerpDescription: ( value ) => ( { type: 'SET', name: 'serpDescription', value } ),
		},
		selectors: { getTitle: ( state ) => state.title, getDescription: ( state ) => state.description },
	} ) );
	let saving = false;
	wp.data.subscribe( () => {
		const now = wp.data.select( 'core/editor' ).isSavingPost() && ! wp.data.select( 'core/editor' ).isAutosavingPost();
		if ( saving && ! now ) {
			const store = wp.data.select( 'rank-math' );
			wp.apiFetch( { path: '/rankmath/v1/updateMeta', method: 'POST', data: { objectID: id, meta: { rank_math_title: store.getTitle(), rank_math_description: store.getDescription() } } } );
		}
		saving = now;
	} );
JS
	);
} );
