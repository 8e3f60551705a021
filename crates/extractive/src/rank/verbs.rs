//! Titles that begin with a verb: `Deploy a cluster`, `Using maps`, `创建数据库`.

use foldhash::HashSet;
use std::sync::LazyLock;

/// Asked for every candidate, so they are looked up by hash.
type Words = LazyLock<HashSet<&'static str>>;

/// Verbs with which instructions begin, base form.
static VERBS: Words = LazyLock::new(|| {
    "accelerate access achieve acquire activate adapt add adjust administer adopt aggregate align allow analyze analyse animate annotate answer apply appoint approve archive arrange assemble assess assign associate attach audit authenticate author authorize automate avoid back backup balance become begin benchmark block boost bootstrap bring browse build bundle buy cache calculate call capture carry categorize centralize change check choose classify clean clear clone close code collaborate collect combine compare compile complete compose compress compute configure connect consume contain continue contribute control convert cook copy correct create crop customize cut debug decide declare decorate decouple decrease define delegate delete deliver deploy describe design detect determine develop diagnose disable discover display distribute divide document download draw drive dynamically edit elevate embed enable encode encrypt enforce engage enhance ensure enrich enroll establish estimate evaluate examine exchange exclude execute expand explain explore export expose extend extract fetch fill filter find finish fix follow force format fork gain generate get give govern grade grant group grow handle harness hide hire host identify implement import improve include increase index ingest initialize insert inspect install instrument integrate interact investigate invite invoke isolate join keep launch lead leverage limit link list listen load localize locate lock log maintain manage map mask master maximize measure merge migrate minimize model modernize modify monitor mount move name navigate normalize open operate optimize orchestrate order organize overcome override pack package paint parse partition pass perform personalize pick place plan plant play plot populate post practice predict prepare present preserve prevent print prioritize process produce profile program promote protect prototype provide provision publish pull purge push query raise reach read rebuild receive recommend record recover redirect reduce refactor refresh register release reload remove rename render repair replace replicate report request require reset resize resolve restart restore restrict retrieve return reuse review revoke rewrite roll rotate route run save scale scan schedule scrape script search secure select send separate serve set setup share shift ship show shrink sign simplify simulate skip solve sort specify speed spin split start stop store stream streamline structure style submit subscribe summarize support survive switch sync synchronize tag take teach test track train transcribe transfer transform translate troubleshoot tune turn type uninstall unit unlock unpublish update upgrade upload use validate verify view virtualize visualize walk watch win work wrap write".split(' ').collect()
});

/// Verbs that are as often nouns or adjectives: `Design principles`, `Secure deployment`. They count when an article,
/// a possessive or a preposition follows.
static AMBIGUOUS: Words = LazyLock::new(|| {
    "access advance answer audit balance benchmark block boost bootstrap build bundle cache call change check clean clear clone close code complete control copy correct crop cut debug delegate design display document download draw drive edit estimate exchange export extract filter finish fix force fork format function grade grant group guard handle harness host import increase index input insert interact join launch lead limit link list live load lock log map mask master measure model monitor mount move name object open order override pack package paint pass pick place plan plant play plot post practice present print process produce profile program project protest prototype purge push query raise range rank record register release reload report request research reset return reuse review roll route run sample scale scan schedule script search secure select separate service set setup shape share shift ship show sign skip sort speed spin split start state stop store stream structure study style submit summarize support survey switch tag task team test time track train transfer transform trial tune turn type unit update upgrade upload use view visit walk watch web win work wrap back fill deposit board question result backup".split(' ').collect()
});
static OBJECTS: Words = LazyLock::new(|| {
    "a an the your you my our its their this these that those all any every each with from to for in on at by into out up down one two multiple new data".split(' ').collect()
});

/// Chinese verbs with which instructions begin.
const CHINESE: &[&str] = &[
    "创建",
    "使用",
    "配置",
    "部署",
    "安装",
    "设置",
    "管理",
    "添加",
    "删除",
    "查看",
    "编写",
    "运行",
    "调试",
    "开发",
    "构建",
    "测试",
    "连接",
    "导入",
    "导出",
    "启用",
    "禁用",
    "更新",
    "升级",
    "迁移",
    "生成",
    "实现",
    "优化",
    "监视",
    "监控",
    "分析",
    "诊断",
    "访问",
    "搜索",
    "排查",
    "修改",
    "编辑",
    "发布",
    "打开",
    "保存",
    "选择",
    "定义",
    "自定义",
    "集成",
    "利用",
    "将",
    "向",
    "为",
    "从",
    "在",
    "对",
    "通过",
];

/// Words that begin like one of [`CHINESE`] and are questions or nouns.
const CHINESE_NOT: &[&str] = &["为什么", "为何", "为了", "在线", "对象", "对话", "从此"];

/// Whether a title begins with the base form of a verb.
pub(crate) fn starts_with_verb(title: &str, language: &str) -> bool {
    match language {
        "zh" => {
            let begins = |words: &[&str]| words.iter().any(|word| title.starts_with(word));
            begins(CHINESE) && !begins(CHINESE_NOT)
        }
        "en" => first_word(title).is_some_and(|word| {
            is_verb(&word) && (!AMBIGUOUS.contains(word.as_str()) || has_object(title))
        }),
        _ => false,
    }
}

/// `Using` -> `use`, when the first word of a title is the gerund of a known verb.
pub(crate) fn gerund_to_base(title: &str) -> Option<String> {
    let word = first_word(title)?;
    let root = word.strip_suffix("ing").filter(|root| root.len() >= 2)?;
    let undoubled = root
        .char_indices()
        .next_back()
        .map(|(at, _)| root.get(..at).unwrap_or_default());
    let forms = [
        Some(root.to_owned()),
        Some(format!("{root}e")),
        undoubled.map(str::to_owned),
    ];
    forms.into_iter().flatten().find(|form| is_verb(form))
}

fn first_word(title: &str) -> Option<String> {
    let word = title.split_whitespace().next()?;
    word.chars()
        .all(|c| c.is_ascii_alphabetic())
        .then(|| word.to_lowercase())
}

/// Whether a lower-case word is a form of a known verb: `deploy`, `deploys`, `deployed`, `deploying`.
pub(crate) fn is_verb_form(word: &str) -> bool {
    let roots = ["", "s", "es", "d", "ed", "ing"].into_iter();
    let mut roots = roots.filter_map(|end| word.strip_suffix(end));
    let with_y = |end: &str| {
        word.strip_suffix(end)
            .is_some_and(|root| is_verb(&format!("{root}y")))
    };
    roots.any(is_verb)
        || with_y("ies")
        || with_y("ied")
        || gerund_to_base(&format!("{word} ")).is_some()
}

fn is_verb(word: &str) -> bool {
    VERBS.contains(word)
}

/// `Design a cluster`, `Use Terraform`: an object follows, not the rest of a compound noun.
fn has_object(title: &str) -> bool {
    let words: Vec<&str> = title.split_whitespace().take(3).collect();
    // In sentence case a capital is a name; in Title Case it says nothing.
    let sentence_case = title
        .split_whitespace()
        .skip(2)
        .any(|word| word.len() > 3 && word.starts_with(char::is_lowercase));
    let second = words.get(1).copied().unwrap_or_default();
    OBJECTS.contains(second.to_lowercase().as_str())
        || sentence_case && second.starts_with(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_known() {
        assert!(starts_with_verb("Deploy a cluster", "en"));
        assert!(!starts_with_verb("Deployment of clusters", "en"));
        assert!(!starts_with_verb("Secure deployment in Azure", "en"));
        assert!(!starts_with_verb("Design principles for bridges", "en"));
        assert!(starts_with_verb("Design a bridge", "en"));
        assert!(starts_with_verb("Use Terraform with your team", "en"));
        assert!(starts_with_verb("创建数据库", "zh"));
        assert_eq!(gerund_to_base("Using maps").as_deref(), Some("use"));
        assert_eq!(gerund_to_base("Running tests").as_deref(), Some("run"));
        assert_eq!(gerund_to_base("Building a house").as_deref(), Some("build"));
        assert_eq!(gerund_to_base("Morning has broken"), None);
        assert_eq!(gerund_to_base("Spring"), None);
    }
}
