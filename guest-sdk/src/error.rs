//! The one error of this crate: a sentence for the person who reads the job's log.

use std::fmt;

/// What an algorithm returns; `Result` alone means success carries nothing.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// A failure as one readable sentence.
///
/// Any `std` error turns into it with `?`. It does not implement [`std::error::Error`] itself, because that is what
/// makes the conversion from all of them possible.
pub struct Error(String);

impl Error {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Puts what was being done in front: `context: cause`.
    pub(crate) fn at(context: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(format!("{context}: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same text as [`fmt::Display`], so that a failing `unwrap` reads well too.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_errors_convert_and_keep_their_text() {
        fn parse(text: &str) -> Result<u32> {
            Ok(text.parse()?)
        }
        assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
        assert_eq!(Error::at("opening a.csv", "no such file").to_string(), "opening a.csv: no such file");
    }
}
