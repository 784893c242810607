//! The one error of this crate: a sentence for the person who reads the job's log, and the exit code it ends with.

use crate::exit;
use std::fmt;

/// What an algorithm returns; `Result` alone means success carries nothing.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// A failure as one readable line, and the exit code that says whose fault it is ([`exit`]).
///
/// Any `std` error turns into it with `?`, with all its causes. It does not implement [`std::error::Error`] itself,
/// because that is what makes the conversion from all of them possible.
pub struct Error {
    text: String,
    code: u8,
}

impl Error {
    /// The algorithm failed: ends with [`exit::FAILED`].
    pub fn new(message: impl Into<String>) -> Self {
        Self { text: message.into(), code: exit::FAILED }
    }

    /// The order asks for something that cannot be: ends with [`exit::PARAMETER`]. The consumer can mend it.
    pub fn parameter(message: impl Into<String>) -> Self {
        Self { text: message.into(), code: exit::PARAMETER }
    }

    /// The data are not as the algorithm needs them: ends with [`exit::INPUT`].
    ///
    /// The log may be read by those who must not see the data, so say where in the input it is, not what stands there.
    pub fn input(message: impl Into<String>) -> Self {
        Self { text: message.into(), code: exit::INPUT }
    }

    /// The same text with an exit code of the algorithm's own. 0 would look like success, so it becomes
    /// [`exit::FAILED`].
    #[must_use]
    pub fn with_code(self, code: u8) -> Self {
        Self { code: if code == 0 { exit::FAILED } else { code }, ..self }
    }

    /// Puts what was being done in front: `what: cause`. The exit code stays.
    #[must_use]
    pub fn context(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), code: self.code }
    }

    /// The exit code that the program ends with; never 0.
    pub fn code(&self) -> u8 {
        self.code
    }
}

/// Says what was being done when something failed; a chain of them reads from the outside in.
pub trait Context<T> {
    /// Puts `what` in front of the error: `reading a.csv: no such file`.
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|cause| cause.into().context(what))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The same text as [`fmt::Display`], so that a failing `unwrap` reads well too.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // Many errors already say their cause; once is enough.
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(&'static str, std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.1)
        }
    }

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse()?)
    }

    #[test]
    fn std_errors_convert_and_keep_their_text() {
        let error = parse("x").unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.code()),
            ("invalid digit found in string", exit::FAILED)
        );
    }

    #[test]
    fn the_chain_reads_from_the_outside_in_and_says_nothing_twice() {
        let cause = || "x".parse::<u32>().unwrap_err();
        assert_eq!(
            Error::from(Outer("no count", cause())).to_string(),
            "no count: invalid digit found in string"
        );
        let said = Outer("no count (invalid digit found in string)", cause());
        assert_eq!(Error::from(said).to_string(), "no count (invalid digit found in string)");
        let error = parse("x").context("line 3").context("reading a.csv").unwrap_err();
        assert_eq!(error.to_string(), "reading a.csv: line 3: invalid digit found in string");
    }

    #[test]
    fn codes_survive_context_and_are_never_zero() {
        assert_eq!(Error::input("x").context("y").code(), exit::INPUT);
        assert_eq!(Error::parameter("x").code(), exit::PARAMETER);
        assert_eq!(Error::new("x").with_code(42).code(), 42);
        assert_eq!(Error::new("x").with_code(0).code(), exit::FAILED);
    }
}
