//! How far an algorithm is, as lines on standard error that a host can pick out.
//!
//! The protocol is one line, `brizo:progress FRACTION MESSAGE`: the fraction of the work that is done, from `0.00` to
//! `1.00` with two decimals; then, after one space, a message of at most [`MESSAGE_BYTES_MAX`] bytes without control
//! characters, which may be absent. Fractions never fall. Any other line is ordinary log.
//!
//! The lines are part of the job's log and so of its receipt: report at points that the data decide, every thousand
//! rows, say, and never by a clock. What the fraction shows, it shows to whoever may see it: let it follow the position
//! in the input, not what was found there.

use std::fmt;

/// How a progress line begins.
pub const PREFIX: &str = "brizo:progress ";

/// Most bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 200;

/// One report: how much of the work is done, and what is being done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Hundredths of the work, 0 to 100.
    pub percent: u8,
    /// What is being done; may be empty.
    pub message: String,
}

impl Progress {
    /// A report; fractions beyond 0 to 1 count as the nearer end, one that is not a number as 0, and a message is made
    /// to fit the protocol.
    pub fn new(fraction: f64, message: &str) -> Self {
        let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let message = message.trim();
        let mut end = message.len().min(MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        // Rounded down: 100 is said only of work that is done. The cast takes what is not a number to 0.
        let percent = (fraction.clamp(0.0, 1.0) * 100.0 + 1e-9) as u8;
        Self { percent, message: message[..end].trim_end().to_owned() }
    }

    /// Reads a line of the log (without its end); nothing where it is no progress line to the letter.
    pub fn read(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(PREFIX)?;
        let (number, message) = match rest.split_once(' ') {
            Some((number, message)) => (number, message),
            None => (rest, ""),
        };
        let (whole, part) = number.split_once('.')?;
        let digits =
            |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 1) || !digits(part, 2) {
            return None;
        }
        let percent = whole.parse::<u8>().ok()? as u32 * 100 + part.parse::<u32>().ok()?;
        let plain = message.len() <= MESSAGE_BYTES_MAX && !message.contains(char::is_control);
        (percent <= 100 && plain).then(|| Self { percent: percent as u8, message: message.to_owned() })
    }
}

/// The line of the protocol, without its end.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.{:02}", self.percent / 100, self.percent % 100)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, " {}", self.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_and_read_back() {
        for (fraction, message, line) in [
            (0.42, "reading a.csv", "brizo:progress 0.42 reading a.csv"),
            (0.0, "", "brizo:progress 0.00"),
            (1.0, "done", "brizo:progress 1.00 done"),
            (0.999, "nearly", "brizo:progress 0.99 nearly"),
            (0.29, "", "brizo:progress 0.29"),
            (7.0, "", "brizo:progress 1.00"),
            (-1.0, "", "brizo:progress 0.00"),
            (f64::NAN, "", "brizo:progress 0.00"),
            (0.5, "two\nlines\u{1b}[1m", "brizo:progress 0.50 two lines [1m"),
        ] {
            let progress = Progress::new(fraction, message);
            assert_eq!(progress.to_string(), line);
            assert_eq!(Progress::read(line), Some(progress));
        }
        let long = Progress::new(0.1, &"é".repeat(150));
        assert_eq!(long.message.len(), MESSAGE_BYTES_MAX);
        assert_eq!(Progress::read(&long.to_string()), Some(long));
    }

    #[test]
    fn other_lines_are_ordinary_log() {
        for line in [
            "",
            "progress 0.42",
            "brizo:progress",
            "brizo:progress ",
            "brizo:progress 42",
            "brizo:progress 1.01",
            "brizo:progress 0.4 x",
            "brizo:progress +.42",
            "brizo:progress 0.42\tx",
            " brizo:progress 0.42",
            "brizo:progress 0.42 a\u{7}b",
        ] {
            assert_eq!(Progress::read(line), None, "{line:?}");
        }
        assert_eq!(Progress::read(&format!("brizo:progress 0.42 {}", "x".repeat(201))), None);
    }
}
