<?php
/**
 * Plugin Name: Stand-in for All in One SEO
 * Description: The table, the model and the post-meta mirror of All in One SEO, as far as another plugin meets them.
 */

namespace AIOSEO\Plugin\Common\Models {
	/** A row of the table. The plugin's pages are printed from here; the mirror in the post meta is never read. */
	class Post {
		public $post_id;
		public $title;
		public $description;

		public static function getPost( $post_id ) {
			global $wpdb;
			$post = new self();
			$post->post_id = (int) $post_id;
			$row = $wpdb->get_row( $wpdb->prepare( "SELECT title, description FROM {$wpdb->prefix}aioseo_posts WHERE post_id = %d", $post_id ) );
			$post->title = $row->title ?? null;
			$post->description = $row->description ?? null;
			return $post;
		}

		public function save() {
			global $wpdb;
			$wpdb->delete( $wpdb->prefix . 'aioseo_posts', array( 'post_id' => $this->post_id ) );
			$wpdb->insert( $wpdb->prefix . 'aioseo_posts', array( 'post_id' => $this->post_id, 'title' => $this->title, 'description' => $this->description ) );
			update_post_meta( $this->post_id, '_aioseo_description', $this->description );
		}
	}
}

namespace {
	define( 'AIOSEO_VERSION', '4.9.7' );

	register_activation_hook( __FILE__, function () {
		global $wpdb;
		$wpdb->query( "CREATE TABLE IF NOT EXISTS {$wpdb->prefix}aioseo_posts ( id bigint(20) unsigned NOT NULL AUTO_INCREMENT, post_id bigint(20) unsigned NOT NULL, title text, description text, created datetime, updated datetime, PRIMARY KEY (id) )" );
	} );
	add_action( 'wp_head', function () {
		$post = is_singular() ? \AIOSEO\Plugin\Common\Models\Post::getPost( get_the_ID() ) : null;
		if ( $post && $post->description ) {
			printf( '<meta name="description" content="%s">' . "\n", esc_attr( $post->description ) );
		}
	} );
	// Its own page saves what it had when it was opened, after the post: what came in between is put back.
	add_action( 'rest_api_init', function () {
		register_rest_route( 'aioseo/v1', '/post', array(
			'methods'             => 'POST',
			'permission_callback' => function ( $request ) { return current_user_can( 'edit_post', (int) $request['id'] ); },
			'callback'            => function ( $request ) {
				$post = \AIOSEO\Plugin\Common\Models\Post::getPost( (int) $request['id'] );
				$post->title = $request['title'];
				$post->description = $request['description'];
				$post->save();
				return true;
			},
		) );
	} );
	add_action( 'enqueue_block_editor_assets', function () {
		wp_register_script( 'standin-aioseo', '', array( 'wp-data', 'wp-api-fetch', 'wp-editor' ), '1', true );
		wp_enqueue_script( 'standin-aioseo' );
		$id = get_the_ID();
		$post = \AIOSEO\Plugin\Common\Models\Post::getPost( $id );
		$held = wp_json_encode( array( 'id' => $id, 'title' => (string) $post->title, 'description' => (string) $post->description ) );
		// No `window.aioseo`: an editor whose state cannot be reached from outside.
		wp_add_inline_script( 'standin-aioseo', "{ const held = $held;" . <<<'JS'
		let saving = false;
		wp.data.subscribe( () => {
			const now = wp.data.select( 'core/editor' ).isSavingPost() && ! wp.data.select( 'core/editor' ).isAutosavingPost();
			if ( saving && ! now ) wp.apiFetch( { path: '/aioseo/v1/post', method: 'POST', data: held } );
			saving = now;
		} ); }
JS
		);
	} );
}
