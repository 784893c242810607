//! Whole numbers: stores in a wide stride, calls, a jump table, and moves of memory.

use std::hint::black_box;

use crate::stir;

/// Eratosthenes, a byte per odd number.
pub fn sieve(end: u64) -> u64 {
    let half = (end / 2) as usize;
    let mut composite = vec![false; half];
    let mut at = 1;
    while (2 * at + 1) * (2 * at + 1) < 2 * half {
        if !composite[at] {
            let step = 2 * at + 1;
            let mut multiple = step * step / 2;
            while multiple < half {
                composite[multiple] = true;
                multiple += step;
            }
        }
        at += 1;
    }
    composite.iter().filter(|composite| !**composite).count() as u64
}

/// The `n`th number, by as many calls.
#[inline(never)]
pub fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

/// An instruction of the machine below: a code and three numbers of registers.
type Instruction = [u8; 4];

/// What [`interpret`] runs: registers 0 and 1 count, the others are stirred until the count is up.
const PROGRAM: [Instruction; 14] = [
    [0, 2, 2, 3],
    [1, 4, 2, 5],
    [5, 5, 4, 0],
    [2, 6, 6, 4],
    [7, 3, 6, 3],
    [3, 7, 5, 6],
    [6, 8, 7, 2],
    [11, 7, 1, 0],
    [4, 2, 2, 8],
    [9, 9, 2, 4],
    [8, 10, 9, 7],
    [10, 3, 10, 0],
    [12, 0, 11, 0],
    [13, 0, 1, 0],
];

/// Interprets a small program for `rounds` turns: one jump table and a few loads per instruction.
pub fn interpret(rounds: u64) -> u64 {
    // An optimiser that knows the program would compile it instead of interpreting it.
    let program = black_box(PROGRAM);
    let mut registers = [0u64; 16];
    for (at, register) in registers.iter_mut().enumerate().skip(2) {
        *register = 0x1234_5678_9abc_def1u64.rotate_left(at as u32 * 7);
    }
    (registers[1], registers[11]) = (rounds, 1);
    let mut at = 0;
    while let Some([code, to, from, with]) = program.get(at) {
        let (to, from, with) = (*to as usize & 15, *from as usize & 15, *with as usize & 15);
        let (x, y) = (registers[from], registers[with]);
        at += 1;
        match code {
            0 => registers[to] = x.wrapping_add(y),
            1 => registers[to] = x ^ y,
            2 => registers[to] = x.wrapping_mul(y | 1),
            3 => registers[to] = x.wrapping_sub(y),
            4 => registers[to] = x | (y >> 3),
            5 => registers[to] = x.rotate_left(11),
            6 => registers[to] = x >> (y & 31),
            7 => registers[to] = x & !y,
            8 => registers[to] = u64::from(x < y),
            9 => registers[to] = x.wrapping_add(y.count_ones().into()),
            10 => registers[to] ^= x.wrapping_shl(5),
            // Skips the next instruction on an odd value.
            11 => at += (registers[to] & 1) as usize,
            12 => registers[to] = registers[to].wrapping_add(x),
            // Begins again until the first register has reached the second.
            13 if registers[to] < x => at = 0,
            _ => return registers.iter().fold(0, |sum, x| stir(sum, *x)),
        }
    }
    0
}

/// Copies and fills of all sizes up to 4 MiB.
pub fn memory(rounds: u64) -> u64 {
    const SIZE: usize = 4 << 20;
    let (mut one, mut other) = (vec![1u8; SIZE], vec![2u8; SIZE]);
    let mut sum = 0;
    for round in 0..rounds {
        let length = SIZE >> (round % 3);
        other[..length].copy_from_slice(&one[SIZE - length..]);
        one[length / 2..length].fill(round as u8);
        other.copy_within(..length / 2, SIZE - length / 2);
        black_box((&mut one, &mut other));
        sum = stir(sum, u64::from(other[SIZE - 1]) << 8 | u64::from(one[length - 1]));
    }
    sum
}
