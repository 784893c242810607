//! The menu, and how an attack ends.

use crate::{crowd, escape, flood, observe, pointers, spin, trap, volumes};

/// What an attack found out.
pub enum Finding {
    /// The sandbox held; the text says how.
    Held(String),
    /// The guest did what it must not be able to do.
    Escaped(String),
}

pub use Finding::{Escaped, Held};

struct Attack {
    name: &'static str,
    what: &'static str,
    run: fn(&[String]) -> Finding,
}

const fn attack(name: &'static str, what: &'static str, run: fn(&[String]) -> Finding) -> Attack {
    Attack { name, what, run }
}

/// Every attack there is.
const MENU: &[Attack] = &[
    attack("loop", "print its arguments, if there are any, and compute for ever", spin::endless),
    attack("loop-host-calls", "ask for random bytes and the time for ever", spin::host_calls),
    attack("recurse", "call itself for ever, so that no loop can stand for it", spin::recurse),
    attack("grow-memory", "grow until refused, then trap", spin::grow_memory),
    attack("grow-and-handle", "grow until refused, then end well", spin::grow_and_handle),
    attack("flood-output", "write to one file without end", flood::output),
    attack("flood-files", "create files without end", flood::files),
    attack("flood-stdout", "print without end", flood::stdout),
    attack("deep-dirs", "nest directories without end", flood::deep_dirs),
    attack("sparse", "claim huge files with little writing", flood::sparse),
    attack("descriptors", "open one file without end", crowd::descriptors),
    attack("long-names", "names and paths of up to a megabyte", crowd::long_names),
    attack("unlink-open", "fill a file that has no name any more", crowd::unlink_open),
    attack("rename-across", "rename from volume to volume, and a folder into itself", crowd::rename_across),
    attack("churn", "make and remove a file a million times", crowd::churn),
    attack("breathe", "make a file long and short a million times", crowd::breathe),
    attack("threads", "start a thousand threads", crowd::threads),
    attack("sleep", "sleep for a century", crowd::sleep),
    attack("readdir-storm", "list the inputs 10,000 times", flood::readdir_storm),
    attack("trap-unreachable", "execute `unreachable`", trap::unreachable),
    attack("trap-div0", "divide by zero", trap::div0),
    attack("trap-oob", "read beyond the memory", trap::oob),
    attack("exit", "end with exit code N", trap::exit),
    attack("escape-dotdot", "open files above the volumes", escape::dotdot),
    attack("escape-absolute", "open files by absolute path", escape::absolute),
    attack("escape-symlink", "make links that lead out", escape::symlink),
    attack("write-input", "create, change, rename, delete inputs", volumes::write_input),
    attack("bad-pointers", "pass the host addresses beyond the memory", pointers::bad_pointers),
    attack("big-args", "count the arguments and variables it was given", observe::big_args),
    attack("clock-random", "look for time, randomness and addresses", observe::clock_random),
    attack("nan", "look at the bits of not-a-number", observe::nan),
    attack("list", "print the whole tree with sizes, inodes and times", volumes::list),
];

/// Runs the attack that argument 3 names.
pub fn serve() {
    // The buffer of stdout is made now: after `grow-memory` there is no room for it.
    let _ = std::io::stdout();
    let words: Vec<String> = std::env::args().collect();
    let name = words.get(3).map_or("", String::as_str);
    let Some(attack) = MENU.iter().find(|attack| attack.name == name) else {
        println!("no attack {name:?}; the menu:");
        for attack in MENU {
            println!("  {:17} {}", attack.name, attack.what);
        }
        std::process::exit(2);
    };
    match (attack.run)(&words[4..]) {
        Held(how) => println!("{name}: {how}"),
        Escaped(how) => {
            println!("{name}: escaped! {how}");
            std::process::exit(66);
        }
    }
}
