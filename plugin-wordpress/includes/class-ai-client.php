<?php
/**
 * WordPress' AI client, where the site has one.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * Registers the backend as a provider, and lets the client's requests reach it: the client sends by `wp_safe_remote_request`,
 * which refuses hosts of the own network and unusual ports.
 *
 * @since 0.1.0
 */
final class Ai_Client {

	/**
	 * Registers the provider. On older versions of WordPress nothing happens.
	 */
	public static function register(): void {
		if ( class_exists( '\WordPress\AiClient\AiClient' ) && class_exists( '\WordPress\AiClient\Providers\OpenAiCompatibleImplementation\AbstractOpenAiCompatibleTextGenerationModel' ) && Settings::ready() ) {
			try {
				Ai\Provider::register();
			} catch ( \Throwable $changed ) {
				// Another version of the client may want something else of a provider; the site must not fall over it.
				Log::note( 'ai-client', 0, new \WP_Error( 'smart_summary_ai_client', $changed->getMessage() ) );
			}
		}
	}

	/**
	 * Lets requests to exactly the backend's address pass.
	 *
	 * @param bool   $external Whether the host is taken for one of another network.
	 * @param string $host     Host.
	 * @param string $url      Address.
	 * @return bool True for the backend.
	 */
	public static function allow_host( $external, $host, $url ) {
		return $external || self::is_backend( (string) $url );
	}

	/**
	 * Lets requests to exactly the backend's port pass.
	 *
	 * @param int[]  $ports Ports.
	 * @param string $host  Host.
	 * @param string $url   Address.
	 * @return int[] Ports, with the backend's for the backend.
	 */
	public static function allow_port( $ports, $host, $url ) {
		$port = wp_parse_url( Settings::url(), PHP_URL_PORT );
		if ( $port && self::is_backend( (string) $url ) ) {
			$ports[] = $port;
		}
		return $ports;
	}

	/**
	 * Whether an address is one of the backend.
	 *
	 * @param string $url Address.
	 * @return bool True when it is.
	 */
	private static function is_backend( string $url ): bool {
		$backend = Settings::url();
		return '' !== $backend && 0 === strpos( $url, $backend . '/' );
	}
}
