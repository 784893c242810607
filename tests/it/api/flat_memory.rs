//! The provider's memory does not grow with what is uploaded, written and downloaded.
//!
//! An output of 512 MiB; `BRIZO_OUTPUT_MIB=10240` for more, which needs three times as much room on the disk.

use std::time::{Duration, Instant};

use brizo::ids::JobId;
use brizo_receipt::{B256, content_digest};
use serde_json::Value;

use crate::guests::wat;
use crate::world::{Consumer, Settings, World};

const MIB: u64 = 1 << 20;
/// What everything of a small output may cost, and how much more a large one, in KiB of the most that the process held.
const MORE_KIB: u64 = 64 << 10;
/// What an upload may add, in KiB.
const UPLOAD_KIB: u64 = 16 << 10;

/// Runs `pours` and waits for the end, however long it takes.
async fn pour(consumer: &Consumer, mib: u64) -> JobId {
    let module = wat("pours");
    let id = consumer.pay_for(&module).await;
    let fuel = mib * MIB / 4 * 5;
    let order = |spec: &mut brizo_receipt::JobSpec| spec.output_limit = mib * MIB;
    let body = consumer.order_with(id, &module, &[&mib.to_string()], fuel, order).await;
    consumer.exec_when_granted(&body).await;
    let job = JobId { agreement: id, run_index: 0 };
    let end = Instant::now() + Duration::from_secs(60 + mib / 4);
    loop {
        let status =
            consumer.client.get_json(&format!("/api/v1/jobs/{job}?wait=30&known=none")).await.unwrap();
        match status["state"].as_str().unwrap() {
            "settled" => {
                assert_eq!(status["end"], "finished", "{status}");
                return job;
            }
            "aborted" | "unsettled" => panic!("{status}"),
            known => {
                let path = format!("/api/v1/jobs/{job}?wait=30&known={known}");
                consumer.client.get_json(&path).await.unwrap();
            }
        }
        assert!(Instant::now() < end, "{status}");
    }
}

/// Bytes and BLAKE3 of an answer, which is read as it comes.
async fn drink(mut answer: reqwest::Response) -> (u64, B256) {
    assert!(answer.status().is_success(), "{}", answer.status());
    let mut hasher = blake3::Hasher::new();
    while let Some(bytes) = answer.chunk().await.unwrap() {
        hasher.update(&bytes);
    }
    (hasher.count(), B256::from(*hasher.finalize().as_bytes()))
}

/// What `pours` writes: each MiB begins with its number.
fn poured(mib: u64) -> B256 {
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; MIB as usize];
    for number in 0..mib {
        block[..4].copy_from_slice(&(number as u32).to_le_bytes());
        hasher.update(&block);
    }
    B256::from(*hasher.finalize().as_bytes())
}

/// Writes, commits and downloads an output: whole, its end, and in both archives.
async fn whole_life(consumer: &Consumer, mib: u64) {
    let job = pour(consumer, mib).await;
    let path = format!("/api/v1/jobs/{job}/outputs/poured.csv");
    let whole = drink(consumer.send("GET", &path, &[], b"").await).await;
    assert_eq!(whole, (mib * MIB, poured(mib)));
    let range = format!("bytes={}-", mib * MIB / 2);
    let half = drink(consumer.send("GET", &path, &[("range", &range)], b"").await).await;
    assert_eq!(half.0, mib * MIB / 2);
    for format in ["zip", "tar"] {
        let path = format!("/api/v1/jobs/{job}/archive?format={format}");
        let (bytes, _) = drink(consumer.send("GET", &path, &[], b"").await).await;
        assert!(bytes > mib * MIB && bytes < mib * MIB + 8192, "{format}: {bytes}");
    }
    let list = consumer.client.get_json(&format!("/api/v1/jobs/{job}/outputs")).await.unwrap();
    assert_eq!(list["outputs"][0]["digest"], Value::from(poured(mib).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_whatever_comes_and_goes() {
    let mib: u64 = std::env::var("BRIZO_OUTPUT_MIB").map_or(512, |text| text.parse().unwrap());
    let world = World::with(Settings { output_bytes: Some(mib * MIB), ..Settings::default() }).await;
    let consumer = world.consumer();
    let id = consumer.agree().await;
    let bytes: Vec<u8> = (0..100 * MIB).map(|i| (i * i / 7) as u8).collect();
    let path = format!("/api/v1/algorithms/{}", content_digest(&bytes));
    let before = world.provider.memory_kib();
    world.provider.forget_peak();
    let sent = consumer.send("PUT", &path, &[], &bytes).await;
    assert_eq!(sent.status(), 201, "under agreement {id}");
    let upload = world.provider.memory_peak_kib() - before;

    let began = Instant::now();
    world.provider.forget_peak();
    whole_life(&consumer, 64).await;
    let small = world.provider.memory_peak_kib();
    whole_life(&consumer, mib).await;
    let more = world.provider.memory_peak_kib() - small;
    println!(
        "an upload of 100 MiB adds {upload} KiB to {before}; at most {small} KiB with an output of 64 MiB, {more} KiB more with one of {mib} MiB; {:?}",
        began.elapsed()
    );
    assert!(upload <= UPLOAD_KIB && more <= MORE_KIB, "{upload} and {more} KiB more");
}
