//! What lies in Redis is believed only when it carries our seal.
//!
//! SHA-256 over a secret of the servers, what it is and in which form, its key and its bytes, each with its length. So a
//! damaged value, another key's, another version's or somebody else's is none.

use super::{CacheKey, Salt};
use crate::redis::MAX_BYTES;

const SEAL_BYTES: usize = 32;
const FORM_BYTES: usize = 8;

/// The seal of one form of values.
#[derive(Clone, Copy)]
pub(super) struct Seal {
    salt: Salt,
    form: &'static [u8; FORM_BYTES],
}

impl Seal {
    pub(super) const fn new(salt: Salt, form: &'static [u8; FORM_BYTES]) -> Self {
        Self { salt, form }
    }

    /// A value that is believed under this key; `None` when it is too long.
    pub(super) fn sealed(&self, key: &CacheKey, body: &[u8]) -> Option<Vec<u8>> {
        let value = [self.form.as_slice(), self.of(key, body).as_bytes(), body].concat();
        (value.len() <= MAX_BYTES).then_some(value)
    }

    /// The body of a value that can be believed.
    pub(super) fn opened<'a>(&self, key: &CacheKey, value: &'a [u8]) -> Option<&'a [u8]> {
        let (seal, body) = value
            .strip_prefix(self.form)?
            .split_at_checked(SEAL_BYTES)?;
        let body = (self.of(key, body).as_bytes() == seal).then_some(body);
        if body.is_none() {
            tracing::warn!("Redis has a value without our seal; it is not used");
        }
        body
    }

    fn of(&self, key: &CacheKey, body: &[u8]) -> CacheKey {
        let seal = self.salt.key("seal").part(self.form);
        seal.part(key.as_bytes()).part(body).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_believed_whole_under_its_own_key_form_and_salt_alone() {
        let salt = Salt::from([1; 32]);
        let seal = Seal::new(salt, b"a form 1");
        let key = |name: &[u8]| salt.key("test").part(name).finish();
        let value = seal.sealed(&key(b"a"), b"Bread").unwrap();
        assert_eq!(seal.opened(&key(b"a"), &value), Some(&b"Bread"[..]));
        assert_eq!(seal.opened(&key(b"b"), &value), None, "another's");
        for other in [
            Seal::new(salt, b"a form 2"),
            Seal::new(Salt::from([2; 32]), b"a form 1"),
        ] {
            assert_eq!(other.opened(&key(b"a"), &value), None);
        }
        for place in 0..value.len() {
            let mut changed = value.clone();
            changed[place] ^= 1;
            assert_eq!(seal.opened(&key(b"a"), &changed), None, "{place}");
            assert_eq!(seal.opened(&key(b"a"), &value[..place]), None, "{place}");
        }
        let longer = [value.as_slice(), b" "].concat();
        assert_eq!(seal.opened(&key(b"a"), &longer), None);
    }

    #[test]
    fn what_is_too_long_is_not_sealed() {
        let seal = Seal::new(Salt::from([1; 32]), b"a form 1");
        let key = Salt::from([1; 32]).key("test").finish();
        assert_eq!(seal.sealed(&key, &vec![0; MAX_BYTES]), None);
    }
}
