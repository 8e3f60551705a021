//! Where a sentence may be cut so that what is left is a sentence.

use super::nest;
use crate::rank::is_verb_form;
use crate::segment::is_stop;

/// Words that begin what a sentence can do without, when a noun stands before them.
const JOINTS: &[&str] = &[
    "across",
    "after",
    "and",
    "as",
    "at",
    "because",
    "before",
    "but",
    "by",
    "during",
    "for",
    "from",
    "if",
    "in",
    "including",
    "on",
    "outside",
    "over",
    "so",
    "that",
    "through",
    "until",
    "using",
    "via",
    "when",
    "where",
    "whereas",
    "which",
    "while",
    "with",
    "within",
    "without",
];

/// Words that need what the conjunction would cut off: `between a and b`.
const PAIRED: &[&str] = &["between", "both", "either", "neither", "whether"];

/// Words with which a sentence begins that says nothing before its main clause.
const SUBORDINATE: &[&str] = &[
    "after", "although", "as", "because", "before", "by", "during", "for", "from", "given", "if",
    "in", "on", "once", "rather", "since", "though", "to", "unless", "until", "when", "whenever",
    "where", "whether", "while", "with", "without",
];

const CHINESE_SUBORDINATE: &[&str] = &[
    "如果", "假如", "若", "当", "虽然", "尽管", "由于", "因为", "为了", "随着", "通过", "在",
    "对于", "根据", "按照", "除了", "只要", "只有", "无论", "不管", "作为", "自从", "自", "从",
    "经过", "不仅", "不但", "既",
];

/// Those whose clause comes before the main one, wherever in a sentence that begins.
const CHINESE_LEADING: &[&str] = &[
    "随着", "如果", "假如", "虽然", "尽管", "由于", "只要", "无论", "不管",
];

/// Ends of words that are more often adjectives than nouns: what they belong to would be cut off.
const ADJECTIVE_ENDS: &[&str] = &[
    "able", "ible", "al", "ful", "ous", "ive", "ic", "less", "ant", "ent", "ary", "ed", "ing", "ly",
];

const ADJECTIVES: &[&str] = &[
    "fast", "new", "simple", "safe", "secure", "easy", "private", "high", "low", "large", "small",
    "open", "free", "good", "better", "best", "bad", "quick", "clear", "clean", "big", "great",
    "complex", "long", "short", "modern", "own", "real", "right", "strong", "rich", "robust",
    "cheap", "common", "main", "major", "old", "smart", "deep", "wide", "flexible", "first",
    "second", "faster", "easier", "simpler", "smaller", "larger", "more", "less", "human",
    "single",
];

/// Whether a head ends before its main clause: `If you want to deploy`, `To deploy a cluster`, `为了部署集群`.
pub(super) fn promises_more(head: &str, language: &str) -> bool {
    match language {
        "en" => {
            let lower = head.to_lowercase();
            let first = lower.split(|c: char| !c.is_alphabetic()).next();
            let mut commas = lower.split(", ").skip(1);
            let main = commas.any(|part| !part.starts_with("and ") && !part.starts_with("or "));
            let open = first.is_some_and(|word| SUBORDINATE.contains(&word)) && !main;
            open || !has_verb(&lower)
        }
        "zh" => {
            let last = head.rsplit(['，', '；', ',']).next().unwrap_or_default();
            let open = |words: &[&str], text: &str| words.iter().any(|word| text.starts_with(word));
            open(CHINESE_SUBORDINATE, last) && last.len() == head.len()
                || open(CHINESE_LEADING, last)
        }
        _ => false,
    }
}

/// What stands before each joint of an English sentence, where it could have ended.
pub(super) fn heads(text: &str) -> impl Iterator<Item = &str> {
    let mut nesting = 0;
    text.char_indices().filter_map(move |(at, c)| {
        nesting = nest(nesting, c);
        let rest = text.get(at..)?.strip_prefix(' ').filter(|_| nesting == 0)?;
        let next = rest.split(' ').next()?;
        let head = text.get(..at)?.trim_end_matches(',');
        (JOINTS.contains(&next) && is_whole(head, next)).then_some(head)
    })
}

/// Whether an English head could be a sentence: its last word names something, and nothing that it opened is missing.
fn is_whole(head: &str, next: &str) -> bool {
    let lower = head.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let Some((last, before)) = words.split_last() else {
        return false;
    };
    let determined = |reach: usize| {
        let mut near = before.iter().rev().take(reach);
        near.any(|word| DETERMINERS.contains(word))
    };
    let names = last
        .chars()
        .all(|c| c.is_alphanumeric() || c == '-' || c == ')')
        && !is_stop(last, "en")
        && !ADJECTIVES.contains(last)
        && (!is_verb_form(last) || determined(1))
        && !ADJECTIVE_ENDS
            .iter()
            .any(|end| last.len() > end.len() + 2 && last.ends_with(end));
    // `user and group accounts`: the first noun needs the last one.
    let capital = head
        .rsplit(' ')
        .next()
        .is_some_and(|word| word.starts_with(char::is_uppercase));
    let alone = next != "and" || last.ends_with('s') || capital || determined(3);
    let paired = words.iter().rev().take(8).any(|word| PAIRED.contains(word));
    names && alone && !paired && !promises_more(head, "en")
}

/// Whether a comma behind a head only parts the members of a list: `tea, milk`, before `, sugar and bread`.
pub(super) fn in_list(head: &str, rest: &str) -> bool {
    let words = |text: &str| text.split_whitespace().count();
    let last = head.rsplit_once(", ").map(|(_, last)| last);
    let rest = rest.trim_start_matches([',', ' ']);
    let next = rest.split([',', '.', ';']).next().unwrap_or_default();
    let joined = next.starts_with("and ") || next.starts_with("or ");
    let goes_on = rest
        .get(next.len()..)
        .is_some_and(|after| after.starts_with(','));
    last.is_some_and(|last| words(last) <= 3)
        || joined && words(next) <= 5
        || goes_on && words(next) <= 3
}

const DETERMINERS: &[&str] = &[
    "a", "an", "the", "this", "that", "these", "those", "your", "our", "my", "its", "their",
    "each", "every",
];

/// Auxiliary verbs and such as end in no `s`.
const FINITE: &[&str] = &[
    "am", "are", "be", "can", "could", "did", "do", "does", "had", "has", "have", "i'll", "i'm",
    "i've", "is", "it's", "let's", "may", "might", "must", "shall", "should", "that's", "was",
    "we'll", "we're", "we've", "were", "will", "would", "you'll", "you're", "you've", "cannot",
    "can't", "isn't", "aren't", "don't", "doesn't", "it’s", "we’re", "we’ve", "i’ve", "you’ll",
    "we’ll", "i’m", "i’ll", "that’s", "let’s", "you’re", "you’ve", "made", "went", "came", "saw",
    "took", "gave", "got", "began", "became", "found", "led", "built", "held", "spoke", "wrote",
    "need", "needs", "want", "wants", "know", "knows", "mean", "means", "see", "sees", "look",
    "looks", "say", "says", "seem", "seems", "live", "lives", "help", "helps",
];

/// Whether a word of a head may be its main verb.
fn has_verb(lower: &str) -> bool {
    lower
        .split(|c: char| c.is_whitespace() || c == ',')
        .any(|word| FINITE.contains(&word) || is_verb_form(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        assert_eq!(heads(text).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_sentence_may_end_before_a_conjunction() {
        check(
            "You can plan the cluster because we wrote a guide.",
            &["You can plan the cluster"],
        );
        check(
            "It shows the rows of the table, which are sorted.",
            &["It shows the rows of the table"],
        );
        check(
            "They keep a diary for people outside the house.",
            &["They keep a diary", "They keep a diary for people"],
        );
    }

    #[test]
    fn nothing_that_belongs_together_is_parted() {
        check("It provides fast and reliable storage.", &[]);
        check("The service tracks and analyzes visitors.", &[]);
        check("You can synchronize user and group accounts.", &[]);
        check("It moves data between the cluster and the client.", &[]);
        check("It shows the list (of pages and posts) here.", &[]);
        check("If you want to see the cluster and its nodes", &[]);
    }

    #[test]
    fn a_list_is_not_cut_between_its_members() {
        assert!(in_list("We sell tea, milk", ", sugar and bread."));
        assert!(in_list("We sell tea", ", milk, sugar and bread."));
        assert!(!in_list(
            "Containers run anywhere",
            ", and they are small and quick."
        ));
    }

    #[test]
    fn a_head_without_its_main_clause_promises_more() {
        assert!(promises_more("If you want to deploy a cluster", "en"));
        assert!(promises_more("If you can, and want to", "en"));
        assert!(!promises_more("If you can, deploy a cluster", "en"));
        assert!(promises_more("Roles of users", "en"));
        assert!(promises_more("为了部署集群", "zh"));
        assert!(!promises_more("为了部署集群，请先安装", "zh"));
        assert!(promises_more("这是一个框架，随着社区的发展", "zh"));
        assert!(!promises_more("这是一个框架，通过插件扩展", "zh"));
    }
}
