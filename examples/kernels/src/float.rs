//! Floating point: a latency-bound chain, a throughput-bound loop, and the operations that a NaN can come out of.

use crate::random::Random;
use crate::stir;

const PI: f64 = std::f64::consts::PI;
const SOLAR_MASS: f64 = 4.0 * PI * PI;
const YEAR: f64 = 365.24;

/// Position, velocity, mass.
#[derive(Clone, Copy)]
struct Body([f64; 3], [f64; 3], f64);

#[expect(clippy::excessive_precision, reason = "the digits as they were published")]
const BODIES: [Body; 5] = [
    Body([0.0; 3], [0.0; 3], SOLAR_MASS),
    Body(
        [4.84143144246472090e0, -1.16032004402742839e0, -1.03622044471123109e-1],
        [1.66007664274403694e-3 * YEAR, 7.69901118419740425e-3 * YEAR, -6.90460016972063023e-5 * YEAR],
        9.54791938424326609e-4 * SOLAR_MASS,
    ),
    Body(
        [8.34336671824457987e0, 4.12479856412430479e0, -4.03523417114321381e-1],
        [-2.76742510726411390e-3 * YEAR, 4.99852801234917238e-3 * YEAR, 2.30417297573763929e-5 * YEAR],
        2.85885980666130812e-4 * SOLAR_MASS,
    ),
    Body(
        [1.28943695621391310e1, -1.51111514016986312e1, -2.23307578892655734e-1],
        [2.96460137564761618e-3 * YEAR, 2.37847173959480950e-3 * YEAR, -2.96589568540237556e-5 * YEAR],
        4.36624404335156298e-5 * SOLAR_MASS,
    ),
    Body(
        [1.53796971148509165e1, -2.59193146099879641e1, 1.79258772950371181e-1],
        [2.68067772490389322e-3 * YEAR, 1.62824170038242295e-3 * YEAR, -9.51592254519715870e-5 * YEAR],
        5.15138902046611451e-5 * SOLAR_MASS,
    ),
];

/// The known benchmark: the sun and four planets.
pub fn nbody(steps: u64) -> u64 {
    let mut bodies = BODIES;
    for _ in 0..steps {
        advance(&mut bodies, 0.01);
    }
    bodies.iter().flat_map(|body| body.0).fold(0, |sum, x| stir(sum, x.to_bits()))
}

fn advance(bodies: &mut [Body; 5], step: f64) {
    for i in 0..5 {
        for j in i + 1..5 {
            let (one, other) = (bodies[i], bodies[j]);
            let apart: [f64; 3] = std::array::from_fn(|k| one.0[k] - other.0[k]);
            let square = apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2];
            let pull = step / (square * square.sqrt());
            for (k, apart) in apart.into_iter().enumerate() {
                bodies[i].1[k] -= apart * other.2 * pull;
                bodies[j].1[k] += apart * one.2 * pull;
            }
        }
    }
    for Body(place, speed, _) in bodies {
        for k in 0..3 {
            place[k] += step * speed[k];
        }
    }
}

/// The plain three loops, in the order that a compiler can turn into SIMD.
pub fn matmul(size: u64) -> u64 {
    let size = size as usize;
    let mut random = Random::new();
    let mut matrix = || (0..size * size).map(|_| random.unit()).collect::<Vec<f64>>();
    let (a, b, mut c) = (matrix(), matrix(), vec![0.0; size * size]);
    // Row by row, three times over: once takes too little time to measure.
    for i in (0..size).cycle().take(3 * size) {
        let row = &mut c[i * size..][..size];
        for k in 0..size {
            let factor = a[i * size + k];
            for (sum, x) in row.iter_mut().zip(&b[k * size..][..size]) {
                *sum += factor * x;
            }
        }
    }
    c.iter().fold(0, |sum, x| stir(sum, x.to_bits()))
}

/// Roots, quotients, extremes, rounding and choices, over numbers that are sometimes not a number.
pub fn mix(rounds: u64) -> u64 {
    let mut random = Random::new();
    let numbers: [f64; 1024] = std::array::from_fn(|_| random.unit() * 8.0 - 1.0);
    let (mut least, mut greatest, mut sum, mut odd) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0u64);
    for round in 0..rounds {
        let (x, y) = (numbers[(round & 1023) as usize], numbers[((round * 7) & 1023) as usize]);
        // The root of a negative number is a NaN, and the comparisons below have to get round it.
        let (root, quotient) = (x.sqrt(), y / (x + 1.5));
        least = if root < least { root } else { least };
        greatest = if quotient > greatest { quotient } else { greatest };
        let chosen = if x > y { quotient } else { root.abs() };
        let whole = chosen.floor();
        sum += if chosen.is_nan() { x.copysign(y) } else { f64::min(chosen - whole, 0.75).max(0.25) };
        odd += u64::from(whole.ceil() != whole.trunc());
    }
    [least, greatest, sum].iter().fold(odd, |sum, x| stir(sum, x.to_bits()))
}
