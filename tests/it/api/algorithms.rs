//! Algorithms sent as raw bytes, whole and in pieces; and two runs under one agreement.

use brizo_receipt::content_digest;
use serde_json::{Value, json};

use crate::guests::{guest, repository};
use crate::world::{Consumer, World, inside};

const PIECE: (&str, &str) = ("content-type", "application/partial-upload");

async fn send(
    who: &Consumer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, Value) {
    let response = who.send(method, path, headers, body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_is_sent_in_pieces_and_ordered_by_its_digest() {
    let world = World::start().await;
    let (consumer, stranger) = (world.consumer(), world.stranger());
    let module = guest("column_stats");
    let digest = content_digest(&module);
    let path = format!("/api/v1/algorithms/{digest}");
    let (half, size) = ((module.len() / 2).to_string(), module.len().to_string());
    let id = consumer.agree().await;

    // Only for who has an agreement, with a body that was signed.
    let (status, problem) = send(&stranger, "PUT", &path, &[], &module).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("no_agreement")));
    let (status, problem) = send(&consumer, "GET", &path, &[], b"").await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("upload_not_found")));
    let (status, problem) =
        send(&consumer, "PUT", &path, &[("content-type", "multipart/form-data")], b"x").await;
    assert_eq!((status, problem["code"].as_str()), (415, Some("unsupported_media_type")));

    let at = |offset| [PIECE, ("upload-offset", offset), ("upload-complete", "?0")];
    let first = &module[..module.len() / 2];
    let (status, answer) = send(&consumer, "PATCH", &path, &at("0"), first).await;
    assert_eq!(
        (status, answer["received"].as_str(), &answer["complete"]),
        (200, Some(&*half), &json!(false))
    );
    let (status, problem) = send(&consumer, "PATCH", &path, &at("5"), b"x").await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("upload_offset")));
    let upload = json!({ "serviceAgreementId": id, "signedChecksum": consumer.signed_checksum(id, &module), "digest": digest });
    super::refused(consumer.post("upload", &upload).await, 404, "upload_not_found");

    // Goes on after a restart.
    let mut world = world;
    world.kill_and_restart().await;
    let consumer = world.consumer();
    let (_, answer) = send(&consumer, "GET", &path, &[], b"").await;
    assert_eq!((answer["received"].as_str(), &answer["complete"]), (Some(&*half), &json!(false)));
    let last = [PIECE, ("upload-offset", half.as_str()), ("upload-complete", "?1")];
    let (status, answer) = send(&consumer, "PATCH", &path, &last, &module[module.len() / 2..]).await;
    assert_eq!((status, answer["received"].as_str(), &answer["complete"]), (201, Some(&*size), &json!(true)));

    let taken = consumer.post("upload", &upload).await.unwrap();
    assert_eq!(taken["digest"], json!(digest));
    let (status, _) = send(&consumer, "GET", &path, &[], b"").await;
    assert_eq!(status, 404, "what was taken is not kept twice");
    consumer.lock(id).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    assert_eq!(consumer.wait_for(job, "settled").await["end"], "finished");

    // Other bytes than the name says: nothing is kept.
    let (status, problem) = send(&consumer, "PUT", &path, &[], b"something else").await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("digest_mismatch")));
    let (status, _) = send(&consumer, "GET", &path, &[], b"").await;
    assert_eq!(status, 404);
    let left = std::fs::read_dir(inside(&world, "state/uploads")).unwrap();
    let files = left.flat_map(|owner| std::fs::read_dir(owner.unwrap().path()).unwrap()).count();
    assert_eq!(files, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_costs_nothing_and_has_a_receipt_of_its_own() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let args = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let first = consumer.order(id, &module, &args, 200_000_000).await;
    consumer.wait_for(first, "settled").await;
    let paid = world.balances().await;

    let run = async |number: u64| {
        let body = consumer.order_with(id, &module, &args, 200_000_000, |spec| spec.run_index = number).await;
        consumer.post("exec", &body).await
    };
    super::refused(run(2).await, 409, "no_runs_left");
    let answer = run(1).await.unwrap();
    assert_eq!(answer["jobId"], format!("{id}-1"));
    let second = format!("{id}-1").parse().unwrap();
    let status = consumer.wait_for(second, "settled").await;
    assert_eq!((&status["end"], &status["paid"]), (&json!("finished"), &json!("0")), "{status}");
    assert_eq!(world.balances().await, paid, "no money moves for a later run");
    let committed = consumer.chain.committed(id, 1).await.unwrap().unwrap();
    assert_eq!(status["receiptHash"], json!(committed.receipt_hash));
    let groups = consumer.client.get(&format!("/api/v1/jobs/{second}/outputs/groups.csv")).await.unwrap();
    assert_eq!(groups, std::fs::read(repository("examples/expected/groups.csv")).unwrap());
    super::refused(run(1).await, 409, "job_exists");
}
