<?php
/**
 * The site's own backend as a provider of WordPress' AI client.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Ai;

use Smart_Summary\Settings;
use WordPress\AiClient\AiClient;
use WordPress\AiClient\Providers\ApiBasedImplementation\AbstractApiProvider;
use WordPress\AiClient\Providers\Contracts\ModelMetadataDirectoryInterface;
use WordPress\AiClient\Providers\Contracts\ProviderAvailabilityInterface;
use WordPress\AiClient\Providers\DTO\ProviderMetadata;
use WordPress\AiClient\Providers\Enums\ProviderTypeEnum;
use WordPress\AiClient\Providers\Models\Contracts\ModelInterface;
use WordPress\AiClient\Providers\Models\DTO\ModelMetadata;

defined( 'ABSPATH' ) || exit;

/**
 * Lets any AI feature of WordPress 7 and of other plugins use the backend through `/v1/chat/completions`. The key is the
 * plugin's own and needs the scope `chat:write`; the Connectors screen asks for none.
 *
 * The file is loaded only where the AI client is there.
 *
 * @since 0.1.0
 */
final class Provider extends AbstractApiProvider {

	public const ID = 'smart-summary';

	/**
	 * Registers the provider, where there is an AI client and a backend.
	 */
	public static function register(): void {
		$registry = AiClient::defaultRegistry();
		if ( ! $registry->hasProvider( self::ID ) ) {
			$registry->registerProvider( self::class );
		}
	}

	/**
	 * The backend's address.
	 *
	 * @return string Address.
	 */
	protected static function baseUrl(): string {
		return Settings::url() . '/v1';
	}

	/**
	 * A model.
	 *
	 * @param ModelMetadata    $model    The model.
	 * @param ProviderMetadata $provider This provider.
	 * @return ModelInterface Model.
	 */
	protected static function createModel( ModelMetadata $model, ProviderMetadata $provider ): ModelInterface {
		return new Text_Model( $model, $provider );
	}

	/**
	 * What is said of the provider.
	 *
	 * @return ProviderMetadata Metadata.
	 */
	protected static function createProviderMetadata(): ProviderMetadata {
		return new ProviderMetadata( self::ID, 'Smart Summary', ProviderTypeEnum::server() );
	}

	/**
	 * Whether the backend serves chats.
	 *
	 * @return ProviderAvailabilityInterface Availability.
	 */
	protected static function createProviderAvailability(): ProviderAvailabilityInterface {
		return new Availability( self::modelMetadataDirectory() );
	}

	/**
	 * The backend's models.
	 *
	 * @return ModelMetadataDirectoryInterface Directory.
	 */
	protected static function createModelMetadataDirectory(): ModelMetadataDirectoryInterface {
		return new Model_Directory();
	}
}
