//! Words and phrases that an article is about, as they are written in it.

mod features;
mod weights;

use crate::rank::Analysis;
use crate::segment::{self, Word};
use crate::text::BlockKind;
use std::collections::HashMap;

pub(crate) use features::FEATURES;

/// The longest phrase, in words.
const MAX_WORDS: usize = 3;
/// How many different phrases are counted.
const MAX_PHRASES: usize = 20_000;

/// A phrase and what is known of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phrase {
    /// As it is written most often.
    pub(crate) text: String,
    /// How often it stands in the article.
    pub(crate) count: u32,
    pub(crate) words: usize,
    pub(crate) in_title: bool,
    pub(crate) headings: u32,
    /// Where it stands first, as a share of the article.
    pub(crate) first: f32,
    /// How often it is written with a capital inside a sentence.
    pub(crate) capital: u32,
    pub(crate) sections: u32,
    pub(crate) noun: bool,
    pub(crate) features: Vec<f32>,
    pub(crate) score: f32,
    forms: HashMap<String, u32>,
    last_section: Option<usize>,
}

/// The best keywords, first those of `must_include` that stand in the article.
pub(crate) fn keywords(
    analysis: &Analysis<'_>,
    must_include: &[String],
    avoid: &[String],
    count: usize,
) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let text = format!("{}\n{}", analysis.title, analysis.document.plain()).to_lowercase();
    for wanted in must_include.iter().map(|wanted| crate::clean(wanted)) {
        if !wanted.is_empty()
            && wanted.chars().count() <= 80
            && text.contains(&wanted.to_lowercase())
        {
            push(&mut out, &wanted, &analysis.language);
        }
    }
    let avoided = |text: &str| {
        avoid.iter().any(|phrase| {
            !phrase.is_empty() && text.to_lowercase().contains(&phrase.to_lowercase())
        })
    };
    for phrase in phrases(analysis) {
        if out.len() >= count {
            break;
        }
        if !avoided(&phrase.text) {
            push(&mut out, &phrase.text, &analysis.language);
        }
    }
    out.truncate(count);
    out
}

/// Adds a keyword unless one that is nearly the same is there: the same words, or all of its words and no fewer than half.
fn push(out: &mut Vec<String>, text: &str, language: &str) {
    let stems = |text: &str| -> Vec<String> {
        let words = text.split_whitespace();
        words.map(|word| segment::stem(word, language)).collect()
    };
    let new = stems(text);
    let same = |other: &String| {
        let other = stems(other);
        other == new || other.concat() == new.concat()
    };
    if !out.iter().any(same) {
        out.push(text.to_owned());
    }
}

/// All phrases, best first.
pub(crate) fn phrases(analysis: &Analysis<'_>) -> Vec<Phrase> {
    let mut counted = Counter {
        language: &analysis.language,
        phrases: HashMap::new(),
    };
    counted.text(&analysis.title, Role::Title, 0.0, 0);
    let blocks = &analysis.document.blocks;
    let mut section = 0;
    for (index, block) in blocks.iter().enumerate() {
        let heading = matches!(block.kind, BlockKind::Heading(_));
        section += usize::from(heading);
        #[expect(clippy::cast_precision_loss, reason = "at most 5,000 blocks")]
        let place = index as f32 / blocks.len() as f32;
        let text: String = block.text.chars().take(20_000).collect();
        counted.text(
            &text,
            if heading { Role::Heading } else { Role::Prose },
            place,
            section,
        );
    }
    let mut phrases: Vec<Phrase> = counted
        .phrases
        .into_values()
        .filter(|phrase| phrase.in_title || phrase.count > 1 || phrase.headings > 0)
        .collect();
    let most = phrases.iter().map(|phrase| phrase.count).max().unwrap_or(1);
    for phrase in &mut phrases {
        phrase.text = usual_form(&phrase.forms);
        phrase.features = features::of(phrase, most, &analysis.language);
        phrase.score = weights::score(&phrase.features, &analysis.language);
    }
    phrases.retain(|phrase| (2..=60).contains(&phrase.text.chars().count()));
    phrases.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.text.cmp(&b.text))
    });
    phrases
}

/// The form that is written most often; of equal ones the first in the alphabet, so that runs agree.
fn usual_form(forms: &HashMap<String, u32>) -> String {
    forms
        .iter()
        .max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))
        .map(|(form, _)| form.clone())
        .unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Title,
    Heading,
    Prose,
}

struct Counter<'a> {
    language: &'a str,
    phrases: HashMap<String, Phrase>,
}

impl Counter<'_> {
    fn text(&mut self, text: &str, role: Role, place: f32, section: usize) {
        for sentence in segment::sentences(text) {
            let sentence = crate::clean(sentence);
            let words = segment::words(&sentence, self.language);
            for start in 0..words.len() {
                for length in 1..=MAX_WORDS {
                    let Some(span) = words.get(start..start + length) else {
                        break;
                    };
                    if !self.joined(&sentence, span) {
                        break;
                    }
                    if self.is_phrase(span) {
                        self.count(&sentence, span, start == 0, role, place, section);
                    }
                }
            }
        }
    }

    /// Whether nothing but a space or a hyphen stands between the words.
    fn joined(&self, sentence: &str, span: &[Word<'_>]) -> bool {
        let [.., before, last] = span else {
            return true;
        };
        let between = sentence.get(before.end()..last.start).unwrap_or("?");
        let han = last.text.starts_with(segment::is_han) && before.text.ends_with(segment::is_han);
        between == " "
            || between == "-"
            || between == "/" && !han
            || between.is_empty() && self.language == "zh"
    }

    fn is_phrase(&self, span: &[Word<'_>]) -> bool {
        let content = |word: &&Word<'_>| {
            segment::is_content(word.text, self.language)
                && !word.text.chars().all(|c| c.is_numeric() || c == '.')
        };
        let ends = span.first().is_some_and(|word| content(&word))
            && span
                .last()
                .is_some_and(|word| segment::is_content(word.text, self.language));
        let inner = span.iter().all(|word| {
            segment::is_content(word.text, self.language)
                || span.len() == 3 && matches!(word.text, "of" | "in" | "for" | "and")
        });
        // Numbers may follow a name (`Windows 11`), never stand alone; one Han character is no keyword.
        let one_han = span.len() == 1 && span.iter().all(|word| word.text.chars().count() < 2);
        ends && inner && !one_han
    }

    fn count(
        &mut self,
        sentence: &str,
        span: &[Word<'_>],
        starts: bool,
        role: Role,
        place: f32,
        section: usize,
    ) {
        let (Some(first), Some(last)) = (span.first(), span.last()) else {
            return;
        };
        let Some(text) = sentence.get(first.start..last.end()) else {
            return;
        };
        let key: Vec<String> = span
            .iter()
            .map(|word| segment::stem(word.text, self.language))
            .collect();
        let key = key.join(" ");
        if self.phrases.len() >= MAX_PHRASES && !self.phrases.contains_key(&key) {
            return;
        }
        let phrase = self.phrases.entry(key).or_insert_with(|| Phrase {
            words: span.len(),
            first: place,
            noun: last.noun,
            ..Phrase::default()
        });
        phrase.count += 1;
        phrase.in_title |= role == Role::Title;
        phrase.headings += u32::from(role == Role::Heading);
        if role == Role::Prose {
            phrase.capital += u32::from(!starts && text.starts_with(char::is_uppercase));
        }
        if phrase.last_section != Some(section) {
            phrase.last_section = Some(section);
            phrase.sections += 1;
        }
        let weight = if role == Role::Prose && !starts { 3 } else { 1 };
        *phrase.forms.entry(text.to_owned()).or_insert(0) += weight;
    }
}
