//! What a sentence can do without once it stands alone: the word that joined it to the one before, and where else to look.

use crate::fields::with_capital;

/// Joints that a comma follows: `However, the loaf keeps.`
const JOINTS: &[&str] = &[
    "additionally",
    "again",
    "also",
    "as a result",
    "besides",
    "consequently",
    "finally",
    "first",
    "for example",
    "for instance",
    "fortunately",
    "furthermore",
    "hence",
    "however",
    "in addition",
    "in fact",
    "in short",
    "indeed",
    "lastly",
    "likewise",
    "luckily",
    "moreover",
    "next",
    "of course",
    "overall",
    "second",
    "similarly",
    "then",
    "therefore",
    "thus",
    "unfortunately",
    "well",
];
/// Joints that stand before a clause without a comma.
const BARE: &[&str] = &[
    "please note that",
    "note that",
    "remember that",
    "and",
    "but",
    "so",
];
/// What goes on after a bare joint as another phrase: `So far`, `But for`, `And yet`.
const PHRASES: &[&str] = &["far", "for", "long", "many", "much", "that", "what", "yet"];
const CHINESE_JOINTS: &[&str] = &[
    "但",
    "但是",
    "不过",
    "然而",
    "因此",
    "所以",
    "为此",
    "例如",
    "比如",
    "另外",
    "此外",
    "然后",
    "接下来",
    "首先",
    "其次",
    "最后",
    "同时",
    "另一方面",
    "总之",
    "总的来说",
    "也就是说",
    "其实",
    "当然",
    "事实上",
];
/// First words of a parenthesis that only says where else to look: `(see Figure 2)`, `（如图 2 所示）`.
const ELSEWHERE: &[&str] = &[
    "see ",
    "as shown",
    "as described",
    "shown ",
    "described ",
    "refer to",
    "figure ",
    "fig. ",
    "table ",
    "见",
    "参见",
    "详见",
    "请参阅",
    "如图",
    "如下图",
    "如上图",
];

/// The sentence without its joint and without cross-references in parentheses; `None` when it has neither.
///
/// What is left begins as a sentence does and says what the article says. Other parentheses, the clause before the main
/// one, and what follows a comma carry what people repeat: dropping them lost ROUGE-L on the corpus.
pub(super) fn compressed(text: &str, language: &str) -> Option<String> {
    let alone = match language {
        "en" => english_alone(text),
        "zh" => chinese_alone(text),
        _ => None,
    };
    let whole = alone.unwrap_or(text);
    let without = without_references(whole);
    let out = without.as_deref().unwrap_or(whole);
    (out.len() < text.len()).then(|| with_capital(out))
}

fn english_alone(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let after = |word: &str, join: &str| {
        let at = lower.strip_prefix(word)?.strip_prefix(join)?.len();
        text.get(text.len() - at..)
    };
    let joined = JOINTS.iter().find_map(|word| after(word, ", "));
    let bare = || BARE.iter().find_map(|word| after(word, " "));
    let rest = joined.or_else(bare)?;
    let next = rest
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    // `Well, well`, `First, second and third`: no clause stands there.
    let clause = rest.split_whitespace().nth(3).is_some();
    (clause && (joined.is_some() || !PHRASES.contains(&next))).then_some(rest)
}

fn chinese_alone(text: &str) -> Option<&str> {
    let (first, rest) = text.split_once(['，', ','])?;
    CHINESE_JOINTS
        .contains(&first)
        .then(|| rest.trim_start())
        .filter(|rest| rest.chars().nth(8).is_some())
}

fn without_references(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, open)) = rest.char_indices().find(|(_, c)| matches!(c, '(' | '（')) {
        let (before, inside) = (rest.get(..at)?, rest.get(at + open.len_utf8()..)?);
        let (inner, after) = inside.split_once([')', '）'])?;
        let lower = inner.trim_start().to_lowercase();
        if ELSEWHERE.iter().any(|start| lower.starts_with(start)) {
            out.push_str(before.trim_end());
        } else {
            out.push_str(rest.get(..rest.len() - after.len())?);
        }
        rest = after;
    }
    out.push_str(rest);
    (out.len() < text.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(language: &str, text: &str, expect: &str) {
        assert_eq!(
            compressed(text, language).as_deref(),
            Some(expect),
            "{text}"
        );
    }

    #[test]
    fn a_sentence_that_stands_alone_joins_nothing() {
        check(
            "en",
            "However, the loaf is best a day later.",
            "The loaf is best a day later.",
        );
        check(
            "en",
            "Note that rye needs more water than wheat.",
            "Rye needs more water than wheat.",
        );
        check(
            "en",
            "But iOS keeps the oven's clock.",
            "iOS keeps the oven's clock.",
        );
        check(
            "zh",
            "因此，黑麦面团需要更多的水。",
            "黑麦面团需要更多的水。",
        );
    }

    #[test]
    fn where_else_to_look_is_not_said() {
        check(
            "en",
            "The crust (see Figure 2) keeps the crumb moist (for days).",
            "The crust keeps the crumb moist (for days).",
        );
        check(
            "zh",
            "面包皮（如图 2 所示）能保持湿润。",
            "面包皮能保持湿润。",
        );
    }

    #[test]
    fn what_says_something_stays() {
        for text in [
            "So far nobody has baked a loaf like this.",
            "Secondly comes the salt, then the water.",
            "Otherwise, the crumb stays wet and heavy.",
            "First, second and third.",
            "The crust (of rye) keeps the crumb moist.",
            "The crust (see Figure 2 keeps the crumb moist.",
        ] {
            assert_eq!(compressed(text, "en"), None, "{text}");
        }
        assert_eq!(compressed("同时支持多种烤箱的面团。", "zh"), None);
        assert_eq!(compressed("Therefore, das Brot ist gut.", "de"), None);
    }
}
