<?php
/**
 * Takes away everything that the plugin has stored. Texts that were accepted are the site's own by then and stay: alt
 * texts, excerpts, tags, addresses and the SEO plugin's fields.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/includes/autoload.php';

Uninstall::run();
