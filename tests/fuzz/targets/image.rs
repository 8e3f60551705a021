#![no_main]

#[path = "../properties/image.rs"]
mod image;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| image::check(bytes));
