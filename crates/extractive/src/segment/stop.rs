//! Words without a subject of their own: Stopwords ISO through the crate `stop-words`, and own lists for two languages.

use foldhash::HashSet;
use std::sync::{LazyLock, OnceLock};

/// Whether a lower-case word is a function word of the language. English is always included: names of things are
/// English in every language, and so is what stands between them.
pub(crate) fn is_stop(word: &str, language: &str) -> bool {
    let listed = |language: &str| set(language).is_some_and(|set| set.contains(word));
    listed("en")
        || match language {
            "en" => false,
            // A word in Hiragana alone is an ending or a particle.
            "ja" => listed("ja") || word.chars().all(|c| matches!(c, '\u{3041}'..='\u{309f}')),
            // Bokmål and Nynorsk share a list.
            "nb" | "nn" => listed("no"),
            _ => listed(language),
        }
}

/// The set of one language, made when it is first asked for; `None` when there is no list of it.
fn set(language: &str) -> Option<&'static HashSet<&'static str>> {
    static EN: LazyLock<HashSet<&str>> = LazyLock::new(|| ENGLISH.split(' ').collect());
    static ZH: LazyLock<HashSet<&str>> = LazyLock::new(|| CHINESE.split(' ').collect());
    // These two are asked for most; the others are looked for by name.
    match language {
        "en" => return Some(&EN),
        "zh" => return Some(&ZH),
        _ => {}
    }
    type Sets = Vec<(&'static str, OnceLock<HashSet<&'static str>>)>;
    static SETS: LazyLock<Sets> = LazyLock::new(|| {
        let languages = stop_words::available_languages().iter();
        languages
            .map(|language| (*language, OnceLock::new()))
            .collect()
    });
    let (language, set) = SETS.iter().find(|(known, _)| *known == language)?;
    Some(set.get_or_init(|| {
        let words = stop_words::lookup(language).unwrap_or_default();
        words.iter().copied().collect()
    }))
}

// The lists of Stopwords ISO for these two were gathered for retrieval, where a missing word costs little: they hold
// `computer`, `microsoft` and `system`, `安全` and `问题`. Such words are what articles are about.

const ENGLISH: &str = "a about above across after again against all almost along already also although always am among an and another any anyone anything are aren't around as at away back be became because become been before behind being below between both but by came can can't cannot could couldn't did didn't do does doesn't doing don't done down during each either else enough etc even ever every everyone everything few for from further get gets getting give given go goes going gone got had hadn't has hasn't have haven't having he he's her here here's hers herself him himself his how however i i'd i'll i'm i've if in instead into is isn't it it's its itself just keep kind know known last least less let let's like likely little ll look lot made make makes making many may maybe me might mine more most much must my myself need needs neither never next no nobody none nor not nothing now of off often on once one ones only onto or other others our ours ourselves out over own per perhaps please quite rather re really s said same say says see seem seems seen several shall she should shouldn't since so some someone something sometimes soon still such sure t take takes taken than that that's the their theirs them themselves then there there's therefore these they they're thing things think this those though through thus to together too took toward towards two under unless until up upon us use used uses using usually ve very via want wants was wasn't way ways we we'll we're we've well went were weren't what what's whatever when where whether which while who who's whole whom whose why will with within without won't would wouldn't yes yet you you'd you'll you're you've your yours yourself three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million billion";
const CHINESE: &str = "的 了 在 是 我 有 和 就 不 人 都 一 一个 上 也 很 到 说 要 去 你 会 着 没有 看 好 自己 这 那 这个 那个 这些 那些 它 他 她 我们 你们 他们 它们 与 及 以及 或 或者 并 并且 而 而且 但 但是 因为 所以 如果 则 可以 能 能够 需要 应该 必须 将 把 被 让 使 使用 用 对 对于 关于 从 向 由 以 为 为了 通过 根据 按照 其 其中 其他 之 等 等等 每 每个 各 各个 某 某个 该 此 本 所有 一些 一种 一样 多 多个 几 两 三 第一 第二 下 中 里 内 外 前 后 时 时候 之后 之前 然后 还 还是 又 再 已 已经 正在 只 只是 仅 更 最 非常 比较 进行 如何 怎么 怎样 什么 为什么 哪 哪些 谁 吗 呢 吧 啊 来 出 起 过 地 得 即 即可 例如 比如 如 如下 以下 下面 上面 以上 同时 另外 此外 因此 于是 由于 虽然 不过 那么 这样 那样 这里 那里 可 可能 也许 大家 现在 目前 今天 主要 相关 不同 一下 一直 开始 成为 作为 包括 包含 提供 支持 实现 没 不是 就是 是否 当 若 若要 请 请参阅 有关 之间 以便 均 至 个 种 次 年 月 日 位 条 些 点 做 想 知道 了解 介绍 文章 本文 方式 方法 情况 问题 部分 方面 内容 具体 直接 完成 选择 单击 点击";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_words_are_known_in_many_languages() {
        for (word, language) in [
            ("the", "en"),
            ("的", "zh"),
            ("trotzdem", "de"),
            ("aussi", "fr"),
            ("также", "ru"),
            ("ale", "pl"),
            ("och", "sv"),
            ("ikke", "nb"),
            ("それ", "ja"),
            ("the", "pl"),
        ] {
            assert!(is_stop(word, language), "{word} ({language})");
        }
        for (word, language) in [
            ("computer", "en"),
            ("安全", "zh"),
            ("datenbank", "de"),
            ("och", "en"),
            ("x", "none"),
        ] {
            assert!(!is_stop(word, language), "{word} ({language})");
        }
    }
}
