//! The content address of an answer.

use sha2::{Digest, Sha256};

/// 256 bits over all that an answer depends on. Says nothing about its parts: it is salted per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// Its bits, to be part of another key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its bits in hexadecimal, to be part of a name.
    #[must_use]
    pub fn digits(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A secret of this process, so that nobody outside can compute a key.
#[derive(Clone, Copy)]
pub struct Salt([u8; 32]);

/// Collects the parts of a key. Each part is preceded by its length: no two lists of parts read the same.
pub struct KeyBuilder(Sha256);

impl From<[u8; 32]> for Salt {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Salt {
    /// A new random salt.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Begins a key for one use, `domain`.
    #[must_use]
    pub fn key(&self, domain: &str) -> KeyBuilder {
        KeyBuilder(Sha256::new())
            .part(&self.0)
            .part(domain.as_bytes())
    }
}

impl KeyBuilder {
    /// Adds a part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The key.
    #[must_use]
    pub fn finish(self) -> CacheKey {
        CacheKey(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(salt: u8, domain: &str, parts: &[&str]) -> CacheKey {
        let builder = Salt::from([salt; 32]).key(domain);
        parts
            .iter()
            .fold(builder, |builder, part| builder.part(part.as_bytes()))
            .finish()
    }

    #[test]
    fn the_same_parts_are_the_same_key() {
        assert_eq!(key(1, "d", &["ab", "c"]), key(1, "d", &["ab", "c"]));
    }

    #[test]
    fn salt_domain_order_and_the_edges_of_parts_count() {
        let keys = [
            key(1, "d", &["ab", "c"]),
            key(2, "d", &["ab", "c"]),
            key(1, "e", &["ab", "c"]),
            key(1, "d", &["a", "bc"]),
            key(1, "d", &["c", "ab"]),
            key(1, "d", &["ab", "c", ""]),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
