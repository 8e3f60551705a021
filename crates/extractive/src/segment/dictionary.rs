//! jieba behind one lazily filled cell: an English article never loads it.

use super::Word;
use jieba_rs::Jieba;
use std::sync::OnceLock;

static JIEBA: OnceLock<Jieba> = OnceLock::new();

/// Why a dictionary was not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallError {
    /// One is in use already; it stays.
    AlreadyInstalled,
    /// The bytes are no list of `word frequency tag` lines in UTF-8.
    NotADictionary(String),
}

impl std::fmt::Display for InstallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlreadyInstalled => {
                f.write_str("a dictionary is installed already; it stays in use")
            }
            Self::NotADictionary(why) => write!(
                f,
                "not a list of `word frequency tag` lines in UTF-8: {why}"
            ),
        }
    }
}

impl std::error::Error for InstallError {}

/// Installs the dictionary of Chinese words: UTF-8 lines of `word frequency tag`, as jieba's `dict.txt`.
///
/// For builds without the feature `dictionary`. Until it is called, Chinese is cut into pairs of characters.
///
/// # Errors
/// [`InstallError::AlreadyInstalled`] when one is in use; [`InstallError::NotADictionary`] when the bytes cannot be read.
pub fn install_dictionary(bytes: &[u8]) -> Result<(), InstallError> {
    if JIEBA.get().is_some() {
        return Err(InstallError::AlreadyInstalled);
    }
    check(bytes)?;
    let jieba = Jieba::with_dict(&mut &*bytes)
        .map_err(|error| InstallError::NotADictionary(error.to_string()))?;
    JIEBA.set(jieba).map_err(|_| InstallError::AlreadyInstalled)
}

/// jieba panics on some malformed lines, so each line is looked at first.
fn check(bytes: &[u8]) -> Result<(), InstallError> {
    let refuse = |why: String| Err(InstallError::NotADictionary(why));
    let text = std::str::from_utf8(bytes)
        .map_err(|error| InstallError::NotADictionary(error.to_string()))?;
    let mut entries = 0_usize;
    for (number, line) in text.lines().enumerate() {
        let mut fields = line.split_ascii_whitespace();
        if fields.next().is_none() {
            return refuse(format!("line {} is empty", number + 1));
        }
        if fields
            .next()
            .is_some_and(|frequency| frequency.parse::<u32>().is_err())
        {
            return refuse(format!(
                "line {} has no number as its second field",
                number + 1
            ));
        }
        entries += 1;
    }
    if entries == 0 {
        refuse("it is empty".to_owned())
    } else {
        Ok(())
    }
}

/// Whether words of Chinese are known, rather than pairs of characters. Loads the embedded dictionary, when there is one.
pub(crate) fn is_installed() -> bool {
    jieba().is_some()
}

#[cfg(feature = "dictionary")]
fn jieba() -> Option<&'static Jieba> {
    Some(JIEBA.get_or_init(Jieba::new))
}

#[cfg(not(feature = "dictionary"))]
fn jieba() -> Option<&'static Jieba> {
    JIEBA.get()
}

/// jieba's dynamic programme is linear in a run, but a run of 200,000 characters is no prose: it is cut first.
const MAX_RUN_CHARS: usize = 2_000;

/// Cuts a run of Han that begins at byte `from` of its text.
pub(super) fn cut<'a>(run: &'a str, from: usize, out: &mut Vec<Word<'a>>) {
    let mut start = from;
    let mut rest = run;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .nth(MAX_RUN_CHARS)
            .map_or(rest.len(), |(end, _)| end);
        let (piece, after) = rest.split_at(end);
        cut_piece(piece, start, out);
        start += end;
        rest = after;
    }
}

fn cut_piece<'a>(piece: &'a str, from: usize, out: &mut Vec<Word<'a>>) {
    let Some(jieba) = jieba() else {
        return pairs(piece, from, out);
    };
    let mut start = from;
    for tag in jieba.tag(piece, true) {
        out.push(Word {
            text: tag.word,
            start,
            noun: is_noun(tag.tag),
        });
        start += tag.word.len();
    }
}

/// jieba's tags: n* nouns and names, vn verbal nouns, l and i set phrases, x what it does not know.
fn is_noun(tag: &str) -> bool {
    tag.starts_with('n') || matches!(tag, "vn" | "an" | "l" | "i" | "j" | "x" | "eng")
}

/// Pairs of neighbouring characters: enough to compare and to rank, too coarse for keywords.
fn pairs<'a>(piece: &'a str, from: usize, out: &mut Vec<Word<'a>>) {
    let starts: Vec<usize> = piece
        .char_indices()
        .map(|(at, _)| at)
        .chain([piece.len()])
        .collect();
    for pair in starts.chunks(2) {
        let Some(&start) = pair.first() else { continue };
        let end = starts
            .iter()
            .copied()
            .find(|at| *at > start)
            .map_or(piece.len(), |next| match pair.get(1) {
                Some(_) => starts
                    .iter()
                    .copied()
                    .find(|at| *at > next)
                    .unwrap_or(piece.len()),
                None => next,
            });
        if let Some(text) = piece.get(start..end).filter(|text| !text.is_empty()) {
            out.push(Word {
                text,
                start: from + start,
                noun: false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_dictionary_han_is_cut_into_pairs() {
        let mut out = Vec::new();
        pairs("数据库系统好", 3, &mut out);
        let found: Vec<(&str, usize)> = out.iter().map(|word| (word.text, word.start)).collect();
        assert_eq!(found, [("数据", 3), ("库系", 9), ("统好", 15)]);
        let mut odd = Vec::new();
        pairs("数据库", 0, &mut odd);
        assert_eq!(
            odd.iter().map(|word| word.text).collect::<String>(),
            "数据库"
        );
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        for bytes in [&b""[..], b"\xff\xfe", b"word many n\n", b"\n\n"] {
            assert!(check(bytes).is_err(), "{bytes:?}");
        }
        assert!(check("数据 10 n\n数据库 5 n\n".as_bytes()).is_ok());
    }
}
