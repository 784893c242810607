//! The calculation, in two passes: first which columns are numbers and their mean, then what depends on that.

use std::collections::BTreeMap;
use std::io::Read;
use table::Sum;

/// What is known of a whole file.
#[derive(Debug, PartialEq)]
pub struct Description {
    pub rows: u64,
    /// Sorted by name; columns of the same name keep their order.
    pub columns: Vec<Column>,
}

/// What is known of one column.
#[derive(Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// Cells that hold a value.
    pub count: u64,
    pub missing: u64,
    pub values: Values,
}

/// What a column's cells are.
#[derive(Debug, PartialEq)]
pub enum Values {
    /// No cell holds a value.
    None,
    Number {
        min: f64,
        max: f64,
        mean: f64,
        /// Sample standard deviation; a single value has none.
        sd: Option<f64>,
    },
    Text {
        distinct: u64,
        /// Where several are equally frequent, the first of them by bytes.
        most_frequent: String,
        most_frequent_count: u64,
    },
}

/// What the first pass finds out.
#[derive(Debug, Default)]
pub struct Draft {
    rows: u64,
    columns: Vec<First>,
}

#[derive(Debug, Default)]
struct First {
    name: String,
    count: u64,
    missing: u64,
    is_text: bool,
    sum: Sum,
    min: f64,
    max: f64,
}

impl First {
    fn add(&mut self, cell: &str) {
        if table::is_missing(cell) {
            self.missing += 1;
            return;
        }
        self.count += 1;
        let Some(number) = table::number(cell) else {
            self.is_text = true;
            return;
        };
        self.sum.add(number);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    fn mean(&self) -> f64 {
        self.sum.value() / self.count as f64
    }
}

impl Draft {
    /// The first pass.
    pub fn read<R: Read>(&mut self, reader: &mut csv::Reader<R>) -> csv::Result<()> {
        let start = |name: &str| First {
            name: name.into(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            ..First::default()
        };
        self.columns = reader.headers()?.iter().map(start).collect();
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row)? {
            self.rows += 1;
            for (column, cell) in self.columns.iter_mut().zip(&row) {
                column.add(cell);
            }
        }
        Ok(())
    }

    /// The second pass, over the same file from its start.
    pub fn complete<R: Read>(self, reader: &mut csv::Reader<R>) -> csv::Result<Description> {
        let mut seconds: Vec<Second> = self.columns.iter().map(Second::new).collect();
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row)? {
            for (second, cell) in seconds.iter_mut().zip(&row).filter(|(_, cell)| !table::is_missing(cell)) {
                second.add(cell);
            }
        }
        let finish = |(first, second): (First, Second)| second.column(first);
        let mut columns: Vec<Column> = self.columns.into_iter().zip(seconds).map(finish).collect();
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Description { rows: self.rows, columns })
    }
}

/// What the second pass gathers; which of the two depends on the first.
enum Second {
    Squares { mean: f64, sum: Sum },
    Words(BTreeMap<String, u64>),
}

impl Second {
    fn new(first: &First) -> Self {
        match first.is_text {
            true => Self::Words(BTreeMap::new()),
            false => Self::Squares { mean: first.mean(), sum: Sum::default() },
        }
    }

    fn add(&mut self, cell: &str) {
        match self {
            Self::Squares { mean, sum } => {
                let distance = table::number(cell).unwrap_or(*mean) - *mean;
                sum.add(distance * distance);
            }
            // Looked up before it is inserted, so that only new words are copied.
            Self::Words(words) => match words.get_mut(cell) {
                Some(times) => *times += 1,
                None => _ = words.insert(cell.to_owned(), 1),
            },
        }
    }

    fn column(self, first: First) -> Column {
        let values = match self {
            _ if first.count == 0 => Values::None,
            Self::Squares { mean, sum } => {
                let sd = (first.count > 1).then(|| (sum.value() / (first.count - 1) as f64).sqrt());
                Values::Number { min: first.min, max: first.max, mean, sd }
            }
            Self::Words(words) => most_frequent(words),
        };
        Column { name: first.name, count: first.count, missing: first.missing, values }
    }
}

fn most_frequent(words: BTreeMap<String, u64>) -> Values {
    let distinct = words.len() as u64;
    let (mut most_frequent, mut most_frequent_count) = (String::new(), 0);
    for (word, times) in words {
        if times > most_frequent_count {
            (most_frequent, most_frequent_count) = (word, times);
        }
    }
    Values::Text { distinct, most_frequent, most_frequent_count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(text: &str) -> Description {
        let mut draft = Draft::default();
        draft.read(&mut csv::Reader::from_reader(text.as_bytes())).unwrap();
        draft.complete(&mut csv::Reader::from_reader(text.as_bytes())).unwrap()
    }

    #[test]
    fn numbers_missing_values_and_text() {
        let found = describe("n,t,none\n2,b,\n4,a,NA\nNA,b,\n9,a,\n");
        assert_eq!(found.rows, 4);
        let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["n", "none", "t"]);
        let sd = Some(13f64.sqrt());
        assert_eq!(found.columns[0].values, Values::Number { min: 2.0, max: 9.0, mean: 5.0, sd });
        assert_eq!((found.columns[0].count, found.columns[0].missing), (3, 1));
        assert_eq!(found.columns[1].values, Values::None);
        // `a` and `b` are equally frequent.
        let text = Values::Text { distinct: 2, most_frequent: "a".into(), most_frequent_count: 2 };
        assert_eq!(found.columns[2].values, text);
    }

    #[test]
    fn one_word_makes_a_column_text() {
        let found = describe("a\n1\n2\nx\n");
        assert!(matches!(found.columns[0].values, Values::Text { distinct: 3, .. }));
    }

    #[test]
    fn a_large_common_part_does_not_drown_the_deviation() {
        let found = describe("a\n1000000000004\n1000000000007\n1000000000013\n1000000000016\n");
        let Values::Number { sd: Some(sd), .. } = found.columns[0].values else { panic!("{found:?}") };
        assert_eq!(sd, 30f64.sqrt());
    }

    #[test]
    fn a_single_value_has_no_deviation_and_an_empty_file_no_rows() {
        assert!(matches!(describe("a\n5\n").columns[0].values, Values::Number { sd: None, .. }));
        assert_eq!(describe("a\n").rows, 0);
    }

    #[test]
    fn a_row_of_the_wrong_length_is_an_error_with_its_line() {
        let error =
            Draft::default().read(&mut csv::Reader::from_reader("a,b\n1,2\n3\n".as_bytes())).unwrap_err();
        assert!(error.to_string().contains("line: 3"), "{error}");
    }
}
