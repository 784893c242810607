//! The engine is killed in mid-run; we are killed in mid-run. Nothing is left over, and nobody is charged.

use std::collections::HashMap;
use std::pin::Pin;

use bollard::Docker;
use bollard::query_parameters::{
    EventsOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
};
use brizo::container::{Containers, Fault, Owner};
use brizo::sandbox::Control;
use futures_util::{Stream, StreamExt};

use super::{Engine, engine_or_skip, images, order};

const OWNER: &str = "org.brizo.owner";

/// Starts of guests, from now on.
pub(super) fn starts(docker: &Docker) -> Pin<Box<dyn Stream<Item = ()> + Send + '_>> {
    let filters = HashMap::from([("type", vec!["container"]), ("event", vec!["start"])]);
    let events = docker.events(Some(EventsOptionsBuilder::new().filters(&filters).build()));
    Box::pin(events.filter_map(|event| async {
        let name = event.ok()?.actor?.attributes?.remove("name")?;
        name.ends_with("-guest").then_some(())
    }))
}

/// How many containers and volumes have this owner.
pub(super) async fn left(docker: &Docker, owner: &str) -> usize {
    let label = format!("{OWNER}={owner}");
    let filters = HashMap::from([("label", vec![label.as_str()])]);
    let list = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(list)).await.unwrap().len();
    let list = ListVolumesOptionsBuilder::new().filters(&filters).build();
    containers + docker.list_volumes(Some(list)).await.unwrap().volumes.unwrap_or_default().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_engine_is_the_hosts_fault_and_is_swept_when_it_is_back() {
    engine_or_skip!();
    let Some(engine) = tokio::task::spawn_blocking(|| Engine::start("killed")).await.unwrap() else {
        return super::engine::skipped("an engine of its own cannot be started for this test");
    };
    let image = images::busybox(&engine).await;
    let containers = Containers::new(&engine.socket, Owner::Provider("killed".into()));
    let running = containers.clone();
    let docker = engine.docker();
    let mut starts = starts(&docker);
    let run =
        tokio::spawn(async move { running.run(&image, &order("sleep 1000"), &Control::default()).await });
    starts.next().await.unwrap();
    engine.kill();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!((error.fault(), error.code()), (Fault::Host, "container_engine_failed"), "{error}");
    let engine = tokio::task::spawn_blocking(move || {
        assert!(engine.launch());
        engine
    });
    let engine = engine.await.unwrap();
    let docker = engine.docker();
    assert_eq!(left(&docker, "provider-killed").await, 5, "two containers, three volumes");
    assert_eq!(containers.sweep().await.unwrap(), 5);
    assert_eq!(left(&docker, "provider-killed").await, 0);
    // And it works again.
    let image = images::busybox(&engine).await;
    assert!(containers.run(&image, &order("true"), &Control::default()).await.unwrap().result.is_ok());
    tokio::task::spawn_blocking(move || drop(engine)).await.unwrap();
}

#[tokio::test]
async fn a_run_leaves_nothing_and_a_neighbours_run_alone() {
    let engine = engine_or_skip!();
    let image = images::busybox(engine).await;
    let docker = engine.docker();
    let one = Containers::new(&engine.socket, Owner::Provider("one".into()));
    let other = Containers::new(&engine.socket, Owner::Provider("other".into()));
    let mut started = starts(&docker);
    let control = Control::default();
    let running = tokio::spawn({
        let (one, image, control) = (one.clone(), image.clone(), control.clone());
        async move { one.run(&image, &order("sleep 1000"), &control).await }
    });
    // Other tests start guests, too.
    while left(&docker, "provider-one").await < 5 {
        started.next().await.unwrap();
    }
    assert_eq!(one.sweep().await.unwrap(), 0, "its own that are under way");
    assert_eq!(other.sweep().await.unwrap(), 0, "another provider's");
    assert!(other.run(&image, &order("true"), &Control::default()).await.unwrap().result.is_ok());
    assert_eq!(left(&docker, "provider-other").await, 0);
    assert_eq!(left(&docker, "provider-one").await, 5);
    // A process that forgets everything: the next one of the same provider finds it by the labels.
    let successor = Containers::new(&engine.socket, Owner::Provider("one".into()));
    assert_eq!(successor.sweep().await.unwrap(), 5);
    assert_eq!(left(&docker, "provider-one").await, 0);
    control.stop();
    assert!(running.await.unwrap().is_err() || control.raised().is_some());
}
