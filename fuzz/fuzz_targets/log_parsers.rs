//! libFuzzer over `brizo_receipt::fuzzing::log`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    brizo_receipt::fuzzing::log(data);
});
