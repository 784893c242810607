//! The description as CSV and as JSON.

use crate::describe::{Column, Description, Values};
use serde_json::{Map, Value, json};
use std::io::Write;

const HEADER: [&str; 11] = [
    "column",
    "kind",
    "count",
    "missing",
    "min",
    "max",
    "mean",
    "sd",
    "distinct",
    "most_frequent",
    "most_frequent_count",
];

/// One row per column; what a kind does not have stays empty.
pub fn csv(description: &Description, to: impl Write) -> csv::Result<()> {
    let mut table = csv::Writer::from_writer(to);
    table.write_record(HEADER)?;
    for column in &description.columns {
        let mut row = vec![
            column.name.clone(),
            kind(column).into(),
            column.count.to_string(),
            column.missing.to_string(),
        ];
        match &column.values {
            Values::Number { min, max, mean, sd } => {
                row.extend([*min, *max, *mean].map(table::text));
                row.push(sd.map(table::text).unwrap_or_default());
            }
            Values::Text { distinct, most_frequent, most_frequent_count } => {
                row.resize(8, String::new());
                row.extend([distinct.to_string(), most_frequent.clone(), most_frequent_count.to_string()]);
            }
            Values::None => {}
        }
        row.resize(HEADER.len(), String::new());
        table.write_record(row)?;
    }
    Ok(table.flush()?)
}

/// An object per column; what a kind does not have is left out.
pub fn json(file: &str, description: &Description) -> String {
    let columns: Vec<Value> = description.columns.iter().map(|column| Value::Object(entry(column))).collect();
    format!("{:#}\n", json!({ "file": file, "rows": description.rows, "columns": columns }))
}

fn entry(column: &Column) -> Map<String, Value> {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| _ = entry.insert(key.into(), value);
    put("name", json!(column.name));
    put("kind", json!(kind(column)));
    put("count", json!(column.count));
    put("missing", json!(column.missing));
    match &column.values {
        Values::Number { min, max, mean, sd } => {
            put("min", json!(min));
            put("max", json!(max));
            put("mean", json!(mean));
            put("sd", json!(sd));
        }
        Values::Text { distinct, most_frequent, most_frequent_count } => {
            put("distinct", json!(distinct));
            put("most_frequent", json!(most_frequent));
            put("most_frequent_count", json!(most_frequent_count));
        }
        Values::None => {}
    }
    entry
}

fn kind(column: &Column) -> &'static str {
    match column.values {
        Values::None => "empty",
        Values::Number { .. } => "number",
        Values::Text { .. } => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::Draft;

    fn description(bytes: &[u8]) -> Description {
        let mut draft = Draft::default();
        draft.read(&mut csv::Reader::from_reader(bytes)).unwrap();
        draft.complete(&mut csv::Reader::from_reader(bytes)).unwrap()
    }

    #[test]
    fn text_that_needs_quotes_gets_them() {
        let found = description(b"\"a,b\"\n\"say \"\"x\"\"\"\n");
        let mut table = Vec::new();
        csv(&found, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert_eq!(table.lines().nth(1), Some("\"a,b\",text,1,0,,,,,1,\"say \"\"x\"\"\",1"));
        assert!(json("f", &found).contains("\"most_frequent\": \"say \\\"x\\\"\""));
    }

    /// The expected files were compared with an independent calculation (see the README).
    #[test]
    fn the_penguins_come_out_as_expected() {
        let found = description(include_bytes!("../../data/penguins.csv"));
        let mut table = Vec::new();
        csv(&found, &mut table).unwrap();
        assert_eq!(String::from_utf8(table).unwrap(), include_str!("../../expected/column-stats.csv"));
        assert_eq!(json("penguins.csv", &found), include_str!("../../expected/column-stats.json"));
    }
}
