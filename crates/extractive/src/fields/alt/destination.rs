//! What an address says of the place that it leads to.

use super::name_words;
use crate::text::percent_decode;

/// The words of an address, when it has any: `/about-us/` has `about us`, `mailto:ann@example.org` the address.
pub(super) fn spoken(address: &str) -> Option<String> {
    for scheme in ["mailto:", "tel:"] {
        if let Some(whom) = address.strip_prefix(scheme) {
            return Some(whom.to_owned()).filter(|whom| !whom.is_empty());
        }
    }
    let (path, fragment) = address.split_once('#').unwrap_or((address, ""));
    let path = path.split_once("//").map_or(path, |(_, rest)| {
        // A host is a name, not words.
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    let words = |segment: &str| {
        let words = name_words(&percent_decode(segment)).replace('_', " ");
        (words != "index" && !words.is_empty()).then_some(words)
    };
    words(fragment).or_else(|| path.rsplit('/').take(2).find_map(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expect: Option<&str>) {
        assert_eq!(spoken(address).as_deref(), expect, "{address}");
    }

    #[test]
    fn the_last_part_of_an_address_is_read() {
        check("/about-us/", Some("about us"));
        check(
            "https://example.org/docs/getting-started.html",
            Some("getting started"),
        );
        check("/shop/index.html", Some("shop"));
        check("/page#opening-hours", Some("opening hours"));
        check("/%E9%BB%91%E9%BA%A6%E9%9D%A2%E5%8C%85", Some("黑麦面包"));
        check("mailto:ann@example.org", Some("ann@example.org"));
        check("tel:+4912345", Some("+4912345"));
    }

    #[test]
    fn an_address_without_words_says_nothing() {
        for address in [
            "/",
            "https://example.org",
            "https://example.org/",
            "/p/1234",
            "mailto:",
            "#",
        ] {
            check(address, None);
        }
    }
}
