//! What a description is weighed by: numbers between about 0 and 1.

use super::{Analysis, Candidate, Frame};
use crate::fit::measure;
use crate::language::measure_limits;
use crate::rank::{form, verbs};
use crate::segment;
use crate::text::BlockKind;
use std::rc::Rc;

/// The names of the features, in order.
pub(crate) const FEATURES: &[&str] = &[
    "pair",
    "learn",
    "titled",
    "learn_more",
    "first",
    "early",
    "late",
    "block_first",
    "section_none",
    "section_first",
    "list",
    "quote",
    "caption",
    "title_recall",
    "title_precision",
    "heading_share",
    "centrality",
    "length",
    "too_short",
    "near_full",
    "cut",
    "question",
    "exclaim",
    "refers_back",
    "about_self",
    "learns",
    "second_person",
    "first_person",
    "digits",
    "parenthesis",
    "quotes",
    "connective",
    "imperative",
    "code_like",
    "see_more",
    "capitals",
    "no_stop_end",
    "title_verb",
    "title_verb_learn",
    "title_verb_about",
    "title_how_learn",
    "recall_first",
    "about_first",
    "recall_short",
    "definition",
    "in_this",
    "recall_squared",
    "title_verb_more",
    "titled_low_recall",
    "promise",
    "faults",
];

/// The features of one candidate; as many as [`FEATURES`].
pub(super) fn of(analysis: &Analysis<'_>, candidate: &Candidate) -> Vec<f32> {
    let text = &candidate.text;
    let lower = text.to_lowercase();
    let language = analysis.language.as_str();
    let stems = stems_of(analysis, candidate);
    let place = Place::of(analysis, candidate);
    let (least, most) = measure_limits(language);
    let long = measure(text, language);
    let recall = share(&analysis.title_stems, |stem| holds(&stems, stem));
    let about = flag(has(&lower, ABOUT_SELF));
    let learn = flag(candidate.frame == Frame::Learn);
    let verb = flag(analysis.title_verb);
    let how = flag(analysis.title_how);
    let persons = Persons::of(&lower);
    let short = flag(long < least);
    let framed = matches!(
        candidate.frame,
        Frame::Learn | Frame::LearnMore | Frame::Title
    );
    vec![
        flag(candidate.frame == Frame::Pair),
        learn,
        flag(candidate.frame == Frame::Titled),
        flag(candidate.frame == Frame::LearnMore),
        flag(place.index == 0),
        1.0 / (1.0 + place.index_f() / 3.0),
        (place.index_f() / 40.0).min(1.0),
        flag(place.in_block == 0),
        flag(place.section == 0),
        flag(place.section == 1),
        flag(place.kind == BlockKind::ListItem),
        flag(place.kind == BlockKind::Quote),
        flag(place.kind == BlockKind::Caption),
        recall,
        share_of(&stems, |stem| holds(&analysis.title_stems, stem)),
        share_of(&stems, |stem| analysis.heading_stems.contains(stem)),
        centrality(analysis, &stems),
        (long / most).min(1.0),
        short,
        flag(long > most * 0.8),
        flag(text.ends_with('…') || cut(analysis, candidate)),
        flag(text.contains(['?', '？'])),
        flag(text.contains(['!', '！'])),
        flag(starts(&lower, REFERS_BACK)),
        about,
        flag(has(&lower, LEARNS)),
        flag(persons.second),
        flag(persons.first),
        flag(text.chars().any(char::is_numeric)),
        flag(text.contains(['(', '（'])),
        flag(text.contains(['"', '“', '「'])),
        flag(starts(&lower, CONNECTIVES)),
        flag(!framed && verbs::starts_with_verb(text, language)),
        flag(text.contains(['_', '/', '\\', '=', '|', '@', '*'])),
        flag(has(&lower, SEE_MORE)),
        capitals(text),
        flag(!segment::ends_as_sentence(text)),
        verb,
        verb * learn,
        verb * about,
        how * learn,
        recall * flag(place.index == 0),
        about * flag(place.index < 5),
        recall * short,
        flag(has(&lower, DEFINES)) * flag(recall > 0.3),
        flag(starts(
            &lower,
            &[
                "in this ",
                "this article",
                "this post",
                "this tutorial",
                "this guide",
                "this document",
                "本文",
                "在本",
                "本教程",
                "本指南",
            ],
        )),
        recall * recall,
        flag(candidate.frame == Frame::LearnMore) * verb,
        flag(candidate.frame == Frame::Titled) * (1.0 - sentence_recall(analysis, candidate)),
        flag(candidate.frame == Frame::Promise),
        form::faults(analysis, text, &candidate.parts),
    ]
}

/// The candidate's content words. Sentences that stand in it whole have theirs already; cutting words again for each candidate
/// took a third of the engine's time.
fn stems_of(analysis: &Analysis<'_>, candidate: &Candidate) -> Vec<Rc<str>> {
    let whole = matches!(candidate.frame, Frame::Sentence | Frame::Pair)
        && !candidate.text.ends_with('…')
        && !cut(analysis, candidate);
    if !whole {
        return analysis.stems(&candidate.text);
    }
    let sentences = candidate
        .parts
        .iter()
        .filter_map(|part| analysis.sentences.get(*part));
    sentences
        .flat_map(|sentence| sentence.stems.iter().cloned())
        .collect()
}

/// Where the first sentence of a candidate stands; a frame stands before all.
struct Place {
    index: usize,
    in_block: usize,
    section: usize,
    kind: BlockKind,
}

impl Place {
    fn of(analysis: &Analysis<'_>, candidate: &Candidate) -> Self {
        let index = candidate.parts.first().copied();
        let sentence = index.and_then(|index| analysis.sentences.get(index));
        match (index, sentence) {
            (Some(index), Some(s)) => Self {
                index,
                in_block: s.in_block,
                section: s.section,
                kind: s.kind,
            },
            _ => Self {
                index: 3,
                in_block: 0,
                section: 0,
                kind: BlockKind::Paragraph,
            },
        }
    }

    fn index_f(&self) -> f32 {
        f32::from(u16::try_from(self.index).unwrap_or(u16::MAX))
    }
}

const ABOUT_SELF: &[&str] = &[
    "this article",
    "this post",
    "this tutorial",
    "this guide",
    "this document",
    "this page",
    "this topic",
    "this section",
    "this blog",
    "this overview",
    "this chapter",
    "this quickstart",
    "this paper",
    "本文",
    "本教程",
    "本指南",
    "本主题",
    "本篇",
    "本节",
    "这篇文章",
    "本系列",
    "本期",
    "本次",
    "dieser artikel",
    "diesem artikel",
    "cet article",
    "este artículo",
    "この記事",
];
const LEARNS: &[&str] = &[
    "learn",
    "show you",
    "shows how",
    "describes",
    "explains",
    "demonstrates",
    "covers",
    "introduces",
    "walks",
    "discusses",
    "provides",
    "介绍",
    "了解",
    "学习",
    "演示",
    "说明",
    "讲述",
    "讲解",
    "分享",
    "阐述",
    "描述",
    "展示",
];
const REFERS_BACK: &[&str] = &[
    "this ", "these ", "those ", "that ", "it ", "it's ", "they ", "he ", "she ", "such ",
    "there ", "here ", "then ", "它", "这", "那", "其", "此", "该",
];
const CONNECTIVES: &[&str] = &[
    "but ",
    "and ",
    "so ",
    "however",
    "also",
    "for example",
    "for instance",
    "in addition",
    "therefore",
    "thus ",
    "because ",
    "or ",
    "yet ",
    "next",
    "finally",
    "first",
    "second",
    "if ",
    "when ",
    "after ",
    "once ",
    "note",
    "但",
    "而",
    "因此",
    "所以",
    "例如",
    "比如",
    "另外",
    "此外",
    "然后",
    "如果",
    "首先",
    "其次",
    "最后",
    "同时",
    "当",
];
const SEE_MORE: &[&str] = &[
    "see ",
    "click",
    "for more information",
    "refer to",
    "read more",
    "following",
    "below",
    "above",
    "subscribe",
    "follow us",
    "thank",
    "请参阅",
    "有关详细信息",
    "如下",
    "以下",
    "下图",
    "点击",
    "关注",
    "扫码",
    "公众号",
    "欢迎",
];
const DEFINES: &[&str] = &[
    " is a ",
    " is an ",
    " is the ",
    " are ",
    " provides ",
    " enables ",
    " allows ",
    " lets ",
    " helps ",
    "是一",
    "提供",
    "用于",
    "可以",
    "允许",
    "支持",
];

pub(super) fn is_how(title: &str) -> bool {
    let lower = title.to_lowercase();
    lower.starts_with("how to ")
        || lower.starts_with("如何")
        || lower.starts_with("怎样")
        || lower.starts_with("怎么")
}

fn flag(value: bool) -> f32 {
    if value { 1.0 } else { 0.0 }
}

fn has(lower: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| lower.contains(phrase))
}

fn starts(lower: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| lower.starts_with(phrase))
}

/// Whom a text speaks to and of.
struct Persons {
    first: bool,
    second: bool,
}

impl Persons {
    fn of(lower: &str) -> Self {
        let mut persons = Self {
            first: lower.contains('我'),
            second: lower.contains(['你', '您']),
        };
        for word in lower.split(|c: char| !c.is_alphabetic() && c != '\'') {
            match word {
                "i" | "i'm" | "i've" | "my" | "we" | "we're" | "we've" | "our" | "us" => {
                    persons.first = true;
                }
                "you" | "your" | "du" | "vous" | "usted" => persons.second = true,
                _ => {}
            }
        }
        persons
    }
}

/// A sentence has few words: going through them costs less than a set of them.
fn holds(stems: &[Rc<str>], stem: &str) -> bool {
    stems.iter().any(|other| **other == *stem)
}

fn share(stems: &[Rc<str>], holds: impl Fn(&str) -> bool) -> f32 {
    share_of(stems, holds)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of words in a sentence are small"
)]
fn share_of(stems: &[Rc<str>], holds: impl Fn(&str) -> bool) -> f32 {
    if stems.is_empty() {
        return 0.0;
    }
    stems.iter().filter(|stem| holds(stem)).count() as f32 / stems.len() as f32
}

/// How much of what the article repeats is in these words: the mean logarithm of their counts, over the greatest one.
#[expect(clippy::cast_precision_loss, reason = "counts of words are small")]
fn centrality(analysis: &Analysis<'_>, stems: &[Rc<str>]) -> f32 {
    let most = analysis.most as f32;
    let sum: f32 = stems
        .iter()
        .map(|stem| (analysis.counts.get(stem).copied().unwrap_or(0) as f32).ln_1p())
        .sum();
    if stems.is_empty() {
        0.0
    } else {
        sum / stems.len() as f32 / most.ln_1p().max(0.7)
    }
}

/// Whether the candidate is less than its sentences.
fn cut(analysis: &Analysis<'_>, candidate: &Candidate) -> bool {
    let whole: usize = candidate
        .parts
        .iter()
        .filter_map(|part| analysis.sentences.get(*part))
        .map(|s| s.text.len())
        .sum();
    candidate.text.len() + 2 < whole
}

#[expect(clippy::cast_precision_loss, reason = "a sentence is short")]
fn capitals(text: &str) -> f32 {
    let words = text.split_whitespace().count().max(1) as f32;
    let capital = text
        .split_whitespace()
        .skip(1)
        .filter(|word| word.starts_with(char::is_uppercase))
        .count() as f32;
    capital / words
}

fn sentence_recall(analysis: &Analysis<'_>, candidate: &Candidate) -> f32 {
    let Some(sentence) = candidate
        .parts
        .first()
        .and_then(|part| analysis.sentences.get(*part))
    else {
        return 1.0;
    };
    share(&analysis.title_stems, |stem| holds(&sentence.stems, stem))
}
