//! `cargo bench -p imaging -- --images DIR` is `cargo xtask bench imaging --images DIR`: this crate beside libvips, each
//! picture by both in turn. DIR counts from the folder of this crate, or is absolute.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // Cargo adds its own word.
    let arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let bench = Command::new(env!("CARGO"))
        .args(["xtask", "bench", "imaging"])
        .args(arguments)
        .status();
    match bench {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
