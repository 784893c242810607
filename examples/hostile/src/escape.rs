//! Getting out of the volumes by path. `std` resolves paths itself, so the host is asked directly as well.

use crate::menu::{Escaped, Finding, Held};
use crate::wasi::{self, Answer, FOLLOW, Fd, O_DIRECTORY, RIGHTS_LOOK};
use std::fs;

const SECRET: &str = "etc/passwd";

/// Tries each path below each volume, as file and as directory, with and without following links.
fn try_paths(paths: &[String]) -> Finding {
    let mut tried = 0;
    for (fd, volume) in wasi::preopens() {
        for path in paths {
            for (lookup, oflags) in [(0, 0), (FOLLOW, 0), (FOLLOW, O_DIRECTORY)] {
                tried += 1;
                if let Ok(opened) = wasi::open(fd, lookup, path, oflags, RIGHTS_LOOK) {
                    wasi::close(opened);
                    return Escaped(format!("opened {path:?} from {volume}"));
                }
            }
            if wasi::stat(fd, path).is_ok() {
                return Escaped(format!("saw {path:?} from {volume}"));
            }
        }
    }
    Held(format!("refused ({tried} attempts)"))
}

fn through_std(paths: &[String]) -> Finding {
    for path in paths {
        if fs::read(path).is_ok() || fs::read_dir(path).is_ok() {
            return Escaped(format!("std opened {path:?}"));
        }
    }
    Held(String::new())
}

pub fn dotdot(_: &[String]) -> Finding {
    // So that a path can go through something that exists.
    let _ = fs::create_dir("/data/outputs/sub");
    let ups = [
        "../..",
        "../../..",
        "./../..",
        "..//..",
        "sub/../../..",
        ".././..",
        "sub/../sub/../../..",
        "../../../../../../..",
    ];
    let mut paths: Vec<String> =
        ups.iter().flat_map(|up| [(*up).to_owned(), format!("{up}/{SECRET}")]).collect();
    paths.extend(
        ["..", "../", "../.", "sub/../..", "..\\..\\etc\\passwd", "..\0/etc", "%2e%2e/%2e%2e/etc/passwd"]
            .map(str::to_owned),
    );
    let volumes = ["/data/inputs", "/data/outputs", "/data/algorithm"];
    let absolute: Vec<String> =
        volumes.iter().flat_map(|volume| ups.map(|up| format!("{volume}/{up}/{SECRET}"))).collect();
    match through_std(&absolute) {
        Held(_) => try_paths(&paths),
        escaped => escaped,
    }
}

pub fn absolute(_: &[String]) -> Finding {
    let paths = [
        "/etc/passwd",
        "//etc/passwd",
        "/./etc/passwd",
        "/",
        "/etc",
        "/proc/self/environ",
        "/dev/null",
        "/tmp",
        "/data/inputs",
    ];
    let paths = paths.map(str::to_owned);
    // The last is open to `std`, which finds the volume by its name; to the host an absolute path never is.
    match through_std(&paths[..paths.len() - 1]) {
        Held(_) => try_paths(&paths),
        escaped => escaped,
    }
}

pub fn symlink(_: &[String]) -> Finding {
    let (Ok(inputs), Ok(outputs)) = (wasi::preopen("/data/inputs"), wasi::preopen("/data/outputs")) else {
        return Held("no volumes".into());
    };
    let mut made = 0;
    for (number, target) in ["/etc/passwd", "../../etc/passwd", "../inputs", "/", ".."].iter().enumerate() {
        let name = format!("link{number}");
        made += u32::from(wasi::symlink(target, outputs, &name).is_ok());
        if leads_somewhere(outputs, &name) || leads_somewhere(outputs, &format!("{name}/{SECRET}")) {
            return Escaped(format!("followed a symlink to {target}"));
        }
    }
    match hard_link(inputs, outputs) {
        Ok(name) => Escaped(format!("made a hard link to {name}")),
        Err(_) => Held(format!("refused ({made} symlinks made, none followed)")),
    }
}

fn leads_somewhere(outputs: Fd, name: &str) -> bool {
    let opened = [0, O_DIRECTORY].map(|oflags| wasi::open(outputs, FOLLOW, name, oflags, RIGHTS_LOOK));
    opened.iter().any(Answer::is_ok)
}

/// A hard link of an input inside the outputs would be an input that can be written.
fn hard_link(inputs: Fd, outputs: Fd) -> Answer<String> {
    let files = wasi::list(inputs)?;
    let names = files.into_iter().map(|(name, ..)| name).filter(|name| !name.starts_with('.'));
    let mut last = Err(0);
    for name in names.chain(["../../etc/passwd".to_owned(), "/etc/passwd".to_owned()]) {
        // Some hosts refuse every link that follows, so the plain kind is tried first.
        last = wasi::link(inputs, 0, &name, outputs, "hard")
            .or_else(|_| wasi::link(inputs, FOLLOW, &name, outputs, "hard"))
            .map(|()| name);
        if last.is_ok() {
            break;
        }
    }
    last
}
