#![no_main]

#[path = "../properties/answer.rs"]
mod answer;
#[path = "../properties/cut.rs"]
mod cut;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| answer::check(bytes));
