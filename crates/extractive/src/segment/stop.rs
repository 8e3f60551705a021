//! Words without a subject of their own.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// Whether a lower-case word is a function word of the language. English is always included: names of things are
/// English in every language, and so is what stands between them.
pub(crate) fn is_stop(word: &str, language: &str) -> bool {
    has(ENGLISH, word)
        || match language {
            "zh" => has(CHINESE, word),
            "de" => has(GERMAN, word),
            "fr" => has(FRENCH, word),
            "es" => has(SPANISH, word),
            "it" => has(ITALIAN, word),
            "pt" => has(PORTUGUESE, word),
            "nl" => has(DUTCH, word),
            "ru" => has(RUSSIAN, word),
            "ja" => word.chars().all(|c| matches!(c, '\u{3041}'..='\u{309f}')),
            _ => false,
        }
}

fn has(list: &'static str, word: &str) -> bool {
    static SETS: OnceLock<HashMap<&'static str, HashSet<&'static str>>> = OnceLock::new();
    const ALL: [&str; 9] = [
        ENGLISH, CHINESE, GERMAN, FRENCH, SPANISH, ITALIAN, PORTUGUESE, DUTCH, RUSSIAN,
    ];
    let sets = SETS.get_or_init(|| {
        ALL.into_iter()
            .map(|list| (first(list), list.split(' ').collect()))
            .collect()
    });
    sets.get(first(list)).is_some_and(|set| set.contains(word))
}

/// No two lists begin alike, as far as this: it is enough to tell them apart.
fn first(list: &'static str) -> &'static str {
    list.get(..list.char_indices().nth(12).map_or(list.len(), |(at, _)| at))
        .unwrap_or(list)
}

const ENGLISH: &str = "a about above across after again against all almost along already also although always am among an and another any anyone anything are aren't around as at away back be became because become been before behind being below between both but by came can can't cannot could couldn't did didn't do does doesn't doing don't done down during each either else enough etc even ever every everyone everything few for from further get gets getting give given go goes going gone got had hadn't has hasn't have haven't having he he's her here here's hers herself him himself his how however i i'd i'll i'm i've if in instead into is isn't it it's its itself just keep kind know known last least less let let's like likely little ll look lot made make makes making many may maybe me might mine more most much must my myself need needs neither never next no nobody none nor not nothing now of off often on once one ones only onto or other others our ours ourselves out over own per perhaps please quite rather re really s said same say says see seem seems seen several shall she should shouldn't since so some someone something sometimes soon still such sure t take takes taken than that that's the their theirs them themselves then there there's therefore these they they're thing things think this those though through thus to together too took toward towards two under unless until up upon us use used uses using usually ve very via want wants was wasn't way ways we we'll we're we've well went were weren't what what's whatever when where whether which while who who's whole whom whose why will with within without won't would wouldn't yes yet you you'd you'll you're you've your yours yourself three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million billion";
const CHINESE: &str = "的 了 在 是 我 有 和 就 不 人 都 一 一个 上 也 很 到 说 要 去 你 会 着 没有 看 好 自己 这 那 这个 那个 这些 那些 它 他 她 我们 你们 他们 它们 与 及 以及 或 或者 并 并且 而 而且 但 但是 因为 所以 如果 则 可以 能 能够 需要 应该 必须 将 把 被 让 使 使用 用 对 对于 关于 从 向 由 以 为 为了 通过 根据 按照 其 其中 其他 之 等 等等 每 每个 各 各个 某 某个 该 此 本 所有 一些 一种 一样 多 多个 几 两 三 第一 第二 下 中 里 内 外 前 后 时 时候 之后 之前 然后 还 还是 又 再 已 已经 正在 只 只是 仅 更 最 非常 比较 进行 如何 怎么 怎样 什么 为什么 哪 哪些 谁 吗 呢 吧 啊 来 出 起 过 地 得 即 即可 例如 比如 如 如下 以下 下面 上面 以上 同时 另外 此外 因此 于是 由于 虽然 不过 那么 这样 那样 这里 那里 可 可能 也许 大家 现在 目前 今天 主要 相关 不同 一下 一直 开始 成为 作为 包括 包含 提供 支持 实现 没 不是 就是 是否 当 若 若要 请 请参阅 有关 之间 以便 均 至 个 种 次 年 月 日 位 条 些 点 做 想 知道 了解 介绍 文章 本文 方式 方法 情况 问题 部分 方面 内容 具体 直接 完成 选择 单击 点击";
const GERMAN: &str = "der die das den dem des ein eine einen einem einer eines und oder aber nicht ist sind war waren wird werden wurde wurden hat haben hatte hatten kann können muss müssen soll sollen mit ohne für von vom zu zum zur bei beim nach vor über unter auf aus an am im in um durch gegen bis seit als wie wenn dass weil da dann so auch noch nur schon sehr mehr man sie er es wir ihr ich du sich ihre ihren ihrem sein seine seinen diese dieser dieses diesen diesem jede jeder jedes alle alles was wer wo hier dort kein keine einige viele";
const FRENCH: &str = "le la les un une des du de d' l' et ou mais ne pas est sont était étaient être été a ont avait avaient avoir peut peuvent doit doivent avec sans pour par dans sur sous chez vers entre à au aux en que qui quoi dont où ce cet cette ces son sa ses leur leurs notre nos votre vos mon ma mes ton ta tes il elle ils elles on nous vous je tu se si plus moins très aussi encore comme quand donc car ni tout toute tous toutes même autre autres y";
const SPANISH: &str = "el la los las un una unos unas de del al y e o u pero no es son era eran ser sido está están ha han había haber puede pueden debe deben con sin para por en entre sobre bajo desde hasta hacia que quien cual cuyo donde cuando como si su sus mi mis tu tus nuestro nuestra este esta estos estas ese esa esos esas aquel lo le les se me te nos yo tú él ella ellos ellas nosotros usted ustedes más menos muy también ya todo toda todos todas otro otra otros otras a";
const ITALIAN: &str = "il lo la i gli le un uno una di del dello della dei degli delle a al allo alla ai agli alle da dal dalla in nel nella nei nelle con su sul sulla per tra fra e ed o ma non è sono era erano essere stato ha hanno aveva avere può possono deve devono che chi cui dove quando come se si suo sua suoi sue mio tuo nostro vostro questo questa questi queste quello quella più meno molto anche già tutto tutti altro altri ci vi ne mi ti lui lei loro noi voi io tu";
const PORTUGUESE: &str = "o a os as um uma uns umas de do da dos das em no na nos nas ao à aos às por pelo pela para com sem sob sobre entre até desde e ou mas não é são era eram ser sido está estão foi foram tem têm tinha ter pode podem deve devem que quem qual onde quando como se seu sua seus suas meu minha nosso nossa este esta estes estas esse essa isso isto aquele aquela ele ela eles elas nós você vocês eu tu lhe me te mais menos muito também já todo toda todos todas outro outra outros outras";
const DUTCH: &str = "de het een en of maar niet is zijn was waren wordt worden werd heeft hebben had kan kunnen moet moeten zal zullen met zonder voor van naar bij op aan in uit om door tegen tot sinds over onder als dan dat die dit deze wat wie waar wanneer hoe omdat zo ook nog al zeer meer men zij hij ze we wij jij je u ik hun haar mijn uw onze er geen alle";
const RUSSIAN: &str = "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее её мне было вот от меня еще ещё нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять уж вам ведь там потом себя ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без будто чего раз тоже себе под будет ж тогда кто этот того потому этого какой совсем ним здесь этом один почти мой тем чтобы нее сейчас были куда зачем всех можно при об это эта эти";
