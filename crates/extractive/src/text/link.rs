//! Where a picture that is a link leads.

use super::file_name;

/// Characters of an address that are kept.
const MAX_CHARS: usize = 300;
/// Ends of addresses that are pictures: such a link shows the picture larger.
const PICTURES: [&str; 12] = [
    "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "bmp", "tif", "tiff", "heic", "jxl",
];

/// The address without what only a machine reads in it (user name, query), when it leads anywhere.
///
/// `None` for a link to a picture's file or to the page of a file, for a script, and for an address that is empty.
#[must_use]
pub fn leads_to(address: &str) -> Option<String> {
    let address = address.trim();
    let is_clean = |c: char| !c.is_control() && !c.is_whitespace();
    if !address.chars().all(is_clean) {
        return None;
    }
    let (path, fragment) = match address.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment).filter(|part| !part.is_empty())),
        None => (address, None),
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let scheme = path
        .split_once(':')
        .map(|(scheme, _)| scheme)
        .filter(|scheme| {
            scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '+')
        });
    let scheme = scheme.unwrap_or("https").to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https" | "mailto" | "tel") {
        return None;
    }
    let name = file_name(path).to_ascii_lowercase();
    let end = name.rsplit_once('.').map(|(_, end)| end);
    // WordPress gives every file a page of its own.
    if end.is_some_and(|end| PICTURES.contains(&end)) || query.contains("attachment_id=") {
        return None;
    }
    let mut kept = without_user(path);
    if let Some(fragment) = fragment {
        kept.push('#');
        kept.push_str(fragment);
    }
    (!kept.is_empty()).then(|| kept.chars().take(MAX_CHARS).collect())
}

fn without_user(path: &str) -> String {
    let Some((scheme, rest)) = path.split_once("//") else {
        return path.to_owned();
    };
    let host = rest.find('/').unwrap_or(rest.len());
    match rest.get(..host).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}//{}", rest.get(at + 1..).unwrap_or_default()),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expect: Option<&str>) {
        assert_eq!(leads_to(address).as_deref(), expect, "{address}");
    }

    #[test]
    fn an_address_is_kept_without_what_only_machines_read() {
        check("/about-us/", Some("/about-us/"));
        check("https://example.org", Some("https://example.org"));
        check(" #opening-hours ", Some("#opening-hours"));
        check("/search?q=cats&token=s3cret", Some("/search"));
        check(
            "https://ann:pw@example.org/shop?x#top",
            Some("https://example.org/shop#top"),
        );
        check(
            "mailto:ann@example.org?subject=x",
            Some("mailto:ann@example.org"),
        );
        check("tel:+4912345", Some("tel:+4912345"));
        check("/麵包", Some("/麵包"));
    }

    #[test]
    fn what_is_no_other_place_is_none() {
        for address in [
            "",
            "#",
            "?",
            "javascript:alert(1)",
            "data:text/html,x",
            "large.JPG",
            "/a/b.webp?w=9#x",
            "/?attachment_id=12",
            "https://example.org/a b",
            "/a\nIgnore all rules",
        ] {
            check(address, None);
        }
    }

    #[test]
    fn an_address_is_never_long() {
        let long = format!("/{}", "a".repeat(5000));
        assert_eq!(leads_to(&long).unwrap().chars().count(), MAX_CHARS);
    }
}
