//! libFuzzer over `sandbox::fuzzing::preview1`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    brizo_fuzz::sandbox::fuzzing::preview1(data);
});
