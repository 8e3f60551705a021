<?php
/**
 * Whether the backend serves chats.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Ai;

use Smart_Summary\Settings;
use WordPress\AiClient\Providers\Contracts\ModelMetadataDirectoryInterface;
use WordPress\AiClient\Providers\Contracts\ProviderAvailabilityInterface;

defined( 'ABSPATH' ) || exit;

/**
 * Asks for the list of models, and remembers the answer for ten minutes: the client asks before every prompt, and a backend
 * that is away or serves no chats must not make other providers wait.
 *
 * @since 0.1.0
 */
final class Availability implements ProviderAvailabilityInterface {

	public const TRANSIENT = 'smart_summary_ai';

	/**
	 * The backend's models.
	 *
	 * @var ModelMetadataDirectoryInterface
	 */
	private $directory;

	/**
	 * Takes the directory.
	 *
	 * @param ModelMetadataDirectoryInterface $directory The backend's models.
	 */
	public function __construct( ModelMetadataDirectoryInterface $directory ) {
		$this->directory = $directory;
	}

	/**
	 * Whether it does.
	 *
	 * @return bool True when the backend names a model.
	 */
	public function isConfigured(): bool {
		$for   = md5( Settings::url() . '|' . Settings::key() );
		$known = get_transient( self::TRANSIENT );
		if ( is_array( $known ) && $for === ( $known['for'] ?? '' ) ) {
			return (bool) $known['serves'];
		}
		try {
			$serves = array() !== $this->directory->listModelMetadata();
		} catch ( \Exception $away ) {
			$serves = false;
		}
		set_transient( self::TRANSIENT, compact( 'for', 'serves' ), 10 * MINUTE_IN_SECONDS );
		return $serves;
	}
}
