//! Reports of findings, for `brizo config check` and `brizo doctor`.

use anyhow::Result;
use serde_json::json;

use super::Exit;
use super::format::Format;
use crate::config::{Finding, Level};

/// Prints findings; the exit code is that of plain failure where one of them fails.
pub(super) fn report(findings: &[Finding], format: Format) -> Result<Exit> {
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let document = json!({ "verdict": worst, "findings": findings });
    format.print(&document, || {
        let lines: Vec<String> = findings.iter().map(line).collect();
        format!("{}\n\n{} failed, {} warned", lines.join("\n"), count(Level::Fail), count(Level::Warn))
    })?;
    Ok(if worst == Level::Fail { Exit::FAILED } else { Exit::OK })
}

fn line(finding: &Finding) -> String {
    let mend = match finding.mend.as_str() {
        "" => String::new(),
        mend => format!("\n      {:width$}  mend: {mend}", "", width = 16),
    };
    format!("{:4}  {:16}  {}{mend}", finding.level.word(), finding.name, finding.text)
}
