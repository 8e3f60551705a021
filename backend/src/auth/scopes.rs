//! A set of scopes in one byte.

use std::fmt;

use api::Scope;

/// What a key or token may do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ScopeSet(u8);

const fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::SummariesWrite => 1,
        Scope::ChatWrite => 2,
        Scope::BatchesWrite => 4,
        Scope::TokensWrite => 8,
        Scope::Admin => 16,
    }
}

impl ScopeSet {
    /// Whether it has `scope`.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its scopes, in the contract's order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }

    /// Scopes separated by spaces; `None` when a name is not a scope.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split_ascii_whitespace()
            .map(|name| name.parse::<Scope>().ok())
            .collect()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ScopeSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_back_as_it_is_written() {
        for bits in 0..32 {
            let set = ScopeSet(bits);
            assert_eq!(ScopeSet::parse(&set.to_string()), Some(set));
        }
        assert_eq!(ScopeSet::parse("summaries:write root"), None);
    }
}
