//! What `check` prints for a person at a terminal.

use std::fmt::{self, Write as _};

use super::{CheckView, Document, FindingView};
use crate::engine::Status;

/// A line a check, its findings below it, and a last line for the whole.
pub fn text(document: &Document) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _infallible = write(document, &mut text);
    text
}

fn write(document: &Document, to: &mut String) -> fmt::Result {
    for connection in &document.connections {
        let (name, status) = (plain(&connection.name), connection.status.as_str());
        writeln!(to, "{name} ({}): {status}", connection.join_type)?;
        for check in &connection.checks {
            write_check(check, to)?;
        }
        writeln!(to)?;
    }
    writeln!(to, "overall: {}", document.status.as_str())
}

fn write_check(check: &CheckView, to: &mut String) -> fmt::Result {
    write!(to, "  {:<13} {:<26} {}", check.status.as_str(), check.check, check.title)?;
    match (check.status, check.note, check.blocked_by) {
        (Status::Skipped, Some(why), _) => writeln!(to, " ({})", plain(why))?,
        (Status::Blocked, _, Some(by)) => writeln!(to, " (by {by})")?,
        _ => writeln!(to)?,
    }
    check.findings.iter().try_for_each(|finding| write_finding(finding, to))
}

fn write_finding(finding: &FindingView, to: &mut String) -> fmt::Result {
    write!(to, "    {}: {}", finding.severity.as_str(), finding.reason)?;
    if !finding.subject.is_empty() {
        write!(to, ": {}", plain(&finding.subject))?;
    }
    writeln!(to)?;
    writeln!(to, "      {}", plain(&finding.detail))?;
    writeln!(to, "      do:  {}", plain(finding.action))?;
    writeln!(to, "      see: {}", finding.runbook)
}

/// On one line, and without what a terminal would obey: peers have a say in subjects and details.
fn plain(text: &str) -> String {
    let plain = |each: char| match each {
        '\n' | '\t' => ' ',
        each if each.is_control() => char::REPLACEMENT_CHARACTER,
        each => each,
    };
    text.chars().map(plain).collect()
}
