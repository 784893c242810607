//! Reading CSV row by row, with errors that say the line and never the content.

use crate::{Error, Result};
use std::io::{BufRead, Read};

/// Most bytes of one row. A file without line ends would otherwise fill the memory before anybody says why.
pub const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A CSV file with a header (RFC 4180: commas, cells in double quotes, doubled quotes inside them).
///
/// Lines end with `\n` or `\r\n`; empty lines are passed over; a byte order mark at the start is not part of the header.
/// Only one row is held in memory.
#[derive(Debug)]
pub struct Table<R> {
    name: String,
    reader: R,
    header: Vec<String>,
    record: Record,
    /// Lines read so far.
    lines: u64,
}

impl<R: BufRead> Table<R> {
    /// Reads the header. `name` is what errors call the file; `"x\n1\n".as_bytes()` will do as a reader in tests.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self> {
        let mut table =
            Self { name: name.into(), reader, header: Vec::new(), record: Record::default(), lines: 0 };
        if !table.read_record()? {
            return Err(Error::input(format!("{} is empty: it should begin with a header", table.name)));
        }
        table.header = (0..table.record.ends.len()).map(|at| table.record.cell(at).to_owned()).collect();
        Ok(table)
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The column called `name`; an unknown one is an error that lists the columns.
    pub fn column(&self, name: &str) -> Result<Column> {
        let at = self.header.iter().position(|column| column == name);
        at.map(Column).ok_or_else(|| {
            let columns = self.header.join(", ");
            Error::input(format!("{} has no column {name:?}; its columns are: {columns}", self.name))
        })
    }

    /// The next row, or nothing at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        if !self.read_record()? {
            return Ok(None);
        }
        let (cells, columns) = (self.record.ends.len(), self.header.len());
        if cells != columns {
            return Err(self.wrong(format_args!("has {cells} cells, the header has {columns}")));
        }
        Ok(Some(Row { table: &self.name, header: &self.header, record: &self.record }))
    }

    /// Reads one record, over as many lines as its quotes need; false at the end of the file.
    fn read_record(&mut self) -> Result<bool> {
        self.record.clear();
        let mut state = State::Start;
        loop {
            let first = self.lines == 0;
            let room = (ROW_BYTES_MAX - self.record.cells.len()) as u64;
            self.record.line.clear();
            let read = (&mut self.reader).take(room).read_until(b'\n', &mut self.record.line);
            let read =
                read.map_err(|cause| Error::from(cause).context(format_args!("reading {}", self.name)))?;
            let cut = read as u64 == room && self.record.line.last() != Some(&b'\n');
            if read == 0 && !cut {
                return match state {
                    State::Quoted => Err(self.wrong("has a quote that is not closed")),
                    _ => Ok(false),
                };
            }
            self.lines += 1;
            if self.record.starts == 0 {
                self.record.starts = self.lines;
            }
            if cut {
                return Err(self.wrong(format_args!("has more than {ROW_BYTES_MAX} bytes in one row")));
            }
            if first && self.record.line.starts_with("\u{feff}".as_bytes()) {
                self.record.line.drain(..3);
            }
            if state == State::Start && matches!(self.record.line.as_slice(), b"\n" | b"\r\n") {
                self.record.starts = 0;
                continue;
            }
            state = self.record.split(state).map_err(|what| self.wrong(what))?;
            if state != State::Quoted {
                return if self.record.is_text() { Ok(true) } else { Err(self.wrong("is not UTF-8")) };
            }
        }
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::input(format!("{} line {} {what}", self.name, self.record.starts))
    }
}

/// A column of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column(usize);

/// One row of a table.
#[derive(Debug)]
pub struct Row<'a> {
    table: &'a str,
    header: &'a [String],
    record: &'a Record,
}

impl<'a> Row<'a> {
    /// The cell as it stands there.
    pub fn text(&self, column: Column) -> &'a str {
        self.record.cell(column.0)
    }

    /// Whether the cell holds no value: empty, or `NA` as R writes it.
    pub fn is_missing(&self, column: Column) -> bool {
        matches!(self.text(column).trim(), "" | "NA")
    }

    /// The cell as a finite number; nothing where it is missing.
    pub fn number(&self, column: Column) -> Result<Option<f64>> {
        if self.is_missing(column) {
            return Ok(None);
        }
        let number = self.text(column).trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| {
            let name = self.header.get(column.0).map(String::as_str).unwrap_or_default();
            let line = self.line();
            Error::input(format!(
                "{} line {line}: the column {name:?} holds something that is not a number",
                self.table
            ))
        })
    }

    /// The line that the row begins on; the header's is 1.
    pub fn line(&self) -> u64 {
        self.record.starts
    }
}

/// The cells of one row, one after the other, without quotes.
#[derive(Debug, Default)]
struct Record {
    line: Vec<u8>,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// The line it begins on; 0 before there is one.
    starts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted cell: its end, or the first of two.
    Closing,
}

impl Record {
    fn clear(&mut self) {
        self.cells.clear();
        self.ends.clear();
        self.starts = 0;
    }

    /// Takes the cells of `line`; ends in [`State::Quoted`] where a quoted cell goes on in the next line.
    fn split(&mut self, mut state: State) -> std::result::Result<State, &'static str> {
        let mut line = self.line.as_slice();
        if state != State::Quoted && !line.contains(&b'"') {
            line = without_end(line);
            for cell in line.split(|byte| *byte == b',') {
                self.cells.extend_from_slice(cell);
                self.ends.push(self.cells.len());
            }
            return Ok(State::Plain);
        }
        for (at, &byte) in line.iter().enumerate() {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::Closing,
                (State::Quoted, _) | (State::Closing, b'"') => {
                    self.cells.push(byte);
                    State::Quoted
                }
                (_, b'\n' | b'\r') if without_end(&line[at..]).is_empty() => break,
                (_, b',') => {
                    self.ends.push(self.cells.len());
                    State::Start
                }
                (State::Start, b'"') => State::Quoted,
                (State::Plain, b'"') => return Err("has a quote inside a cell that does not begin with one"),
                (State::Closing, _) => return Err("has text after a closing quote"),
                _ => {
                    self.cells.push(byte);
                    State::Plain
                }
            };
        }
        if state != State::Quoted {
            self.ends.push(self.cells.len());
        }
        Ok(state)
    }

    /// Whether every cell by itself is UTF-8, which is more than that all of them together are.
    fn is_text(&self) -> bool {
        std::str::from_utf8(&self.cells)
            .is_ok_and(|text| self.ends.iter().all(|end| text.is_char_boundary(*end)))
    }

    fn cell(&self, at: usize) -> &str {
        let start = if at == 0 { Some(0) } else { self.ends.get(at - 1).copied() };
        let cell = start.zip(self.ends.get(at)).and_then(|(start, end)| self.cells.get(start..*end));
        cell.and_then(|cell| std::str::from_utf8(cell).ok()).unwrap_or_default()
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Vec<String>>> {
        let mut table = Table::new("a.csv", text)?;
        let mut rows = vec![table.header().to_vec()];
        while let Some(row) = table.next_row()? {
            let columns = 0..row.header.len();
            rows.push(columns.map(|at| row.text(Column(at)).to_owned()).collect());
        }
        Ok(rows)
    }

    #[test]
    fn cells_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("a,b\n1,2\n", vec![vec!["a", "b"], vec!["1", "2"]]),
            ("a,b\r\n1,2\r\n", vec![vec!["a", "b"], vec!["1", "2"]]),
            ("\u{feff}a,b\n1,2", vec![vec!["a", "b"], vec!["1", "2"]]),
            ("a,b\n\n,\n\r\n", vec![vec!["a", "b"], vec!["", ""]]),
            ("a,b\n\"x, y\",\"say \"\"hi\"\"\"\r\n", vec![vec!["a", "b"], vec!["x, y", "say \"hi\""]]),
            ("a,b\n\"two\r\nlines\n\n\",2\n", vec![vec!["a", "b"], vec!["two\r\nlines\n\n", "2"]]),
            ("a,b\n\"\",\"\"", vec![vec!["a", "b"], vec!["", ""]]),
            ("é,\"ü\"\n1\r2,3\n", vec![vec!["é", "ü"], vec!["1\r2", "3"]]),
        ] {
            assert_eq!(rows(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_line_and_without_the_content() {
        for (text, error) in [
            (&b""[..], "a.csv is empty: it should begin with a header"),
            (b"\n\n", "a.csv is empty: it should begin with a header"),
            (b"a,b\n1,2\n3\n", "a.csv line 3 has 1 cells, the header has 2"),
            (b"a,b\n\"x\ny\",2\n3\n", "a.csv line 4 has 1 cells, the header has 2"),
            (b"a\n\"x\ny\n", "a.csv line 2 has a quote that is not closed"),
            (b"a\nx\"y\n", "a.csv line 2 has a quote inside a cell that does not begin with one"),
            (b"a\n\"x\"y\n", "a.csv line 2 has text after a closing quote"),
            (b"a\n\xff\n", "a.csv line 2 is not UTF-8"),
            (b"a,b\n\xc3,\xa9\n", "a.csv line 2 is not UTF-8"),
        ] {
            let found = rows(text).unwrap_err();
            assert_eq!((found.to_string().as_str(), found.code()), (error, crate::exit::INPUT));
        }
    }

    #[test]
    fn a_row_has_a_largest_size() {
        let mut text = b"a\n".to_vec();
        text.resize(ROW_BYTES_MAX + 2, b'x');
        let error = rows(&text).unwrap_err().to_string();
        assert_eq!(error, "a.csv line 2 has more than 16777216 bytes in one row");
        let quoted = [b"a\n\"", "x\n".repeat(ROW_BYTES_MAX / 2).as_bytes(), b"\"\n"].concat();
        assert_eq!(rows(&quoted).unwrap_err().to_string(), error);
        text.truncate(ROW_BYTES_MAX);
        text.push(b'\n');
        assert_eq!(rows(&text).unwrap()[1][0].len(), ROW_BYTES_MAX - 2);
    }

    #[test]
    fn numbers_may_be_missing_and_nothing_else() {
        let mut table = Table::new("a.csv", "n,v\nx, 3.5 \nx,NA\nx,\nx,secret\nx,inf\n".as_bytes()).unwrap();
        let column = table.column("v").unwrap();
        let mut next =
            || table.next_row().unwrap().unwrap().number(column).map_err(|error| error.to_string());
        assert_eq!([next(), next(), next()], [Ok(Some(3.5)), Ok(None), Ok(None)]);
        let error =
            |line| Err(format!("a.csv line {line}: the column \"v\" holds something that is not a number"));
        assert_eq!([next(), next()], [error(5), error(6)]);
        assert_eq!(
            table.column("w").unwrap_err().to_string(),
            "a.csv has no column \"w\"; its columns are: n, v"
        );
    }
}
