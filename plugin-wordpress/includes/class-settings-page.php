<?php
/**
 * Settings → Smart Summary.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary;

defined( 'ABSPATH' ) || exit;

/**
 * The settings form, the connection test and the log.
 *
 * @since 0.1.0
 */
final class Settings_Page {

	public const SLUG   = 'smart-summary';
	private const GROUP = 'smart_summary';

	/**
	 * Registers the settings.
	 */
	public static function register(): void {
		register_setting(
			self::GROUP,
			Settings::OPTION,
			array(
				'type'              => 'array',
				'default'           => array(),
				'sanitize_callback' => array( Settings::class, 'sanitize' ),
			)
		);
		register_setting(
			self::GROUP,
			Settings::KEY_OPTION,
			array(
				'type'              => 'string',
				'default'           => '',
				'sanitize_callback' => array( Settings::class, 'sanitize_key' ),
			)
		);
	}

	/**
	 * Adds the page to the menu.
	 */
	public static function menu(): void {
		add_options_page( __( 'Smart Summary', 'smart-summary' ), __( 'Smart Summary', 'smart-summary' ), 'manage_options', self::SLUG, array( self::class, 'render' ) );
	}

	/**
	 * Loads the page's script.
	 *
	 * @param string $hook The screen.
	 */
	public static function enqueue( $hook ): void {
		if ( 'settings_page_' . self::SLUG !== $hook ) {
			return;
		}
		Scripts::enqueue( 'settings', array( 'wp-api-fetch', 'wp-i18n', 'wp-a11y' ) );
	}

	/**
	 * Prints the page. The key is never printed.
	 */
	public static function render(): void {
		if ( ! current_user_can( 'manage_options' ) ) {
			return;
		}
		$all = Settings::all();
		echo '<div class="wrap"><h1>' . esc_html__( 'Smart Summary', 'smart-summary' ) . '</h1>';
		echo '<form method="post" action="options.php">';
		settings_fields( self::GROUP );
		echo '<h2>' . esc_html__( 'Backend', 'smart-summary' ) . '</h2><table class="form-table" role="presentation">';
		self::url_row();
		self::key_row();
		self::input_row( 'timeout', __( 'Time-out in seconds', 'smart-summary' ), (string) $all['timeout'], 'number' );
		echo '</table>';
		self::disclosure();
		echo '<h2>' . esc_html__( 'Who may use it', 'smart-summary' ) . '</h2>';
		self::roles_table( $all );
		echo '<h2>' . esc_html__( 'Posts', 'smart-summary' ) . '</h2><table class="form-table" role="presentation">';
		self::post_types_row( $all );
		self::title_row( $all );
		self::target_row( $all );
		self::head_row( $all );
		echo '</table><h2>' . esc_html__( 'How texts should sound', 'smart-summary' ) . '</h2><table class="form-table" role="presentation">';
		self::input_row( 'tone', __( 'Tone', 'smart-summary' ), $all['tone'], 'text', __( 'For instance: factual, warm.', 'smart-summary' ) );
		self::input_row( 'audience', __( 'Readers', 'smart-summary' ), $all['audience'] );
		self::input_row( 'brand', __( 'The site’s name', 'smart-summary' ), $all['brand'] );
		self::phrases_row( 'must_include', __( 'Phrases to use where the article has them', 'smart-summary' ), $all['must_include'] );
		self::phrases_row( 'avoid', __( 'Phrases to avoid', 'smart-summary' ), $all['avoid'] );
		echo '</table>';
		submit_button();
		echo '</form>';
		self::log_table();
		echo '</div>';
	}

	/**
	 * The address.
	 */
	private static function url_row(): void {
		$fixed   = Settings::fixed( 'SMART_SUMMARY_URL' );
		$network = Settings::network_url();
		$words   = '' === $network ? __( 'Where your Smart Summary server answers.', 'smart-summary' ) : __( 'Empty: the network’s address.', 'smart-summary' );
		echo '<tr><th scope="row"><label for="smart-summary-url">' . esc_html__( 'Address', 'smart-summary' ) . '</label></th><td>';
		printf(
			'<input type="url" class="regular-text code" id="smart-summary-url" name="%1$s[url]" value="%2$s" placeholder="%3$s" %4$s>',
			esc_attr( Settings::OPTION ),
			esc_attr( '' === $fixed ? Settings::own_url() : Settings::url() ),
			esc_attr( '' === $network ? 'https://summary.example' : $network ),
			disabled( '' !== $fixed, true, false )
		);
		echo '<p class="description">' . esc_html( '' === $fixed ? $words : __( 'Set by the constant or environment variable SMART_SUMMARY_URL.', 'smart-summary' ) ) . '</p></td></tr>';
	}

	/**
	 * The key; an empty field keeps the stored one.
	 */
	private static function key_row(): void {
		$words  = array(
			'constant'    => __( 'Set by the constant SMART_SUMMARY_KEY.', 'smart-summary' ),
			'environment' => __( 'Set by the environment variable SMART_SUMMARY_KEY.', 'smart-summary' ),
			'option'      => __( 'A key is stored, encrypted. Leave this empty to keep it.', 'smart-summary' ),
			'network'     => __( 'The network’s key is used. Paste another for this site.', 'smart-summary' ),
			'unreadable'  => __( 'The stored key cannot be read any more, because the site’s salts have changed. Paste it again.', 'smart-summary' ),
			'none'        => __( 'Paste the key that the backend’s operator gave you. It stays on this server.', 'smart-summary' ),
		);
		$source = Settings::key_source();
		echo '<tr><th scope="row"><label for="smart-summary-key">' . esc_html__( 'Key', 'smart-summary' ) . '</label></th><td>';
		printf(
			'<input type="password" class="regular-text code" id="smart-summary-key" name="%1$s" value="" autocomplete="off" spellcheck="false" %2$s>',
			esc_attr( Settings::KEY_OPTION ),
			disabled( in_array( $source, array( 'constant', 'environment' ), true ), true, false )
		);
		echo '<p class="description" id="smart-summary-key-state" data-source="' . esc_attr( $source ) . '">' . esc_html( $words[ $source ] ) . '</p>';
		echo '<p><button type="button" class="button" id="smart-summary-test">' . esc_html__( 'Test the connection', 'smart-summary' ) . '</button> <span id="smart-summary-test-result" role="status"></span></p>';
		echo '<p class="description">' . esc_html__( 'The test uses what is saved.', 'smart-summary' ) . '</p></td></tr>';
	}

	/**
	 * What is sent where.
	 */
	private static function disclosure(): void {
		echo '<div class="notice notice-info inline"><p>' . esc_html__( 'When a writer presses the button, or a job of the Tools page runs, the post’s title and text and small copies of its pictures are sent to the address above, and to nowhere else. Pictures go from the writer’s browser at 1024 pixels at most, without camera data. Nothing is sent before an address is set. There is no tracking.', 'smart-summary' ) . '</p></div>';
	}

	/**
	 * Roles and their quotas.
	 *
	 * @param array<string, mixed> $all Settings.
	 */
	private static function roles_table( array $all ): void {
		echo '<table class="widefat striped" style="max-width:40em"><thead><tr><th>' . esc_html__( 'Role', 'smart-summary' ) . '</th><th>' . esc_html__( 'May use it', 'smart-summary' ) . '</th><th>' . esc_html__( 'Runs a day for each user (empty: any number)', 'smart-summary' ) . '</th></tr></thead><tbody>';
		foreach ( wp_roles()->roles as $role => $of ) {
			if ( empty( $of['capabilities']['edit_posts'] ) ) {
				continue;
			}
			$name = translate_user_role( $of['name'] );
			printf(
				'<tr><td style="vertical-align:middle">%1$s</td><td style="vertical-align:middle"><input type="checkbox" name="%2$s[roles][]" value="%3$s" aria-label="%4$s" %5$s></td><td><input type="number" min="0" class="small-text" name="%2$s[quotas][%3$s]" value="%6$s" aria-label="%7$s"></td></tr>',
				esc_html( $name ),
				esc_attr( Settings::OPTION ),
				esc_attr( $role ),
				/* translators: %s: role */
				esc_attr( sprintf( __( '%s may use Smart Summary', 'smart-summary' ), $name ) ),
				checked( in_array( $role, $all['roles'], true ), true, false ),
				esc_attr( (string) ( $all['quotas'][ $role ] ?? '' ) ),
				/* translators: %s: role */
				esc_attr( sprintf( __( 'Runs a day for %s', 'smart-summary' ), $name ) )
			);
		}
		echo '</tbody></table>';
	}

	/**
	 * Which kinds of post have the panel.
	 *
	 * @param array<string, mixed> $all Settings.
	 */
	private static function post_types_row( array $all ): void {
		echo '<tr><th scope="row">' . esc_html__( 'Kinds of post', 'smart-summary' ) . '</th><td><fieldset>';
		foreach ( get_post_types( array( 'show_ui' => true ), 'objects' ) as $type ) {
			if ( ! post_type_supports( $type->name, 'editor' ) || 0 === strpos( $type->name, 'wp_' ) ) {
				continue;
			}
			printf(
				'<label><input type="checkbox" name="%1$s[post_types][]" value="%2$s" %3$s> %4$s</label><br>',
				esc_attr( Settings::OPTION ),
				esc_attr( $type->name ),
				checked( in_array( $type->name, $all['post_types'], true ), true, false ),
				esc_html( $type->labels->name )
			);
		}
		echo '</fieldset></td></tr>';
	}

	/**
	 * Where the title goes.
	 *
	 * @param array<string, mixed> $all Settings.
	 */
	private static function title_row( array $all ): void {
		$choices = array(
			'seo'  => __( 'the title for search results, and the post’s own title only where it has none', 'smart-summary' ),
			'post' => __( 'the post’s own title', 'smart-summary' ),
		);
		echo '<tr><th scope="row">' . esc_html__( 'An accepted title becomes', 'smart-summary' ) . '</th><td><fieldset>';
		foreach ( $choices as $value => $label ) {
			printf( '<label><input type="radio" name="%1$s[title_target]" value="%2$s" %3$s> %4$s</label><br>', esc_attr( Settings::OPTION ), esc_attr( $value ), checked( $value, $all['title_target'], false ), esc_html( $label ) );
		}
		echo '</fieldset></td></tr>';
	}

	/**
	 * Which place's room titles and descriptions are fitted to.
	 *
	 * @param array<string, mixed> $all Settings.
	 */
	private static function target_row( array $all ): void {
		$names = array(
			''              => __( 'no place in particular', 'smart-summary' ),
			'google'        => __( 'Google', 'smart-summary' ),
			'google_mobile' => __( 'Google on a phone', 'smart-summary' ),
			'bing'          => __( 'Bing', 'smart-summary' ),
			'baidu'         => __( 'Baidu', 'smart-summary' ),
			'wechat'        => __( 'a card in WeChat', 'smart-summary' ),
			'x'             => __( 'a card on X', 'smart-summary' ),
		);
		echo '<tr><th scope="row"><label for="smart-summary-target">' . esc_html__( 'Titles and descriptions fit', 'smart-summary' ) . '</label></th><td>';
		printf( '<select id="smart-summary-target" name="%s[target]">', esc_attr( Settings::OPTION ) );
		foreach ( array_merge( array( '' ), Settings::TARGETS ) as $target ) {
			printf( '<option value="%1$s" %2$s>%3$s</option>', esc_attr( $target ), selected( $target, $all['target'], false ), esc_html( $names[ $target ] ) );
		}
		echo '</select><p class="description">' . esc_html__( 'They are kept to what that place shows, in characters and in pixels.', 'smart-summary' ) . '</p></td></tr>';
	}

	/**
	 * Whether the plugin prints its own meta tags where no SEO plugin does.
	 *
	 * @param array<string, mixed> $all Settings.
	 */
	private static function head_row( array $all ): void {
		$seo = Seo\Registry::active();
		echo '<tr><th scope="row">' . esc_html__( 'Meta tags', 'smart-summary' ) . '</th><td>';
		printf(
			'<label><input type="checkbox" name="%1$s[own_head]" value="1" %2$s> %3$s</label>',
			esc_attr( Settings::OPTION ),
			checked( $all['own_head'], true, false ),
			esc_html__( 'Print description, Open Graph and JSON-LD where no SEO plugin does', 'smart-summary' )
		);
		if ( $seo ) {
			/* translators: %s: name of an SEO plugin */
			echo '<p class="description">' . esc_html( sprintf( __( '%s is active: titles and descriptions are handed to it, and nothing is printed twice.', 'smart-summary' ), $seo->label() ) ) . '</p>';
		}
		echo '</td></tr>';
	}

	/**
	 * One line of text.
	 *
	 * @param string $name  Setting.
	 * @param string $label Label.
	 * @param string $value Value.
	 * @param string $type  Type of the field.
	 * @param string $help  Explanation.
	 */
	private static function input_row( string $name, string $label, string $value, string $type = 'text', string $help = '' ): void {
		printf(
			'<tr><th scope="row"><label for="smart-summary-%1$s">%2$s</label></th><td><input type="%3$s" class="%4$s" id="smart-summary-%1$s" name="%5$s[%1$s]" value="%6$s"><p class="description">%7$s</p></td></tr>',
			esc_attr( $name ),
			esc_html( $label ),
			esc_attr( $type ),
			'number' === $type ? 'small-text' : 'regular-text',
			esc_attr( Settings::OPTION ),
			esc_attr( $value ),
			esc_html( $help )
		);
	}

	/**
	 * A list of phrases, one a line.
	 *
	 * @param string   $name    Setting.
	 * @param string   $label   Label.
	 * @param string[] $phrases Phrases.
	 */
	private static function phrases_row( string $name, string $label, array $phrases ): void {
		printf(
			'<tr><th scope="row"><label for="smart-summary-%1$s">%2$s</label></th><td><textarea class="regular-text" rows="3" id="smart-summary-%1$s" name="%3$s[%1$s]">%4$s</textarea><p class="description">%5$s</p></td></tr>',
			esc_attr( $name ),
			esc_html( $label ),
			esc_attr( Settings::OPTION ),
			esc_textarea( implode( "\n", $phrases ) ),
			esc_html__( 'One a line.', 'smart-summary' )
		);
	}

	/**
	 * The last calls.
	 */
	private static function log_table(): void {
		$lines = array_slice( Log::lines(), 0, 50 );
		echo '<h2>' . esc_html__( 'Last calls', 'smart-summary' ) . '</h2><p>' . esc_html__( 'No titles and no texts are kept.', 'smart-summary' ) . '</p>';
		if ( ! $lines ) {
			echo '<p>' . esc_html__( 'Nothing was asked yet.', 'smart-summary' ) . '</p>';
			return;
		}
		echo '<table class="widefat striped" id="smart-summary-log"><thead><tr><th>' . esc_html__( 'When', 'smart-summary' ) . '</th><th>' . esc_html__( 'What', 'smart-summary' ) . '</th><th>' . esc_html__( 'Who', 'smart-summary' ) . '</th><th>' . esc_html__( 'Post', 'smart-summary' ) . '</th><th>' . esc_html__( 'Result', 'smart-summary' ) . '</th><th>' . esc_html__( 'Request', 'smart-summary' ) . '</th></tr></thead><tbody>';
		foreach ( $lines as $line ) {
			$user = $line['user'] ? get_userdata( $line['user'] ) : false;
			printf(
				'<tr><td>%1$s</td><td>%2$s</td><td>%3$s</td><td>%4$s</td><td><code>%5$s</code></td><td><code>%6$s</code></td></tr>',
				esc_html( (string) wp_date( 'Y-m-d H:i:s', $line['time'] ) ),
				esc_html( $line['what'] ),
				esc_html( $user ? $user->user_login : '–' ),
				esc_html( $line['post'] ? '#' . $line['post'] : '–' ),
				esc_html( $line['code'] ),
				esc_html( $line['request_id'] )
			);
		}
		echo '</tbody></table>';
	}
}
