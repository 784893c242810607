//! What a consumer learns of outputs that the policy keeps: how many there are, and nothing else.

use brizo::client::Error;
use brizo_receipt::{Expectation, Key, Receipt, check_structure};

use super::refused;
use crate::guests::wat;
use crate::world::{World, inside};

/// What `examples/wat/keeps-a-secret.wat` leaves in the file that is kept, and what it says on standard error.
const PATH: &str = "ward-seven/patient-4711.txt";
const SIZE: usize = 41719;
const SAID: &str = "line 7 quotes Eleanor Rigby";

fn content() -> Vec<u8> {
    let mut bytes = b"the diagnosis of Eleanor Rigby".to_vec();
    bytes.resize(SIZE, 0);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_output_reaches_the_consumer_nowhere() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = wat("keeps-a-secret");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &[], 1_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(status["end"].as_str(), Some("finished"), "{status}");
    let base = format!("/api/v1/jobs/{job}");

    // It is there: whoever has both sides' keys finds file, folder and stream among the bare leaves.
    let bytes = consumer.client.get(&format!("{base}/receipt")).await.unwrap();
    let receipt = Receipt::parse(&bytes).unwrap();
    check_structure(&receipt, &Expectation::default()).unwrap();
    let name = format!("state/{}.dataset.key", world.did.to_string().trim_start_matches("did:op:"));
    let digits = std::fs::read_to_string(inside(&world, &name)).unwrap();
    let mut dataset_key = [0; 32];
    hex::decode_to_slice(digits.trim().trim_start_matches("0x"), &mut dataset_key).unwrap();
    let key = receipt.outputs_key(&Key::new([7; 32]), &[Key::new(dataset_key)]).unwrap();
    receipt.check_output_salts(&key).unwrap();
    let table = consumer.client.get(&format!("{base}/outputs/table.csv")).await.unwrap();
    let files = [("table.csv".to_string(), table), (PATH.to_string(), content())];
    let found = receipt.check_delivered(&files.into(), Some(&key)).unwrap();
    assert_eq!((found.shown, found.withheld, receipt.withheld_leaves().count()), (1, 1, 3));

    // Neither name, size, digest nor content is in anything that the consumer can get.
    let digest = brizo_receipt::content_digest(&content()).to_string();
    // As text and as a number: the digits alone can stand in any hash.
    let (text_size, number_size) = (format!("\"{SIZE}\""), format!(":{SIZE}"));
    let hidden = [
        "ward-seven",
        "patient-4711",
        &text_size,
        &number_size,
        &digest,
        "Rigby",
        "declared-files-only",
        "stdout-only",
    ];
    for path in ["", "/outputs", "/logs", "/history", "/receipt", "/outputs/table.csv"] {
        let answer = consumer.client.get(&format!("{base}{path}")).await.unwrap();
        let text = String::from_utf8_lossy(&answer).replace(": ", ":");
        for word in hidden {
            assert!(!text.contains(word), "{path} tells {word:?}: {text}");
        }
    }
    let list = consumer.client.get_json(&format!("{base}/outputs")).await.unwrap();
    let paths: Vec<_> =
        list["outputs"].as_array().unwrap().iter().map(|output| output["path"].as_str()).collect();
    assert_eq!(
        (paths, list["withheld"].as_u64()),
        (vec![Some("table.csv"), Some("stdout")], Some(3)),
        "{list}"
    );
    let logs = consumer.client.get_json(&format!("{base}/logs")).await.unwrap();
    assert_eq!(
        (logs["stdout"].as_str(), &logs["stderr"]),
        (Some(""), &serde_json::json!({ "withheld": true }))
    );

    // Nor can names be tried: a file that is kept answers as one that never was.
    let answer = async |path: &str| match consumer.client.get(&format!("{base}/outputs/{path}")).await {
        Err(Error::Refused { status, code, text, hint }) => (status, code, text.replace(path, "PATH"), hint),
        other => panic!("{path}: {other:?}"),
    };
    let none = answer("ward-seven/patient-4712.txt").await;
    assert_eq!(answer(PATH).await, none);
    assert_eq!(answer("ward-seven").await, none);
    refused(consumer.client.get(&format!("{base}/outputs/{PATH}")).await, 404, "output_not_found");

    // The publisher's log counts by rule, without names or content; what the guest said is not in it either.
    let counted = async || world.log().contains("declared-files-only: 2, stdout-only: 1");
    crate::world::eventually("what is withheld is counted in the publisher's log", counted).await;
    let log = world.log();
    for word in ["ward-seven", "patient-4711", "Rigby", SAID] {
        assert!(!log.contains(word), "the log tells {word:?}");
    }
}
