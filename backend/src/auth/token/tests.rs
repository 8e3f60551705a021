//! Everything that a forger may try. Each attack starts from a token that is accepted.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use super::*;

/// Seconds.
const NOW: u64 = 1_795_219_200;

fn tokens() -> (Tokens, Config, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::for_tests(directory.path()).unwrap();
    (Tokens::open(&config, &[]).unwrap(), config, directory)
}

fn claims() -> Value {
    json!({
        "iss": "smart-summary", "aud": "smart-summary", "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "j",
        "key": "k", "origin": "https://blog.example", "scope": "summaries:write"
    })
}

fn with(change: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Tokens {
    /// What our own key signs, whatever the claims are.
    fn signed(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.signing).unwrap()
    }

    #[track_caller]
    fn refuses(&self, token: &str) {
        let outcome = self.verify(token, NOW * 1000);
        assert!(
            matches!(outcome, Err(Error::TokenInvalid(_))),
            "{token:.200}: {outcome:?}"
        );
    }

    fn accepts(&self, claims: &Value) -> bool {
        self.verify(&self.signed(claims), NOW * 1000).is_ok()
    }
}

#[test]
fn our_own_token_is_accepted() {
    assert!(tokens().0.accepts(&claims()));
}

#[test]
fn the_header_is_ours_to_the_byte() {
    let (tokens, _, _directory) = tokens();
    let good = tokens.signed(&claims());
    let (_, rest) = good.split_once('.').unwrap();
    let kid = tokens.header.kid.clone().unwrap();
    let ours = json!({"typ": TYPE, "alg": "EdDSA", "kid": kid});
    let changed = |name: &str, value: Value| {
        let mut header = ours.clone();
        header[name] = value;
        header
    };
    for header in [
        changed("alg", json!("none")),
        changed("alg", json!("None")),
        changed("alg", json!("HS256")),
        changed("alg", json!("ES256")),
        changed("alg", json!(["EdDSA"])),
        changed("typ", json!("JWT")),
        changed("kid", json!("other")),
        changed("kid", json!("../../dev/null")),
        changed("kid", json!("' OR 1=1 --")),
        changed("jku", json!("https://evil.example/keys.json")),
        changed("x5u", json!("https://evil.example/cert")),
        changed("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})),
        changed("crit", json!(["exp"])),
        changed("b64", json!(false)),
        json!({"alg": "EdDSA", "typ": TYPE}),
        json!({}),
        json!(null),
    ] {
        tokens.refuses(&format!("{}.{rest}", encoded(&header)));
    }
}

#[test]
fn no_signature_or_another_s_is_refused() {
    let (tokens, config, _directory) = tokens();
    let good = tokens.signed(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    tokens.refuses(&format!("{signed}."));
    tokens.refuses(&format!("{signed}.{}", &signature[..signature.len() - 2]));
    tokens.refuses(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    tokens.refuses(&format!("{signed}.{signature}="));
    let other = Tokens::new(&[7; 32], &config).unwrap();
    tokens.refuses(&other.signed(&claims()));
    // Their signature under our header.
    let parts: Vec<_> = good.split('.').collect();
    let forged =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &other.signing, Algorithm::EdDSA).unwrap();
    tokens.refuses(&format!("{}.{}.{forged}", parts[0], parts[1]));
}

#[test]
fn a_token_of_the_other_key_is_accepted_under_its_own_header_alone() {
    let (_, config, _directory) = tokens();
    let seeds = |seeds: &[u8]| -> Vec<_> {
        let seeds = seeds.iter();
        seeds.map(|byte| Zeroizing::new([*byte; 32])).collect()
    };
    let both = Tokens::open(&config, &seeds(&[1, 2])).unwrap();
    let (first, second) = (
        Tokens::open(&config, &seeds(&[1])).unwrap(),
        Tokens::open(&config, &seeds(&[2])).unwrap(),
    );
    for tokens in [&first, &second] {
        let token = tokens.signed(&claims());
        assert!(both.verify(&token, NOW * 1000).is_ok());
    }
    first.refuses(&second.signed(&claims()));
    // The other's signature under our header, and ours under the other's.
    for (header, signer) in [(&first, &second), (&second, &first)] {
        let token = signer.signed(&claims());
        let (_, rest) = token.split_once('.').unwrap();
        both.refuses(&format!("{}.{rest}", header.first_part));
    }
    let third = Tokens::open(&config, &seeds(&[3])).unwrap();
    both.refuses(&third.signed(&claims()));
    assert!(
        first.verify(&both.signed(&claims()), NOW * 1000).is_ok(),
        "the first signs"
    );
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let (tokens, _, _directory) = tokens();
    let public = tokens.verifying.try_get_as_bytes().unwrap();
    for first in [
        tokens.first_part.clone(),
        encoded(&json!({"alg": "HS256", "typ": TYPE, "kid": tokens.header.kid})),
    ] {
        let signed = format!("{first}.{}", encoded(&claims()));
        let mut mac: Hmac<Sha256> = Hmac::new_from_slice(public).unwrap();
        mac.update(signed.as_bytes());
        tokens.refuses(&format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        ));
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let (tokens, _, _directory) = tokens();
    let good = tokens.signed(&claims());
    for place in 0..good.len() {
        for other in ["A", "_", ".", "=", "é"] {
            let mut wrong = good.clone();
            wrong.replace_range(place..=place, other);
            if wrong != good {
                tokens.refuses(&wrong);
            }
        }
    }
}

#[test]
fn other_shapes_are_refused() {
    let (tokens, _, _directory) = tokens();
    let good = tokens.signed(&claims());
    for wrong in [
        String::new(),
        "..".into(),
        "...".into(),
        format!("{good}."),
        format!("{good}.x"),
        format!(".{good}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}\0"),
        good.replace('.', "\u{ff0e}"),
        format!("{}..", tokens.first_part),
        format!("{}.{}.{}.{}.{}", tokens.first_part, "a", "b", "c", "d"),
        format!("{}.{}.x", tokens.first_part, "A".repeat(1_000_000)),
    ] {
        tokens.refuses(&wrong);
    }
}

#[test]
fn every_claim_is_needed_and_of_its_kind() {
    let (tokens, _, _directory) = tokens();
    for name in [
        "iss", "aud", "exp", "nbf", "iat", "jti", "key", "origin", "scope",
    ] {
        assert!(!tokens.accepts(&without(name)), "without {name}");
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!(true),
            json!(-1),
            json!(1.5),
        ] {
            assert!(
                !tokens.accepts(&with(&[(name, value.clone())])),
                "{name} = {value}"
            );
        }
    }
    for (name, value) in [
        ("exp", json!("1795219500")),
        ("exp", json!(1e300)),
        ("nbf", json!("0")),
        ("aud", json!(["smart-summary"])),
        ("aud", json!("another")),
        ("iss", json!("another")),
        ("iss", json!("smart-summary ")),
        ("sub", json!(7)),
        ("max", json!(-1)),
        ("max", json!("9")),
        ("admin", json!(true)),
    ] {
        assert!(
            !tokens.accepts(&with(&[(name, value.clone())])),
            "{name} = {value}"
        );
    }
    let twice = claims().to_string().replacen('{', "{\"key\":\"other\",", 1);
    let signed = format!("{}.{}", tokens.first_part, URL_SAFE_NO_PAD.encode(twice));
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &tokens.signing, Algorithm::EdDSA).unwrap();
    tokens.refuses(&format!("{signed}.{signature}"));
}

#[test]
fn a_token_counts_only_in_its_time() {
    let (tokens, _, _directory) = tokens();
    let outcome =
        |change: &[(&str, Value)]| match tokens.verify(&tokens.signed(&with(change)), NOW * 1000) {
            Ok(_) => "accepted",
            Err(Error::TokenExpired) => "expired",
            Err(_) => "invalid",
        };
    let at = |name, offset: i64| (name, json!(NOW.saturating_add_signed(offset)));
    for (change, expect) in [
        (vec![at("exp", 900)], "accepted"),
        (vec![at("exp", 901)], "invalid"),
        (vec![("exp", json!(u64::MAX))], "invalid"),
        (
            vec![at("iat", -100), at("nbf", -100), at("exp", -4)],
            "accepted",
        ),
        (
            vec![at("iat", -100), at("nbf", -100), at("exp", -5)],
            "expired",
        ),
        (
            vec![("exp", json!(0)), ("iat", json!(0)), ("nbf", json!(0))],
            "expired",
        ),
        (vec![at("nbf", 5)], "accepted"),
        (vec![at("nbf", 6)], "invalid"),
        (vec![at("iat", 5)], "accepted"),
        (vec![at("iat", 6)], "invalid"),
        (vec![at("exp", -1), at("iat", 0)], "invalid"),
    ] {
        assert_eq!(outcome(&change), expect, "{change:?}");
    }
}

#[test]
fn scopes_that_are_none_of_ours_are_refused() {
    let (tokens, _, _directory) = tokens();
    let claims = tokens
        .verify(
            &tokens.signed(&with(&[("scope", json!("summaries:write root"))])),
            NOW * 1000,
        )
        .unwrap();
    assert!(matches!(claims.scopes(), Err(Error::TokenInvalid(_))));
}

#[test]
fn the_key_lasts_over_a_restart_and_a_broken_one_is_told() {
    let (tokens, config, directory) = tokens();
    assert!(
        Tokens::open(&config, &[])
            .unwrap()
            .verify(&tokens.signed(&claims()), NOW * 1000)
            .is_ok()
    );
    std::fs::write(directory.path().join("token-signing.key"), "no key").unwrap();
    let error = Tokens::open(&config, &[]).unwrap_err().to_string();
    assert!(error.contains("delete it"), "{error}");
}

#[test]
fn counted_tokens_are_bounded_and_a_full_table_opens_no_door() {
    let (tokens, _, _directory) = tokens();
    let claims = |name: usize, exp: u64| {
        let value = with(&[
            ("jti", json!(name.to_string())),
            ("exp", json!(exp)),
            ("max", json!(1)),
        ]);
        Some(serde_json::from_value::<Claims>(value).unwrap())
    };
    for name in 0..MAX_COUNTED {
        tokens
            .count_use(claims(name, NOW + 300).as_ref(), NOW * 1000)
            .unwrap();
    }
    assert!(matches!(
        tokens.count_use(claims(MAX_COUNTED, NOW + 300).as_ref(), NOW * 1000),
        Err(Error::TooManyTokens)
    ));
    assert!(matches!(
        tokens.count_use(claims(0, NOW + 300).as_ref(), NOW * 1000),
        Err(Error::TokenUsedUp)
    ));
    let later = (NOW + 400) * 1000;
    tokens
        .count_use(claims(MAX_COUNTED, NOW + 600).as_ref(), later)
        .unwrap();
    assert_eq!(tokens.uses.lock().unwrap().counted.len(), 1);
}
