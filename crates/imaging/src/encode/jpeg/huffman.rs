//! Quantised frequencies to bits. Source: annexes C, F.1.2 and K.2.
//!
//! A block becomes tokens, which are counted as they come; then codes are made for what was counted, and the tokens are
//! written with them.

use super::BLOCK;
use super::transform::{Quantised, others_than_zero};

/// What a code is for. Its number is in a token's bits 24 and 25.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class {
    LumaMean,
    LumaWaves,
    ChromaMean,
    ChromaWaves,
}

impl Class {
    pub(super) const ALL: [Self; 4] = [
        Self::LumaMean,
        Self::LumaWaves,
        Self::ChromaMean,
        Self::ChromaWaves,
    ];

    /// Class and destination, section B.2.4.2.
    fn number(self) -> u8 {
        match self {
            Self::LumaMean => 0x00,
            Self::LumaWaves => 0x10,
            Self::ChromaMean => 0x01,
            Self::ChromaWaves => 0x11,
        }
    }
}

/// Symbols of all classes.
const SYMBOLS: usize = 4 * 256;

/// Sixteen zeros, and nothing but zeros to the end of the block.
const ZEROS: u32 = 0xF0;
const END: u32 = 0;

/// A symbol of a class and the bits that follow its code: as many as its lower half says.
#[derive(Clone, Copy)]
struct Token(u32);

impl Token {
    fn new(class: u32, zeros: u32, value: i32) -> Self {
        let size = 32 - value.unsigned_abs().leading_zeros();
        // Of a negative value the bits of its opposite, inverted.
        let bits = (value - i32::from(value < 0)).cast_unsigned() & ((1 << size) - 1);
        Self(class << 24 | zeros << 20 | size << 16 | bits)
    }

    /// Without bits.
    fn symbol(class: u32, symbol: u32) -> Self {
        Self(class << 24 | symbol << 16)
    }

    /// Its place among the symbols of all classes.
    fn place(self) -> usize {
        (self.0 >> 16) as usize % SYMBOLS
    }

    fn size(self) -> u32 {
        self.0 >> 16 & 15
    }

    fn bits(self) -> u32 {
        self.0 & 0xFFFF
    }
}

/// Where the frequencies stand, from the lowest to the highest: [`super::ZIGZAG`] with row and column exchanged, as blocks
/// lie in columns.
const PLACES: [u8; BLOCK * BLOCK] = [
    0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40, 33, 26, 19, 12, 5, 6, 13, 20, 27, 34,
    41, 48, 56, 49, 42, 35, 28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31,
    38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// A block's values from the lowest frequency to the highest.
fn in_order(block: &Quantised) -> [i16; BLOCK * BLOCK] {
    let values = block.as_flattened();
    PLACES.map(|at| values.get(usize::from(at)).copied().unwrap_or_default())
}

/// A picture's tokens, and how often each symbol comes.
pub(super) struct Tokens {
    tokens: Vec<Token>,
    counts: Box<[u32; SYMBOLS]>,
    /// The means of the last blocks of the three colours.
    means: [i32; 3],
}

impl Tokens {
    pub(super) fn new(blocks: usize) -> Self {
        Self {
            tokens: Vec::with_capacity(blocks * 12),
            counts: Box::new([0; SYMBOLS]),
            means: [0; 3],
        }
    }

    /// Adds the next block of the `color`: 0 for luma.
    pub(super) fn add(&mut self, block: &Quantised, color: usize) {
        // A block has no more, so there is one question of room and not one a token.
        self.tokens.reserve(BLOCK * BLOCK + 1);
        let class = if color == 0 { 0 } else { 2 };
        let values = in_order(block);
        let mean = values.first().copied().map_or(0, i32::from);
        if let Some(last) = self.means.get_mut(color) {
            let step = mean - std::mem::replace(last, mean);
            self.push(Token::new(class, 0, step));
        }
        // Most frequencies are zero: one bit for each of the others is enough to go through.
        let mut left = others_than_zero(&values) & !1;
        let mut last = 0;
        while left != 0 {
            let place = left.trailing_zeros();
            left &= left - 1;
            let mut zeros = place - last - 1;
            while zeros > 15 {
                self.push(Token::symbol(class + 1, ZEROS));
                zeros -= 16;
            }
            let value = values.get(place as usize).copied().unwrap_or_default();
            self.push(Token::new(class + 1, zeros, i32::from(value)));
            last = place;
        }
        if last < 63 {
            self.push(Token::symbol(class + 1, END));
        }
    }

    fn push(&mut self, token: Token) {
        if let Some(count) = self.counts.get_mut(token.place()) {
            *count += 1;
        }
        self.tokens.push(token);
    }

    /// The best codes for these tokens, by class.
    pub(super) fn codes(&self) -> Vec<Code> {
        self.counts.as_chunks().0.iter().map(Code::new).collect()
    }

    /// The entropy-coded segment.
    pub(super) fn write(&self, codes: &[Code], out: &mut Vec<u8>) {
        let mut words = [Word::default(); SYMBOLS];
        for (to, from) in words
            .iter_mut()
            .zip(codes.iter().flat_map(|code| code.words))
        {
            *to = from;
        }
        out.reserve(self.tokens.len());
        let (mut held, mut count) = (0_u64, 0_u32);
        for token in &self.tokens {
            let word = words.get(token.place()).copied().unwrap_or_default();
            let size = token.size();
            // A code has at most 16 bits, and no more than 16 follow it; fewer than 32 are held.
            held = held << (word.size + size) | u64::from(word.code << size | token.bits());
            count += word.size + size;
            if count >= 32 {
                count -= 32;
                put(out, (held >> count) as u32);
            }
        }
        // Filled up with ones to whole bytes.
        while count > 0 {
            let byte = if count < 8 {
                held << (8 - count) | (0xFF >> count)
            } else {
                held >> (count - 8)
            } as u8;
            put_byte(out, byte);
            count = count.saturating_sub(8);
        }
    }
}

fn put(out: &mut Vec<u8>, bits: u32) {
    let bytes = bits.to_be_bytes();
    if bytes.contains(&0xFF) {
        bytes.into_iter().for_each(|byte| put_byte(out, byte));
    } else {
        out.extend_from_slice(&bytes);
    }
}

/// After FF a zero tells that it is no marker.
fn put_byte(out: &mut Vec<u8>, byte: u8) {
    out.push(byte);
    if byte == 0xFF {
        out.push(0);
    }
}

/// A symbol's code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Word {
    code: u32,
    size: u32,
}

/// The codes of one class.
pub(super) struct Code {
    words: [Word; 256],
}

/// A code has at most so many bits.
const LONGEST: u32 = 16;

impl Code {
    /// For symbols that come so often.
    fn new(counts: &[u32; 256]) -> Self {
        let mut counts = *counts;
        let sizes = loop {
            let sizes = sizes(&counts);
            if sizes.iter().all(|size| *size <= LONGEST) {
                break sizes;
            }
            // Seldom symbols have grown too long: with all counts nearer to each other they are shorter.
            counts = counts.map(|count| count.div_ceil(2));
        };
        let mut words = [Word::default(); 256];
        let mut code = 0;
        for length in 1..=LONGEST {
            for (word, size) in words.iter_mut().zip(sizes) {
                if size == length {
                    *word = Word { code, size };
                    code += 1;
                }
            }
            code <<= 1;
        }
        Self { words }
    }

    /// What a decoder needs to know: the class, how many codes have each length, and their symbols.
    pub(super) fn described(&self, class: Class) -> Vec<u8> {
        let mut table = vec![class.number()];
        let of = |length| {
            let words = (0..=255_u8).zip(self.words);
            words.filter(move |(_, word)| word.size == length)
        };
        table.extend((1..=LONGEST).map(|length| of(length).count() as u8));
        table.extend((1..=LONGEST).flat_map(of).map(|(symbol, _)| symbol));
        table
    }
}

/// The length of each symbol's code, 0 for what does not come: the two lightest trees are joined until one is left.
fn sizes(counts: &[u32; 256]) -> [u32; 256] {
    let mut sizes = [0; 256];
    // No code may be all ones. One that is never sent weighs nothing, is thus among the longest, and comes after them.
    let mut trees = vec![(0, Vec::new())];
    for (symbol, count) in counts.iter().enumerate() {
        if *count > 0 {
            trees.push((*count, vec![symbol]));
        }
    }
    while trees.len() > 1 {
        let (weight, mut symbols) = lightest(&mut trees);
        let (more, others) = lightest(&mut trees);
        symbols.extend(others);
        for symbol in &symbols {
            if let Some(size) = sizes.get_mut(*symbol) {
                *size += 1;
            }
        }
        trees.push((weight + more, symbols));
    }
    sizes
}

fn lightest(trees: &mut Vec<(u32, Vec<usize>)>) -> (u32, Vec<usize>) {
    let places = trees.iter().enumerate();
    let least = places.min_by_key(|(_, (weight, _))| *weight);
    let place = least.map_or(0, |(place, _)| place);
    trees.swap_remove(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(counts: &[(usize, u32)]) {
        let mut all = [0; 256];
        for (symbol, count) in counts {
            all[*symbol] = *count;
        }
        let code = Code::new(&all);
        let mut filled = 0;
        for (symbol, word) in code.words.iter().enumerate() {
            assert_eq!(word.size > 0, all[symbol] > 0, "symbol {symbol}");
            assert!(word.size <= 16);
            if word.size > 0 {
                assert_ne!(word.code, (1 << word.size) - 1, "all ones are forbidden");
                filled += 1 << (16 - word.size);
            }
        }
        assert!(filled < 1 << 16, "no code begins as another does");
        let of_size = |size| code.words.iter().filter(move |word| word.size == size);
        for size in 1..=16 {
            let codes: Vec<u32> = of_size(size).map(|word| word.code).collect();
            assert!(codes.is_sorted() && codes.iter().all(|code| code >> size == 0));
        }
    }

    #[test]
    fn every_symbol_that_comes_has_a_code() {
        check(&[(0, 1)]);
        check(&[(0, 9), (255, 1)]);
        check(&(0..256).map(|symbol| (symbol, 1)).collect::<Vec<_>>());
    }

    #[test]
    fn places_are_those_of_the_zigzag_in_columns() {
        for (place, at) in PLACES.iter().zip(crate::encode::jpeg::ZIGZAG) {
            assert_eq!(*place, at % 8 * 8 + at / 8);
        }
    }

    #[test]
    fn what_comes_often_is_short() {
        let mut counts = [0; 256];
        counts[7] = 1000;
        counts[8] = 10;
        counts[9] = 1;
        let words = Code::new(&counts).words;
        assert_eq!((words[7].size, words[8].size, words[9].size), (1, 2, 3));
    }

    #[test]
    fn no_code_is_longer_than_sixteen_bits() {
        // Of such counts each tree is as heavy as all that are lighter: the longest code would have 40 bits.
        let mut counts = vec![(0, 1), (1, 1)];
        for symbol in 2..40 {
            counts.push((symbol, counts[symbol - 1].1 + counts[symbol - 2].1));
        }
        check(&counts);
    }

    #[test]
    fn bits_that_look_like_a_marker_are_told_from_one() {
        let mut out = Vec::new();
        put(&mut out, 0x12FF_34FF);
        assert_eq!(out, [0x12, 0xFF, 0, 0x34, 0xFF, 0]);
    }
}
