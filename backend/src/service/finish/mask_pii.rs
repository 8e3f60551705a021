//! Card, identity and telephone numbers that the article does not hold: a model may have made or remembered them.

use std::ops::Range;

/// Groups of digits of one number, at most.
const MOST_GROUPS: usize = 6;

/// The digits of what a reader sees: a number among them is no secret.
pub(in crate::service) struct Shown(String);

impl Shown {
    pub(in crate::service) fn of(source: &str) -> Self {
        Self(digits(source))
    }

    /// Replaces every digit of a private number that is not shown by `*`.
    pub(in crate::service) fn mask(&self, text: &str) -> String {
        mask(text, &self.0)
    }

    /// Whether a character may stand in a number or between its digits.
    pub(in crate::service) fn may_be_of_a_number(c: char) -> bool {
        digit(c).is_some() || is_plus(c) || is_separator(c)
    }
}

fn mask(text: &str, known: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| digit(c).is_some() || is_plus(c)) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let (run, after) = from.split_at(run_length(from));
        out.push_str(&masked_run(run, known));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A digit in the figures of this text: full-width and Arabic ones say the same.
fn digit(c: char) -> Option<char> {
    let zeros = ['0', '\u{FF10}', '\u{660}', '\u{6F0}'];
    let value = zeros.into_iter().find_map(|zero| {
        u32::from(c)
            .checked_sub(u32::from(zero))
            .filter(|value| *value < 10)
    })?;
    char::from_digit(value, 10)
}

fn is_plus(c: char) -> bool {
    matches!(c, '+' | '＋')
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')')
        || matches!(
            c,
            '\u{A0}' | '\u{2011}' | '\u{3000}' | '－' | '．' | '（' | '）'
        )
}

fn is_check_letter(c: char) -> bool {
    matches!(c, 'X' | 'x' | 'Ｘ' | 'ｘ')
}

/// Bytes of the digits that begin here, with one or two separators between them; at least one character.
fn run_length(text: &str) -> usize {
    let mut end = text.chars().next().map_or(0, char::len_utf8);
    let (mut separators, mut all, mut group) = (0, 0, 0);
    for (at, c) in text.char_indices() {
        if digit(c).is_some() {
            group = if separators > 0 { 1 } else { group + 1 };
            all += 1;
            (end, separators) = (at + c.len_utf8(), 0);
        } else if is_check_letter(c) && separators == 0 && (all == 17 || group == 17) {
            // The check digit of a Chinese identity number may be an X.
            return at + c.len_utf8();
        } else if is_separator(c) && at > 0 && separators < 2 {
            separators += 1;
        } else if at > 0 {
            break;
        }
    }
    end
}

/// Digits that stand together in a run.
struct Group {
    /// Its bytes in the run.
    bytes: Range<usize>,
    digits: String,
}

fn groups(run: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, c) in run.char_indices() {
        let Some(value) = digit(c).or_else(|| is_check_letter(c).then_some('X')) else {
            continue;
        };
        let end = at + c.len_utf8();
        match groups.last_mut().filter(|last| last.bytes.end == at) {
            Some(last) => {
                last.bytes.end = end;
                last.digits.push(value);
            }
            None => groups.push(Group {
                bytes: at..end,
                digits: value.into(),
            }),
        }
    }
    groups
}

/// A run with stars for what is private in it. Another number may stand beside a private one: `13812345678 24/7`.
fn masked_run(run: &str, known: &str) -> String {
    let groups = groups(run);
    let begins_with_plus = run.starts_with(is_plus);
    let mut stars: Vec<Range<usize>> = Vec::new();
    let (mut first, mut found) = (0, false);
    while first < groups.len() {
        let plus = begins_with_plus && first == 0;
        let numbers = (first + 1..=groups.len().min(first + MOST_GROUPS)).rev();
        let private = numbers
            .filter_map(|end| groups.get(first..end))
            .find(|number| stands_out(number, plus));
        let Some(number) = private else {
            first += 1;
            continue;
        };
        found = true;
        first += number.len();
        if !known.contains(&joined(number)) {
            stars.extend(number.iter().map(|group| group.bytes.clone()));
        }
    }
    if !found && is_private(&groups, begins_with_plus) && !known.contains(&joined(&groups)) {
        stars.extend(groups.iter().map(|group| group.bytes.clone()));
    }
    let starred = |at: usize| stars.iter().any(|bytes| bytes.contains(&at));
    run.char_indices()
        .map(|(at, c)| if starred(at) { '*' } else { c })
        .collect()
}

/// The digits, without a letter: so a source's are compared.
fn joined(number: &[Group]) -> String {
    digits(
        &number
            .iter()
            .map(|group| group.digits.as_str())
            .collect::<String>(),
    )
}

/// Whether groups are a private number by how they are written, whatever stands beside them.
fn stands_out(number: &[Group], plus: bool) -> bool {
    let sizes: Vec<usize> = number.iter().map(|group| group.digits.len()).collect();
    let all: String = number.iter().map(|group| group.digits.as_str()).collect();
    let mobile = matches!(all.as_bytes(), [b'1', b'3'..=b'9', ..]);
    let last = sizes.last().copied().unwrap_or(0);
    match sizes.as_slice() {
        // E.164: 15 digits at most.
        _ if plus => (8..=15).contains(&all.len()),
        [11] | [3, 4, 4] if mobile => true,
        [3, 3, 4] => true,
        [_, _] | [_, _, _] if all.starts_with('0') => {
            (10..=12).contains(&all.len()) && last >= 4 && sizes.first() <= Some(&4)
        }
        [18] | [6, 8, 4] if is_identity_number(&all) => true,
        [13..=19] | [4, 4, 4, 4] | [4, 4, 4, 4, 1..=3] | [4, 6, 4..=5] => luhn(&values(&all)),
        _ => false,
    }
}

/// Whether all of a run is a private number.
fn is_private(groups: &[Group], plus: bool) -> bool {
    let all: String = groups.iter().map(|group| group.digits.as_str()).collect();
    let digits = values(&all);
    // A telephone number ends in a group of four; a date, a time or a version does not.
    let last = groups.last().map_or(0, |group| group.digits.len());
    let grouped = last < digits.len() && last >= 4 || plus;
    match digits.len() {
        10 | 12 => grouped,
        11 => grouped || matches!(digits.as_slice(), [1, 3..=9, ..]),
        17 | 18 if is_identity_number(&all) => true,
        13..=19 => luhn(&digits) || plus,
        _ => plus && digits.len() > 7,
    }
}

fn values(digits: &str) -> Vec<u32> {
    digits.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// GB 11643: seventeen digits and a check digit, ISO 7064 MOD 11-2.
fn is_identity_number(number: &str) -> bool {
    let values: Vec<u32> = number
        .chars()
        .filter_map(|c| {
            if c.eq_ignore_ascii_case(&'x') {
                Some(10)
            } else {
                c.to_digit(10)
            }
        })
        .collect();
    let [body @ .., _] = values.as_slice() else {
        return false;
    };
    let sum = values.iter().fold(0, |sum, value| (sum * 2 + value) % 11);
    body.len() == 17 && !body.contains(&10) && sum == 1
}

fn digits(text: &str) -> String {
    text.chars().filter_map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(
            Shown::of("Call 020 7946 0018. Order 4242 4242 4242 4242.").mask(text),
            expect
        );
    }

    #[test]
    fn cards_identity_and_telephone_numbers_are_masked() {
        check("pay 4111 1111 1111 1111 now", "pay **** **** **** **** now");
        check("身份证 11010519491231002X。", "身份证 ******************。");
        check("电话 13812345678", "电话 ***********");
        check("call +44 20 7946 0999", "call +** ** **** ****");
        check("call (555) 123-4567", "call (***) ***-****");
    }

    #[test]
    fn another_number_beside_a_private_one_does_not_hide_it() {
        check("Call 13812345678 24/7", "Call *********** 24/7");
        check("13812345678 13912345678", "*********** ***********");
        check("13812345678-8001", "***********-8001");
        check("138 1234 5678 24/7", "*** **** **** 24/7");
        check("4111 1111 1111 1111 12/26", "**** **** **** **** 12/26");
        check("In 2026 13812345678", "In 2026 ***********");
        check("3 (555) 123-4567 2", "3 (***) ***-**** 2");
        check("010-12345678 8", "***-******** 8");
        check("+44 20 7946 0999 2026", "+** ** **** **** 2026");
        check("No 7 11010519491231002X", "No 7 ******************");
        // One of them is the article's.
        check("020 7946 0018 13812345678", "020 7946 0018 ***********");
    }

    #[test]
    fn figures_of_another_script_are_figures() {
        check("电话１３８１２３４５６７８", "电话***********");
        check(
            "４１１１　１１１１　１１１１　１１１１",
            "****　****　****　****",
        );
        check("＋４４ ２０ ７９４６ ０９９９", "＋** ** **** ****");
        check("٠٢٠ ٧٩٤٦ ٠٩٩٩", "*** **** ****");
        check("０２０ ７９４６ ００１８", "０２０ ７９４６ ００１８");
        check("２０２６年１１月", "２０２６年１１月");
    }

    #[test]
    fn numbers_of_the_article_stay() {
        check("call 020 7946 0018", "call 020 7946 0018");
        check("order 4242-4242-4242-4242", "order 4242-4242-4242-4242");
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "2026-11-21",
            "version 1.95.0",
            "12,345,678 people",
            "1234567890123456",
            "3 + 4",
            "10 000 000",
            "2026-11-21 10.30",
            "2026-11-21 10.30 - 11.45",
            "1200 1350 1480 1520 1600",
            "5.11.2026 8-9",
            "1 2 3 4 5 6 7 8 9 10 11",
            "+ 3 - 4",
        ] {
            check(text, text);
        }
    }
}
