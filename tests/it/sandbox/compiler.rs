//! Compiling in a child: the same code as in process, ceilings that hold, nothing that stays.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use brizo::sandbox::{
    Aborted, Allocation, Backend, ChildCompiler, Compiler, Control, Engine, Error, Settings, inspect,
};

use super::{engine, order};
use crate::guests::{component, guest, wat_text};

fn child() -> ChildCompiler {
    ChildCompiler::of_this_program().unwrap()
}

/// An engine whose compiler is a child with these ceilings.
fn with_child(backend: Backend, allocation: Allocation, cpu_seconds: u64, memory_bytes: u64) -> Engine {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_brizo"));
    let child = ChildCompiler { program, cpu_seconds, memory_bytes, ..child() };
    let compiler = Compiler::Child(child);
    Engine::with_settings(Settings { allocation, backend, compiler, ..Settings::default() }).unwrap()
}

/// Takes a hundredth of a processor second to compile, so that it stays far below a ceiling of one second on any host.
pub(crate) fn innocent() -> Vec<u8> {
    wat_text(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
}

/// Passes the gate, and takes many processor seconds and much memory to compile.
pub(crate) fn bomb(functions: usize) -> Vec<u8> {
    let step = "(local.set 0 (i64.add (i64.mul (local.get 0) (local.get 1)) (i64.load (i32.wrap_i64 (local.get 0)))))
         (if (i64.gt_s (local.get 0) (i64.const 7)) (then (local.set 1 (i64.xor (local.get 0) (local.get 1)))))";
    let function = format!("(func (param i64 i64) {})", step.repeat(4_000));
    wat_text(&format!(
        "(module (memory (export \"memory\") 1) (func (export \"_start\")) {})",
        function.repeat(functions)
    ))
}

fn refusal(engine: &Engine, module: &[u8]) -> (&'static str, String) {
    match engine.compile(module, &inspect(module, u64::MAX).unwrap()) {
        Err(Error::TooCostly(refused)) => (refused.code, refused.text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_child_compiles_what_this_process_compiles() {
    let mut modules = vec![guest("column_stats")];
    modules.extend(component("column_stats"));
    let order = order(&["--file", "penguins.csv"]);
    for (backend, allocation) in [
        (Backend::Native, Allocation::Pooled),
        (Backend::Native, Allocation::OnDemand),
        (Backend::Pulley, Allocation::OnDemand),
    ] {
        let child = with_child(backend, allocation, 60, 4 << 30);
        for module in &modules {
            let inspection = inspect(module, u64::MAX).unwrap();
            let run = |engine: &Engine| {
                let compiled = engine.compile(module, &inspection).unwrap();
                engine.run(&compiled, &order, &Control::default()).unwrap().unwrap()
            };
            let (here, there) = (run(engine()), run(&child));
            assert_eq!(here.0.exit_code, 0);
            assert_eq!(here, there, "{backend:?}, {allocation:?}");
        }
    }
}

#[test]
fn ceilings_refuse_a_bomb_and_the_engine_goes_on() {
    let bomb = bomb(20);
    for (cpu_seconds, memory_bytes, ceiling) in [
        (1, 4 << 30, "1 seconds of processor time (node.compile_cpu_seconds)"),
        (600, 100 << 20, "104857600 bytes of memory (node.compile_memory_bytes)"),
    ] {
        let engine = with_child(Backend::Native, Allocation::Pooled, cpu_seconds, memory_bytes);
        let (code, text) = refusal(&engine, &bomb);
        assert_eq!(code, "module_too_costly_to_compile");
        assert_eq!(text, format!("compiling the module takes more than {ceiling}"));
        let innocent = innocent();
        let compiled = engine.compile(&innocent, &inspect(&innocent, u64::MAX).unwrap()).unwrap();
        let (ending, _) = engine.run(&compiled, &order(&[]), &Control::default()).unwrap().unwrap();
        assert_eq!(ending.exit_code, 0);
    }
}

#[test]
fn twenty_kilobytes_that_become_gigabytes_are_refused() {
    // Three bytes a block, and a thousand values go through each.
    let values = "i64 ".repeat(1_000);
    let module = wat_text(&format!(
        "(module (memory (export \"memory\") 1) (type $t (func (param {values}) (result {values})))
            (func (export \"_start\")) (func {} {} {}))",
        "i64.const 1 ".repeat(1_000),
        "loop (type $t) end ".repeat(5_000),
        "drop ".repeat(1_000)
    ));
    assert!(module.len() < 22_000);
    let engine = with_child(Backend::Native, Allocation::OnDemand, 600, 512 << 20);
    let (_, text) = refusal(&engine, &module);
    assert!(text.contains("536870912 bytes of memory"), "{text}");
}

#[test]
fn a_stop_ends_the_child() {
    let (bomb, engine) = (bomb(20), with_child(Backend::Native, Allocation::OnDemand, 600, 8 << 30));
    let inspection = inspect(&bomb, u64::MAX).unwrap();
    let control = Control::default();
    control.stop();
    let stopped = engine.compile_unless(&bomb, &inspection, &control);
    assert!(matches!(stopped, Err(Error::Interrupted(Aborted::Stopped))), "{stopped:?}");
}

#[test]
fn a_compiler_that_is_not_there_is_the_hosts_fault() {
    let module = guest("column_stats");
    for program in ["/nowhere/brizo", "/bin/false", "/bin/true"] {
        let child = ChildCompiler { program: program.into(), ..child() };
        let engine =
            Engine::with_settings(Settings { compiler: Compiler::Child(child), ..Settings::default() });
        let failed = engine.unwrap().compile(&module, &inspect(&module, u64::MAX).unwrap());
        assert!(matches!(failed, Err(Error::Compiler(_))), "{program}: {failed:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_child_that_waits_for_ever_is_killed() {
    use std::os::unix::fs::PermissionsExt;
    // It stops itself before it becomes the compiler, and takes no processor time from then on.
    let folder = tempfile::tempdir().unwrap();
    let (program, waits) = (folder.path().join("brizo"), folder.path().join("waits"));
    let text = format!(
        "#!/bin/sh\necho $$ > {}\nkill -STOP $$\nexec {} \"$@\"\n",
        waits.display(),
        env!("CARGO_BIN_EXE_brizo")
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let child = ChildCompiler { program, wall_clock: Duration::from_secs(10), ..child() };
    let settings = Settings { compiler: Compiler::Child(child), ..Settings::default() };
    let (engine, module) = (Engine::with_settings(settings).unwrap(), guest("column_stats"));
    let failed = engine.compile(&module, &inspect(&module, u64::MAX).unwrap());
    let Err(Error::Compiler(text)) = failed else { panic!("{failed:?}") };
    assert!(text.contains("10s by the clock (node.compile_wall_seconds)"), "{text}");
    let process = std::fs::read_to_string(waits).unwrap();
    assert!(!Path::new(&format!("/proc/{}", process.trim())).exists(), "{process} is still there");
}

#[test]
fn nothing_is_compiled_for_a_parent_that_is_gone() {
    let output = Command::new(env!("CARGO_BIN_EXE_brizo"))
        .args(["compile-worker", "--kind", "core", "--backend", "native", "--cpu-seconds", "9"])
        .args(["--memory-bytes", "1000000000", "--parent", "1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is gone"), "{output:?}");
}

/// Processes whose parent this one is.
#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_dies_with_its_parent_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("bomb.wasm"), bomb(20)).unwrap();
    std::fs::create_dir(place("tmp")).unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_brizo"))
        .args(["run", "bomb.wasm", "--no-cache", "--output", "out"])
        .current_dir(folder.path())
        .env("TMPDIR", place("tmp"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = eventually(|| children(parent.id()).pop());
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually(|| (!Path::new(&format!("/proc/{child}")).exists()).then_some(()));
    assert_eq!(std::fs::read_dir(place("tmp")).unwrap().count(), 0);
    assert!(!place("out").exists());
}

/// Looks until there is something to see.
#[cfg(target_os = "linux")]
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        match look() {
            Some(seen) => return seen,
            None => std::thread::park_timeout(std::time::Duration::from_millis(10)),
        }
    }
    panic!("not seen within a minute")
}
