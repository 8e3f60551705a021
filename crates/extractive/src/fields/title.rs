//! Titles that fit, and the two frames that make a description of a title.

use crate::fit::{Room, fit_in, full_stop};
use crate::rank::{gerund_to_base, starts_with_verb};

/// Marks between a title and its second half or its site's name.
const SEPARATORS: &[&str] = &[
    " | ", " — ", " – ", " - ", ": ", "：", "——", "｜", " · ", " // ", "? ",
];

/// Titles that fit, the best first; `own` is the article's title, `headings` what else could stand for it.
pub(crate) fn titles(
    own: &str,
    headings: &[&str],
    brand: Option<&str>,
    room: Room<'_>,
) -> Vec<String> {
    let mut out = Vec::new();
    for source in [own].iter().chain(headings) {
        for title in shortened(source, room) {
            push_once(&mut out, title);
        }
    }
    if let Some(promise) = how_to(own, room.language()).filter(|title| room.holds(title)) {
        let place = out.len().min(1);
        if !out.iter().any(|other| other.eq_ignore_ascii_case(&promise)) {
            out.insert(place, promise);
        }
    }
    if let Some(brand) = brand.map(str::trim).filter(|brand| !brand.is_empty()) {
        for title in &mut out {
            *title = branded(title, brand, room);
        }
    }
    out
}

/// Headings that stand in any article and name none.
const GENERIC: &[&str] = &[
    "about",
    "acknowledgements",
    "acknowledgments",
    "appendix",
    "background",
    "before you begin",
    "before you start",
    "conclusion",
    "conclusions",
    "contents",
    "example",
    "examples",
    "faq",
    "feedback",
    "further reading",
    "getting started",
    "in this article",
    "installation",
    "introduction",
    "key takeaways",
    "learn more",
    "limitations",
    "motivation",
    "next steps",
    "note",
    "notes",
    "overview",
    "prerequisites",
    "procedure",
    "quickstart",
    "references",
    "related articles",
    "requirements",
    "resources",
    "results",
    "see also",
    "setup",
    "steps",
    "summary",
    "table of contents",
    "tl;dr",
    "troubleshooting",
    "usage",
    "what's next",
    "what’s next",
    "wrapping up",
    "下一步",
    "介绍",
    "先决条件",
    "其他资源",
    "准备工作",
    "前言",
    "前提条件",
    "参考",
    "参考文献",
    "参考资料",
    "后续步骤",
    "安装",
    "小结",
    "常见问题",
    "引言",
    "总结",
    "摘要",
    "更多信息",
    "术语",
    "概述",
    "概要",
    "概览",
    "步骤",
    "注意事项",
    "目录",
    "相关文章",
    "示例",
    "简介",
    "结论",
    "结语",
    "背景",
    "说明",
    "附录",
];

/// Whether a heading says nothing of its article: `Prerequisites`, `2. 概述`.
pub(crate) fn is_generic(heading: &str) -> bool {
    let bare = heading.trim_matches(|c: char| !c.is_alphabetic());
    let lower = bare.to_lowercase();
    GENERIC.contains(&lower.as_str())
}

fn push_once(out: &mut Vec<String>, title: String) {
    if !title.is_empty() && !out.iter().any(|other| other.eq_ignore_ascii_case(&title)) {
        out.push(title);
    }
}

/// The title itself when it fits; else its halves that say enough; else its words that fit.
fn shortened(title: &str, room: Room<'_>) -> Vec<String> {
    let title = title
        .trim()
        .trim_end_matches(['.', '。', ':', '：', ',', '，', '#'])
        .trim_end();
    let whole = fit_in(title, room);
    if whole == title {
        return vec![whole];
    }
    let mut out: Vec<String> = Vec::new();
    for separator in SEPARATORS {
        for (at, _) in title.match_indices(separator).take(4) {
            let head = title.get(..at).unwrap_or_default().trim();
            let tail = title.get(at + separator.len()..).unwrap_or_default().trim();
            // “Milvus: how we built …”: half of the room is enough to say something.
            for half in [head, tail] {
                if (0.4..=1.0).contains(&room.share(half)) {
                    out.push(half.to_owned());
                }
            }
        }
    }
    out.push(whole);
    out
}

/// `Title | Brand`, when that fits and the brand is not named already.
fn branded(title: &str, brand: &str, room: Room<'_>) -> String {
    let named = title.to_lowercase().contains(&brand.to_lowercase());
    let whole = format!("{title} | {brand}");
    if !named && room.holds(&whole) {
        whole
    } else {
        title.to_owned()
    }
}

/// `Deploy a cluster` -> `Learn how to deploy a cluster.`; `如何部署` -> `了解如何部署。`; other titles give none.
pub(crate) fn learn_how(title: &str, language: &str) -> Option<String> {
    let title = head(title).trim_end_matches(['.', '。', '!', '！', '?', '？', ':', '：']);
    match language {
        "en" => Some(format!("Learn how to {}.", english_infinitive(title)?)),
        "zh" => Some(format!("了解{}{}", chinese_how(title)?, full_stop("zh"))),
        _ => None,
    }
}

/// `Deploy a cluster` -> `How to deploy a cluster`; `创建数据库` -> `如何创建数据库`; a title that says so already gives none.
fn how_to(title: &str, language: &str) -> Option<String> {
    let title = head(title).trim_end_matches(['.', '。', '!', '！', '?', '？', ':', '：']);
    let promise = match language {
        "en" => format!("How to {}", english_infinitive(title)?),
        "zh" => chinese_how(title)?,
        _ => return None,
    };
    (!promise.eq_ignore_ascii_case(title)).then_some(promise)
}

/// What stands before a title's first joint: `Avoiding floods: a guide` -> `Avoiding floods`.
fn head(title: &str) -> &str {
    let joint = SEPARATORS
        .iter()
        .filter_map(|separator| title.find(separator))
        .min();
    title
        .get(..joint.unwrap_or(title.len()))
        .unwrap_or(title)
        .trim()
}

fn english_infinitive(title: &str) -> Option<String> {
    let lower = title.to_lowercase();
    if let Some(rest) = lower.strip_prefix("how to ") {
        return title.get(title.len() - rest.len()..).map(lower_first);
    }
    if starts_with_verb(title, "en") {
        return Some(lower_first(title));
    }
    let base = gerund_to_base(title)?;
    let rest = title.split_once(' ')?.1;
    Some(format!("{base} {rest}"))
}

fn chinese_how(title: &str) -> Option<String> {
    if title.starts_with("如何") || title.starts_with("怎样") || title.starts_with("怎么") {
        return Some(title.to_owned());
    }
    starts_with_verb(title, "zh").then(|| format!("如何{title}"))
}

/// The first letter in lower case, unless the first word has capitals of its own.
fn lower_first(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    if word
        .chars()
        .skip(1)
        .any(|c| c.is_uppercase() || c.is_ascii_digit())
    {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

/// A title with a full stop, unless it ends in a mark of its own.
pub(crate) fn as_sentence(title: &str, language: &str) -> String {
    super::finished(title, Room::of(usize::MAX, language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn learns(title: &str, language: &str, expect: Option<&str>) {
        assert_eq!(learn_how(title, language).as_deref(), expect);
    }

    #[test]
    fn titles_that_begin_with_a_verb_become_promises() {
        learns(
            "Deploy a cluster",
            "en",
            Some("Learn how to deploy a cluster."),
        );
        learns("How to Deploy", "en", Some("Learn how to deploy."));
        learns(
            "Using Flux on AWS",
            "en",
            Some("Learn how to use Flux on AWS."),
        );
        learns(
            "Avoiding floods: a guide",
            "en",
            Some("Learn how to avoid floods."),
        );
        learns("A cluster of grapes", "en", None);
        learns("创建数据库", "zh", Some("了解如何创建数据库。"));
        learns("如何创建", "zh", Some("了解如何创建。"));
        learns("数据库概述", "zh", None);
        learns("为什么选择数据库", "zh", None);
        learns("为数据库配置备份", "zh", Some("了解如何为数据库配置备份。"));
    }

    #[test]
    fn a_long_title_is_cut_where_it_is_jointed() {
        let found = titles(
            "Announcing the new release: a long list of everything that changed",
            &[],
            None,
            Room::of(40, "en"),
        );
        assert_eq!(found[0], "Announcing the new release");
    }

    #[test]
    fn a_heading_of_any_article_is_no_title() {
        for heading in [
            "Prerequisites",
            "3. Overview:",
            "What's next?",
            "2. 概述",
            "下一步",
        ] {
            assert!(is_generic(heading), "{heading}");
        }
        for heading in [
            "Overview of the cluster",
            "集群概述",
            "Feed the starter",
            "42",
        ] {
            assert!(!is_generic(heading), "{heading}");
        }
    }

    #[test]
    fn a_second_title_says_how() {
        let second = |title: &str, max, language: &str| {
            let found = titles(title, &["Shapes"], None, Room::of(max, language));
            assert_eq!(found[0], title);
            found[1].clone()
        };
        assert_eq!(
            second("Deploy a cluster", 60, "en"),
            "How to deploy a cluster"
        );
        assert_eq!(
            second("Using Flux on AWS", 60, "en"),
            "How to use Flux on AWS"
        );
        assert_eq!(second("创建数据库", 30, "zh"), "如何创建数据库");
        // What says so already, what is no promise, and what would not fit.
        assert_eq!(second("How to deploy", 60, "en"), "Shapes");
        assert_eq!(second("如何创建数据库", 30, "zh"), "Shapes");
        assert_eq!(second("A cluster of grapes", 60, "en"), "Shapes");
        assert_eq!(second("Deploy a cluster", 18, "en"), "Shapes");
    }

    #[test]
    fn a_brand_is_added_when_it_fits() {
        assert_eq!(
            titles("Bread", &[], Some("Bakery"), Room::of(20, "en")),
            ["Bread | Bakery"]
        );
        assert_eq!(
            titles("Bread", &[], Some("Bakery of the town"), Room::of(20, "en")),
            ["Bread"]
        );
        assert_eq!(
            titles("Bakery bread", &[], Some("bakery"), Room::of(40, "en")),
            ["Bakery bread"]
        );
    }
}
