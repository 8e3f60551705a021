//! The ranks -> the fields that a person reads.

mod alt;
mod keywords;
mod slug;
mod title;

pub(crate) use alt::{FEATURES as ALT_FEATURES, alt_candidates, alt_texts};
pub use alt::{bare, is_file_name, is_ornament};
pub(crate) use keywords::{FEATURES as KEYWORD_FEATURES, keywords, phrases};
pub use slug::slugify;
pub(crate) use title::{as_sentence, is_generic, learn_how, titles};

use crate::fit::{Room, full_stop, join};
use crate::rank::{Analysis, Candidate, leans};
use crate::segment;
use std::collections::HashSet;
use std::rc::Rc;

/// A description as it is shown: it begins with a capital and ends as a sentence.
pub(crate) fn finished(text: &str, room: Room<'_>) -> String {
    let language = room.language();
    let text = text
        .trim()
        .trim_start_matches([
            '-', '–', '—', '•', '*', ':', '：', ',', '，', '.', '。', ')', '）',
        ])
        .trim_start();
    let text = if language == "en" {
        with_capital(text)
    } else {
        text.to_owned()
    };
    if text.is_empty() || segment::ends_as_sentence(&text) || text.ends_with('…') {
        return text;
    }
    let bare = text.trim_end_matches([':', '：', ',', '，', ';', '；', '、', '-', '–', '—', ' ']);
    let ended = format!("{bare}{}", full_stop(language));
    if room.holds(&ended) {
        ended
    } else {
        bare.to_owned()
    }
}

/// The first letter in upper case, unless the word carries capitals of its own (`iPhone`).
pub(crate) fn with_capital(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    let own = word
        .chars()
        .any(|c| c.is_uppercase() || c.is_ascii_digit() || c == '.' || c == '_');
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if first.is_lowercase() && !own => first.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// Two or three sentences in the article's order: the description's own, then what adds most. One that leans on the sentence
/// before it comes after that one or not at all, unless there is nothing else.
pub(crate) fn summary(analysis: &Analysis<'_>, candidates: &[Candidate]) -> (String, Vec<usize>) {
    let mut chosen = Vec::new();
    // The second time for those that lean on what the first time chose.
    for _ in 0..2 {
        choose(analysis, candidates, &mut chosen, |chosen, part| {
            let text = analysis.sentences.get(part).map(|part| &part.text);
            let before = part.checked_sub(1);
            !text.is_some_and(|text| leans(text))
                || before.is_some_and(|before| chosen.contains(&before))
        });
    }
    if chosen.is_empty() {
        choose(analysis, candidates, &mut chosen, |_, _| true);
    }
    chosen.sort_unstable();
    let mut text = String::new();
    for sentence in chosen
        .iter()
        .filter_map(|part| analysis.sentences.get(*part))
    {
        let ended = finished(&sentence.text, Room::of(usize::MAX, &analysis.language));
        text = join(&text, &ended, &analysis.language);
    }
    (text, chosen)
}

/// Goes on choosing sentences that add something and are `fit`, three at most.
fn choose(
    analysis: &Analysis<'_>,
    candidates: &[Candidate],
    chosen: &mut Vec<usize>,
    fit: impl Fn(&[usize], usize) -> bool,
) {
    let whole = candidates
        .iter()
        .filter(|candidate| !candidate.parts.is_empty());
    for part in whole.take(60).flat_map(|candidate| &candidate.parts) {
        let room = chosen.len() < 3 && !chosen.contains(part);
        if room && fit(chosen, *part) && adds(analysis, chosen, *part) {
            chosen.push(*part);
        }
    }
}

/// Whether a sentence says something that the chosen ones do not: more than half of its words are new.
fn adds(analysis: &Analysis<'_>, chosen: &[usize], part: usize) -> bool {
    let Some(sentence) = analysis.sentences.get(part) else {
        return false;
    };
    if sentence.text.chars().count() > 400 {
        return false;
    }
    let said: HashSet<&Rc<str>> = chosen
        .iter()
        .filter_map(|part| analysis.sentences.get(*part))
        .flat_map(|s| &s.stems)
        .collect();
    let new = sentence
        .stems
        .iter()
        .filter(|stem| !said.contains(stem))
        .count();
    chosen.is_empty() || new * 2 > sentence.stems.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_begins_with_a_capital_and_ends_as_a_sentence() {
        assert_eq!(
            finished("- how to cook:", Room::of(80, "en")),
            "How to cook."
        );
        assert_eq!(finished("iPhone tips", Room::of(80, "en")), "iPhone tips.");
        assert_eq!(finished("如何部署", Room::of(80, "zh")), "如何部署。");
        assert_eq!(finished("Exactly ten", Room::of(11, "en")), "Exactly ten");
        assert_eq!(finished("", Room::of(11, "en")), "");
    }
}
