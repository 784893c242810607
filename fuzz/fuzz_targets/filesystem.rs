//! libFuzzer over `sandbox::fuzzing::filesystem`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    brizo_fuzz::sandbox::fuzzing::filesystem(data);
});
