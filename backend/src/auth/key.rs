//! The text of an API key: `ss_live_<12 id>_<43 secret>_<6 checksum>`, all in base 62.
//!
//! The checksum is the CRC-32 of what stands before it, so that a mistyped key is told apart from an unknown one without
//! a look-up, and a scanner for leaked secrets has few false alarms.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use super::Error;

const PREFIX: &str = "ss_live_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What is stored of a secret.
pub(super) type Digest = [u8; 32];

/// An API key whose checksum fits. Its secret is wiped when dropped and never printed.
#[derive(Debug)]
pub(super) struct ApiKey {
    pub(super) id: String,
    secret: SecretString,
}

/// The key that the first start makes.
#[derive(Debug)]
pub struct FirstKey {
    /// Its public part.
    pub id: String,
    text: SecretString,
}

impl FirstKey {
    pub(super) fn new(id: String, text: String) -> Self {
        Self {
            id,
            text: SecretString::from(text),
        }
    }

    /// The whole key, to be shown once.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl ApiKey {
    /// Whether this means to be a key, perhaps with a slip in it. A token may have any number of `_`, but always has `.`.
    pub(super) fn looks_like(text: &str) -> bool {
        text.starts_with("ss_") || (text.split('_').count() == 5 && !text.contains('.'))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::KeyMistyped`] when it has another form or the checksum does not fit.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let parts = (|| {
            let (body, checksum) = text.rsplit_once('_')?;
            let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
            let digits = |part: &str, count| {
                part.len() == count && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            let form = digits(id, ID_CHARS)
                && digits(secret, SECRET_CHARS)
                && digits(checksum, CHECKSUM_CHARS);
            (form && checksum == self::checksum(body)).then_some((id, secret))
        })();
        let (id, secret) = parts.ok_or(Error::KeyMistyped)?;
        Ok(Self {
            id: id.to_owned(),
            secret: SecretString::from(secret),
        })
    }

    /// A new key with a 256-bit secret; with `id`, another secret for that key.
    pub(super) fn generate(id: Option<&str>) -> Result<Self, Error> {
        let id = id.map_or_else(|| random_digits(ID_CHARS), |id| Ok(id.to_owned()))?;
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self {
            id,
            secret: SecretString::from(base62(&mut bytes)),
        })
    }

    /// The whole text, to be shown once.
    pub(super) fn text(&self) -> String {
        let body = format!("{PREFIX}{}_{}", self.id, self.secret.expose_secret());
        let checksum = checksum(&body);
        format!("{body}_{checksum}")
    }

    /// What is stored: HMAC-SHA-256 under the pepper. A slow hash would add nothing to 256 random bits but a way to be
    /// flooded.
    pub(super) fn hashed(&self, pepper: &Pepper) -> Hashed {
        let mac = pepper.mac(self.secret.expose_secret());
        Hashed {
            digest: mac.finalize().into_bytes().into(),
            pepper: *pepper.mark(),
        }
    }

    /// Whether the secret is the one that was stored; the time taken does not tell how much of it fits.
    pub(super) fn fits(&self, digest: &Digest, pepper: &Pepper) -> bool {
        pepper
            .mac(self.secret.expose_secret())
            .verify_slice(digest)
            .is_ok()
    }
}

/// What secrets are hashed with; without it a copy of the store says nothing about them.
pub(super) struct Pepper {
    mac: Hmac<Sha256>,
    mark: Digest,
}

/// A secret as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) digest: Digest,
    /// The mark of the pepper that it was hashed with.
    pub(super) pepper: Digest,
}

impl Pepper {
    pub(super) fn new(text: &[u8]) -> Result<Self, Error> {
        let mac = Hmac::<Sha256>::new_from_slice(text)
            .map_err(|_| Error::Conflict("the pepper has no valid length"))?;
        let marking = mac.clone().chain_update(b"which pepper is this");
        Ok(Self {
            mac,
            mark: marking.finalize().into_bytes().into(),
        })
    }

    /// What tells this pepper from another without telling anything of it.
    pub(super) fn mark(&self) -> &Digest {
        &self.mark
    }

    /// A seed for signing tokens, from which the pepper cannot be computed.
    pub(super) fn token_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.mac("signing of tokens").finalize().into_bytes().into())
    }

    /// What the audit log is sealed with, from which the pepper cannot be computed.
    pub(super) fn audit_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(
            self.mac("seals of the audit log")
                .finalize()
                .into_bytes()
                .into(),
        )
    }

    /// What names and seals answers that servers share, from which the pepper cannot be computed.
    pub(super) fn answers_salt(&self) -> [u8; 32] {
        self.mac("answers that servers share")
            .finalize()
            .into_bytes()
            .into()
    }

    /// A secret for each key, from which neither the pepper nor another key's can be computed.
    pub(super) fn webhook_secret(&self, key_id: &str) -> String {
        let secret = self
            .mac(&format!("webhooks of {key_id}"))
            .finalize()
            .into_bytes();
        format!("whsec_{}", STANDARD.encode(secret))
    }

    pub(super) fn sign_webhook(&self, key_id: &str, id: &str, seconds: u64, body: &str) -> String {
        let secret = self
            .mac(&format!("webhooks of {key_id}"))
            .finalize()
            .into_bytes();
        // A MAC takes a key of any length: this always signs.
        let signature = Hmac::<Sha256>::new_from_slice(&secret).map(|mut mac| {
            mac.update(format!("{id}.{seconds}.").as_bytes());
            mac.update(body.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        });
        format!("v1,{}", signature.unwrap_or_default())
    }

    fn mac(&self, secret: &str) -> Hmac<Sha256> {
        self.mac.clone().chain_update(secret)
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pepper(not shown)")
    }
}

/// Random base-62 digits.
pub(super) fn random_digits(count: usize) -> Result<String, Error> {
    let mut digits = String::with_capacity(count);
    while digits.len() < count {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        // 248 is the greatest multiple of 62 in a byte: above it, low digits would come more often.
        let fair = bytes
            .into_iter()
            .filter(|byte| *byte < 248)
            .filter_map(|byte| digit(byte % 62));
        digits.extend(fair.take(count - digits.len()));
    }
    Ok(digits)
}

fn digit(value: u8) -> Option<char> {
    DIGITS
        .get(usize::from(value))
        .map(|digit| char::from(*digit))
}

/// 32 bytes as 43 digits, the most significant first: 62^43 is a little more than 2^256. Clears its input.
fn base62(bytes: &mut [u8; 32]) -> String {
    let mut digits = Zeroizing::new([0_u8; SECRET_CHARS]);
    for place in digits.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in bytes.iter_mut() {
            let value = (rest << 8) | u16::from(*byte);
            // Both fit: value < 62 * 256.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *place = u8::try_from(rest).unwrap_or_default();
    }
    bytes.zeroize();
    digits.iter().filter_map(|value| digit(*value)).collect()
}

pub(super) fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [0_u8; CHECKSUM_CHARS];
    for place in digits.iter_mut().rev() {
        *place = u8::try_from(rest % 62).unwrap_or_default();
        rest /= 62;
    }
    digits.iter().filter_map(|value| digit(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_it_was_made() {
        let key = ApiKey::generate(None).unwrap();
        let text = key.text();
        assert_eq!(text.len(), 71, "{text}");
        let again = ApiKey::parse(&text).unwrap();
        assert_eq!((again.id.as_str(), again.text()), (key.id.as_str(), text));
    }

    #[test]
    fn the_spelling_never_changes() {
        assert_eq!(
            base62(&mut [0xff; 32]),
            "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"
        );
        assert_eq!(base62(&mut [0; 32]), "0".repeat(43));
        let mut one = [0; 32];
        one[31] = 63;
        assert_eq!(base62(&mut one), format!("{}11", "0".repeat(41)));
        assert_eq!(checksum("123456789"), "3jZRME");
    }

    #[test]
    fn a_token_with_four_underscores_is_no_key() {
        assert!(!ApiKey::looks_like("eyJ0.a_b_c.d_e_f"));
        assert!(ApiKey::looks_like("sx_live_a_b_c") && ApiKey::looks_like("ss_l.ve"));
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let text = ApiKey::generate(None).unwrap().text();
        for place in 0..text.len() {
            for other in ["0", "z", "_", "-", "é"] {
                let mut wrong = text.clone();
                wrong.replace_range(place..=place, other);
                if wrong != text {
                    assert!(
                        matches!(ApiKey::parse(&wrong), Err(Error::KeyMistyped)),
                        "{place} -> {other}"
                    );
                    assert!(
                        place < 3 && other == "_"
                            || ApiKey::looks_like(&wrong)
                            || wrong.matches('_').count() != 4
                    );
                }
            }
        }
    }

    #[test]
    fn a_missing_doubled_or_swapped_character_is_noticed() {
        let text = ApiKey::generate(None).unwrap().text();
        for place in 8..text.len() - 1 {
            let mut missing = text.clone();
            missing.remove(place);
            let mut doubled = text.clone();
            doubled.insert(place, char::from(text.as_bytes()[place]));
            let mut bytes = text.clone().into_bytes();
            bytes.swap(place, place + 1);
            let swapped = String::from_utf8(bytes).unwrap();
            for wrong in [missing, doubled, swapped] {
                assert!(
                    wrong == text || matches!(ApiKey::parse(&wrong), Err(Error::KeyMistyped)),
                    "{place}: {wrong}"
                );
            }
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let key = ApiKey::generate(None).unwrap();
        let shown = format!("{key:?} {:?}", FirstKey::new(key.id.clone(), key.text()));
        assert!(!shown.contains(key.secret.expose_secret()), "{shown}");
        assert_eq!(
            format!("{:?}", Pepper::new(b"salt").unwrap()),
            "Pepper(not shown)"
        );
    }

    #[test]
    fn a_secret_fits_only_its_own_digest_and_pepper() {
        let (one, other) = (
            ApiKey::generate(None).unwrap(),
            ApiKey::generate(None).unwrap(),
        );
        let (pepper, salt) = (
            Pepper::new(&[1; 32]).unwrap(),
            Pepper::new(&[2; 32]).unwrap(),
        );
        let Hashed {
            digest,
            pepper: mark,
        } = one.hashed(&pepper);
        assert!(mark == *pepper.mark() && mark != *salt.mark());
        assert!(one.fits(&digest, &pepper));
        assert!(!other.fits(&digest, &pepper) && !one.fits(&digest, &salt));
    }
}
