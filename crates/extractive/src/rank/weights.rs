//! What each feature is worth.
//!
//! Fitted offline on 759 articles with human descriptions: a ridge regression of ROUGE-L within each article, then
//! gradient ascent of the expected ROUGE-L of a soft choice (temperature 0.02, pulled to the regression), Chinese together
//! with a third of the English articles. Cross-validated by source (`examples/fit_weights.py`): English 0.330, Chinese 0.357. `too_short` was then
//! lowered by 0.2, so that a description of 50 characters is taken where there is one; that cost 0.001.
//! Languages other than Chinese use the English table.

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
    ("pair", -0.0279),
    ("learn", 0.0751),
    ("titled", -0.0460),
    ("learn_more", -0.0229),
    ("first", 0.0125),
    ("early", 0.0262),
    ("late", -0.0182),
    ("block_first", 0.0391),
    ("section_none", 0.0491),
    ("section_first", 0.0333),
    ("list", -0.0185),
    ("quote", -0.0267),
    ("caption", -0.0028),
    ("title_recall", 0.1089),
    ("title_precision", 0.1517),
    ("heading_share", 0.0595),
    ("centrality", 0.0821),
    ("length", 0.0547),
    ("too_short", -0.2559),
    ("near_full", -0.0262),
    ("cut", 0.0045),
    ("question", -0.0165),
    ("exclaim", -0.0070),
    ("refers_back", 0.0384),
    ("about_self", 0.0003),
    ("learns", 0.0485),
    ("second_person", 0.0265),
    ("first_person", -0.0051),
    ("digits", 0.0330),
    ("parenthesis", 0.0003),
    ("quotes", -0.0090),
    ("connective", -0.0001),
    ("imperative", 0.0192),
    ("code_like", -0.0272),
    ("see_more", -0.0190),
    ("capitals", 0.0084),
    ("no_stop_end", 0.0206),
    ("title_verb", 0.0001),
    ("title_verb_learn", 0.0481),
    ("title_verb_about", -0.0138),
    ("title_how_learn", 0.0219),
    ("recall_first", 0.0236),
    ("about_first", -0.0010),
    ("recall_short", -0.0112),
    ("definition", -0.0088),
    ("in_this", 0.0504),
    ("recall_squared", 0.0678),
    ("title_verb_more", 0.0018),
    ("titled_low_recall", -0.0810),
];

const CHINESE: &[(&str, f32)] = &[
    ("pair", -0.0638),
    ("learn", 0.0892),
    ("titled", -0.1044),
    ("learn_more", -0.0523),
    ("first", 0.0035),
    ("early", 0.0375),
    ("late", -0.0133),
    ("block_first", 0.0133),
    ("section_none", 0.0395),
    ("section_first", 0.0486),
    ("list", -0.0159),
    ("quote", 0.0018),
    ("caption", 0.0006),
    ("title_recall", 0.1053),
    ("title_precision", 0.1061),
    ("heading_share", 0.0663),
    ("centrality", 0.0481),
    ("length", 0.0682),
    ("too_short", -0.2732),
    ("near_full", -0.0481),
    ("cut", -0.0153),
    ("question", -0.0059),
    ("exclaim", 0.0145),
    ("refers_back", 0.0034),
    ("about_self", 0.0604),
    ("learns", 0.0283),
    ("second_person", 0.0359),
    ("first_person", -0.0029),
    ("digits", 0.0365),
    ("parenthesis", 0.0196),
    ("quotes", 0.0425),
    ("connective", -0.0135),
    ("imperative", 0.0192),
    ("code_like", -0.0372),
    ("see_more", 0.0202),
    ("capitals", 0.0513),
    ("no_stop_end", -0.0253),
    ("title_verb", 0.0001),
    ("title_verb_learn", -0.0113),
    ("title_verb_about", -0.0157),
    ("title_how_learn", 0.0341),
    ("recall_first", 0.0840),
    ("about_first", -0.0050),
    ("recall_short", -0.0480),
    ("definition", 0.0191),
    ("in_this", 0.0904),
    ("recall_squared", 0.0665),
    ("title_verb_more", -0.0107),
    ("titled_low_recall", -0.0546),
];
