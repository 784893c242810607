//! Images for tests, made of what `cargo xtask test` has put into `target/containers`. None is pulled.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::query_parameters::CreateImageOptionsBuilder;
use brizo::container::Image;
use brizo_receipt::B256;
use futures_util::StreamExt;
use tokio::sync::Mutex;

use super::Engine;
use crate::guests::repository;

/// What the scripts of the tests call.
const TOOLS: [&str; 22] = [
    "awk", "cat", "chmod", "dd", "echo", "env", "head", "id", "ln", "ls", "mkdir", "mknod", "mount", "rm",
    "sh", "sleep", "su", "tail", "touch", "true", "wget", "yes",
];

fn part(name: &str) -> PathBuf {
    let path = repository(&format!("target/containers/{name}"));
    assert!(path.exists(), "{} is missing; run `cargo xtask containers`", path.display());
    path
}

/// Whether the parts of images are there.
pub(crate) fn are_possible() -> bool {
    ["busybox", "group-aggregate"]
        .iter()
        .all(|name| repository(&format!("target/containers/{name}")).exists())
}

/// An image with busybox at its usual places and the grouped aggregate at /group-aggregate; made once for each engine.
pub(crate) async fn busybox(engine: &Engine) -> Image {
    static MADE: Mutex<Option<HashMap<PathBuf, Image>>> = Mutex::const_new(None);
    let mut made = MADE.lock().await;
    let made = made.get_or_insert_default();
    if let Some(image) = made.get(&engine.socket) {
        return image.clone();
    }
    let image = import(engine, &[]).await;
    made.insert(engine.socket.clone(), image.clone());
    image
}

/// The same with changes as a Dockerfile has them.
pub(crate) async fn import(engine: &Engine, changes: &[&str]) -> Image {
    let mut archive = tar::Builder::new(Vec::new());
    for (place, file) in [("bin/busybox", "busybox"), ("group-aggregate", "group-aggregate")] {
        archive.append_path_with_name(part(file), place).unwrap();
    }
    for tool in TOOLS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, format!("bin/{tool}"), "busybox").unwrap();
    }
    let changes = changes.iter().map(ToString::to_string).collect();
    let options = CreateImageOptionsBuilder::new().from_src("-").changes(changes).build();
    let body = bollard::body_full(archive.into_inner().unwrap().into());
    let docker = engine.docker();
    let mut steps = std::pin::pin!(docker.create_image(Some(options), Some(body), None));
    let mut id = String::new();
    while let Some(step) = steps.next().await {
        id = step.unwrap().status.unwrap_or(id);
    }
    let digest: B256 = id.strip_prefix("sha256:").unwrap().parse().unwrap();
    Image { digest, pull: None }
}
