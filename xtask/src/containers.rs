//! What the tests of containers need: an engine, and the parts of their images. Where Debian's packages cannot be had, the
//! tests are skipped, and say so.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::command::{APT_LIMIT, apt, ask, clean, clean_in, run};

/// Where the parts lie, below the repository; engines started by tests keep their data beside them.
const PLACE: &str = "target/containers";
/// Where Debian puts the engine.
const ENGINE: &str = "/usr/sbin/dockerd";
/// Unpacking a package of 1 MB.
const UNPACK_LIMIT: Duration = Duration::from_secs(60);

/// Makes everything ready; returns what is said in the table where something could not be.
pub(crate) fn ready(root: &Path) -> Result<Option<String>, String> {
    let place = root.join(PLACE);
    fs::create_dir_all(&place).map_err(|cause| format!("{}: {cause}", place.display()))?;
    let missing = engine().and_then(|()| busybox(&place)).err();
    example(root, &place)?;
    Ok(missing.map(|cause| format!("SKIPPED, tests of containers too: {cause}")))
}

/// An engine that is named, or Debian's, installed where it is missing.
fn engine() -> Result<(), String> {
    if std::env::var_os("BRIZO_CONTAINER_SOCKET").is_some() || Path::new(ENGINE).exists() {
        return Ok(());
    }
    println!("containers: apt-get install docker.io");
    run(apt().args(["update", "-q"]), Some(APT_LIMIT))?;
    run(apt().args(["install", "-q", "-y", "--no-install-recommends", "docker.io"]), Some(APT_LIMIT))
}

/// Debian's static busybox, unpacked and not installed: it would put another one out of its place.
fn busybox(place: &Path) -> Result<(), String> {
    let file = place.join("busybox");
    if file.is_file() {
        return Ok(());
    }
    let folder = place.join("package");
    fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    println!("containers: apt-get download busybox-static");
    run(
        clean_in(&folder, "apt-get", &["-q", "download", "busybox-static"]).env("LC_ALL", "C"),
        Some(APT_LIMIT),
    )?;
    let packages = fs::read_dir(&folder).map_err(|cause| cause.to_string())?;
    let mut packages = packages.flatten().map(|entry| entry.path());
    let package = packages.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let package = package.ok_or("apt-get downloaded no package")?;
    run(clean("dpkg").arg("-x").args([&package, &folder]), Some(UNPACK_LIMIT))?;
    let unpacked = ["bin/busybox", "usr/bin/busybox"].map(|path| folder.join(path));
    let unpacked = unpacked.iter().find(|path| path.is_file()).ok_or("the package has no busybox")?;
    fs::copy(unpacked, &file).map(drop).map_err(|cause| format!("{}: {cause}", file.display()))
}

/// The grouped aggregate as a program that needs no library of the system it runs on.
fn example(root: &Path, place: &Path) -> Result<(), String> {
    let version = ask(clean("rustc").arg("-vV")).ok_or("rustc does not start")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| format!("rustc does not say for which {ARCH} system it is"))?;
    let mut build =
        clean_in(&root.join("examples"), "cargo", &["build", "--release", "--locked", "--target", host]);
    build.args(["--package", "group-aggregate"]).env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(&mut build, None)?;
    let built = root.join("examples/target").join(host).join("release/group-aggregate");
    let file = place.join("group-aggregate");
    fs::copy(&built, &file).map(drop).map_err(|cause| format!("{}: {cause}", built.display()))
}
