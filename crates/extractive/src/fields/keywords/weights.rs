//! What each feature is worth.
//!
//! Fitted offline by logistic regression: which phrases of an article are among its human tags. Cross-validated by source,
//! six keywords an article: F1 0.189 for English (324 articles), 0.279 for Chinese (108).

use super::FEATURES;

/// The estimated worth of a choice with these features.
pub(super) fn score(features: &[f32], language: &str) -> f32 {
    let weights = if language == "zh" { CHINESE } else { ENGLISH };
    debug_assert!(weights.iter().map(|(name, _)| name).eq(FEATURES));
    features
        .iter()
        .zip(weights)
        .map(|(feature, (_, weight))| feature * weight)
        .sum()
}

const ENGLISH: &[(&str, f32)] = &[
    ("count", 0.8534),
    ("share", 1.1637),
    ("in_title", 1.9008),
    ("headings", -0.0936),
    ("early", 1.5685),
    ("capital", 0.6919),
    ("capital_share", 0.5944),
    ("two_words", -0.2284),
    ("three_words", -1.4035),
    ("sections", 0.5531),
    ("noun", -3.1579),
    ("acronym", 0.2469),
    ("inner_capital", 0.1180),
    ("short", -0.2192),
    ("digits", 0.4458),
    ("count_title", -0.1566),
    ("capital_title", -0.0524),
    ("phrase_title", 0.2775),
    ("latin", 0.0000),
    ("common", -1.9231),
    ("ing", -0.1414),
    ("once", -1.0653),
    ("latin_title", 0.0000),
    ("inside", -0.7588),
    ("inside_title", -0.6476),
    ("verb", -0.7968),
    ("verb_phrase", 0.1671),
    ("ed", -0.9440),
    ("ly", -0.3961),
];

const CHINESE: &[(&str, f32)] = &[
    ("count", -0.9266),
    ("share", 2.5198),
    ("in_title", 1.5183),
    ("headings", 0.3401),
    ("early", 0.6475),
    ("capital", 0.1427),
    ("capital_share", -0.0855),
    ("two_words", -0.2010),
    ("three_words", -1.2039),
    ("sections", -0.2482),
    ("noun", -0.0377),
    ("acronym", -0.6609),
    ("inner_capital", 0.8974),
    ("short", -0.8425),
    ("digits", 0.4384),
    ("count_title", 0.3625),
    ("capital_title", 0.2719),
    ("phrase_title", 0.0620),
    ("latin", 0.7589),
    ("common", -0.8547),
    ("ing", -0.2779),
    ("once", -1.0408),
    ("latin_title", 0.8430),
    ("inside", -0.4259),
    ("inside_title", -1.4374),
    ("verb", 0.0000),
    ("verb_phrase", 0.0000),
    ("ed", 0.0000),
    ("ly", 0.0000),
];
