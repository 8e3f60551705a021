<?php
/**
 * What the site's owner has set: the backend, who may use it, how texts should sound.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * The plugin's settings. The key is read here and nowhere else.
 *
 * Address and key come from a constant, else the environment, else the site's option, else the network's option.
 *
 * @since 0.1.0
 */
final class Settings {

	public const OPTION     = 'smart_summary_settings';
	public const KEY_OPTION = 'smart_summary_key';

	/**
	 * Places that the backend knows the room of.
	 */
	public const TARGETS = array( 'google', 'google_mobile', 'bing', 'baidu', 'wechat', 'x' );

	/**
	 * What holds where nothing was set.
	 *
	 * @return array<string, mixed> Setting => value.
	 */
	public static function defaults(): array {
		return array(
			'url'          => '',
			'timeout'      => 20,
			'roles'        => array( 'administrator', 'editor', 'author', 'contributor' ),
			'quotas'       => array(),
			'post_types'   => array( 'post', 'page' ),
			'title_target' => 'seo',
			'target'       => '',
			'own_head'     => true,
			'tone'         => '',
			'audience'     => '',
			'brand'        => '',
			'must_include' => array(),
			'avoid'        => array(),
		);
	}

	/**
	 * All settings, complete.
	 *
	 * @return array<string, mixed> Setting => value.
	 */
	public static function all(): array {
		$site    = get_option( self::OPTION, array() );
		$network = is_multisite() ? get_site_option( self::OPTION, array() ) : array();
		return array_merge(
			self::defaults(),
			is_array( $network ) ? array_filter( $network ) : array(),
			is_array( $site ) ? self::without_empty_url( $site ) : array()
		);
	}

	/**
	 * One setting.
	 *
	 * @param string $name Setting.
	 * @return mixed Its value.
	 */
	public static function get( string $name ) {
		return self::all()[ $name ] ?? null;
	}

	/**
	 * A site without an address of its own has the network's.
	 *
	 * @param array<string, mixed> $site The site's settings.
	 * @return array<string, mixed> The same without an empty address.
	 */
	private static function without_empty_url( array $site ): array {
		if ( '' === ( $site['url'] ?? '' ) ) {
			unset( $site['url'] );
		}
		return $site;
	}

	/**
	 * The backend's address without a slash at its end; empty when none is set.
	 *
	 * @return string Address.
	 */
	public static function url(): string {
		$fixed = self::fixed( 'SMART_SUMMARY_URL' );
		return untrailingslashit( '' === $fixed ? (string) self::get( 'url' ) : $fixed );
	}

	/**
	 * The address that this site has set itself.
	 *
	 * @return string Address; empty when it has none, or the network's.
	 */
	public static function own_url(): string {
		$site = get_option( self::OPTION, array() );
		return is_array( $site ) ? (string) ( $site['url'] ?? '' ) : '';
	}

	/**
	 * The address that the network's sites have where they have none of their own.
	 *
	 * @return string Address.
	 */
	public static function network_url(): string {
		$network = is_multisite() ? get_site_option( self::OPTION, array() ) : array();
		return is_array( $network ) ? (string) ( $network['url'] ?? '' ) : '';
	}

	/**
	 * The API key; empty when none is set or when the stored one cannot be read any more.
	 *
	 * @return string Key.
	 */
	public static function key(): string {
		$fixed = self::fixed( 'SMART_SUMMARY_KEY' );
		if ( '' !== $fixed ) {
			return $fixed;
		}
		$stored = (string) get_option( self::KEY_OPTION, '' );
		if ( '' === $stored && is_multisite() ) {
			$stored = (string) get_site_option( self::KEY_OPTION, '' );
		}
		return '' === $stored ? '' : Secret::open( $stored );
	}

	/**
	 * Where the key comes from: `constant`, `environment`, `option`, `network`, `unreadable` or `none`.
	 *
	 * @return string Source.
	 */
	public static function key_source(): string {
		if ( defined( 'SMART_SUMMARY_KEY' ) && '' !== SMART_SUMMARY_KEY ) {
			return 'constant';
		}
		if ( '' !== self::fixed( 'SMART_SUMMARY_KEY' ) ) {
			return 'environment';
		}
		$own     = (string) get_option( self::KEY_OPTION, '' );
		$network = is_multisite() ? (string) get_site_option( self::KEY_OPTION, '' ) : '';
		if ( '' === $own . $network ) {
			return 'none';
		}
		if ( '' === self::key() ) {
			return 'unreadable';
		}
		return '' === $own ? 'network' : 'option';
	}

	/**
	 * Whether address and key are there.
	 *
	 * @return bool True when the backend can be asked.
	 */
	public static function ready(): bool {
		return '' !== self::url() && '' !== self::key();
	}

	/**
	 * The guidelines as the backend takes them; empty wishes are left out.
	 *
	 * @return array<string, mixed> Guidelines.
	 */
	public static function guidelines(): array {
		$all = self::all();
		return array_filter(
			array(
				'tone'         => $all['tone'],
				'audience'     => $all['audience'],
				'brand'        => $all['brand'],
				'must_include' => $all['must_include'],
				'avoid'        => $all['avoid'],
			)
		);
	}

	/**
	 * How long the backend's texts may be; empty where no place is chosen.
	 *
	 * @return array<string, string> Limits.
	 */
	public static function limits(): array {
		return array_filter( array( 'target' => (string) self::get( 'target' ) ), 'strlen' );
	}

	/**
	 * A value that the settings page cannot change.
	 *
	 * @param string $name Name of the constant and of the environment variable.
	 * @return string Value, or empty.
	 */
	public static function fixed( string $name ): string {
		if ( defined( $name ) && '' !== constant( $name ) ) {
			return (string) constant( $name );
		}
		$from_environment = getenv( $name );
		return is_string( $from_environment ) ? $from_environment : '';
	}

	/**
	 * Cleans what the settings form sends.
	 *
	 * @param mixed $input Form values.
	 * @return array<string, mixed> Settings.
	 */
	public static function sanitize( $input ): array {
		$input = is_array( $input ) ? $input : array();
		$clean = array(
			'url'          => self::sanitize_url( (string) ( $input['url'] ?? '' ) ),
			'timeout'      => min( 120, max( 1, (int) ( $input['timeout'] ?? 20 ) ) ),
			'roles'        => array_values( array_intersect( (array) ( $input['roles'] ?? array() ), array_keys( wp_roles()->roles ) ) ),
			'quotas'       => array(),
			'post_types'   => array_values( array_intersect( (array) ( $input['post_types'] ?? array() ), get_post_types( array( 'show_ui' => true ) ) ) ),
			'title_target' => 'post' === ( $input['title_target'] ?? '' ) ? 'post' : 'seo',
			'target'       => in_array( $input['target'] ?? '', self::TARGETS, true ) ? $input['target'] : '',
			'own_head'     => ! empty( $input['own_head'] ),
		);
		foreach ( (array) ( $input['quotas'] ?? array() ) as $role => $quota ) {
			if ( wp_roles()->is_role( (string) $role ) && '' !== trim( (string) $quota ) ) {
				$clean['quotas'][ (string) $role ] = max( 0, (int) $quota );
			}
		}
		foreach ( array( 'tone', 'audience', 'brand' ) as $name ) {
			$clean[ $name ] = mb_substr( sanitize_text_field( (string) ( $input[ $name ] ?? '' ) ), 0, 500 );
		}
		foreach ( array( 'must_include', 'avoid' ) as $name ) {
			$clean[ $name ] = self::sanitize_phrases( $input[ $name ] ?? '' );
		}
		return $clean;
	}

	/**
	 * One phrase a line, twenty at most, as the backend takes them.
	 *
	 * @param mixed $phrases Text with lines, or a list.
	 * @return string[] Phrases.
	 */
	private static function sanitize_phrases( $phrases ): array {
		$lines = is_array( $phrases ) ? $phrases : explode( "\n", (string) $phrases );
		$lines = array_filter( array_map( 'sanitize_text_field', $lines ), 'strlen' );
		return array_slice( array_values( $lines ), 0, 20 );
	}

	/**
	 * Whether this can be a backend's address.
	 *
	 * @param string $url What was typed.
	 * @return bool True for http and https with a host.
	 */
	public static function is_address( string $url ): bool {
		return 1 === preg_match( '#^https?://[^/\s]+#i', $url ) && null !== wp_parse_url( $url, PHP_URL_HOST );
	}

	/**
	 * An http or https address, else the one that was there before.
	 *
	 * @param string $url What was typed.
	 * @return string Address.
	 */
	private static function sanitize_url( string $url ): string {
		$url = untrailingslashit( trim( $url ) );
		if ( '' === $url ) {
			return '';
		}
		if ( ! self::is_address( $url ) ) {
			// Settings may be written by a command too, where there is nobody to tell.
			if ( function_exists( 'add_settings_error' ) ) {
				add_settings_error( self::OPTION, 'smart_summary_url', __( 'The backend’s address must begin with https:// or http://. The old address was kept.', 'smart-summary' ) );
			}
			return self::own_url();
		}
		return sanitize_url( $url, array( 'http', 'https' ) );
	}

	/**
	 * Encrypts a key that was typed; an empty field keeps the old one.
	 *
	 * @param mixed $typed What the form sent.
	 * @return string What is stored.
	 */
	public static function sanitize_key( $typed ): string {
		$typed = is_string( $typed ) ? trim( $typed ) : '';
		if ( '' === $typed || Secret::is_sealed( $typed ) ) {
			return '' === $typed ? (string) get_option( self::KEY_OPTION, '' ) : $typed;
		}
		return Secret::seal( $typed );
	}
}
