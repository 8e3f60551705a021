//! Takes out of a mask what would repeat an item of a unique array.
//!
//! A grammar has no memory of what was written. So an answer is read along, and of the few tokens that could end an item
//! each is tried. A token after which nothing but a repetition could follow is taken out as well: the last letter that
//! `maxLength` leaves, the first letter of an `enum`'s value that is used up, the comma after the last of all values.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use glm4v::tokenizer::Kind;
use llguidance::Matcher;
use llguidance::toktrie::{SimpleVob, TokTrie, TrieNode};

use super::Vocabulary;
use super::reader::{Doubt, Reader, Repeated, State};
use super::schema::Schema;

/// Masks that are computed for one token to see how an item may go on.
const MAX_MASKS: usize = 256;
/// Tokens that are looked ahead.
const MAX_AHEAD: usize = 64;
/// Tokens that are tried one by one: where a grammar allows few, each may be the only one that leads on.
const FEW: u32 = 24;

/// The vocabulary by what its tokens could end.
pub(super) struct Endings {
    vocabulary: Arc<Vocabulary>,
    /// The token that is one byte, if there is one.
    byte: Vec<Option<u32>>,
    /// Has an end of a text, read from within one; and read from after a backslash.
    text: SimpleVob,
    escaped: SimpleVob,
    /// Those that end a text, by what follows on it, where no other item can end in that; and the others. Few things follow,
    /// and all tokens with the same lead to the same.
    tails: Vec<Vec<u32>>,
    other_text: SimpleVob,
    /// Has what ends a number.
    scalar: SimpleVob,
    /// Read from between values: ends one or closes an array.
    between: SimpleVob,
    /// Opens an array and has two items.
    whole: SimpleVob,
    /// Makes a number longer and not another one.
    zeros: SimpleVob,
    none: SimpleVob,
}

impl Endings {
    pub(super) fn of(vocabulary: Arc<Vocabulary>) -> Self {
        let none = vocabulary.trie.alloc_token_set();
        let mut endings = Self {
            byte: (0..=u8::MAX)
                .map(|byte| vocabulary.trie.token_id(&[byte]))
                .collect(),
            text: none.clone(),
            escaped: none.clone(),
            tails: Vec::new(),
            other_text: none.clone(),
            scalar: none.clone(),
            between: none.clone(),
            whole: none.clone(),
            zeros: none.clone(),
            none,
            vocabulary,
        };
        let tokenizer = Arc::clone(&endings.vocabulary.tokenizer);
        let mut tails: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
        for token in 0..u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX) {
            if tokenizer.kind(token) == Kind::Text {
                let bytes = tokenizer.token_bytes(token);
                endings.sort(token, bytes);
                match tail(bytes) {
                    Some(tail) => tails.entry(tail.to_owned()).or_default().push(token),
                    None if text_end(bytes).is_some() => endings.other_text.allow_token(token),
                    None => {}
                }
            }
        }
        endings.tails = tails.into_values().collect();
        for tokens in &mut endings.tails {
            tokens.sort_by_key(|token| tokenizer.token_bytes(*token).len());
        }
        endings
    }

    fn sort(&mut self, token: u32, bytes: &[u8]) {
        let has = |any: &[u8]| bytes.iter().any(|byte| any.contains(byte));
        let quotes = bytes.iter().filter(|byte| **byte == b'"').count();
        let closes = has(b",]}");
        let put = |set: &mut SimpleVob, is: bool| {
            if is {
                set.allow_token(token);
            }
        };
        put(&mut self.text, text_end(bytes).is_some());
        put(&mut self.escaped, quotes > 0);
        put(&mut self.scalar, closes || has(b" \t\r\n"));
        put(&mut self.between, closes || quotes > 1);
        let opening = bytes.iter().position(|byte| *byte == b'[');
        let rest = opening.and_then(|opening| bytes.get(opening..));
        put(
            &mut self.whole,
            rest.is_some_and(|rest| rest.contains(&b',')),
        );
        put(
            &mut self.zeros,
            !bytes.is_empty() && bytes.iter().all(|byte| b"-0.".contains(byte)),
        );
    }

    fn trie(&self) -> &TokTrie {
        &self.vocabulary.trie
    }

    fn bytes(&self, token: u32) -> &[u8] {
        self.vocabulary.tokenizer.token_bytes(token)
    }

    /// Of the tokens that end a text as one that is not there, one for each tail: with all of them the item is another one.
    fn text_ends(&self, reader: &Reader, mask: &SimpleVob, key: bool, into: &mut Vec<u32>) {
        // Of an item of more than a text it is not the text alone that decides.
        if key || !reader.is_item() || count(mask, &self.text) <= FEW {
            return common(mask, &self.text, into);
        }
        common(mask, &self.other_text, into);
        let tails = self.tails.iter();
        into.extend(tails.filter_map(|tokens| {
            let mut allowed = tokens.iter().filter(|token| mask.is_allowed(**token));
            allowed.find(|token| {
                let bytes = self.bytes(**token);
                !reader.continuations().any(|rest| bytes.starts_with(rest))
            })
        }));
    }

    /// The allowed tokens that could end an item, or lead to where nothing but a repetition could.
    fn suspects(&self, reader: &Reader, mask: &SimpleVob) -> Vec<u32> {
        let mut suspects = Vec::new();
        if !reader.is_watching() {
            common(mask, &self.whole, &mut suspects);
            return suspects;
        }
        let ends = match reader.state() {
            State::Text {
                escaped: false,
                key,
            } => {
                self.text_ends(reader, mask, key, &mut suspects);
                &self.none
            }
            State::Text { escaped: true, .. } => &self.escaped,
            State::Scalar => &self.scalar,
            State::Value | State::Key | State::Next => &self.between,
        };
        common(mask, ends, &mut suspects);
        if matches!(reader.state(), State::Scalar | State::Value) {
            common(mask, &self.zeros, &mut suspects);
        }
        let trie = self.trie();
        let after_space = trie.child_at_byte(trie.root(), b' ');
        let before_item = reader.state() == State::Value;
        let in_text = matches!(reader.state(), State::Text { .. });
        let space = after_space.and_then(TrieNode::token_id);
        let space = space.filter(|space| before_item && mask.is_allowed(*space));
        suspects.extend(space);
        for rest in reader.continuations() {
            let starts = [Some(trie.root()), after_space.filter(|_| before_item)];
            for mut node in starts.into_iter().flatten() {
                let mut left = rest.len();
                for byte in rest {
                    let Some(next) = trie.child_at_byte(node, *byte) else {
                        break;
                    };
                    node = next;
                    left -= 1;
                    let token = node.token_id();
                    suspects.extend(token.filter(|token| mask.is_allowed(*token)));
                }
                // Whatever begins with the whole of a text ends it as well.
                let whole = in_text && left == 0 && !rest.is_empty();
                let mut nodes = vec![node];
                while let Some(node) = nodes.pop().filter(|_| whole) {
                    nodes.extend(trie.node_children(node));
                    let token = node.token_id();
                    suspects.extend(token.filter(|token| mask.is_allowed(*token)));
                }
            }
        }
        suspects.sort_unstable();
        suspects.dedup();
        suspects
    }
}

/// Where a text ends, read from within it.
fn text_end(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|byte| {
        let ends = !escaped && *byte == b'"';
        escaped = !escaped && *byte == b'\\';
        ends
    })
}

/// What a token has after the end of a text, where no other item can end in it.
fn tail(bytes: &[u8]) -> Option<&[u8]> {
    let tail = bytes.get(text_end(bytes)? + 1..)?;
    let quotes = tail.iter().filter(|byte| **byte == b'"').count();
    let plain = tail.iter().all(|byte| b", \"]}".contains(byte));
    (plain && quotes < 2).then_some(tail)
}

/// How many tokens are in both.
fn count(mask: &SimpleVob, set: &SimpleVob) -> u32 {
    let words = mask.as_slice().iter().zip(set.as_slice());
    words.map(|(one, other)| (one & other).count_ones()).sum()
}

/// Tokens that are in both.
fn common(mask: &SimpleVob, set: &SimpleVob, into: &mut Vec<u32>) {
    let words = mask.as_slice().iter().zip(set.as_slice());
    for (index, (one, other)) in (0_u32..).zip(words) {
        let mut both = one & other;
        while both != 0 {
            into.push(index * 32 + both.trailing_zeros());
            both &= both - 1;
        }
    }
}

/// What an answer's unique arrays hold, and what may not follow therefore.
pub(super) struct Unique {
    endings: Arc<Endings>,
    reader: Reader,
    /// Beginnings of items after which nothing but a repetition can follow. More items make no end of that.
    dead: HashSet<Doubt>,
}

/// How an item may go on after one token, and what it costs to find that out.
struct Ahead<'a> {
    endings: &'a Endings,
    dead: &'a mut HashSet<Doubt>,
    matcher: &'a mut Matcher,
    /// To go ahead with, since a grammar that fails there may still be followed elsewhere.
    copy: Option<Matcher>,
    path: Vec<u32>,
    masks: usize,
}

impl Unique {
    pub(super) fn new(schema: Arc<Schema>, endings: Arc<Endings>) -> Self {
        Self {
            endings,
            reader: Reader::new(schema),
            dead: HashSet::new(),
        }
    }

    /// The token was chosen.
    pub(super) fn accept(&mut self, token: u32) -> Result<(), Repeated> {
        self.reader.read(self.endings.bytes(token))?;
        self.reader.settle();
        if !self.reader.is_watching() {
            self.dead.clear();
        }
        Ok(())
    }

    /// Takes out of the mask what would repeat an item.
    pub(super) fn narrow(&mut self, matcher: &mut Matcher, mask: &mut SimpleVob) {
        let doubtful = tried(&self.endings, &self.reader, mask);
        let mut ahead = Ahead {
            endings: &self.endings,
            dead: &mut self.dead,
            matcher,
            copy: None,
            path: Vec::new(),
            masks: MAX_MASKS,
        };
        for (token, after) in doubtful {
            ahead.path.push(token);
            if !ahead.goes_on(&after) {
                mask.disallow_token(token);
            }
            ahead.path.pop();
        }
    }
}

impl Ahead<'_> {
    /// Whether an item that may yet become a repetition may also become something else. What cannot be told within bounds
    /// counts as no.
    fn goes_on(&mut self, reader: &Reader) -> bool {
        let Some(doubt) = reader.doubt() else {
            return true;
        };
        if self.dead.contains(&doubt) {
            return false;
        }
        if self.differs(reader) {
            return true;
        }
        if self.masks == 0 || self.path.len() > MAX_AHEAD {
            return false;
        }
        self.masks -= 1;
        let Some(mut mask) = self.mask() else {
            return false;
        };
        let mut doubtful = tried(self.endings, reader, &mut mask);
        if mask.num_set() > doubtful.len() {
            return true;
        }
        // The longest first, since they lead out of what is fixed by the shortest way.
        doubtful.sort_by_key(|(token, _)| std::cmp::Reverse(self.endings.bytes(*token).len()));
        for (token, after) in doubtful {
            self.path.push(token);
            let goes_on = self.goes_on(&after);
            self.path.pop();
            if goes_on {
                return true;
            }
        }
        // Only what was seen to its end is known for good.
        if self.masks > 0 {
            self.dead.insert(doubt);
        }
        false
    }

    /// What may come at the end of the path.
    fn mask(&mut self) -> Option<SimpleVob> {
        let copy = self.copy.get_or_insert_with(|| self.matcher.clone());
        let mask = copy
            .consume_tokens(&self.path)
            .and_then(|()| copy.compute_mask())
            .and_then(|mask| copy.rollback(self.path.len()).map(|()| mask));
        if mask.is_err() {
            self.copy = None;
        }
        mask.ok()
    }

    /// Whether some usual way to go on is allowed, and makes another item; far cheaper than a mask.
    fn differs(&mut self, reader: &Reader) -> bool {
        let ways: &[&[u8]] = match reader.state() {
            State::Text { .. } => &[b"a", b"e", b"1", b"\""],
            State::Scalar => &[b"]", b",", b"3]", b"3,", b"7]", b"7,"],
            State::Value => &[b" \"a", b"\"a", b" \"e", b" 1,", b" 7,", b" 1]", b" 7]"],
            State::Key | State::Next => &[b"}", b"]"],
        };
        let item = reader.doubtful_item();
        ways.iter().any(|way| {
            let length = self.path.len();
            let tokens = way.iter().filter_map(|byte| {
                let token = self.endings.byte.get(usize::from(*byte));
                token.copied().flatten()
            });
            self.path.extend(tokens);
            let all = self.path.len();
            let allowed = all == length + way.len()
                && matches!(self.matcher.validate_tokens(&self.path), Ok(count) if count == all);
            self.path.truncate(length);
            allowed && {
                let mut after = reader.clone();
                after.read(way).is_ok() && after.doubtful_item() != item
            }
        })
    }
}

/// Takes out the tokens that repeat an item; returns those after which the item may become a repetition.
fn tried(endings: &Endings, reader: &Reader, mask: &mut SimpleVob) -> Vec<(u32, Reader)> {
    let mut after = reader.clone();
    let mut doubtful = Vec::new();
    for token in endings.suspects(reader, mask) {
        after.clone_from(reader);
        if after.read(endings.bytes(token)).is_err() || after.is_idle() {
            mask.disallow_token(token);
        } else if after.doubt().is_some() {
            doubtful.push((token, after.clone()));
        }
    }
    doubtful
}
