//! What the page has of the answer. A repeated try starts its stream anew; the page is not told anything twice.

use api::{Delta, Field, FieldValue};
use std::collections::BTreeMap;

/// What has been told over all tries of a call.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    fields: BTreeMap<Field, Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Text told so far, over all tries.
    told: String,
    /// Bytes of this try's text that equal `told`; `None` once this try has gone another way.
    matched: Option<usize>,
    value: Option<serde_json::Value>,
}

impl Delivered {
    /// A try begins.
    pub(super) fn rewind(&mut self) {
        for progress in self.fields.values_mut() {
            progress.matched = Some(0);
        }
    }

    /// Whether text of any field has been told.
    pub(super) fn begun(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The part of `delta` that the page does not have yet. When a repeated try words a field otherwise, its text is held
    /// back: the page cannot take back what it shows, and the whole field follows.
    pub(super) fn delta(&mut self, delta: &Delta) -> Option<Delta> {
        let progress = self.fields.entry(delta.field).or_insert_with(|| Progress {
            matched: Some(0),
            ..Progress::default()
        });
        let at = progress.matched?;
        let known = progress.told.get(at..).unwrap_or_default();
        if let Some(new) = delta.text.strip_prefix(known) {
            progress.told.push_str(new);
            progress.matched = Some(progress.told.len());
            return (!new.is_empty()).then(|| Delta {
                field: delta.field,
                text: new.to_owned(),
            });
        }
        progress.matched = known
            .starts_with(&delta.text)
            .then_some(at + delta.text.len());
        None
    }

    /// The field, unless the page has this very value.
    pub(super) fn field(&mut self, field: FieldValue) -> Option<FieldValue> {
        let progress = self.fields.entry(field.name).or_default();
        if progress.value.as_ref() == Some(&field.value) {
            return None;
        }
        progress.value = Some(field.value.clone());
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells each try's deltas and gives what the page was told, joined per try by `|`.
    #[track_caller]
    fn check(tries: &[&[&str]], expect: &str) {
        let mut delivered = Delivered::default();
        let mut told = Vec::new();
        for deltas in tries {
            delivered.rewind();
            let new = deltas.iter().filter_map(|text| {
                delivered
                    .delta(&Delta {
                        field: Field::Title,
                        text: (*text).to_owned(),
                    })
                    .map(|delta| delta.text)
            });
            told.push(new.collect::<String>());
        }
        assert_eq!(told.join("|"), expect);
    }

    #[test]
    fn one_try_is_told_as_it_comes() {
        check(&[&["Rye ", "bread"]], "Rye bread");
    }

    #[test]
    fn a_repeated_text_is_told_once() {
        check(
            &[&["Rye ", "br"], &["Rye bread ", "again"]],
            "Rye br|ead again",
        );
    }

    #[test]
    fn other_cuts_do_not_matter() {
        check(
            &[&["摘要和标题"], &["摘", "要和", "标", "题吧"]],
            "摘要和标题|吧",
        );
    }

    #[test]
    fn another_wording_is_held_back() {
        check(
            &[&["Rye bread"], &["Rye ", "cake", " and more"]],
            "Rye bread|",
        );
    }

    #[test]
    fn a_third_try_may_go_on() {
        check(
            &[&["Rye bread"], &["Corn"], &["Rye bread!"]],
            "Rye bread||!",
        );
    }

    #[test]
    fn a_field_is_told_once_unless_it_changes() {
        let field = |text: &str| FieldValue {
            name: Field::Slug,
            value: text.into(),
        };
        let mut delivered = Delivered::default();
        assert!(!delivered.begun());
        assert!(delivered.field(field("rye")).is_some());
        delivered.rewind();
        assert!(delivered.begun());
        assert!(delivered.field(field("rye")).is_none());
        assert!(delivered.field(field("corn")).is_some());
    }
}
