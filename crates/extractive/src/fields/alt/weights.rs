//! What each feature is worth.
//!
//! English: fitted offline by ridge regression of ROUGE-L to human alt texts (432 images), cross-validated by source 0.328; a
//! caption was then put above all else, because it is the writer's own word on the picture, and what a sentence says that the
//! picture shows comes next. Chinese, Japanese, Korean:
//! set by hand, since 75 images from few sources fit worse than a plain order.

use super::FEATURES;

/// The estimated worth of a choice with these features.
pub(super) fn score(features: &[f32], language: &str) -> f32 {
    let weights = if crate::language::is_full_width(language) {
        CHINESE
    } else {
        ENGLISH
    };
    debug_assert!(weights.iter().map(|(name, _)| name).eq(FEATURES));
    features
        .iter()
        .zip(weights)
        .map(|(feature, (_, weight))| feature * weight)
        .sum()
}

const ENGLISH: &[(&str, f32)] = &[
    ("caption", 1.5000),
    ("heading", 0.0109),
    ("before", 0.0327),
    ("after", 0.0073),
    ("file", -0.0877),
    ("title", -0.0093),
    ("name_recall", 0.0958),
    ("name_precision", 0.1970),
    ("points", 0.0475),
    ("long", -0.1122),
    ("short", -0.0876),
    ("words", 0.1137),
    ("file_words", 0.2171),
    ("file_article", 0.2888),
    ("heading_name", 0.0690),
    ("before_points", -0.0017),
    ("before_name", 0.0362),
    ("sentence", -0.0254),
    ("title_recall", 0.0060),
    ("starts_number", 0.0173),
    ("file_foreign", -0.1975),
    ("shown", 0.8000),
    ("window", 0.1000),
];

const CHINESE: &[(&str, f32)] = &[
    ("caption", 1.5000),
    ("heading", 0.5000),
    ("before", 0.4000),
    ("after", 0.1000),
    ("file", 0.1000),
    ("title", 0.2000),
    ("name_recall", 0.0000),
    ("name_precision", 0.0000),
    ("points", 0.0000),
    ("long", 0.0000),
    ("short", 0.0000),
    ("words", 0.0000),
    ("file_words", 0.0000),
    ("file_article", 0.0000),
    ("heading_name", 0.0000),
    ("before_points", 0.0000),
    ("before_name", 0.0000),
    ("sentence", 0.0000),
    ("title_recall", 0.0000),
    ("starts_number", -0.1000),
    ("file_foreign", -0.3000),
    ("shown", 0.5000),
    ("window", 0.6000),
];
