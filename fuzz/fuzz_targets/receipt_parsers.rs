//! libFuzzer over `brizo_receipt::fuzzing::parsers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    brizo_receipt::fuzzing::parsers(data);
});
