//! A text alternative for each image, from what the article says around it. The picture itself is not seen here.

mod bare;
mod destination;
mod features;
mod kind;
mod shown;
mod weights;

pub use bare::bare;

use super::with_capital;
use crate::fit::{fit, join};
use crate::rank::Analysis;
use crate::segment;
use crate::text::{BlockKind, ImagePlace, file_name, leads_to};
use crate::{AltSource, AltText, ImageContext, ImageRole, Looks};
pub(crate) use features::FEATURES;
use kind::Kind;

/// A text that could stand for an image.
#[derive(Debug, Clone)]
pub(crate) struct AltCandidate {
    pub(crate) text: String,
    pub(crate) source: AltSource,
    pub(crate) tells: Tells,
    pub(crate) features: Vec<f32>,
    pub(crate) score: f32,
}

/// From so much text on a picture is read rather than looked at, and what stands around it does not tell what it says.
const MUCH_TEXT: f32 = 0.3;

impl AltCandidate {
    /// Whether a person has to look before this is used. It is none where somebody says what the picture shows, or where
    /// two agree: the file's name with the article, or what stands near with the name or a pointer.
    fn is_guess(&self, looks: Option<Looks>) -> bool {
        let feature = |name| features::value(&self.features, name);
        let near = feature("name_recall") > 0.0 || feature("points") > 0.0;
        let is_read = looks.is_some_and(|looks| looks.text >= MUCH_TEXT);
        match self.source {
            AltSource::Caption => false,
            AltSource::Heading | AltSource::Before | AltSource::After => {
                self.tells == Tells::Near && (is_read || !near)
            }
            AltSource::FileName => feature("short") > 0.0 || feature("file_article") < 1.0,
            AltSource::Link | AltSource::Words | AltSource::Title | AltSource::None => true,
        }
    }

    /// Whether what is written on the picture says more: only a name speaks of it, or it is mostly text.
    fn only_named(&self, looks: Option<Looks>) -> bool {
        let is_read = looks.is_some_and(|looks| looks.text >= MUCH_TEXT);
        let named = matches!(self.source, AltSource::FileName | AltSource::Title);
        self.is_guess(looks) && (named || is_read)
    }
}

/// What the article says of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    /// That the picture shows it: `The figure shows …`.
    Shown,
    /// That it is a window, beside the picture.
    Window,
    /// Nothing: it only stands near.
    Near,
}

/// One text for each image, in the given order.
pub(crate) fn alt_texts(
    analysis: &Analysis<'_>,
    images: &[ImageContext<'_>],
    max: usize,
) -> Vec<AltText> {
    images
        .iter()
        .map(|image| alt_text(analysis, image, max))
        .collect()
}

fn alt_text(analysis: &Analysis<'_>, image: &ImageContext<'_>, max: usize) -> AltText {
    let link = leads(analysis, image);
    let adorns = match image.role {
        // What is pressed to get somewhere never only adorns.
        ImageRole::Auto => link.is_none() && is_ornament(&name_of(image)),
        ImageRole::Decorative => true,
        ImageRole::Informative => false,
    };
    let best = (!adorns).then(|| alt_candidates(analysis, image, max).into_iter().next());
    let best = best.flatten();
    let captioned = best
        .as_ref()
        .is_some_and(|best| best.source == AltSource::Caption);
    if let Some(link) = link.filter(|_| !adorns && !captioned) {
        return functional(analysis, image, &link, best, max);
    }
    let told = best
        .as_ref()
        .is_some_and(|best| !best.only_named(image.looks));
    if let Some(text) = written(analysis, image, max).filter(|_| !adorns && !told) {
        return AltText {
            id: image.id.to_owned(),
            text,
            decorative: false,
            needs_human: true,
            source: AltSource::Words,
        };
    }
    AltText {
        id: image.id.to_owned(),
        decorative: adorns,
        needs_human: !adorns && best.as_ref().is_none_or(|best| best.is_guess(image.looks)),
        source: best.as_ref().map_or(AltSource::None, |best| best.source),
        text: best.map(|best| best.text).unwrap_or_default(),
    }
}

/// What is written on the image, as far as it fits: an image of text is described by that text (WCAG 2.2, technique G94).
fn written(analysis: &Analysis<'_>, image: &ImageContext<'_>, max: usize) -> Option<String> {
    let comma = if crate::language::is_full_width(&analysis.language) {
        "，"
    } else {
        ", "
    };
    let lines = image.words?.lines().map(crate::clean);
    let says = |line: &String| line.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    let mut all = String::new();
    for line in lines.filter(says) {
        all = if all.is_empty() || segment::ends_as_sentence(&all) {
            join(&all, &line, &analysis.language)
        } else {
            all + comma + &line
        };
    }
    let text = fit(&all, max, &analysis.language);
    (!text.is_empty()).then_some(text)
}

/// Where the image leads, when it is a link.
fn leads(analysis: &Analysis<'_>, image: &ImageContext<'_>) -> Option<String> {
    match image.link {
        Some(link) => leads_to(link),
        None => place_of(analysis, image)?.link.clone(),
    }
}

/// The text of an image that is a link: where it leads (W3C alt decision tree, functional images), as far as its address
/// has words, else what stands around it. Either way nobody has said what the link is for, and a person has to look.
fn functional(
    analysis: &Analysis<'_>,
    image: &ImageContext<'_>,
    link: &str,
    around: Option<AltCandidate>,
    max: usize,
) -> AltText {
    let words = destination::spoken(link);
    let text = words.map(|words| fit(&with_capital(&words), max, &analysis.language));
    let (text, source) = match (text, around) {
        (Some(text), _) => (text, AltSource::Link),
        (None, Some(around)) => (around.text, around.source),
        (None, None) => (String::new(), AltSource::None),
    };
    AltText {
        id: image.id.to_owned(),
        text,
        decorative: false,
        needs_human: true,
        source,
    }
}

fn place_of<'a>(analysis: &'a Analysis<'_>, image: &ImageContext<'_>) -> Option<&'a ImagePlace> {
    let names = [image.src, image.filename].into_iter().flatten();
    names
        .filter_map(|name| analysis.document.image(name))
        .next()
}

/// All texts that could stand for an image, best first.
pub(crate) fn alt_candidates(
    analysis: &Analysis<'_>,
    image: &ImageContext<'_>,
    max: usize,
) -> Vec<AltCandidate> {
    let place = place_of(analysis, image);
    let file = name_of(image);
    let name = name_words(&file);
    let mut out: Vec<AltCandidate> = Vec::new();
    let mut add = |text: &str, source: AltSource, tells: Tells| {
        let text = bare(&crate::clean(text));
        let text = text.trim_end_matches([':', '：', ' ', ',', '，', '#']);
        let text = fit(text, max, &analysis.language);
        if is_file(&text, &file) {
            return;
        }
        if text.chars().filter(|c| c.is_alphabetic()).count() >= 3
            && !out.iter().any(|other| other.text == text)
        {
            out.push(AltCandidate {
                text,
                source,
                tells,
                features: Vec::new(),
                score: 0.0,
            });
        }
    };
    let caption = image.caption.filter(|caption| !caption.trim().is_empty());
    let caption = caption.or_else(|| place.and_then(|place| place.caption.as_deref()));
    if let Some(caption) = caption.filter(|caption| !bare::is_credit(caption)) {
        add(caption, AltSource::Caption, Tells::Near);
    }
    if let Some(place) = place {
        around(analysis, place, image.looks, &mut add);
    }
    // The title may stand for a picture of the article; of one that the article does not show nothing is known.
    if place.is_some() {
        add(&analysis.title, AltSource::Title, Tells::Near);
    }
    // Last, so that a heading with the same words is taken for the heading that it is.
    add(&with_capital(&name), AltSource::FileName, Tells::Near);
    for candidate in &mut out {
        candidate.features = features::of(analysis, candidate, &name);
        candidate.score = weights::score(&candidate.features, &analysis.language);
    }
    out.sort_by(|a, b| b.score.total_cmp(&a.score));
    out
}

/// What stands around an image: its heading, the sentences before it, the first one after it.
fn around(
    analysis: &Analysis<'_>,
    place: &ImagePlace,
    looks: Option<Looks>,
    add: &mut impl FnMut(&str, AltSource, Tells),
) {
    let document = analysis.document;
    let language = analysis.language.as_str();
    let heading = document.heading_text(place.heading).unwrap_or_default();
    add(shown::topic(heading), AltSource::Heading, Tells::Near);
    let mut sentence = |sentence: &str, source: AltSource| {
        let sentence = crate::clean(sentence);
        // A sentence that points at a chart is not about the photograph beside it.
        if Kind::pointed_at(&sentence, language).is_some_and(|kind| !kind.agrees(looks)) {
            return;
        }
        if let Some(shown) = shown::shown(&sentence, language) {
            add(&shown, source, Tells::Shown);
        }
        // A heading that names a window is nearer to the picture than the way there.
        let window = (source == AltSource::Before && !heading.contains('“'))
            .then(|| shown::window(&sentence))
            .flatten();
        if let Some(window) = window {
            add(&window, source, Tells::Window);
        }
        add(&sentence, source, Tells::Near);
    };
    let prose = |index: usize| {
        document
            .blocks
            .get(index)
            .filter(|block| !matches!(block.kind, BlockKind::Heading(_)))
    };
    if let Some(before) = place.block.checked_sub(1).and_then(prose) {
        let text: String = before.text.chars().take(20_000).collect();
        let sentences = segment::sentences(&text);
        for before in sentences.iter().rev().take(2) {
            sentence(before, AltSource::Before);
        }
    }
    if let Some(after) = prose(place.block) {
        let text: String = after.text.chars().take(5_000).collect();
        for after in segment::sentences(&text).into_iter().take(1) {
            sentence(after, AltSource::After);
        }
    }
}

fn name_of(image: &ImageContext<'_>) -> String {
    let given = image
        .filename
        .map(file_name)
        .filter(|name| !name.is_empty());
    given
        .or_else(|| image.src.map(file_name))
        .unwrap_or_default()
}

/// Whether a text is a file's name and no words: the name of this file, or one that ends as pictures' names do.
fn is_file(text: &str, name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let ends = ["png", "jpg", "jpeg", "gif", "webp", "svg", "avif", "heic"];
    let extension = text.rsplit_once('.').map(|(_, end)| end.to_lowercase());
    let is_name = extension.is_some_and(|end| ends.contains(&end.as_str()));
    let no_words = !stem.chars().all(char::is_alphabetic);
    is_name && !text.contains(char::is_whitespace) || text == name || no_words && text == stem
}

/// Whether a text alternative is only the name of the file, an address or a name, in whatever case.
#[must_use]
pub fn is_file_name(text: &str, file: &str) -> bool {
    let name = file_name(file).to_lowercase();
    is_file(&text.trim().to_lowercase(), &name)
}

/// Names of pictures that only adorn a page.
const ORNAMENTS: &[&str] = &[
    "spacer",
    "divider",
    "separator",
    "blank",
    "pixel",
    "transparent",
    "bullet",
    "ornament",
    "border",
    "placeholder",
];

/// Whether a file's name is that of a picture that only adorns a page, such as `divider.svg`.
#[must_use]
pub fn is_ornament(name: &str) -> bool {
    let lower = name.to_lowercase();
    let stem = lower
        .rsplit_once('.')
        .map_or(lower.as_str(), |(stem, _)| stem);
    let words: Vec<&str> = stem
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .collect();
    words.len() <= 2 && words.iter().any(|word| ORNAMENTS.contains(word))
        || matches!(
            words.as_slice(),
            ["icon" | "line" | "dot" | "hr" | "bg" | "background"]
        )
}

/// Words of file names that say nothing of what is shown.
const EMPTY_NAMES: &[&str] = &[
    "img",
    "image",
    "images",
    "dsc",
    "dscn",
    "dscf",
    "pxl",
    "photo",
    "photos",
    "picture",
    "pic",
    "screenshot",
    "screen",
    "shot",
    "untitled",
    "unnamed",
    "file",
    "download",
    "figure",
    "fig",
    "copy",
    "final",
    "new",
    "edited",
    "scaled",
    "thumb",
    "thumbnail",
    "min",
    "small",
    "large",
    "medium",
    "full",
    "resized",
    "cropped",
    "crop",
    "v",
    "x",
    "px",
    "width",
    "height",
    "screencap",
    "at",
    "am",
    "pm",
    "whatsapp",
    "wechat",
    "mmexport",
    "snip",
    "capture",
    "media",
    "asset",
    "assets",
    "banner",
    "hero",
    "cover",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "svg",
    "scr",
    "mvimg",
    "gopr",
    "pano",
    "burst",
    "cam",
    "camera",
    "mp",
    "dpi",
    "kb",
    "mb",
    "icc",
    "exif",
    "srgb",
    "rgb",
    "cmyk",
    "hdr",
    "raw",
    "heic",
    "avif",
    "bmp",
    "tiff",
    "lossy",
    "lossless",
    "progressive",
    "baseline",
    "tiny",
];

/// `cloud-functions_list2.png` -> `cloud functions list`; empty when the name says nothing (`IMG_1234`, a hash, a date).
pub(crate) fn name_words(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut words: Vec<String> = Vec::new();
    for part in stem.split(|c: char| !c.is_alphanumeric()) {
        if is_hash(part) {
            continue;
        }
        words.extend(humps(part));
    }
    let says = |word: &String| {
        !EMPTY_NAMES.contains(&word.to_lowercase().as_str())
            && word.chars().filter(|c| c.is_alphabetic()).count() >= 2
    };
    if !words
        .iter()
        .any(|word| says(word) && word.chars().count() >= 3)
    {
        return String::new();
    }
    words.retain(|word| word.chars().any(char::is_alphabetic));
    words.join(" ")
}

/// Hexadecimal of eight or more with digits in it, or letters and digits mixed at length: nobody named that.
fn is_hash(part: &str) -> bool {
    let digits = part.chars().filter(char::is_ascii_digit).count();
    let hex = part.chars().all(|c| c.is_ascii_hexdigit());
    hex && part.len() >= 8 && digits >= 1
        || part.len() >= 12 && digits * 5 >= part.len()
        || hex && digits >= 2 && part.len() >= 4
}

/// `TopicHierarchy2` -> `Topic`, `Hierarchy`.
fn humps(part: &str) -> Vec<String> {
    let chars: Vec<char> = part.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    for (at, &c) in chars.iter().enumerate() {
        let next_lower = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        let edge = before.is_some_and(|before| {
            before.is_lowercase() && c.is_uppercase()
                || before.is_uppercase() && c.is_uppercase() && next_lower
                || before.is_alphabetic() != c.is_alphabetic()
        });
        if edge && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
        before = Some(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: &str) {
        assert_eq!(name_words(name), expect);
    }

    #[test]
    fn names_that_say_something_are_read() {
        check("cloud-functions_list2.png", "cloud functions list");
        check("ECMCapacityTopol.gif", "ECM Capacity Topol");
        check("数据库架构.png", "数据库架构");
    }

    #[test]
    fn names_that_say_nothing_are_not() {
        for name in [
            "IMG_1234.JPG",
            "screenshot-2.png",
            "image1.png",
            "42778e43-80a3-4600-81de-ef1aaecd698f.png",
            "d41d8cd98f00b204.png",
            "DSC00012.jpg",
            "2021-03-04.png",
            "Screen Shot 2020-01-01 at 10.11.12 AM.png",
            "",
            ".png",
            "1.png",
            "1579087652-2.png",
            "cam-12mp-icc.jpg",
            "cam-24mp-progressive-icc.jpg",
            "webp-lossy-10mp-o6.webp",
            "tiny-1x1.jpg",
            "cmyk-1600x1000.jpg",
        ] {
            check(name, "");
        }
    }

    #[test]
    fn ornaments_are_known_by_name() {
        for name in [
            "spacer.gif",
            "divider-1.png",
            "icon.png",
            "section_divider.svg",
        ] {
            assert!(is_ornament(name), "{name}");
        }
        for name in ["owl.png", "border-collie-in-the-snow.jpg", ""] {
            assert!(!is_ornament(name), "{name}");
        }
    }
}
