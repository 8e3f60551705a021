#![no_main]

#[path = "../properties/cut.rs"]
mod cut;
#[path = "../properties/stream.rs"]
mod stream;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stream::check(bytes));
