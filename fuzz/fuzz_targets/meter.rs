//! libFuzzer over `sandbox::fuzzing::meter`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    brizo_fuzz::sandbox::fuzzing::meter(data);
});
