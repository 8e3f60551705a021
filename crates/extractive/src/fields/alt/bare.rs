//! A text without the words that say only that there is a picture: `An image of a loaf` -> `A loaf`.

use crate::fields::with_capital;

/// A text alternative without `image of` and its like at the beginning, and `的图片` at the end. Words that tell something,
/// such as `chart of` and `屏幕截图`, stay.
#[must_use]
pub fn bare(text: &str) -> String {
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
        .find_map(|tail| end.strip_suffix(tail))
        .map(|shown| {
            let counted = ["一张", "一幅", "这张", "这幅"];
            let rest = counted.iter().find_map(|count| shown.strip_prefix(count));
            rest.unwrap_or(shown)
        });
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

/// Ways in which a line begins that only tells whose the picture is.
const CREDITS: &[&str] = &[
    "photo by ",
    "photos by ",
    "photograph by ",
    "picture by ",
    "image by ",
    "photo credit",
    "image credit",
    "picture credit",
    "photo source",
    "image source",
    "photo courtesy",
    "image courtesy",
    "courtesy of ",
    "credit:",
    "source:",
    "©",
    "图源",
    "图片来源",
    "照片来源",
    "来源：",
    "来源:",
    "摄影：",
    "摄影:",
    "摄影/",
    "供图：",
    "供图:",
];
/// Characters of the longest line that is taken for a credit.
const CREDIT_CHARS: usize = 80;

/// Whether a caption only tells whose the picture is, and nothing of what it shows.
pub(super) fn is_credit(caption: &str) -> bool {
    let line = caption.trim_matches(|c: char| c.is_whitespace() || "()（）[]".contains(c));
    let lower = line.to_lowercase();
    let begins = CREDITS.iter().any(|credit| lower.starts_with(credit));
    begins && line.chars().count() <= CREDIT_CHARS && crate::segment::sentences(line).len() == 1
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
        check("一张港口的照片", "港口");
        check("这幅港口的图像。", "港口");
    }

    #[test]
    fn a_credit_is_told_from_a_caption() {
        for credit in [
            "Photo by Jane Doe on Unsplash",
            "(Image courtesy of the museum)",
            "© 2024 Jane Doe",
            "Source: World Bank",
            "图源：新华社",
            "摄影：张三",
            "图片来源：维基百科",
        ] {
            assert!(is_credit(credit), "{credit}");
        }
        for caption in [
            "Photo by the window: a loaf. It was taken in the morning.",
            "The source of the river",
            "A loaf, photo by Jane Doe",
            "港口摄影展",
            "图中是港口",
            "",
        ] {
            assert!(!is_credit(caption), "{caption}");
        }
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
