#![no_main]

#[path = "../properties/cut.rs"]
mod cut;
#[path = "../properties/key.rs"]
mod key;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| key::check(bytes));
