//! Whether a text repeats the rules that the model was given.
//!
//! Rules and text are laid side by side in runs of words (of characters, in scripts without spaces). A run that the rules
//! hold and the material does not was taken from the rules.

use std::collections::HashSet;

use super::language::is_wide_letter;

/// Words in a run: long enough that two writers do not find the same ones by chance.
const WORDS: usize = 8;
/// Characters of a script without spaces in a run.
const WIDE: usize = 14;

/// The rules that must not come out.
pub(super) struct Guard {
    runs: HashSet<Vec<String>>,
}

impl Guard {
    /// Of `rules`, for an answer that is made from `material`.
    pub(super) fn new(rules: &str, material: &str) -> Self {
        let (rules, material) = (Units::of(rules), Units::of(material));
        let mut runs: HashSet<Vec<String>> = rules.runs().map(<[String]>::to_vec).collect();
        for allowed in material.runs() {
            runs.remove(allowed);
        }
        Self { runs }
    }

    /// Whether `text` holds a piece of the rules.
    pub(super) fn finds(&self, text: &str) -> bool {
        Units::of(text).runs().any(|run| self.runs.contains(run))
    }
}

/// Tells an answer as it grows, for as long as it holds no piece of the rules.
pub(crate) struct Guarded {
    guard: Guard,
    /// What may be the beginning of a piece.
    held: String,
    found: bool,
}

impl Guarded {
    /// Of `rules`, for an answer that is made from `material`.
    pub(crate) fn new(rules: &str, material: &str) -> Self {
        Self {
            guard: Guard::new(rules, material),
            held: String::new(),
            found: false,
        }
    }

    /// Takes more of the answer, and gives what can be told of it now; nothing once a piece was found.
    pub(crate) fn push(&mut self, text: &str) -> String {
        if self.found {
            return String::new();
        }
        self.held.push_str(text);
        if self.guard.finds(&self.held) {
            self.found = true;
            self.held.clear();
        }
        let rest = self.held.split_off(last_units(&self.held));
        std::mem::replace(&mut self.held, rest)
    }

    /// What was held back.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Whether the answer holds a piece of the rules.
    pub(crate) fn found(&self) -> bool {
        self.found
    }
}

/// Where the last units of `text` begin, as many as the longest run has.
fn last_units(text: &str) -> usize {
    let mut starts = Vec::new();
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let wide = is_wide_letter(c);
        let word = c.is_alphanumeric() && !wide;
        if wide || word && !in_word {
            starts.push(at);
        }
        in_word = word;
    }
    let first = starts.len().saturating_sub(WIDE.max(WORDS));
    starts.get(first).copied().unwrap_or(0)
}

/// What runs are made of.
struct Units {
    words: Vec<String>,
    wide: Vec<String>,
}

impl Units {
    fn of(text: &str) -> Self {
        let (wide, words) = units(text)
            .into_iter()
            .partition(|unit| unit.starts_with(is_wide_letter));
        Self { words, wide }
    }

    fn runs(&self) -> impl Iterator<Item = &[String]> {
        self.words.windows(WORDS).chain(self.wide.windows(WIDE))
    }
}

fn units(text: &str) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let wide = is_wide_letter(c);
        if (wide || !c.is_alphanumeric()) && !word.is_empty() {
            units.push(std::mem::take(&mut word));
        }
        if wide {
            units.push(c.to_string());
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        units.push(word);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::super::prompts::{Task, Template, Tongue};
    use super::*;

    fn guard(tongue: Tongue, material: &str) -> Guard {
        Guard::new(&Template::of(Task::Summary, tongue).system, material)
    }

    #[test]
    fn rules_are_found_however_they_are_set() {
        let english = guard(Tongue::English, "");
        assert!(english.finds(
            "My orders: SAY only what the article,\nor a picture says. Numbers, names and dates…"
        ));
        let chinese = guard(Tongue::Chinese, "");
        assert!(
            chinese.finds("规则是：只写文章或图片里有的内容；数字、名称和日期与原文完全一致。")
        );
    }

    /// What is told of a text in pieces of three characters, and whether it was a leak.
    fn told(material: &str, text: &str) -> (String, bool) {
        let rules = Template::of(Task::Table, Tongue::English).system;
        let mut guarded = Guarded::new(&rules, material);
        let chars: Vec<char> = text.chars().collect();
        let mut told = String::new();
        for piece in chars.chunks(3) {
            told.push_str(&guarded.push(&piece.iter().collect::<String>()));
        }
        told.push_str(&guarded.finish());
        (told, guarded.found())
    }

    #[test]
    fn a_stream_ends_before_the_first_word_of_a_leak() {
        let leak =
            "Every row and column, in the picture's order, with the text exactly as it stands";
        let before = "| a | b | and many more words that are nobody's rules, one after the other. ";
        let (found, leaked) = told("", &format!("{before}{leak}"));
        assert!(leaked && before.starts_with(&found), "{found}");
        assert_eq!(told("", before), (before.to_owned(), false));
        let table = "| 一 | 二 |\n|---|---|\n| 三 | 四 |\n".repeat(9);
        assert_eq!(told("", &table), (table.clone(), false));
        assert_eq!(told(leak, leak), (leak.to_owned(), false));
    }

    #[test]
    fn a_text_of_its_own_is_no_leak() {
        let english = guard(Tongue::English, "");
        assert!(
            !english.finds("The article says what a picture shows, with its numbers and names.")
        );
        assert!(!english.finds("Rye bread needs time more than skill."));
        let chinese = guard(Tongue::Chinese, "");
        assert!(!chinese.finds("文章说明了图片里有的内容，数字和名称与原文一致。"));
    }

    #[test]
    fn what_the_article_says_itself_may_be_said() {
        let line = "Say only what the article or a picture says. Numbers, names and dates exactly.";
        assert!(guard(Tongue::English, "").finds(line));
        assert!(!guard(Tongue::English, line).finds(line));
    }
}
