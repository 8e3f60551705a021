//! What each feature of a text alternative is worth.

use super::FEATURES;

/// The estimated worth of a text alternative with these features.
pub(super) fn score(features: &[f32], language: &str) -> f32 {
    debug_assert_eq!(features.len(), FEATURES.len());
    let weights = if language == "zh" { CHINESE } else { ENGLISH };
    features
        .iter()
        .zip(weights)
        .map(|(feature, weight)| feature * weight)
        .sum()
}

const ENGLISH: &[f32] = &[
    2.0, 0.4, 0.3, 0.1, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0,
];
const CHINESE: &[f32] = &[
    2.0, 0.5, 0.4, 0.1, 0.1, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0,
];
