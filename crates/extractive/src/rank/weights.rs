//! What each feature is worth.
//!
//! Fitted offline on 759 articles with human descriptions: a ridge regression of ROUGE-L within each article, then
//! gradient ascent of the expected ROUGE-L of a soft choice (temperature 0.02, pulled to the regression), Chinese together
//! with a third of the English articles. `too_short` is then lowered by 0.2, so that a description of 50 characters is
//! taken where there is one, and `faults` is set to more than the others can make up for, so that what has one is taken only
//! when there is nothing else. Cross-validated by source (`examples/fit_weights.py`): English 0.329 (0.330 while
//! headings and items of lists could stand behind a title), Chinese 0.371.
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
    ("pair", -0.0365),
    ("learn", 0.0515),
    ("titled", -0.0635),
    ("learn_more", -0.0344),
    ("first", 0.0333),
    ("early", 0.0519),
    ("late", -0.0106),
    ("block_first", 0.0324),
    ("section_none", 0.0353),
    ("section_first", 0.0392),
    ("list", -0.0086),
    ("quote", -0.0371),
    ("caption", -0.0010),
    ("title_recall", 0.1142),
    ("title_precision", 0.1428),
    ("heading_share", 0.0521),
    ("centrality", 0.0814),
    ("length", 0.0686),
    ("too_short", -0.2532),
    ("near_full", -0.0551),
    ("cut", 0.0295),
    ("question", -0.0056),
    ("exclaim", -0.0177),
    ("refers_back", 0.0453),
    ("about_self", 0.0018),
    ("learns", 0.0455),
    ("second_person", 0.0050),
    ("first_person", 0.0053),
    ("digits", 0.0400),
    ("parenthesis", -0.0118),
    ("quotes", 0.0293),
    ("connective", -0.0065),
    ("imperative", 0.0174),
    ("code_like", -0.0081),
    ("see_more", -0.0181),
    ("capitals", 0.0294),
    ("no_stop_end", 0.0000),
    ("title_verb", 0.0001),
    ("title_verb_learn", 0.0316),
    ("title_verb_about", -0.0115),
    ("title_how_learn", 0.0285),
    ("recall_first", 0.0186),
    ("about_first", -0.0013),
    ("recall_short", -0.0079),
    ("definition", 0.0013),
    ("in_this", 0.0312),
    ("recall_squared", 0.0653),
    ("title_verb_more", -0.0063),
    ("titled_low_recall", -0.0588),
    ("promise", 0.1013),
    ("faults", -2.0000),
];

const CHINESE: &[(&str, f32)] = &[
    ("pair", -0.0739),
    ("learn", 0.0892),
    ("titled", -0.0541),
    ("learn_more", -0.0856),
    ("first", 0.0109),
    ("early", 0.0395),
    ("late", -0.0293),
    ("block_first", 0.0083),
    ("section_none", 0.0270),
    ("section_first", 0.0566),
    ("list", 0.0021),
    ("quote", 0.0004),
    ("caption", 0.0007),
    ("title_recall", 0.0947),
    ("title_precision", 0.1306),
    ("heading_share", 0.0553),
    ("centrality", 0.0682),
    ("length", 0.0468),
    ("too_short", -0.2773),
    ("near_full", -0.0480),
    ("cut", -0.0179),
    ("question", -0.0348),
    ("exclaim", -0.0079),
    ("refers_back", -0.0063),
    ("about_self", 0.0865),
    ("learns", 0.0265),
    ("second_person", 0.0380),
    ("first_person", 0.0059),
    ("digits", 0.0422),
    ("parenthesis", 0.0026),
    ("quotes", 0.0543),
    ("connective", -0.0155),
    ("imperative", -0.0347),
    ("code_like", -0.0328),
    ("see_more", -0.0166),
    ("capitals", 0.0556),
    ("no_stop_end", 0.0000),
    ("title_verb", -0.0001),
    ("title_verb_learn", -0.0228),
    ("title_verb_about", -0.0249),
    ("title_how_learn", 0.0105),
    ("recall_first", 0.0836),
    ("about_first", -0.0043),
    ("recall_short", -0.0615),
    ("definition", 0.0325),
    ("in_this", 0.0936),
    ("recall_squared", 0.0128),
    ("title_verb_more", -0.0314),
    ("titled_low_recall", -0.0519),
    ("promise", 0.0000),
    ("faults", -2.0000),
];
