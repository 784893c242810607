//! A guest with a menu of attacks: `hostile IN OUT ATTACK [WORD…]`. For tests of the sandbox.
//!
//! Each attack prints one line that begins with its name and says what it observed. Exit codes: 0 the attack was
//! refused (or only observed something), 66 it got out, 2 there is no such attack; an attack that should end by a trap
//! or a limit ends so, and when it is refused cleanly it ends with 0.

#[cfg(target_family = "wasm")]
mod crowd;
#[cfg(target_family = "wasm")]
mod escape;
#[cfg(target_family = "wasm")]
mod flood;
#[cfg(target_family = "wasm")]
mod menu;
#[cfg(target_family = "wasm")]
mod observe;
#[cfg(target_family = "wasm")]
mod pointers;
#[cfg(target_family = "wasm")]
mod spin;
#[cfg(target_family = "wasm")]
mod trap;
#[cfg(target_family = "wasm")]
mod volumes;
#[cfg(target_family = "wasm")]
mod wasi;

#[cfg(target_family = "wasm")]
fn main() {
    menu::serve()
}

/// Filling the disk of the machine that builds it would prove nothing.
#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("hostile runs only inside a sandbox: build it for wasm32-wasip1");
    std::process::exit(2);
}
