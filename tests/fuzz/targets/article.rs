#![no_main]

#[path = "../properties/article.rs"]
mod article;
#[path = "../properties/cut.rs"]
mod cut;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| article::check(bytes));
