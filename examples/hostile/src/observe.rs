//! Looking for what differs between two runs: it would make results unrepeatable, or carry secrets.

use crate::menu::{Finding, Held};
use crate::wasi::raw;
use std::collections::HashMap;
use std::hint::black_box;

pub fn big_args(_: &[String]) -> Finding {
    let [mut args, mut arg_bytes, mut variables, mut variable_bytes] = [0usize; 4];
    // SAFETY: four addresses of live values.
    unsafe {
        raw::args_sizes_get(&mut args, &mut arg_bytes);
        raw::environ_sizes_get(&mut variables, &mut variable_bytes);
    }
    Held(format!("{args} arguments of {arg_bytes} bytes, {variables} variables of {variable_bytes} bytes"))
}

pub fn clock_random(_: &[String]) -> Finding {
    for id in 0..4 {
        let readings: [String; 3] = std::array::from_fn(|_| clock(id));
        println!("clock-random: clock {id}: {}", readings.join(" "));
    }
    let mut bytes = [0u8; 16];
    // SAFETY: address and length of a live buffer.
    unsafe { raw::random_get(bytes.as_mut_ptr() as usize, bytes.len()) };
    println!("clock-random: random {bytes:02x?}");
    let map: HashMap<u32, ()> = (0..10).map(|key| (key, ())).collect();
    println!("clock-random: map order {:?}", map.keys().collect::<Vec<_>>());
    let (on_stack, on_heap) = (0u8, Box::new(0u8));
    Held(format!("stack {:p} heap {:p}", &on_stack, &*on_heap))
}

fn clock(id: u32) -> String {
    let (mut time, mut resolution) = (0, 0);
    // SAFETY: the addresses of live values.
    let errnos = unsafe { (raw::clock_time_get(id, 0, &mut time), raw::clock_res_get(id, &mut resolution)) };
    match errnos {
        (0, 0) => format!("{time} (resolution {resolution})"),
        (errno, _) => format!("errno {errno}"),
    }
}

/// Each of these may give any NaN by the standard; a profile has to choose one.
pub fn nan(_: &[String]) -> Finding {
    let zero = black_box(0.0f64);
    let odd = black_box(f64::from_bits(0xfff4_0000_dead_beef));
    let results = [
        ("0/0", zero / black_box(0.0)),
        ("sqrt(-1)", black_box(-1.0f64).sqrt()),
        ("inf-inf", black_box(f64::INFINITY) - black_box(f64::INFINITY)),
        ("odd+1", odd + black_box(1.0)),
        ("odd*odd2", odd * black_box(f64::from_bits(0x7ff8_0000_0000_0001))),
        ("-odd", -odd),
        ("floor(odd)", odd.floor()),
    ];
    let said = results.map(|(what, value)| format!("{what} {:016x}", value.to_bits()));
    Held(format!("{}, demoted {:08x}", said.join(", "), black_box(odd as f32).to_bits()))
}
