//! Where one check of one connection stands, and how it came there.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    Connection, Family, Histogram, Job, Kind, Reading, Reason, Report, Schedule, Status,
    check::Work,
};

/// How many changes of a check are remembered.
const HISTORY: usize = 50;

/// Bucket bounds of a check's duration, in seconds.
const DURATION: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// One check of one connection, so far.
#[derive(Clone, Debug)]
pub struct Standing {
    pub connection: Arc<Connection>,
    pub check: &'static str,
    pub mode: Mode,
    pub depends_on: &'static [&'static str],
    /// The failing check that makes this one pointless: the root, not the next in line.
    pub blocked_by: Option<&'static str>,
    /// `None` until the first run ends.
    pub latest: Option<Arc<Report>>,
    /// Runs ended, by [`Status`] in the order of [`Status::ALL`].
    pub runs: [u64; Status::ALL.len()],
    pub durations: Histogram,
    /// What the readings of histogram families add up to, by family and labels.
    pub observed: BTreeMap<(&'static str, Vec<String>), (&'static Family, Histogram)>,
    /// When the daemon was first told of this check as it now is.
    pub since: SystemTime,
    pub last_run: Option<SystemTime>,
    pub last_success: Option<SystemTime>,
    pub last_change: Option<SystemTime>,
    pub next_run: Option<SystemTime>,
    /// Newest first.
    pub history: VecDeque<Change>,
    /// From when on a conclusive result has been missing: the last one, or when there was first a
    /// reason to expect one. Not of the wall clock, which may be set.
    conclusive: Instant,
    pub(super) generation: u64,
    pub(super) nudge: Arc<Notify>,
    /// Made of something else since the latest report: who depends on this waits for its next run.
    pub(super) outdated: bool,
    /// Nudged because what blocked it is well again, and not run since.
    pub(super) woken: bool,
}

/// Whether a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Runs(Schedule),
    /// And why it does not.
    Skipped(&'static str),
}

/// A check's status or its reasons became others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: SystemTime,
    pub from: Status,
    pub to: Status,
    /// Of the findings since then.
    pub reasons: Vec<Reason>,
}

impl Standing {
    pub fn status(&self) -> Status {
        match (&self.mode, self.blocked_by, &self.latest) {
            (Mode::Skipped(_), ..) => Status::Skipped,
            (Mode::Runs(_), Some(_), _) => Status::Blocked,
            (Mode::Runs(_), None, None) => Status::Pending,
            (Mode::Runs(_), None, Some(report)) => report.verdict.status(),
        }
    }

    /// The latest report, unless the check is blocked since: what it once saw says nothing now.
    pub fn report(&self) -> Option<&Report> {
        self.latest.as_deref().filter(|_| self.blocked_by.is_none())
    }

    pub fn schedule(&self) -> Option<Schedule> {
        match self.mode {
            Mode::Runs(schedule) => Some(schedule),
            Mode::Skipped(_) => None,
        }
    }

    /// Whether it has had no conclusive result for three of its intervals: nobody looked, or
    /// looking failed. What is blocked is not stale; its root cause is told instead.
    pub fn is_stale(&self) -> bool {
        let Some(schedule) = self.schedule() else { return false };
        let allowed = schedule.interval().saturating_mul(3);
        self.blocked_by.is_none() && self.conclusive.elapsed() > allowed
    }

    pub(super) fn runs_here(&self) -> bool {
        self.schedule().is_some()
    }

    pub(super) fn new(job: &Job, generation: u64, now: SystemTime) -> Self {
        let (mode, depends_on) = match &job.work {
            Work::Run(plan, _) => (Mode::Runs(plan.schedule), plan.depends_on),
            Work::Skip(why) => (Mode::Skipped(why), &[][..]),
        };
        Self {
            connection: Arc::clone(&job.connection),
            check: job.check,
            mode,
            depends_on,
            blocked_by: None,
            latest: None,
            runs: [0; Status::ALL.len()],
            durations: Histogram::new(DURATION),
            observed: BTreeMap::new(),
            since: now,
            last_run: None,
            last_success: None,
            last_change: None,
            next_run: None,
            history: VecDeque::new(),
            conclusive: Instant::now(),
            generation,
            nudge: Arc::default(),
            woken: false,
            outdated: false,
        }
    }

    /// What the check is made of has changed. What it last saw stands until it has looked again:
    /// an alert must neither fire nor end because of a reload.
    pub(super) fn put_up_again(&self, job: &Job, generation: u64, now: SystemTime) -> Self {
        let fresh = Self::new(job, generation, now);
        let mut again = self.clone();
        if !self.runs_here() || !fresh.runs_here() {
            // Switched off or on: what was seen before then says nothing.
            again.latest = None;
            again.blocked_by = None;
            again.next_run = None;
            again.conclusive = fresh.conclusive;
        }
        if !self.is_stale() {
            // Another interval allows another age.
            again.conclusive = fresh.conclusive;
        }
        let Self { connection, mode, depends_on, .. } = fresh;
        Self { connection, mode, depends_on, generation, outdated: true, ..again }
    }

    /// Takes a report in. `root` is the check that blocks this one by now: the run then only
    /// counts.
    pub(super) fn take(
        &mut self,
        report: Report,
        root: Option<&'static str>,
        now: SystemTime,
    ) -> Option<Change> {
        let before = self.look();
        let status = report.verdict.status();
        self.runs[status as usize] += 1;
        self.durations.observe(report.took.as_secs_f64());
        self.last_run = Some(report.started_at);
        if status.is_success() {
            self.last_success = Some(now);
        }
        // While it was blocked, nobody expected a result.
        if status.is_conclusive() || self.blocked_by.is_some() {
            self.conclusive = Instant::now();
        }
        for reading in report.verdict.readings() {
            self.observe(reading);
        }
        self.latest = Some(Arc::new(report));
        self.blocked_by = root;
        self.woken = false;
        self.outdated = false;
        let after = self.look();
        (after != before).then(|| self.record(before.0, now))
    }

    pub(super) fn block(&mut self, root: &'static str, now: SystemTime) -> Change {
        let from = self.status();
        self.blocked_by = Some(root);
        self.woken = false;
        self.record(from, now)
    }

    /// Runs it at once, because nothing blocks it any more. It stays blocked until that run says
    /// otherwise: nothing better is known.
    pub(super) fn wake(&mut self) {
        self.woken = true;
        self.nudge.notify_one();
    }

    fn observe(&mut self, reading: &Reading) {
        let Kind::Histogram { bounds } = reading.family.kind else { return };
        let key = (reading.family.name, reading.labels.clone());
        let fresh = || (reading.family, Histogram::new(bounds));
        self.observed.entry(key).or_insert_with(fresh).1.observe(reading.value);
    }

    /// What a change is a change of.
    fn look(&self) -> (Status, Vec<Reason>) {
        let findings = self.report().map(|report| report.verdict.findings());
        let reasons: BTreeSet<Reason> =
            findings.unwrap_or_default().iter().map(|finding| finding.reason).collect();
        (self.status(), reasons.into_iter().collect())
    }

    fn record(&mut self, from: Status, at: SystemTime) -> Change {
        let (to, reasons) = self.look();
        let change = Change { at, from, to, reasons };
        self.last_change = Some(at);
        self.history.push_front(change.clone());
        self.history.truncate(HISTORY);
        change
    }
}
