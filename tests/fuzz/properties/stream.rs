//! The browser's reader of an event stream.

use plugin_wasm::stream::Parser;

use crate::cut::{choice, pieces};

/// Whatever the network cuts, the events are the same, and nothing is kept that grows with the number of events.
pub(crate) fn check(bytes: &[u8]) {
    let Some((seed, rest)) = choice(bytes) else {
        return;
    };
    let whole = Parser::default().push(rest);
    let mut parser = Parser::default();
    let cut: Result<Vec<_>, _> = pieces(rest, seed)
        .into_iter()
        .map(|piece| parser.push(piece))
        .collect();
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert_eq!(whole, cut.concat(), "the pieces tell what the whole tells");
        }
        (Err(whole), Err(cut)) => assert_eq!(whole.message, cut.message),
        (whole, cut) => panic!("{whole:?} as a whole, {cut:?} in pieces"),
    }
}
