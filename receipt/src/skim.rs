//! JSON as RFC 8259 has it, skimmed: whether a text is the beginning of one and ends before it does (`docs/RECEIPT.md` §6).
//!
//! The grammar and no more: what a number or a name is worth does not say whether something was cut off.

/// Levels of lists and objects, each inside the next. The reader of whole documents has this many, too.
const LEVELS_MAX: usize = 127;

/// Why a text is no JSON.
enum Stop {
    /// It ends, and nothing before the end was wrong.
    Ended,
    /// It has something that cannot stand there.
    Wrong,
}

type Result<T> = std::result::Result<T, Stop>;

/// Whether the text ends in the middle of its value.
pub(crate) fn ends_early(text: &str) -> bool {
    matches!(Reader { rest: text.as_bytes() }.value(0), Err(Stop::Ended))
}

/// What is still to be read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Takes the next byte.
    fn next(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Stop::Ended)?;
        self.rest = rest;
        Ok(*first)
    }

    /// The next byte that is not white space. It is not taken.
    fn look(&mut self) -> Result<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied().ok_or(Stop::Ended)
    }

    /// Takes a byte that must be there, behind white space.
    fn take(&mut self, expected: u8) -> Result<()> {
        if self.look()? != expected {
            return Err(Stop::Wrong);
        }
        self.next().map(|_| ())
    }

    /// Takes a byte of one kind, if that is the next one.
    fn skip(&mut self, is_one: impl Fn(u8) -> bool) -> bool {
        let found = self.rest.first().is_some_and(|byte| is_one(*byte));
        self.rest = &self.rest[usize::from(found)..];
        found
    }

    fn value(&mut self, level: usize) -> Result<()> {
        match self.look()? {
            b'{' | b'[' if level == LEVELS_MAX => Err(Stop::Wrong),
            b'{' => self.items(b'}', level),
            b'[' => self.items(b']', level),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// A list or an object, up to what closes it.
    fn items(&mut self, close: u8, level: usize) -> Result<()> {
        self.next()?;
        if self.look()? == close {
            return self.take(close);
        }
        loop {
            if close == b'}' {
                if self.look()? != b'"' {
                    return Err(Stop::Wrong);
                }
                self.string()?;
                self.take(b':')?;
            }
            self.value(level + 1)?;
            if self.look()? != b',' {
                return self.take(close);
            }
            self.next()?;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        for expected in word {
            if self.next()? != *expected {
                return Err(Stop::Wrong);
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        self.skip(|byte| byte == b'-');
        if self.rest.first() == Some(&b'0') {
            self.next()?;
        } else {
            self.digits()?;
        }
        if self.skip(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.skip(|byte| matches!(byte, b'e' | b'E')) {
            self.skip(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<()> {
        if !self.next()?.is_ascii_digit() {
            return Err(Stop::Wrong);
        }
        while self.skip(|byte| byte.is_ascii_digit()) {}
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        self.next()?;
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                0..=0x1f => return Err(Stop::Wrong),
                _ => {}
            }
        }
    }

    /// What follows a backslash. Half of a surrogate pair is refused without the other half.
    fn escape(&mut self) -> Result<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.unit()? {
                0xd800..=0xdbff => {
                    self.word(b"\\u")?;
                    if matches!(self.unit()?, 0xdc00..=0xdfff) { Ok(()) } else { Err(Stop::Wrong) }
                }
                0xdc00..=0xdfff => Err(Stop::Wrong),
                _ => Ok(()),
            },
            _ => Err(Stop::Wrong),
        }
    }

    /// The number that four hex digits are.
    fn unit(&mut self) -> Result<u32> {
        let Some((digits, rest)) = self.rest.split_first_chunk::<4>() else { return Err(Stop::Ended) };
        self.rest = rest;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(Stop::Wrong)?;
            Ok((unit << 4) | digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_told_from_what_is_wrong() {
        let levels = |count| "[".repeat(count);
        let early = [
            "",
            " ",
            "{",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1e999",
            "{\"a\":1",
            "[-",
            "[1.",
            "[1e",
            "[1.5e+",
            "[tr",
        ];
        for text in early.into_iter().chain([&*levels(110), &levels(127), &(levels(127) + "1")]) {
            assert!(ends_early(text), "{text}");
        }
        let escapes = ["\"\\", "\"\\u", "\"\\u00", "\"\\ud800", "\"\\ud800\\", "\"\\ud800\\udc0"];
        assert!(escapes.into_iter().all(ends_early));
        let wrong = [
            "1",
            "01",
            "[01",
            "[1.e",
            "[1.5.",
            "[1e5.",
            "[1,]",
            "{,",
            "{1",
            "[\u{feff}",
            "trux",
            "\"\n",
            "[} ",
        ];
        for text in wrong.into_iter().chain([&*levels(128), "\"\\x", "\"\\udc00", "\"\\ud800x", "\"\\u00g0"])
        {
            assert!(!ends_early(text), "{text}");
        }
        let digits = format!("[1{}", "0".repeat(400));
        assert!(ends_early(&digits), "a number may be larger than any that is read");
    }
}
