//! `smart-summary` with the scripted engine (`serve --engine scripted`), for tests. Under its own name, so that no one
//! serves with it by mistake.

use std::process::ExitCode;

fn main() -> ExitCode {
    backend::cli::main()
}
