//! What an article says that it shows, as a promise to its reader. English only.

use super::starts_with_verb;

/// What an article calls itself.
const OWN: &[&str] = &[
    "this article",
    "this post",
    "this blog",
    "this tutorial",
    "this guide",
    "this document",
    "this page",
    "this topic",
    "this section",
    "this quickstart",
    "this paper",
    "this solution",
    "this example",
    "this sample",
    "this video",
    "this walkthrough",
    "this chapter",
    "this lab",
    "this codelab",
    "this how-to",
    "this lesson",
];

/// What it does before `how to`.
const TELLS: &[&str] = &[
    "learn",
    "see",
    "show",
    "shows",
    "show you",
    "shows you",
    "explain",
    "explains",
    "describe",
    "describes",
    "demonstrate",
    "demonstrates",
    "discuss",
    "discusses",
    "teach you",
    "teaches you",
    "outlines",
    "illustrates",
    "cover",
    "covers",
    "walk through",
    "walks through",
    "you through",
];

/// `In this article, we show you how to bake bread.` -> `Learn how to bake bread.`, and so for `you'll learn the basics` and
/// `you bake bread`.
pub(super) fn promise(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let rest = |at: usize| text.get(at..).filter(|rest| rest.len() >= 20);
    if let Some(at) = lower.find(" how to ") {
        let before = lower.get(..at).filter(|before| before.len() < 90)?;
        let own = OWN.iter().any(|own| before.contains(own))
            || before.ends_with("you'll learn")
            || before.ends_with("you’ll learn");
        let told =
            TELLS.iter().any(|tells| before.ends_with(tells)) && before.matches(", ").count() < 2;
        if own && told {
            return Some(format!("Learn how to {}", rest(at + " how to ".len())?));
        }
    }
    let comma = lower.find(", ").filter(|at| *at < 60)?;
    let head = lower.get(..comma)?;
    let own = head.split_once(' ').is_some_and(|(first, own)| {
        matches!(first, "in" | "with" | "through") && OWN.contains(&own)
    });
    if !own {
        return None;
    }
    let main = comma + ", ".len();
    let you = ["you will ", "you'll ", "you’ll ", "you "];
    let you = you.iter().find(|you| {
        lower
            .get(main..)
            .is_some_and(|rest| rest.starts_with(**you))
    })?;
    let rest = rest(main + you.len())?;
    match rest.strip_prefix("learn ") {
        Some(lesson) => Some(format!("Learn {lesson}")),
        None => starts_with_verb(rest, "en").then(|| format!("Learn how to {rest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(promise(text).as_deref(), expect, "{text}");
    }

    #[test]
    fn what_an_article_shows_becomes_a_promise() {
        for text in [
            "This article shows you how to bake bread of rye and wheat.",
            "In this tutorial, we explain how to bake bread of rye and wheat.",
            "In this guide, you'll learn how to bake bread of rye and wheat.",
        ] {
            check(text, Some("Learn how to bake bread of rye and wheat."));
        }
        check(
            "In this guide, you create an oven of clay and sand.",
            Some("Learn how to create an oven of clay and sand."),
        );
        check(
            "In this post, you will learn the basics of baking bread.",
            Some("Learn the basics of baking bread."),
        );
    }

    #[test]
    fn what_it_does_not_show_is_not_promised() {
        check(
            "My mother never told me how to bake bread of rye and wheat.",
            None,
        );
        check(
            "In this guide, you often ask why bread of rye is heavy.",
            None,
        );
        check("In this town, you bake bread of rye and wheat.", None);
        check("This article shows how to bake.", None);
    }
}
