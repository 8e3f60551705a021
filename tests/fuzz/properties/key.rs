//! What a caller shows: keys, tokens, origins, scopes.

use std::sync::OnceLock;

use backend::auth::{Origin, doors};

use crate::cut::choice;

/// A fixed signer and a token of it that is accepted.
fn signer() -> &'static (doors::Signer, String) {
    static SIGNER: OnceLock<(doors::Signer, String)> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let signer = doors::Signer::new().expect("a signer");
        let token = signer.token().expect("a token");
        assert!(signer.accepts(&token), "the token itself is accepted");
        (signer, token)
    })
}

/// A key that is read spells itself; of tokens only the signed one is accepted, to the byte.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = choice(bytes) else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    match first % 4 {
        0 => {
            if let Some(again) = doors::respelt_key(&text) {
                assert_eq!(again, text, "a key prints back to itself");
                assert!(doors::looks_like_key(&text));
            }
            // The checksum is ours to give, so that more than one in 56 thousand million inputs is a key.
            let key = doors::with_checksum(&text);
            let read = doors::respelt_key(&key);
            assert!(read.is_none_or(|again| again == key), "{key:?}");
        }
        1 => check_token(&text),
        2 => {
            if let Some(origin) = Origin::parse(&text) {
                let spelt = origin.clone().into_string();
                assert_eq!(
                    Origin::parse(&spelt),
                    Some(origin),
                    "{spelt:?} is the same origin"
                );
                assert!(
                    !spelt.contains(['@', '#', '?', ' ']) && spelt.matches('/').count() == 2,
                    "{spelt:?}"
                );
            }
        }
        _ => {
            if let Some(spelt) = doors::respelt_scopes(&text) {
                assert_eq!(
                    doors::respelt_scopes(&spelt).as_ref(),
                    Some(&spelt),
                    "{spelt:?} are the same scopes"
                );
            }
        }
    }
}

/// The input as it is, and as changes of the good token: place, then what stands there instead.
fn check_token(text: &str) {
    let (signer, good) = signer();
    let mut changed = good.clone();
    let mut rest = text.chars();
    while let (Some(place), Some(other)) = (rest.next(), rest.next()) {
        let place = u32::from(place) as usize % changed.len().max(1);
        if other.is_ascii()
            && changed.is_char_boundary(place)
            && changed.is_char_boundary(place + 1)
        {
            changed.replace_range(place..=place, other.encode_utf8(&mut [0; 4]));
        }
    }
    for token in [
        text.to_owned(),
        changed,
        format!("{good}{text}"),
        format!("{text}{good}"),
    ] {
        assert_eq!(signer.accepts(&token), token == *good, "{token:?}");
    }
}
