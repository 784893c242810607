//! Downloads in parts and all at once.

use std::io::Read;

use reqwest::StatusCode;
use serde_json::Value;

use crate::guests::{guest, repository, wat};
use crate::world::{World, inside};

#[tokio::test(flavor = "multi_thread")]
async fn an_output_comes_whole_in_parts_and_in_archives() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let args = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let job = consumer.order(id, &module, &args, 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let expected = std::fs::read(repository("examples/expected/groups.csv")).unwrap();
    let path = format!("/api/v1/jobs/{job}/outputs/groups.csv");

    let whole = consumer.send("GET", &path, &[], b"").await;
    let etag = whole.headers()["etag"].to_str().unwrap().to_string();
    assert_eq!(
        etag.trim_matches('"'),
        brizo_receipt::content_digest(&expected).to_string().trim_start_matches("0x")
    );
    assert_eq!(whole.headers()["content-length"], expected.len().to_string());
    assert_eq!(whole.bytes().await.unwrap(), expected);

    // A download that was broken off goes on where it was.
    let head = consumer.send("GET", &path, &[("range", "bytes=0-9")], b"").await;
    assert_eq!(head.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(head.headers()["content-range"], format!("bytes 0-9/{}", expected.len()));
    let mut pieces = head.bytes().await.unwrap().to_vec();
    let rest = consumer.send("GET", &path, &[("range", "bytes=10-"), ("if-range", &etag)], b"").await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    pieces.extend(rest.bytes().await.unwrap());
    assert_eq!(pieces, expected);
    let changed =
        consumer.send("GET", &path, &[("range", "bytes=10-"), ("if-range", "\"other\"")], b"").await;
    assert_eq!((changed.status(), changed.bytes().await.unwrap().len()), (StatusCode::OK, expected.len()));
    let known = consumer.send("GET", &path, &[("if-none-match", &etag)], b"").await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let outside = consumer.send("GET", &path, &[("range", "bytes=1000000-")], b"").await;
    assert_eq!(outside.headers()["content-range"], format!("bytes */{}", expected.len()));
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.json::<Value>().await.unwrap()["code"], "range_not_satisfiable");
    let size = consumer.send("HEAD", &path, &[], b"").await;
    assert_eq!(
        (size.status(), &size.headers()["content-length"]),
        (StatusCode::OK, &expected.len().to_string().parse().unwrap())
    );

    // Both archives hold what the list names.
    let list = consumer.client.get_json(&format!("/api/v1/jobs/{job}/outputs")).await.unwrap();
    let names: Vec<_> =
        list["outputs"].as_array().unwrap().iter().filter(|one| one["kind"] == "file").collect();
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/archive?format=zip")).await.unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    assert_eq!(archive.len(), names.len());
    let mut found = Vec::new();
    archive.by_name("groups.csv").unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(found, expected);
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/archive?format=tar")).await.unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut entry =
        archive.entries().unwrap().map(Result::unwrap).find(|e| e.path().unwrap().ends_with("groups.csv"));
    let mut found = Vec::new();
    entry.as_mut().unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(found, expected);

    // A tar that was broken off goes on where it was, too; its bytes are known before they are made.
    let path = format!("/api/v1/jobs/{job}/archive?format=tar");
    let whole = consumer.send("GET", &path, &[], b"").await;
    assert_eq!(whole.headers()["content-length"], bytes.len().to_string());
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    let etag = whole.headers()["etag"].to_str().unwrap().to_string();
    let mut pieces = Vec::new();
    for range in ["bytes=0-99", "bytes=100-1023", "bytes=1024-"] {
        let part = consumer.send("GET", &path, &[("range", range), ("if-range", &etag)], b"").await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        pieces.extend(part.bytes().await.unwrap());
    }
    assert_eq!(pieces, bytes);
    let last = consumer.send("GET", &path, &[("range", "bytes=-1")], b"").await;
    let end = bytes.len() - 1;
    assert_eq!(last.headers()["content-range"], format!("bytes {end}-{end}/{}", bytes.len()));
    let known = consumer.send("GET", &path, &[("if-none-match", &etag)], b"").await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let outside = format!("bytes={}-", bytes.len());
    let outside = consumer.send("GET", &path, &[("range", &outside)], b"").await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    // Of a zip there are no parts, and it says so.
    let path = format!("/api/v1/jobs/{job}/archive?format=zip");
    let zip = consumer.send("GET", &path, &[("range", "bytes=100-")], b"").await;
    assert_eq!((zip.status(), &zip.headers()["accept-ranges"]), (StatusCode::OK, &"none".parse().unwrap()));

    // One stream as it is: what may leave, and nothing of what may not.
    let stdout = consumer.client.get(&format!("/api/v1/jobs/{job}/logs/stdout")).await.unwrap();
    let logs = consumer.client.get_json(&format!("/api/v1/jobs/{job}/logs")).await.unwrap();
    assert_eq!(Some(String::from_utf8(stdout).unwrap().as_str()), logs["stdout"].as_str());
    super::refused(
        consumer.client.get(&format!("/api/v1/jobs/{job}/logs/stderr")).await,
        404,
        "output_not_found",
    );
    super::refused(
        consumer.client.get(&format!("/api/v1/jobs/{job}/archive?format=rar")).await,
        400,
        "bad_query",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_holds_nothing_that_is_withheld() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = wat("keeps-a-secret");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &[], 1_000_000).await;
    consumer.wait_for(job, "settled").await;
    for format in ["zip", "tar"] {
        let bytes =
            consumer.client.get(&format!("/api/v1/jobs/{job}/archive?format={format}")).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("table.csv"), "{format}");
        for word in ["ward-seven", "patient-4711", "Rigby"] {
            assert!(!text.contains(word), "the {format} tells {word:?}");
        }
    }
    assert!(inside(&world, "state/blobs").exists());
}
