//! End-to-end tests: what a user can reach through the binary and over HTTP, and the house's own rules.
//!
//! One binary, one file per subject. Build the servers first: `cargo xtask test` does.

mod arrows;
mod licences;
mod project;
