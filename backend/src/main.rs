//! `smart-summary`: parse flags, call one function, turn its error into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    backend::cli::main()
}
