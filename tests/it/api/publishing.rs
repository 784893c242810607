//! Publishing: from a folder, a file and a URL; versions and mock data; and where the chain says that the DDO is.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use brizo::ids::Did;
use brizo_receipt::content_digest;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::refused;
use crate::cli::{json, said};
use crate::guests::{guest, repository};
use crate::world::{World, inside};

fn publish(world: &World, source: &str, more: &[&str]) -> Value {
    let verb = ["publish", source, "--policy", "policy", "--name", "Penguins", "--format", "json"];
    let output = world.brizo(&[&verb[..], more].concat());
    assert!(output.status.success(), "{}", said(&output));
    json(&output)
}

fn refused_publish(world: &World, source: &str, more: &[&str]) -> String {
    let output = world.brizo(&[&["publish", source, "--policy", "policy", "--name", "x"][..], more].concat());
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// Files in the store of blobs, finished ones and others.
fn blobs(world: &World) -> (usize, usize) {
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let folder = inside(world, "state/blobs");
    let finished = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let finished = finished.filter(|path| path.is_dir() && !path.ends_with("new"));
    (finished.map(|path| files(&path)).sum(), files(&folder.join("new")))
}

async fn fetch(world: &World, path: &str) -> Vec<u8> {
    brizo::client::fetch(&world.provider.url, path).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ddo_is_where_the_chain_says_and_what_the_chain_says() {
    let world = World::start().await;
    let (owner, checksum, url) = world.publisher_chain().asset(world.did).await.unwrap().unwrap();
    assert_eq!(owner, world.publisher());
    let ddo = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
    assert_eq!(content_digest(&ddo), checksum);
    let ddo: Value = serde_json::from_slice(&ddo).unwrap();
    assert_eq!(brizo::job::check_ddo(&ddo), [""; 0]);
    assert_eq!(ddo["id"], world.did.to_string());
}

/// A web server with one file.
async fn server(content: Vec<u8>) -> String {
    let router = Router::new().route("/data/penguins.csv", get(move || async move { content }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A web server that promises more than it sends.
async fn broken_server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = connection.read(&mut request).await.unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\nspecies").await.unwrap();
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_a_url_are_taken_in_once_and_run_on() {
    let world = World::start().await;
    let file = repository("examples/data/penguins.csv");
    let before = blobs(&world);
    let of_file = publish(&world, file.to_str().unwrap(), &[]);
    assert_eq!((of_file["files"].as_u64(), before), (Some(1), blobs(&world)), "the bytes were here already");
    let base = server(std::fs::read(&file).unwrap()).await;
    let of_url = publish(&world, &format!("{base}/data/penguins.csv?signature=s3cret"), &[]);
    assert_eq!(of_url["bytes"], of_file["bytes"]);
    assert_eq!(before, blobs(&world));
    assert_ne!(of_url["root"], of_file["root"], "each has a key of its own");
    // Where it came from is nobody's business.
    let ddo = fetch(&world, &format!("/api/v1/assets/{}", of_url["did"].as_str().unwrap())).await;
    assert!(!String::from_utf8(ddo).unwrap().contains("s3cret"));

    for (source, word) in [
        (format!("{}/data/broken.csv", broken_server().await), "error decoding response body"),
        (format!("{base}/data/none.csv"), "status 404"),
        (format!("{base}/data/"), "does not end with the name of a file"),
        ("ftp://127.0.0.1/x".to_owned(), "no place that data is taken from"),
    ] {
        let said = refused_publish(&world, &source, &[]);
        assert!(said.contains(word), "{source}: {said}");
        assert_eq!(before, blobs(&world), "nothing is left of {source}");
    }

    // The one from the URL is run on like any other.
    let mut consumer = world.consumer();
    consumer.did = of_url["did"].as_str().unwrap().parse().unwrap();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(status["end"].as_str(), Some("finished"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_follow_each_other_and_mock_data_is_beside() {
    let world = World::start().await;
    let mock = inside(&world, "mock");
    std::fs::create_dir(&mock).unwrap();
    std::fs::write(mock.join("penguins.csv"), "species,body_mass_g\nAdelie,1\n").unwrap();
    let file = repository("examples/data/penguins.csv");
    let file = file.to_str().unwrap();
    let first = world.did.to_string();
    let second = publish(&world, file, &["--replaces", &first, "--mock", "mock"]);
    assert_eq!(second["version"].as_u64(), Some(2));
    let did = second["did"].as_str().unwrap().to_owned();
    let third = publish(&world, file, &["--replaces", &did]);
    assert_eq!(third["version"].as_u64(), Some(3));
    let ddo: Value = serde_json::from_slice(&fetch(&world, &format!("/api/v1/assets/{did}")).await).unwrap();
    let base = &ddo["service"][1]["metadata"]["base"];
    assert_eq!((base["version"].as_str(), base["previousVersion"].as_str()), (Some("2"), Some(&*first)));
    // The older one is still there.
    assert!(!fetch(&world, &format!("/api/v1/assets/{first}")).await.is_empty());

    let archive = reqwest::get(base["mock"]["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(content_digest(&archive).to_string(), base["mock"]["digest"].as_str().unwrap());
    let files = brizo::data::unpack(&archive).unwrap();
    assert_eq!(files, [("penguins.csv".to_owned(), b"species,body_mass_g\nAdelie,1\n".to_vec())]);
    let none = brizo::client::fetch(&world.provider.url, &format!("/api/v1/assets/{first}/mock")).await;
    refused(none, 404, "mock_not_found");

    let unknown = Did(brizo_receipt::B256::repeat_byte(7)).to_string();
    assert!(refused_publish(&world, file, &["--replaces", &unknown]).contains("does not hold"));
    // What is published is never also given away.
    let data = inside(&world, "data");
    std::fs::create_dir_all(data.join("sample")).unwrap();
    std::fs::write(data.join("sample/x.csv"), "1").unwrap();
    let said = refused_publish(&world, "data", &["--mock", "data/sample"]);
    assert!(said.contains("lies in the data set"), "{said}");
    let said = refused_publish(&world, "data/sample", &["--mock", "data"]);
    assert!(said.contains("lies in the data set"), "the data may not lie in the mock either: {said}");
    // Nor a copy of it from somewhere else.
    let copy = inside(&world, "copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(file, copy.join("renamed.csv")).unwrap();
    let said = refused_publish(&world, file, &["--mock", "copy"]);
    assert!(said.contains("holds a file of the data set"), "{said}");
}

/// A bucket as S3 shows one: objects by key, two to a page, and how often each was read.
#[derive(Clone, Default)]
struct FakeS3 {
    objects: Arc<Mutex<BTreeMap<String, String>>>,
    reads: Arc<Mutex<Vec<String>>>,
}

impl FakeS3 {
    /// A page of the objects under a prefix, after a key.
    fn page(&self, prefix: &str, after: &str) -> String {
        let objects = self.objects.lock().unwrap();
        let found: Vec<_> =
            objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after).collect();
        let line = |(key, content): &(&String, &String)| {
            let (size, tag) = (content.len(), tag(content).replace('"', "&quot;"));
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>\
                 <ETag>{tag}</ETag><Size>{size}</Size></Contents>"
            )
        };
        let contents: String = found.iter().take(2).map(line).collect();
        let next = match found.len() > 2 {
            true => format!("<NextContinuationToken>{}</NextContinuationToken>", found[1].0),
            false => String::new(),
        };
        format!("<ListBucketResult>{contents}{next}</ListBucketResult>")
    }
}

fn tag(content: &str) -> String {
    format!("\"{}\"", content_digest(content.as_bytes()))
}

async fn s3(
    State(bucket): State<FakeS3>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signed.starts_with("AWS4-HMAC-SHA256 Credential=AKID/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let asked = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if query.contains_key("list-type") {
        return bucket.page(asked("prefix"), asked("continuation-token")).into_response();
    }
    let key = uri.path().trim_start_matches("/shelf/").to_owned();
    let Some(content) = bucket.objects.lock().unwrap().get(&key).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if method == Method::GET {
        bucket.reads.lock().unwrap().push(key);
    }
    let modified = "Sun, 01 Nov 2026 00:00:00 GMT".to_owned();
    ([("etag", tag(&content)), ("last-modified", modified)], content).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_taken_in_once_page_by_page() {
    let world = World::start().await;
    let bucket = FakeS3::default();
    let objects = ["data/a.csv", "data/b/c.csv", "data/b/d.csv", "data/e.csv", "other/f.csv"];
    let contents = objects.map(|key| (key.to_owned(), format!("{key}\n1\n")));
    *bucket.objects.lock().unwrap() = contents.into();
    // What consoles make to show folders, and a file that is empty.
    for key in ["data/", "data/b/", "data/empty/", "data/nothing.csv"] {
        bucket.objects.lock().unwrap().insert(key.into(), String::new());
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(s3).with_state(bucket.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "nowhere-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret-of-the-bucket"),
        ("RUST_LOG", "trace"),
    ];
    let publish = |source: &str, variables: &[(&str, &str)]| {
        let verb = ["publish", source, "--policy", "policy", "--name", "Shelf", "--format", "json"];
        world.brizo_with(&verb, variables)
    };
    let first = publish("s3://shelf/data", &variables);
    assert!(first.status.success(), "{}", said(&first));
    assert!(!said(&first).contains("s3cret-of-the-bucket"), "not at any level");
    assert_eq!(json(&first)["files"].as_u64(), Some(5));
    let reads = || bucket.reads.lock().unwrap().len();
    assert_eq!(reads(), 5);
    // Plain HTTP only where it is allowed: requests carry signatures, and tokens of sessions.
    let plain = publish("s3://shelf/data", &[&variables[..1], &variables[2..]].concat());
    assert!(said(&plain).contains("AWS_ALLOW_HTTP=true") && reads() == 5, "{}", said(&plain));
    // A later version costs what has changed.
    bucket.objects.lock().unwrap().insert("data/e.csv".into(), "changed".into());
    assert!(publish("s3://shelf/data/", &variables).status.success());
    assert_eq!((reads(), bucket.reads.lock().unwrap().last().cloned()), (6, Some("data/e.csv".to_owned())));
    // One object by its name; a bucket that says no; a prefix under which there is nothing.
    let one = publish("s3://shelf/other/f.csv", &variables);
    assert_eq!(json(&one)["files"].as_u64(), Some(1), "{}", said(&one));
    let mut stranger = variables;
    stranger[3].1 = "another";
    let refused = publish("s3://shelf/data", &stranger);
    assert!(!refused.status.success() && !said(&refused).contains("s3cret"), "{}", said(&refused));
    let nothing = publish("s3://shelf/nothing", &variables);
    assert!(said(&nothing).contains("nothing lies at"), "{}", said(&nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_young_when_it_is_registered() {
    let world = World::start().await;
    let bytes = std::fs::read(repository("examples/data/penguins.csv")).unwrap();
    let name = hex::encode(content_digest(&bytes));
    let blob =
        std::fs::File::open(inside(&world, &format!("state/blobs/{}/{}", &name[..2], &name[2..]))).unwrap();
    // As old as if taking in had lasted for years: the files are known and not written again.
    blob.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let data = repository("examples/data");
    let again = world.brizo(&["publish", data.to_str().unwrap(), "--policy", "policy", "--name", "Again"]);
    assert!(again.status.success(), "{}", said(&again));
    let age = blob.metadata().unwrap().modified().unwrap().duration_since(std::time::SystemTime::UNIX_EPOCH);
    assert!(age.unwrap().as_secs() > 1_700_000_000, "the sweep may take it before its row is there");
}
