//! Lengths: how wide a text is, and how to make it fit without cutting a word.

mod ems;
mod joint;

pub use ems::ems;

use crate::language::{self, is_full_width, is_unspaced};
use crate::segment::{self, is_stop, is_unspaced_script};

/// The display width in full-width characters: wide and full-width characters (UAX #11) count 1, all others one half.
#[must_use]
pub fn width(text: &str) -> f32 {
    text.chars()
        .map(|c| if is_wide(c) { 1.0 } else { 0.5 })
        .sum()
}

/// East Asian Width W or F (UAX #11, Unicode 16), in ranges; the reserved rest of the CJK planes counts as wide.
fn is_wide(c: char) -> bool {
    // Most of all text, so asked first.
    if c.is_ascii() {
        return false;
    }
    if matches!(c, '\u{4e00}'..='\u{9fff}') {
        return true;
    }
    matches!(u32::from(c),
        0x1100..=0x115f | 0x231a..=0x231b | 0x2329..=0x232a | 0x23e9..=0x23ec | 0x23f0 | 0x23f3 | 0x25fd..=0x25fe
        | 0x2614..=0x2615 | 0x2630..=0x2637 | 0x2648..=0x2653 | 0x267f | 0x268a..=0x268f | 0x2693 | 0x26a1
        | 0x26aa..=0x26ab | 0x26bd..=0x26be | 0x26c4..=0x26c5 | 0x26ce | 0x26d4 | 0x26ea | 0x26f2..=0x26f3 | 0x26f5
        | 0x26fa | 0x26fd | 0x2705 | 0x270a..=0x270b | 0x2728 | 0x274c | 0x274e | 0x2753..=0x2755 | 0x2757
        | 0x2795..=0x2797 | 0x27b0 | 0x27bf | 0x2b1b..=0x2b1c | 0x2b50 | 0x2b55 | 0x2e80..=0x303e | 0x3041..=0x3247
        | 0x3250..=0x4dbf | 0x4dc0..=0xa4cf | 0xa960..=0xa97c | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe10..=0xfe19
        | 0xfe30..=0xfe6b | 0xff01..=0xff60 | 0xffe0..=0xffe6 | 0x16fe0..=0x18cff | 0x1aff0..=0x1b2fb
        | 0x1d300..=0x1d376 | 0x1f004 | 0x1f0cf | 0x1f18e | 0x1f191..=0x1f19a | 0x1f200..=0x1f320 | 0x1f32d..=0x1f335
        | 0x1f337..=0x1f37c | 0x1f37e..=0x1f393 | 0x1f3a0..=0x1f3ca | 0x1f3cf..=0x1f3d3 | 0x1f3e0..=0x1f3f0 | 0x1f3f4
        | 0x1f3f8..=0x1f43e | 0x1f440 | 0x1f442..=0x1f4fc | 0x1f4ff..=0x1f53d | 0x1f54b..=0x1f54e | 0x1f550..=0x1f567
        | 0x1f57a | 0x1f595..=0x1f596 | 0x1f5a4 | 0x1f5fb..=0x1f64f | 0x1f680..=0x1f6c5 | 0x1f6cc | 0x1f6d0..=0x1f6d2
        | 0x1f6d5..=0x1f6d7 | 0x1f6dc..=0x1f6df | 0x1f6eb..=0x1f6ec | 0x1f6f4..=0x1f6fc | 0x1f7e0..=0x1f7eb | 0x1f7f0
        | 0x1f90c..=0x1f93a | 0x1f93c..=0x1f945 | 0x1f947..=0x1f9ff | 0x1fa70..=0x1faff | 0x20000..=0x3fffd)
}

/// A text's length as its language counts it: full-width characters for Chinese, Japanese and Korean, else characters.
pub(crate) fn measure(text: &str, language: &str) -> f32 {
    if is_full_width(language) {
        return width(text);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a length past 16 million characters may be off by one"
    )]
    let chars = text.chars().count() as f32;
    chars
}

fn measure_char(c: char, full_width: bool) -> f32 {
    if full_width && !is_wide(c) { 0.5 } else { 1.0 }
}

/// The line, or lines, on which a place shows a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Size of its Arial, in CSS pixels.
    pub font: u16,
    /// All that it shows of a text, in CSS pixels; of several lines the sum.
    pub pixels: u16,
    /// Characters that it shows at most, of a language whose characters take one column.
    pub narrow_chars: u16,
    /// Full-width characters that it shows at most, of `zh`, `ja` and `ko`.
    pub wide_chars: u16,
}

impl Line {
    /// Characters that it shows at most, as the language counts them.
    pub(crate) fn chars(&self, language: &str) -> usize {
        usize::from(if is_full_width(language) {
            self.wide_chars
        } else {
            self.narrow_chars
        })
    }
}

/// How much a text may take: so many characters and, where the place that shows it is known, so much width.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    language: &'a str,
    chars: f32,
    /// Infinite where no place is known.
    ems: f32,
}

impl<'a> Room<'a> {
    /// Counts as the language, a BCP 47 tag, does: full-width characters for `zh`, `ja` and `ko`, characters for all
    /// others.
    #[must_use]
    pub fn of(chars: usize, language: &'a str) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "limits are small numbers")]
        let chars = chars as f32;
        Self {
            language: language::ruled(language),
            chars,
            ems: f32::INFINITY,
        }
    }

    /// The same, but not wider than the line.
    #[must_use]
    pub fn on(self, line: Option<Line>) -> Self {
        let ems = line.map(|line| f32::from(line.pixels) / f32::from(line.font.max(1)));
        Self {
            ems: ems.unwrap_or(self.ems),
            ..self
        }
    }

    pub(crate) fn language(&self) -> &'a str {
        self.language
    }

    /// What is left when `text` stands in it.
    pub(crate) fn without(self, text: &str) -> Self {
        Self {
            chars: self.chars - measure(text, self.language),
            ems: self.ems - ems(text),
            ..self
        }
    }

    /// Whether the text fits.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.share(text) <= 1.0
    }

    /// How much of it a text takes; more than 1 does not fit.
    pub(crate) fn share(&self, text: &str) -> f32 {
        let wide = if self.ems.is_finite() { ems(text) } else { 0.0 };
        self.share_of(measure(text, self.language), wide)
    }

    fn share_of(&self, chars: f32, wide: f32) -> f32 {
        let share = |used: f32, all: f32| match (used > 0.0, all > 0.0) {
            (false, _) => 0.0,
            (true, false) => f32::INFINITY,
            (true, true) => used / all,
        };
        share(chars, self.chars).max(share(wide, self.ems))
    }
}

/// [`Room::share`] of a text that grows.
struct Growing<'a> {
    room: Room<'a>,
    full_width: bool,
    chars: f32,
    ems: f32,
}

impl<'a> Growing<'a> {
    fn new(room: Room<'a>) -> Self {
        Self {
            room,
            full_width: is_full_width(room.language),
            chars: 0.0,
            ems: 0.0,
        }
    }

    fn push(&mut self, c: char) {
        self.chars += measure_char(c, self.full_width);
        self.ems += ems::of(c);
    }

    fn share(&self) -> f32 {
        self.room.share_of(self.chars, self.ems)
    }
}

/// Makes a text fit: at the end of a sentence, else of a clause, else of a word; never inside a word.
///
/// `max` counts as the language does: full-width characters for `zh`, `ja` and `ko`, characters for all others.
/// A sentence that was cut at a clause ends in a full stop, one that was cut at a word in `…`; a text that was no
/// sentence (a title) gets neither. A single word that is too long leaves nothing.
#[must_use]
pub fn fit(text: &str, max: usize, language: &str) -> String {
    fit_in(text, Room::of(max, language))
}

/// [`fit`] to a count of characters and a width.
#[must_use]
pub fn fit_in(text: &str, room: Room<'_>) -> String {
    let text = text.trim();
    if room.holds(text) {
        return text.to_owned();
    }
    let bare = without_asides(text);
    let text = bare.trim();
    if room.holds(text) {
        return text.to_owned();
    }
    at_sentence(text, room)
        .or_else(|| at_clause(text, room))
        .or_else(|| at_joint(text, room))
        .unwrap_or_else(|| at_word(text, room))
}

/// A text without what stands in round brackets; the text itself when that says too little or a bracket is alone.
fn without_asides(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' | '（' => {
                depth += 1;
                out.truncate(out.trim_end().len());
            }
            ')' | '）' if depth == 0 => return text.to_owned(),
            ')' | '）' => depth -= 1,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    if depth > 0 || out.len() * 2 < text.len() {
        text.to_owned()
    } else {
        out
    }
}

/// Whole sentences, when they fill two fifths of the room.
fn at_sentence(text: &str, room: Room<'_>) -> Option<String> {
    let mut fitted = String::new();
    for sentence in segment::sentences(text) {
        if !segment::ends_as_sentence(sentence) {
            break;
        }
        let joined = join(&fitted, sentence, room.language);
        if !room.holds(&joined) {
            break;
        }
        fitted = joined;
    }
    (room.share(&fitted) >= 0.4).then_some(fitted)
}

/// Two sentences side by side, as the language writes them.
pub(crate) fn join(first: &str, second: &str, language: &str) -> String {
    let tight =
        first.is_empty() || is_unspaced(language) && first.ends_with(|c: char| !c.is_ascii());
    format!("{first}{}{second}", if tight { "" } else { " " })
}

/// The last clause edge in the second half of the room, outside brackets and quotes.
fn at_clause(text: &str, room: Room<'_>) -> Option<String> {
    let language = room.language;
    let is_sentence = is_sentence(text);
    let end = if is_sentence { full_stop(language) } else { "" };
    let (mut long, mut inner) = (Growing::new(room), Growing::new(room.without(end)));
    let mut nesting = 0_usize;
    let mut best = None;
    for (at, c) in text.char_indices() {
        let head = text.get(..at).unwrap_or_default();
        if inner.share() > 1.0 {
            break;
        }
        let far = long.share() >= 0.5;
        long.push(c);
        inner.push(c);
        nesting = nest(nesting, c);
        if nesting == 0
            && is_clause_edge(text, at, c)
            && far
            && !(is_sentence && is_broken(text, at, language))
        {
            best = Some(head);
        }
    }
    let head = trim_tail(best?, language);
    (!head.is_empty()).then(|| format!("{head}{end}"))
}

/// Whether a sentence that ended at this clause edge would be none: before its main clause, inside a list, or where a colon
/// promises more.
fn is_broken(text: &str, at: usize, language: &str) -> bool {
    let (head, rest) = text.split_at(at);
    joint::promises_more(head, language)
        || rest.starts_with(['、', ':', '：'])
        || language == "en" && rest.starts_with(',') && joint::in_list(head, rest)
}

/// The last joint in the second half of the room where an English sentence could have ended.
fn at_joint(text: &str, room: Room<'_>) -> Option<String> {
    if room.language != "en" || !is_sentence(text) {
        return None;
    }
    let end = full_stop(room.language);
    let inner = room.without(end);
    let head = joint::heads(text)
        .take_while(|head| inner.holds(head))
        .filter(|head| room.share(head) >= 0.5)
        .last()?;
    Some(format!("{head}{end}"))
}

fn nest(nesting: usize, c: char) -> usize {
    match c {
        '(' | '（' | '[' | '“' | '「' | '『' | '《' | '«' | '【' => nesting + 1,
        ')' | '）' | ']' | '”' | '」' | '』' | '》' | '»' | '】' => {
            nesting.saturating_sub(1)
        }
        _ => nesting,
    }
}

fn is_clause_edge(text: &str, at: usize, c: char) -> bool {
    let after = text.get(at + c.len_utf8()..).unwrap_or_default();
    match c {
        '，' | '；' | '：' | '。' | '！' | '？' | '、' => true,
        ',' | ';' | ':' | '–' | '—' | '|' => after.starts_with(char::is_whitespace),
        '.' | '!' | '?' | '-' => {
            after.starts_with(char::is_whitespace)
                && text
                    .get(..at)
                    .is_some_and(|head| c != '-' || head.ends_with(' '))
        }
        _ => false,
    }
}

fn at_word(text: &str, room: Room<'_>) -> String {
    let language = room.language;
    let mark = if is_sentence(text) { "…" } else { "" };
    let mut end = 0;
    let mut long = Growing::new(room.without(mark));
    for (at, piece) in segment::pieces(text) {
        piece.chars().for_each(|c| long.push(c));
        if long.share() > 1.0 {
            break;
        }
        end = at + piece.len();
    }
    let head = text.get(..end).unwrap_or_default();
    let head = if is_unspaced(language) {
        at_known_word(head, text, language)
    } else {
        whole_word(head, text)
    };
    let head = trim_tail(head, language);
    if head.is_empty() {
        String::new()
    } else {
        format!("{head}{mark}")
    }
}

/// `multi-agent`, `user@host` and `path/to` are several words to UAX #29, but one to a reader.
fn whole_word<'a>(head: &'a str, text: &str) -> &'a str {
    let next = text.get(head.len()..).and_then(|rest| rest.chars().next());
    let inside = next.is_some_and(|c| !c.is_whitespace() && !is_unspaced_script(c))
        && !head.ends_with(char::is_whitespace);
    if !inside || head.ends_with(is_unspaced_script) {
        return head;
    }
    match head.rfind(char::is_whitespace) {
        Some(at) => head.get(..at).unwrap_or_default(),
        None => "",
    }
}

/// UAX #29 ends a word after each Han character; the dictionary knows better.
fn at_known_word<'a>(head: &'a str, text: &str, language: &str) -> &'a str {
    let window_end = text
        .get(head.len()..)
        .and_then(|rest| rest.char_indices().nth(12))
        .map_or(text.len(), |(at, _)| head.len() + at);
    let window = text.get(..window_end).unwrap_or(text);
    let cut = segment::words(window, language)
        .into_iter()
        .find(|word| word.start < head.len() && word.end() > head.len());
    match cut {
        Some(word) if language == "zh" || !word.text.chars().all(segment::is_han) => {
            head.get(..word.start).unwrap_or_default()
        }
        _ => head,
    }
}

/// Leaves out what cannot stand last: punctuation that opens or joins, and function words.
fn trim_tail<'a>(text: &'a str, language: &str) -> &'a str {
    let joins =
        |c: char| c.is_whitespace() || "，,;；：:、-–—|/&(（[“‘「『《«.。!！?？…·•+=".contains(c);
    let mut head = text.trim_end_matches(joins);
    for _ in 0..4 {
        let last = head.rsplit(char::is_whitespace).next().unwrap_or_default();
        if last.len() == head.len() || !is_stop(&last.to_lowercase(), language) {
            break;
        }
        head = head
            .get(..head.len() - last.len())
            .unwrap_or_default()
            .trim_end_matches(joins);
    }
    unclosed(head).map_or(head, |at| {
        let cut = head.get(..at).unwrap_or_default().trim_end_matches(joins);
        if cut.is_empty() { head } else { cut }
    })
}

/// Where the last bracket or quote begins that is never closed.
fn unclosed(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    for (at, c) in text.char_indices() {
        if nest(0, c) == 1 {
            open.push(at);
        } else if nest(1, c) == 0 {
            open.pop();
        }
    }
    open.first().copied()
}

fn is_sentence(text: &str) -> bool {
    segment::ends_as_sentence(text) || text.trim_end().ends_with('…')
}

/// The full stop of a language.
pub(crate) fn full_stop(language: &str) -> &'static str {
    match language {
        "zh" | "ja" => "。",
        "hi" | "bn" | "mr" | "ne" | "pa" => "।",
        "ur" => "۔",
        _ => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, max: usize, language: &str, expect: &str) {
        assert_eq!(fit(text, max, language), expect);
    }

    #[test]
    fn widths_follow_uax_11() {
        assert!((width("中文ab") - 3.0).abs() < 1e-6);
        assert!((width("ｆ！") - 2.0).abs() < 1e-6);
        assert!((width("é“”…") - 2.0).abs() < 1e-6);
    }

    #[test]
    fn what_fits_is_left_alone() {
        check(" Short. ", 20, "en", "Short.");
        check("中文标题", 4, "zh", "中文标题");
    }

    #[test]
    fn sentences_go_before_clauses() {
        check(
            "One small sentence. Another, much longer sentence.",
            30,
            "en",
            "One small sentence.",
        );
        check(
            "第一句话在这里。第二句话也在这里。",
            10,
            "zh",
            "第一句话在这里。",
        );
    }

    #[test]
    fn clauses_go_before_words() {
        check(
            "Containers run anywhere, and they are small and quick.",
            30,
            "en",
            "Containers run anywhere.",
        );
        check(
            "容器随处运行，而且又小又快又简单。",
            10,
            "zh",
            "容器随处运行。",
        );
    }

    #[test]
    fn a_text_is_no_wider_than_its_line() {
        let line = Line {
            font: 20,
            pixels: 580,
            narrow_chars: 60,
            wide_chars: 30,
        };
        let check = |text: &str, chars, language, expect| {
            assert_eq!(
                fit_in(text, Room::of(chars, language).on(Some(line))),
                expect
            );
        };
        // Fewer than 60 characters, and wider than 580 pixels.
        let wide = "WWW Commerce: How Many Warehouses Must Manage MMOs Mid-May";
        check(
            wide,
            60,
            "en",
            "WWW Commerce: How Many Warehouses Must Manage MMOs",
        );
        let narrow = "A little little title is still all it tells: fit it in it all";
        check(narrow, 70, "en", narrow);
        check(
            "使用 Kubernetes 在多个云区域之间部署高可用的分布式数据库集群与备份",
            40,
            "zh",
            "使用 Kubernetes 在多个云区域之间部署高可用的分布式数据库",
        );
    }

    #[test]
    fn asides_go_before_clauses() {
        check(
            "Bread (of rye or wheat) needs time, and more time.",
            40,
            "en",
            "Bread needs time, and more time.",
        );
        check(
            "面包（黑麦或小麦）需要时间，需要耐心。",
            16,
            "zh",
            "面包需要时间，需要耐心。",
        );
        check(
            "A) Bread needs time, but not much of it.",
            25,
            "en",
            "A) Bread needs time.",
        );
    }

    #[test]
    fn a_sentence_ends_where_it_could_have_ended() {
        check(
            "The features let users share content with people outside of the organization.",
            65,
            "en",
            "The features let users share content with people.",
        );
        check(
            "If you are new to bread, and have never baked it, read the first chapter today.",
            52,
            "en",
            "If you are new to bread, and have never baked…",
        );
    }

    #[test]
    fn a_region_or_a_script_changes_no_rule() {
        let text = "容器随处运行，而且又小又快又简单。";
        for language in [
            "zh",
            "zh-CN",
            "zh_Hant_TW",
            "ZH-hans",
            "cmn",
            "yue-HK",
            "wuu",
        ] {
            check(text, 10, language, "容器随处运行。");
        }
        let listed = "We sell tea, milk, sugar and bread to everybody who asks us.";
        let jointed =
            "The features let users share content with people outside of the organization.";
        for language in ["en", "en-US", "EN_gb"] {
            check(listed, 30, language, &fit(listed, 30, "en"));
            check(
                jointed,
                65,
                language,
                "The features let users share content with people.",
            );
            check(
                "Deploying the application of a cluster",
                28,
                language,
                "Deploying the application",
            );
        }
        assert_ne!(fit(listed, 30, "en"), fit(listed, 30, "de"));
    }

    #[test]
    fn words_are_never_cut() {
        check(
            "Containers run anywhere you may want to run them now.",
            30,
            "en",
            "Containers run anywhere…",
        );
        check(
            "A very long title about multi-agent systems",
            31,
            "en",
            "A very long title",
        );
        check(&"x".repeat(300), 60, "en", "");
    }

    #[test]
    fn a_title_ends_without_a_mark() {
        check(
            "Deploying the application to a cluster of machines",
            30,
            "en",
            "Deploying the application",
        );
    }

    #[cfg(feature = "dictionary")]
    #[test]
    fn chinese_words_are_not_cut() {
        check("使用分布式数据库提高系统性能", 6, "zh", "使用分布式");
        check("使用分布式数据库提高系统性能", 7, "zh", "使用分布式");
    }
}
