//! libFuzzer over `sandbox::fuzzing::inspect`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    brizo_fuzz::sandbox::fuzzing::inspect(data);
});
