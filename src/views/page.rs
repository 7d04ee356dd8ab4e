//! The status page, for people: plain HTML, no script, nothing from outside.

use std::fmt::{self, Write as _};

use super::{CheckView, Document, FindingView, HistoryView, moment::in_words};
use crate::engine::Status;

/// What `/style.css` serves. The page has no style of its own, so that the content security policy
/// can forbid any.
pub const STYLE: &str = include_str!("style.css");

/// Changes of a check that the page shows; the API has them all.
const CHANGES: usize = 5;

/// Of a document with history.
pub fn page(document: &Document) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _infallible = write(document, &mut page);
    page
}

fn write(document: &Document, to: &mut String) -> fmt::Result {
    let status = document.status.as_str();
    writeln!(
        to,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="30">
<title>{status} - anc-healthd</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<h1>Azure network connections: {}</h1>
<p class="about">As of {}, anc-healthd {}. <a href="metrics">Metrics</a>,
<a href="healthz?verbose">health</a>, <a href="api/v1/status">JSON</a>.</p>"#,
        Word(document.status),
        document.as_of,
        Html(document.version),
    )?;
    if document.connections.is_empty() {
        writeln!(to, "<p>No connection is known yet.</p>")?;
    }
    for connection in &document.connections {
        let (name, join_type) = (Html(&connection.name), connection.join_type);
        writeln!(to, "<section>")?;
        writeln!(to, "<h2>{name} ({join_type}): {}</h2>", Word(connection.status))?;
        for check in &connection.checks {
            write_check(check, document, to)?;
        }
        writeln!(to, "</section>")?;
    }
    writeln!(to, "</body>\n</html>")
}

fn write_check(check: &CheckView, document: &Document, to: &mut String) -> fmt::Result {
    let (status, title, slug) = (Word(check.status), Html(check.title), check.check);
    writeln!(to, "<article>\n<h3>{status} {title} <code>{slug}</code></h3>")?;
    write_times(check, document, to)?;
    if !check.findings.is_empty() {
        writeln!(to, "<ul>")?;
        check.findings.iter().try_for_each(|finding| write_finding(finding, to))?;
        writeln!(to, "</ul>")?;
    }
    write_changes(check.history.as_deref().unwrap_or_default(), to)?;
    writeln!(to, "</article>")
}

fn write_times(check: &CheckView, document: &Document, to: &mut String) -> fmt::Result {
    let mut said = Vec::new();
    said.extend(check.note.map(|why| format!("skipped: {}", Html(why))));
    said.extend(check.blocked_by.map(|by| format!("blocked by <code>{by}</code>")));
    said.extend(check.started_at.map(|at| {
        let took = check.duration_seconds.unwrap_or_default();
        format!("ran {} ago, in {took:.2} s", in_words(at.before(document.as_of)))
    }));
    said.extend(check.next_run_at.map(|at| match document.as_of.before(at) {
        wait if wait.is_zero() => "due now".to_owned(),
        wait => format!("runs next in {}", in_words(wait)),
    }));
    writeln!(to, r#"<p class="about">{}</p>"#, said.join("; "))
}

fn write_finding(finding: &FindingView, to: &mut String) -> fmt::Result {
    let FindingView { severity, reason, subject, detail, action, runbook, .. } = finding;
    write!(to, "<li>{} <code>{reason}</code> ", Word(severity.status()))?;
    writeln!(to, r#"<span class="subject">{}</span>"#, Html(subject))?;
    writeln!(to, "<p>{}</p>\n<p>{}", Html(detail), Html(action))?;
    let runbook = Html(runbook);
    // A path in the repository leads nowhere from here.
    if runbook.0.starts_with("https://") || runbook.0.starts_with("http://") {
        writeln!(to, r#"<a href="{runbook}">Runbook</a></p></li>"#)
    } else {
        writeln!(to, "Runbook: <code>{runbook}</code></p></li>")
    }
}

fn write_changes(history: &[HistoryView], to: &mut String) -> fmt::Result {
    if history.is_empty() {
        return Ok(());
    }
    writeln!(to, "<details><summary>Last changes</summary>\n<ul>")?;
    for change in history.iter().take(CHANGES) {
        let HistoryView { at, from, to: became, reasons } = change;
        let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
        let reasons = reasons.join(", ");
        let (from, became) = (from.as_str(), became.as_str());
        writeln!(to, "<li>{at}: {from} to {became} {reasons}</li>")?;
    }
    writeln!(to, "</ul></details>")
}

/// A status in its colour, which alone says nothing.
struct Word(Status);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.as_str();
        write!(f, r#"<span class="status {word}">{word}</span>"#)
    }
}

/// Text that is safe between tags and between quotes.
struct Html<'a>(&'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for each in self.0.chars() {
            match each {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                each if each.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                each => f.write_char(each)?,
            }
        }
        Ok(())
    }
}
