#![no_main]

#[path = "../properties/cut.rs"]
mod cut;
#[path = "../properties/intake.rs"]
mod intake;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| intake::check(bytes));
