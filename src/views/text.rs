//! What `check` prints for a person at a terminal.

use std::{
    cmp::Reverse,
    fmt::{self, Write as _},
};

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
    let alike = |one: &FindingView, other: &FindingView| {
        (one.severity, one.reason) == (other.severity, other.reason)
    };
    let mut findings: Vec<&FindingView> = check.findings.iter().collect();
    // The worst stay first; of one severity, those with one remedy stand together.
    findings.sort_by_key(|finding| (Reverse(finding.severity), finding.reason));
    findings.chunk_by(|one, other| alike(one, other)).try_for_each(|alike| write_alike(alike, to))
}

/// What has the same reason has the same remedy, which is said once.
fn write_alike(findings: &[&FindingView], to: &mut String) -> fmt::Result {
    let [first, ..] = findings else { return Ok(()) };
    write!(to, "    {}: {}", first.severity.as_str(), first.reason)?;
    if findings.len() > 1 {
        write!(to, " ({})", findings.len())?;
    }
    writeln!(to)?;
    for FindingView { subject, detail, .. } in findings {
        if detail.contains(subject.as_str()) {
            writeln!(to, "      {}", plain(detail))?;
        } else {
            writeln!(to, "      {}: {}", plain(subject), plain(detail))?;
        }
    }
    writeln!(to, "      do:  {}", plain(first.action))?;
    writeln!(to, "      see: {}", first.runbook)
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
