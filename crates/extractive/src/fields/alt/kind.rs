//! What kind of picture it is: what the sentence that points at it calls it, held against what was measured on its pixels.

use super::shown::SHOWS;
use crate::{Class, Looks};

/// What people call a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers as lines, bars or slices.
    Chart,
    /// Boxes and arrows, a map of parts.
    Diagram,
    /// Light through a lens.
    Photo,
    /// What was on a screen.
    Screenshot,
    /// Rows and columns.
    Table,
}

impl Kind {
    /// The kind of the picture that this sentence points at, such as `the following chart` or `下面的流程图`; `None` when it
    /// points at none, or only at an image.
    pub(super) fn pointed_at(sentence: &str, language: &str) -> Option<Self> {
        match language {
            "en" => english(sentence),
            "zh" => chinese(sentence),
            _ => None,
        }
    }

    /// Whether a picture that looks like this may be called so; nothing speaks against a picture that nobody has measured.
    ///
    /// Pixels tell a photograph from a drawing, and no more; a screen may show either.
    pub(super) fn agrees(self, looks: Option<Looks>) -> bool {
        let Some(Looks { class, .. }) = looks else {
            return true;
        };
        match self {
            Self::Photo => class == Class::Photo,
            Self::Chart | Self::Diagram | Self::Table => class == Class::Drawn,
            Self::Screenshot => true,
        }
    }
}

const ENGLISH: &[(&str, Kind)] = &[
    ("chart", Kind::Chart),
    ("graph", Kind::Chart),
    ("histogram", Kind::Chart),
    ("plot", Kind::Chart),
    ("diagram", Kind::Diagram),
    ("flowchart", Kind::Diagram),
    ("photo", Kind::Photo),
    ("photograph", Kind::Photo),
    ("screenshot", Kind::Screenshot),
    ("table", Kind::Table),
];

/// `this chart`, `the following chart`, `the chart below`, `a chart shows`.
fn english(sentence: &str) -> Option<Kind> {
    let lower = sentence.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .collect();
    let before = ["this", "following", "next", "above", "below"];
    words.iter().enumerate().find_map(|(at, word)| {
        let (_, kind) = ENGLISH.iter().find(|(name, _)| name == word)?;
        let led = at.checked_sub(1).and_then(|at| words.get(at));
        let led = led.is_some_and(|word| before.contains(word));
        let next = words.get(at + 1);
        let followed =
            next.is_some_and(|word| ["above", "below"].contains(word) || SHOWS.contains(word));
        (led || followed).then_some(*kind)
    })
}

const CHINESE: &[(&str, Kind)] = &[
    ("柱状图", Kind::Chart),
    ("折线图", Kind::Chart),
    ("饼图", Kind::Chart),
    ("散点图", Kind::Chart),
    ("直方图", Kind::Chart),
    ("流程图", Kind::Diagram),
    ("架构图", Kind::Diagram),
    ("示意图", Kind::Diagram),
    ("结构图", Kind::Diagram),
    ("关系图", Kind::Diagram),
    ("时序图", Kind::Diagram),
    ("照片", Kind::Photo),
    ("截图", Kind::Screenshot),
    ("表格", Kind::Table),
];

/// `下面的流程图`, `此截图`, `以下柱状图`, `如下架构图所示`.
fn chinese(sentence: &str) -> Option<Kind> {
    CHINESE.iter().find_map(|(name, kind)| {
        let (before, after) = sentence.split_once(name)?;
        let before = before
            .trim_end_matches("屏幕")
            .trim_end_matches(['的', '面', '方', '这', '张', '幅', '个', ' ']);
        let led = before.ends_with(['下', '上', '此', '该', '本']) || before.ends_with("以下");
        (led || after.trim_start().starts_with("所示") || after.starts_with(['显', '展']))
            .then_some(*kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sentence: &str, language: &str, expect: Option<Kind>) {
        assert_eq!(Kind::pointed_at(sentence, language), expect);
    }

    #[test]
    fn english_sentences_name_the_kind_that_they_point_at() {
        check("The following chart shows sales.", "en", Some(Kind::Chart));
        check("See the diagram below.", "en", Some(Kind::Diagram));
        check("Screenshot shows nothing.", "en", Some(Kind::Screenshot));
        check("In this photo we are tired.", "en", Some(Kind::Photo));
        check("The next table lists all.", "en", Some(Kind::Table));
        check("A loaf stands on the table.", "en", None);
        check("We plot the numbers every day.", "en", None);
        check("The following image is large.", "en", None);
    }

    #[test]
    fn chinese_sentences_name_the_kind_that_they_point_at() {
        check("下面的流程图说明了步骤。", "zh", Some(Kind::Diagram));
        check("此屏幕截图来自测试。", "zh", Some(Kind::Screenshot));
        check("以下柱状图显示销量。", "zh", Some(Kind::Chart));
        check("架构图所示的部分。", "zh", Some(Kind::Diagram));
        check("上面这张照片摄于春天。", "zh", Some(Kind::Photo));
        check("我们常画流程图。", "zh", None);
        check("如下图所示。", "zh", None);
    }

    #[test]
    fn pixels_contradict_only_what_they_can_tell() {
        let looks = |class| Some(Looks { class, text: 0.0 });
        for kind in [Kind::Chart, Kind::Diagram, Kind::Table] {
            assert!(kind.agrees(looks(Class::Drawn)) && !kind.agrees(looks(Class::Photo)));
        }
        assert!(
            Kind::Photo.agrees(looks(Class::Photo)) && !Kind::Photo.agrees(looks(Class::Drawn))
        );
        assert!(Kind::Screenshot.agrees(looks(Class::Photo)));
        assert!(Kind::Chart.agrees(None));
    }
}
