//! Which tokens may come next, so that every answer is JSON that its schema allows.
//!
//! `llguidance` walks the schema's grammar and the vocabulary's trie together. The trie is made of our own tokenizer's
//! bytes; a control token stands in it behind a marker byte that no grammar produces, so none can ever be allowed.

use std::sync::{Arc, Mutex, PoisonError};

use glm4v::sample::TokenMask;
use glm4v::tokenizer::{Kind, Tokenizer};
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, SimpleVob, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};

use super::kept::Kept;
use crate::cache::{CacheKey, Salt};
use crate::engines::{AnswerFormat, Error, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, schema_depth};

/// Grammars that are kept.
const MAX_GRAMMARS: usize = 64;

/// Compiles schemas, and keeps what it compiled.
pub(super) struct Grammars {
    factory: ParserFactory,
    kept: Mutex<Kept<Arc<Matcher>>>,
}

impl Grammars {
    /// Of a tokenizer whose answers end with any of `ends`.
    pub(super) fn new(tokenizer: &Arc<Tokenizer>, ends: &[u32]) -> Result<Self, String> {
        let environment: Arc<dyn TokenizerEnv + Sync> = Arc::new(Vocabulary::new(tokenizer, ends)?);
        let capabilities = InferenceCapabilities::default();
        let slices = llguidance::earley::SlicedBiasComputer::json_slices();
        let mut factory = ParserFactory::new(&environment, capabilities, &slices)
            .map_err(|error| error.to_string())?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_grammar_size: 100_000,
            max_lexer_states: 50_000,
            // What it would quote is somebody's text.
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(Self {
            factory,
            kept: Mutex::new(Kept::new(MAX_GRAMMARS)),
        })
    }

    /// What holds an answer to `format`; none for free text.
    pub(super) fn constraint(
        &self,
        format: &AnswerFormat,
        salt: &Salt,
        tenant: &str,
    ) -> Result<Option<Constraint>, Error> {
        let schema = match format {
            AnswerFormat::Text => return Ok(None),
            AnswerFormat::JsonObject => json!({ "type": "object" }),
            AnswerFormat::JsonSchema(schema) => schema.clone(),
        };
        let text = schema.to_string();
        check(&schema, text.len())?;
        let key = salt
            .key("grammar")
            .part(tenant.as_bytes())
            .part(text.as_bytes())
            .finish();
        let matcher = match self.known(&key) {
            Some(matcher) => matcher,
            None => self.compile(schema, key)?,
        };
        // A deep copy, so that rows never wait for one another's lexer.
        Ok(Some(Constraint::new(matcher.deep_clone())))
    }

    fn known(&self, key: &CacheKey) -> Option<Arc<Matcher>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key)
    }

    fn compile(&self, mut schema: Value, key: CacheKey) -> Result<Arc<Matcher>, Error> {
        prepare(&mut schema);
        options().apply_to(&mut schema);
        let grammar = TopLevelGrammar::from_json_schema(schema);
        let parser = self.factory.create_parser(grammar);
        let parser = parser.map_err(|error| unusable(&first_line(&error.to_string())))?;
        let matcher = Arc::new(Matcher::new(Ok(parser)));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(key, Arc::clone(&matcher), 1);
        Ok(matcher)
    }
}

/// No whitespace but the usual one, so that a bounded schema has bounded answers; and no `\u`, with which half of a
/// surrogate pair could be written, which is no text.
fn options() -> JsonCompileOptions {
    JsonCompileOptions {
        item_separator: ", ".to_owned(),
        key_separator: ": ".to_owned(),
        whitespace_flexible: false,
        json_allowed_escapes: Some("nrbtf\\\"".to_owned()),
        ..JsonCompileOptions::default()
    }
}

fn unusable(reason: &str) -> Error {
    Error::Unusable {
        detail: format!("the JSON Schema of the answer cannot be followed: {reason}"),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// The caps on what a caller may ask to have compiled.
fn check(schema: &Value, bytes: usize) -> Result<(), Error> {
    if !schema.is_object() {
        return Err(unusable("it is no object"));
    }
    if bytes > MAX_SCHEMA_BYTES {
        let reason = format!("it has {bytes} bytes; at most {MAX_SCHEMA_BYTES} are read");
        return Err(unusable(&reason));
    }
    let depth = schema_depth(schema);
    if depth > MAX_SCHEMA_DEPTH {
        let reason = format!("it has {depth} levels; at most {MAX_SCHEMA_DEPTH} are read");
        return Err(unusable(&reason));
    }
    Ok(())
}

/// Takes out what is no part of a schema for us: the compiler's own options, which are ours to choose, and
/// `uniqueItems`, which no grammar can say.
fn prepare(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(prepare),
        Value::Object(entries) => {
            entries.remove("x-guidance");
            if matches!(entries.get("uniqueItems"), Some(Value::Bool(_))) {
                entries.remove("uniqueItems");
            }
            for (key, value) in entries.iter_mut() {
                match (key.as_str(), value) {
                    // Their keys are names of the caller's, not words of the schema language.
                    ("properties" | "patternProperties" | "$defs" | "definitions", named) => {
                        if let Some(named) = named.as_object_mut() {
                            named.values_mut().for_each(prepare);
                        }
                    }
                    // Values, not schemas.
                    ("const" | "enum" | "default" | "examples" | "required", _) => {}
                    (_, value) => prepare(value),
                }
            }
        }
        _ => {}
    }
}

/// Where one answer is in its grammar.
pub(super) struct Constraint {
    matcher: Matcher,
    mask: Option<Result<SimpleVob, String>>,
}

impl Constraint {
    fn new(matcher: Matcher) -> Self {
        Self {
            matcher,
            mask: None,
        }
    }

    /// Computes the mask for the next token, unless it is there; so that it can be done beside the model's own work.
    pub(super) fn prepare(&mut self) {
        if self.mask.is_none() {
            let mask = self.matcher.compute_mask();
            self.mask = Some(mask.map_err(|error| first_line(&error.to_string())));
        }
    }

    /// What the caller is told when finding the next token took more work than one schema may cost.
    pub(super) fn gave_up(&self) -> Option<Error> {
        let reason = self.mask.as_ref()?.as_ref().err()?;
        Some(unusable(reason))
    }

    /// Whether the answer is complete, and nothing may follow.
    pub(super) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}

impl TokenMask for Constraint {
    fn allowed(&mut self) -> glm4v::Result<&[u32]> {
        self.prepare();
        match &self.mask {
            Some(Ok(mask)) => Ok(mask.as_slice()),
            Some(Err(reason)) => Err(fault(reason.clone())),
            None => Err(fault("has no mask; this is a bug".to_owned())),
        }
    }

    fn accept(&mut self, token: u32) -> glm4v::Result<()> {
        self.mask = None;
        let accepted = self.matcher.consume_token(token);
        accepted.map_err(|error| {
            let reason = first_line(&error.to_string());
            self.mask = Some(Err(reason.clone()));
            fault(reason)
        })
    }
}

fn fault(reason: String) -> glm4v::Error {
    glm4v::Error::Input {
        what: "constraint",
        reason,
    }
}

/// Our tokenizer, as `llguidance` reads one.
struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl Vocabulary {
    fn new(tokenizer: &Arc<Tokenizer>, ends: &[u32]) -> Result<Self, String> {
        let size = u32::try_from(tokenizer.vocab_size()).map_err(|error| error.to_string())?;
        let ends: Vec<u32> = ends.iter().copied().filter(|id| *id < size).collect();
        let first = *ends
            .first()
            .ok_or("no token of the vocabulary ends an answer")?;
        let words: Vec<Vec<u8>> = (0..size).map(|id| word(tokenizer, id)).collect();
        let trie = TokTrie::from(&TokRxInfo::new(size, first), &words).with_eos_tokens(&ends);
        Ok(Self {
            tokenizer: Arc::clone(tokenizer),
            trie,
        })
    }
}

/// A token's bytes. A control token has the marker before its name; a text token with that byte, which is in no UTF-8,
/// has none and so can never come.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    let bytes = tokenizer.token_bytes(id);
    match tokenizer.kind(id) {
        Kind::Text if bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) => Vec::new(),
        Kind::Text => bytes.to_vec(),
        Kind::Control | Kind::Special => [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat(),
    }
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let text = String::from_utf8_lossy(bytes);
        self.tokenizer.encode_text(&text).unwrap_or_default()
    }

    /// Bytes that are no text, such as a marker, are not what the tokenizer would give: nothing is forced by it.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}
