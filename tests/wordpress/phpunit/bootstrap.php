<?php
/**
 * The real WordPress of the site under test; HTTP to the backend is answered by stored responses.
 *
 * @package Smart_Summary
 */

$GLOBALS['_SERVER']['HTTP_HOST'] = (string) parse_url( (string) getenv( 'WP_URL' ), PHP_URL_HOST );
require getenv( 'WP_ROOT' ) . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/template.php';
require_once __DIR__ . '/class-backend.php';
