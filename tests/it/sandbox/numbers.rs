//! The numbers of docs/RECEIPT.md §13.8, read from the page itself: an implementer checks a meter by them.

use super::{order, run};
use crate::guests::{repository, wat_text};

/// One row: what `_start` does, the status, the fuel.
struct Row {
    body: String,
    status: u8,
    fuel: u64,
}

fn rows() -> Vec<Row> {
    let page = std::fs::read_to_string(repository("docs/RECEIPT.md")).unwrap();
    let section = page.split("### 13.8").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    section.lines().filter(|line| line.starts_with("| ")).filter_map(row).collect()
}

/// `None` for the head of the table.
fn row(line: &str) -> Option<Row> {
    let (rest, fuel) = line.trim_end_matches(" |").rsplit_once(" | ")?;
    let (body, status) = rest.rsplit_once(" | ")?;
    let fuel = fuel.replace(' ', "").parse().ok()?;
    let body = body.split('`').nth(1).unwrap_or_default().to_owned();
    let named = line.split("with `").nth(1).and_then(|rest| rest.split('`').next());
    let functions = named.unwrap_or("(func $f)").to_owned();
    let start = format!("(func (export \"_start\") {})", expand(&body));
    Some(Row {
        body: format!("(module {functions} (memory (export \"memory\") 1) {start})"),
        status: status.trim().parse().unwrap(),
        fuel,
    })
}

fn expand(body: &str) -> String {
    body.replace("ADD", "(drop (i32.add (i32.const 1) (i32.const 2)))")
}

#[test]
fn the_numbers_of_the_page_come_out() {
    let rows = rows();
    assert_eq!(rows.len(), 10, "the table was not read");
    for row in rows {
        let mut order = order(&[]);
        order.limits.fuel = 10_000_000_000;
        order.limits.stack = 8_388_608;
        let (ending, _) = run(&wat_text(&row.body), &order);
        assert_eq!((ending.status as u8, ending.fuel_used), (row.status, row.fuel), "{}", row.body);
    }
}
