//! End-to-end tests: what a user can reach through the binary and over HTTP, and the house's own rules.
//!
//! One binary, one file per subject. Build the servers first: `cargo xtask test` does.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    reason = "all of this binary is a test, its tools too"
)]

// The house's own rules.
mod admin;
mod arrows;
mod deploy;
mod licences;

// The tools of the tests below.
mod check;
mod client;
mod databases;
mod pictures;
mod project;
mod safety;
mod server;

// What a user can reach, by subject.
mod attacks;
mod audit;
mod auth;
mod batches;
mod cache;
mod chaos;
mod chat;
mod cli;
mod cors;
mod demo;
mod drain;
mod health;
mod idempotency;
mod intake;
mod isolation;
mod keys;
mod limits;
mod model;
mod moving;
mod once;
mod openapi;
mod peppers;
mod privacy;
mod problems;
mod queue;
mod readme;
mod several;
mod site;
mod stream;
mod structured;
mod summaries;
mod tokens;
mod upstream;
mod usage;
