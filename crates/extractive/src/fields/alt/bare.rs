//! A text without the words that say only that there is a picture: `An image of a loaf` -> `A loaf`.

use crate::fields::with_capital;

/// Without `image of` and its like at the beginning, and `的图片` at the end. Words that tell something, such as `chart of`
/// and `屏幕截图`, stay.
pub(super) fn bare(text: &str) -> String {
    let text = text.trim();
    let rest = english(text).or_else(|| chinese(text)).unwrap_or(text);
    if rest.chars().filter(|c| c.is_alphabetic()).count() < 2 {
        return text.to_owned();
    }
    if text.starts_with(char::is_uppercase) {
        with_capital(rest)
    } else {
        rest.to_owned()
    }
}

const LEADS: &[&str] = &["a", "an", "the", "this", "here"];
const PICTURES: &[&str] = &["image", "picture", "photo", "photograph", "pic", "img"];
const JOINTS: &[&str] = &["of", "showing", "shows", "depicting"];

/// `A picture showing the harbour` -> `the harbour`.
fn english(text: &str) -> Option<&str> {
    let (first, rest) = text.split_once(' ')?;
    let (picture, rest) = if is(first, LEADS) {
        rest.trim_start().split_once(' ')?
    } else {
        (first, rest)
    };
    if let Some(picture) = picture.strip_suffix(':') {
        return is(picture, PICTURES).then(|| rest.trim_start());
    }
    let (joint, rest) = rest.trim_start().split_once(' ')?;
    (is(picture, PICTURES) && is(joint, JOINTS)).then(|| rest.trim_start())
}

fn is(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// `图片显示了港口` -> `港口`; `港口的照片` -> `港口`.
fn chinese(text: &str) -> Option<&str> {
    let end = text.trim_end_matches('。');
    let tail = ["的图片", "的图像", "的照片"]
        .iter()
        .find_map(|tail| end.strip_suffix(tail));
    let start = text.trim_start_matches(['一', '这', '张', '幅', '该', '此', '本', '上', '下']);
    let head = ["图片", "图像", "照片"]
        .iter()
        .find_map(|picture| start.strip_prefix(picture));
    let head = head.and_then(|rest| {
        ["显示了", "显示", "展示了", "展示", "：", ":"]
            .iter()
            .find_map(|joint| rest.strip_prefix(joint))
    });
    head.or(tail).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(bare(text), expect);
    }

    #[test]
    fn that_it_is_an_image_is_not_said() {
        check("An image of a loaf on a board", "A loaf on a board");
        check("Picture showing the harbour", "The harbour");
        check("image: two owls", "two owls");
        check("Photo of the team", "The team");
        check("图片显示了港口", "港口");
        check("这张照片：港口", "港口");
        check("港口的图片", "港口");
    }

    #[test]
    fn what_tells_something_stays() {
        for text in [
            "Chart of sales",
            "Screenshot of the settings",
            "Image processing of today",
            "The picture gallery",
            "Picture of",
            "屏幕截图：设置",
            "图片库",
            "照片",
        ] {
            check(text, text);
        }
    }
}
