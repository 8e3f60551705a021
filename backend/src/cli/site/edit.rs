//! A change of a file's text: bytes that go, bytes that come, everything else as it was.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// `removed` at the byte `at` becomes `inserted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edit {
    pub(super) at: usize,
    pub(super) removed: String,
    pub(super) inserted: String,
}

impl Edit {
    /// Puts `inserted` in the place of `range`; nothing when the range is none of the text's.
    pub(super) fn replace(text: &str, range: Range<usize>, inserted: String) -> Option<Self> {
        Some(Self {
            at: range.start,
            removed: text.get(range)?.to_owned(),
            inserted,
        })
    }

    pub(super) fn insert(at: usize, inserted: String) -> Self {
        Self {
            at,
            removed: String::new(),
            inserted,
        }
    }

    fn end(&self) -> usize {
        self.at + self.removed.len()
    }
}

/// The text with all edits done; nothing when they overlap or do not meet what they remove.
///
/// The edits are in the order of their places, each place that of the text before any of them.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for edit in edits {
        out.push_str(text.get(from..edit.at)?);
        if text.get(edit.at..edit.end())? != edit.removed {
            return None;
        }
        out.push_str(&edit.inserted);
        from = edit.end();
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

/// The text before the edits that made `text`.
pub(super) fn undo(text: &str, edits: &[Edit]) -> Option<String> {
    let mut shift = 0_isize;
    let mut back = Vec::with_capacity(edits.len());
    for edit in edits {
        back.push(Edit {
            at: edit.at.checked_add_signed(shift)?,
            removed: edit.inserted.clone(),
            inserted: edit.removed.clone(),
        });
        shift += edit.inserted.len().cast_signed() - edit.removed.len().cast_signed();
    }
    apply(text, &back)
}

/// The edits as a unified diff that `git apply` and `patch` read.
pub(super) fn diff(name: &str, text: &str, edits: &[Edit]) -> String {
    let new = apply(text, edits).unwrap_or_default();
    similar::TextDiff::from_lines(text, &new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\nb\nc\nd\ne";

    fn edits() -> Vec<Edit> {
        vec![
            Edit::insert(2, "new\n".to_owned()),
            Edit::replace(TEXT, 8..9, "E".to_owned()).unwrap(),
        ]
    }

    #[test]
    fn what_was_done_can_be_undone() {
        let done = apply(TEXT, &edits()).unwrap();
        assert_eq!(done, "a\nnew\nb\nc\nd\nE");
        assert_eq!(undo(&done, &edits()).unwrap(), TEXT);
    }

    #[test]
    fn edits_that_do_not_meet_their_text_are_refused() {
        assert_eq!(apply("other text", &edits()), None);
        assert_eq!(undo(TEXT, &edits()), None);
    }

    #[test]
    fn a_diff_is_unified() {
        let expect = "--- a/x.md\n+++ b/x.md\n@@ -1,5 +1,6 @@\n a\n+new\n b\n c\n d\n-e\n\
                      \\ No newline at end of file\n+E\n\\ No newline at end of file\n";
        assert_eq!(diff("x.md", TEXT, &edits()), expect);
        let one = diff("x.md", TEXT, &edits()[..1]);
        assert!(
            one.ends_with("@@ -1,4 +1,5 @@\n a\n+new\n b\n c\n d\n"),
            "{one}"
        );
    }
}
