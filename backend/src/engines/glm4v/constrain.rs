//! Which tokens may come next, so that every answer is JSON that its schema allows.
//!
//! `llguidance` walks the schema's grammar and the vocabulary's trie together. The trie is made of our own tokenizer's
//! bytes; a control token stands in it behind a marker byte that no grammar produces, so none can ever be allowed.

// Which arrays of a schema may not repeat an item; an answer as it is written; what may not follow therefore.
mod reader;
mod schema;
mod unique;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use glm4v::sample::TokenMask;
use glm4v::tokenizer::{Kind, Tokenizer};
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, SimpleVob, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Map, Value, json};

use self::reader::Repeated;
use self::schema::Schema;
use self::unique::{Endings, Unique};
use super::kept::Kept;
use crate::cache::{CacheKey, Salt};
use crate::engines::{AnswerFormat, Error, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, schema_depth};

/// Grammars that are kept.
const MAX_GRAMMARS: usize = 64;

/// Compiles schemas, and keeps what it compiled.
pub(super) struct Grammars {
    factory: ParserFactory,
    endings: Arc<Endings>,
    kept: Mutex<Kept<Arc<Grammar>>>,
}

/// A schema to follow, within the caps on what a caller may ask to have compiled.
pub(super) struct Asked {
    schema: Value,
    key: CacheKey,
}

impl Asked {
    /// Of an answer's format; none for free text.
    pub(super) fn of(
        format: &AnswerFormat,
        salt: &Salt,
        tenant: &str,
    ) -> Result<Option<Self>, Error> {
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
        Ok(Some(Self { schema, key }))
    }
}

/// A schema, compiled.
pub(super) struct Grammar {
    matcher: Matcher,
    /// For what no grammar can say; none where nothing of that is asked.
    unique: Option<Arc<Schema>>,
}

impl Grammars {
    /// Of a tokenizer whose answers end with any of `ends`.
    pub(super) fn new(tokenizer: &Arc<Tokenizer>, ends: &[u32]) -> Result<Self, String> {
        let vocabulary = Arc::new(Vocabulary::new(tokenizer, ends)?);
        let endings = Arc::new(Endings::of(Arc::clone(&vocabulary)));
        let environment: Arc<dyn TokenizerEnv + Sync> = vocabulary;
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
            endings,
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
        let Some(asked) = Asked::of(format, salt, tenant)? else {
            return Ok(None);
        };
        let grammar = match self.kept(&asked) {
            Some(grammar) => grammar,
            None => self.compile(asked)?,
        };
        Ok(Some(self.follow(&grammar)))
    }

    /// The grammar of a schema that was compiled before.
    pub(super) fn kept(&self, asked: &Asked) -> Option<Arc<Grammar>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&asked.key)
    }

    /// The beginning of an answer that follows `grammar`.
    pub(super) fn follow(&self, grammar: &Grammar) -> Constraint {
        let unique = grammar.unique.as_ref();
        Constraint {
            // A deep copy, so that rows never wait for one another's lexer.
            matcher: grammar.matcher.deep_clone(),
            unique: unique.map(|schema| Unique::new(Arc::clone(schema), Arc::clone(&self.endings))),
            mask: None,
        }
    }

    /// Compiles a schema, which is work for a thread that serves nobody, and keeps it.
    pub(super) fn compile(&self, asked: Asked) -> Result<Arc<Grammar>, Error> {
        let Asked { mut schema, key } = asked;
        let asked = schema.clone();
        prepare(&mut schema, &asked)?;
        options().apply_to(&mut schema);
        let grammar = TopLevelGrammar::from_json_schema(schema);
        let parser = self.factory.create_parser(grammar);
        let parser = parser.map_err(|error| unusable(&first_line(&error.to_string())))?;
        let grammar = Arc::new(Grammar {
            matcher: Matcher::new(Ok(parser)),
            unique: Schema::of(&asked).map(Arc::new),
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(key, Arc::clone(&grammar), 1);
        Ok(grammar)
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

/// Takes out what is no part of a schema for the compiler: its own options, which are ours to choose, and `uniqueItems`,
/// which no grammar can say. What of that can be said by a number, is.
fn prepare(schema: &mut Value, root: &Value) -> Result<(), Error> {
    match schema {
        Value::Array(items) => items.iter_mut().try_for_each(|item| prepare(item, root)),
        Value::Object(entries) => {
            entries.remove("x-guidance");
            if let Some(Value::Bool(unique)) = entries.get("uniqueItems") {
                if *unique {
                    bound(entries, root)?;
                }
                entries.remove("uniqueItems");
            }
            for (key, value) in entries.iter_mut() {
                match (key.as_str(), value) {
                    // Their keys are names of the caller's, not words of the schema language.
                    ("properties" | "patternProperties" | "$defs" | "definitions", named) => {
                        if let Some(named) = named.as_object_mut() {
                            named
                                .values_mut()
                                .try_for_each(|value| prepare(value, root))?;
                        }
                    }
                    // Values, not schemas.
                    ("const" | "enum" | "default" | "examples" | "required", _) => {}
                    (_, value) => prepare(value, root)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Lets a unique array have no more items than there are different ones.
fn bound(array: &mut Map<String, Value>, root: &Value) -> Result<(), Error> {
    let first = array.contains_key("prefixItems") || array.contains_key("additionalItems");
    let items = array
        .get("items")
        .filter(|items| !first && !items.is_array());
    let Some(count) = items.and_then(|items| schema::different_values(items, root)) else {
        return Ok(());
    };
    let number = |word: &str| array.get(word).and_then(Value::as_u64);
    let count = count as u64;
    if let Some(least) = number("minItems").filter(|least| *least > count) {
        let reason = format!(
            "an array has at least {least} items, all of them different, of {count} that there are"
        );
        return Err(unusable(&reason));
    }
    let most = number("maxItems").map_or(count, |most| most.min(count));
    array.insert("maxItems".to_owned(), most.into());
    Ok(())
}

/// Where one answer is in its grammar.
pub(super) struct Constraint {
    matcher: Matcher,
    unique: Option<Unique>,
    mask: Option<Result<SimpleVob, String>>,
}

impl Constraint {
    /// Computes the mask for the next token, unless it is there; so that it can be done beside the model's own work.
    pub(super) fn prepare(&mut self) {
        if self.mask.is_none() {
            self.mask = Some(self.compute());
        }
    }

    fn compute(&mut self) -> Result<SimpleVob, String> {
        let mask = self.matcher.compute_mask();
        let mut mask = mask.map_err(|error| first_line(&error.to_string()))?;
        if let Some(unique) = &mut self.unique {
            unique.narrow(&mut self.matcher, &mut mask);
            if mask.is_zero() {
                return Err("no item is left that differs from those before it".to_owned());
            }
        }
        Ok(mask)
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
        })?;
        match self.unique.as_mut().map(|unique| unique.accept(token)) {
            Some(Err(Repeated)) => Err(fault("repeats an item; this is a bug".to_owned())),
            Some(Ok(())) | None => Ok(()),
        }
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
