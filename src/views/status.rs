//! The document that `check --format json` prints and `/api/v1/status` answers. The text, JUnit
//! and HTML views are made from it, so that all of them say the same.

use std::{cmp::Reverse, collections::BTreeMap, time::SystemTime};

use serde::{Serialize, Serializer};

use super::Moment;
use crate::{
    catalogue,
    engine::{Change, Finding, Key, Mode, Reading, Reason, Severity, Standing, Standings, Status},
};

/// What the document says beside how things stand.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub version: &'static str,
    /// Where the runbooks are published; else they are paths in the repository.
    pub runbook_base_url: Option<&'a str>,
    /// What only a daemon knows: earlier changes, and when a check runs next.
    pub with_history: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Document {
    #[serde(serialize_with = "status_word")]
    pub status: Status,
    pub as_of: Moment,
    pub version: &'static str,
    /// By name.
    pub connections: Vec<ConnectionView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    pub name: String,
    pub join_type: &'static str,
    #[serde(serialize_with = "status_word")]
    pub status: Status,
    /// In the catalogue's order.
    pub checks: Vec<CheckView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CheckView {
    pub check: &'static str,
    pub title: &'static str,
    #[serde(serialize_with = "status_word")]
    pub status: Status,
    /// Why it is skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    pub blocked_by: Option<&'static str>,
    pub started_at: Option<Moment>,
    pub duration_seconds: Option<f64>,
    /// The worst first.
    pub findings: Vec<FindingView>,
    pub readings: Vec<ReadingView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_at: Option<Moment>,
    /// Newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryView>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct FindingView {
    #[serde(serialize_with = "reason_word")]
    pub reason: Reason,
    pub error_type: Option<&'static str>,
    #[serde(serialize_with = "severity_word")]
    pub severity: Severity,
    pub subject: String,
    pub detail: String,
    pub action: &'static str,
    pub runbook: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReadingView {
    pub name: &'static str,
    pub labels: BTreeMap<&'static str, String>,
    pub value: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct HistoryView {
    pub at: Moment,
    #[serde(serialize_with = "status_word")]
    pub from: Status,
    #[serde(serialize_with = "status_word")]
    pub to: Status,
    #[serde(serialize_with = "reason_words")]
    pub reasons: Vec<Reason>,
}

/// All that is on the board.
pub fn status(standings: &Standings, now: SystemTime, options: &Options<'_>) -> Document {
    let mut connections: Vec<ConnectionView> = Vec::new();
    for (_, standing) in in_order(standings) {
        let name = &standing.connection.name;
        if connections.last().is_none_or(|last| last.name != *name) {
            connections.push(ConnectionView {
                name: name.clone(),
                join_type: standing.connection.join_type,
                status: Status::Skipped,
                checks: Vec::new(),
            });
        }
        if let Some(connection) = connections.last_mut() {
            connection.checks.push(CheckView::of(standing, options));
        }
    }
    for connection in &mut connections {
        connection.status = Status::worst(connection.checks.iter().map(|check| check.status));
    }
    Document {
        status: Status::worst(connections.iter().map(|connection| connection.status)),
        as_of: Moment(now),
        version: options.version,
        connections,
    }
}

/// Connections by name, checks as the catalogue has them.
pub(super) fn in_order(standings: &Standings) -> Vec<(&Key, &Standing)> {
    let place = |check| catalogue::CHECKS.iter().position(|entry| entry.slug == check);
    let mut checks: Vec<(&Key, &Standing)> =
        standings.checks.iter().map(|(key, standing)| (key, &**standing)).collect();
    checks.sort_by_cached_key(|(key, _)| {
        (key.connection.as_str(), place(key.check).unwrap_or(usize::MAX), key.check)
    });
    checks
}

impl CheckView {
    fn of(standing: &Standing, options: &Options<'_>) -> Self {
        let report = standing.report();
        let verdict = report.map(|report| &report.verdict);
        let findings = verdict.map(|verdict| verdict.findings()).unwrap_or_default();
        let readings = verdict.map(|verdict| verdict.readings()).unwrap_or_default();
        let mut findings: Vec<FindingView> =
            findings.iter().map(|finding| FindingView::of(finding, options)).collect();
        findings.sort_by_key(|finding| Reverse(finding.severity));
        let history = || standing.history.iter().map(HistoryView::of).collect();
        Self {
            check: standing.check,
            title: catalogue::check(standing.check).map_or(standing.check, |entry| entry.title),
            status: standing.status(),
            note: match standing.mode {
                Mode::Skipped(why) => Some(why),
                Mode::Runs(_) => None,
            },
            blocked_by: standing.blocked_by,
            started_at: report.map(|report| Moment(report.started_at)),
            duration_seconds: report.map(|report| report.took.as_secs_f64()),
            findings,
            readings: readings.iter().map(ReadingView::of).collect(),
            next_run_at: standing.next_run.filter(|_| options.with_history).map(Moment),
            history: options.with_history.then(history),
        }
    }
}

impl FindingView {
    fn of(finding: &Finding, options: &Options<'_>) -> Self {
        let path = catalogue::runbook_path(finding.reason);
        let runbook = match options.runbook_base_url {
            Some(base) => format!("{}/{path}", base.trim_end_matches('/')),
            None => path,
        };
        Self {
            reason: finding.reason,
            error_type: finding.error_type,
            severity: finding.severity,
            subject: finding.subject.clone(),
            detail: finding.detail.clone(),
            action: catalogue::entry(finding.reason).action,
            runbook,
        }
    }
}

impl ReadingView {
    fn of(reading: &Reading) -> Self {
        let labels = reading.family.labels.iter().copied().zip(reading.labels.iter().cloned());
        Self { name: reading.family.name, labels: labels.collect(), value: reading.value }
    }
}

impl HistoryView {
    fn of(change: &Change) -> Self {
        let &Change { at, from, to, ref reasons } = change;
        Self { at: Moment(at), from, to, reasons: reasons.clone() }
    }
}

fn status_word<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.as_str())
}

fn severity_word<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.as_str())
}

fn reason_word<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

fn reason_words<S: Serializer>(reasons: &[Reason], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(reasons.iter().map(|reason| reason.as_str()))
}
