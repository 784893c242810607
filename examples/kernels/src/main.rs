//! Workloads for measuring: `kernels NAME [N]` prints one line, `NAME N CHECKSUM`.
//!
//! Natively and in the sandbox it is the same program, so the two lines must be equal and the two times can be divided.
//! `N` is the size; without it a workload takes 50 to 200 ms natively. Words before the name are skipped, because a
//! host may put the paths of its volumes first.

mod collections;
mod float;
mod integer;
mod io;
mod random;
mod sha256;
mod text;

use std::process::ExitCode;

/// One workload: its name, its size by default, what it does, and the function from the size to a checksum.
struct Kernel(&'static str, u64, &'static str, fn(u64) -> u64);

const MENU: [Kernel; 13] = [
    Kernel("sha256", 32 << 20, "hash N bytes, in plain Rust", sha256::run),
    Kernel("nbody", 3_000_000, "N steps of five planets", float::nbody),
    Kernel("matmul", 512, "multiply two N×N matrices of f64, three times", float::matmul),
    Kernel("floats_mix", 30_000_000, "roots, quotients, least, greatest, choices", float::mix),
    Kernel("sieve", 80_000_000, "primes below N", integer::sieve),
    Kernel("fib", 37, "Fibonacci by recursion", integer::fib),
    Kernel("interp", 4_000_000, "N rounds of a program in a bytecode of its own", integer::interpret),
    Kernel("memory", 1_200, "N rounds of copying and filling 4 MiB", integer::memory),
    Kernel("sort", 4_000_000, "sort N numbers", collections::sort),
    Kernel("btree", 400_000, "put N keys in a tree, look them up, take half out", collections::btree),
    Kernel("strings", 1_200_000, "make, split and drop N short strings", collections::strings),
    Kernel("csv", 240_000, "make a table of N rows and read it", text::csv),
    Kernel("json", 60_000, "make a document of N records, read and print it", text::json),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_name = |word: &String| ["read", "copy", "list"].contains(&word.as_str()) || kernel(word).is_some();
    let Some(at) = words.iter().position(is_name) else { return menu() };
    match (words[at].as_str(), &words[at + 1..]) {
        ("read", [file, rest @ ..]) => io::read(file, rest.first().map(String::as_str)),
        ("copy", [from, to, rest @ ..]) => io::copy(from, to, rest.first().map(String::as_str)),
        ("list", [folder, ..]) => io::list(folder),
        (name, rest) => match (kernel(name), rest.first().map(|size| size.parse())) {
            (Some(Kernel(_, size, _, run)), None) => print(name, *size, run(*size)),
            (Some(Kernel(_, _, _, run)), Some(Ok(size))) => print(name, size, run(size)),
            _ => menu(),
        },
    }
}

fn kernel(name: &str) -> Option<&'static Kernel> {
    MENU.iter().find(|kernel| kernel.0 == name)
}

fn print(name: &str, size: u64, checksum: u64) -> ExitCode {
    println!("{name} {size} {checksum:016x}");
    ExitCode::SUCCESS
}

fn menu() -> ExitCode {
    println!("kernels NAME [N]");
    for Kernel(name, size, what, _) in &MENU {
        println!("  {name:10} {size:>10}  {what}");
    }
    println!("kernels read FILE [BYTES]   read a file, BYTES at a time (65536)");
    println!("kernels copy FROM TO [ROUNDS]   copy a file, with ROUNDS of work over each 64 KiB");
    println!("kernels list FOLDER         list a folder and look at each entry");
    ExitCode::from(2)
}

/// Stirs a value into a checksum, so that its place counts too.
fn stir(checksum: u64, value: u64) -> u64 {
    (checksum.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sandbox must print the same, so a change of these numbers is a change of every measurement's meaning.
    #[test]
    fn every_workload_gives_what_it_always_gave() {
        for (Kernel(name, _, _, run), expected) in MENU.iter().zip(EXPECTED) {
            assert_eq!(run(SMALL), expected, "{name}");
        }
    }

    const SMALL: u64 = 20;
    const EXPECTED: [u64; 13] = [
        0xe7ae_bf57_7f60_412f,
        0xea1f_4e78_cef9_0b3b,
        0x8f81_fce5_b2c1_0729,
        0x5b3a_8ab6_1ad6_9bbb,
        0x0000_0000_0000_0008,
        0x0000_0000_0000_1a6d,
        0xebd3_1920_f86d_a8a1,
        0x1557_22eb_9b61_e9f2,
        0xc14a_9962_81bb_2010,
        0x4660_201c_0fee_a68f,
        0x9a81_119b_4bc9_9508,
        0x15fe_36ff_1309_e91f,
        0xf7a2_dbc9_e88a_6603,
    ];
}
