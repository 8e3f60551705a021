//! Compares this crate with a directory of reference values, number by number.
//!
//! ```text
//! cargo run --release -p glm4v --example parity -- DIR [--device cpu|cuda|cuda:N]
//! ```
//!
//! `DIR` holds `checkpoint-NAME` and `expected/NAME` for each of any number of checkpoints, with images, adapters and
//! tensors as `tests/fixtures/README.md` tells. Sizes, ids, sections and types are read from the files; nothing is assumed
//! of a checkpoint. A row is printed for every case and check; the exit code is 1 when any of them fails, and 2 when nothing
//! could be checked.
//!
//! `--device` says where the model computes; without it, that is the CPU. A GPU needs `--features cuda` (or `flash-attn`)
//! when building. On the CPU the code of a GPU is checked as well, by `Model::load_general`.
#![expect(
    clippy::print_stdout,
    reason = "a table for a person is what this program makes"
)]
#![expect(
    clippy::print_stderr,
    reason = "wrong use is told where it does not mix with the table"
)]

use std::path::Path;
use std::process::ExitCode;

mod cases;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (root, device) = match *arguments.as_slice() {
        [root] if !root.starts_with('-') => (root, "cpu"),
        [root, "--device", device] | ["--device", device, root] => (root, device),
        _ => {
            eprintln!(
                "usage: parity DIR [--device cpu|cuda|cuda:N], where DIR holds checkpoint-* and expected/*"
            );
            return ExitCode::from(2);
        }
    };
    let device = match cases::device(device) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(2);
        }
    };
    println!(
        "{:<10} {:<24} {:<34} {:>12} {:>9}  verdict",
        "checkpoint", "case", "check", "worst", "allowed"
    );
    let report = cases::run(Path::new(root), &device, |row| println!("{row}"));
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
