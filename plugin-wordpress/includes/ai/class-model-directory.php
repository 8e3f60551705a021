<?php
/**
 * The backend's models, for WordPress' AI client.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Ai;

use Smart_Summary\Settings;
use WordPress\AiClient\Messages\Enums\ModalityEnum;
use WordPress\AiClient\Providers\Http\Contracts\RequestAuthenticationInterface;
use WordPress\AiClient\Providers\Http\DTO\ApiKeyRequestAuthentication;
use WordPress\AiClient\Providers\Http\DTO\Request;
use WordPress\AiClient\Providers\Http\DTO\Response;
use WordPress\AiClient\Providers\Http\Enums\HttpMethodEnum;
use WordPress\AiClient\Providers\Models\DTO\ModelMetadata;
use WordPress\AiClient\Providers\Models\DTO\SupportedOption;
use WordPress\AiClient\Providers\Models\Enums\CapabilityEnum;
use WordPress\AiClient\Providers\Models\Enums\OptionEnum;
use WordPress\AiClient\Providers\OpenAiCompatibleImplementation\AbstractOpenAiCompatibleModelMetadataDirectory;

defined( 'ABSPATH' ) || exit;

/**
 * `GET /v1/models`.
 *
 * @since 0.1.0
 */
final class Model_Directory extends AbstractOpenAiCompatibleModelMetadataDirectory {

	/**
	 * A request to the backend.
	 *
	 * @param HttpMethodEnum                        $method  Method.
	 * @param string                                $path    Route below `/v1`.
	 * @param array<string, string|list<string>>    $headers Headers.
	 * @param string|array<string, mixed>|null      $data    Body.
	 * @return Request Request.
	 */
	protected function createRequest( HttpMethodEnum $method, string $path, array $headers = array(), $data = null ): Request {
		return new Request( $method, Provider::url( $path ), $headers, $data );
	}

	/**
	 * The models of an answer. Each takes text, and text with pictures.
	 *
	 * @param Response $response Answer.
	 * @return list<ModelMetadata> Models.
	 */
	protected function parseResponseToModelMetadataList( Response $response ): array {
		$data         = (array) $response->getData();
		$text         = ModalityEnum::text();
		$capabilities = array( CapabilityEnum::textGeneration(), CapabilityEnum::chatHistory() );
		$options      = array(
			new SupportedOption( OptionEnum::systemInstruction() ),
			new SupportedOption( OptionEnum::candidateCount() ),
			new SupportedOption( OptionEnum::maxTokens() ),
			new SupportedOption( OptionEnum::temperature() ),
			new SupportedOption( OptionEnum::topP() ),
			new SupportedOption( OptionEnum::stopSequences() ),
			new SupportedOption( OptionEnum::outputMimeType(), array( 'text/plain', 'application/json' ) ),
			new SupportedOption( OptionEnum::outputSchema() ),
			new SupportedOption( OptionEnum::customOptions() ),
			new SupportedOption( OptionEnum::inputModalities(), array( array( $text ), array( $text, ModalityEnum::image() ) ) ),
			new SupportedOption( OptionEnum::outputModalities(), array( array( $text ) ) ),
		);
		$models       = array();
		foreach ( (array) ( $data['data'] ?? array() ) as $model ) {
			if ( is_array( $model ) && is_string( $model['id'] ?? null ) ) {
				$models[] = new ModelMetadata( $model['id'], $model['id'], $capabilities, $options );
			}
		}
		return $models;
	}

	/**
	 * The plugin's own key; the Connectors screen asks for none.
	 *
	 * @return RequestAuthenticationInterface Authentication.
	 */
	public function getRequestAuthentication(): RequestAuthenticationInterface {
		return new ApiKeyRequestAuthentication( Settings::key() );
	}
}
