//! The words a check speaks: findings and readings, a verdict made of them, or no verdict and why.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// How bad one finding is. Ordered, because a verdict is as bad as its worst finding: what is
/// known to be broken outranks what could not be seen, and that outranks what is merely unwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Informational,
    Warning,
    Unknown,
    Failed,
}

/// One word of the closed set the catalogue explains. It is a metric label, a runbook heading and
/// the argument of `explain`; renaming one breaks dashboards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(&'static str);

/// One thing a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub reason: Reason,
    /// What it is about: a host, a server, a role.
    pub subject: String,
    /// One sentence for a person: what was seen.
    pub detail: String,
    /// Microsoft Graph's `errorType` for the same trouble, where it has one.
    pub error_type: Option<&'static str>,
}

/// A metric family that a check declares once, as a `const` beside itself.
#[derive(Debug, PartialEq)]
pub struct Family {
    pub name: &'static str,
    pub help: &'static str,
    /// Label names; the machine puts `connection` before them.
    pub labels: &'static [&'static str],
    pub kind: Kind,
}

/// What a reading means.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// The value as of the last run; gone when the next run no longer has it.
    Gauge,
    /// One observation, added up over all runs. Upper bounds, ascending.
    Histogram { bounds: &'static [f64] },
}

/// A number that belongs to the facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub family: &'static Family,
    /// As many as the family has label names, in their order.
    pub labels: Vec<String>,
    pub value: f64,
}

/// What a check makes of its facts. No findings means a pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    findings: Vec<Finding>,
    readings: Vec<Reading>,
}

/// Where a check stands, in a word. Ordered as a summary is: the first that any check has wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Failed,
    Blocked,
    Unknown,
    Warning,
    Informational,
    Passed,
    Pending,
    Skipped,
}

/// Why a run reached no verdict. It says nothing about the environment's health.
#[derive(Debug, thiserror::Error)]
pub enum Inconclusive {
    #[error("{detail}")]
    Unobserved { reason: Reason, subject: String, detail: String },
    #[error("no verdict within the check's limit of {limit:?}")]
    TimedOut { limit: Duration },
    #[error("the check panicked: {message}")]
    Panicked { message: String },
}

/// One finished run of one check.
#[derive(Clone, Debug)]
pub struct Report {
    pub started_at: SystemTime,
    pub took: Duration,
    pub verdict: Verdict,
}

impl Reason {
    /// The check's own limit ran out.
    pub const TIMED_OUT: Self = Self("timed_out");
    /// A bug of ours.
    pub const PANICKED: Self = Self("panicked");

    /// For the catalogue, which keeps the set closed.
    pub const fn new(word: &'static str) -> Self {
        Self(word)
    }

    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        self.status().as_str()
    }

    /// The status of a check whose worst finding this is.
    pub fn status(self) -> Status {
        match self {
            Self::Informational => Status::Informational,
            Self::Warning => Status::Warning,
            Self::Unknown => Status::Unknown,
            Self::Failed => Status::Failed,
        }
    }
}

impl Reading {
    /// `labels` in the order of the family's label names.
    pub fn new<const N: usize>(
        family: &'static Family,
        labels: [impl Into<String>; N],
        value: f64,
    ) -> Self {
        debug_assert_eq!(family.labels.len(), N, "{}: labels", family.name);
        Self { family, labels: labels.map(Into::into).into(), value }
    }
}

impl Verdict {
    /// Texts are cut where no sentence goes on: parts of them come from peers.
    pub fn new(mut findings: Vec<Finding>, readings: Vec<Reading>) -> Self {
        for Finding { subject, detail, .. } in &mut findings {
            shorten(subject, LONGEST_SUBJECT);
            shorten(detail, LONGEST_DETAIL);
        }
        Self { findings, readings }
    }

    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// As bad as the worst finding. Derived, so it cannot lie.
    pub fn status(&self) -> Status {
        let worst = self.findings.iter().map(|finding| finding.severity).max();
        worst.map_or(Status::Passed, Severity::status)
    }
}

fn shorten(text: &mut String, longest: usize) {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push('…');
    }
}

/// A distinguished name with room to spare, in characters.
const LONGEST_SUBJECT: usize = 512;
/// In characters: dozens of certificates' names, or of DNS answers.
const LONGEST_DETAIL: usize = 4096;

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::Blocked,
        Self::Unknown,
        Self::Warning,
        Self::Informational,
        Self::Passed,
        Self::Pending,
        Self::Skipped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Informational => "informational",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
            Self::Pending => "pending",
        }
    }

    /// The worst of several: a connection's status, or the whole's. Nothing at all is `skipped`.
    pub fn worst(of: impl IntoIterator<Item = Self>) -> Self {
        of.into_iter().min().unwrap_or(Self::Skipped)
    }

    /// Whether provisioning could go on.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Passed | Self::Informational | Self::Warning)
    }

    /// Whether what depends on such a check is not worth looking at.
    pub fn blocks(self) -> bool {
        matches!(self, Self::Failed | Self::Blocked)
    }

    /// Whether a run saw enough to say so.
    pub fn is_conclusive(self) -> bool {
        self.is_success() || self == Self::Failed
    }
}

impl From<Inconclusive> for Verdict {
    /// Every `unknown` carries a finding that says why.
    fn from(why: Inconclusive) -> Self {
        let detail = why.to_string();
        let (reason, subject) = match why {
            Inconclusive::Unobserved { reason, subject, .. } => (reason, subject),
            Inconclusive::TimedOut { .. } => (Reason::TIMED_OUT, String::new()),
            Inconclusive::Panicked { .. } => (Reason::PANICKED, String::new()),
        };
        let severity = Severity::Unknown;
        let finding = Finding { severity, reason, subject, detail, error_type: None };
        Self::new(vec![finding], Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(severity: Severity) -> Finding {
        let (subject, detail) = (String::new(), String::new());
        Finding { severity, reason: Reason::new("any"), subject, detail, error_type: None }
    }

    #[test]
    fn what_is_broken_outranks_what_could_not_be_seen() {
        let verdict =
            Verdict::new(vec![found(Severity::Unknown), found(Severity::Failed)], Vec::new());
        assert_eq!(verdict.status(), Status::Failed);
    }

    #[test]
    fn what_could_not_be_seen_outranks_a_warning() {
        let verdict =
            Verdict::new(vec![found(Severity::Unknown), found(Severity::Warning)], Vec::new());
        assert_eq!(verdict.status(), Status::Unknown);
    }

    #[test]
    fn nothing_found_is_a_pass() {
        assert_eq!(Verdict::default().status(), Status::Passed);
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let (subject, detail) = ("ü".repeat(600), "ß".repeat(9000));
        let endless = Finding { subject, detail, ..found(Severity::Failed) };
        let verdict = Verdict::new(vec![endless], Vec::new());
        let Finding { subject, detail, .. } = &verdict.findings()[0];
        assert_eq!((subject.chars().count(), detail.chars().count()), (513, 4097));
        assert!(subject.ends_with("ü…"));
    }

    #[test]
    fn a_summary_ignores_what_is_skipped_or_pending_unless_that_is_all() {
        assert_eq!(Status::worst([Status::Skipped, Status::Passed]), Status::Passed);
        assert_eq!(Status::worst([Status::Pending, Status::Passed]), Status::Passed);
        assert_eq!(Status::worst([Status::Blocked, Status::Unknown]), Status::Blocked);
        assert_eq!(Status::worst([]), Status::Skipped);
    }

    #[test]
    fn a_run_without_verdict_is_unknown_and_says_why() {
        let verdict = Verdict::from(Inconclusive::TimedOut { limit: Duration::from_secs(3) });
        assert_eq!(verdict.status(), Status::Unknown);
        assert_eq!(verdict.findings()[0].reason, Reason::TIMED_OUT);
        assert!(verdict.findings()[0].detail.contains("3s"));
    }
}
