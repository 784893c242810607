//! `brizo verify` against a real provider, its log and a real chain: everything holds, and forgeries that hold in themselves
//! meet the contract's word.

use std::process::Output;

use brizo::client::fetch;
use brizo_receipt::{B256, Receipt, SecretKey};

use crate::cli::{json, said};
use crate::guests::guest;
use crate::world::{World, eventually, inside};

fn verify(world: &World, receipt: &Receipt, more: &[&str]) -> Output {
    std::fs::write(inside(world, "receipt.json"), receipt.to_text()).unwrap();
    let chain =
        ["verify", "receipt.json", "--rpc", world.anvil.url(), "--deployment", "deployment.json", "--json"];
    world.brizo(&[&chain[..], more].concat())
}

/// The receipt changed, hashed again, and signed by somebody in both roles.
fn forged(receipt: &Receipt, key: &SecretKey, change: impl FnOnce(&mut Receipt)) -> Receipt {
    let mut forged = receipt.clone();
    change(&mut forged);
    forged.log = None;
    forged.claim_hash = forged.claim.hash();
    let consent = forged.consent.as_mut().unwrap();
    consent.consumer = key.address();
    consent.signature = key.sign(forged.claim.spec.order_digest(&consent.domain)).unwrap();
    let attestation = forged.attestation.as_mut().unwrap();
    let statement = &mut attestation.statement;
    (statement.claim_hash, statement.agreement_id) = (forged.claim_hash, forged.claim.spec.agreement_id);
    statement.provider = key.address();
    attestation.signature = key.sign(statement.digest(&attestation.domain)).unwrap();
    forged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_receipt_holds_on_every_tier_and_a_forged_one_fails_on_chain() {
    let world = World::start().await;
    let (consumer, stranger) = (world.consumer(), world.stranger());
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let path = format!("/api/v1/jobs/{job}/receipt");
    let read = async || Receipt::parse(&consumer.client.get(&path).await.unwrap()).unwrap();
    eventually("the receipt carries its proof", async || read().await.log.is_some()).await;
    let receipt = read().await;

    let key = String::from_utf8(fetch(&world.provider.url, "/log/key").await.unwrap()).unwrap();
    let (log, ddo) = (
        format!("{}/log", world.provider.url),
        format!("{}/api/v1/assets/{}", world.provider.url, world.did),
    );
    let all = verify(&world, &receipt, &["--log-key", key.trim(), "--log", &log, "--ddo", &ddo]);
    assert_eq!(all.status.code(), Some(0), "{}", said(&all));
    assert_eq!(json(&all)["verdict"], "holds: structure, signature, on chain, log, opening");
    assert!(said(&all).contains("the registry had the digest of its DDO then"), "{}", said(&all));

    let unpaid = consumer.pay_for(&module).await;
    let unknown = B256::repeat_byte(0x5e);
    let cases = [
        (
            "swapped",
            forged(&receipt, &stranger.key, |it| it.claim.outcome.fuel_used += 1),
            "receipt hash on chain",
        ),
        (
            "unsettled",
            forged(&receipt, &stranger.key, |it| it.claim.spec.agreement_id = unpaid.0),
            "none for this",
        ),
        (
            "unknown",
            forged(&receipt, &stranger.key, |it| it.claim.spec.agreement_id = unknown),
            "none of this id",
        ),
        ("another signer", forged(&receipt, &stranger.key, |_| ()), "consumer in the receipt"),
    ];
    for (about, forged, says) in cases {
        let output = verify(&world, &forged, &[]);
        assert_eq!(output.status.code(), Some(14), "{about}: {}", said(&output));
        assert!(said(&output).contains(says), "{about}: {says:?} is not in {}", said(&output));
    }
}
