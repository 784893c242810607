//! The calculation: one running total per group.

use brizo_guest::{Error, Result};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use table::Sum;

/// The groups by name; the map's order is the order of the output.
#[derive(Debug)]
pub struct Groups {
    by: String,
    groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Group {
    count: u64,
    sum: Sum,
    min: f64,
    max: f64,
}

impl Group {
    fn new() -> Self {
        Self { count: 0, sum: Sum::default(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum.add(number);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }
}

impl Groups {
    /// Gathers the column `value` per value of the column `by`; rows where either is missing are passed over.
    pub fn read<R: Read>(reader: &mut csv::Reader<R>, by: &str, value: &str) -> Result<Self> {
        let header = reader.headers()?.clone();
        let (group_at, value_at) = (table::position(&header, by)?, table::position(&header, value)?);
        let mut groups = BTreeMap::new();
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row)? {
            let (group, cell) = (&row[group_at], &row[value_at]);
            if table::is_missing(group) || table::is_missing(cell) {
                continue;
            }
            // The cell itself stays out of the message: the log is read outside.
            let number = table::number(cell).ok_or_else(|| {
                let line = row.position().map_or(0, |position| position.line());
                Error::new(format!("line {line}: the column {value:?} holds something that is not a number"))
            })?;
            groups.entry(group.to_owned()).or_insert_with(Group::new).add(number);
        }
        Ok(Self { by: by.to_owned(), groups })
    }

    /// How many groups there are, shown or not.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Writes the groups of at least `min_group` values and returns how many were left out.
    pub fn write(&self, min_group: u64, to: impl Write) -> csv::Result<usize> {
        let mut suppressed = 0;
        let mut table = csv::Writer::from_writer(to);
        table.write_record([self.by.as_str(), "count", "mean", "min", "max", "sum"])?;
        for (name, group) in &self.groups {
            if group.count < min_group {
                suppressed += 1;
                continue;
            }
            let sum = group.sum.value();
            let [mean, min, max, sum] =
                [sum / group.count as f64, group.min, group.max, sum].map(table::text);
            table.write_record([name, &group.count.to_string(), &mean, &min, &max, &sum])?;
        }
        table.flush()?;
        Ok(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Groups> {
        Groups::read(&mut csv::Reader::from_reader(text.as_bytes()), "g", "v")
    }

    fn written(groups: &Groups, min_group: u64) -> (String, usize) {
        let mut table = Vec::new();
        let suppressed = groups.write(min_group, &mut table).unwrap();
        (String::from_utf8(table).unwrap(), suppressed)
    }

    #[test]
    fn groups_are_sorted_and_missing_values_passed_over() {
        let groups = read("g,v\nb,1\na,2.5\nb,4\nNA,9\na,NA\n,3\n").unwrap();
        assert_eq!(
            written(&groups, 1),
            ("g,count,mean,min,max,sum\na,1,2.5,2.5,2.5,2.5\nb,2,2.5,1,4,5\n".into(), 0)
        );
    }

    #[test]
    fn small_groups_are_left_out_and_counted() {
        let groups = read("g,v\na,1\nb,1\nb,2\nc,7\n").unwrap();
        assert_eq!(written(&groups, 2), ("g,count,mean,min,max,sum\nb,2,1.5,1,2,3\n".into(), 2));
        assert_eq!(groups.len(), 3);
    }

    /// A missing value does not help a group over the threshold.
    #[test]
    fn only_values_count_towards_the_group() {
        assert_eq!(written(&read("g,v\na,1\na,NA\n").unwrap(), 2).1, 1);
    }

    #[test]
    fn what_is_not_a_number_is_refused_without_being_shown() {
        let error = read("g,v\na,1\na,secret\n").unwrap_err().to_string();
        assert_eq!(error, "line 3: the column \"v\" holds something that is not a number");
    }

    /// The expected file was compared with an independent calculation (see the README).
    #[test]
    fn the_penguins_come_out_as_expected() {
        let data: &[u8] = include_bytes!("../../data/penguins.csv");
        let groups = Groups::read(&mut csv::Reader::from_reader(data), "species", "body_mass_g").unwrap();
        assert_eq!(written(&groups, 5), (include_str!("../../expected/groups.csv").into(), 0));
    }
}
