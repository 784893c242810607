//! What a guest writes beyond some memory goes to the disk, which no guest can tell, and which fails as the host's fault.

use std::path::PathBuf;

use brizo::sandbox::{Aborted, Control, Engine, Outputs, RunResult, Settings, inspect};
use brizo_receipt::Status;

use super::order;
use crate::guests::wat;

/// Pours so many MiB on an engine of its own.
fn pour(mib: u64, scratch: Option<PathBuf>) -> RunResult {
    let module = wat("pours");
    let engine = Engine::with_settings(Settings { scratch, ..Settings::default() }).unwrap();
    let compiled = engine.compile(&module, &inspect(&module, u64::MAX).unwrap()).unwrap();
    let mut order = order(&[&mib.to_string()]);
    (order.limits.output_bytes, order.limits.fuel) = (mib << 20, mib << 22);
    engine.run(&compiled, &order, &Control::default()).unwrap()
}

#[test]
fn what_goes_to_the_disk_comes_back_and_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let (there, in_memory) = (pour(70, Some(folder.path().into())).unwrap(), pour(70, None).unwrap());
    assert_eq!((there.0.status, there.0.exit_code), (Status::Exit, 0));
    assert_eq!(there, in_memory, "ending and outputs");
    let manifest = |outputs: &Outputs| outputs.manifest().unwrap();
    assert_eq!(manifest(&there.1), manifest(&in_memory.1));
    let file = &there.1.files["poured.csv"];
    let mut read = Vec::new();
    std::io::copy(&mut file.reader(), &mut read).unwrap();
    assert_eq!((&*file.bytes().unwrap(), read.len()), (&*read, 70 << 20));
    assert_eq!(read[69 << 20], 69);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "it has no name that could be left behind"
    );
}

#[test]
fn a_disk_that_keeps_nothing_ends_the_run_without_a_claim() {
    let nowhere = Some(PathBuf::from("/nowhere/at/all"));
    assert!(pour(20, nowhere.clone()).is_ok(), "so little needs no disk");
    assert_eq!(pour(70, nowhere).unwrap_err(), Aborted::HostDisk);
}
