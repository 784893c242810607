//! Tables in markdown, so that they can be copied into a document.

/// Prints a table; all columns but the first are of numbers.
pub(crate) fn print(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n### {title}\n");
    println!("| {} |", head.join(" | "));
    println!("|---|{}", "--:|".repeat(head.len() - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// A ratio as it stands in a table.
pub(crate) fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// Seconds as milliseconds.
pub(crate) fn ms(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e3)
}

/// Bytes a second as gigabytes a second.
pub(crate) fn gb(bytes: u64, seconds: f64) -> String {
    format!("{:.2}", bytes as f64 / seconds / 1e9)
}
