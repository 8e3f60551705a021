<?php
/**
 * Plugin Name: Stand-in for the Classic Editor
 * Description: Switches the block editor off.
 */

add_filter( 'use_block_editor_for_post', '__return_false' );
