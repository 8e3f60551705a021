//! What a request needs to be sent as a form: the part `request`, and one part per picture, named by its id.

use crate::error::SmartSummaryError;
use api::{Code, SummaryRequest};
use std::collections::HashSet;

/// The name of the part that holds the request.
pub(super) const REQUEST: &str = "request";
/// Characters of a picture's id, at most.
const MAX_ID_CHARS: usize = 64;

/// Checks before anything is sent what the server would refuse: each picture's id names a part.
///
/// # Errors
/// `nothing_to_read`, or `invalid_field` with the picture.
pub(super) fn check(request: &SummaryRequest) -> Result<(), SmartSummaryError> {
    let blank = request
        .article
        .as_ref()
        .is_none_or(|article| article.content.trim().is_empty());
    if blank && request.images.is_empty() {
        return Err(SmartSummaryError::early(
            Code::NothingToRead,
            "write something or add a picture first",
        ));
    }
    let mut seen = HashSet::new();
    for image in &request.images {
        if !is_part_name(&image.id) {
            let rule = "a picture's id has 1 to 64 of A-Z a-z 0-9 . _ - and is not `request`";
            return Err(SmartSummaryError::early(Code::InvalidField, rule).about(&image.id));
        }
        if !seen.insert(image.id.as_str()) {
            let rule = format!("two pictures have the id `{}`; give each its own", image.id);
            return Err(SmartSummaryError::early(Code::InvalidField, rule).about(&image.id));
        }
    }
    Ok(())
}

fn is_part_name(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_ID_CHARS).contains(&id.len()) && id != REQUEST && id.bytes().all(plain)
}

/// The file name of a part: never the writer's own, which the request holds where it is of use.
pub(super) fn file_name(id: &str, media_type: &str) -> String {
    let extension = match media_type {
        "image/jpeg" => "jpg",
        other => other.strip_prefix("image/").unwrap_or("bin"),
    };
    format!("{id}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Article, ImageRef};

    fn request(content: &str, ids: &[&str]) -> SummaryRequest {
        let images = ids
            .iter()
            .map(|id| ImageRef {
                id: (*id).to_owned(),
                ..ImageRef::default()
            })
            .collect();
        let article = Article {
            content: content.to_owned(),
            ..Article::default()
        };
        SummaryRequest {
            article: Some(article),
            images,
            ..SummaryRequest::default()
        }
    }

    #[track_caller]
    fn refuse(request: &SummaryRequest, code: Code, image: Option<&str>) {
        let error = check(request).unwrap_err();
        assert_eq!(error.code, crate::error::ErrorCode::Server(code));
        assert_eq!(error.image.as_deref(), image);
    }

    #[test]
    fn text_or_a_picture_is_enough() {
        assert_eq!(check(&request("text", &[])), Ok(()));
        assert_eq!(check(&request(" ", &["a-1.B_2"])), Ok(()));
    }

    #[test]
    fn nothing_is_refused_before_it_is_sent() {
        refuse(&request(" \n", &[]), Code::NothingToRead, None);
        refuse(&SummaryRequest::default(), Code::NothingToRead, None);
    }

    #[test]
    fn an_id_that_names_no_part_is_refused() {
        for id in ["", "request", "a b", "ä", "a\"b", &"x".repeat(65)] {
            refuse(&request("text", &[id]), Code::InvalidField, Some(id));
        }
    }

    #[test]
    fn two_pictures_with_one_id_are_refused() {
        refuse(
            &request("text", &["a", "b", "a"]),
            Code::InvalidField,
            Some("a"),
        );
    }

    #[test]
    fn a_part_has_the_extension_of_what_is_sent() {
        assert_eq!(file_name("hero", "image/jpeg"), "hero.jpg");
        assert_eq!(file_name("hero", "image/webp"), "hero.webp");
        assert_eq!(file_name("hero", ""), "hero.bin");
    }
}
