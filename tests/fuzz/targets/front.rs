#![no_main]

#[path = "../properties/cut.rs"]
mod cut;
#[path = "../properties/front.rs"]
mod front;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| front::check(bytes));
