//! Card, identity and telephone numbers that the article does not hold: a model may have made or remembered them.

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
}

fn mask(text: &str, known: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '+') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let (number, after) = from.split_at(number_length(from));
        if is_private(number) && !known.contains(&digits(number)) {
            out.extend(
                number
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { '*' } else { c }),
            );
        } else {
            out.push_str(number);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Bytes of the number that begins here: digits with one or two separators between them, at least one byte.
fn number_length(text: &str) -> usize {
    let mut end = 1;
    let mut separators = 0;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '0'..='9' => (end, separators) = (at + 1, 0),
            // The check digit of a Chinese identity number may be an X.
            'X' | 'x'
                if separators == 0 && digits(text.get(..end).unwrap_or_default()).len() == 17 =>
            {
                return at + 1;
            }
            ' ' | '-' | '.' | '(' | ')' if separators < 2 => separators += 1,
            _ => break,
        }
    }
    end
}

fn is_private(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    // A telephone number ends in a group of four; a date, a time or a version does not.
    let last_group = number
        .chars()
        .rev()
        .take_while(char::is_ascii_digit)
        .count();
    let grouped = last_group < digits.len() && last_group >= 4 || number.starts_with('+');
    match digits.len() {
        10 | 12 => grouped,
        11 => grouped || matches!(digits.as_slice(), [1, 3..=9, ..]),
        17 | 18 if is_identity_number(number) => true,
        13..=19 => luhn(&digits) || number.starts_with('+'),
        _ => number.starts_with('+') && digits.len() > 7,
    }
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
    text.chars().filter(char::is_ascii_digit).collect()
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
        ] {
            check(text, text);
        }
    }
}
