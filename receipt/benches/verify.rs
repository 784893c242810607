//! What does checking a receipt cost beside the bare signature recoveries that it contains?
//!
//! Structure and signature of a receipt, from its bytes: two signatures, one data set, a handful of outputs; then with more
//! input files, of which each costs reading and hashing a leaf. In turns, so that a busy machine disturbs both alike; the
//! ratio is the median of the rounds' ratios.
//!
//! A bare recovery is that of the library (`alloy-primitives` over `k256`), which anybody else would call. Our own leaves out
//! that the library verifies the signature once more with the key that it has found; the ratio to it is printed as well.
#![allow(clippy::panic)]

use std::hint::black_box;
use std::time::Instant;

use brizo_receipt::{B256, Expectation, Receipt, Signature, check_signatures, check_structure, recover};

const ROUNDS: usize = 201;
const REPEAT: u32 = 20;
/// What is promised: verification costs at most this many times the recoveries.
const PROMISED: f64 = 1.5;
/// With so many more input files at most.
const PROMISED_FILES: u32 = 1_000;

fn main() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/frozen/1/receipt.json");
    let mut all = true;
    let typical = std::fs::read(place).unwrap_or_else(|e| panic!("{place}: {e}"));
    println!(
        "| receipt | bytes | recoveries, µs | structure and signature, µs | ratio | to our own recoveries |"
    );
    println!("|---|---|---|---|---|---|");
    let sizes =
        [("typical", 0), ("+ 100 files", 100), ("+ 1,000 files", PROMISED_FILES), ("+ 10,000 files", 10_000)];
    for (name, leaves) in sizes {
        let bytes = with_leaves(&typical, leaves);
        let [recoveries, whole, ratio, to_own] = measure(&bytes);
        println!("| {name} | {} | {recoveries:.1} | {whole:.1} | {ratio:.2} | {to_own:.2} |", bytes.len());
        all &= leaves > PROMISED_FILES || ratio <= PROMISED;
    }
    println!(
        "\npromise: up to {PROMISED_FILES} more files at most {PROMISED}: {}",
        if all { "kept" } else { "BROKEN" }
    );
    assert!(all || std::env::var_os("BRIZO_BENCH_STRICT").is_none(), "a promise is broken");
}

/// The receipt with so many more leaves of its data set, hashed and signed again.
fn with_leaves(bytes: &[u8], count: u32) -> Vec<u8> {
    use brizo_receipt::{SecretKey, mount_leaf, root_of_leaves};
    let Ok(mut receipt) = Receipt::parse(bytes) else { panic!("the frozen receipt") };
    let mount = &mut receipt.opening.inputs[0];
    mount.leaves.extend((0..count).map(|n| brizo_receipt::content_digest(&n.to_be_bytes())));
    mount.root = root_of_leaves(&mount.leaves);
    receipt.claim.spec.inputs_root = root_of_leaves(&[mount_leaf(&mount.path, mount.root)]);
    let spec = &receipt.claim.spec;
    receipt.claim_hash = receipt.claim.hash();
    let sign = |byte: u8, digest: B256| -> Option<Signature> {
        SecretKey::from_bytes(&[byte; 32]).ok()?.sign(digest).ok()
    };
    if let (Some(attestation), Some(consent)) = (&mut receipt.attestation, &mut receipt.consent) {
        attestation.statement.claim_hash = receipt.claim_hash;
        let signatures = (
            sign(0x51, attestation.statement.digest(&attestation.domain)),
            sign(0x52, spec.order_digest(&consent.domain)),
        );
        if let (Some(provider), Some(consumer)) = signatures {
            (attestation.signature, consent.signature) = (provider, consumer);
        }
    }
    receipt.to_text().into_bytes()
}

/// Microseconds of the library's recoveries alone and of the whole, their ratio, and that to our own recoveries.
fn measure(bytes: &[u8]) -> [f64; 4] {
    let (digests, signatures) = signed(bytes);
    let mut samples = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    let each = || digests.iter().zip(&signatures);
    for round in 0..ROUNDS {
        let mut bare = || {
            for (digest, signature) in each() {
                assert!(recovered_by_library(black_box(digest), black_box(signature)));
            }
        };
        let mut own = || {
            for (digest, signature) in each() {
                assert!(recover(*black_box(digest), black_box(signature), "bench").is_ok());
            }
        };
        let mut whole = || assert!(verified(black_box(bytes)));
        // Turn about, so that neither always comes first.
        let (a, b, c) = match round % 2 {
            0 => (time(&mut bare), time(&mut own), time(&mut whole)),
            _ => {
                let c = time(&mut whole);
                let b = time(&mut own);
                (time(&mut bare), b, c)
            }
        };
        for (samples, sample) in samples.iter_mut().zip([a, c, c / a, c / b]) {
            samples.push(sample);
        }
    }
    samples.map(|mut sample| {
        sample.sort_by(f64::total_cmp);
        sample[ROUNDS / 2]
    })
}

fn recovered_by_library(digest: &B256, signature: &Signature) -> bool {
    let (rs, v) = signature.0.split_at(64);
    let parsed = alloy_primitives::Signature::from_bytes_and_parity(rs, v == [28]);
    parsed.recover_address_from_prehash(digest).is_ok()
}

fn time(work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..REPEAT {
        work();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(REPEAT)
}

fn verified(bytes: &[u8]) -> bool {
    let expected = Expectation::default();
    let Ok(receipt) = Receipt::parse(bytes) else { return false };
    check_structure(&receipt, &expected).is_ok()
        && matches!(check_signatures(&receipt, &expected), Ok(Some(_)))
}

fn signed(bytes: &[u8]) -> (Vec<B256>, Vec<Signature>) {
    let Ok(receipt) = Receipt::parse(bytes) else { panic!("the frozen receipt") };
    let attestation = receipt.attestation.iter().map(|it| (it.statement.digest(&it.domain), it.signature));
    let consent =
        receipt.consent.iter().map(|it| (receipt.claim.spec.order_digest(&it.domain), it.signature));
    attestation.chain(consent).unzip()
}
