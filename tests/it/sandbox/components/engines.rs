//! Components end alike on every engine that can run them: machine code, cold and from the cache, alone and in a crowd,
//! and wasmtime's portable interpreter.

use brizo::sandbox::{ArtefactCache, Backend, Control, Ending, Engine, Outputs, Settings, inspect};

use super::super::order;
use crate::guests::component;

const JOBS: [&str; 8] =
    ["list", "clock-random", "nan", "flood-files", "deep-dirs", "grow-memory", "big-args", "loop"];

#[test]
fn every_engine_ends_a_component_alike() {
    let Some(bytes) = component("hostile") else { return };
    let inspection = inspect(&bytes, u64::MAX).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cached = || {
        let cache = Some(ArtefactCache::open(folder.path()).unwrap());
        Engine::with_settings(Settings { cache, ..Settings::default() }).unwrap()
    };
    let pulley = Engine::with_settings(Settings { backend: Backend::Pulley, ..Settings::default() }).unwrap();
    let runs = |engine: &Engine, from_cache: bool| -> Vec<(Ending, Outputs)> {
        let module = engine.compile(&bytes, &inspection).unwrap();
        assert_eq!(module.cached, from_cache);
        let run = |job: &&str| {
            let mut order = order(&[job]);
            order.limits.fuel = 20_000_000;
            engine.run(&module, &order, &Control::default()).unwrap().unwrap()
        };
        // All at once: runs share nothing that a guest could see.
        std::thread::scope(|scope| {
            let crowd: Vec<_> = JOBS.iter().map(|job| scope.spawn(move || run(job))).collect();
            crowd.into_iter().map(|one| one.join().unwrap()).collect()
        })
    };
    let first = runs(&cached(), false);
    for (way, again) in [("from the cache", runs(&cached(), true)), ("Pulley", runs(&pulley, false))] {
        for (job, (first, again)) in JOBS.iter().zip(first.iter().zip(&again)) {
            assert_eq!(first, again, "{job}, {way}");
        }
    }
}
