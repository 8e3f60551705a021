//! Answers of a model that always repeats itself, where items may not be repeated.

use std::collections::HashSet;
use std::path::Path;

use super::reader::{Reader, canonical};
use super::*;

struct Bench {
    grammars: Grammars,
    tokenizer: Arc<Tokenizer>,
}

/// Writes the same text over and over; where that may not go on, a number ends, or the first token
/// comes that may.
struct Parrot<'a> {
    text: &'a str,
    next: usize,
    constraint: Constraint,
    written: String,
}

impl Bench {
    fn new() -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/glm4v/tests/fixtures");
        let tokenizer = Arc::new(Tokenizer::from_dir(&fixtures.join("checkpoint-b")).unwrap());
        let ends = [tokenizer.control_id("<|user|>").unwrap()];
        Self {
            grammars: Grammars::new(&tokenizer, &ends).unwrap(),
            tokenizer,
        }
    }

    fn constraint(&self, schema: Value) -> Result<Constraint, String> {
        let format = AnswerFormat::JsonSchema(schema);
        let constraint = self.grammars.constraint(&format, &Salt::from([1; 32]), "a");
        Ok(constraint.map_err(|error| error.to_string())?.unwrap())
    }

    fn parrot<'a>(&self, schema: Value, text: &'a str) -> Parrot<'a> {
        Parrot {
            text,
            next: 0,
            constraint: self.constraint(schema).unwrap(),
            written: String::new(),
        }
    }

    /// What the parrot says of a whole answer, or why there is none.
    fn says(&self, schema: Value, text: &str) -> Result<Value, String> {
        let mut parrot = self.parrot(schema, text);
        while !parrot.constraint.is_complete() {
            parrot.step(&self.tokenizer)?;
        }
        Ok(serde_json::from_str(&parrot.written)
            .unwrap_or_else(|error| panic!("{error}: {}", parrot.written)))
    }
}

impl Parrot<'_> {
    /// One token more.
    fn step(&mut self, tokenizer: &Tokenizer) -> Result<(), String> {
        assert!(self.written.len() < 2000, "no end: {}", self.written);
        let mask = self.constraint.allowed().map(<[u32]>::to_vec);
        let Ok(mask) = mask else {
            return Err(self.constraint.gave_up().unwrap().to_string());
        };
        let allowed = |token: &u32| {
            let word = mask.get(*token as usize / 32);
            word.is_some_and(|word| word >> (token % 32) & 1 == 1)
        };
        let all = 0..tokenizer.vocab_size() as u32;
        let ahead: Vec<u8> = self.text.bytes().cycle().skip(self.next).take(40).collect();
        let wanted = all.clone().filter(allowed).filter(|token| {
            let bytes = tokenizer.token_bytes(*token);
            !bytes.is_empty() && ahead.starts_with(bytes)
        });
        let longest = wanted.max_by_key(|token| tokenizer.token_bytes(*token).len());
        let length = longest.map_or(0, |token| tokenizer.token_bytes(token).len());
        self.next = (self.next + length) % self.text.len();
        let ends = [b",", b"]"].map(|end| {
            let mut allowed = all.clone().filter(allowed);
            allowed.find(|token| tokenizer.token_bytes(*token) == end)
        });
        let number = self.written.ends_with(|c: char| c.is_ascii_digit());
        let end = ends.into_iter().flatten().next().filter(|_| number);
        let token = longest.or(end);
        let token = token.or_else(|| all.clone().find(allowed)).unwrap();
        self.constraint.accept(token).unwrap();
        self.written
            .push_str(&String::from_utf8_lossy(tokenizer.token_bytes(token)));
        Ok(())
    }
}

fn words(items: Value, most: usize) -> Value {
    let mut schema = json!({ "type": "array", "maxItems": most, "uniqueItems": true });
    schema["items"] = items;
    schema
}

/// The items of an answer, of which no two are equal.
#[track_caller]
fn check(schema: Value, text: &str) -> Vec<Value> {
    let answer = Bench::new().says(schema, text).unwrap();
    let items = answer.as_array().unwrap().clone();
    let different: HashSet<String> = items
        .iter()
        .map(|item| canonical(&item.to_string()))
        .collect();
    assert_eq!(different.len(), items.len(), "{answer}");
    items
}

#[test]
fn a_word_is_not_written_twice() {
    let items = check(
        words(json!({ "type": "string", "maxLength": 6 }), 4),
        r#""ab", "#,
    );
    assert_eq!(items.first(), Some(&json!("ab")));
    assert_eq!(items.len(), 4);
}

#[test]
fn the_last_letter_that_fits_is_another_one() {
    let items = check(
        words(
            json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            5,
        ),
        r#""a", "#,
    );
    assert_eq!(items.len(), 5);
    let items = check(
        words(
            json!({ "type": "string", "minLength": 2, "maxLength": 2 }),
            5,
        ),
        r#""ab", "#,
    );
    assert_eq!(items.len(), 5);
}

#[test]
fn a_value_of_a_list_is_used_once_and_then_the_array_ends() {
    let tags = json!({ "enum": ["red", "rose", "redder", "r"] });
    let mut items = check(words(tags.clone(), 9), r#""red", "#);
    items.sort_by_key(ToString::to_string);
    assert_eq!(
        items,
        [json!("r"), json!("red"), json!("redder"), json!("rose")]
    );
    let all = json!({ "type": "array", "items": tags, "minItems": 4, "uniqueItems": true });
    assert_eq!(check(all, r#""r", "#).len(), 4);
    assert_eq!(
        check(words(json!({ "type": "boolean" }), 9), "true, ").len(),
        2
    );
    assert_eq!(
        check(words(json!({ "enum": [0.5, 1.5, "x", null] }), 9), "0.50, ").len(),
        4
    );
    assert_eq!(
        check(
            words(json!({ "type": "integer", "minimum": 1, "maximum": 3 }), 9),
            "1, "
        )
        .len(),
        3
    );
    assert_eq!(
        check(
            words(json!({ "type": "string", "pattern": "^[ab]$" }), 9),
            r#""a", "#
        )
        .len(),
        2
    );
}

#[test]
fn an_array_that_must_be_longer_than_its_values_are_many_is_refused() {
    let bench = Bench::new();
    let schema = |items: Value| {
        json!({ "type": "object", "properties": { "tags": { "type": "array", "items": items, "minItems": 3, "uniqueItems": true } },
                "required": ["tags"], "$defs": { "yes": { "type": "boolean" } } })
    };
    for few in [
        json!({ "enum": [1, 1.0, "1"] }),
        json!({ "type": "boolean" }),
        json!({ "$ref": "#/$defs/yes" }),
        json!({ "anyOf": [{ "const": "a" }, { "type": "null" }] }),
        json!({ "type": "string", "enum": ["a", "b"] }),
    ] {
        let told = bench.constraint(schema(few)).err().unwrap();
        assert!(
            told.contains(
                "an array has at least 3 items, all of them different, of 2 that there are"
            ),
            "{told}"
        );
        assert!(!told.contains('\n'));
    }
    bench
        .constraint(schema(json!({ "enum": [1, 2, "1"] })))
        .unwrap();
    bench
        .constraint(schema(json!({ "type": ["boolean", "null"] })))
        .unwrap();
    // Nothing written down bounds these; it is found where the answer cannot go on.
    let letters = schema(json!({ "type": "string", "pattern": "^[ab]$" }));
    let told = bench.says(letters, r#""a", "#).unwrap_err();
    assert!(
        told.ends_with("no item is left that differs from those before it"),
        "{told}"
    );
}

#[test]
fn numbers_are_equal_by_value() {
    let items = check(words(json!({ "type": "number" }), 3), "1, 1.0, ");
    assert_eq!((items.len(), items.first()), (3, Some(&json!(1))));
    for (left, right) in [
        ("1", "1.0"),
        ("1", "10e-1"),
        ("-0", "0.00"),
        ("100", "1E+2"),
        ("0.5", "5e-1"),
        ("12345678901234567890.1", "123456789012345678901e-1"),
    ] {
        assert_eq!(canonical(left), canonical(right), "{left} {right}");
    }
    for (left, right) in [
        ("1", "-1"),
        ("10", "1"),
        ("12345678901234567890", "12345678901234567891"),
        ("1", "\"1\""),
    ] {
        assert_ne!(canonical(left), canonical(right), "{left} {right}");
    }
}

#[test]
fn texts_are_equal_by_their_characters_and_objects_by_their_members() {
    for (left, right) in [
        (r#""é""#, r#""\u00e9""#),
        (r#""\/""#, r#""/""#),
        (r#"{"a": 1, "b": [2]}"#, r#"{ "b":[2.0],"\u0061":1 }"#),
        (r#"{"a": 2, "a": 1}"#, r#"{"a": 1}"#),
        ("[ ]", "[]"),
    ] {
        assert_eq!(canonical(left), canonical(right), "{left} {right}");
    }
    for (left, right) in [
        ("[1, 2]", "[2, 1]"),
        (r#"{"a": "b:c"}"#, r#"{"a:b": "c"}"#),
        (r#"["a,b"]"#, r#"["a", "b"]"#),
        ("[[]]", "[]"),
        ("true", r#""true""#),
    ] {
        assert_ne!(canonical(left), canonical(right), "{left} {right}");
    }
}

#[test]
fn what_is_nested_is_compared_whole() {
    let pair = json!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 2 }, "minItems": 2, "maxItems": 2 });
    assert_eq!(
        check(words(pair.clone(), 9), "[1, 1], ").len(),
        4,
        "all there are"
    );
    let mut unique = pair;
    unique["uniqueItems"] = json!(true);
    assert_eq!(
        check(words(unique, 9), "[1, 1], ").len(),
        2,
        "1, 2 and 2, 1"
    );
    let person = json!({ "type": "object", "properties": { "name": { "enum": ["Ann", "Bo"] }, "old": { "type": "boolean" } },
                         "required": ["name", "old"], "additionalProperties": false });
    assert_eq!(
        check(words(person, 9), r#"{"name": "Ann", "old": true}, "#).len(),
        4
    );
}

#[test]
fn only_the_arrays_that_say_so_are_unique() {
    let bench = Bench::new();
    let list = |unique: bool| json!({ "type": "array", "items": { "enum": ["a", "b"] }, "maxItems": 3, "uniqueItems": unique });
    let schema = json!({
        "type": "object",
        "properties": {
            "free": list(false), "once": list(true),
            "deep": { "type": "array", "items": { "$ref": "#/$defs/entry" }, "minItems": 2, "maxItems": 2 },
            "either": { "anyOf": [list(true), { "type": "null" }] },
        },
        "required": ["free", "once", "deep", "either"],
        "additionalProperties": false,
        "$defs": { "entry": { "type": "object", "properties": { "tags": list(true) }, "required": ["tags"], "additionalProperties": false } },
    });
    let answer = bench.says(schema, r#""a", "#).unwrap();
    assert_eq!(answer["free"], json!(["a", "a", "a"]));
    assert_eq!(answer["once"], json!(["a", "b"]));
    assert_eq!(
        answer["deep"],
        json!([{ "tags": ["a", "b"] }, { "tags": ["a", "b"] }]),
        "each has its own"
    );
    assert_eq!(answer["either"], json!(["a", "b"]));
}

#[test]
fn two_answers_know_nothing_of_each_other() {
    let bench = Bench::new();
    let schema = words(json!({ "enum": ["a", "b"] }), 2);
    let mut parrots = [(); 2].map(|()| bench.parrot(schema.clone(), r#""a", "#));
    while parrots
        .iter()
        .any(|parrot| !parrot.constraint.is_complete())
    {
        for parrot in parrots
            .iter_mut()
            .filter(|parrot| !parrot.constraint.is_complete())
        {
            parrot.step(&bench.tokenizer).unwrap();
        }
    }
    assert_eq!(parrots.map(|parrot| parrot.written), [r#"["a", "b"]"#; 2]);
}

/// Byte by byte, so that whatever a token is made of ends an item where its bytes do.
#[test]
fn a_reader_stops_at_the_byte_that_ends_the_second() {
    let unique = Arc::new(Schema::of(&json!({ "uniqueItems": true })).unwrap());
    for (json, repeated) in [
        (r#"["a","b","a"]"#, Some(r#"["a","b","a""#)),
        (r#"["é","\u00e9"]"#, Some(r#"["é","\u00e9""#)),
        (r#"["a\"","a"]"#, None),
        ("[1,2,1.0]", Some("[1,2,1.0]")),
        ("[1, 10, 1 ]", Some("[1, 10, 1 ")),
        ("[true, false, null]", None),
        (r#"[{"a":[1]},{"a":[1]}]"#, Some(r#"[{"a":[1]},{"a":[1]}"#)),
        (r#"[[], {}, "", 0, [[]]]"#, None),
        ("[[1],[1 ]]", Some("[[1],[1 ]")),
    ] {
        let mut reader = Reader::new(Arc::clone(&unique));
        let stopped = json.bytes().position(|byte| reader.read(&[byte]).is_err());
        assert_eq!(stopped.map(|stopped| &json[..=stopped]), repeated);
    }
}
