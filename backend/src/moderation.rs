//! Whether a text may be worked on and told: a list of words, and a service with OpenAI's moderation API.

use std::sync::Arc;
use std::time::Duration;

use aho_corasick::AhoCorasick;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::config;
use crate::outbound;
use crate::telemetry::{Metrics, Verdict};

/// Words of the list, and bytes of its file.
const MAX_WORDS: usize = 100_000;
const MAX_LIST_BYTES: u64 = 4 * 1024 * 1024;
/// Characters of one text that the service is shown; longer ones are shown in parts that overlap.
const PART_CHARS: usize = 8_000;
const OVERLAP_CHARS: usize = 200;
/// Bytes of the service's answer.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Why there is no moderation; one line for the person who starts the server.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(String);

/// Why a text may not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not wanted here.
    #[error("the server's moderation refused the text; change it, or ask the operator")]
    Refused,
    /// Nobody knows, and the operator wants to know.
    #[error("the server's moderation does not answer; try again later")]
    Unavailable,
}

/// The operator's choice. Without one every text is fine.
#[derive(Debug, Default)]
pub struct Moderation {
    words: Option<Words>,
    service: Option<Service>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Words {
    search: AhoCorasick,
}

#[derive(Debug)]
struct Service {
    client: Client,
    address: String,
    model: Option<String>,
    patience: Duration,
    required: bool,
}

impl Moderation {
    /// Reads the list and makes the client; asks nobody.
    ///
    /// # Errors
    /// [`Misconfigured`].
    pub fn open(config: &config::Moderation, metrics: Arc<Metrics>) -> Result<Self, Misconfigured> {
        let words = config.words_file.as_deref().map(Words::read).transpose()?;
        let service = match &config.address {
            None => None,
            Some(address) => {
                let client = outbound::client(
                    "moderation",
                    &config.api_key,
                    config.api_key_file.as_deref(),
                );
                Some(Service {
                    client: client.map_err(Misconfigured)?,
                    address: address.as_str().to_owned(),
                    model: config.model.clone(),
                    patience: Duration::from_secs(config.patience_seconds),
                    required: config.required,
                })
            }
        };
        Ok(Self {
            words,
            service,
            metrics,
        })
    }

    /// Whether any text could be refused.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.words.is_some() || self.service.is_some()
    }

    /// Looks at a text.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn check(&self, text: &str) -> Result<(), Error> {
        if text.trim().is_empty() || !self.is_on() {
            return Ok(());
        }
        let verdict = match (&self.words, &self.service) {
            (Some(words), _) if words.occur_in(text) => Verdict::Refused,
            (_, Some(service)) => match service.flags(text).await {
                Ok(true) => Verdict::Refused,
                Ok(false) => Verdict::Fine,
                Err(cause) => {
                    tracing::warn!(cause, "the moderation does not answer");
                    Verdict::Unknown
                }
            },
            _ => Verdict::Fine,
        };
        self.metrics.moderated(verdict);
        match verdict {
            Verdict::Fine => Ok(()),
            Verdict::Refused => Err(Error::Refused),
            Verdict::Unknown
                if self
                    .service
                    .as_ref()
                    .is_some_and(|service| service.required) =>
            {
                Err(Error::Unavailable)
            }
            Verdict::Unknown => Ok(()),
        }
    }
}

impl Words {
    fn read(path: &std::path::Path) -> Result<Self, Misconfigured> {
        let fault = |what: String| {
            Misconfigured(format!("moderation.words_file: {}: {what}", path.display()))
        };
        let bytes = std::fs::metadata(path)
            .map_err(|error| fault(error.to_string()))?
            .len();
        if bytes > MAX_LIST_BYTES {
            return Err(fault(format!("has more than {MAX_LIST_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        Self::of(&text).map_err(fault)
    }

    /// One word or phrase a line; empty lines and those that begin with `#` are none.
    fn of(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let words: Vec<String> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_lowercase)
            .collect();
        if words.is_empty() || words.len() > MAX_WORDS {
            return Err(format!("must hold 1 to {MAX_WORDS} words, one a line"));
        }
        let search = AhoCorasick::new(words).map_err(|error| error.to_string())?;
        Ok(Self { search })
    }

    /// Whether a word stands in the text by itself; in a script without spaces, whether it stands there at all.
    fn occur_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let joins = |a: Option<char>, b: Option<char>| {
            let spaced = |c: char| c.is_alphanumeric() && !is_unspaced(c);
            a.is_some_and(spaced) && b.is_some_and(spaced)
        };
        self.search.find_overlapping_iter(&text).any(|found| {
            let (before, rest) = text.split_at(found.start());
            let (word, after) = rest.split_at(found.len());
            !joins(before.chars().next_back(), word.chars().next())
                && !joins(word.chars().next_back(), after.chars().next())
        })
    }
}

/// Han, kana and Thai: words follow each other without a space.
const fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

impl Service {
    async fn flags(&self, text: &str) -> Result<bool, String> {
        let asked = tokio::time::timeout(self.patience, self.ask(text)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {} s", self.patience.as_secs())))
    }

    async fn ask(&self, text: &str) -> Result<bool, String> {
        let mut body = json!({ "input": parts(text) });
        if let (Some(model), Some(body)) = (&self.model, body.as_object_mut()) {
            body.insert("model".to_owned(), json!(model));
        }
        let request = self
            .client
            .post(&self.address)
            .header(CONTENT_TYPE, "application/json");
        let sent = request.body(body.to_string()).send().await;
        let response = sent.map_err(|error| outbound::unreached(&error))?;
        if !response.status().is_success() {
            return Err(format!("it answered with {}", response.status().as_u16()));
        }
        let answer = outbound::json(response, MAX_ANSWER_BYTES).await?;
        let results = answer
            .get("results")
            .and_then(Value::as_array)
            .filter(|results| !results.is_empty());
        let flags: Option<Vec<bool>> = results.and_then(|results| {
            results
                .iter()
                .map(|result| result.get("flagged")?.as_bool())
                .collect()
        });
        flags
            .map(|flags| flags.contains(&true))
            .ok_or_else(|| "its answer has no `results` with `flagged`".to_owned())
    }
}

/// The text in parts, each with the end of the one before: what is flagged may stand across a cut.
fn parts(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let starts = (0..chars.len()).step_by(PART_CHARS);
    starts
        .filter_map(|start| {
            let end = (start + PART_CHARS).min(chars.len());
            Some(
                chars
                    .get(start.saturating_sub(OVERLAP_CHARS)..end)?
                    .iter()
                    .collect(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, refused: bool) {
        let words = Words::of("# what nobody wants\nBread\n\nold cheese\n面包\nc++").unwrap();
        assert_eq!(words.occur_in(text), refused, "{text}");
    }

    #[test]
    fn a_word_is_found_by_itself_and_not_within_another() {
        check("All about BREAD.", true);
        check("Breadcrumbs and gingerbread.", false);
        check("gingerbread and bread", true);
        check("Some old cheese, please.", true);
        check("bold cheese", false);
        check("今天吃面包吧", true);
        check("Written in C++.", true);
    }

    #[test]
    fn a_list_must_hold_something() {
        assert!(Words::of("# nothing\n\n").is_err());
        let missing = Words::read(std::path::Path::new("/nowhere/words.txt")).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("moderation.words_file: /nowhere/words.txt: ")
        );
    }

    #[test]
    fn a_long_text_is_shown_whole_in_parts_that_overlap() {
        let text: String = ('a'..='z').cycle().take(PART_CHARS * 2 + 5).collect();
        let shown = parts(&text);
        assert_eq!(shown.len(), 3);
        assert_eq!(shown[0], text[..PART_CHARS]);
        assert_eq!(shown[1], text[PART_CHARS - OVERLAP_CHARS..PART_CHARS * 2]);
        assert_eq!(shown[2], text[PART_CHARS * 2 - OVERLAP_CHARS..]);
        assert_eq!(parts("水"), ["水"]);
    }

    #[tokio::test]
    async fn without_a_choice_every_text_is_fine() {
        let moderation = Moderation::default();
        assert!(!moderation.is_on());
        assert_eq!(moderation.check("anything").await, Ok(()));
    }
}
