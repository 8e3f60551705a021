//! The peppers of this server, of which one hashes and signs and all verify, so that one may take another's place without
//! any key being unknown for a moment.
//!
//! The store says which one is the newest. A server that starts with `auth.pepper` set to one that the store never had
//! brings it in, and needs the one before among `auth.other_pepper` and `auth.other_pepper_files`. Secrets are hashed anew
//! when they are next seen: nobody can do it sooner, since only their owners have them. A pepper that was replaced never
//! becomes the newest again, so a server that starts late with an older setting changes nothing.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::audit::hex;
use super::key::{ApiKey, Digest, Hashed, Pepper, random_digits};
use super::store::{KnownPepper, StoredSecret};
use super::{Error, files};
use crate::config::Config;

/// The fewest characters of a pepper.
const MIN_BYTES: usize = 32;

/// At least one pepper, the one to hash with first.
#[derive(Debug)]
pub(super) struct Peppers {
    current: Pepper,
    others: Vec<Pepper>,
    /// The mark of the one that `auth.pepper` or its file gives.
    configured: Digest,
    /// Where that one came from.
    origin: PathBuf,
}

impl Peppers {
    /// The configured pepper, or one of the data directory's own, and the others.
    pub(super) fn read(config: &Config) -> Result<Self, Error> {
        let (auth, own) = (&config.auth, config.data_dir.join("pepper"));
        let (text, origin) = match (&auth.pepper, &auth.pepper_file) {
            (Some(pepper), _) => (
                Zeroizing::new(pepper.expose().as_bytes().to_vec()),
                PathBuf::from("auth.pepper"),
            ),
            (None, Some(file)) => (files::read(file)?, file.clone()),
            (None, None) => {
                let make = || Ok(Zeroizing::new(random_digits(43)?.into_bytes()));
                (files::read_or_make(&own, make)?, own)
            }
        };
        let current = pepper(&text, &origin)?;
        let mut others = Vec::new();
        if let Some(text) = &auth.other_pepper {
            others.push(pepper(
                text.expose().as_bytes(),
                Path::new("auth.other_pepper"),
            )?);
        }
        for file in &auth.other_pepper_files {
            others.push(pepper(&files::read(file)?, file)?);
        }
        others.retain(|other| other.mark() != current.mark());
        Ok(Self {
            configured: *current.mark(),
            current,
            others,
            origin,
        })
    }

    /// The mark of the pepper that `auth.pepper` or its file gives.
    pub(super) fn configured(&self) -> &Digest {
        &self.configured
    }

    /// Hashes and signs with the store's newest pepper from here on.
    ///
    /// # Errors
    /// [`Error::File`] when this server does not have it: every key would be unknown.
    pub(super) fn follow(&mut self, known: &[KnownPepper]) -> Result<(), Error> {
        let newest = known.last().map(|known| known.mark);
        if newest.is_none_or(|newest| newest == *self.current.mark()) {
            return Ok(());
        }
        let place = self
            .others
            .iter()
            .position(|other| Some(*other.mark()) == newest);
        let Some(newest) = place.and_then(|place| self.others.get_mut(place)) else {
            let problem = "this is not the pepper that the keys of this store were made with; put that one back, and give it to every server that shares the store (auth.pepper); or, to bring in another, give that one too (auth.other_pepper)";
            return Err(Error::File {
                path: self.origin.clone(),
                problem: problem.to_owned(),
            });
        };
        std::mem::swap(&mut self.current, newest);
        Ok(())
    }

    pub(super) fn current(&self) -> &Pepper {
        &self.current
    }

    /// All, the current one first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Pepper> {
        std::iter::once(&self.current).chain(&self.others)
    }

    pub(super) fn has(&self, mark: &Digest) -> bool {
        self.all().any(|pepper| pepper.mark() == mark)
    }

    pub(super) fn hash(&self, key: &ApiKey) -> Hashed {
        key.hashed(&self.current)
    }

    /// Whether the key's secret is the one that was stored.
    pub(super) fn fits(&self, key: &ApiKey, secret: &StoredSecret) -> bool {
        let may_be = |pepper: &&Pepper| secret.pepper.is_none_or(|mark| mark == *pepper.mark());
        self.all()
            .filter(may_be)
            .any(|pepper| key.fits(&secret.digest, pepper))
    }
}

fn pepper(text: &[u8], path: &Path) -> Result<Pepper, Error> {
    if text.len() < MIN_BYTES {
        return Err(Error::File {
            path: path.to_owned(),
            problem: format!("a pepper has at least {MIN_BYTES} characters"),
        });
    }
    Pepper::new(text)
}

/// What the audit log calls a pepper: the beginning of its mark, from which nothing can be computed.
pub(super) fn name(mark: &Digest) -> String {
    hex(mark.get(..8).unwrap_or_default())
}
