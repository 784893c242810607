//! Data formats, with the crates that people use.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::random::Random;
use crate::stir;

const TOWNS: [&str; 4] = ["Bergen", "Oslo", "Tromsø", "Trondheim"];

/// How often a table is read, so that reading and not making it is what is measured.
const READS: usize = 3;

/// Makes a table of `rows` rows and adds up its numbers; a row that cannot be read counts as 1.
pub fn csv(rows: u64) -> u64 {
    let mut random = Random::new();
    let mut table = String::from("town,year,count,share,remark\n");
    for row in 0..rows {
        let number = random.next();
        let (town, year, count) = (TOWNS[(number % 4) as usize], 1900 + row % 120, number >> 44);
        // Writing to a string does not fail.
        let _ = writeln!(table, "{town},{year},{count},{}.{:03},\"so, {row}\"", count % 90, number % 1000);
    }
    let mut sum = 0;
    for _ in 0..READS {
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).unwrap_or(false) {
            sum = stir(sum, field(&record, 1) as u64 + field(&record, 2) as u64);
            sum = stir(sum, field(&record, 3).to_bits() ^ record.get(4).unwrap_or("").len() as u64);
        }
    }
    sum
}

fn field(record: &csv::StringRecord, at: usize) -> f64 {
    record.get(at).and_then(|text| text.parse().ok()).unwrap_or(1.0)
}

/// Makes a document of `records` records, reads it as a tree, changes it and prints it.
pub fn json(records: u64) -> u64 {
    let mut random = Random::new();
    let list: Vec<Value> = (0..records)
        .map(|id| {
            let number = random.next();
            let (town, share) = (TOWNS[(number % 4) as usize], (number >> 40) as f64 / 1024.0);
            json!({ "id": id, "town": town, "share": share, "tags": ["a", "b\n", null], "open": number.is_multiple_of(3) })
        })
        .collect();
    let text = Value::Array(list).to_string();
    let Ok(Value::Array(mut list)) = serde_json::from_str(&text) else { return 0 };
    for record in &mut list {
        record["share"] = json!(record["share"].as_f64().unwrap_or(0.0) / 3.0);
    }
    let text = Value::Array(list).to_string();
    text.as_bytes().chunks(61).fold(text.len() as u64, |sum, chunk| stir(sum, chunk[0].into()))
}
