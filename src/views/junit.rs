//! JUnit XML, for pipelines: a suite a connection, a case a check.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use super::{CheckView, ConnectionView, Document, FindingView};
use crate::engine::Status;

/// What failed or is blocked is a failure, what could not be seen an error, and what did not run
/// skipped; a warning passes, and says so in its output.
pub fn junit(document: &Document) -> String {
    let mut xml = String::new();
    // Writing to a string cannot fail.
    let _infallible = write(document, &mut xml);
    xml
}

fn write(document: &Document, to: &mut String) -> fmt::Result {
    let checks = || document.connections.iter().flat_map(|connection| &connection.checks);
    writeln!(to, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(to, r#"<testsuites name="anc-healthd" {}>"#, Counts::of(checks()))?;
    for connection in &document.connections {
        write_suite(connection, document, to)?;
    }
    writeln!(to, "</testsuites>")
}

fn write_suite(connection: &ConnectionView, document: &Document, to: &mut String) -> fmt::Result {
    let (name, counts) = (Xml(&connection.name), Counts::of(&connection.checks));
    // JUnit's timestamps have no zone.
    let at = document.as_of.to_string();
    let at = at.trim_end_matches('Z');
    writeln!(to, r#"  <testsuite name="{name}" {counts} timestamp="{at}">"#)?;
    for check in &connection.checks {
        let (check_name, took) = (Xml(check.check), check.duration_seconds.unwrap_or_default());
        writeln!(to, r#"    <testcase classname="{name}" name="{check_name}" time="{took:.3}">"#)?;
        write_outcome(check, to)?;
        writeln!(to, "    </testcase>")?;
    }
    writeln!(to, "  </testsuite>")
}

fn write_outcome(check: &CheckView, to: &mut String) -> fmt::Result {
    let status = check.status.as_str();
    let mut reasons: Vec<&str> =
        check.findings.iter().map(|finding| finding.reason.as_str()).collect();
    // The worst come first, and so they stay.
    let mut told = BTreeSet::new();
    reasons.retain(|reason| told.insert(*reason));
    let reasons = reasons.join(", ");
    match check.status {
        Status::Failed => element("failure", status, &reasons, &check.findings, to),
        Status::Blocked => {
            let by = format!("blocked by {}", check.blocked_by.unwrap_or_default());
            element("failure", status, &by, &check.findings, to)
        }
        Status::Unknown => element("error", status, &reasons, &check.findings, to),
        Status::Skipped | Status::Pending => {
            let why = Xml(check.note.unwrap_or(status));
            writeln!(to, r#"      <skipped message="{why}"/>"#)
        }
        Status::Warning | Status::Informational => {
            write!(to, "      <system-out>")?;
            write_findings(&check.findings, to)?;
            writeln!(to, "</system-out>")
        }
        Status::Passed => Ok(()),
    }
}

fn element(
    name: &str,
    status: &str,
    message: &str,
    findings: &[FindingView],
    to: &mut String,
) -> fmt::Result {
    write!(to, r#"      <{name} type="{status}" message="{}">"#, Xml(message))?;
    write_findings(findings, to)?;
    writeln!(to, "</{name}>")
}

fn write_findings(findings: &[FindingView], to: &mut String) -> fmt::Result {
    for finding in findings {
        let FindingView { severity, reason, subject, detail, action, runbook, .. } = finding;
        let severity = severity.as_str();
        writeln!(to, "{severity}: {reason}: {}", Xml(subject))?;
        writeln!(to, "  {}", Xml(detail))?;
        writeln!(to, "  do: {}", Xml(action))?;
        writeln!(to, "  see: {}", Xml(runbook))?;
    }
    Ok(())
}

/// The attributes that a suite counts its cases in.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Counts {
    fn of<'a>(checks: impl IntoIterator<Item = &'a CheckView>) -> Self {
        let mut counts = Self::default();
        for check in checks {
            counts.tests += 1;
            counts.seconds += check.duration_seconds.unwrap_or_default();
            match check.status {
                Status::Failed | Status::Blocked => counts.failures += 1,
                Status::Unknown => counts.errors += 1,
                Status::Skipped | Status::Pending => counts.skipped += 1,
                Status::Passed | Status::Informational | Status::Warning => (),
            }
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tests, failures, errors, skipped, seconds } = self;
        write!(f, r#"tests="{tests}" failures="{failures}" errors="{errors}" "#)?;
        write!(f, r#"skipped="{skipped}" time="{seconds:.3}""#)
    }
}

/// Text that is safe between tags and between quotes, with nothing in it that XML 1.0 forbids.
struct Xml<'a>(&'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for each in self.0.chars() {
            match each {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                each if each.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                each => f.write_char(each)?,
            }
        }
        Ok(())
    }
}
