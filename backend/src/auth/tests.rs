//! The whole of a caller's way in, against stores in a directory of their own.

use std::path::Path;

use api::{KeyChange, KeyDraft};

use super::*;
use crate::telemetry::ManualClock;

/// 2026-11-21.
const NOW: u64 = 1_795_219_200_000;
/// Who does it in these tests.
const BY: Actor = Actor::Server;
const PAGE: &str = "https://blog.example";

/// The audit log of a house: who, what, about what.
fn log(keys: &Keys) -> Vec<(String, String, String)> {
    let entries = keys.entries(0).unwrap().into_iter();
    entries
        .map(|entry| (entry.actor, entry.act, entry.subject))
        .collect()
}

/// What a thief of the file does: without the pepper, but past the triggers.
fn tampered(directory: &Path, sql: &str) -> Result<Whole, Broken> {
    let file = rusqlite::Connection::open(directory.join("keys.sqlite")).unwrap();
    file.execute_batch("DROP TRIGGER audit_is_not_updated; DROP TRIGGER audit_is_not_deleted;")
        .unwrap();
    file.execute_batch(sql).unwrap();
    drop(file);
    let config = Config::for_tests(directory).unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let keys = Keys::open(&config, clock, Arc::default()).unwrap();
    keys.verify_log(None).unwrap()
}

struct House {
    auth: Auth,
    clock: Arc<ManualClock>,
    directory: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let (auth, first) = open(directory.path(), &clock);
        assert!(first.is_some());
        Self {
            auth,
            clock,
            directory,
        }
    }

    fn key(&self, scopes: &[Scope], origins: &[&str]) -> (String, String) {
        let origins = origins.iter().map(ToString::to_string).collect();
        let draft = KeyDraft {
            name: "site".into(),
            scopes: scopes.to_vec(),
            origins,
            tier: None,
            safety: api::Safety::default(),
            expires_at: None,
        };
        let made = self.auth.keys().create(&BY, &draft).unwrap();
        (made.id, format!("Bearer {}", made.key))
    }

    fn site(&self) -> (String, String) {
        self.key(&[Scope::SummariesWrite, Scope::TokensWrite], &[PAGE])
    }

    fn token(&self, bearer: &str, request: &TokenRequest) -> String {
        let caller = self.auth.authenticate(Some(bearer), None).unwrap();
        format!("Bearer {}", self.auth.mint(&caller, request).unwrap().token)
    }

    #[track_caller]
    fn refused(&self, authorization: Option<&str>, origin: Option<&str>, expect: Code) {
        let error = self.auth.authenticate(authorization, origin).unwrap_err();
        assert_eq!(error.code(), expect, "{error:?}");
    }
}

fn open(directory: &Path, clock: &Arc<ManualClock>) -> (Auth, Option<FirstKey>) {
    let config = Config::for_tests(directory).unwrap();
    Auth::open_unwatched(&config, clock.clone(), Arc::default()).unwrap()
}

fn request() -> TokenRequest {
    TokenRequest {
        subject: Some("editor 7".into()),
        origin: PAGE.into(),
        scopes: vec![Scope::SummariesWrite],
        ttl_seconds: 300,
        max_requests: None,
    }
}

#[test]
fn a_file_that_is_no_key_store_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.sqlite");
    std::fs::write(
        &path,
        "no database, and longer than the header of one".repeat(40),
    )
    .unwrap();
    let config = Config::for_tests(directory.path()).unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let error = Auth::open_unwatched(&config, clock, Arc::default()).unwrap_err();
    let line = error.to_string();
    assert!(line.starts_with(&path.display().to_string()), "{line}");
    assert!(line.contains("restore it from a backup"), "{line}");
}

#[test]
fn the_first_start_makes_one_key_with_every_scope() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let (auth, first) = open(directory.path(), &clock);
    let caller = auth
        .authenticate(Some(&format!("Bearer {}", first.unwrap().expose())), None)
        .unwrap();
    assert!(
        Scope::ALL
            .into_iter()
            .all(|scope| caller.require(scope).is_ok())
    );
    drop(auth);
    assert!(
        open(directory.path(), &clock).1.is_none(),
        "the second start makes none"
    );
}

#[test]
fn the_scheme_is_read_as_the_specification_says() {
    let house = House::new();
    let (_, bearer) = house.site();
    let key = bearer.trim_start_matches("Bearer ");
    for good in [format!("bearer {key}"), format!("BEARER  {key}")] {
        assert!(house.auth.authenticate(Some(&good), None).is_ok(), "{good}");
    }
    house.refused(None, None, Code::CredentialsMissing);
    for bad in [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        format!("Basic {key}"),
        key.to_owned(),
        format!("Bearer {key} {key}"),
        format!("Bearer {key},x"),
        "Bearer \u{fe0f}".into(),
        "Bearer nothing".into(),
        "Bearer a.b".into(),
        format!("Bearer {}", "a".repeat(5000)),
    ] {
        let code = house
            .auth
            .authenticate(Some(&bad), None)
            .unwrap_err()
            .code();
        assert!(
            matches!(code, Code::CredentialsMalformed | Code::KeyMistyped),
            "{bad}: {code}"
        );
    }
}

#[test]
fn a_mistyped_key_is_told_apart_from_an_unknown_one() {
    let house = House::new();
    let (_, bearer) = house.site();
    let place = bearer.len() - 10;
    let mut mistyped = bearer.clone();
    mistyped.replace_range(
        place..=place,
        if &bearer[place..=place] == "x" {
            "y"
        } else {
            "x"
        },
    );
    house.refused(Some(&mistyped), None, Code::KeyMistyped);
    let unknown = format!("Bearer {}", ApiKey::generate(None).unwrap().text());
    house.refused(Some(&unknown), None, Code::KeyUnknown);
    let (id, _) = house.site();
    let wrong_secret = format!("Bearer {}", ApiKey::generate(Some(&id)).unwrap().text());
    house.refused(Some(&wrong_secret), None, Code::KeyUnknown);
}

#[test]
fn guessed_ids_take_no_room_in_memory() {
    let house = House::new();
    let (_, key) = house.site();
    house.auth.authenticate(Some(&key), None).unwrap();
    let known = house.auth.keys().in_memory();
    for _ in 0..500 {
        let guess = format!("Bearer {}", ApiKey::generate(None).unwrap().text());
        house.refused(Some(&guess), None, Code::KeyUnknown);
    }
    assert_eq!((known, house.auth.keys().in_memory()), (1, 1));
}

#[test]
fn a_key_ends_with_its_last_millisecond_even_when_it_is_kept_in_memory() {
    let house = House::new();
    let draft = KeyDraft {
        name: "short".into(),
        scopes: vec![Scope::SummariesWrite],
        origins: vec![],
        tier: None,
        safety: api::Safety::default(),
        expires_at: Some(NOW + 1000),
    };
    let bearer = format!(
        "Bearer {}",
        house.auth.keys().create(&BY, &draft).unwrap().key
    );
    assert!(house.auth.authenticate(Some(&bearer), None).is_ok());
    house.clock.advance(Duration::from_millis(999));
    assert!(house.auth.authenticate(Some(&bearer), None).is_ok());
    house.clock.advance(Duration::from_millis(1));
    house.refused(Some(&bearer), None, Code::KeyExpired);
}

#[test]
fn a_revoked_key_and_its_tokens_end_at_once() {
    let house = House::new();
    let (id, bearer) = house.site();
    let token = house.token(&bearer, &request());
    assert!(house.auth.authenticate(Some(&token), Some(PAGE)).is_ok());
    house.auth.keys().revoke(&BY, &id).unwrap();
    house.refused(Some(&bearer), None, Code::KeyRevoked);
    house.refused(Some(&token), Some(PAGE), Code::KeyRevoked);
    assert!(!house.auth.is_known_origin(PAGE));
    let code = |error: Error| error.code();
    assert_eq!(
        house
            .auth
            .keys()
            .change(&BY, &id, &KeyChange::default())
            .map_err(code),
        Err(Code::Conflict)
    );
    assert_eq!(
        house
            .auth
            .keys()
            .rotate(&BY, &id, DEFAULT_OVERLAP)
            .map_err(code),
        Err(Code::Conflict)
    );
    assert!(
        house.auth.keys().revoke(&BY, &id).is_ok(),
        "again changes nothing"
    );
}

#[test]
fn a_change_by_another_process_counts_after_the_next_look() {
    let house = House::new();
    let (id, bearer) = house.site();
    let (other, _) = open(house.directory.path(), &house.clock);
    house.auth.keys().refresh();
    assert!(house.auth.authenticate(Some(&bearer), None).is_ok());
    other.keys().revoke(&BY, &id).unwrap();
    assert!(
        house.auth.authenticate(Some(&bearer), None).is_ok(),
        "kept in memory until the look"
    );
    house.auth.keys().refresh();
    house.refused(Some(&bearer), None, Code::KeyRevoked);
    // And the other way round: a key that the other made is known at once, and its origin after a look.
    let draft = KeyDraft {
        name: "x".into(),
        scopes: vec![Scope::Admin],
        origins: vec!["https://new.example".into()],
        tier: None,
        safety: api::Safety::default(),
        expires_at: None,
    };
    let made = other.keys().create(&BY, &draft).unwrap();
    assert!(
        house
            .auth
            .authenticate(Some(&format!("Bearer {}", made.key)), None)
            .is_ok()
    );
    house.auth.keys().refresh();
    assert!(house.auth.is_known_origin("https://new.example"));
}

#[test]
fn the_watch_notices_another_process_within_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::for_tests(directory.path()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(crate::telemetry::SystemClock::default());
    let (auth, first) = Auth::open(&config, clock.clone(), Arc::default()).unwrap();
    let first = first.unwrap();
    let bearer = format!("Bearer {}", first.expose());
    assert!(auth.authenticate(Some(&bearer), None).is_ok());
    let other = Keys::open(&config, clock, Arc::default()).unwrap();
    other.revoke(&BY, &first.id).unwrap();
    let asked = std::time::Instant::now();
    while auth.authenticate(Some(&bearer), None).is_ok() {
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "the revoked key still works"
        );
        std::thread::yield_now();
    }
}

#[test]
fn both_secrets_work_while_they_overlap() {
    let house = House::new();
    let (id, old) = house.site();
    let new = format!(
        "Bearer {}",
        house
            .auth
            .keys()
            .rotate(&BY, &id, Duration::from_secs(60))
            .unwrap()
            .key
    );
    assert!(house.auth.authenticate(Some(&old), None).is_ok());
    assert_eq!(
        house.auth.authenticate(Some(&new), None).unwrap().key.id,
        id
    );
    house.clock.advance(Duration::from_secs(60));
    house.refused(Some(&old), None, Code::KeyExpired);
    assert!(house.auth.authenticate(Some(&new), None).is_ok());
    let newest = format!(
        "Bearer {}",
        house
            .auth
            .keys()
            .rotate(&BY, &id, Duration::ZERO)
            .unwrap()
            .key
    );
    house.refused(Some(&new), None, Code::KeyExpired);
    house.refused(Some(&old), None, Code::KeyUnknown);
    assert!(house.auth.authenticate(Some(&newest), None).is_ok());
}

#[test]
fn origins_are_compared_exactly() {
    let house = House::new();
    let (_, bearer) = house.site();
    let token = house.token(&bearer, &request());
    for (authorization, origin, allowed) in [
        (&bearer, None, true),
        (&bearer, Some("https://blog.example"), true),
        (&bearer, Some("https://BLOG.example:443"), true),
        (&bearer, Some("http://blog.example"), false),
        (&bearer, Some("https://blog.example:8443"), false),
        (&bearer, Some("https://www.blog.example"), false),
        (&bearer, Some("https://blog.example.evil.example"), false),
        (&bearer, Some("null"), false),
        (&bearer, Some(""), false),
        (&token, Some("https://blog.example"), true),
        (&token, Some("https://other.example"), false),
        (&token, Some("null"), false),
        (&token, None, false),
    ] {
        let outcome = house.auth.authenticate(Some(authorization), origin);
        let refused = matches!(outcome, Err(Error::OriginRefused));
        assert_eq!(
            (outcome.is_ok(), refused),
            (allowed, !allowed),
            "{authorization:.10} {origin:?}"
        );
    }
    assert!(
        house.auth.authenticate_read(Some(&token), None).is_ok(),
        "a page omits Origin when it reads"
    );
    let (_, nowhere) = house.key(&[Scope::SummariesWrite], &[]);
    house.refused(Some(&nowhere), Some(PAGE), Code::OriginRefused);
    assert!(
        house.auth.is_known_origin(PAGE) && !house.auth.is_known_origin("https://other.example")
    );
}

#[test]
fn wrong_credentials_are_told_before_a_wrong_origin() {
    let house = House::new();
    house.refused(Some("Bearer ss_live_x"), Some("null"), Code::KeyMistyped);
}

#[test]
fn a_token_never_has_more_than_its_key_has_now() {
    let house = House::new();
    let (id, bearer) = house.key(
        &[Scope::SummariesWrite, Scope::ChatWrite, Scope::TokensWrite],
        &[PAGE],
    );
    let both = TokenRequest {
        scopes: vec![Scope::SummariesWrite, Scope::ChatWrite],
        ..request()
    };
    let token = house.token(&bearer, &both);
    let change = KeyChange {
        scopes: Some(vec![Scope::ChatWrite, Scope::Admin]),
        ..KeyChange::default()
    };
    house.auth.keys().change(&BY, &id, &change).unwrap();
    let caller = house.auth.authenticate(Some(&token), Some(PAGE)).unwrap();
    assert_eq!(caller.scopes.iter().collect::<Vec<_>>(), [Scope::ChatWrite]);
    assert!(matches!(
        caller.require(Scope::SummariesWrite),
        Err(Error::ScopeMissing(Scope::SummariesWrite))
    ));
    assert!(matches!(caller.require_key(), Err(Error::KeyRequired)));
    let change = KeyChange {
        origins: Some(vec!["https://new.example".into()]),
        ..KeyChange::default()
    };
    house.auth.keys().change(&BY, &id, &change).unwrap();
    house.refused(Some(&token), Some(PAGE), Code::OriginRefused);
}

#[test]
fn a_token_says_who_it_is_for() {
    let house = House::new();
    let (id, bearer) = house.site();
    let caller = house
        .auth
        .authenticate(Some(&house.token(&bearer, &request())), Some(PAGE))
        .unwrap();
    assert_eq!(
        (caller.key.id.as_str(), caller.origin.as_deref()),
        (id.as_str(), Some(PAGE))
    );
    assert!(
        matches!(&caller.via, Via::Token { subject: Some(subject), jti } if subject == "editor 7" && jti.len() == 22)
    );
}

#[test]
fn what_cannot_be_minted_is_told_why() {
    let house = House::new();
    let (_, bearer) = house.site();
    let caller = house.auth.authenticate(Some(&bearer), None).unwrap();
    let cases = [
        (
            TokenRequest {
                ttl_seconds: 0,
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                ttl_seconds: 901,
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                scopes: vec![],
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                scopes: vec![Scope::Admin],
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                scopes: vec![Scope::TokensWrite],
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                scopes: vec![Scope::ChatWrite],
                ..request()
            },
            Code::ScopeMissing,
        ),
        (
            TokenRequest {
                origin: "*".into(),
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                origin: "https://other.example".into(),
                ..request()
            },
            Code::OriginRefused,
        ),
        (
            TokenRequest {
                subject: Some("x".repeat(129)),
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                subject: Some("a\nb".into()),
                ..request()
            },
            Code::InvalidField,
        ),
        (
            TokenRequest {
                max_requests: Some(0),
                ..request()
            },
            Code::InvalidField,
        ),
    ];
    for (request, expect) in cases {
        assert_eq!(
            house.auth.mint(&caller, &request).unwrap_err().code(),
            expect,
            "{request:?}"
        );
    }
    let token = house
        .auth
        .authenticate(Some(&house.token(&bearer, &request())), Some(PAGE))
        .unwrap();
    assert_eq!(
        house.auth.mint(&token, &request()).unwrap_err().code(),
        Code::KeyRequired
    );
    let (_, plain) = house.key(&[Scope::SummariesWrite], &[PAGE]);
    let plain = house.auth.authenticate(Some(&plain), None).unwrap();
    assert_eq!(
        house.auth.mint(&plain, &request()).unwrap_err().code(),
        Code::ScopeMissing
    );
}

#[test]
fn a_token_serves_its_number_of_requests_and_reading_is_free() {
    let house = House::new();
    let (_, bearer) = house.site();
    let token = house.token(
        &bearer,
        &TokenRequest {
            max_requests: Some(2),
            ..request()
        },
    );
    for _ in 0..3 {
        assert!(house.auth.authenticate_read(Some(&token), None).is_ok());
    }
    house.refused(
        Some(&token),
        Some("https://other.example"),
        Code::OriginRefused,
    );
    assert!(house.auth.authenticate(Some(&token), Some(PAGE)).is_ok());
    assert!(house.auth.authenticate(Some(&token), Some(PAGE)).is_ok());
    house.refused(Some(&token), Some(PAGE), Code::TokenUsedUp);
    let other = house.token(
        &bearer,
        &TokenRequest {
            max_requests: Some(1),
            ..request()
        },
    );
    assert!(
        house.auth.authenticate(Some(&other), Some(PAGE)).is_ok(),
        "each token has its own number"
    );
}

#[test]
fn what_cannot_be_a_key_is_told_why() {
    let house = House::new();
    let good = KeyDraft {
        name: "a".into(),
        scopes: vec![Scope::Admin],
        origins: vec![],
        tier: Some("high".into()),
        safety: api::Safety::default(),
        expires_at: Some(NOW + 1),
    };
    assert!(house.auth.keys().create(&BY, &good).is_ok());
    for (draft, field) in [
        (
            KeyDraft {
                name: " ".into(),
                ..good.clone()
            },
            "/name",
        ),
        (
            KeyDraft {
                name: "é".repeat(65),
                ..good.clone()
            },
            "/name",
        ),
        (
            KeyDraft {
                scopes: vec![],
                ..good.clone()
            },
            "/scopes",
        ),
        (
            KeyDraft {
                origins: vec!["https://*.example".into()],
                ..good.clone()
            },
            "/origins",
        ),
        (
            KeyDraft {
                origins: (0..51).map(|n| format!("https://a{n}.example")).collect(),
                ..good.clone()
            },
            "/origins",
        ),
        (
            KeyDraft {
                tier: Some("gold".into()),
                ..good.clone()
            },
            "/tier",
        ),
        (
            KeyDraft {
                safety: api::Safety::default(),
                expires_at: Some(NOW),
                ..good.clone()
            },
            "/expires_at",
        ),
        (
            KeyDraft {
                safety: api::Safety::default(),
                expires_at: Some(u64::MAX),
                ..good.clone()
            },
            "/expires_at",
        ),
    ] {
        let refusal =
            crate::refusal::Refusal::from(house.auth.keys().create(&BY, &draft).unwrap_err());
        assert_eq!(
            (refusal.code, refusal.field.as_deref()),
            (Code::InvalidField, Some(field)),
            "{draft:?}"
        );
    }
    assert_eq!(
        house.auth.keys().get("nosuch").unwrap_err().code(),
        Code::NotFound
    );
}

#[test]
fn last_use_is_kept_to_the_minute() {
    let house = House::new();
    let (id, bearer) = house.site();
    house.clock.advance(Duration::from_millis(61_234));
    house.auth.authenticate(Some(&bearer), None).unwrap();
    assert_eq!(
        house.auth.keys().get(&id).unwrap().last_used_at,
        None,
        "not on the request's way"
    );
    house.auth.keys().write_uses();
    assert_eq!(
        house.auth.keys().get(&id).unwrap().last_used_at,
        Some(NOW + 60_000)
    );
}

#[test]
fn another_pepper_is_told_rather_than_every_key_unknown() {
    let house = House::new();
    std::fs::write(house.directory.path().join("pepper"), "p".repeat(43)).unwrap();
    let config = Config::for_tests(house.directory.path()).unwrap();
    let error = Keys::open(&config, house.clock.clone(), Arc::default()).unwrap_err();
    assert!(error.to_string().contains("pepper"), "{error}");
    let shown = crate::refusal::Refusal::from(error).detail;
    assert!(!shown.contains('/'), "a caller learns no path: {shown}");
}

/// A house that begins again with `pepper`, and with `others` to verify.
fn peppered(house: &House, pepper: &str, others: &[&str]) -> Result<Auth, Error> {
    let mut config = Config::for_tests(house.directory.path()).unwrap();
    let file = |name: &str| {
        let path = house.directory.path().join(format!("pepper-{name}"));
        std::fs::write(&path, name.repeat(40)).unwrap();
        path
    };
    config.auth.pepper_file = Some(if pepper.is_empty() {
        house.directory.path().join("pepper")
    } else {
        file(pepper)
    });
    config.auth.other_pepper_files = others
        .iter()
        .map(|name| match *name {
            "" => house.directory.path().join("pepper"),
            name => file(name),
        })
        .collect();
    Ok(Auth::open_unwatched(&config, house.clock.clone(), Arc::default())?.0)
}

fn acts(auth: &Auth) -> Vec<String> {
    let entries = auth.keys().entries(0).unwrap();
    entries.into_iter().map(|entry| entry.act).collect()
}

#[test]
fn a_key_moves_to_the_newest_pepper_when_it_is_seen() {
    let house = House::new();
    let ((seen, bearer), (unseen, _)) = (house.site(), house.site());
    let old_secret = house.site();
    house
        .auth
        .keys()
        .rotate(&BY, &old_secret.0, DEFAULT_OVERLAP)
        .unwrap();
    let auth = peppered(&house, "b", &[""]).unwrap();
    let keys = auth.keys();
    assert_eq!(keys.earlier().unwrap().len(), 4);
    for text in [&bearer, &bearer, &old_secret.1] {
        auth.authenticate(Some(text), None).unwrap();
    }
    keys.write_rehashed();
    let left = keys.earlier().unwrap();
    assert!(!left.contains(&seen) && left.contains(&unseen), "{left:?}");
    assert!(left.contains(&old_secret.0), "its new secret was not seen");
    for text in [&bearer, &old_secret.1] {
        auth.authenticate(Some(text), None).unwrap();
    }
    keys.write_rehashed();
    let told = acts(&auth);
    let rehashed = told.iter().filter(|act| *act == "key_rehashed").count();
    assert_eq!(rehashed, 2, "{told:?}");
    assert!(keys.verify_log(None).unwrap().is_ok());
    // The old secret still ends when it was to end.
    house.clock.advance(DEFAULT_OVERLAP);
    let ended = auth.authenticate(Some(&old_secret.1), None);
    assert!(matches!(ended, Err(Error::KeyExpired)), "{ended:?}");
    // Without the earlier pepper what was seen works, and the record is whole.
    let auth = peppered(&house, "b", &[]).unwrap();
    auth.authenticate(Some(&bearer), None).unwrap();
    assert_eq!(acts(&auth).last().unwrap(), "pepper_dropped");
    assert!(auth.keys().verify_log(None).unwrap().is_ok());
    let again = peppered(&house, "b", &[]).unwrap();
    assert_eq!(acts(&again), acts(&auth), "once");
}

#[test]
fn a_server_that_has_the_newest_pepper_only_to_verify_moves_no_key_back() {
    let house = House::new();
    let (id, bearer) = house.site();
    let late = peppered(&house, "", &["b"]).unwrap();
    let auth = peppered(&house, "b", &[""]).unwrap();
    late.keys().refresh();
    auth.authenticate(Some(&bearer), None).unwrap();
    auth.keys().write_rehashed();
    late.keys().refresh();
    late.authenticate(Some(&bearer), None).unwrap();
    late.keys().write_rehashed();
    assert!(!auth.keys().earlier().unwrap().contains(&id));
    // What it makes is known here, and what is made here is known there.
    let draft = KeyDraft {
        name: "x".into(),
        scopes: vec![Scope::Admin],
        origins: Vec::new(),
        tier: None,
        safety: api::Safety::default(),
        expires_at: None,
    };
    for (one, other) in [(&late, &auth), (&auth, &late)] {
        let made = one.keys().create(&BY, &draft).unwrap();
        let bearer = format!("Bearer {}", made.key);
        other.authenticate(Some(&bearer), None).unwrap();
    }
    assert!(late.keys().verify_log(None).unwrap().is_ok());
    // It starts again with its older setting, and takes the newest pepper all the same.
    let again = peppered(&house, "", &["b"]).unwrap();
    let made = again.keys().create(&BY, &draft).unwrap();
    assert!(!auth.keys().earlier().unwrap().contains(&made.id));
    let brought = acts(&again);
    assert_eq!(
        brought
            .iter()
            .filter(|act| *act == "pepper_brought_in")
            .count(),
        1,
        "{brought:?}"
    );
}

#[test]
fn a_pepper_cannot_be_brought_in_without_the_one_before() {
    let house = House::new();
    let (_, bearer) = house.site();
    for others in [&[][..], &["c"]] {
        let error = peppered(&house, "b", others).unwrap_err().to_string();
        assert!(error.contains("auth.other_pepper"), "{error}");
    }
    // A key that hangs on a pepper which this server does not have is not called unknown.
    let moved = peppered(&house, "b", &[""]).unwrap();
    moved.authenticate(Some(&bearer), None).unwrap();
    moved.keys().write_rehashed();
    house.auth.keys().refresh();
    house.refused(Some(&bearer), None, Code::StoreUnavailable);
    let typed = ApiKey::parse(bearer.trim_start_matches("Bearer ")).unwrap();
    let guess = format!("Bearer {}", ApiKey::generate(None).unwrap().text());
    house.refused(Some(&guess), None, Code::KeyUnknown);
    let guess = ApiKey::generate(Some(&typed.id)).unwrap().text();
    let guess = moved.authenticate(Some(&format!("Bearer {guess}")), None);
    assert!(matches!(guess, Err(Error::KeyUnknown)), "{guess:?}");
}

#[test]
fn webhooks_are_signed_with_every_pepper_the_newest_first() {
    let house = House::new();
    let before = house.auth.sign_webhook("k", "id", 7, "{}");
    let auth = peppered(&house, "b", &[""]).unwrap();
    let both = auth.sign_webhook("k", "id", 7, "{}");
    let (first, second) = both.split_once(' ').unwrap();
    assert_eq!(second, before);
    let after = peppered(&house, "b", &[]).unwrap();
    assert_eq!(after.sign_webhook("k", "id", 7, "{}"), first);
    assert_eq!(after.webhook_secret("k"), auth.webhook_secret("k"));
}

#[test]
fn guesses_are_counted_and_honest_lapses_are_not() {
    for (error, counted) in [
        (Error::KeyUnknown, true),
        (Error::KeyMistyped, true),
        (Error::KeyRevoked, true),
        (Error::TokenInvalid("x"), true),
        (Error::CredentialsMalformed, true),
        (Error::CredentialsMissing, false),
        (Error::TokenExpired, false),
        (Error::TokenUsedUp, false),
        (Error::OriginRefused, false),
    ] {
        assert_eq!(error.is_failed_attempt(), counted, "{error:?}");
    }
}

#[test]
fn every_act_leaves_one_entry_and_a_refused_one_leaves_none() {
    let house = House::new();
    let keys = house.auth.keys();
    let (id, bearer) = house.site();
    let ada = Actor::CommandLine("ada".into());
    let change = KeyChange {
        name: Some("another".into()),
        ..KeyChange::default()
    };
    keys.change(&ada, &id, &change).unwrap();
    keys.rotate(&Actor::Key("k1".into()), &id, Duration::from_secs(60))
        .unwrap();
    keys.revoke(&ada, &id).unwrap();
    keys.revoke(&ada, &id).unwrap();
    assert!(keys.change(&ada, &id, &change).is_err());
    assert!(keys.rotate(&ada, &id, DEFAULT_OVERLAP).is_err());
    assert!(keys.revoke(&ada, "nobody").is_err());
    house.auth.flush();
    let entries = keys.entries(0).unwrap();
    let acts: Vec<_> = entries
        .iter()
        .map(|entry| (entry.actor.as_str(), entry.act.as_str()))
        .collect();
    let expected = [
        ("server", "log_begun"),
        ("server", "key_created"),
        ("server", "key_created"),
        ("user ada", "key_changed"),
        ("key k1", "key_rotated"),
        ("user ada", "key_revoked"),
    ];
    assert_eq!(acts, expected);
    assert!(entries[2..].iter().all(|entry| entry.subject == id));
    assert_eq!(
        entries[3].detail, r#"{"name":"another"}"#,
        "what is new, and no more"
    );
    assert_eq!(
        entries[4].detail,
        format!("{{\"old_secret_until\":{}}}", NOW + 60_000)
    );
    let secret = bearer.rsplit('_').nth(1).unwrap();
    assert!(!format!("{entries:?}").contains(secret));
    let whole = keys.verify_log(None).unwrap().unwrap();
    assert_eq!(whole.number, 6);
    assert_eq!(keys.verify_log(Some(&whole)).unwrap().unwrap(), whole);
}

#[test]
fn the_log_goes_on_over_a_restart() {
    let house = House::new();
    let before = log(house.auth.keys());
    let (again, first) = open(house.directory.path(), &house.clock);
    assert!(first.is_none());
    assert_eq!(log(again.keys()), before, "nothing was done");
    house.site();
    assert_eq!(again.keys().verify_log(None).unwrap().unwrap().number, 3);
}

#[test]
fn the_database_itself_changes_and_removes_no_entry() {
    let house = House::new();
    let file = rusqlite::Connection::open(house.directory.path().join("keys.sqlite")).unwrap();
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let error = file.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

#[test]
fn tampering_with_the_file_is_found_at_its_entry() {
    for (sql, number) in [
        ("", None),
        ("UPDATE audit SET actor = 'server2' WHERE number = 2", Some(2)),
        ("UPDATE audit SET detail = '{}' WHERE number = 3", Some(3)),
        ("UPDATE audit SET seal = x'00' WHERE number = 4", Some(4)),
        ("DELETE FROM audit WHERE number = 2", Some(2)),
        ("DELETE FROM audit WHERE number = 4", Some(4)),
        ("DELETE FROM audit", Some(1)),
        ("DELETE FROM settings WHERE name = 'audit_head'", Some(5)),
        (
            "UPDATE audit SET number = 9 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3;
             UPDATE audit SET number = 3 WHERE number = 9",
            Some(2),
        ),
    ] {
        let house = House::new();
        house.site();
        house.site();
        let found = tampered(house.directory.path(), sql);
        assert_eq!(found.err().map(|broken| broken.number), number, "{sql}");
    }
}

#[test]
fn an_older_copy_of_the_whole_store_is_told_by_a_noted_head() {
    let house = House::new();
    house.site();
    let keys = house.auth.keys();
    let mut noted = keys.verify_log(None).unwrap().unwrap();
    noted.number += 1;
    let broken = keys.verify_log(Some(&noted)).unwrap().unwrap_err();
    assert_eq!(broken.number, 4);
    noted.number -= 2;
    let broken = keys.verify_log(Some(&noted)).unwrap().unwrap_err();
    assert_eq!(broken.number, 2, "another entry has that digest");
}

#[test]
fn acts_at_once_keep_the_chain_whole() {
    let house = House::new();
    let (other, _) = open(house.directory.path(), &house.clock);
    std::thread::scope(|scope| {
        for auth in [&house.auth, &other, &house.auth, &other] {
            scope.spawn(move || {
                for _ in 0..5 {
                    let draft = KeyDraft {
                        name: "at once".into(),
                        scopes: vec![Scope::Admin],
                        origins: Vec::new(),
                        tier: None,
                        safety: api::Safety::default(),
                        expires_at: None,
                    };
                    let made = auth.keys().create(&BY, &draft).unwrap();
                    auth.keys().revoke(&BY, &made.id).unwrap();
                }
            });
        }
    });
    assert_eq!(other.keys().verify_log(None).unwrap().unwrap().number, 42);
}
