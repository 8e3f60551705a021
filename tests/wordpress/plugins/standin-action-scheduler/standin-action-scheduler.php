<?php
/**
 * Plugin Name: Stand-in for Action Scheduler
 * Description: Action Scheduler's functions for single actions, with its rules: what is running is neither cancelled nor run twice.
 */

const STANDIN_ACTIONS = 'standin_actions';

/** The actions; with an argument, stores them. */
function standin_actions( ?array $actions = null ): array {
	if ( null !== $actions ) {
		update_option( STANDIN_ACTIONS, $actions, false );
	}
	return (array) get_option( STANDIN_ACTIONS, array() );
}

function as_schedule_single_action( $timestamp, $hook, $args = array(), $group = '', $unique = false, $priority = 10 ) {
	$actions   = standin_actions();
	$actions[] = compact( 'timestamp', 'hook', 'args', 'group' ) + array( 'status' => 'pending' );
	standin_actions( $actions );
	return count( $actions );
}

function as_unschedule_all_actions( $hook, $args = array(), $group = '' ) {
	$actions = standin_actions();
	foreach ( $actions as $id => $action ) {
		$is_meant = $hook === $action['hook'] && ( ! $args || $args === $action['args'] ) && ( '' === $group || $group === $action['group'] );
		if ( $is_meant && 'pending' === $action['status'] ) {
			$actions[ $id ]['status'] = 'canceled';
		}
	}
	standin_actions( $actions );
}

/** Runs the first action that is waiting, as the queue does when its time has come. */
function standin_run_next(): void {
	foreach ( standin_actions() as $id => $action ) {
		if ( 'pending' === $action['status'] ) {
			standin_actions( array( $id => array( 'status' => 'in-progress' ) + $action ) + standin_actions() );
			do_action_ref_array( $action['hook'], array_values( $action['args'] ) );
			standin_actions( array( $id => array( 'status' => 'complete' ) + $action ) + standin_actions() );
			return;
		}
	}
}
