//! Limits as a caller meets them.

use super::*;
use crate::config::{Environment, Flags};
use crate::telemetry::ManualClock;

const NOON: u64 = 20_000 * 86_400_000 + 43_200_000;

struct House {
    limits: Limits,
    clock: Arc<ManualClock>,
    _directory: tempfile::TempDir,
}

/// A tier `small`: 60 requests a minute, 2 at once; 6 pictures; 100 tokens; 150 a day.
fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let mut flags = Flags {
        data_dir: Some(directory.path().to_owned()),
        ..Flags::default()
    };
    for (key, value) in [
        ("tiers.small.requests_per_minute", "60"),
        ("tiers.small.request_burst", "2"),
        ("tiers.small.images_per_minute", "6"),
        ("tiers.small.tokens_per_minute", "100"),
        ("tiers.small.tokens_per_day", "150"),
        ("anonymous.requests_per_minute", "3"),
        ("anonymous.failed_auth_per_minute", "2"),
    ] {
        flags.set(key, "--test", Some(value));
    }
    let config = Config::load_from(&flags, &Environment::new()).unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let shared: Arc<dyn Clock> = clock.clone();
    let store = Arc::new(store::SqliteWork::open(&directory.path().join("usage.sqlite")).unwrap());
    let limits = Limits::open_unswept(&config, store, None, &shared, Arc::default()).unwrap();
    House {
        limits,
        clock,
        _directory: directory,
    }
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Refusal {
    outcome.unwrap_err().into()
}

#[test]
fn a_refused_caller_that_waits_as_told_is_admitted() {
    let house = house();
    let caller = Caller::for_tests("a", "small");
    for _ in 0..2 {
        house.limits.admit(&caller).unwrap();
    }
    let refused = refusal(house.limits.admit(&caller));
    assert_eq!(refused.code, Code::RateLimited);
    let wait = refused.retry_after_seconds().unwrap();
    assert_eq!(
        house.limits.headers(&caller).limit.split(", ").next(),
        Some(&*format!("\"requests\";r=0;t={wait}"))
    );
    house.clock.advance(Duration::from_secs(wait));
    house.limits.admit(&caller).unwrap();
    house
        .limits
        .admit(&Caller::for_tests("b", "small"))
        .unwrap();
}

#[test]
fn the_headers_have_the_draft_s_syntax() {
    let house = house();
    let caller = Caller::for_tests("a", "small");
    let allowance = house.limits.admit(&caller).unwrap();
    allowance.charge_images(2).unwrap();
    let headers = allowance.headers();
    assert_eq!(
        headers.policy,
        r#""requests";q=60;w=60, "images";q=6;w=60;qu="images", "tokens";q=100;w=60;qu="tokens", "day";q=150;w=86400;qu="tokens""#
    );
    assert_eq!(
        headers.limit,
        r#""requests";r=1;t=1, "images";r=4;t=10, "tokens";r=100, "day";r=150;t=43200"#
    );
    assert_eq!(headers, house.limits.headers(&caller));
}

#[test]
fn more_than_ever_fits_is_not_a_matter_of_waiting() {
    let house = house();
    let allowance = house
        .limits
        .admit(&Caller::for_tests("a", "small"))
        .unwrap();
    let pictures = refusal(allowance.charge_images(7));
    assert_eq!(
        (pictures.code, pictures.limit, pictures.retry_after),
        (Code::TooManyImages, Some(6), None)
    );
    let tokens = refusal(allowance.reserve_tokens(101));
    assert_eq!(
        (tokens.code, tokens.limit, tokens.retry_after),
        (Code::ContentTooLong, Some(100), None)
    );
    allowance.charge_images(6).unwrap();
    assert_eq!(refusal(allowance.charge_images(1)).code, Code::RateLimited);
}

#[test]
fn what_was_set_aside_and_not_used_is_given_back() {
    let house = house();
    let caller = Caller::for_tests("a", "small");
    let allowance = house.limits.admit(&caller).unwrap();
    allowance.reserve_tokens(100).unwrap();
    allowance.settle_tokens(30);
    let usage = |limits: &Limits| {
        let (limits, budget) = limits.usage(&caller).unwrap();
        (limits[2].remaining, budget.unwrap().used)
    };
    assert_eq!(usage(&house.limits), (70, 30));
    allowance.reserve_tokens(70).unwrap();
    assert_eq!(usage(&house.limits), (0, 100));
    drop(allowance);
    assert_eq!(usage(&house.limits), (70, 30), "the caller left");
}

#[test]
fn use_beyond_what_was_set_aside_counts() {
    let house = house();
    let caller = Caller::for_tests("a", "small");
    let allowance = house.limits.admit(&caller).unwrap();
    allowance.reserve_tokens(10).unwrap();
    allowance.settle_tokens(120);
    let (limits, budget) = house.limits.usage(&caller).unwrap();
    assert_eq!((limits[2].remaining, budget.unwrap().used), (0, 120));
}

#[test]
fn the_day_s_budget_ends_with_the_day() {
    let house = house();
    let caller = Caller::for_tests("a", "small");
    for _ in 0..2 {
        let allowance = house.limits.admit(&caller).unwrap();
        allowance.reserve_tokens(75).unwrap();
        allowance.settle_tokens(75);
        house.clock.advance(Duration::from_secs(60));
    }
    let allowance = house.limits.admit(&caller).unwrap();
    let refused = refusal(allowance.reserve_tokens(1));
    assert_eq!(
        (refused.code, refused.retry_after_seconds()),
        (Code::BudgetUsedUp, Some(43_200 - 120))
    );
    let (limits, _) = house.limits.usage(&caller).unwrap();
    assert_eq!(
        limits[2].remaining, 100,
        "the refusal took nothing of the minute"
    );
    house.clock.advance(refused.retry_after.unwrap());
    allowance.reserve_tokens(100).unwrap();
}

#[test]
fn usage_tells_each_limit() {
    let house = house();
    let caller = Caller::for_tests("a", "small");
    house.limits.admit(&caller).unwrap();
    let (limits, budget) = house.limits.usage(&caller).unwrap();
    let told: Vec<_> = limits
        .iter()
        .map(|limit| {
            (
                limit.name.as_str(),
                limit.quota,
                limit.remaining,
                limit.reset_ms,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("requests", 60, 1, 1000),
            ("images", 6, 6, 0),
            ("tokens", 100, 100, 0)
        ]
    );
    assert_eq!(budget.unwrap().resets_at, 20_001 * 86_400_000);
    assert_eq!(
        house
            .limits
            .usage(&Caller::for_tests("b", "default"))
            .unwrap()
            .1,
        None
    );
}

#[test]
fn a_tier_that_is_gone_has_the_default_s_quota() {
    let house = house();
    let headers = house.limits.headers(&Caller::for_tests("a", "gone"));
    assert_eq!(
        headers,
        house.limits.headers(&Caller::for_tests("b", "default"))
    );
}

#[test]
fn wrong_credentials_close_the_address_for_a_while_and_no_other() {
    let house = house();
    let address = "203.0.113.7".parse().unwrap();
    for _ in 0..2 {
        house.limits.may_authenticate(address).unwrap();
        house.limits.failed_authentication(address);
    }
    let refused = refusal(house.limits.may_authenticate(address));
    assert_eq!(
        (refused.code, refused.retry_after_seconds()),
        (Code::TooManyFailures, Some(30))
    );
    house
        .limits
        .may_authenticate("203.0.113.8".parse().unwrap())
        .unwrap();
    house.clock.advance(Duration::from_secs(30));
    house.limits.may_authenticate(address).unwrap();
}

#[test]
fn addresses_are_counted_as_their_owners_have_them() {
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::ffff:1", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
    ] {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(network(one) == network(other), same, "{one} {other}");
    }
    let house = house();
    for host in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        house.limits.anonymous(host.parse().unwrap()).unwrap();
    }
    assert_eq!(
        refusal(house.limits.anonymous("2001:db8::4".parse().unwrap())).code,
        Code::RateLimited
    );
}

#[test]
fn sweeping_forgets_who_has_been_away() {
    let house = house();
    house
        .limits
        .anonymous("192.0.2.1".parse().unwrap())
        .unwrap();
    house.limits.inner.sweep();
    assert_eq!(house.limits.inner.anonymous.tracked(), 1);
    house.clock.advance(Duration::from_secs(61));
    house.limits.inner.sweep();
    assert_eq!(house.limits.inner.anonymous.tracked(), 0);
}
