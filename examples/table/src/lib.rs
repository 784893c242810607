//! What the example algorithms share: opening a CSV input, missing values, sound sums, numbers as text.

use brizo_guest::{Error, Inputs, Result};
use csv::StringRecord;
use std::fs::File;
use std::io::BufReader;

/// A CSV input, opened.
pub type Reader = csv::Reader<BufReader<File>>;

/// The file that `--file` named, or else the only `.csv` there is.
pub fn choose(inputs: &Inputs, file: Option<&str>) -> Result<String> {
    match file {
        Some(name) => inputs.find(name),
        None => inputs.only("csv"),
    }
}

/// Opens the CSV `name`; its first row is the header.
pub fn open(inputs: &Inputs, name: &str) -> Result<Reader> {
    Ok(csv::Reader::from_reader(inputs.open(name)?))
}

/// The position of `column`; an unknown one is an error that lists the columns.
pub fn position(header: &StringRecord, column: &str) -> Result<usize> {
    header.iter().position(|name| name == column).ok_or_else(|| {
        let names = header.iter().collect::<Vec<_>>().join(", ");
        Error::new(format!("there is no column {column:?}; the columns are: {names}"))
    })
}

/// Whether a cell holds no value: empty, or `NA` as R writes it.
pub fn is_missing(cell: &str) -> bool {
    matches!(cell.trim(), "" | "NA")
}

/// The cell as a number. `inf` and `nan` are words here: one of them would swallow every total.
pub fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A number as text: the shortest that reads back as the same bits, with an exponent where it is very large or small.
///
/// The same on every platform, since no rounding to a number of places is involved.
pub fn text(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Neumaier's compensated sum: the error of each addition is carried along, so that the total of a million
/// measurements is right to the last place or next to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    /// Adds one number.
    pub fn add(&mut self, number: f64) {
        let next = self.total + number;
        self.lost += if self.total.abs() >= number.abs() {
            (self.total - next) + number
        } else {
            (number - next) + self.total
        };
        self.total = next;
    }

    /// The sum so far.
    pub fn value(&self) -> f64 {
        // Once the total has overflowed, what was lost is not a number.
        if self.total.is_finite() { self.total + self.lost } else { self.total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_what_plain_addition_loses() {
        let mut sum = Sum::default();
        for number in [1.0, 1e100, 1.0, -1e100] {
            sum.add(number);
        }
        assert_eq!(sum.value(), 2.0);
        let mut tenths = Sum::default();
        (0..1_000_000).for_each(|_| tenths.add(0.1));
        assert_eq!(tenths.value(), 100_000.0);
    }

    #[test]
    fn an_overflow_is_infinite_and_not_nan() {
        let mut sum = Sum::default();
        (0..3).for_each(|_| sum.add(f64::MAX));
        assert_eq!(sum.value(), f64::INFINITY);
    }

    #[test]
    fn cells() {
        assert!(is_missing("") && is_missing(" NA ") && !is_missing("na") && !is_missing("0"));
        assert_eq!(number(" 3.50 "), Some(3.5));
        assert_eq!([number("inf"), number("NaN"), number("2007-11-11"), number("")], [None; 4]);
    }

    #[test]
    fn numbers_as_text() {
        let written: Vec<String> = [3750.0, 0.1, -0.0, 1e21, 1.5e-9].into_iter().map(text).collect();
        assert_eq!(written, ["3750", "0.1", "-0", "1e21", "1.5e-9"]);
    }

    #[test]
    fn an_unknown_column_lists_those_there_are() {
        let header = StringRecord::from(vec!["a", "b"]);
        assert_eq!(position(&header, "b").unwrap(), 1);
        let error = position(&header, "c").unwrap_err().to_string();
        assert_eq!(error, "there is no column \"c\"; the columns are: a, b");
    }
}
