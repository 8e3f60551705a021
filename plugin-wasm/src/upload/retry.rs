//! When a failed try is worth another, and after how long. Pure: clock and chance are passed in.

use crate::error::{ErrorCode, SmartSummaryError};
use api::Code;

/// The first wait, in milliseconds; it doubles with each try.
const BASE_MS: u64 = 500;
/// Added to a wait that the server names, at most, so that refused callers do not all come back at once.
const SPREAD_MS: f64 = 250.0;

/// How patient a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// Tries in all.
    pub(super) attempts: u32,
    /// The longest wait, in milliseconds. A server that asks for more is told to the caller instead.
    pub(super) max_wait_ms: u64,
}

/// A try that did not end in a summary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// What the caller is told if this was the last try.
    pub(super) error: SmartSummaryError,
    /// Where it broke.
    pub(super) place: Place,
}

/// Where a try broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Here: nothing that was sent would change it.
    Host,
    /// Between us: no answer, or one that ended early. The idempotency key makes it safe to ask again at any time.
    Network,
    /// The server refused before it began.
    Answer,
    /// The server gave up in the middle of its stream; a part may already be on the page.
    Stream {
        /// Text of a field had arrived.
        begun: bool,
    },
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the host for another token, then try at once.
    Refresh(Reason),
    /// Try again after this many milliseconds.
    Wait(u64),
    /// Tell the caller.
    GiveUp,
}

/// Why a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// For this call.
    First,
    /// The server says that its time is over.
    Expired,
    /// The server does not take it.
    Refused,
}

impl Reason {
    /// The name that the host knows.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}

impl Policy {
    /// What follows the failure of try number `attempt` (from 1). `chance` is in 0 to 1.
    pub(super) fn after(
        &self,
        failure: &Failure,
        attempt: u32,
        token: TokenState,
        chance: f64,
    ) -> Next {
        if let (Some(reason), TokenState::Held) = (failure.token_reason(), token) {
            return Next::Refresh(reason);
        }
        if attempt >= self.attempts || !failure.passes() {
            return Next::GiveUp;
        }
        match self.wait_ms(failure.error.retry_after_ms, attempt, chance) {
            wait if wait > self.max_wait_ms => Next::GiveUp,
            wait => Next::Wait(wait),
        }
    }

    /// Never earlier than the server says; else half fixed and half chance of a doubling span.
    fn wait_ms(&self, retry_after_ms: Option<u64>, attempt: u32, chance: f64) -> u64 {
        if let Some(asked) = retry_after_ms {
            return asked.saturating_add((SPREAD_MS * chance) as u64);
        }
        let span = BASE_MS
            .saturating_mul(1 << (attempt - 1).min(16))
            .min(self.max_wait_ms);
        span / 2 + (span as f64 / 2.0 * chance) as u64
    }
}

/// Whether this call may still ask for another token: once, or a host that gives bad tokens would be asked for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenState {
    /// The one the call began with.
    Held,
    /// It was renewed already.
    Renewed,
}

impl Failure {
    fn token_reason(&self) -> Option<Reason> {
        match self.error.code {
            ErrorCode::Server(Code::TokenExpired) => Some(Reason::Expired),
            // A token of a server that has changed its signing key is `token_invalid`; the next one is not.
            ErrorCode::Server(Code::TokenUsedUp | Code::TokenInvalid) => Some(Reason::Refused),
            _ => None,
        }
    }

    /// Whether it may pass by itself.
    fn passes(&self) -> bool {
        match self.place {
            Place::Host | Place::Stream { begun: true } => false,
            Place::Network => true,
            Place::Answer | Place::Stream { begun: false } => match self.error.code {
                // An earlier try of this call is still being answered.
                ErrorCode::Server(Code::IdempotencyInProgress) => true,
                // Both need a person.
                ErrorCode::Server(Code::BudgetUsedUp | Code::TooManyFailures) => false,
                _ => matches!(self.error.status, Some(429 | 502 | 503)),
            },
        }
    }
}

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date that `parse_date` turns into Unix milliseconds
/// (NaN when it is none). Gives milliseconds from `now_ms`, rounded up.
pub(super) fn retry_after_ms(
    header: &str,
    now_ms: f64,
    parse_date: impl FnOnce(&str) -> f64,
) -> Option<u64> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(header.parse::<u64>().ok()?.saturating_mul(1000));
    }
    let wait = parse_date(header) - now_ms;
    (!wait.is_nan()).then(|| wait.max(0.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ClientCode;
    use api::Problem;

    const POLICY: Policy = Policy {
        attempts: 3,
        max_wait_ms: 30_000,
    };

    fn answer(code: Code, retry_after_ms: Option<u64>) -> Failure {
        let problem = Problem {
            retry_after_ms,
            ..Problem::new(code, "", "req")
        };
        Failure {
            error: problem.into(),
            place: Place::Answer,
        }
    }

    fn network() -> Failure {
        Failure {
            error: SmartSummaryError::client(ClientCode::Offline, ""),
            place: Place::Network,
        }
    }

    #[track_caller]
    fn check(failure: &Failure, attempt: u32, chance: f64, expect: Next) {
        assert_eq!(
            POLICY.after(failure, attempt, TokenState::Held, chance),
            expect
        );
    }

    #[test]
    fn the_servers_wait_is_never_cut_short() {
        check(
            &answer(Code::RateLimited, Some(2_000)),
            1,
            0.0,
            Next::Wait(2_000),
        );
        check(
            &answer(Code::Overloaded, Some(2_000)),
            2,
            1.0,
            Next::Wait(2_250),
        );
    }

    #[test]
    fn a_wait_beyond_patience_is_told_to_the_caller() {
        check(
            &answer(Code::RateLimited, Some(30_001)),
            1,
            0.0,
            Next::GiveUp,
        );
    }

    #[test]
    fn without_a_word_from_the_server_the_wait_doubles() {
        check(&network(), 1, 0.0, Next::Wait(250));
        check(&network(), 1, 1.0, Next::Wait(500));
        check(&network(), 2, 0.0, Next::Wait(500));
        check(&network(), 2, 1.0, Next::Wait(1_000));
    }

    #[test]
    fn the_last_try_is_the_last() {
        check(&network(), 3, 0.0, Next::GiveUp);
        check(&answer(Code::RateLimited, Some(1)), 3, 0.0, Next::GiveUp);
    }

    #[test]
    fn a_fault_of_the_request_is_not_repeated() {
        for code in [
            Code::NotAnImage,
            Code::InvalidField,
            Code::KeyRevoked,
            Code::Internal,
            Code::DeadlineExceeded,
        ] {
            check(&answer(code, None), 1, 0.0, Next::GiveUp);
        }
    }

    #[test]
    fn what_needs_a_person_is_not_repeated() {
        check(&answer(Code::BudgetUsedUp, Some(1)), 1, 0.0, Next::GiveUp);
        check(
            &answer(Code::TooManyFailures, Some(1)),
            1,
            0.0,
            Next::GiveUp,
        );
    }

    #[test]
    fn an_answer_in_the_making_is_waited_for() {
        check(
            &answer(Code::IdempotencyInProgress, Some(1_000)),
            1,
            0.0,
            Next::Wait(1_000),
        );
    }

    #[test]
    fn a_token_is_renewed_once() {
        let expired = answer(Code::TokenExpired, None);
        check(&expired, 3, 0.0, Next::Refresh(Reason::Expired));
        check(
            &answer(Code::TokenUsedUp, None),
            1,
            0.0,
            Next::Refresh(Reason::Refused),
        );
        assert_eq!(
            POLICY.after(&expired, 1, TokenState::Renewed, 0.0),
            Next::GiveUp
        );
    }

    #[test]
    fn after_the_first_text_only_the_network_is_tried_again() {
        let mut failure = answer(Code::EngineFailed, None);
        failure.place = Place::Stream { begun: false };
        check(&failure, 1, 0.0, Next::Wait(250));
        failure.place = Place::Stream { begun: true };
        check(&failure, 1, 0.0, Next::GiveUp);
    }

    #[test]
    fn what_fails_here_is_not_repeated() {
        check(
            &Failure {
                place: Place::Host,
                ..network()
            },
            1,
            0.0,
            Next::GiveUp,
        );
    }

    #[test]
    fn many_tries_do_not_overflow() {
        let patient = Policy {
            attempts: u32::MAX,
            max_wait_ms: 60_000,
        };
        assert_eq!(
            patient.after(&network(), u32::MAX - 1, TokenState::Held, 1.0),
            Next::Wait(60_000)
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let never = |_: &str| f64::NAN;
        assert_eq!(retry_after_ms("3", 0.0, never), Some(3_000));
        assert_eq!(retry_after_ms(" 3 ", 0.0, never), Some(3_000));
        assert_eq!(retry_after_ms("soon", 0.0, never), None);
        assert_eq!(retry_after_ms("", 0.0, never), None);
        assert_eq!(
            retry_after_ms("Fri, 21 Nov 2026 10:00:02 GMT", 500.0, |_| 2_000.5),
            Some(1_501)
        );
        assert_eq!(
            retry_after_ms("Fri, 21 Nov 2025 10:00:02 GMT", 5_000.0, |_| 2_000.0),
            Some(0)
        );
    }
}
