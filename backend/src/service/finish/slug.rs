//! The last part of the post's address.

/// What the engine wrote, in the slug's own alphabet; made from the title when nothing is left of it.
pub(super) fn slug(text: &str, title: Option<&str>, language: &str) -> String {
    let slug = extractive::slugify(text, language);
    if slug.is_empty() {
        extractive::slugify(title.unwrap_or_default(), language)
    } else {
        slug
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_stays_a_slug() {
        assert_eq!(slug("bake-rye-bread", None, "en"), "bake-rye-bread");
        assert_eq!(slug("kao-mian-bao", None, "zh"), "kao-mian-bao");
    }

    #[test]
    fn anything_else_becomes_one() {
        assert_eq!(
            slug("/Bake Rye/../Bread?x=1", None, "en"),
            "bake-rye-bread-x-1"
        );
        assert_eq!(slug("???", Some("Bake rye"), "en"), "bake-rye");
        assert_eq!(slug("/烤面包/../？", None, "zh"), "kao-mian-bao");
        assert_eq!(slug("？？？", Some("烤面包"), "zh"), "kao-mian-bao");
    }
}
