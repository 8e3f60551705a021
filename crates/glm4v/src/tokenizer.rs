//! Text to token ids and back, with strangers' text kept apart from control tokens.
//!
//! A chat template writes control tokens such as `<|user|>` as text, and the reference looks for them in the whole rendered
//! prompt, so that a writer who types `<|image|>` gets the control token.
//! Here the two ways are two functions: [`Tokenizer::encode_text`] knows no control token at all, and
//! [`Tokenizer::encode_marked`] is the reference's.
//!
//! The tokens' bytes are kept in one table: decoding is copying from it, [`TextStream`] never cuts a character, and
//! constrained decoding reads the same bytes by [`Tokenizer::token_bytes`].

use std::collections::HashMap;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken, AddedVocabulary, DecoderWrapper};

use crate::{Error, Result};

/// What the model writes around its thoughts, around a boxed answer and around what it asks of tools.
const MARKERS: [&str; 14] = [
    "<think>",
    "</think>",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<answer>",
    "</answer>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
];

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A piece of text, or an id without a token.
    Text,
    /// A control token that decoding shows, such as `<think>`.
    Control,
    /// A control token that decoding may skip, such as `<|user|>`.
    Special,
}

/// `tokenizer.json` of a checkpoint: byte-level BPE and its control tokens.
#[derive(Debug)]
pub struct Tokenizer {
    /// Without any control token.
    plain: tokenizers::Tokenizer,
    controls: Controls,
    bytes: ByteTable,
    kinds: Vec<Kind>,
    /// Ids of the 256 tokens of one byte, for text that would otherwise become a control token.
    of_byte: Vec<Option<u32>>,
}

/// The added tokens of the file.
#[derive(Debug)]
struct Controls {
    tokens: Vec<AddedToken>,
    ids: Vec<u32>,
    by_content: HashMap<String, u32>,
    longest: AhoCorasick,
    every: AhoCorasick,
}

/// A piece of a rendered prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Control(u32),
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a checkpoint's directory.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Tokenizer`] when it is not a byte-level BPE tokenizer.
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        Self::from_bytes(&std::fs::read(&path).map_err(|source| Error::io(&path, source))?)
    }

    /// Reads the content of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when it is not a byte-level BPE tokenizer, or a control token is a single character.
    pub fn from_bytes(json: &[u8]) -> Result<Self> {
        let mut plain = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        if !matches!(plain.get_model(), ModelWrapper::BPE(_))
            || !matches!(plain.get_decoder(), Some(DecoderWrapper::ByteLevel(_)))
        {
            return Err(Error::Tokenizer("only byte-level BPE is known".to_owned()));
        }
        let mut added: Vec<(u32, AddedToken)> =
            plain.get_added_tokens_decoder().into_iter().collect();
        added.sort_by_key(|(id, _)| *id);
        let tokens = plain.get_vocab(true);
        let size = tokens.values().max().map_or(0, |id| *id as usize + 1);
        let mut kinds = vec![Kind::Text; size];
        for (id, token) in &added {
            if let Some(kind) = kinds.get_mut(*id as usize) {
                *kind = if token.special {
                    Kind::Special
                } else {
                    Kind::Control
                };
            }
        }
        let bytes = ByteTable::new(size, &tokens);
        let mut of_byte = vec![None; 256];
        for (id, kind) in (0..).zip(&kinds) {
            if let (Kind::Text, [byte]) = (kind, bytes.get(id))
                && let Some(place) = of_byte.get_mut(usize::from(*byte))
            {
                *place = Some(id);
            }
        }
        plain.with_added_vocabulary(AddedVocabulary::new());
        plain.with_padding(None);
        plain
            .with_truncation(None)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        Ok(Self {
            plain,
            controls: Controls::new(added)?,
            bytes,
            kinds,
            of_byte,
        })
    }

    /// One more than the largest id that has a token. The head may have more rows.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.kinds.len()
    }

    /// Id of a control token by its text, such as `<|image|>`.
    #[must_use]
    pub fn control_id(&self, content: &str) -> Option<u32> {
        self.controls.by_content.get(content).copied()
    }

    /// Text and ids of all control tokens, by rising id.
    pub fn controls(&self) -> impl Iterator<Item = (&str, u32)> {
        self.controls
            .tokens
            .iter()
            .map(|token| token.content.as_str())
            .zip(self.controls.ids.iter().copied())
    }

    /// Ids of the markers that this vocabulary has for thoughts, boxed answers and calls of tools, by rising id.
    ///
    /// An answer that is shown as it is has no use for them: with thinking switched off they belong into
    /// [`Sampling::forbidden`](crate::sample::Sampling::forbidden). The tokens that end an answer are not among them.
    #[must_use]
    pub fn marker_ids(&self) -> Vec<u32> {
        self.controls()
            .filter(|(content, _)| MARKERS.contains(content))
            .map(|(_, id)| id)
            .collect()
    }

    /// What an id stands for; ids beyond the vocabulary are [`Kind::Text`] without bytes.
    #[must_use]
    pub fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Text)
    }

    /// The bytes that a token adds to the text, which may be part of a character. Empty for ids without a token.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id)
    }

    /// Encodes text of any origin. No id in the result is a control token, whatever the text says.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer fails, for which no text is known.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self
            .plain
            .encode_fast(text, false)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        let ids = encoding.get_ids();
        if ids.iter().all(|id| self.kind(*id) == Kind::Text) {
            return Ok(ids.to_vec());
        }
        // A vocabulary may list its control tokens among the ordinary ones, too. Then we spell them out.
        let spell = |id: &u32| match self.kind(*id) {
            Kind::Text => vec![*id],
            _ => self
                .token_bytes(*id)
                .iter()
                .filter_map(|byte| self.of_byte.get(usize::from(*byte)).copied().flatten())
                .collect(),
        };
        Ok(ids.iter().flat_map(spell).collect())
    }

    /// Encodes text that is trusted to contain control tokens, exactly as the reference encodes any text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_text`].
    pub fn encode_marked(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        for piece in self.pieces(text) {
            match piece {
                Piece::Text(text) => ids.extend(self.encode_text(text)?),
                Piece::Control(id) => ids.push(id),
            }
        }
        Ok(ids)
    }

    /// Decodes ids, replacing what is no UTF-8; `skip` leaves out tokens of [`Kind::Special`], as the reference's
    /// `skip_special_tokens`.
    #[must_use]
    pub fn decode(&self, ids: &[u32], skip: SkipSpecial) -> String {
        let mut stream = TextStream::new(skip);
        let mut text: String = ids.iter().map(|id| stream.push(self, *id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// Splits trusted text at control tokens: leftmost first, the longest of those that begin together.
    pub(crate) fn pieces<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut done = 0;
        for found in self.controls.longest.find_iter(text) {
            let at = found.pattern().as_usize();
            let (Some(token), Some(id)) = (self.controls.tokens.get(at), self.controls.ids.get(at))
            else {
                continue;
            };
            let (Some(before), Some(after)) =
                (text.get(done..found.start()), text.get(found.end()..))
            else {
                continue;
            };
            let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if token.single_word
                && (joins(before.chars().next_back()) || joins(after.chars().next()))
            {
                continue;
            }
            let before = if token.lstrip {
                before.trim_end()
            } else {
                before
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Control(*id));
            done = found.end();
            if token.rstrip {
                done += after.len() - after.trim_start().len();
            }
        }
        match text.get(done..) {
            Some(rest) if !rest.is_empty() => pieces.push(Piece::Text(rest)),
            _ => {}
        }
        pieces
    }

    /// Puts `mark` into every place of `text` where a control token stands, or could come to stand when the text is put
    /// between others and trimmed. Without such a place the text is unchanged.
    pub(crate) fn shield(&self, text: &str, mark: &str) -> String {
        let mut places: Vec<usize> = Vec::new();
        let second = |at: usize| {
            at + text
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8)
        };
        places.extend(
            self.controls
                .every
                .find_overlapping_iter(text)
                .map(|found| second(found.start())),
        );
        let body = text.trim();
        let start = text.len() - text.trim_start().len();
        for token in &self.controls.tokens {
            let token = token.content.as_str();
            let cuts = || {
                token
                    .char_indices()
                    .map(|(at, _)| token.split_at(at))
                    .skip(1)
            };
            if cuts().any(|(head, _)| body.ends_with(head)) {
                places.push(start + body.len());
            }
            if cuts().any(|(_, tail)| body.starts_with(tail))
                || (!body.is_empty() && token.contains(body))
            {
                places.push(start);
            }
        }
        places.sort_unstable();
        places.dedup();
        let mut shielded = String::with_capacity(text.len() + places.len() * mark.len());
        let mut done = 0;
        for place in places {
            shielded.push_str(text.get(done..place).unwrap_or_default());
            shielded.push_str(mark);
            done = place;
        }
        shielded.push_str(text.get(done..).unwrap_or_default());
        shielded
    }
}

impl Controls {
    fn new(added: Vec<(u32, AddedToken)>) -> Result<Self> {
        let (ids, tokens): (Vec<u32>, Vec<AddedToken>) = added.into_iter().unzip();
        if let Some(token) = tokens
            .iter()
            .find(|token| token.content.chars().count() < 2)
        {
            let reason = format!(
                "the added token `{}` cannot be told from text",
                token.content
            );
            return Err(Error::Tokenizer(reason));
        }
        let automaton = |kind| {
            let patterns = tokens.iter().map(|token| token.content.as_str());
            AhoCorasick::builder()
                .match_kind(kind)
                .build(patterns)
                .map_err(|error| Error::Tokenizer(error.to_string()))
        };
        Ok(Self {
            longest: automaton(MatchKind::LeftmostLongest)?,
            every: automaton(MatchKind::Standard)?,
            by_content: tokens
                .iter()
                .map(|token| token.content.clone())
                .zip(ids.iter().copied())
                .collect(),
            tokens,
            ids,
        })
    }
}

/// Whether decoding leaves out tokens of [`Kind::Special`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipSpecial {
    /// They are left out.
    Yes,
    /// They are written as text.
    No,
}

/// Decodes one token after another; what it returns is always whole characters.
///
/// The pieces and [`TextStream::finish`] together are what [`Tokenizer::decode`] gives for all ids at once.
#[derive(Debug, Clone)]
pub struct TextStream {
    skip: SkipSpecial,
    /// The beginning of a character: at most three bytes.
    pending: Vec<u8>,
}

impl TextStream {
    /// At the beginning of a text.
    #[must_use]
    pub const fn new(skip: SkipSpecial) -> Self {
        Self {
            skip,
            pending: Vec::new(),
        }
    }

    /// The text that this token completes; bytes that can become no character are replaced by U+FFFD.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        if self.skip == SkipSpecial::Yes && tokenizer.kind(id) == Kind::Special {
            return String::new();
        }
        self.pending.extend_from_slice(tokenizer.token_bytes(id));
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        let kept = loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    break Vec::new();
                }
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    // No length means that the text ends inside a character which may yet be completed.
                    let Some((_, after)) = error
                        .error_len()
                        .and_then(|len| broken.split_at_checked(len))
                    else {
                        break broken.to_vec();
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = after;
                }
            }
        };
        self.pending = kept;
        text
    }

    /// What is left of a character that never came to its end: U+FFFD, or nothing.
    #[must_use]
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// All tokens' bytes, end to end.
#[derive(Debug)]
struct ByteTable {
    bytes: Vec<u8>,
    /// `ends[id]` is where the token's bytes end; they begin where those of the token before end.
    ends: Vec<u32>,
}

impl ByteTable {
    fn new(size: usize, tokens: &HashMap<String, u32>) -> Self {
        let mut by_id = vec![""; size];
        for (token, id) in tokens {
            if let Some(place) = by_id.get_mut(*id as usize) {
                *place = token;
            }
        }
        let alphabet = byte_level_alphabet();
        let mut table = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(size),
        };
        for token in by_id {
            // As the reference's decoder: a token with any other character stands for itself.
            let mapped: Option<Vec<u8>> =
                token.chars().map(|c| alphabet.get(&c).copied()).collect();
            table
                .bytes
                .extend(mapped.unwrap_or_else(|| token.as_bytes().to_vec()));
            table.ends.push(table.bytes.len() as u32);
        }
        table
    }

    fn get(&self, id: u32) -> &[u8] {
        let start = match (id as usize).checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        let range = start
            .zip(self.ends.get(id as usize))
            .map(|(start, end)| start as usize..*end as usize);
        range
            .and_then(|range| self.bytes.get(range))
            .unwrap_or_default()
    }
}

/// The characters by which byte-level BPE writes bytes: printable ones stand for themselves, the others, in order, are
/// moved to U+0100 and up.
///
/// Source: `bytes_to_unicode` of GPT-2.
fn byte_level_alphabet() -> HashMap<char, u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let moved = (0..=u8::MAX)
        .filter(|byte| !printable(byte))
        .zip('\u{100}'..);
    let same = (0..=u8::MAX)
        .filter(printable)
        .map(|byte| (byte, char::from(byte)));
    moved.chain(same).map(|(byte, c)| (c, byte)).collect()
}
