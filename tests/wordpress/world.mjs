// What every test file begins with: a server with a key, and WordPress told of both.

import { startBackend } from './backend.mjs';
import { php } from './site.mjs';

export const url = process.env.WP_URL;

/** Starts a backend and stores its address and key in the site, as the settings page would. */
export async function world({ settings, chats, scopes = 'summaries:write,tokens:write' } = {}) {
  const backend = await startBackend({ settings, chats });
  const { id, key } = backend.createKey(scopes, url);
  connect(backend.url, key);
  return { backend, key, keyId: id };
}

/** Stores address and key; more settings may be given. */
export function connect(address, key, more = {}) {
  php(`
    $settings = array_merge( \\Smart_Summary\\Settings::defaults(), json_decode( '${JSON.stringify(more)}', true ) );
    $settings['url'] = '${address}';
    update_option( 'smart_summary_settings', $settings );
    update_option( 'smart_summary_key', \\Smart_Summary\\Secret::seal( '${key}' ) );
    return true;`);
}

const PARAGRAPHS = [
  'A histogram counts how many requests fell into each bucket of latency, so that percentiles can be computed later.',
  'Prometheus stores one time series for every bucket, and the query language interpolates between their bounds.',
  'Choose the bounds around the latency that your service promises: a percentile is never more exact than its bucket.',
];

/**
 * Makes a post with pictures of the library; `pictures` are file names of the demo's samples.
 *
 * @returns {{id: number, attachments: number[]}}
 */
export function makePost({
  title = '',
  pictures = [],
  author = 'admin',
  status = 'draft',
  paragraphs = PARAGRAPHS,
  alts = [],
  sizes = true,
  type = 'post',
} = {}) {
  const code = `
    require_once ABSPATH . 'wp-admin/includes/image.php';
    $author = get_user_by( 'login', '${author}' )->ID;
    $attachments = array();
    $blocks = array();
    foreach ( json_decode( '${JSON.stringify(paragraphs)}', true ) as $text ) {
      $blocks[] = '<!-- wp:paragraph --><p>' . $text . '</p><!-- /wp:paragraph -->';
    }
    $alts = json_decode( '${JSON.stringify(alts)}', true );
    foreach ( json_decode( '${JSON.stringify(pictures)}', true ) as $at => $path ) {
      $upload = wp_upload_bits( basename( $path ), null, file_get_contents( $path ) );
      $id = wp_insert_attachment( array( 'post_mime_type' => wp_check_filetype( $path )['type'], 'post_title' => 'Picture', 'post_author' => $author, 'post_status' => 'inherit' ), $upload['file'] );
      ${sizes ? "wp_update_attachment_metadata( $id, wp_generate_attachment_metadata( $id, $upload['file'] ) );" : ''}
      $attachments[] = $id;
      $alt = esc_attr( $alts[ $at ] ?? '' );
      $blocks[] = '<!-- wp:image {"id":' . $id . ',"sizeSlug":"full","linkDestination":"none"} --><figure class="wp-block-image size-full"><img src="' . wp_get_attachment_url( $id ) . '" alt="' . $alt . '" class="wp-image-' . $id . '"/></figure><!-- /wp:image -->';
    }
    $id = wp_insert_post( array( 'post_title' => '${title}', 'post_status' => '${status}', 'post_type' => '${type}', 'post_author' => $author, 'post_content' => wp_slash( implode( "\\n\\n", $blocks ) ) ), true );
    return array( 'id' => $id, 'attachments' => $attachments );`;
  return php(code);
}
