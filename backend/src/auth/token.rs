//! Tokens: short-lived JWTs (RFC 7519) for browsers, made and read by this server alone, after RFC 8725.
//!
//! One algorithm (EdDSA over Ed25519), and for each key one exact header: a token whose header is not byte for byte one of
//! ours is refused before anything in it is believed, so there is no `alg`, `jku` or `crit` to choose. There is one key,
//! and further ones while servers that share a pepper change it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api::limits::{MAX_SUBJECT_CHARS, MAX_TOKEN_TTL_SECONDS};
use api::{TokenCreated, TokenRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::key::random_digits;
use super::keys::KeyRecord;
use super::origin::Origin;
use super::scopes::ScopeSet;
use super::{Error, files};
use crate::config::Config;

/// Tokens with a number of requests that are counted at once, at most.
const MAX_COUNTED: usize = 100_000;
/// Our `typ` (RFC 8725, section 3.11), so that no other kind of JWT is taken for one of these.
const TYPE: &str = "ss+jwt";
/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// What a token says. Times are Unix times in seconds, as the specification wants them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) exp: u64,
    pub(super) nbf: u64,
    pub(super) iat: u64,
    pub(super) jti: String,
    /// The id of the key that minted it.
    pub(super) key: String,
    /// The page it is for.
    pub(super) origin: String,
    /// Names separated by spaces.
    pub(super) scope: String,
    /// Whom the site gave it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    /// How many requests it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<u32>,
}

impl Claims {
    pub(super) fn scopes(&self) -> Result<ScopeSet, Error> {
        ScopeSet::parse(&self.scope).ok_or(Error::TokenInvalid("a scope is not known"))
    }
}

/// Makes and reads tokens.
pub(super) struct Tokens {
    header: Header,
    /// The header as every token of ours begins.
    first_part: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    /// The first parts of tokens that were signed with other keys of ours, and what verifies them.
    others: Vec<(String, DecodingKey)>,
    validation: Validation,
    issuer: String,
    audience: String,
    leeway_seconds: u64,
    /// Name -> requests so far, and the time in seconds after which nobody can ask again.
    uses: Mutex<Uses>,
}

#[derive(Default)]
struct Uses {
    counted: HashMap<String, (u32, u64)>,
    /// The second in which those that are over were last forgotten.
    swept: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Takes the seeds that servers share, of which the first signs; without any it reads the signing key of the data
    /// directory, or makes one. Deleting the file ends every token.
    pub(super) fn open(config: &Config, shared: &[Zeroizing<[u8; 32]>]) -> Result<Self, Error> {
        if let Some((first, others)) = shared.split_first() {
            let mut tokens = Self::new(first, config)?;
            for seed in others {
                let other = Self::new(seed, config)?;
                tokens.others.push((other.first_part, other.verifying));
            }
            return Ok(tokens);
        }
        let path = config.data_dir.join("token-signing.key");
        let text = files::read_or_make(&path, || {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(seed.as_mut_slice())?;
            Ok(Zeroizing::new(
                URL_SAFE_NO_PAD.encode(seed.as_slice()).into_bytes(),
            ))
        })?;
        let seed = URL_SAFE_NO_PAD
            .decode(text.as_slice())
            .ok()
            .map(Zeroizing::new);
        let seed = seed
            .and_then(|seed| <[u8; 32]>::try_from(seed.as_slice()).ok())
            .map(Zeroizing::new);
        let seed = seed.ok_or_else(|| Error::File {
            path,
            problem: "this is not a signing key; delete it and a new one is made (tokens that are out end)".to_owned(),
        })?;
        Self::new(&seed, config)
    }

    fn new(seed: &[u8; 32], config: &Config) -> Result<Self, Error> {
        let public = SigningKey::from_bytes(seed).verifying_key();
        let mut document = Zeroizing::new(PKCS8_PREFIX.to_vec());
        document.extend_from_slice(seed);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        let name = Sha256::digest(public.as_bytes());
        header.kid = Some(URL_SAFE_NO_PAD.encode(name.get(..9).unwrap_or_default()));
        let json = serde_json::to_vec(&header)
            .map_err(|_| Error::TokenInvalid("a bug: our header is not JSON"))?;

        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&config.auth.issuer]);
        validation.set_audience(&[&config.auth.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
        // The library reads the machine's clock; `check_times` does the same with ours, and more strictly.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            first_part: URL_SAFE_NO_PAD.encode(json),
            header,
            signing: EncodingKey::from_ed_der(&document),
            verifying: DecodingKey::from_ed_der(public.as_bytes()),
            others: Vec::new(),
            validation,
            issuer: config.auth.issuer.clone(),
            audience: config.auth.audience.clone(),
            leeway_seconds: config.auth.token_leeway_seconds,
            uses: Mutex::default(),
        })
    }

    pub(super) fn mint(
        &self,
        key: &KeyRecord,
        request: &TokenRequest,
        now_ms: u64,
    ) -> Result<TokenCreated, Error> {
        let scope = check_scopes(key, request)?;
        let origin = Origin::parse(&request.origin).ok_or_else(|| {
            Error::field(
                "/origin",
                "an origin is a scheme and a host, for instance https://blog.example",
            )
        })?;
        if !key.origins.contains(&origin) {
            return Err(Error::OriginRefused);
        }
        if !(1..=MAX_TOKEN_TTL_SECONDS).contains(&request.ttl_seconds) {
            return Err(Error::field(
                "/ttl_seconds",
                format!("a token lives 1 to {MAX_TOKEN_TTL_SECONDS} seconds"),
            ));
        }
        if request.max_requests == Some(0) {
            return Err(Error::field(
                "/max_requests",
                "a token is for at least one request",
            ));
        }
        let subject_fits = |subject: &String| {
            (1..=MAX_SUBJECT_CHARS).contains(&subject.chars().count())
                && !subject.chars().any(char::is_control)
        };
        if !request.subject.as_ref().is_none_or(subject_fits) {
            return Err(Error::field(
                "/subject",
                format!("a subject has 1 to {MAX_SUBJECT_CHARS} characters"),
            ));
        }
        let iat = now_ms / 1000;
        let exp = iat + u64::from(request.ttl_seconds);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            // A token does not outlive its key, and says so.
            exp: key.expires_at.map_or(exp, |end| exp.min(end / 1000)),
            nbf: iat,
            iat,
            jti: random_digits(22)?,
            key: key.id.clone(),
            origin: origin.into_string(),
            scope: scope.to_string(),
            sub: request.subject.clone(),
            max: request.max_requests,
        };
        Ok(TokenCreated {
            expires_at: claims.exp * 1000,
            token: self.sign(&claims)?,
        })
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, Error> {
        jsonwebtoken::encode(&self.header, claims, &self.signing)
            .map_err(|_| Error::TokenInvalid("a bug: the token cannot be signed"))
    }

    /// What the token says, when it is ours and its time is now.
    pub(super) fn verify(&self, token: &str, now_ms: u64) -> Result<Claims, Error> {
        let mut parts = token.split('.');
        let (first, _, _) = (parts.next(), parts.next(), parts.next());
        let known = std::iter::once((&self.first_part, &self.verifying))
            .chain(self.others.iter().map(|(part, key)| (part, key)))
            .find(|(part, _)| first == Some(part.as_str()));
        let Some((_, verifying)) = known.filter(|_| parts.next().is_none()) else {
            return Err(Error::TokenInvalid("the header is not ours"));
        };
        let claims = jsonwebtoken::decode::<Claims>(token, verifying, &self.validation)
            .map_err(|_| Error::TokenInvalid("the signature or a claim does not fit"))?
            .claims;
        self.check_times(&claims, now_ms / 1000)?;
        Ok(claims)
    }

    /// RFC 7519, sections 4.1.4 to 4.1.6: `exp` is the first second in which the token no longer counts.
    fn check_times(&self, claims: &Claims, now: u64) -> Result<(), Error> {
        let lifetime = claims.exp.checked_sub(claims.iat).unwrap_or(u64::MAX);
        if lifetime > u64::from(MAX_TOKEN_TTL_SECONDS) {
            return Err(Error::TokenInvalid(
                "the lifetime is longer than any of ours",
            ));
        }
        let soon = now.saturating_add(self.leeway_seconds);
        if claims.nbf > soon || claims.iat > soon {
            return Err(Error::TokenInvalid("the token is from the future"));
        }
        if now >= claims.exp.saturating_add(self.leeway_seconds) {
            return Err(Error::TokenExpired);
        }
        Ok(())
    }

    /// Counts one request of a token that has only so many. The count is lost with the process: after a restart a token
    /// may be used as often again, for the rest of its minutes.
    pub(super) fn count_use(&self, claims: Option<&Claims>, now_ms: u64) -> Result<(), Error> {
        let Some((claims, max)) = claims.and_then(|claims| Some((claims, claims.max?))) else {
            return Ok(());
        };
        let now = now_ms / 1000;
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = uses.counted.get_mut(&claims.jti) {
            if *count >= max {
                return Err(Error::TokenUsedUp);
            }
            *count += 1;
            return Ok(());
        }
        // At most once a second: a full table must not make each request walk it.
        if uses.counted.len() >= MAX_COUNTED && uses.swept != now {
            uses.counted.retain(|_, (_, end)| *end > now);
            uses.swept = now;
        }
        // Forgetting a count would open the door again, so new ones wait.
        if uses.counted.len() >= MAX_COUNTED {
            return Err(Error::TooManyTokens);
        }
        let end = claims.exp.saturating_add(self.leeway_seconds);
        uses.counted.insert(claims.jti.clone(), (1, end));
        Ok(())
    }
}

/// What the token may do: never more than the key, never what only keys may.
fn check_scopes(key: &KeyRecord, request: &TokenRequest) -> Result<ScopeSet, Error> {
    if request.scopes.is_empty() {
        return Err(Error::field("/scopes", "a token has at least one scope"));
    }
    if let Some(scope) = request.scopes.iter().find(|scope| !scope.for_tokens()) {
        return Err(Error::field(
            "/scopes",
            format!("`{scope}` is for keys only"),
        ));
    }
    if let Some(scope) = request
        .scopes
        .iter()
        .find(|scope| !key.scopes.contains(**scope))
    {
        return Err(Error::ScopeMissing(*scope));
    }
    Ok(request.scopes.iter().copied().collect())
}

#[cfg(test)]
mod tests;
