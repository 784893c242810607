//! Builds the example algorithms to wasm and leaves them under stable names in `examples/target/guests`.
//!
//! Two toolchains can do it: rustup's, which is fast, and Debian's packages, for machines where rustup cannot fetch
//! the target. They produce different bytes for the same behaviour, so digests are never compared between them.
//! Components come from rustup only; without it they are left out, which is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{APT_LIMIT, apt, clean, clean_in, run};
use crate::languages;

const TARGET: &str = "wasm32-wasip1";
/// The same programs as components.
const COMPONENT_TARGET: &str = "wasm32-wasip2";
const GUESTS: [(&str, &str); 4] = [
    ("column-stats.wasm", "column_stats.wasm"),
    ("group-aggregate.wasm", "group_aggregate.wasm"),
    ("hostile.wasm", "hostile.wasm"),
    ("kernels.wasm", "kernels.wasm"),
];
/// What is built a second time with vector instructions, and natively for the benches.
const KERNELS: &str = "kernels";
const COMPONENTS: [(&str, &str); 3] = [
    ("column-stats.wasm", "column_stats.component.wasm"),
    ("group-aggregate.wasm", "group_aggregate.component.wasm"),
    ("hostile.wasm", "hostile.component.wasm"),
];

/// `cargo` takes the last four; the standard library is built from `rust-web-src`, against `wasi-libc`.
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "rust-web-src", "wasi-libc", "lld-19", "cargo-web"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-19";
/// The same C library and start code that rustup's target carries inside itself.
const DEBIAN_LINK_FLAGS: &str = "-Clink-self-contained=no -Lnative=/usr/lib/wasm32-wasi \
     -Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o";

/// A mirror that does not answer keeps rustup waiting for ever.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Toolchain {
    Rustup,
    Debian,
}

/// What becomes of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// A core module.
    Core,
    /// A component.
    Component,
    /// A core module with vector instructions.
    Vector,
}

/// Builds the examples in Rust, then those in the other languages, of which a sentence tells what was skipped.
pub(crate) fn build_all(root: &Path) -> Result<Option<String>, String> {
    build(root)?;
    languages::build(&root.join("examples"))
}

/// Makes sure that some toolchain can compile to wasm, builds `examples/`, and copies the modules.
pub(crate) fn build(root: &Path) -> Result<(), String> {
    let examples = root.join("examples");
    let toolchain = choose(&examples)?;
    let started = Instant::now();
    say(&format!("building examples/ for {TARGET} with {toolchain:?}"));
    let guests = examples.join("target/guests");
    collect(&compile(toolchain, root, &examples, Form::Core)?, &guests, &GUESTS)?;
    let simd = compile(toolchain, root, &examples, Form::Vector)?;
    say(&format!("built in {:.1} s", started.elapsed().as_secs_f64()));
    collect(&simd, &guests, &[("kernels.wasm", "kernels_simd.wasm")])?;
    components(toolchain, root, &examples, &guests)
}

/// Builds what the benches compare, as wasm and natively, and runs one of them or all.
pub(crate) fn bench(root: &Path, name: Option<&str>) -> Result<(), String> {
    build(root)?;
    let native = ["build", "--release", "--locked", "--quiet", "--package", KERNELS];
    run(&mut clean_in(&root.join("examples"), "cargo", &native), None)
        .map_err(|cause| format!("building {KERNELS} natively failed ({cause})"))?;
    let mut bench = clean_in(root, "cargo", &["bench", "--locked", "--package", "brizo"]);
    match name {
        Some(name) => bench.args(["--bench", name]),
        None => bench.arg("--benches"),
    };
    run(&mut bench, None).map_err(|cause| format!("a bench does not pass ({cause})"))
}

/// The same programs as components, where rustup has or gets the target. Old ones are not left to stand for new ones.
fn components(toolchain: Toolchain, root: &Path, examples: &Path, guests: &Path) -> Result<(), String> {
    let ready = match toolchain {
        Toolchain::Rustup => ready_rustup(examples, COMPONENT_TARGET),
        Toolchain::Debian => Err("Debian packages no such target".into()),
    };
    if let Err(cause) = ready {
        for (_, name) in COMPONENTS {
            let path = guests.join(name);
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("cannot remove {}: {cause}", path.display()));
                }
                _ => {}
            }
        }
        say(&format!("SKIPPED: components for {COMPONENT_TARGET} ({cause})"));
        return Ok(());
    }
    let built = compile(toolchain, root, examples, Form::Component)?;
    collect(&built, guests, &COMPONENTS)
}

/// The forced toolchain, or the first that is or can be made ready.
fn choose(examples: &Path) -> Result<Toolchain, String> {
    match std::env::var("BRIZO_WASM_TOOLCHAIN").as_deref() {
        Ok("rustup") => ready_rustup(examples, TARGET).map(|()| Toolchain::Rustup),
        Ok("debian") => ready_debian().map(|()| Toolchain::Debian),
        Ok(other) => Err(format!("BRIZO_WASM_TOOLCHAIN is {other:?}; it can be `rustup` or `debian`")),
        Err(_) => ready_rustup(examples, TARGET).map(|()| Toolchain::Rustup).or_else(|rustup| {
            say(&format!("{rustup}; trying Debian's packages"));
            ready_debian().map(|()| Toolchain::Debian).map_err(|debian| {
                format!(
                    "no compiler for {TARGET}: {rustup}; {debian}. \
                     Run `rustup target add {TARGET}` on a machine with access, or install {}",
                    DEBIAN_PACKAGES.join(" ")
                )
            })
        }),
    }
}

fn ready_rustup(examples: &Path, wanted: &str) -> Result<(), String> {
    let mut list = clean("rustup");
    list.args(["target", "list", "--installed"]).current_dir(examples);
    let listed = list.output().map_err(|cause| format!("rustup does not start ({cause})"))?;
    if String::from_utf8_lossy(&listed.stdout).lines().any(|target| target == wanted) {
        say(&format!("rustup has {wanted}"));
        return Ok(());
    }
    say(&format!("rustup target add {wanted} (at most {} s)", RUSTUP_LIMIT.as_secs()));
    let mut add = clean("rustup");
    add.args(["target", "add", wanted]).current_dir(examples);
    run(&mut add, Some(RUSTUP_LIMIT))
}

fn ready_debian() -> Result<(), String> {
    let missing: Vec<&str> = DEBIAN_PACKAGES.into_iter().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        say("Debian's packages are installed");
        return Ok(());
    }
    say(&format!("apt-get install {}", missing.join(" ")));
    run(apt().args(["update", "-q"]), Some(APT_LIMIT))?;
    run(apt().args(["install", "-q", "-y", "--no-install-recommends"]).args(missing), Some(APT_LIMIT))
}

fn installed(package: &str) -> bool {
    let mut query = clean("dpkg-query");
    let output = query.args(["-W", "-f", "${Status}", package]).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.ends_with(b" installed"))
}

/// Builds the examples in one form and returns the folder with the modules.
fn compile(toolchain: Toolchain, root: &Path, examples: &Path, form: Form) -> Result<PathBuf, String> {
    // Each way to build has its own folder, so that changing between them does not throw the other's work away.
    let (mut cargo, mut target) = match toolchain {
        Toolchain::Rustup => (clean("cargo"), examples.join("target")),
        Toolchain::Debian => (debian_cargo(), examples.join("target/debian")),
    };
    let mut flags = if toolchain == Toolchain::Debian { DEBIAN_LINK_FLAGS.to_owned() } else { String::new() };
    let (triple, packages) = match form {
        Form::Core => (TARGET, vec!["--workspace"]),
        Form::Component => (COMPONENT_TARGET, vec!["--workspace", "--exclude", KERNELS]),
        Form::Vector => {
            target.push("simd");
            flags.push_str(" -Ctarget-feature=+simd128");
            (TARGET, vec!["--package", KERNELS])
        }
    };
    flags.push_str(&format!(" {}", remap(root)));
    cargo
        .args(["build", "--release", "--locked", "--quiet", "--target", triple, "--target-dir"])
        .arg(&target)
        .args(packages)
        .current_dir(examples)
        .env(format!("CARGO_TARGET_{}_RUSTFLAGS", triple.replace('-', "_").to_uppercase()), flags.trim());
    run(&mut cargo, None)
        .map_err(|cause| format!("building examples/ failed ({cause}); the compiler's reason is above"))?;
    Ok(target.join(triple).join("release"))
}

/// Debian ships no standard library for wasm, so it is built along; that switch is meant for nightly compilers.
fn debian_cargo() -> Command {
    let mut cargo = clean(DEBIAN_CARGO);
    cargo
        .args(["-Z", "build-std=std,panic_abort"])
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_WASIP1_LINKER", DEBIAN_LINKER)
        // The outer cargo puts the libraries of its own compiler first.
        .env_remove("LD_LIBRARY_PATH");
    cargo
}

/// Panic messages name source files: without this a module would carry, and its digest depend on, local folders.
fn remap(root: &Path) -> String {
    let mut flags = format!("--remap-path-prefix={}=/brizo", root.display());
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    if let Ok(home) = home {
        flags.push_str(&format!(" --remap-path-prefix={home}=/cargo"));
    }
    flags
}

/// Copies the modules to their stable names; one that did not change keeps its time.
fn collect(built: &Path, guests: &Path, modules: &[(&str, &str)]) -> Result<(), String> {
    fs::create_dir_all(guests).map_err(|cause| format!("cannot make {}: {cause}", guests.display()))?;
    for (from, to) in modules {
        let (from, to) = (built.join(from), guests.join(to));
        let module = fs::read(&from).map_err(|cause| format!("cannot read {}: {cause}", from.display()))?;
        if fs::read(&to).is_ok_and(|old| old == module) {
            say(&format!("{} is unchanged", to.display()));
            continue;
        }
        fs::write(&to, &module).map_err(|cause| format!("cannot write {}: {cause}", to.display()))?;
        say(&format!("{} ({} bytes)", to.display(), module.len()));
    }
    Ok(())
}

fn say(step: &str) {
    println!("guests: {step}");
}
