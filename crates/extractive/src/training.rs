//! The numbers behind the choices, for fitting the weights and for explaining a choice.
//!
//! `examples/features.rs` writes them for a corpus; the weights in `rank/weights.rs`, `fields/keywords/weights.rs` and
//! `fields/alt/weights.rs` were fitted on what it writes.

use crate::{Article, Guidance, ImageContext, Limits, analyze, fields, rank, ranked, text};

/// Something that could be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its text.
    pub text: String,
    /// Its features, in the order of the names.
    pub features: Vec<f32>,
    /// Its score under the present weights.
    pub score: f32,
}

/// The names of the features of descriptions, keywords and text alternatives.
#[must_use]
pub fn feature_names() -> [&'static [&'static str]; 3] {
    [
        rank::FEATURES,
        fields::KEYWORD_FEATURES,
        fields::ALT_FEATURES,
    ]
}

/// All descriptions that could be given, best first.
#[must_use]
pub fn descriptions(article: &Article<'_>) -> Vec<Choice> {
    let document = text::blocks(article.content, article.format);
    let analysis = analyze(article, &document);
    let ranked = ranked(&analysis, &Limits::default(), &Guidance::default());
    ranked
        .into_iter()
        .map(|c| Choice {
            text: c.text,
            features: c.features,
            score: c.score,
        })
        .collect()
}

/// The best `count` keywords that could be given, before near-repeats are left out.
#[must_use]
pub fn keywords(article: &Article<'_>, count: usize) -> Vec<Choice> {
    let document = text::blocks(article.content, article.format);
    let analysis = analyze(article, &document);
    let phrases = fields::phrases(&analysis).into_iter().take(count);
    phrases
        .map(|p| Choice {
            text: p.text,
            features: p.features,
            score: p.score,
        })
        .collect()
}

/// All text alternatives that could be given for an image, best first.
#[must_use]
pub fn alt_texts(article: &Article<'_>, image: &ImageContext<'_>) -> Vec<Choice> {
    let document = text::blocks(article.content, article.format);
    let analysis = analyze(article, &document);
    let max = if crate::language::is_full_width(&analysis.language) {
        60
    } else {
        125
    };
    let found = fields::alt_candidates(&analysis, image, max);
    found
        .into_iter()
        .map(|c| Choice {
            text: c.text,
            features: c.features,
            score: c.score,
        })
        .collect()
}
