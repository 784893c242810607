//! Clocks, and rounds in which everything that is compared takes its turn.
//!
//! A machine slows down and speeds up by a tenth from one second to the next, and two numbers from two runs say little
//! about each other. So all that is compared runs in each round, in a turning order, and a ratio is the median of the
//! rounds' ratios, or, of computing alone, the least time by the least.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail};

/// Seconds that one turn took.
pub(crate) type Turn<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

/// What all rounds gave: a list of seconds for each contestant.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Vec<f64>>);

/// Runs every contestant once to warm up, and then once in each of `rounds` rounds.
pub(crate) fn interleaved(rounds: usize, contestants: &mut [Turn<'_>]) -> Result<Samples> {
    let mut samples = vec![Vec::with_capacity(rounds); contestants.len()];
    for contestant in contestants.iter_mut() {
        contestant()?;
    }
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            // Nobody always follows the same neighbour, who may have left the caches in a certain state.
            let at = (turn + round) % contestants.len();
            samples[at].push(contestants[at]()?);
        }
    }
    Ok(Samples(samples))
}

impl Samples {
    /// What was measured elsewhere: a list of seconds for each contestant, all of the same length.
    pub(crate) fn of(seconds: Vec<Vec<f64>>) -> Self {
        Self(seconds)
    }

    /// Adds the rounds of another turn of the same contestants.
    pub(crate) fn append(&mut self, more: Self) {
        if self.0.is_empty() {
            *self = more;
        } else {
            self.0.iter_mut().zip(more.0).for_each(|(all, more)| all.extend(more));
        }
    }

    /// Median of one contestant, in seconds.
    pub(crate) fn median(&self, of: usize) -> f64 {
        median(self.0[of].clone())
    }

    /// Median over the rounds of one contestant's time by another's.
    pub(crate) fn ratio(&self, of: usize, to: usize) -> f64 {
        median(self.0[of].iter().zip(&self.0[to]).map(|(one, other)| one / other).collect())
    }

    /// Least time of one contestant, in seconds.
    pub(crate) fn least(&self, of: usize) -> f64 {
        self.0[of].iter().copied().fold(f64::NAN, f64::min)
    }

    /// Least time of one contestant by the least of another. For computing that is the same in each round: whatever disturbs it
    /// makes it slower, so the least is the least disturbed, and moves less from run to run than a median does.
    pub(crate) fn least_ratio(&self, of: usize, to: usize) -> f64 {
        self.least(of) / self.least(to)
    }
}

/// The middle value; of none, not a number.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len(), values.get(values.len() / 2)) {
        (_, None) => f64::NAN,
        (length, Some(upper)) if length % 2 == 1 => *upper,
        (length, Some(upper)) => f64::midpoint(values[length / 2 - 1], *upper),
    }
}

/// Geometric mean: ratios multiply.
pub(crate) fn geomean(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp()
}

/// Seconds of processor time that `work` took in this process, on all its threads.
pub(crate) fn cpu<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let before = own_cpu()?;
    let result = work()?;
    Ok((own_cpu()? - before, result))
}

/// Seconds of processor time that this process has used until now, on all its threads.
pub(crate) fn own_cpu() -> Result<f64> {
    used(libc::RUSAGE_SELF)
}

/// Seconds by the clock.
pub(crate) fn wall<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = Instant::now();
    let result = work()?;
    Ok((began.elapsed().as_secs_f64(), result))
}

/// Runs a program; processor time that it took, with its start, and what it printed.
pub(crate) fn child(command: &mut Command) -> Result<(f64, String)> {
    let before = used(libc::RUSAGE_CHILDREN)?;
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let took = used(libc::RUSAGE_CHILDREN)? - before;
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    Ok((took, String::from_utf8(output.stdout)?))
}

/// Processor time of this process, or of its children that have ended.
fn used(who: libc::c_int) -> Result<f64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call writes the whole structure when it succeeds, and it is read only then.
    let usage = unsafe {
        if libc::getrusage(who, usage.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}
