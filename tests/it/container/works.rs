//! Guests that work: what they are given, what they leave, and that the numbers are those of the wasm example.

use brizo::sandbox::Aborted;
use brizo_receipt::Status;

use super::{command, engine_or_skip, images, order, run, run_with, text};

#[tokio::test]
async fn the_grouped_aggregate_gives_the_same_numbers_as_wasm() {
    let engine = engine_or_skip!();
    let args = ["--by", "species", "--value", "body_mass_g"];
    let mut order = command(&["/group-aggregate"]);
    order.invocation.args.extend(args.map(String::from));
    let image = images::busybox(engine).await;
    let ran = run_with(engine, &image, &order).await;
    let (ending, outputs) = ran.result.unwrap();
    let (wasm_ending, wasm) =
        crate::sandbox::run(&crate::guests::guest("group_aggregate"), &crate::sandbox::order(&args));
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{}", text(&outputs.stderr));
    assert_eq!(wasm_ending.status, Status::Exit);
    assert!(wasm.files.contains_key("groups.csv"));
    assert_eq!(outputs, wasm, "files, folders and streams");
    assert!(ran.cached_image && ran.facts.text().contains("tmpfs"), "{:?}", ran.facts);
}

#[tokio::test]
async fn a_guest_gets_three_folders_and_its_variables() {
    let engine = engine_or_skip!();
    let script = "echo $0 $1; id -u; echo $LANG $INPUTS; pwd; cat /data/algorithm/main.sh; head -1 /data/inputs/penguins.csv; \
                  mkdir a; echo deep > a/b; echo top > c; echo problem >&2; exit 7";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 7));
    let expected = "/data/inputs /data/outputs\n65534\nC /data/inputs\n/data/outputs\necho algorithm";
    assert!(text(&outputs.stdout).starts_with(expected), "{}", text(&outputs.stdout));
    assert!(text(&outputs.stdout).contains("species"), "{}", text(&outputs.stdout));
    assert_eq!(text(&outputs.stderr), "problem\n");
    assert_eq!(outputs.folders, ["a"]);
    assert_eq!(*outputs.files["a/b"].bytes().unwrap(), *b"deep\n");
    assert_eq!(*outputs.files["c"].bytes().unwrap(), *b"top\n");
    assert_eq!(ending.output_bytes, outputs.bytes());
    outputs.manifest().unwrap();
}

#[tokio::test]
async fn links_and_odd_things_are_no_outputs() {
    let engine = engine_or_skip!();
    let script = "ln -s /etc/passwd link; ln -s /data/inputs folder; echo x > real; chmod 000 real";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0));
    assert_eq!(outputs.files.keys().collect::<Vec<_>>(), ["real"]);
    assert_eq!(*outputs.files["real"].bytes().unwrap(), *b"x\n");
    assert!(outputs.folders.is_empty());
}

#[tokio::test]
async fn a_stop_ends_a_run_without_a_claim() {
    let engine = engine_or_skip!();
    let image = images::busybox(engine).await;
    let control = brizo::sandbox::Control::default();
    control.stop();
    let containers =
        brizo::container::Containers::new(&engine.socket, brizo::container::Owner::this_process());
    let ran = containers.run(&image, &order("sleep 1000"), &control).await.unwrap();
    assert_eq!(ran.result.unwrap_err(), Aborted::Stopped);
}

#[tokio::test]
async fn the_hosts_ceiling_makes_no_claim() {
    let engine = engine_or_skip!();
    let image = images::busybox(engine).await;
    let control = brizo::sandbox::Control::with_wall_clock(std::time::Duration::from_millis(100));
    let containers =
        brizo::container::Containers::new(&engine.socket, brizo::container::Owner::this_process());
    let ran = containers.run(&image, &order("sleep 1000"), &control).await.unwrap();
    assert_eq!(ran.result.unwrap_err(), Aborted::WallClock);
}
