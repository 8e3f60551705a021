//! A door to the reader of growing answers, for the fuzz targets in `tests/fuzz`.

use super::partial::{Part, Reader, Step};

/// What was read of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Growing {
    /// Each complete text with its path, `/keywords/0`, in order.
    pub texts: Vec<(String, String)>,
    /// Whether the object is complete.
    pub done: bool,
    /// Why the reading stopped.
    pub fault: Option<String>,
}

/// Reads an answer that comes in these pieces.
#[must_use]
pub fn growing(pieces: &[&str]) -> Growing {
    let mut reader = Reader::new();
    let mut read = Growing::default();
    let mut text = String::new();
    for piece in pieces {
        let outcome = reader.push(piece, |path, part| match part {
            Part::Piece(more) => text.push_str(more),
            Part::End => read.texts.push((written(path), std::mem::take(&mut text))),
            Part::Closed => {}
        });
        if let Err(fault) = outcome {
            read.fault = Some(fault.to_string());
            break;
        }
    }
    read.done = reader.is_done();
    read
}

fn written(path: &[Step]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => format!("/{key}"),
            Step::Index(index) => format!("/{index}"),
        })
        .collect()
}
