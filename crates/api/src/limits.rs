//! The contract's numbers, here only. The server's configuration may lower or raise those marked so.

use crate::{FieldLimits, Target};

/// Longest edge of a picture that leaves the browser or enters an engine, in pixels.
pub const MAX_EDGE: u32 = 1024;
/// JPEG quality of a downsized picture.
pub const JPEG_QUALITY: u8 = 85;

/// Pictures in one request (configurable).
pub const MAX_IMAGES: usize = 8;
/// Bytes of one picture (configurable).
pub const MAX_IMAGE_BYTES: usize = 5 * 1024 * 1024;
/// Pixels that one picture may declare (configurable).
pub const MAX_PIXELS: u64 = 40_000_000;
/// Characters of an article's content (configurable).
pub const MAX_CONTENT_CHARS: usize = 200_000;
/// Bytes of a whole body: the pictures as base64, the article in four-byte characters, and room for the rest.
pub const MAX_BODY_BYTES: usize =
    MAX_IMAGES * MAX_IMAGE_BYTES / 3 * 4 + MAX_CONTENT_CHARS * 4 + 256 * 1024;

/// Characters of a title, caption, file name, tone, audience, brand or phrase that a caller sends.
pub const MAX_SHORT_CHARS: usize = 500;
/// Phrases in `must_include` or `avoid`.
pub const MAX_PHRASES: usize = 20;
/// Characters of a URL.
pub const MAX_URL_CHARS: usize = 2048;
/// Alternatives of title and description.
pub const MAX_CANDIDATES: u8 = 5;

/// Seconds that a token lives at most.
pub const MAX_TOKEN_TTL_SECONDS: u32 = 900;
/// Characters of a token's subject.
pub const MAX_SUBJECT_CHARS: usize = 128;
/// Characters of an idempotency key.
pub const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;
/// Hours that an idempotency key is remembered.
pub const IDEMPOTENCY_HOURS: u64 = 24;
/// Items of one batch (configurable).
pub const MAX_BATCH_ITEMS: usize = 1000;
/// Bytes of a batch's body (configurable).
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;
/// Characters of a batch item's id.
pub const MAX_ITEM_ID_CHARS: usize = 128;
/// Batches in one answer of `GET /v1/batches`.
pub const MAX_LISTED_BATCHES: u32 = 100;
/// Seconds after which a receiver refuses a webhook's timestamp.
pub const WEBHOOK_TOLERANCE_SECONDS: u64 = 300;

/// Seconds between two heartbeats of a stream, at most.
pub const HEARTBEAT_SECONDS: u64 = 10;

/// The lengths of a language's fields.
///
/// Search engines document no number; these are the habits of the trade, which is what editors expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Characters of a title.
    pub title_chars: u16,
    /// Characters of a description.
    pub description_chars: u16,
    /// Number of keywords.
    pub keywords: u16,
    /// Characters of an alt text.
    pub alt_chars: u16,
}

impl Lengths {
    /// These, but where `asked` says something else: a number goes before the place's, the place's before the language's.
    #[must_use]
    pub fn with(self, asked: &FieldLimits) -> Self {
        let place = asked.target.map(place);
        let chars = |line: Line| {
            if self == WIDE {
                line.wide_chars
            } else {
                line.narrow_chars
            }
        };
        let title = place.map(|place| chars(place.title));
        let description = place.map(|place| chars(place.description));
        Self {
            title_chars: asked.title_chars.or(title).unwrap_or(self.title_chars),
            description_chars: asked
                .description_chars
                .or(description)
                .unwrap_or(self.description_chars),
            keywords: asked.keywords.unwrap_or(self.keywords),
            alt_chars: asked.alt_chars.unwrap_or(self.alt_chars),
        }
    }
}

/// Where the title is shown: in the place that was named, else, when no length was given either, in Google's results.
pub fn title_line(asked: &FieldLimits) -> Option<Line> {
    let usual = asked.title_chars.is_none().then_some(Target::Google);
    Some(place(asked.target.or(usual)?).title)
}

/// Where the description is shown, when a place was named: how much of one is shown differs more between devices than any
/// bound would.
pub fn description_line(asked: &FieldLimits) -> Option<Line> {
    Some(place(asked.target?).description)
}

/// Languages whose characters take one column.
pub const NARROW: Lengths = Lengths {
    title_chars: 60,
    description_chars: 160,
    keywords: 8,
    alt_chars: 125,
};
/// Chinese, Japanese and Korean: full-width characters; a Latin letter among them counts one half.
pub const WIDE: Lengths = Lengths {
    title_chars: 30,
    description_chars: 80,
    keywords: 8,
    alt_chars: 60,
};

/// The lengths for a BCP 47 tag.
pub fn lengths(language: &str) -> Lengths {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    if ["zh", "ja", "ko", "cmn", "wuu", "yue"]
        .iter()
        .any(|wide| wide.eq_ignore_ascii_case(primary))
    {
        WIDE
    } else {
        NARROW
    }
}

/// What a place shows of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Size of its Arial, in CSS pixels.
    pub font: u16,
    /// Width that it shows, in CSS pixels; of several lines the sum.
    pub pixels: u16,
    /// Characters of a narrow language.
    pub narrow_chars: u16,
    /// Full-width characters of a wide language.
    pub wide_chars: u16,
}

/// What a place shows of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of its title.
    pub title: Line,
    /// Of its description.
    pub description: Line,
}

const fn line(font: u16, pixels: u16, narrow_chars: u16, wide_chars: u16) -> Line {
    Line {
        font,
        pixels,
        narrow_chars,
        wide_chars,
    }
}

/// What a place shows: X's are documented, WeChat's are what its editor takes, all others are habits that nobody promises.
pub const fn place(target: Target) -> Place {
    let (title, description) = match target {
        Target::Google => (line(20, 580, 60, 30), line(14, 920, 160, 80)),
        Target::GoogleMobile => (line(16, 680, 60, 30), line(14, 680, 120, 60)),
        Target::Bing => (line(20, 560, 65, 30), line(14, 980, 160, 80)),
        Target::Baidu => (line(18, 560, 60, 30), line(13, 1040, 160, 80)),
        Target::Wechat => (line(17, 500, 64, 64), line(13, 420, 120, 120)),
        Target::X => (line(15, 960, 70, 70), line(14, 960, 200, 200)),
    };
    Place { title, description }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_counts_full_width() {
        assert_eq!(lengths("zh-Hans"), WIDE);
        assert_eq!(lengths("ZH"), WIDE);
        for tag in ["cmn-Hans-CN", "wuu", "yue-HK", "ja", "ko-KR"] {
            assert_eq!(lengths(tag), WIDE, "{tag}");
        }
        assert_eq!(lengths("en"), NARROW);
        assert_eq!(lengths(""), NARROW);
    }

    fn asked(title_chars: Option<u16>, target: Option<Target>) -> FieldLimits {
        FieldLimits {
            title_chars,
            target,
            ..FieldLimits::default()
        }
    }

    #[test]
    fn a_number_without_a_place_has_any_width() {
        let pixels = |limits| title_line(&limits).map(|line| line.pixels);
        assert_eq!(pixels(asked(None, None)), Some(580));
        assert_eq!(pixels(asked(Some(100), None)), None);
        assert_eq!(pixels(asked(Some(100), Some(Target::Bing))), Some(560));
    }

    #[test]
    fn a_number_goes_before_the_place_and_the_place_before_the_language() {
        let title = |language, limits| lengths(language).with(&limits).title_chars;
        assert_eq!(title("en", asked(None, None)), 60);
        assert_eq!(title("en", asked(None, Some(Target::X))), 70);
        assert_eq!(title("zh", asked(None, Some(Target::Wechat))), 64);
        assert_eq!(title("zh", asked(Some(12), Some(Target::Wechat))), 12);
    }
}
