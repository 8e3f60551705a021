//! Words and phrases that an article is about, as they are written in it.

mod features;
mod weights;

use crate::rank::{Analysis, is_verb_form};
use crate::segment::{self, Lexicon, Token};
use crate::text::BlockKind;
use foldhash::{HashMap, HashMapExt as _, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

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
    /// Whether all of its words are nouns.
    pub(crate) nouns: bool,
    /// How often its neighbours make it a verb (`to deploy`, `deploy the`), and a noun (`the deploy`); English only.
    pub(crate) as_verb: u32,
    pub(crate) as_noun: u32,
    /// How often it stands inside the longer phrase that holds it most often.
    pub(crate) inside: u32,
    pub(crate) features: Vec<f32>,
    pub(crate) score: f32,
    /// Its stems with spaces between them.
    key: String,
    /// How it is written, and how often; few are written in more than two ways.
    forms: Vec<(String, u32)>,
    last_section: Option<usize>,
}

/// How much of a phrase's occurrences stand inside one longer phrase, when it is called a part of that one. In a short
/// article that is chance, so three occurrences are needed besides. Han is left alone: a verb in front of a word looks like a name there.
const PART: f32 = 0.7;

/// The best keywords, first those of `must_include` that stand in the article.
pub(crate) fn keywords(
    analysis: &Analysis<'_>,
    must_include: &[String],
    avoid: &[String],
    count: usize,
) -> Vec<String> {
    let mut out: Vec<Keyword> = Vec::new();
    let text = if must_include.is_empty() {
        String::new()
    } else {
        format!("{}\n{}", analysis.title, analysis.document.plain()).to_lowercase()
    };
    for wanted in must_include.iter().map(|wanted| crate::clean(wanted)) {
        let stands = !wanted.is_empty()
            && wanted.chars().count() <= 80
            && text.contains(&wanted.to_lowercase());
        let wished = Keyword::new(&wanted, &analysis.language, false, true);
        if stands && !out.iter().any(|other| other.is(&wished)) {
            out.push(wished);
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
        if !avoided(&phrase.text) && !phrase.is_lone_verb() {
            let han = phrase.text.contains(segment::is_han);
            let part = !han && phrase.inside > 2 && phrase.inside_share() >= PART;
            let name = phrase.is_name();
            add(
                &mut out,
                Keyword::new(&phrase.text, &analysis.language, part, name),
            );
        }
    }
    out.truncate(count);
    out.into_iter().map(|keyword| keyword.text).collect()
}

/// A keyword that was chosen.
struct Keyword {
    text: String,
    stems: Vec<String>,
    /// Whether it is mostly written as a part of something longer.
    part: bool,
    /// Whether it names a thing.
    name: bool,
}

impl Keyword {
    fn new(text: &str, language: &str, part: bool, name: bool) -> Self {
        let words = segment::words(text, language);
        Self {
            text: text.to_owned(),
            stems: words
                .iter()
                .map(|word| segment::stem(word.text, language))
                .collect(),
            part,
            name,
        }
    }

    /// Whether both are the same words, however they are joined: `dev/test`, `dev-test`, `devtest`.
    fn is(&self, other: &Self) -> bool {
        self.text == other.text || self.stems.concat() == other.stems.concat()
    }

    /// Whether the other one stands in this one and is shorter.
    fn holds(&self, other: &Self) -> bool {
        let length = other.stems.len();
        0 < length
            && length < self.stems.len()
            && self.stems.windows(length).any(|part| part == other.stems)
    }
}

/// Adds a keyword, unless it is there in other words or as a part of the name of a thing; such a name takes the place of its
/// parts.
fn add(out: &mut Vec<Keyword>, new: Keyword) {
    let known = |other: &Keyword| other.is(&new) || new.part && other.name && other.holds(&new);
    if out.iter().any(known) {
        return;
    }
    let replaced = |other: &Keyword| new.name && other.part && new.holds(other);
    match out.iter().position(replaced) {
        Some(place) => {
            let mut index = 0;
            out.retain(|other| {
                index += 1;
                index - 1 <= place || !replaced(other)
            });
            if let Some(slot) = out.get_mut(place) {
                *slot = new;
            }
        }
        None => out.push(new),
    }
}

/// All phrases, best first.
pub(crate) fn phrases(analysis: &Analysis<'_>) -> Vec<Phrase> {
    let mut lexicon = analysis.lexicon.borrow_mut();
    let mut counted = Counter {
        language: &analysis.language,
        lexicon: &mut lexicon,
        phrases: HashMap::new(),
        key: String::new(),
    };
    for sentence in segment::sentences(&analysis.title) {
        counted.sentence(&crate::clean(sentence), Role::Title, 0.0, 0);
    }
    let blocks = &analysis.document.blocks;
    let mut section = 0;
    for (index, (block, sentences)) in blocks.iter().zip(&analysis.cut).enumerate() {
        let heading = matches!(block.kind, BlockKind::Heading(_));
        section += usize::from(heading);
        #[expect(clippy::cast_precision_loss, reason = "at most 5,000 blocks")]
        let place = index as f32 / blocks.len() as f32;
        let role = if heading { Role::Heading } else { Role::Prose };
        for sentence in sentences {
            counted.sentence(sentence, role, place, section);
        }
    }
    let mut phrases: Vec<Phrase> = counted
        .phrases
        .into_iter()
        .map(|(key, phrase)| Phrase { key, ..phrase })
        .filter(|phrase| phrase.in_title || phrase.count > 1 || phrase.headings > 0)
        .collect();
    let most = phrases.iter().map(|phrase| phrase.count).max().unwrap_or(1);
    nest(&mut phrases);
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

/// Tells each phrase how often it stands inside a longer one: `OpenID` inside `OpenID Connect`.
fn nest(phrases: &mut [Phrase]) {
    let mut inside: HashMap<String, u32> = HashMap::new();
    for phrase in phrases.iter().filter(|phrase| phrase.words > 1) {
        let words: Vec<&str> = phrase.key.split(' ').collect();
        for part in (1..words.len()).flat_map(|length| words.windows(length)) {
            let most = inside.entry(part.join(" ")).or_insert(0);
            *most = phrase.count.max(*most);
        }
    }
    for phrase in phrases {
        phrase.inside = inside.get(&phrase.key).copied().unwrap_or(0);
    }
}

/// The form that is written most often; of equal ones the first in the alphabet, so that runs agree.
fn usual_form(forms: &[(String, u32)]) -> String {
    forms
        .iter()
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))
        .map(|(form, _)| form.clone())
        .unwrap_or_default()
}

impl Phrase {
    /// Whether it names something, rather than saying what is done: `OpenID Connect`, not `use OpenID` or `冲泡绿茶`.
    fn is_name(&self) -> bool {
        self.nouns && self.as_verb <= self.as_noun
    }

    /// Whether it is one English word that its neighbours make a verb more often than a noun: `deploy`, `fetched`. What
    /// is written with a capital names something.
    fn is_lone_verb(&self) -> bool {
        self.words == 1
            && self.as_verb > self.as_noun
            && self.text.starts_with(char::is_lowercase)
            && is_verb_form(&self.text)
    }

    /// The share of its occurrences that stand inside one longer phrase.
    pub(crate) fn inside_share(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "counts in an article are small")]
        let share = self.inside as f32 / self.count.max(1) as f32;
        share.min(1.0)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Title,
    Heading,
    Prose,
}

struct Counter<'a> {
    language: &'a str,
    lexicon: &'a mut Lexicon,
    phrases: HashMap<String, Phrase>,
    /// The stems of the phrase that is being counted.
    key: String,
}

impl Counter<'_> {
    fn sentence(&mut self, sentence: &str, role: Role, place: f32, section: usize) {
        let words = self.lexicon.tokens(sentence);
        for start in 0..words.len() {
            for length in 1..=MAX_WORDS {
                let Some(span) = words.get(start..start + length) else {
                    break;
                };
                if !self.joined(sentence, span) {
                    break;
                }
                if Self::is_phrase(sentence, span) {
                    let span = start..start + length;
                    self.count(sentence, &words, span, role, place, section);
                }
            }
        }
    }

    /// Whether nothing but a space or a hyphen stands between the words.
    fn joined(&self, sentence: &str, span: &[Token]) -> bool {
        let [.., before, last] = span else {
            return true;
        };
        let between = sentence.get(before.end..last.start).unwrap_or("?");
        let han = || {
            written(sentence, last).starts_with(segment::is_han)
                && written(sentence, before).ends_with(segment::is_han)
        };
        between == " "
            || between == "-"
            || between == "/" && !han()
            || between.is_empty() && self.language == "zh"
    }

    fn is_phrase(sentence: &str, span: &[Token]) -> bool {
        let number = |token: &Token| {
            let mut chars = written(sentence, token).chars();
            chars.all(|c| c.is_numeric() || c == '.')
        };
        let ends = span
            .first()
            .is_some_and(|token| token.entry.content && !number(token))
            && span.last().is_some_and(|token| token.entry.content);
        let inner = span.iter().all(|token| {
            token.entry.content
                || span.len() == 3
                    && matches!(written(sentence, token), "of" | "in" | "for" | "and")
        });
        // Numbers may follow a name (`Windows 11`), never stand alone; one Han character is no keyword.
        let one_han = span.len() == 1
            && span
                .iter()
                .all(|token| written(sentence, token).chars().nth(1).is_none());
        ends && inner && !one_han
    }

    fn count(
        &mut self,
        sentence: &str,
        words: &[Token],
        place_in: Range<usize>,
        role: Role,
        place: f32,
        section: usize,
    ) {
        let Some(span @ [first, .., last] | span @ [first @ last]) = words.get(place_in.clone())
        else {
            return;
        };
        let Some(text) = sentence.get(first.start..last.end) else {
            return;
        };
        let starts = place_in.start == 0;
        self.key.clear();
        for (index, token) in span.iter().enumerate() {
            self.key.push_str(if index > 0 { " " } else { "" });
            self.key.push_str(&token.entry.stem);
        }
        if !self.phrases.contains_key(&self.key) {
            if self.phrases.len() >= MAX_PHRASES {
                return;
            }
            let phrase = Phrase {
                words: span.len(),
                first: place,
                noun: last.noun,
                nouns: span.iter().all(|token| token.noun),
                ..Phrase::default()
            };
            self.phrases.insert(self.key.clone(), phrase);
        }
        let Some(phrase) = self.phrases.get_mut(&self.key) else {
            return;
        };
        phrase.count += 1;
        phrase.in_title |= role == Role::Title;
        phrase.headings += u32::from(role == Role::Heading);
        if role == Role::Prose {
            phrase.capital += u32::from(!starts && text.starts_with(char::is_uppercase));
        }
        if self.language == "en" {
            match speech(sentence, words, place_in) {
                Some(Speech::Verb) => phrase.as_verb += 1,
                Some(Speech::Noun) => phrase.as_noun += 1,
                None => {}
            }
        }
        if phrase.last_section != Some(section) {
            phrase.last_section = Some(section);
            phrase.sections += 1;
        }
        let weight = if role == Role::Prose && !starts { 3 } else { 1 };
        match phrase.forms.iter_mut().find(|(form, _)| form == text) {
            Some((_, count)) => *count += weight,
            None => phrase.forms.push((text.to_owned(), weight)),
        }
    }
}

/// A word as it stands in its sentence.
fn written<'a>(sentence: &'a str, token: &Token) -> &'a str {
    sentence.get(token.start..token.end).unwrap_or_default()
}

/// What the neighbours of an English phrase tell of it.
enum Speech {
    Verb,
    Noun,
}

/// After a pronoun, a modal or a form of `be`, or before an article or a possessive, stands a verb; after an article, a
/// possessive or a preposition a noun. The word behind decides first: `the tests deploy a cluster`.
fn speech(sentence: &str, words: &[Token], place: Range<usize>) -> Option<Speech> {
    let (first, last) = (words.get(place.start)?, words.get(place.end - 1)?);
    if let Some(next) = words.get(place.end) {
        let joined = sentence.get(last.end..next.start) == Some(" ");
        if joined && OBJECT.contains(&*next.entry.lower) {
            return Some(Speech::Verb);
        }
    }
    let before = words.get(place.start.checked_sub(1)?)?;
    if sentence.get(before.end..first.start) != Some(" ") {
        return None;
    }
    if BEFORE_VERB.contains(&*before.entry.lower) {
        Some(Speech::Verb)
    } else if BEFORE_NOUN.contains(&*before.entry.lower) {
        Some(Speech::Noun)
    } else {
        None
    }
}

static OBJECT: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "a an the your my our its their this these those them it us me him her you"
        .split(' ')
        .collect()
});
static BEFORE_VERB: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "to can could will would shall should may might must cannot can't couldn't won't wouldn't shouldn't don't doesn't didn't do does did not i you we they he she it who be been being am is are was were isn't aren't wasn't weren't have has had get gets got let's let please i'm you're we're they're i've you've we've they've i'll you'll we'll they'll get getting gets help helps makes make".split(' ').collect()
});
static BEFORE_NOUN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "a an the your my our its their his her this that these those of in on for with from by about as via per every each some any no another which".split(' ').collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Article, ContentFormat, Guidance, Limits, summarize};

    fn found(title: &str, content: &str) -> Vec<String> {
        let article = Article {
            title: Some(title),
            content,
            format: ContentFormat::Text,
            language: None,
        };
        summarize(&article, &[], &Limits::default(), &Guidance::default()).keywords
    }

    fn keyword(text: &str, part: bool, name: bool) -> Keyword {
        Keyword::new(text, "en", part, name)
    }

    #[track_caller]
    fn chosen(added: Vec<Keyword>, expect: &[&str]) {
        let mut out = Vec::new();
        for keyword in added {
            add(&mut out, keyword);
        }
        let texts: Vec<String> = out.into_iter().map(|keyword| keyword.text).collect();
        assert_eq!(texts, expect);
    }

    #[test]
    fn a_part_gives_way_to_the_name_that_holds_it() {
        let whole = || keyword("OpenID Connect", false, true);
        let part = || keyword("OpenID", true, true);
        chosen(vec![whole(), part()], &["OpenID Connect"]);
        chosen(
            vec![part(), keyword("token", false, true), whole()],
            &["OpenID Connect", "token"],
        );
        // What stands alone often enough is a subject of its own.
        chosen(
            vec![keyword("OpenID", false, true), whole()],
            &["OpenID", "OpenID Connect"],
        );
        // A verb in front makes no name.
        chosen(
            vec![part(), keyword("use OpenID", false, false)],
            &["OpenID", "use OpenID"],
        );
    }

    #[test]
    fn the_same_words_are_said_once() {
        chosen(
            vec![
                keyword("dev/test", false, true),
                keyword("dev-test", false, true),
                keyword("Containers", false, true),
                keyword("container", false, true),
            ],
            &["dev/test", "Containers"],
        );
    }

    #[cfg(feature = "dictionary")]
    #[test]
    fn technical_terms_are_kept_whole_in_chinese() {
        let keywords = found(
            "用K8s部署微服务",
            "微服务把一个大系统拆成许多小服务。K8s负责调度这些微服务，并在机器出故障时重新启动它们。我们用K8s管理三十个微服务，\
             每个微服务都有自己的数据库。升级微服务时，K8s逐个替换旧的容器。",
        );
        for term in ["K8s", "微服务"] {
            assert!(keywords.iter().any(|word| word == term), "{keywords:?}");
        }
    }

    #[test]
    fn verbs_are_no_keywords() {
        let keywords = found(
            "How phishing works",
            "Phishing mails fooled the whole team. We were fooled by a mail from the bank. The bank had asked nobody. \
             Attackers fooled us because the mail looked right, and a bank was named. Phishing costs a bank money. \
             A password manager is not fooled by a mail. The password manager knows the address of the bank.",
        );
        assert!(keywords.iter().any(|word| word == "bank"), "{keywords:?}");
        assert!(
            !keywords.iter().any(|word| word == "fooled"),
            "{keywords:?}"
        );
    }

    #[test]
    fn what_is_done_again_and_again_is_no_keyword() {
        let keywords = found(
            "How to publish a page",
            "You publish a page with the editor. To publish the page, you open the editor and publish it. Then you can \
             publish the translation of the page. An editor of the team may publish the draft.",
        );
        assert!(keywords.iter().any(|word| word == "page"), "{keywords:?}");
        assert!(
            !keywords.iter().any(|word| word == "publish"),
            "{keywords:?}"
        );
    }

    #[test]
    fn a_name_is_not_said_in_pieces() {
        let keywords = found(
            "Sign in with OpenID Connect",
            "OpenID Connect adds identity to tokens. A server of OpenID Connect signs each token. With OpenID Connect, \
             an app sends the browser to the server. The app checks the token with the key of the server. OpenID \
             Connect names the key. Tokens expire after an hour, and the app asks the server for a new token.",
        );
        assert!(
            keywords.iter().any(|word| word == "OpenID Connect"),
            "{keywords:?}"
        );
        for piece in ["OpenID", "Connect"] {
            assert!(!keywords.iter().any(|word| word == piece), "{keywords:?}");
        }
    }
}
