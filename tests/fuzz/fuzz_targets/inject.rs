#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flatline_fuzz::run("inject", data));
