//! What each feature is worth.

use super::FEATURES;

/// The estimated quality of a description with these features.
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
    0.0, 0.1, 0.05, 0.02, 0.0, 0.05, 0.0, 0.0, 0.0, 0.0, -0.04, -0.03, -0.08, 0.1, 0.05, 0.0, 0.0,
    0.05, -0.1, 0.0, -0.05, -0.03, 0.0, -0.03, 0.06, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.03,
    -0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
];
const CHINESE: &[f32] = &[
    0.0, 0.1, 0.05, 0.02, 0.0, 0.05, 0.0, 0.0, 0.0, 0.0, -0.04, -0.03, -0.08, 0.1, 0.05, 0.0, 0.0,
    0.05, -0.1, 0.0, -0.05, -0.03, 0.0, -0.03, 0.06, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.03,
    -0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
];
