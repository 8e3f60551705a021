//! A schema as the reader of an answer follows it: which arrays may not repeat an item.
//!
//! Where a schema leaves open which of its branches is written, all of them are followed at once, and an array is unique
//! when any of them says so: the answer is then right by whichever was meant.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::reader::canonical;

/// Schemas that a value is read by, all of which may say something about unique arrays.
pub(super) type Places = Arc<[usize]>;

/// Schemas within schemas that are looked into to count values, and such looks altogether.
const MAX_DEPTH: usize = 32;
const MAX_LOOKS: usize = 4096;

/// A schema's parts by number.
#[derive(Debug)]
pub(super) struct Schema {
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Part {
    /// Whether it or a part within it has a unique array.
    matters: bool,
    unique: bool,
    array: bool,
    object: bool,
    /// Parts that speak of the same value.
    also: Vec<usize>,
    properties: HashMap<String, usize>,
    patterns: Vec<usize>,
    others: Vec<usize>,
    first_items: Vec<Vec<usize>>,
    items: Vec<usize>,
}

/// An array or an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Object,
}

impl Schema {
    /// None when no array of it is unique.
    pub(super) fn of(root: &Value) -> Option<Self> {
        let mut survey = Survey {
            root,
            // Before 2020-12 `prefixItems` was no word of the language.
            old: root
                .get("$schema")
                .and_then(Value::as_str)
                .is_some_and(|draft| !draft.contains("2020-12")),
            parts: Vec::new(),
            numbers: HashMap::new(),
            waiting: Vec::new(),
        };
        survey.number(root);
        while let Some((number, schema)) = survey.waiting.pop() {
            let part = survey.part(schema);
            if let Some(place) = survey.parts.get_mut(number) {
                *place = part;
            }
        }
        let mut schema = Self {
            parts: survey.parts,
        };
        schema.mark();
        schema.parts.first()?.matters.then_some(schema)
    }

    /// Marks what matters, from the unique arrays outwards.
    fn mark(&mut self) {
        let mut outer: Vec<Vec<usize>> = vec![Vec::new(); self.parts.len()];
        for (number, part) in self.parts.iter().enumerate() {
            for inner in part.inner() {
                if let Some(outer) = outer.get_mut(inner) {
                    outer.push(number);
                }
            }
        }
        let unique = |(number, part): (usize, &Part)| part.unique.then_some(number);
        let mut waiting: Vec<usize> = self.parts.iter().enumerate().filter_map(unique).collect();
        while let Some(number) = waiting.pop() {
            if let Some(part) = self.parts.get_mut(number)
                && !part.matters
            {
                part.matters = true;
                waiting.extend(outer.get(number).into_iter().flatten());
            }
        }
    }

    /// What the whole answer is read by.
    pub(super) fn root(&self, kind: Kind) -> Places {
        self.places(vec![0], kind)
    }

    /// What an item is read by.
    pub(super) fn item(&self, array: &[usize], index: usize, kind: Kind) -> Places {
        let parts = array.iter().filter_map(|number| self.parts.get(*number));
        let items = parts.flat_map(|part| part.first_items.get(index).unwrap_or(&part.items));
        self.places(items.copied().collect(), kind)
    }

    /// What the member of a name is read by.
    pub(super) fn member(&self, object: &[usize], key: &str, kind: Kind) -> Places {
        let parts = object.iter().filter_map(|number| self.parts.get(*number));
        let none: &[usize] = &[];
        let members = parts.flat_map(|part| match part.properties.get(key) {
            Some(own) => [std::slice::from_ref(own), part.patterns.as_slice(), none],
            None => [none, part.patterns.as_slice(), part.others.as_slice()],
        });
        self.places(members.flatten().copied().collect(), kind)
    }

    pub(super) fn is_unique(&self, array: &[usize]) -> bool {
        self.any(array, |part| part.unique)
    }

    /// Whether some items of it are of another kind than the rest.
    pub(super) fn has_first_items(&self, array: &[usize]) -> bool {
        self.any(array, |part| !part.first_items.is_empty())
    }

    fn any(&self, places: &[usize], is: impl Fn(&Part) -> bool) -> bool {
        places
            .iter()
            .filter_map(|number| self.parts.get(*number))
            .any(is)
    }

    /// These and what speaks of the same value, as far as it matters.
    fn places(&self, mut waiting: Vec<usize>, kind: Kind) -> Places {
        let mut known = HashSet::new();
        let mut places = Vec::new();
        while let Some(number) = waiting.pop() {
            let Some(part) = self.parts.get(number).filter(|part| part.matters) else {
                continue;
            };
            if !known.insert(number) {
                continue;
            }
            let takes = match kind {
                Kind::Array => part.array,
                Kind::Object => part.object,
            };
            if takes {
                places.push(number);
                waiting.extend(&part.also);
            }
        }
        places.into()
    }
}

impl Part {
    fn inner(&self) -> impl Iterator<Item = usize> {
        let named = self.properties.values();
        let listed = [&self.also, &self.patterns, &self.others, &self.items];
        let listed = listed.into_iter().chain(&self.first_items).flatten();
        named.chain(listed).copied()
    }
}

/// A schema while its parts are numbered.
struct Survey<'a> {
    root: &'a Value,
    old: bool,
    parts: Vec<Part>,
    numbers: HashMap<*const Value, usize>,
    waiting: Vec<(usize, &'a Value)>,
}

impl<'a> Survey<'a> {
    fn number(&mut self, schema: &'a Value) -> usize {
        let next = self.parts.len();
        let number = *self
            .numbers
            .entry(std::ptr::from_ref(schema))
            .or_insert(next);
        if number == next {
            self.parts.push(Part::default());
            self.waiting.push((number, schema));
        }
        number
    }

    fn part(&mut self, schema: &'a Value) -> Part {
        let Some(words) = schema.as_object() else {
            return Part::default();
        };
        let mut part = Part {
            unique: words.get("uniqueItems") == Some(&Value::Bool(true)),
            array: takes(words, "array"),
            object: takes(words, "object"),
            ..Part::default()
        };
        for (word, value) in words {
            match word.as_str() {
                "$ref" => {
                    let meant = value.as_str().and_then(|name| resolve(self.root, name));
                    part.also.extend(meant.map(|meant| self.number(meant)));
                }
                "allOf" | "anyOf" | "oneOf" => part.also.extend(self.list(value)),
                "properties" => part.properties = self.named(value).collect(),
                "patternProperties" => {
                    part.patterns = self.named(value).map(|(_, number)| number).collect();
                }
                "additionalProperties" => part.others.push(self.number(value)),
                "prefixItems" => part.first_items.extend(self.list(value).map(|n| vec![n])),
                "items" if value.is_array() => {
                    part.first_items.extend(self.list(value).map(|n| vec![n]));
                }
                "items" | "additionalItems" => part.items.push(self.number(value)),
                _ => {}
            }
        }
        if self.old && words.contains_key("prefixItems") {
            for first in &mut part.first_items {
                first.extend(&part.items);
            }
        }
        part
    }

    fn list(&mut self, schemas: &'a Value) -> impl Iterator<Item = usize> {
        let schemas = schemas.as_array().into_iter().flatten();
        let numbers: Vec<usize> = schemas.map(|schema| self.number(schema)).collect();
        numbers.into_iter()
    }

    fn named(&mut self, schemas: &'a Value) -> impl Iterator<Item = (String, usize)> {
        let schemas = schemas.as_object().into_iter().flatten();
        let numbers: Vec<(String, usize)> = schemas
            .map(|(name, schema)| (name.clone(), self.number(schema)))
            .collect();
        numbers.into_iter()
    }
}

/// Whether a value of the type may come of it, by its `type` alone.
fn takes(words: &Map<String, Value>, kind: &str) -> bool {
    match words.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => true,
    }
}

/// What a reference means, by the compiler's rules: from the root, names as they are.
fn resolve<'a>(root: &'a Value, name: &str) -> Option<&'a Value> {
    if name == "#" || name == "#/" {
        return Some(root);
    }
    let mut names = name.strip_prefix("#/")?.split('/');
    names.try_fold(root, |within, name| match within {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        within => within.get(name),
    })
}

/// How many different values there are of a schema at most; none when nothing that is written down bounds it.
pub(super) fn different_values(schema: &Value, root: &Value) -> Option<usize> {
    different(schema, root, MAX_DEPTH, &Cell::new(MAX_LOOKS))
}

fn different(schema: &Value, root: &Value, depth: usize, looks: &Cell<usize>) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    looks.set(looks.get().checked_sub(1)?);
    let words = match schema {
        Value::Bool(false) => return Some(0),
        schema => schema.as_object()?,
    };
    let sum = |schemas: &Value| {
        let schemas = schemas.as_array()?.iter();
        schemas
            .map(|schema| different(schema, root, depth, looks))
            .try_fold(0, |sum: usize, count| Some(sum.saturating_add(count?)))
    };
    let bound = |(word, value): (&String, &Value)| match word.as_str() {
        "const" => Some(1),
        "enum" => {
            let values = value.as_array()?.iter();
            let values: HashSet<String> =
                values.map(|value| canonical(&value.to_string())).collect();
            Some(values.len())
        }
        "type" => match value {
            Value::String(one) => of_type(one),
            Value::Array(several) => several
                .iter()
                .map(|one| of_type(one.as_str()?))
                .try_fold(0, |sum: usize, count| Some(sum + count?)),
            _ => None,
        },
        "anyOf" | "oneOf" => sum(value),
        "allOf" => {
            let schemas = value.as_array()?.iter();
            schemas
                .filter_map(|schema| different(schema, root, depth, looks))
                .min()
        }
        "$ref" => different(resolve(root, value.as_str()?)?, root, depth, looks),
        _ => None,
    };
    words.iter().filter_map(bound).min()
}

fn of_type(name: &str) -> Option<usize> {
    match name {
        "boolean" => Some(2),
        "null" => Some(1),
        _ => None,
    }
}
