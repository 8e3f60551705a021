//! What a keyword is weighed by.

use super::Phrase;
use foldhash::HashSet;
use std::sync::LazyLock;

/// The names of the features, in order.
pub(crate) const FEATURES: &[&str] = &[
    "count",
    "share",
    "in_title",
    "headings",
    "early",
    "capital",
    "capital_share",
    "two_words",
    "three_words",
    "sections",
    "noun",
    "acronym",
    "inner_capital",
    "short",
    "digits",
    "count_title",
    "capital_title",
    "phrase_title",
    "latin",
    "common",
    "ing",
    "once",
    "latin_title",
    "inside",
    "inside_title",
    "verb",
    "verb_phrase",
    "ed",
    "ly",
];

/// The features of one phrase; as many as [`FEATURES`].
pub(super) fn of(phrase: &Phrase, most: u32, language: &str) -> Vec<f32> {
    let count = number(phrase.count);
    let title = flag(phrase.in_title);
    let capital = number(phrase.capital);
    let share = (capital / count.max(1.0)).min(1.0);
    let letters: Vec<char> = phrase.text.chars().filter(|c| c.is_alphabetic()).collect();
    let inner = phrase
        .text
        .split_whitespace()
        .any(|word| word.chars().skip(1).any(char::is_uppercase));
    let latin = flag(language == "zh" && phrase.text.is_ascii());
    let inside = phrase.inside_share();
    let (verb, noun) = (number(phrase.as_verb), number(phrase.as_noun));
    let verb = verb / (verb + noun + 1.0);
    let single = flag(phrase.words == 1 && language == "en");
    vec![
        count.ln_1p() / 4.0,
        count / number(most),
        title,
        number(phrase.headings).ln_1p(),
        1.0 - phrase.first,
        capital.ln_1p() / 3.0,
        share,
        flag(phrase.words == 2),
        flag(phrase.words == 3),
        number(phrase.sections).ln_1p() / 3.0,
        flag(phrase.noun),
        flag(letters.len() > 1 && letters.iter().all(|c| c.is_uppercase())),
        flag(inner),
        flag(letters.len() < 4),
        flag(phrase.text.chars().any(char::is_numeric)),
        count.ln_1p() / 4.0 * title,
        share * title,
        title * flag(phrase.words > 1),
        latin,
        flag(is_common(&phrase.text)),
        flag(phrase.words == 1 && phrase.text.ends_with("ing")),
        flag(phrase.count == 1),
        latin * title,
        inside,
        inside * title,
        verb * flag(phrase.words == 1),
        verb * flag(phrase.words > 1),
        single * flag(phrase.text.ends_with("ed")),
        single * flag(phrase.text.ends_with("ly")),
    ]
}

/// Words that many articles use and few are about.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "able access account action add added address allow allows amount answer app application applications approach area available based best better big bring build building business call called case cases cause change changes check choose click code column come common company complete components configure configured contain contains content control copy cost create created creates creating current currently custom data day days default define deploy describes design details develop developer developers development different difficult directly display easily easy edit effort enable end ensure enter entire environment error event example examples existing experience fact feature features field fields file files final find fine folder form format full function functions future general goal good great group hand hard help helps high home hour idea image images important improve include includes including information input install interest issue issues item items job key large later latest learning left level life line link list live local location long low main manage management manual menu method minutes model month months move multiple name names necessary needed note number numbers object offer old open operation option options order output overview package pages part parts past pattern people period person place plan play point possible power prefer present press previous problem problems process processes product production program project projects properties property provide provided provides public purpose put question questions quick quickly ran range reading ready real reason receive recent recommend reduce related release remove report request requests require required requirements requires resource resources response result results return right role run running runs save screen search second section select selected send series server service services set sets setting settings setup share short show showing shown shows side similar simple simply single site size small software solution solutions source space specific specify stage standard start started state status step steps store string structure support supports system systems table tab talk task tasks team teams test text thinking thought time times title today tool tools top total type types understand unique unit update updated user users value values version versions view visit wait watch web website week window wish work worked working works world write writing year years".split(' ').collect()
});

fn is_common(text: &str) -> bool {
    let lower = text.to_lowercase();
    COMMON.contains(lower.as_str())
}

fn flag(value: bool) -> f32 {
    if value { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts in an article are small")]
fn number(count: u32) -> f32 {
    count as f32
}
