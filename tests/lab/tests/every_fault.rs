//! Every fault, from the switch to what the daemon says of it, and back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anc_healthd::{catalogue::CHECKS, engine::Clock};
use anc_lab::{
    Lab,
    faults::{self, Fault},
};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use support::{ask, start};

/// Nearly all of the time is spent waiting, so several labs share the work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_says_of_every_fault_what_it_must_and_then_forgets_it() {
    let mut walks = JoinSet::new();
    for rounds in shares() {
        let lab = start(&[]).await;
        walks.spawn(async move {
            let wrong = Bench::at_rest(&lab).await.walk(&rounds).await;
            lab.stop().await.unwrap();
            wrong
        });
    }
    let wrong = walks.join_all().await.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_reason_that_a_check_can_give_has_a_fault_or_an_excuse() {
    for check in CHECKS {
        for reason in check.reports.iter().map(|reason| reason.as_str()) {
            let shown =
                faults::all().iter().any(|fault| reasons_of(fault, check.slug).contains(&reason));
            let excuse = EXCUSES.iter().find(|(checks, reasons, _)| {
                checks.contains(&check.slug) && reasons.contains(&reason)
            });
            assert_ne!(shown, excuse.is_some(), "{} {reason}: {excuse:?}", check.slug);
        }
    }
}

/// What no fault shows, and why.
const EXCUSES: &[(&[&str], &[&str], &str)] = &[
    (
        &["ad_domain_join", "single_sign_on"],
        &["dc_of_other_domain"],
        "they ask the first domain controller, which is the domain's; the second shows it",
    ),
    (ALL, &["panicked"], "it takes a bug"),
    (ALL, &["timed_out"], "the limits of its probes add up to less than the check's"),
    (ALL, &["no_dns_servers"], "the configuration names the lab's"),
    (
        &[
            "dns_ad_domain",
            "domain_controllers",
            "endpoint_connectivity",
            "localization",
            "udp_connectivity",
        ],
        &["could_not_look"],
        "this machine has sockets, and lets them out to itself",
    ),
    (
        OF_DIRECTORY,
        &[
            "no_srv_records",
            "dns_timeout",
            "dns_refused",
            "dns_servfail",
            "dns_truncated",
            "dns_unreachable",
            "dns_malformed",
        ],
        "dns_ad_domain fails before anything comes to that, and blocks them",
    ),
    (
        &["single_sign_on"],
        &["srv_target_unresolved"],
        "it says so if no domain controller resolves: then dns_ad_domain fails, and blocks it",
    ),
    (
        OF_DIRECTORY,
        &["tcp_unreachable"],
        "on loopback an address has a way to each of its ports or to none, which is dc_unreachable",
    ),
    (
        &["endpoint_connectivity", "localization", "udp_connectivity"],
        &["dns_refused", "dns_servfail", "dns_truncated", "dns_unreachable", "dns_malformed"],
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
        &["name_not_found", "no_addresses", "dns_timeout"],
        "the configuration names its servers by address",
    ),
];

const ALL: &[&str] = &[
    "ad_domain_join",
    "dns_ad_domain",
    "domain_controllers",
    "endpoint_connectivity",
    "localization",
    "single_sign_on",
    "udp_connectivity",
];
/// They depend on `dns_ad_domain`.
const OF_DIRECTORY: &[&str] = &["ad_domain_join", "domain_controllers", "single_sign_on"];
const OF_DOMAIN: &[&str] =
    &["ad_domain_join", "dns_ad_domain", "domain_controllers", "single_sign_on"];
const ENDPOINTS: &[&str] = &["endpoint_connectivity", "localization"];

type Round = Vec<&'static Fault>;

/// What each lab has to go through. The first one started has the endpoint over UDP, whose port
/// only one can have.
fn shares() -> [Vec<Round>; 3] {
    let mut shares = [const { Vec::new() }; 3];
    for round in rounds() {
        let needs_relay = round.iter().any(|fault| fault.name == "udp_no_reply");
        let least = (0..shares.len()).min_by_key(|share| shares[*share].len()).unwrap();
        shares[if needs_relay { 0 } else { least }].push(round);
    }
    shares
}

/// Faults that can be on together: they concern different checks, or different endpoints of one,
/// and come to the same status there.
fn rounds() -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    for fault in faults::all() {
        let goes_with = |other: &&Fault| {
            let (here, there) = (concerned(fault), concerned(other));
            let both_of_endpoints = fault.endpoint().is_some() && other.endpoint().is_some();
            here.is_disjoint(&there)
                || (here == there && fault.status == other.status && both_of_endpoints)
        };
        match rounds.iter_mut().find(|round| round.iter().all(goes_with)) {
            Some(round) => round.push(fault),
            None => rounds.push(vec![fault]),
        }
    }
    rounds
}

/// The checks that tell of a fault.
fn concerned(fault: &Fault) -> BTreeSet<&'static str> {
    fault.strikes.iter().map(|strike| strike.check).chain([fault.check]).collect()
}

/// The checks that look at what the round's faults are about, whether these should matter to them
/// or not.
fn lookers(round: &Round) -> BTreeSet<&'static str> {
    let families = [OF_DOMAIN, ENDPOINTS, &["udp_connectivity"]];
    let of = |fault: &&Fault| {
        let of_dns = fault.check == "dns_ad_domain";
        let families = families.into_iter().filter(move |it| of_dns || it.contains(&fault.check));
        families.flatten().copied().collect::<Vec<_>>()
    };
    round.iter().flat_map(of).collect()
}

struct Bench<'a> {
    lab: &'a Lab,
    rest: Expected,
}

/// Of each check the status and all reasons.
type Expected = BTreeMap<String, (String, BTreeSet<String>)>;

/// By name, as `/api/v1/status` tells of them.
type Checks = BTreeMap<String, Value>;

/// What is not as it should be, by check.
type Amiss = BTreeMap<String, String>;

impl<'a> Bench<'a> {
    /// What is said of each check while nothing is wrong.
    async fn at_rest(lab: &'a Lab) -> Self {
        let bench = Self { lab, rest: Expected::new() };
        let checks = bench
            .until(&Round::new(), |checks| {
                let amiss = checks.iter().filter(|(_, check)| !is_well(check));
                amiss.map(|(name, check)| (name.clone(), check.to_string())).collect()
            })
            .await
            .unwrap();
        assert!(checks.keys().eq(ALL), "{:?}", checks.keys());
        let rest = checks.iter().map(|(name, check)| (name.clone(), told(check))).collect();
        Self { lab, rest }
    }

    /// Through all rounds, unless one leaves a trace. Tells what went wrong.
    async fn walk(&self, rounds: &[Round]) -> Vec<String> {
        let mut wrong = Vec::new();
        for round in rounds {
            let expected = struck(round, &self.rest);
            self.switch("POST", round).await;
            wrong.extend(self.comes_to(round, &expected, round).await.err());
            self.switch("DELETE", round).await;
            if let Err(trace) = self.comes_to(round, &self.rest, &Round::new()).await {
                wrong.push(format!("off again, {trace}"));
                break;
            }
        }
        wrong
    }

    async fn comes_to(&self, round: &Round, expected: &Expected, on: &Round) -> Result<(), String> {
        let names: Vec<_> = round.iter().map(|fault| fault.name).collect();
        let checks = self.until(round, |checks| amiss(checks, expected, on)).await;
        checks.map_err(|amiss| format!("{names:?}: {amiss:#?}"))?;
        self.verdict_is_of(expected).await.map_err(|verdict| format!("{names:?}: {verdict}"))
    }

    async fn switch(&self, method: &str, round: &Round) {
        for fault in round {
            let path = format!("/faults/{}", fault.name);
            assert_eq!(ask(self.lab.faults, method, &path).await.0, 200, "{path}");
        }
    }

    /// Has the daemon look, as often as it lets itself be asked, until nothing is amiss, and
    /// whoever looks at what the round is about has done so since now.
    async fn until(
        &self,
        round: &Round,
        amiss: impl Fn(&Checks) -> Amiss,
    ) -> Result<Checks, Amiss> {
        let since = Clock::unix(Clock::system().now());
        let deadline = Instant::now() + LIMIT;
        let mut asked: Option<Instant> = None;
        loop {
            // The runs first, so that what stands is no older.
            let (runs, checks) = (self.last_runs().await, self.checks().await);
            let mut amiss = amiss(&checks);
            for looker in lookers(round) {
                if checks[looker]["status"] != "blocked" && runs[looker] < since {
                    amiss.entry(looker.to_owned()).or_insert("has not looked".to_owned());
                }
            }
            if amiss.is_empty() {
                return Ok(checks);
            }
            if Instant::now() > deadline {
                return Err(amiss);
            }
            let names: Vec<_> =
                amiss.keys().filter(|name| checks[*name]["status"] != "blocked").cloned().collect();
            if !names.is_empty() && asked.is_none_or(|at| at.elapsed() > BETWEEN_NUDGES) {
                let path = format!("/-/run?connection=lab&check={}", names.join(","));
                match ask(self.lab.daemon, "POST", &path).await {
                    (200, _) => asked = Some(Instant::now()),
                    (status, body) => assert_eq!(status, 429, "{body}"),
                }
            }
            time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// `/healthz` names whatever fails, is blocked, or is to be warned of, and nothing else. Or
    /// else this is what it says.
    async fn verdict_is_of(&self, expected: &Expected) -> Result<(), String> {
        let (code, verdict) = ask(self.lab.daemon, "GET", "/healthz").await;
        let said: Value = serde_json::from_str(&verdict).unwrap();
        let having = |status: &str| -> BTreeSet<_> {
            let having = expected.iter().filter(|(_, (other, _))| other == status);
            having.map(|(check, _)| format!("lab/{check}")).collect()
        };
        let named = |list: &str| -> BTreeSet<_> {
            let named = said[list].as_array().unwrap().iter();
            named.map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let as_expected =
            ["failed", "blocked", "warning", "stale"].iter().all(|it| named(it) == having(it));
        let is_ill = !having("failed").is_empty() || !having("blocked").is_empty();
        let is_right = as_expected && code == if is_ill { 503 } else { 200 };
        if is_right { Ok(()) } else { Err(format!("{code} {verdict}")) }
    }

    async fn checks(&self) -> Checks {
        let (status, body) = ask(self.lab.daemon, "GET", "/api/v1/status").await;
        assert_eq!(status, 200, "{body}");
        let document: Value = serde_json::from_str(&body).unwrap();
        let checks = document["connections"][0]["checks"].as_array().unwrap();
        let named = |check: &Value| (check["check"].as_str().unwrap().to_owned(), check.clone());
        checks.iter().map(named).collect()
    }

    /// When each check last started, in seconds since 1970.
    async fn last_runs(&self) -> BTreeMap<String, f64> {
        let (_, page) = ask(self.lab.daemon, "GET", "/metrics").await;
        let of_line = |line: &str| {
            let rest = line.strip_prefix("anc_check_last_run_timestamp_seconds{")?;
            let (labels, at) = rest.split_once("} ")?;
            let name = labels.split('"').find(|part| ALL.contains(part))?;
            Some((name.to_owned(), at.parse().unwrap()))
        };
        page.lines().filter_map(of_line).collect()
    }
}

const LIMIT: Duration = Duration::from_secs(25);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// The daemon's own limit.
const BETWEEN_NUDGES: Duration = Duration::from_secs(1);

/// How everything stands while the round's faults are on. Where they concern nobody, it is as
/// while nothing is wrong.
fn struck(round: &Round, rest: &Expected) -> Expected {
    let mut expected = rest.clone();
    let mut strike = |check: &str, status: &str, more: Vec<&str>| {
        let (stands, reasons) = expected.get_mut(check).unwrap();
        status.clone_into(stands);
        reasons.extend(more.into_iter().map(str::to_owned));
        if status == "blocked" {
            reasons.clear();
        }
    };
    for fault in round {
        strike(fault.check, fault.status, reasons_of(fault, fault.check));
        for other in fault.strikes {
            strike(other.check, other.status, reasons_of(fault, other.check));
        }
    }
    expected
}

/// Where something is not as expected, or is not laid to whom it should be.
fn amiss(checks: &Checks, expected: &Expected, round: &Round) -> Amiss {
    let mut amiss = Amiss::new();
    for (name, check) in checks {
        let by_root = check["status"] != "blocked" || check["blocked_by"] == "dns_ad_domain";
        if told(check) != expected[name] || !by_root {
            amiss.insert(name.clone(), format!("{:?}: {check:#}", expected[name]));
        }
    }
    for fault in round {
        let findings = &checks[fault.check]["findings"];
        if !findings.as_array().unwrap().iter().any(|finding| is_of(fault, finding)) {
            amiss.insert(fault.check.to_owned(), format!("{}: {findings:#}", fault.name));
        }
    }
    amiss
}

fn is_of(fault: &Fault, finding: &Value) -> bool {
    let subject = finding["subject"].as_str().unwrap();
    let is_of_host = |host: &str| {
        let rest = subject.strip_prefix(host);
        rest.is_some_and(|port| port.is_empty() || port.starts_with(':'))
    };
    finding["reason"] == fault.reason
        && finding["severity"] == fault.status
        && finding["error_type"].as_str() == fault.error_type
        && fault.host().is_none_or(is_of_host)
}

fn is_well(check: &Value) -> bool {
    check["status"] == "passed" || check["status"] == "informational"
}

/// The status and all reasons.
fn told(check: &Value) -> (String, BTreeSet<String>) {
    let findings = check["findings"].as_array().unwrap().iter();
    let reasons = findings.map(|finding| finding["reason"].as_str().unwrap().to_owned());
    (check["status"].as_str().unwrap().to_owned(), reasons.collect())
}

/// Those that a fault makes a check give.
fn reasons_of(fault: &Fault, check: &str) -> Vec<&'static str> {
    let own = || fault.also.iter().copied().chain([fault.reason]).collect();
    if fault.check == check {
        return own();
    }
    let strikes = fault.strikes.iter().filter(|strike| strike.check == check);
    strikes.flat_map(|strike| strike.reasons.map_or_else(own, <[_]>::to_vec)).collect()
}
