//! What is refused before anything runs, with a code and a way to mend it.

use brizo::container::{Containers, Error, Fault, Image, Owner};
use brizo::sandbox::Control;
use brizo_receipt::B256;

use super::{Engine, command, engine_or_skip, images, order};

async fn refused(engine: &Engine, image: &Image, order: &brizo::sandbox::Order) -> Error {
    let containers = Containers::new(&engine.socket, Owner::this_process());
    containers.run(image, order, &Control::default()).await.unwrap_err()
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_the_hosts_fault() {
    let folder = tempfile::tempdir().unwrap();
    let containers = Containers::new(&folder.path().join("none.sock"), Owner::this_process());
    let error = containers.facts().await.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("container_engine_unreachable", Fault::Host));
    assert!(error.hint().contains("docker.io"), "{}", error.hint());
    // A socket at which nobody listens any more.
    let dead = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let error = Containers::new(&dead, Owner::this_process()).facts().await.unwrap_err();
    assert_eq!(error.code(), "container_engine_unreachable");
}

#[tokio::test]
async fn images_are_known_by_digest_only() {
    let engine = engine_or_skip!();
    let unknown = |pull: Option<&str>| Image { digest: B256::repeat_byte(9), pull: pull.map(String::from) };
    let error = refused(engine, &unknown(None), &order("true")).await;
    assert_eq!((error.code(), error.fault()), ("container_image_missing", Fault::Host));
    let error = refused(engine, &unknown(Some("localhost:1/name:latest")), &order("true")).await;
    assert!(error.to_string().contains("names no digest"), "{error}");
    let digest = format!("localhost:1/name@sha256:{}", "0".repeat(64));
    let error = refused(engine, &unknown(Some(&digest)), &order("true")).await;
    assert!(error.to_string().contains("cannot be pulled"), "{error}");
}

#[tokio::test]
async fn an_image_with_volumes_is_refused() {
    let engine = engine_or_skip!();
    let image = images::import(engine, &["VOLUME /var/db"]).await;
    let error = refused(engine, &image, &order("true")).await;
    assert_eq!((error.code(), error.fault()), ("container_image_refused", Fault::Algorithm));
    assert!(error.to_string().contains("/var/db"), "{error}");
}

#[tokio::test]
async fn the_images_own_command_user_and_health_check_do_not_count() {
    let engine = engine_or_skip!();
    let changes = ["USER 0", "ENTRYPOINT /bin/busybox", "HEALTHCHECK CMD echo healthy", "WORKDIR /bin"];
    let image = images::import(engine, &changes).await;
    let ran = super::run_with(engine, &image, &order("id -u; pwd")).await;
    let (_, outputs) = ran.result.unwrap();
    assert_eq!(super::text(&outputs.stdout), "65534\n/data/outputs\n");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_the_algorithms_fault() {
    let engine = engine_or_skip!();
    let image = images::busybox(engine).await;
    let error = refused(engine, &image, &command(&["/no/such/program"])).await;
    assert_eq!((error.code(), error.fault()), ("container_start_refused", Fault::Algorithm));
    let mut small = order("true");
    small.limits.memory_bytes = 1 << 20;
    let error = refused(engine, &image, &small).await;
    assert_eq!((error.code(), error.fault()), ("container_memory_too_small", Fault::Algorithm));
}
