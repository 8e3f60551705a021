//! What a text alternative is weighed by.

use super::{AltCandidate, Tells};
use crate::AltSource;
use crate::fit::measure;
use crate::rank::Analysis;
use std::collections::HashSet;
use std::rc::Rc;

/// The names of the features, in order.
pub(crate) const FEATURES: &[&str] = &[
    "caption",
    "heading",
    "before",
    "after",
    "file",
    "title",
    "name_recall",
    "name_precision",
    "points",
    "long",
    "short",
    "words",
    "file_words",
    "file_article",
    "heading_name",
    "before_points",
    "before_name",
    "sentence",
    "title_recall",
    "starts_number",
    "file_foreign",
    "shown",
    "window",
];

/// The features of one candidate; as many as [`FEATURES`]. `name`: the words of the file name.
pub(super) fn of(analysis: &Analysis<'_>, candidate: &AltCandidate, name: &str) -> Vec<f32> {
    let language = analysis.language.as_str();
    let own = analysis.stems(&candidate.text);
    let set: HashSet<&str> = own.iter().map(AsRef::as_ref).collect();
    let named = analysis.stems(name);
    let name_set: HashSet<&str> = named.iter().map(AsRef::as_ref).collect();
    let is = |source: AltSource| flag(candidate.source == source);
    let lower = candidate.text.to_lowercase();
    let points = flag(POINTERS.iter().any(|pointer| lower.contains(pointer)));
    let name_recall = share(&named, |stem| set.contains(stem));
    let most = if crate::language::is_full_width(language) {
        60.0
    } else {
        125.0
    };
    let file = is(AltSource::FileName);
    let known = share(&own, |stem| {
        analysis.counts.contains_key(stem) || analysis.heading_stems.contains(stem)
    });
    vec![
        is(AltSource::Caption),
        is(AltSource::Heading),
        is(AltSource::Before),
        is(AltSource::After),
        file,
        is(AltSource::Title),
        name_recall * (1.0 - file),
        share(&own, |stem| name_set.contains(stem)) * (1.0 - file),
        points,
        (measure(&candidate.text, language) / most).min(1.0),
        flag(own.len() < 2),
        (number(own.len()) / 12.0).min(1.0),
        file * (number(own.len()) / 6.0).min(1.0),
        file * known,
        is(AltSource::Heading) * name_recall,
        is(AltSource::Before) * points,
        is(AltSource::Before) * name_recall,
        flag(crate::segment::ends_as_sentence(&candidate.text)),
        share(&analysis.title_stems, |stem| set.contains(stem)),
        flag(candidate.text.starts_with(char::is_numeric)),
        // Names of files are mostly English; in a Chinese article they are a foreign tongue.
        file * flag(crate::language::is_full_width(language) && candidate.text.is_ascii()),
        flag(candidate.tells == Tells::Shown),
        flag(candidate.tells == Tells::Window),
    ]
}

/// The feature of this name; 0 for a name that there is not.
pub(super) fn value(features: &[f32], name: &str) -> f32 {
    let at = FEATURES.iter().position(|known| *known == name);
    at.and_then(|at| features.get(at)).copied().unwrap_or(0.0)
}

/// How a sentence points at a picture.
const POINTERS: &[&str] = &[
    "following",
    "figure",
    "diagram",
    "screenshot",
    "picture",
    "image",
    "shown",
    "shows",
    "below",
    "illustrat",
    "chart",
    "graph",
    "photo",
    "looks like",
    "下图",
    "如图",
    "图所示",
    "所示",
    "截图",
    "示意",
    "架构图",
];

fn share(stems: &[Rc<str>], holds: impl Fn(&str) -> bool) -> f32 {
    if stems.is_empty() {
        return 0.0;
    }
    number(stems.iter().filter(|stem| holds(stem)).count()) / number(stems.len())
}

fn flag(value: bool) -> f32 {
    if value { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts of words are small")]
fn number(count: usize) -> f32 {
    count as f32
}
