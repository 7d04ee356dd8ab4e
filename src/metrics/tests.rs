use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use proptest::prelude::*;

use super::{families::clean, *};
use crate::engine::{
    Check, Class, Connection, Family, Finding, Inconclusive, Job, Kind, Pace, Plan, Reading,
    Reason, Runner, Schedule, Severity, Status, Verdict,
};

#[tokio::test(start_paused = true)]
async fn a_page() {
    let finding = found(Severity::Failed, "name_not_found", "corp.contoso.com");
    let readings = vec![
        Reading::new(&UP, ["10.8.0.4"], 1.0),
        Reading::new(&UP, ["10.8.0.5"], 0.0),
        Reading::new(&LAG, [""; 0], 0.25),
    ];
    let jobs = vec![
        job::<0>("prod", Verdict::new(vec![finding], readings)),
        Job::skipped(connection("prod"), NAMES[1], "switched off"),
    ];
    let (_runner, metrics) = ran(jobs).await;
    metrics.catalogue_dated(Some(1_790_000_000));
    assert_eq!(ours(&metrics.page()), include_str!("golden.txt"));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_vanishes() {
    let jobs = vec![job::<0>("gone", Verdict::default()), job::<0>("kept", Verdict::default())];
    let (mut runner, metrics) = ran(jobs).await;
    assert!(metrics.page().contains("gone"));
    runner.reload(vec![job::<0>("kept", Verdict::default())]);
    assert!(!metrics.page().contains("gone"));
    assert!(metrics.page().contains("kept"));
}

#[tokio::test(start_paused = true)]
async fn checks_and_connections_share_a_family() {
    let reading = |label: &str| Verdict::new(Vec::new(), vec![Reading::new(&UP, [label], 1.0)]);
    let jobs =
        vec![job::<0>("a", reading("x")), job::<1>("a", reading("y")), job::<0>("b", reading("x"))];
    let (_runner, metrics) = ran(jobs).await;
    let page = metrics.page();
    assert_eq!(page.matches("# TYPE anc_test_up gauge\n").count(), 1);
    assert_eq!(page.matches("\nanc_test_up{").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_check_names_64_findings_and_counts_the_rest() {
    let mut findings: Vec<Finding> =
        (0..100).map(|n| found(Severity::Warning, "tcp_refused", &format!("host-{n}"))).collect();
    findings.push(found(Severity::Failed, "tls_intercepted", "the worst"));
    findings.push(found(Severity::Warning, "tcp_refused", "host-0"));
    let (_runner, metrics) = ran(vec![job::<0>("prod", Verdict::new(findings, Vec::new()))]).await;
    let series = parsed(&metrics.page());
    let findings: Vec<_> = series.iter().filter(|(name, ..)| name == "anc_check_finding").collect();
    assert_eq!(findings.len(), 65);
    let subject = |wanted: &str| {
        findings.iter().find(|(_, labels, _)| labels["subject"] == wanted).map(|(.., value)| *value)
    };
    assert_eq!(subject("the worst"), Some(1.0));
    assert_eq!(subject("(more)"), Some(37.0));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_failed_keeps_the_time_of_the_one_that_did_not() {
    let (_runner, metrics) = ran(Vec::new()).await;
    let value = |name: &str| {
        let series = parsed(&metrics.page());
        series.iter().find(|(each, ..)| each == name).map(|(.., value)| *value)
    };
    let at = value(RELOAD_SUCCESS_AT.0);
    assert_eq!((value(RELOAD_SUCCESSFUL.0), value(CATALOGUE_DATED.0)), (Some(1.0), None));
    tokio::time::advance(Duration::from_secs(9)).await;
    metrics.reloaded(false);
    assert_eq!((value(RELOAD_SUCCESSFUL.0), value(RELOAD_SUCCESS_AT.0)), (Some(0.0), at));
    metrics.reloaded(true);
    assert_eq!(value(RELOAD_SUCCESS_AT.0), at.map(|at| at + 9.0));
    metrics.catalogue_dated(Some(1));
    metrics.catalogue_dated(Some(2));
    assert_eq!(value(CATALOGUE_DATED.0), Some(2.0));
}

#[tokio::test(start_paused = true)]
async fn the_process_is_told_of() {
    let (_runner, metrics) = ran(Vec::new()).await;
    assert!(metrics.page().contains("\nprocess_resident_memory_bytes "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_subject_the_page_can_be_read(subject in any::<String>(), label in "\\PC*") {
        let page = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(async {
                let findings = vec![found(Severity::Warning, "tcp_refused", &subject)];
                let readings = vec![Reading::new(&UP, [label.as_str()], 1.0)];
                let (_runner, metrics) =
                    ran(vec![job::<0>("prod", Verdict::new(findings, readings))]).await;
                metrics.page()
            });
        let series = parsed(&page);
        let labels_of = |wanted: &str| {
            series.iter().find(|(name, ..)| name == wanted).map(|(_, labels, _)| labels).unwrap()
        };
        prop_assert_eq!(&labels_of("anc_check_finding")["subject"], &clean(&subject));
        prop_assert_eq!(&labels_of("anc_test_up")["server"], &clean(&label));
    }
}

const NAMES: [&str; 2] = ["dns_ad_domain", "udp_connectivity"];

const UP: Family = Family {
    name: "anc_test_up",
    help: "Whether it answered, as of the last run.",
    labels: &["server"],
    kind: Kind::Gauge,
};
const LAG: Family = Family {
    name: "anc_test_lag_seconds",
    help: "How far behind it was.",
    labels: &[],
    kind: Kind::Histogram { bounds: &[0.1, 1.0] },
};

/// Concludes what it was told to, after a quarter of a second.
struct Told<const N: usize>(Mutex<Verdict>);

impl<const N: usize> Check for Told<N> {
    const NAME: &'static str = NAMES[N];
    type Facts = ();

    async fn gather(&self) -> Result<(), Inconclusive> {
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }

    fn judge(&self, (): &()) -> Verdict {
        self.0.lock().unwrap().clone()
    }
}

fn job<const N: usize>(name: &str, verdict: Verdict) -> Job {
    let [interval, failing, limit] = [300, 60, 30].map(Duration::from_secs);
    let schedule = Schedule::new(interval, failing, limit).unwrap();
    let plan = Plan { schedule, class: Class::Light, depends_on: &[], fingerprint: 1 };
    Job::new(connection(name), Told::<N>(Mutex::new(verdict)), plan)
}

fn connection(name: &str) -> Arc<Connection> {
    Arc::new(Connection { name: name.into(), join_type: "hybrid" })
}

fn found(severity: Severity, reason: &'static str, subject: &str) -> Finding {
    let (reason, error_type) = (Reason::new(reason), None);
    Finding { severity, reason, subject: subject.into(), detail: String::new(), error_type }
}

/// Metrics of a board on which every job has run once.
async fn ran(jobs: Vec<Job>) -> (Runner, Metrics) {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (runner, board) = Runner::start(jobs, Pace::Once, Clock::following_tokio(start));
    let metrics = Metrics::new(board.clone(), About { version: "0.1.0", revision: "0123abc" });
    let all_ran = |standings: &crate::engine::Standings| {
        standings.checks.values().all(|each| each.status() != Status::Pending)
    };
    board.until(all_ran).await;
    (runner, metrics)
}

/// The page without what the process collector says.
fn ours(page: &str) -> String {
    page.split_inclusive('\n').filter(|line| line.contains("anc_")).collect()
}

type Series = (String, BTreeMap<String, String>, f64);

/// Reads the text format as strictly as it is written down, and panics where Prometheus would
/// refuse.
fn parsed(page: &str) -> Vec<Series> {
    assert!(page.ends_with('\n'));
    let lines = page.lines().filter(|line| !line.starts_with("# "));
    let series: Vec<Series> = lines.map(parsed_line).collect();
    for (index, (name, labels, _)) in series.iter().enumerate() {
        let twice = series[..index].iter().any(|(n, l, _)| (n, l) == (name, labels));
        assert!(!twice, "{name} {labels:?} is there twice");
    }
    series
}

fn parsed_line(line: &str) -> Series {
    let name_ends = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(name_ends);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.trim_start_matches(',').split_once("=\"").unwrap();
            let (value, after) = unquoted(quoted);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice");
            rest = after;
        }
        rest = &rest[1..];
    }
    (name.to_owned(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
}

fn unquoted(quoted: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((at, each)) = chars.next() {
        match each {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.push(match chars.next().unwrap().1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                other => panic!("\\{other}"),
            }),
            each => value.push(each),
        }
    }
    panic!("no end of {quoted:?}")
}
