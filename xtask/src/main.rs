//! The commands that people run: `cargo xtask VERB`.
//!
//! Imports nothing of ours; it runs cargo, npm and the product's own binary, and says what it runs.
//! `demo` and `test` do all set-up themselves, so that a fresh machine needs no other instruction.

#![expect(clippy::print_stdout, reason = "a command line talks to its user")]

mod bench;
mod check;
mod demo;
mod fuzz;
mod setup;
mod sh;
mod test;
mod types;
mod wasm;
mod wordpress;

use clap::{Parser, Subcommand};

/// Builds, tests, shows and measures Smart Summary.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Does all set-up, builds everything and serves the demo page on http://127.0.0.1:8080.
    Demo(demo::Args),
    /// Does all set-up and runs every test.
    Test(test::Args),
    /// Formatting, lints, generated files, types and licences.
    Check,
    /// Builds the browser package with its WASM modules and prints their sizes.
    Wasm,
    /// Builds the WordPress plugin's zip and prints its files.
    Wordpress,
    /// Writes the TypeScript types, the OpenAPI document and the generated docs.
    Types(types::Args),
    /// Fuzzes the readers of bytes from outside; needs `cargo install cargo-fuzz --locked`.
    Fuzz(fuzz::Args),
    /// Measures; each bench prints the command's own table.
    Bench(bench::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Demo(args) => demo::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Check => check::run(),
        Verb::Wasm => wasm::run(),
        Verb::Wordpress => wordpress::run(),
        Verb::Types(args) => types::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Bench(args) => bench::run(&args),
    }
}
