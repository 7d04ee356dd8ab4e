//! How things stand, as metric families.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use prometheus::proto::MetricFamily;

use super::{
    About,
    families::{Families, Kind, Shape, clean},
};
use crate::{
    catalogue,
    engine::{self, Clock, Finding, Scheduler, Standing, Standings, Status},
};

/// Findings of one check that have a series of their own; the others are counted.
const FINDINGS: usize = 64;

pub(super) fn families(standings: &Standings, about: About) -> Vec<MetricFamily> {
    let mut families = Families::default();
    families.set(&BUILD_INFO, [about.version, about.revision], 1.0);
    of_scheduler(&standings.scheduler, &mut families);
    for standing in standings.checks.values() {
        of_standing(standing, &mut families);
        of_findings(standing, &mut families);
        of_readings(standing, &mut families);
        if standing.schedule().is_some() {
            of_runs(standing, &mut families);
        }
    }
    families.finish()
}

fn of_scheduler(scheduler: &Scheduler, families: &mut Families) {
    families.observed(&LATENESS, [], &scheduler.lateness);
    families.set(&OVERRUNS, [], count(scheduler.overruns));
    families.set(&PANICS, [], count(scheduler.panics));
}

/// What every check has, also one that is skipped.
fn of_standing(standing: &Standing, families: &mut Families) {
    let (labels, now) = (labels_of(standing), standing.status());
    for each in Status::ALL {
        families.set(&STATUS, labels.into_iter().chain([each.as_str()]), truth(each == now));
    }
    // What does not run neither succeeds nor fails.
    if now != Status::Skipped {
        families.set(&SUCCESS, labels, truth(now.is_success()));
    }
    let about = catalogue::check(standing.check)
        .map_or([standing.check, "", ""], |entry| [entry.title, entry.worst.as_str(), entry.side]);
    families.set(&INFO, labels.into_iter().chain(about), 1.0);
}

fn of_findings(standing: &Standing, families: &mut Families) {
    let report = standing.report();
    let findings = report.map(|report| report.verdict.findings()).unwrap_or_default();
    // The worst first, so that those are the ones that are named.
    let mut worst_first: Vec<&Finding> = findings.iter().collect();
    worst_first.sort_by_key(|finding| Reverse(finding.severity));
    let mut named = BTreeSet::new();
    let mut counted: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for finding in worst_first {
        let kind = [finding.reason.as_str(), finding.error_type.unwrap_or_default()];
        let subject = clean(&finding.subject);
        if named.len() < FINDINGS || named.contains(&(kind, subject.clone())) {
            named.insert((kind, subject));
        } else {
            counted.entry(kind).or_default().insert(subject);
        }
    }
    let labels = labels_of(standing);
    for (kind, subject) in &named {
        let labels = labels.into_iter().chain(*kind).chain([subject.as_str()]);
        families.set(&FINDING, labels, 1.0);
    }
    for (kind, subjects) in &counted {
        let more = u64::try_from(subjects.len()).unwrap_or(u64::MAX);
        families.set(&FINDING, labels.into_iter().chain(*kind).chain([MORE]), count(more));
    }
}

fn of_readings(standing: &Standing, families: &mut Families) {
    let connection = standing.connection.name.as_str();
    let report = standing.report();
    for reading in report.map(|report| report.verdict.readings()).unwrap_or_default() {
        if reading.family.kind == engine::Kind::Gauge {
            let labels = reading.labels.iter().map(String::as_str);
            let labels = [connection].into_iter().chain(labels);
            families.set(&shape(reading.family, Kind::Gauge), labels, reading.value);
        }
    }
    for ((_, labels), (family, histogram)) in &standing.observed {
        let labels = [connection].into_iter().chain(labels.iter().map(String::as_str));
        families.observed(&shape(family, Kind::Histogram), labels, histogram);
    }
}

/// What only a check that runs has.
fn of_runs(standing: &Standing, families: &mut Families) {
    let labels = labels_of(standing);
    for (status, runs) in Status::ALL.into_iter().zip(standing.runs) {
        if status.is_conclusive() || status == Status::Unknown {
            families.set(&RUNS, labels.into_iter().chain([status.as_str()]), count(runs));
        }
    }
    families.observed(&DURATION, labels, &standing.durations);
    if let Some(schedule) = standing.schedule() {
        families.set(&INTERVAL, labels, schedule.interval().as_secs_f64());
        families.set(&TIMEOUT, labels, schedule.timeout().as_secs_f64());
    }
    // What has no next run yet is about to get one.
    let next_run = Some(standing.next_run.unwrap_or(standing.since));
    let times: [(&Shape, Option<SystemTime>); 4] = [
        (&LAST_RUN, standing.last_run),
        (&LAST_SUCCESS, standing.last_success),
        (&LAST_CHANGE, standing.last_change),
        (&NEXT_RUN, next_run),
    ];
    for (shape, time) in times {
        families.set(shape, labels, time.map_or(0.0, Clock::unix));
    }
}

fn labels_of(standing: &Standing) -> [&str; 2] {
    [standing.connection.name.as_str(), standing.check]
}

fn shape(family: &'static engine::Family, kind: Kind) -> Shape {
    let &engine::Family { name, help, labels, .. } = family;
    Shape { name, help, kind, first: Some("connection"), labels }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn count(events: u64) -> f64 {
    events as f64
}

/// The subject of the findings that are counted.
const MORE: &str = "(more)";

const CHECK: &[&str] = &["connection", "check"];

const BUILD_INFO: Shape =
    gauge("anc_build_info", "Which build this is; always 1.", &["version", "revision"]);
const LATENESS: Shape = Shape {
    kind: Kind::Histogram,
    ..gauge("anc_scheduler_lateness_seconds", "How long after they were due runs started.", &[])
};
const OVERRUNS: Shape = counter(
    "anc_scheduler_overruns_total",
    "Runs left out because the one before took too long.",
    &[],
);
const PANICS: Shape =
    counter("anc_check_panics_total", "Runs that ended in a panic: a bug of ours.", &[]);
const STATUS: Shape = gauge(
    "anc_check_status",
    "1 for the status that the check has as of its last run, 0 for the others.",
    &["connection", "check", "status"],
);
const SUCCESS: Shape = gauge(
    "anc_check_success",
    "Whether the check is passed, informational or warning (1) or not (0), as of its last run.",
    CHECK,
);
const INFO: Shape = gauge(
    "anc_check_info",
    "What the check is called, the worst that it says, and from where it looks; always 1.",
    &["connection", "check", "title", "worst", "side"],
);
const FINDING: Shape = gauge(
    "anc_check_finding",
    "1 for each thing that the check found, as of its last run. Beyond 64 of them, how many more \
     there are of the reason.",
    &["connection", "check", "reason", "error_type", "subject"],
);
const RUNS: Shape = counter(
    "anc_check_runs_total",
    "Runs ended, by the status they ended in.",
    &["connection", "check", "status"],
);
const DURATION: Shape = Shape {
    kind: Kind::Histogram,
    ..gauge("anc_check_duration_seconds", "How long the check's runs took.", CHECK)
};
const INTERVAL: Shape =
    gauge("anc_check_interval_seconds", "How often the check runs while all is well.", CHECK);
const TIMEOUT: Shape =
    gauge("anc_check_timeout_seconds", "How long a run of the check may take.", CHECK);
const LAST_RUN: Shape = gauge(
    "anc_check_last_run_timestamp_seconds",
    "When the last finished run of the check started, in Unix time; 0 if never.",
    CHECK,
);
const LAST_SUCCESS: Shape = gauge(
    "anc_check_last_success_timestamp_seconds",
    "When the check last passed, with or without a warning, in Unix time; 0 if never.",
    CHECK,
);
const LAST_CHANGE: Shape = gauge(
    "anc_check_last_change_timestamp_seconds",
    "When the check's status or reasons last changed, in Unix time; 0 if never.",
    CHECK,
);
const NEXT_RUN: Shape = gauge(
    "anc_check_next_run_timestamp_seconds",
    "When the check is due to run next, in Unix time.",
    CHECK,
);

const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Shape {
    Shape { name, help, kind: Kind::Gauge, first: None, labels }
}

const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Shape {
    Shape { kind: Kind::Counter, ..gauge(name, help, labels) }
}
