#![no_main]

#[path = "../properties/cut.rs"]
mod cut;
#[path = "../properties/upstream.rs"]
mod upstream;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| upstream::check(bytes));
