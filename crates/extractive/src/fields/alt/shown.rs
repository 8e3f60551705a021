//! What a sentence says that a picture shows: `The following figure shows a topic map.` -> `A topic map`.

use crate::fields::with_capital;

/// What the picture beside this sentence shows, in the sentence's words; `None` when it does not tell.
pub(super) fn shown(sentence: &str, language: &str) -> Option<String> {
    let bare = sentence
        .trim()
        .trim_end_matches(['.', '。', ':', '：', ' ']);
    match language {
        "en" => english(bare),
        "zh" => behind_verb(bare).or_else(|| before_pointer(bare)),
        _ => None,
    }
}

const PICTURES: &[&str] = &[
    "chart",
    "diagram",
    "figure",
    "graph",
    "illustration",
    "image",
    "map",
    "photo",
    "picture",
    "plot",
    "screenshot",
];
pub(super) const SHOWS: &[&str] = &[
    "demonstrates",
    "depicts",
    "describes",
    "displays",
    "illustrates",
    "shows",
];
const POINTS: &[&str] = &[
    "the",
    "this",
    "a",
    "in",
    "following",
    "next",
    "above",
    "below",
];
const PRONOUNS: &[&str] = &["it", "that", "these", "they", "this", "those"];

/// `The screenshot below shows how X works` -> `X works`.
fn english(sentence: &str) -> Option<String> {
    let words: Vec<&str> = sentence.split(' ').collect();
    let is = |word: &str, list: &[&str]| list.contains(&word.to_lowercase().as_str());
    let picture = words.iter().take(5).position(|word| is(word, PICTURES))?;
    let verb = words.iter().position(|word| is(word, SHOWS))?;
    let (before, between) = (words.get(..picture)?, words.get(picture + 1..verb)?);
    let number = |word: &&&str| word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let points = before.iter().all(|word| is(word, POINTS))
        && between.iter().all(|word| is(word, POINTS) || number(&word));
    let rest = words.get(verb + 1..)?.join(" ");
    let rest = ["an example of ", "how "]
        .iter()
        .find_map(|lead| rest.strip_prefix(lead))
        .unwrap_or(&rest);
    let first = rest.split(' ').next()?;
    (points && rest.len() >= 8 && !is(first, PRONOUNS)).then(|| with_capital(rest))
}

/// `下图显示了测试列表` -> `测试列表`.
fn behind_verb(sentence: &str) -> Option<String> {
    let rest = sentence.trim_start_matches(['下', '上', '此', '该', '本', '面', '的']);
    let one_of = |text: &str, list: &[&'static str]| {
        list.iter().find(|word| text.starts_with(**word)).copied()
    };
    let picture = one_of(
        rest,
        &["示意图", "屏幕截图", "关系图", "截图", "插图", "图"],
    )?;
    let rest = rest.strip_prefix(picture)?;
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let rest = rest.strip_prefix("所示").unwrap_or(rest);
    let verb = one_of(
        rest,
        &["显示", "展示", "描述", "说明", "演示", "给出", "为", "是"],
    )?;
    let rest = rest.strip_prefix(verb)?;
    let rest = ["的是", "了", "出"]
        .iter()
        .find_map(|end| rest.strip_prefix(end))
        .unwrap_or(rest);
    says_enough(rest)
}

/// `着色器图如下图所示` -> `着色器图`.
fn before_pointer(sentence: &str) -> Option<String> {
    let (head, pointer) = sentence.rsplit_once('如')?;
    let pointer = pointer.trim_end_matches([')', '）']);
    let points = pointer.starts_with(['下', '上', '图']) || pointer.starts_with("以下");
    let ends = pointer.ends_with("所示") || ["下", "图", "下图", "上图"].contains(&pointer);
    let part_of_word = head.ends_with(['例', '假', '比', '诸']);
    if !points || !ends || part_of_word || pointer.chars().count() > 14 {
        return None;
    }
    let head = head.trim_end_matches(['，', ',', '（', '(', ' ', '应', '该']);
    let head = ["结果", "效果"]
        .iter()
        .find_map(|word| {
            head.strip_suffix(word)
                .filter(|rest| rest.ends_with(['，', ',']))
        })
        .unwrap_or(head)
        .trim_end_matches(['，', ',']);
    let main = head.split_once("情况下，").map_or(head, |(_, main)| main);
    // Several clauses tell what to do rather than what is to be seen.
    says_enough(main).filter(|main| !main.contains('，'))
}

fn says_enough(text: &str) -> Option<String> {
    (text.chars().count() >= 3).then(|| text.to_owned())
}

/// What screens are made of, as Chinese guides call it.
const WINDOWS: &[&str] = &["对话框", "窗口", "选项卡", "工具栏", "窗格", "面板", "视图"];

/// The window that a Chinese instruction names: `在“新建项目”对话框中，选择…` -> `“新建项目”对话框`.
pub(super) fn window(sentence: &str) -> Option<String> {
    sentence.match_indices('“').find_map(|(at, mark)| {
        let (name, rest) = sentence.get(at + mark.len()..)?.split_once('”')?;
        let rest = rest.trim_start();
        let kind = WINDOWS.iter().find(|kind| {
            ["", "属性", "快捷", "上下文"].iter().any(|of| {
                rest.strip_prefix(of)
                    .is_some_and(|rest| rest.starts_with(**kind))
            })
        })?;
        let whole = rest.get(..rest.find(kind)? + kind.len())?;
        let long = name.chars().count();
        ((2..=20).contains(&long) && !name.contains('“')).then(|| format!("“{name}”{whole}"))
    })
}

/// A heading without its number and its `如何`: `步骤 2：创建数据集` -> `创建数据集`.
pub(super) fn topic(heading: &str) -> &str {
    let lower = heading.to_ascii_lowercase();
    let step = ["步骤", "step "]
        .iter()
        .find(|step| lower.starts_with(**step));
    let rest = heading
        .get(step.map_or(0, |step| step.len())..)
        .unwrap_or(heading)
        .trim_start();
    let bare = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = rest.get(..rest.len() - bare.len()).unwrap_or_default();
    let joints = [':', '：', '、', '-', '–', '—', ')', ' '];
    // `5 reasons` and `2021 年` begin with what they are about.
    let spaced = step.is_some() || number.contains('.');
    let numbered = !number.is_empty() && bare.starts_with([':', '：', '、', ')', ' ']);
    let rest = if numbered && (spaced || !bare.starts_with(' ')) {
        bare.trim_start_matches(joints)
    } else {
        heading
    };
    let question = rest.ends_with(['？', '?']);
    let how = rest.strip_prefix("如何").filter(|_| !question);
    let rest = how.unwrap_or(rest).trim_start_matches(['：', ':', ' ']);
    if rest.is_empty() { heading } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sentence: &str, language: &str, expect: Option<&str>) {
        assert_eq!(shown(sentence, language).as_deref(), expect);
    }

    #[test]
    fn english_sentences_tell_what_a_picture_shows() {
        check(
            "The following figure shows the topic map.",
            "en",
            Some("The topic map"),
        );
        check(
            "Screenshot 2 below shows how users sign in:",
            "en",
            Some("Users sign in"),
        );
        check(
            "This chart shows an example of seasonal sales.",
            "en",
            Some("Seasonal sales"),
        );
        check("The diagram shows that they share a cycle.", "en", None);
        check("The team shows the figure.", "en", None);
        check("The image of the server shows nothing new.", "en", None);
    }

    #[test]
    fn chinese_sentences_tell_what_a_picture_shows() {
        check("下图显示了测试列表。", "zh", Some("测试列表"));
        check("屏幕截图 3 展示的是分组模式：", "zh", Some("分组模式"));
        check("默认情况下，着色器图如下所示：", "zh", Some("着色器图"));
        check("列的快捷菜单如下图所示。", "zh", Some("列的快捷菜单"));
        check("安装它，例如下图所示。", "zh", None);
        check("选择箭头，然后选择按钮，如下图所示。", "zh", None);
        check("图书馆在城里。", "zh", None);
    }

    #[test]
    fn a_window_is_named_by_the_instruction() {
        assert_eq!(
            window("在“新建项目”对话框中，选择模板。").as_deref(),
            Some("“新建项目”对话框")
        );
        assert_eq!(
            window("打开“项目” 属性窗口。").as_deref(),
            Some("“项目”属性窗口")
        );
        assert_eq!(window("选择“确定”。"), None);
    }

    #[test]
    fn a_heading_loses_its_number() {
        assert_eq!(topic("步骤 2：创建数据集"), "创建数据集");
        assert_eq!(topic("步骤 1 - 创建测试"), "创建测试");
        assert_eq!(topic("Step 3: Test it"), "Test it");
        assert_eq!(topic("2.1 如何部署"), "部署");
        assert_eq!(topic("3D 打印"), "3D 打印");
        assert_eq!(topic("如何部署？"), "如何部署？");
        assert_eq!(topic("3-D printing"), "3-D printing");
        assert_eq!(topic("5 reasons"), "5 reasons");
        assert_eq!(topic("Stepwise growth"), "Stepwise growth");
    }
}
