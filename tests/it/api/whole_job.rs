//! The main job, from the agreement to the settled payment, and who may see it.

use brizo::sandbox::{Kind, profile_digest_for};
use brizo_receipt::{Expectation, Receipt, check_signatures, check_structure};

use super::refused;
use crate::guests::{component, guest, repository};
use crate::world::{MINTED, Settings, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_run_settled_and_proven() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let args = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let job = consumer.order(id, &module, &args, 200_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!((status["status"].as_u64(), status["end"].as_str()), (Some(70), Some("finished")), "{status}");

    // The receipt holds, and the chain committed to its hash.
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    let receipt = Receipt::parse(&bytes).unwrap();
    let committed = consumer.chain.committed(id, 0).await.unwrap().unwrap();
    let expected = Expectation {
        claim_hash: Some(committed.receipt_hash),
        agreement_id: Some(id.0),
        run_index: Some(0),
        provider: Some(world.publisher()),
        consumer: Some(consumer.key.address()),
        domain: Some(world.deployment.domain()),
        profiles: None,
    };
    check_structure(&receipt, &expected).unwrap();
    check_signatures(&receipt, &expected).unwrap().unwrap();

    // Money: the price follows the formula, the rest came back, nothing stayed.
    let outcome = &receipt.claim.outcome;
    let due: u64 = consumer.offer().await.terms.due(outcome.fuel_used, outcome.output_bytes).to();
    assert!(due > 1000 && due < 1_000_000, "{due}");
    assert_eq!(world.balances().await, [due, MINTED - due, 0]);
    assert_eq!(
        (status["paid"].as_str(), status["refunded"].as_str()),
        (Some(&*due.to_string()), Some(&*(1_000_000 - due).to_string()))
    );

    // The output is the one that was checked by hand, and belongs to the consumer.
    let groups = consumer.client.get(&format!("/api/v1/jobs/{job}/outputs/groups.csv")).await.unwrap();
    assert_eq!(groups, std::fs::read(repository("examples/expected/groups.csv")).unwrap());
    let derived = consumer.chain.derived_did(id, 0).await.unwrap();
    for run in [0, 1, u64::MAX] {
        let asked = consumer.chain.derived_did(id, run).await.unwrap();
        assert_eq!(world.deployment.derived_did(id, run), asked, "the chain need not be asked");
    }
    let (owner, checksum, _) = consumer.chain.asset(derived).await.unwrap().unwrap();
    assert_eq!((owner, checksum), (consumer.key.address(), receipt.claim_hash));

    // Logs: stdout may leave, stderr is kept by the policy.
    let logs = consumer.client.get_json(&format!("/api/v1/jobs/{job}/logs")).await.unwrap();
    assert!(logs["stdout"].is_string() && logs["stderr"]["withheld"] == true, "{logs}");

    // Nobody else sees any of it.
    let stranger = world.stranger();
    for part in ["", "/logs", "/outputs", "/outputs/groups.csv", "/receipt", "/history"] {
        refused(stranger.client.get(&format!("/api/v1/jobs/{job}{part}")).await, 404, "job_not_found");
    }
    refused(stranger.client.get(&format!("/api/v1/agreements/{id}")).await, 404, "agreement_not_found");
    assert_eq!(stranger.client.get_json("/api/v1/jobs").await.unwrap()["jobs"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_formula_is_the_contracts() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.pay_for(&guest("column_stats")).await;
    let terms = consumer.offer().await.terms;
    for (fuel, bytes) in [(0, 0), (1, 1), (999_999, 7), (6_234_567, 2_272), (u64::MAX, u64::MAX)] {
        assert_eq!(
            consumer.chain.amount_due(id, fuel, bytes).await.unwrap(),
            terms.due(fuel, bytes),
            "{fuel} {bytes}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_job_ends_is_charged_and_gets_nothing_out() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("hostile");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["flood-output"], 2_000_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(
        (status["status"].as_u64(), status["end"].as_str()),
        (Some(42), Some("output_limit")),
        "{status}"
    );
    let outputs = consumer.client.get_json(&format!("/api/v1/jobs/{job}/outputs")).await.unwrap();
    assert_eq!(
        outputs["outputs"].as_array().map(Vec::len),
        Some(0),
        "a run that was cut off shows nothing: {outputs}"
    );
    assert_eq!(outputs["withheld"].as_u64(), Some(3), "the flood and both streams: {outputs}");
    refused(consumer.client.get(&format!("/api/v1/jobs/{job}/outputs/flood")).await, 404, "output_not_found");
    let [publisher, rest, escrow] = world.balances().await;
    assert!(publisher > 1000, "work that was done is paid: {publisher}");
    assert_eq!((publisher + rest, escrow), (MINTED, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_host_ends_makes_no_claim_and_can_be_refunded() {
    let world = World::with(Settings { wall_clock_s: Some(1), ..Settings::default() }).await;
    let consumer = world.consumer();
    let module = guest("hostile");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["loop"], crate::world::FUEL_MAX).await;
    let status = consumer.wait_for(job, "aborted").await;
    assert_eq!(status["end"].as_str(), Some("timed_out"), "{status}");
    refused(consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await, 409, "job_without_claim");
    refused_refund(&consumer, id).await;
    world.anvil.pass(86_400).await;
    consumer.chain.refund_payment(id, world.did, consumer.offer().await.terms.price).await.unwrap();
    assert_eq!(world.balances().await, [0, MINTED, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_too_costly_to_compile_ends_its_job_and_nothing_else() {
    let world = World::with(Settings { compile_cpu_seconds: Some(1), ..Settings::default() }).await;
    let consumer = world.consumer();
    let bomb = crate::sandbox::bomb(8);
    let job = consumer.order(consumer.pay_for(&bomb).await, &bomb, &[], 1_000_000).await;
    let status = consumer.wait_for(job, "aborted").await;
    assert_eq!(status["end"].as_str(), Some("algorithm_failed"), "{status}");
    assert!(world.log().contains("more than 1 seconds of processor time"), "{}", world.log());
    let module = crate::sandbox::innocent();
    let job = consumer.order(consumer.pay_for(&module).await, &module, &[], 1_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(status["end"].as_str(), Some("finished"), "{status}");
}

async fn refused_refund(consumer: &crate::world::Consumer, id: brizo::ids::AgreementId) {
    let early = consumer.chain.refund_payment(id, consumer.did, consumer.offer().await.terms.price).await;
    assert!(early.unwrap_err().to_string().contains("DeadlineNotPassed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_and_both_forms_of_upload_work() {
    let world = World::start().await;
    let consumer = world.consumer();
    let (id, module) = (consumer.new_id(), guest("column_stats"));
    let send = async |path: &str, body: serde_json::Value| {
        consumer.client.post(path, "application/json", serde_json::to_vec(&body).unwrap()).await
    };
    send("/api/v1/brizo/services/compute/initialize", consumer.agreement_body(id).await).await.unwrap();
    use base64::Engine;
    let body = serde_json::json!({
        "serviceAgreementId": id, "serviceDefinitionId": "0",
        "signedChecksum": consumer.signed_checksum(id, &module),
        "binary": base64::engine::general_purpose::STANDARD.encode(&module),
    });
    let first = send("/api/v1/brizo/services/compute/upload", body.clone()).await.unwrap();
    assert!(first["txHash"].is_string());
    let again = send("/api/v1/brizo/services/computing/upload", body).await.unwrap();
    assert!(again["txHash"].is_null(), "the same bytes again change nothing");
    consumer.lock(id).await;
    consumer.exec_when_granted(&consumer.order_body(id, &module, &["--file", "penguins.csv"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_run_under_its_own_profile() {
    let Some(module) = component("group_aggregate") else { return };
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.pay_for(&module).await;
    let args = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let core = profile_digest_for(Kind::Core);
    let wrong = consumer.order_with(id, &module, &args, 200_000_000, |spec| spec.profile = core).await;
    refused(consumer.post("exec", &wrong).await, 422, "spec_profile");
    let job = consumer.order(id, &module, &args, 200_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!((status["status"].as_u64(), status["end"].as_str()), (Some(70), Some("finished")), "{status}");
    let receipt = Receipt::parse(&consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap());
    assert_eq!(receipt.unwrap().claim.spec.profile, profile_digest_for(Kind::Component));
    let groups = consumer.client.get(&format!("/api/v1/jobs/{job}/outputs/groups.csv")).await.unwrap();
    assert_eq!(groups, std::fs::read(repository("examples/expected/groups.csv")).unwrap());
}
