//! Every fault, from the switch to what the daemon says of it, and back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anc_healthd::catalogue::CHECKS;
use anc_lab::{
    Lab,
    faults::{self, Fault},
};
use serde_json::Value;
use tokio::time::{self, Instant};

use support::{ask, start};

#[tokio::test]
async fn the_daemon_says_of_every_fault_what_it_must_and_then_forgets_it() {
    let lab = start(&[]).await;
    let bench = Bench::at_rest(&lab).await;
    for round in rounds() {
        bench.switch("POST", &round).await;
        bench.until(&round, |checks| struck(checks, &round, &bench.rest)).await;
        bench.verdict_tells_of(&round).await;
        bench.switch("DELETE", &round).await;
        bench.until(&round, |checks| at_rest(checks, &bench.rest)).await;
        let (status, verdict) = ask(lab.daemon, "GET", "/healthz").await;
        assert_eq!(status, 200, "{verdict}");
    }
    lab.stop().await.unwrap();
}

#[test]
fn every_reason_that_a_check_can_give_has_a_fault_or_an_excuse() {
    for check in CHECKS {
        for reason in check.reports.iter().map(|reason| reason.as_str()) {
            let mut of_check = faults::all().iter().filter(|fault| fault.check == check.slug);
            let shown = of_check.any(|fault| reasons_of(fault).any(|other| other == reason));
            let excuse = EXCUSES.iter().find(|(checks, reasons, _)| {
                checks.contains(&check.slug) && reasons.contains(&reason)
            });
            assert_ne!(shown, excuse.is_some(), "{} {reason}: {excuse:?}", check.slug);
        }
    }
}

/// What no fault shows, and why.
const EXCUSES: &[(&[&str], &[&str], &str)] = &[
    (ALL, &["panicked"], "it takes a bug"),
    (ALL, &["timed_out"], "the limits of its probes add up to less than the check's"),
    (ALL, &["no_dns_servers"], "the configuration names the lab's"),
    (ALL, &["could_not_look"], "this machine has sockets, and lets them out to itself"),
    (
        &["endpoint_connectivity", "localization", "udp_connectivity"],
        &[
            "dns_timeout",
            "dns_refused",
            "dns_servfail",
            "dns_truncated",
            "dns_unreachable",
            "dns_malformed",
        ],
        "they hear of it from who asks for dns_ad_domain, too; the lab has no server for each",
    ),
    (ENDPOINTS, &["proxy_configured"], "it is the process' environment, which is set once"),
    (
        ENDPOINTS,
        &["udp_refused"],
        "the lab's relay answers or keeps silent, and never closes its port",
    ),
    (
        &["localization"],
        &[
            "name_not_found",
            "no_addresses",
            "private_address",
            "tcp_timeout",
            "tcp_unreachable",
            "tls_refused",
            "tls_timeout",
            "tls_alert",
            "tls_malformed",
            "tls_intercepted",
            "certificate_expired",
            "certificate_not_yet_valid",
            "certificate_wrong_name",
            "certificate_untrusted",
            "http_timeout",
            "http_malformed",
            "proxy_required",
            "udp_no_reply",
        ],
        "it looks with the same eyes as endpoint_connectivity, where they are shown",
    ),
    (&["localization"], &["wildcard_not_verifiable"], "it is always there"),
    (
        &["udp_connectivity"],
        &["name_not_found", "no_addresses"],
        "the configuration names its servers by address",
    ),
];

const ALL: &[&str] =
    &["dns_ad_domain", "endpoint_connectivity", "localization", "udp_connectivity"];
const ENDPOINTS: &[&str] = &["endpoint_connectivity", "localization"];

type Round = Vec<&'static Fault>;

/// Faults that can be on together: of a check only those that strike different endpoints and come
/// to the same status. Endpoints come in the first rounds, before no DNS server answers any more.
fn rounds() -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    for check in ALL {
        let mut of_check: Vec<Round> = Vec::new();
        for fault in faults::all().iter().filter(|fault| fault.check == *check) {
            let goes_with = |other: &&Fault| {
                other.status == fault.status
                    && other.endpoint().is_some()
                    && fault.endpoint().is_some()
            };
            match of_check.iter_mut().find(|round| round.iter().all(goes_with)) {
                Some(round) => round.push(fault),
                None => of_check.push(vec![fault]),
            }
        }
        rounds.resize(rounds.len().max(of_check.len()), Round::new());
        rounds.iter_mut().zip(of_check).for_each(|(round, more)| round.extend(more));
    }
    rounds
}

struct Bench<'a> {
    lab: &'a Lab,
    rest: Reasons,
}

type Reasons = BTreeMap<String, BTreeSet<String>>;

/// By name, as `/api/v1/status` tells of them.
type Checks = BTreeMap<String, Value>;

/// What is not as it should be, by check.
type Amiss = BTreeMap<String, String>;

impl<'a> Bench<'a> {
    /// What is said of each check while nothing is wrong.
    async fn at_rest(lab: &'a Lab) -> Self {
        let mut bench = Self { lab, rest: Reasons::new() };
        bench
            .until(&Round::new(), |checks| {
                let amiss = checks.iter().filter(|(_, check)| !is_well(check));
                amiss.map(|(name, check)| (name.clone(), check.to_string())).collect()
            })
            .await;
        let checks = bench.checks().await;
        assert!(checks.keys().eq(ALL), "{:?}", checks.keys());
        bench.rest = checks.iter().map(|(name, check)| (name.clone(), reasons(check))).collect();
        bench
    }

    async fn switch(&self, method: &str, round: &Round) {
        for fault in round {
            let path = format!("/faults/{}", fault.name);
            assert_eq!(ask(self.lab.faults, method, &path).await.0, 200, "{path}");
        }
    }

    /// Has the daemon look at what is amiss, as often as it lets itself be asked, until nothing is.
    async fn until(&self, round: &Round, amiss: impl Fn(&Checks) -> Amiss) {
        let deadline = Instant::now() + LIMIT;
        let mut asked: Option<Instant> = None;
        loop {
            let amiss = amiss(&self.checks().await);
            if amiss.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                let names: Vec<_> = round.iter().map(|fault| fault.name).collect();
                panic!("with {names:?}: {amiss:#?}");
            }
            if asked.is_none_or(|asked| asked.elapsed() > BETWEEN_NUDGES) {
                let names: Vec<_> = amiss.into_keys().collect();
                let path = format!("/-/run?connection=lab&check={}", names.join(","));
                match ask(self.lab.daemon, "POST", &path).await {
                    (200, _) => asked = Some(Instant::now()),
                    (status, body) => assert_eq!(status, 429, "{body}"),
                }
            }
            time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn verdict_tells_of(&self, round: &Round) {
        let (status, verdict) = ask(self.lab.daemon, "GET", "/healthz").await;
        let told: Value = serde_json::from_str(&verdict).unwrap();
        let fails = round.iter().any(|fault| fault.status == "failed");
        assert_eq!(status, if fails { 503 } else { 200 }, "{verdict}");
        for fault in round.iter().filter(|fault| fault.status != "informational") {
            let named = told[fault.status].as_array().unwrap();
            let name = format!("lab/{}", fault.check);
            assert!(named.iter().any(|other| *other == *name), "{}: {verdict}", fault.name);
        }
    }

    async fn checks(&self) -> Checks {
        let (status, body) = ask(self.lab.daemon, "GET", "/api/v1/status").await;
        assert_eq!(status, 200, "{body}");
        let document: Value = serde_json::from_str(&body).unwrap();
        let checks = document["connections"][0]["checks"].as_array().unwrap();
        let named = |check: &Value| (check["check"].as_str().unwrap().to_owned(), check.clone());
        checks.iter().map(named).collect()
    }
}

const LIMIT: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// The daemon's own limit.
const BETWEEN_NUDGES: Duration = Duration::from_secs(1);

/// Where the round's faults do not show as they must, or anything else does.
fn struck(checks: &Checks, round: &Round, rest: &Reasons) -> Amiss {
    let mut expected = BTreeMap::new();
    for fault in round {
        let reasons = expected.entry(fault.check).or_insert_with(|| rest[fault.check].clone());
        reasons.extend(reasons_of(fault).map(str::to_owned));
    }
    let amiss = round.iter().filter(|fault| {
        let check = &checks[fault.check];
        let findings = check["findings"].as_array().unwrap();
        check["status"] != fault.status
            || reasons(check) != expected[fault.check]
            || !findings.iter().any(|finding| is_of(fault, finding))
    });
    let told = |fault: &&Fault| {
        let told = format!("{}: {:#}", fault.name, checks[fault.check]["findings"]);
        (fault.check.to_owned(), told)
    };
    amiss.map(told).collect()
}

/// Where a check tells of more, or less, than it does while nothing is wrong.
fn at_rest(checks: &Checks, rest: &Reasons) -> Amiss {
    let amiss =
        checks.iter().filter(|(name, check)| !is_well(check) || reasons(check) != rest[*name]);
    amiss.map(|(name, check)| (name.clone(), check.to_string())).collect()
}

fn is_of(fault: &Fault, finding: &Value) -> bool {
    let subject = finding["subject"].as_str().unwrap();
    let of_host = |host: &str| subject.strip_prefix(host).is_some_and(|port| port.starts_with(':'));
    finding["reason"] == fault.reason
        && finding["severity"] == fault.status
        && finding["error_type"].as_str() == fault.error_type
        && fault.endpoint().is_none_or(of_host)
}

fn is_well(check: &Value) -> bool {
    check["status"] == "passed" || check["status"] == "informational"
}

fn reasons(check: &Value) -> BTreeSet<String> {
    let findings = check["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["reason"].as_str().unwrap().to_owned()).collect()
}

fn reasons_of(fault: &Fault) -> impl Iterator<Item = &'static str> {
    fault.also.iter().copied().chain([fault.reason])
}
