//! `/healthz`: whether provisioning would go through, for scripts.

use std::{fmt::Write as _, time::SystemTime};

use serde::Serialize;

use super::{Moment, Selection, Unknown, status::in_order};
use crate::engine::{Mode, Standing, Standings, Status};

/// The verdict over the checks that were asked for. Each is named `connection/slug`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The worst status, or `starting`. What is stale counts as `unknown`, whatever it last was.
    pub status: &'static str,
    pub as_of: Moment,
    pub failed: Vec<String>,
    pub blocked: Vec<String>,
    pub stale: Vec<String>,
    pub warning: Vec<String>,
    /// No check is failed, blocked or stale, and all of them have run.
    #[serde(skip)]
    pub ok: bool,
    #[serde(skip)]
    lines: Vec<String>,
}

/// Over a board with nothing on it there is no verdict either: it is `starting`.
pub fn health(
    standings: &Standings,
    now: SystemTime,
    selection: &Selection,
) -> Result<Health, Unknown> {
    selection.verify(standings)?;
    let mut health = Health {
        status: STARTING,
        as_of: Moment(now),
        failed: Vec::new(),
        blocked: Vec::new(),
        stale: Vec::new(),
        warning: Vec::new(),
        ok: false,
        lines: Vec::new(),
    };
    let checks: Vec<_> =
        in_order(standings).into_iter().filter(|(key, _)| selection.has(key)).collect();
    let mut pending = checks.is_empty();
    let mut statuses = Vec::new();
    for (key, standing) in checks {
        let name = format!("{}/{}", key.connection, key.check);
        let (status, stale) = (standing.status(), standing.is_stale());
        health.lines.push(line(&name, standing, stale));
        statuses.push(if stale { status.min(Status::Unknown) } else { status });
        pending |= status == Status::Pending;
        match status {
            Status::Failed => health.failed.push(name.clone()),
            Status::Blocked => health.blocked.push(name.clone()),
            Status::Warning => health.warning.push(name.clone()),
            Status::Unknown
            | Status::Informational
            | Status::Passed
            | Status::Pending
            | Status::Skipped => (),
        }
        if stale {
            health.stale.push(name);
        }
    }
    let broken = !health.failed.is_empty() || !health.blocked.is_empty();
    health.ok = !broken && !pending && health.stale.is_empty();
    if broken || !pending {
        health.status = Status::worst(statuses).as_str();
    }
    Ok(health)
}

impl Health {
    /// A line a check, and a last one for the whole.
    pub fn verbose(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "status: {}", self.status);
        text
    }
}

fn line(name: &str, standing: &Standing, stale: bool) -> String {
    let reasons = reasons(standing);
    match (standing.status(), &standing.mode, standing.blocked_by) {
        (Status::Failed, ..) => format!("[-]{name} failed: {reasons}"),
        (Status::Blocked, _, by) => format!("[-]{name} blocked by {}", by.unwrap_or_default()),
        (Status::Pending, ..) => format!("[-]{name} pending"),
        (_, Mode::Skipped(why), _) => format!("[+]{name} ok (skipped: {why})"),
        _ if stale && reasons.is_empty() => format!("[-]{name} stale"),
        _ if stale => format!("[-]{name} stale: {reasons}"),
        (Status::Passed, ..) => format!("[+]{name} ok"),
        (status, ..) => format!("[+]{name} ok ({}: {reasons})", status.as_str()),
    }
}

/// Of the latest findings, each once.
fn reasons(standing: &Standing) -> String {
    let report = standing.report();
    let findings = report.map(|report| report.verdict.findings()).unwrap_or_default();
    let mut reasons: Vec<&str> = findings.iter().map(|finding| finding.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons.join(", ")
}

const STARTING: &str = "starting";
