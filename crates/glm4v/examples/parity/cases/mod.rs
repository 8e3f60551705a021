//! Every case of a fixture directory, as rows of a [`Report`].
//!
//! The example prints them, `tests/parity.rs` asserts them.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "two crates include this module, and each uses its part"
)]

use std::path::Path;

use candle_core::Device;

mod chat;
mod device;
mod fixture;
mod model;
mod processor;
mod report;
mod sampling;
mod tokenizer;

pub use device::device;
pub use report::{Report, Row};

use fixture::Fixture;

/// Runs all checks, those of the model on `device`; `seen` gets each row as soon as it is known.
pub fn run<'a>(root: &Path, device: &Device, seen: impl FnMut(&Row) + 'a) -> Report<'a> {
    let mut report = Report::new(seen);
    let fixture = match Fixture::discover(root) {
        Ok(fixture) => fixture,
        Err(error) => {
            report.at("-", "-").failed("discovery", &error);
            return report;
        }
    };
    processor::smart_resize(&fixture, &mut report);
    for checkpoint in &fixture.checkpoints {
        processor::images(checkpoint, &mut report);
        tokenizer::strings(checkpoint, &mut report);
        chat::conversations(checkpoint, &mut report);
        sampling::distributions(checkpoint, &mut report);
        model::values(checkpoint, device, &mut report);
    }
    report
}
