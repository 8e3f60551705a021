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
    /// All that a run may begin with.
    beginnings: HashSet<Vec<String>>,
    /// What may be the beginning of a piece.
    held: String,
    found: bool,
}

impl Guarded {
    /// Of `rules`, for an answer that is made from `material`.
    pub(crate) fn new(rules: &str, material: &str) -> Self {
        let guard = Guard::new(rules, material);
        let begins = |run: &Vec<String>| -> Vec<Vec<String>> {
            let lengths = 1..run.len();
            lengths
                .filter_map(|length| run.get(..length))
                .map(<[String]>::to_vec)
                .collect()
        };
        Self {
            beginnings: guard.runs.iter().flat_map(begins).collect(),
            guard,
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
        let rest = self.held.split_off(self.may_begin());
        std::mem::replace(&mut self.held, rest)
    }

    /// Where in what is held a run may have begun that its end does not hold yet.
    fn may_begin(&self) -> usize {
        let mut units = units(&self.held);
        let mut at = self.held.len();
        // The last word may go on.
        if self.held.ends_with(|c: char| c.is_alphanumeric())
            && let Some(last) = units.pop_if(|unit| !unit.is_wide())
        {
            at = last.at;
        }
        let (wide, words): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(Unit::is_wide);
        for (kind, most) in [(words, WORDS), (wide, WIDE)] {
            let texts: Vec<&str> = kind.iter().map(|unit| unit.text.as_str()).collect();
            let longest = kind.len().saturating_sub(most - 1);
            let begun = (longest..kind.len()).find(|first| {
                let end = texts.get(*first..).unwrap_or_default();
                let end: Vec<String> = end.iter().map(ToString::to_string).collect();
                self.beginnings.contains(&end)
            });
            at = begun
                .and_then(|first| kind.get(first))
                .map_or(at, |unit| at.min(unit.at));
        }
        at
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

/// What runs are made of: those of either kind may have some of the other between them.
struct Units {
    words: Vec<String>,
    wide: Vec<String>,
}

impl Units {
    fn of(text: &str) -> Self {
        let (wide, words): (Vec<Unit>, Vec<Unit>) =
            units(text).into_iter().partition(Unit::is_wide);
        let texts = |kind: Vec<Unit>| kind.into_iter().map(|unit| unit.text).collect();
        Self {
            words: texts(words),
            wide: texts(wide),
        }
    }

    fn runs(&self) -> impl Iterator<Item = &[String]> {
        self.words.windows(WORDS).chain(self.wide.windows(WIDE))
    }
}

/// A word, or a character of a script without spaces.
struct Unit {
    /// Where it begins, in bytes.
    at: usize,
    text: String,
}

impl Unit {
    fn is_wide(&self) -> bool {
        self.text.starts_with(is_wide_letter)
    }
}

fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let wide = is_wide_letter(c);
        let word = c.is_alphanumeric() && !wide;
        if wide || word && !in_word {
            let text = String::new();
            units.push(Unit { at, text });
        }
        if let Some(unit) = units.last_mut().filter(|_| wide || word) {
            unit.text.extend(c.to_lowercase());
        }
        in_word = word;
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
    fn words_between_the_characters_of_a_leak_do_not_let_its_beginning_out() {
        let rules = Template::of(Task::Summary, Tongue::Chinese).system;
        let mut guarded = Guarded::new(&rules, "");
        let wide: Vec<char> = rules.chars().filter(|c| is_wide_letter(*c)).collect();
        let mut told = guarded.push("甲。");
        for c in wide.iter().take(WIDE) {
            told.push_str(&guarded.push(&format!("{c} ok, ok and ok: ")));
        }
        assert!(guarded.found());
        assert_eq!(told, "甲。");
    }

    #[test]
    fn what_begins_no_rule_is_told_at_once() {
        let rules = Template::of(Task::Table, Tongue::English).system;
        let mut guarded = Guarded::new(&rules, "");
        assert_eq!(guarded.push("Rye bread needs tim"), "Rye bread needs ");
        assert_eq!(guarded.push("e."), "time.");
        assert_eq!(guarded.push("面包"), "面包");
        assert_eq!(guarded.finish(), "");
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
