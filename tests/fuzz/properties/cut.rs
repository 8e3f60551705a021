//! An input's first byte chooses between forms, and how the rest is cut into pieces.

#![allow(dead_code, reason = "each fuzz target uses some of it")]

/// The first byte, and what follows it.
pub(crate) fn choice(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

/// The same bytes cut in pieces whose lengths `seed` chooses: one byte at a time, or a few, or most at once.
pub(crate) fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed) + 1;
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = [1, 3, 17, 257][usize::from(seed % 4)];
        let length = 1 + (state >> 16) as usize % most;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The same for a text: no piece ends within a character.
pub(crate) fn text_pieces(text: &str, seed: u8) -> Vec<&str> {
    let mut at = 0;
    let mut cut = Vec::new();
    let mut begin = 0;
    for piece in pieces(text.as_bytes(), seed) {
        at += piece.len();
        if text.is_char_boundary(at) {
            cut.push(&text[begin..at]);
            begin = at;
        }
    }
    cut
}
