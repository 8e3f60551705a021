//! What another server says: its stream or its document, and the marks that are taken out of its text.

use backend::engines::doors;

use crate::cut::{choice, pieces, text_pieces};

/// Pieces tell what the whole tells, and no mark of a thought or a box comes out.
pub(crate) fn check(bytes: &[u8]) {
    let Some((seed, rest)) = choice(bytes) else {
        return;
    };
    let whole = doors::upstream_events(&[rest]);
    let cut = doors::upstream_events(&pieces(rest, seed));
    assert_eq!(whole, cut, "the pieces tell what the whole tells");
    let _ = doors::upstream_document(rest);

    let text = String::from_utf8_lossy(rest);
    let cut = text_pieces(&text, seed);
    let clean = doors::without_marks(&[&text]);
    assert_eq!(clean, doors::without_marks(&cut));
    assert!(clean.len() <= text.len());
    for form in [doors::OneOf::Object, doors::OneOf::List] {
        let (value, done) = doors::one_value(form, &[&text]);
        assert_eq!((value.clone(), done), doors::one_value(form, &cut));
        assert!(
            text.contains(&value) || value.is_empty(),
            "nothing is added"
        );
        if done {
            assert!(value.ends_with(['}', ']']));
        }
    }
}
