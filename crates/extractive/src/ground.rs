//! What the article supports of a text: which of its words, and which of its claims.

use crate::segment;
use crate::text::Document;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How much of a claim's words a sentence must hold to be called its support.
const MIN_SHARE: f32 = 0.34;

/// What stands before a title to make a description of it.
const FRAMES: [&str; 2] = ["Learn how to ", "了解如何"];

/// An article that texts are held against. Read once, asked often.
#[derive(Debug)]
pub struct Grounds {
    language: String,
    stems: HashSet<String>,
    pairs: HashSet<(char, char)>,
    han: HashSet<char>,
    sentences: Vec<Sentence>,
}

/// A sentence of a text, and what the article says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The sentence.
    pub text: String,
    /// The article's sentence or heading that holds most of its words and all of its numbers; `None` when none does.
    pub support: Option<String>,
}

#[derive(Debug)]
struct Sentence {
    text: String,
    grams: HashSet<u64>,
    numbers: Vec<String>,
}

impl Sentence {
    fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            grams: grams(text),
            numbers: numbers(text),
        }
    }
}

impl Grounds {
    /// The article, and what stands beside it: its title, captions.
    #[must_use]
    pub fn of(document: &Document, beside: &[&str]) -> Self {
        let mut article = document.plain();
        let title = document.title.as_deref();
        for text in title.iter().chain(beside) {
            article.push('\n');
            article.push_str(text);
        }
        let language = crate::detect_language(&article);
        let blocks = document.blocks.iter().map(|block| block.text.as_str());
        let sentences = blocks.chain(title).chain(beside.iter().copied());
        Self {
            stems: segment::words(&article, &language)
                .iter()
                .map(|word| segment::stem(word.text, &language))
                .collect(),
            pairs: pairs(&article).collect(),
            han: article.chars().filter(|c| segment::is_han(*c)).collect(),
            sentences: sentences.flat_map(rough).map(Sentence::of).collect(),
            language,
        }
    }

    /// The content words of `text` that are not found in the article, in order, each once.
    ///
    /// Words are compared by their stem; Han by pairs of characters, so that it does not matter how either side was cut.
    /// The frame `Learn how to` says nothing of the article.
    #[must_use]
    pub fn unsupported_words(&self, text: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for word in segment::words(unframed(text), &self.language) {
            let missing = segment::is_content(word.text, &self.language) && !self.has(word.text);
            if missing && !out.iter().any(|other| other == word.text) {
                out.push(word.text.to_owned());
            }
        }
        out
    }

    /// The sentences of `text`, each with the one that supports it best; of equal ones the first.
    ///
    /// Words are compared by their beginnings, so that endings do not matter, other scripts by pairs of letters. A sentence
    /// with other numbers than the claim's is no support, however much else it shares with it. The frame `Learn how to`
    /// claims nothing.
    #[must_use]
    pub fn claims(&self, text: &str) -> Vec<Claim> {
        let claim = |text: &str| Claim {
            support: self.support(text).map(str::to_owned),
            text: text.to_owned(),
        };
        let sentences = segment::sentences(text).into_iter();
        sentences
            .map(str::trim)
            .filter(|sentence| sentence.chars().any(char::is_alphanumeric))
            .map(claim)
            .collect()
    }

    fn support(&self, claim: &str) -> Option<&str> {
        let wanted = Sentence::of(unframed(claim));
        let mut best = None;
        let mut best_share = MIN_SHARE;
        for sentence in &self.sentences {
            let both = wanted.grams.intersection(&sentence.grams).count();
            #[expect(clippy::cast_precision_loss, reason = "a sentence has few words")]
            let share = both as f32 / wanted.grams.len().max(1) as f32;
            let mut numbers = wanted.numbers.iter();
            if share > best_share && numbers.all(|number| sentence.numbers.contains(number)) {
                best = Some(sentence.text.as_str());
                best_share = share;
            }
        }
        best
    }

    fn has(&self, word: &str) -> bool {
        if self.stems.contains(&segment::stem(word, &self.language)) {
            return true;
        }
        let han = word.chars().all(segment::is_han);
        han && if word.chars().count() == 1 {
            word.chars().all(|c| self.han.contains(&c))
        } else {
            pairs(word).all(|pair| self.pairs.contains(&pair))
        }
    }
}

/// A sentence without the frame that says nothing of the article.
fn unframed(text: &str) -> &str {
    let text = text.trim_start();
    let said = FRAMES.iter().find_map(|frame| text.strip_prefix(frame));
    said.unwrap_or(text)
}

/// Sentences, as far as marks tell: what is shown to a person may be a little long, and an article has many.
fn rough(block: &str) -> impl Iterator<Item = &str> {
    block
        .split_inclusive(['。', '！', '？', '\n'])
        .flat_map(|part| part.split_inclusive(". "))
        .flat_map(|part| part.split_inclusive("? "))
        .flat_map(|part| part.split_inclusive("! "))
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// The beginnings of words of more than two letters, and pairs of letters of other scripts.
fn grams(text: &str) -> HashSet<u64> {
    let mut grams = HashSet::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        if word.is_ascii() {
            if word.len() > 2 {
                let start = word.get(..word.len().min(6)).unwrap_or(word);
                grams.insert(hash(&start.to_ascii_lowercase()));
            }
        } else {
            let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
            grams.extend(letters.windows(2).map(hash));
        }
    }
    grams
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The numbers of a text, without the marks that group their digits: `1,000` is `1000`.
fn numbers(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut number = String::new();
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let inside = !number.is_empty() && letters.peek().is_some_and(char::is_ascii_digit);
        match c {
            '0'..='9' => number.push(c),
            ',' if inside => {}
            '.' if inside => number.push(c),
            _ => out.extend((!number.is_empty()).then(|| std::mem::take(&mut number))),
        }
    }
    out.extend((!number.is_empty()).then_some(number));
    out
}

fn pairs(text: &str) -> impl Iterator<Item = (char, char)> + '_ {
    text.chars()
        .zip(text.chars().skip(1))
        .filter(|(a, b)| segment::is_han(*a) && segment::is_han(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentFormat, text};

    fn grounds(article: &str, beside: &[&str]) -> Grounds {
        Grounds::of(&text::blocks(article, ContentFormat::Text), beside)
    }

    #[track_caller]
    fn check(article: &str, text: &str, expect: &[&str]) {
        assert_eq!(grounds(article, &[]).unsupported_words(text), expect);
    }

    #[test]
    fn invented_words_are_named() {
        check(
            "Bake bread with rye flour.",
            "Baking rye bread in Paris, in 2024.",
            &["Paris", "2024"],
        );
        check("数据库提高了系统的性能。", "数据库性能与火箭", &["火箭"]);
        check("", "Bananas", &["Bananas"]);
        check("Something", "", &[]);
    }

    #[test]
    fn the_frame_of_a_description_is_no_claim() {
        check("Bake bread.", "Learn how to bake bread.", &[]);
        check("Bake bread.", "Bake bread and learn.", &["learn"]);
        check("烤面包需要时间。", "了解如何烤面包。", &[]);
    }

    #[test]
    fn what_stands_beside_the_article_counts() {
        let grounds = grounds("Bake bread.", &["A loaf from Paris"]);
        assert_eq!(grounds.unsupported_words("Paris in spring"), ["spring"]);
    }

    #[track_caller]
    fn check_claims(article: &str, text: &str, expect: &[(&str, Option<&str>)]) {
        let claims = grounds(article, &[]).claims(text);
        let found: Vec<_> = claims
            .iter()
            .map(|claim| (claim.text.as_str(), claim.support.as_deref()))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn each_claim_has_its_own_sentence() {
        check_claims(
            "Rye bread needs time more than skill. A sourdough raises it overnight. The crust keeps it fresh.",
            "Sourdoughs raise bread overnight. It cures melancholia. The crust keeps bread fresh.",
            &[
                (
                    "Sourdoughs raise bread overnight.",
                    Some("A sourdough raises it overnight."),
                ),
                ("It cures melancholia.", None),
                (
                    "The crust keeps bread fresh.",
                    Some("The crust keeps it fresh."),
                ),
            ],
        );
        check_claims(
            "黑麦面包需要时间。酸面团让它过夜发酵。",
            "酸面团过夜发酵。它能治病。",
            &[
                ("酸面团过夜发酵。", Some("酸面团让它过夜发酵。")),
                ("它能治病。", None),
            ],
        );
    }

    #[test]
    fn a_framed_title_is_supported_by_the_title() {
        let support = |title: &str, text: &str| {
            let claims = grounds("It rains.", &[title]).claims(text);
            claims[0].support.clone()
        };
        let flux = support("Using Flux", "Learn how to use Flux.");
        assert_eq!(flux.as_deref(), Some("Using Flux"));
        let bread = support("烤面包需要时间", "了解如何烤面包。");
        assert_eq!(bread.as_deref(), Some("烤面包需要时间"));
        assert_eq!(support("Using Flux", "Learn how to bake bread."), None);
        assert_eq!(support("烤面包需要时间", "了解如何修理自行车。"), None);
    }

    #[test]
    fn a_sentence_with_other_numbers_is_no_support() {
        let article =
            "The new oven saves 40 % of the energy. The old oven wasted 1,200.5 watts of energy.";
        check_claims(
            article,
            "The new oven saves 60 % of the energy. The old oven wasted 1200.5 watts.",
            &[
                ("The new oven saves 60 % of the energy.", None),
                (
                    "The old oven wasted 1200.5 watts.",
                    Some("The old oven wasted 1,200.5 watts of energy."),
                ),
            ],
        );
    }
}
