<?php
/**
 * The Tools page's routes.
 *
 * @package Smart_Summary
 */

declare( strict_types=1 );

namespace Smart_Summary\Rest;

use Smart_Summary\Backfill;
use Smart_Summary\Generator;
use Smart_Summary\Journal;
use WP_Error;
use WP_REST_Request;
use WP_REST_Server;

defined( 'ABSPATH' ) || exit;

/**
 * `GET|POST smart-summary/v1/runs`, `GET …/runs/ID`, `POST …/runs/ID/(slice|stop|resume|undo)`, `POST …/plan`.
 *
 * @since 0.1.0
 */
final class Runs_Controller {

	/**
	 * Registers the routes.
	 */
	public static function register(): void {
		$may    = static function (): bool {
			return current_user_can( 'manage_options' );
		};
		$wishes = array(
			'fields'     => array(
				'type'    => 'array',
				'items'   => array(
					'type' => 'string',
					'enum' => Generator::FIELDS,
				),
				'default' => array( 'description', 'excerpt', 'alts' ),
			),
			'post_types' => array(
				'type'    => 'array',
				'items'   => array( 'type' => 'string' ),
				'default' => array(),
			),
			'force'      => array(
				'type'    => 'string',
				'enum'    => array( 'none', 'ai' ),
				'default' => 'none',
			),
		);
		$routes = array(
			'/plan'                                    => array( WP_REST_Server::CREATABLE, 'plan', $wishes ),
			'/runs'                                    => array( WP_REST_Server::CREATABLE, 'create_item', $wishes ),
			'/runs/(?P<id>\d+)'                        => array( WP_REST_Server::READABLE, 'get_item', array() ),
			'/runs/(?P<id>\d+)/(?P<verb>slice|stop|resume|undo)' => array( WP_REST_Server::CREATABLE, 'act', array() ),
		);
		foreach ( $routes as $route => $of ) {
			register_rest_route(
				Token_Controller::NAMESPACE,
				$route,
				array(
					array(
						'methods'             => $of[0],
						'callback'            => array( self::class, $of[1] ),
						'permission_callback' => $may,
						'args'                => $of[2],
					),
					'schema' => array( self::class, 'schema' ),
				)
			);
		}
	}

	/**
	 * What was asked for.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array<string, mixed> Options.
	 */
	private static function options( $request ): array {
		$options = array(
			'fields' => (array) $request['fields'],
			'force'  => (string) $request['force'],
		);
		if ( $request['post_types'] ) {
			$options['post_types'] = (array) $request['post_types'];
		}
		return $options;
	}

	/**
	 * How many posts lack something; nothing is sent.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array{posts: int, pictures: int} Numbers.
	 */
	public static function plan( $request ): array {
		$plan     = Backfill::plan( self::options( $request ) );
		$pictures = 0;
		foreach ( $plan as $missing ) {
			$pictures += count( preg_grep( '/^alt:/', $missing ) ?: array() );
		}
		return array(
			'posts'    => count( $plan ),
			'pictures' => $pictures,
		);
	}

	/**
	 * Begins a run.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array<string, mixed>|WP_Error The run.
	 */
	public static function create_item( $request ) {
		$request['id'] = Backfill::begin( self::options( $request ) );
		self::go_on_without_the_page( (int) $request['id'] );
		return self::get_item( $request );
	}

	/**
	 * Should the page be closed, the site works the run off by itself.
	 *
	 * @param int $run_id Run.
	 */
	private static function go_on_without_the_page( int $run_id ): void {
		$run = Journal::run( $run_id );
		if ( $run && 'running' === $run['state'] ) {
			Backfill::schedule( $run_id, max( time() + 60, $run['not_before'] ) );
		}
	}

	/**
	 * A run, with the posts that failed and what it waits for.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array<string, mixed>|WP_Error The run.
	 */
	public static function get_item( $request ) {
		$run = Journal::run( (int) $request['id'] );
		return $run ? self::view( $run ) : new WP_Error( 'smart_summary_no_run', __( 'There is no such run.', 'smart-summary' ), array( 'status' => 404 ) );
	}

	/**
	 * A run as the page shows it.
	 *
	 * @param array<string, mixed> $run From `Journal::run`.
	 * @return array<string, mixed> The same without its options, with `failed`, `left_to_people` and `waits_for`.
	 */
	public static function view( array $run ): array {
		$next = 'running' === $run['state'] ? Journal::items( $run['id'], array( 'waiting' ), 1 ) : array();
		unset( $run['options'] );
		return $run + array(
			'waits_for'      => $next && $next[0]['attempts'] > 0 ? $next[0]['code'] : '',
			'left_to_people' => Journal::left_to_people( $run['id'] ),
			'failed'         => array_map(
				static function ( array $item ): array {
					return array(
						'post' => $item['post_id'],
						'code' => $item['code'],
					);
				},
				Journal::items( $run['id'], array( 'failed' ), 50 )
			),
		);
	}

	/**
	 * Works on a run, stops it, lets it go on, or takes it back.
	 *
	 * @param WP_REST_Request $request Request.
	 * @return array<string, mixed>|WP_Error The run.
	 */
	public static function act( $request ) {
		$run_id = (int) $request['id'];
		switch ( $request['verb'] ) {
			case 'slice':
				$run = Backfill::slice( $run_id, 2 );
				if ( is_wp_error( $run ) ) {
					return $run;
				}
				break;
			case 'stop':
				Backfill::stop( $run_id );
				break;
			case 'resume':
				Backfill::resume( $run_id );
				self::go_on_without_the_page( $run_id );
				break;
			case 'undo':
				$undone = Backfill::undo( $run_id );
				if ( is_wp_error( $undone ) ) {
					return $undone;
				}
				break;
		}
		return self::get_item( $request );
	}

	/**
	 * A run's schema.
	 *
	 * @return array<string, mixed> JSON schema.
	 */
	public static function schema(): array {
		$number = array( 'type' => 'integer' );
		return array(
			'$schema'    => 'http://json-schema.org/draft-04/schema#',
			'title'      => 'smart-summary-run',
			'type'       => 'object',
			'properties' => array(
				'id'             => $number,
				'created'        => array( 'type' => 'string' ),
				'state'          => array(
					'type' => 'string',
					'enum' => array( 'running', 'done', 'stopped', 'undone' ),
				),
				'not_before'     => $number,
				'total'          => $number,
				'counts'         => array(
					'type'                 => 'object',
					'additionalProperties' => $number,
				),
				'waits_for'      => array( 'type' => 'string' ),
				'left_to_people' => $number,
				'failed'         => array( 'type' => 'array' ),
			),
		);
	}
}
