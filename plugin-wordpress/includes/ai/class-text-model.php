<?php
/**
 * A model of the backend, for WordPress' AI client.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Ai;

use Smart_Summary\Settings;
use WordPress\AiClient\Providers\Http\Contracts\RequestAuthenticationInterface;
use WordPress\AiClient\Providers\Http\DTO\ApiKeyRequestAuthentication;
use WordPress\AiClient\Providers\Http\DTO\Request;
use WordPress\AiClient\Providers\Http\Enums\HttpMethodEnum;
use WordPress\AiClient\Providers\OpenAiCompatibleImplementation\AbstractOpenAiCompatibleTextGenerationModel;

defined( 'ABSPATH' ) || exit;

/**
 * `POST /v1/chat/completions`.
 *
 * @since 0.1.0
 */
final class Text_Model extends AbstractOpenAiCompatibleTextGenerationModel {

	/**
	 * A request to the backend.
	 *
	 * @param HttpMethodEnum                     $method  Method.
	 * @param string                             $path    Route below `/v1`.
	 * @param array<string, string|list<string>> $headers Headers.
	 * @param string|array<string, mixed>|null   $data    Body.
	 * @return Request Request.
	 */
	protected function createRequest( HttpMethodEnum $method, string $path, array $headers = array(), $data = null ): Request {
		return new Request( $method, Provider::url( $path ), $headers, $data, $this->getRequestOptions() );
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
