//! What a model is told before it is asked: versioned texts with examples, in English and Chinese.
//!
//! They lie beside this file in `prompts/`, one per task and language: `version: N`, then turns that each begin with a
//! line `== system`, `== user` or `== assistant`. A change of a text is a new version, since an answer that was kept was
//! made by the old one.

use std::sync::OnceLock;

use crate::engines::{ChatMessage, ChatRole};

/// What a model may be asked to do with an article or a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Fields of an article and its pictures.
    Summary,
    /// The alt text of a picture.
    AltText,
    /// A table in a picture as Markdown.
    Table,
    /// A chart in words.
    Chart,
    /// An invoice as JSON.
    Invoice,
    /// A scene in words.
    Scene,
    /// A screenshot of a program in words.
    Ui,
    /// The text of a picture.
    Ocr,
}

/// The language of a prompt; the answer's may be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tongue {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

/// A prompt without the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Grows with each change.
    pub version: u32,
    /// The rules.
    pub system: String,
    /// Examples: what was asked, what was answered.
    pub examples: Vec<(String, String)>,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 8] = [
        Self::Summary,
        Self::AltText,
        Self::Table,
        Self::Chart,
        Self::Invoice,
        Self::Scene,
        Self::Ui,
        Self::Ocr,
    ];

    /// Whether it answers in our words; the others give what stands in a picture, addresses and marks with it.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::Summary | Self::AltText | Self::Chart | Self::Scene | Self::Ui => true,
            Self::Table | Self::Invoice | Self::Ocr => false,
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::AltText => "alt_text",
            Self::Table => "table",
            Self::Chart => "chart",
            Self::Invoice => "invoice",
            Self::Scene => "scene",
            Self::Ui => "ui",
            Self::Ocr => "ocr",
        }
    }

    /// The task of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == name)
    }

    const fn text(self, tongue: Tongue) -> &'static str {
        use Tongue::{Chinese, English};
        match (self, tongue) {
            (Self::Summary, English) => include_str!("prompts/summary.en.md"),
            (Self::Summary, Chinese) => include_str!("prompts/summary.zh.md"),
            (Self::AltText, English) => include_str!("prompts/alt_text.en.md"),
            (Self::AltText, Chinese) => include_str!("prompts/alt_text.zh.md"),
            (Self::Table, English) => include_str!("prompts/table.en.md"),
            (Self::Table, Chinese) => include_str!("prompts/table.zh.md"),
            (Self::Chart, English) => include_str!("prompts/chart.en.md"),
            (Self::Chart, Chinese) => include_str!("prompts/chart.zh.md"),
            (Self::Invoice, English) => include_str!("prompts/invoice.en.md"),
            (Self::Invoice, Chinese) => include_str!("prompts/invoice.zh.md"),
            (Self::Scene, English) => include_str!("prompts/scene.en.md"),
            (Self::Scene, Chinese) => include_str!("prompts/scene.zh.md"),
            (Self::Ui, English) => include_str!("prompts/ui.en.md"),
            (Self::Ui, Chinese) => include_str!("prompts/ui.zh.md"),
            (Self::Ocr, English) => include_str!("prompts/ocr.en.md"),
            (Self::Ocr, Chinese) => include_str!("prompts/ocr.zh.md"),
        }
    }
}

impl Tongue {
    /// The one in which `text` is asked: Chinese when it is written in Chinese.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match extractive::detect_language(text).as_str() {
            "zh" => Self::Chinese,
            _ => Self::English,
        }
    }
}

impl Template {
    /// The template of a task.
    #[must_use]
    pub fn of(task: Task, tongue: Tongue) -> Self {
        parse(task.text(tongue))
    }

    /// The rules and the examples, as a conversation that a question may follow.
    #[must_use]
    pub fn messages(&self) -> Vec<ChatMessage> {
        let examples = self.examples.iter().flat_map(|(asked, answered)| {
            [
                ChatMessage::text(ChatRole::User, asked),
                ChatMessage::text(ChatRole::Assistant, answered),
            ]
        });
        [ChatMessage::text(ChatRole::System, &self.system)]
            .into_iter()
            .chain(examples)
            .collect()
    }
}

/// The version of the prompts for summaries, as it stands in an answer.
pub(super) fn summary_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let [en, zh] = [Tongue::English, Tongue::Chinese]
            .map(|tongue| Template::of(Task::Summary, tongue).version);
        format!("summary-{en}.{zh}")
    })
}

fn parse(text: &str) -> Template {
    let mut turns: Vec<(&str, String)> = Vec::new();
    let mut version = 0;
    for line in text.lines() {
        match (line.strip_prefix("== "), turns.last_mut()) {
            (Some(role), _) => turns.push((role, String::new())),
            (None, Some((_, turn))) => {
                turn.push_str(line);
                turn.push('\n');
            }
            (None, None) => {
                version = line
                    .strip_prefix("version: ")
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(version);
            }
        }
    }
    let turn = |wanted: &'static str| {
        let said = turns.iter().filter(move |(role, _)| *role == wanted);
        said.map(|(_, text)| text.trim_end().to_owned())
    };
    Template {
        version,
        system: turn("system").next().unwrap_or_default(),
        examples: turn("user").zip(turn("assistant")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_rules_and_examples_in_both_languages() {
        for task in Task::ALL {
            assert_eq!(Task::named(task.as_str()), Some(task));
            for tongue in [Tongue::English, Tongue::Chinese] {
                let template = Template::of(task, tongue);
                assert!(template.version >= 1, "{task:?} {tongue:?}");
                assert!(!template.examples.is_empty(), "{task:?} {tongue:?}");
                let turns = task.text(tongue).matches("\n== ").count();
                assert_eq!(
                    turns,
                    1 + 2 * template.examples.len(),
                    "{task:?} {tongue:?}: a turn that is no pair"
                );
                let chinese = template.system.contains('的');
                assert_eq!(chinese, tongue == Tongue::Chinese, "{task:?}");
            }
        }
    }

    #[test]
    fn the_rules_hold_the_decision_tree_and_say_that_material_gives_no_orders() {
        for task in [Task::Summary, Task::AltText] {
            let english = Template::of(task, Tongue::English).system;
            assert!(english.contains("only adorns") && english.contains("picture of text"));
            assert!(english.contains("link or"), "functional pictures");
            assert!(english.contains("chart, "), "complex pictures");
            let chinese = Template::of(task, Tongue::Chinese).system;
            assert!(chinese.contains("装饰") && chinese.contains("按钮"));
        }
        for task in Task::ALL {
            let english = Template::of(task, Tongue::English).system;
            assert!(english.contains("orders"), "{task:?}");
            let chinese = Template::of(task, Tongue::Chinese).system;
            assert!(chinese.contains("命令"), "{task:?}");
        }
    }

    #[test]
    fn a_question_tells_its_language() {
        assert_eq!(Tongue::of("请描述这张图片"), Tongue::Chinese);
        assert_eq!(Tongue::of("Describe the picture"), Tongue::English);
        assert_eq!(Tongue::of(""), Tongue::English);
    }
}
