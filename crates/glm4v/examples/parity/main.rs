//! Compares this crate with a directory of reference values, number by number.
//!
//! ```text
//! cargo run --release -p glm4v --example parity -- DIR
//! ```
//!
//! `DIR` holds `checkpoint-NAME` and `expected/NAME` for each of any number of checkpoints, with images, adapters and
//! tensors as `tests/fixtures/README.md` tells. Sizes, ids, sections and types are read from the files; nothing is assumed
//! of a checkpoint. A row is printed for every case and check; the exit code is 1 when any of them fails.
#![expect(
    clippy::print_stdout,
    reason = "a table for a person is what this program makes"
)]
#![expect(
    clippy::print_stderr,
    reason = "wrong use is told where it does not mix with the table"
)]

use std::path::PathBuf;
use std::process::ExitCode;

mod cases;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(root), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("usage: parity DIR, where DIR holds checkpoint-* and expected/*");
        return ExitCode::from(2);
    };
    println!(
        "{:<10} {:<24} {:<34} {:>12} {:>9}  verdict",
        "checkpoint", "case", "check", "worst", "allowed"
    );
    let report = cases::run(&root, |row| println!("{row}"));
    println!(
        "\n{} checks, {} failed",
        report.rows().len(),
        report.failures().count()
    );
    if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
