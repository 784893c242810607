//! What ordinary programs do most: sort, look up, allocate.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::random::Random;
use crate::stir;

/// Sorts `count` numbers.
pub fn sort(count: u64) -> u64 {
    let mut random = Random::new();
    let mut numbers: Vec<u64> = (0..count).map(|_| random.next()).collect();
    numbers.sort_unstable();
    numbers.iter().step_by(997).fold(0, |sum, x| stir(sum, *x))
}

/// Puts `count` keys into a tree, looks for twice as many, takes half of them out.
pub fn btree(count: u64) -> u64 {
    let mut random = Random::new();
    let mut tree = BTreeMap::new();
    let range = 4 * count.max(1);
    for number in 0..count {
        tree.insert(random.next() % range, number);
    }
    let mut sum = 0;
    for _ in 0..2 * count {
        sum = stir(sum, tree.get(&(random.next() % range)).copied().unwrap_or(1));
    }
    tree.retain(|key, _| key % 2 == 0);
    tree.iter().fold(sum, |sum, (key, value)| stir(sum, key ^ value))
}

/// Makes, joins, splits and drops `count` short strings, a thousand alive at a time.
pub fn strings(count: u64) -> u64 {
    let mut random = Random::new();
    let mut alive: Vec<String> = vec![String::new(); 1000];
    let mut sum = 0;
    for _ in 0..count {
        let number = random.next();
        let at = (number % 1000) as usize;
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{}-{:x}", number >> 40, number & 0xffff);
        let old = std::mem::replace(&mut alive[at], text);
        let words: Vec<String> = old.split('-').map(str::to_owned).collect();
        sum = stir(sum, words.iter().map(|word| word.len() as u64).sum());
    }
    alive.iter().flat_map(|text| text.bytes()).fold(sum, |sum, byte| stir(sum, byte.into()))
}
