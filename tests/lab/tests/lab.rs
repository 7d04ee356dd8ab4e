//! The lab as a whole, and its binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anc_lab::{Lab, Options, Ports, faults};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};

use support::{ask, start};

#[tokio::test]
async fn faults_are_listed_with_what_they_must_produce_and_switched_by_name() {
    let lab = start(&["udp_blocked"]).await;
    let (status, body) = ask(lab.faults, "GET", "/faults").await;
    let listed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, listed.as_array().unwrap().len()), (200, faults::all().len()));
    let find = |name| listed.as_array().unwrap().iter().find(|fault| fault["name"] == name);
    let mut refused = find("tcp_refused").unwrap().clone();
    assert!(refused["about"].as_str().unwrap().ends_with('.'));
    refused.as_object_mut().unwrap().remove("about");
    let promised = serde_json::json!({
        "name": "tcp_refused", "check": "endpoint_connectivity", "status": "failed",
        "reason": "tcp_refused", "also": [], "active": false,
        "error_type": "endpointConnectivityCheckCloudPcUrlNotAllowListed",
    });
    assert_eq!(refused, promised);
    assert_eq!(find("udp_blocked").unwrap()["active"], true);

    for (method, active) in [("POST", true), ("POST", true), ("DELETE", false)] {
        let (status, body) = ask(lab.faults, method, "/faults/tcp_refused").await;
        let switch: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &switch["name"], &switch["active"]),
            (200, &"tcp_refused".into(), &active.into())
        );
    }
    let (status, body) = ask(lab.faults, "POST", "/faults/tcp_refusd").await;
    assert!(status == 404 && body.contains(", tcp_refused, "), "{status} {body}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_fault_of_the_configuration_is_written_into_it_and_out_again() {
    let lab = start(&[]).await;
    let healthy = fs::read_to_string(&lab.config_file).unwrap();
    assert!(healthy.contains("domain = \"corp.contoso.test\""), "{healthy}");
    for (fault, written) in [
        ("invalid_name", "domain = \"corp contoso.test\""),
        ("wildcard_not_verifiable", "endpoints-with-wildcard.json"),
    ] {
        lab.switchboard.on(fault).unwrap();
        until(&lab, |text| text.contains(written)).await;
        lab.switchboard.off(fault).unwrap();
        until(&lab, |text| text == healthy).await;
    }
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn the_catalogue_has_every_kind_of_endpoint_and_category_on_ports_of_this_machine() {
    let lab = start(&[]).await;
    let file = lab.config_file.with_file_name("endpoints.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let rows = document["endpoints"].as_array().unwrap();
    let has = |key: &str, value: &str| rows.iter().any(|row| row[key] == value);
    for category in ["CloudPC", "WVD", "Intune", "AzureAD", "Locale", "AzurePlatform"] {
        assert!(has("category", category), "{category}");
    }
    for protocol in ["tls", "tcp", "http", "udp"] {
        assert!(has("protocol", protocol), "{protocol}");
    }
    // Nobody goes where a wildcard points.
    let mut hosts = rows.iter().filter(|row| !row["host"].as_str().unwrap().starts_with('*'));
    assert!(hosts.all(|row| row["port"].as_u64().unwrap() >= 1024), "{document:#}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn labs_run_side_by_side_and_leave_nothing_behind() {
    let (one, other) = (start(&[]).await, start(&[]).await);
    let directory = one.config_file.parent().unwrap().to_owned();
    assert_ne!(one.config_file, other.config_file);
    one.stop().await.unwrap();
    assert!(!directory.exists());
    assert_eq!(ask(other.faults, "GET", "/faults").await.0, 200);
}

#[tokio::test]
async fn an_address_in_use_is_laid_to_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    for (flag, listen, faults_listen) in
        [("--listen", address, free), ("--faults-listen", free, address)]
    {
        let options = Options { listen, faults_listen, faults: Vec::new() };
        let error = format!("{:#}", Lab::start(options).await.unwrap_err());
        assert!(error.starts_with(&format!("{flag} {address}: ")), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_fault_is_an_error_before_anything_starts() {
    let options = Options { faults: vec!["nonsense".to_owned()], ..Options::default() };
    let error = format!("{:#}", Lab::start(options).await.unwrap_err());
    assert!(error.starts_with("--fault: no fault is named \"nonsense\""), "{error}");
}

#[tokio::test]
async fn both_domain_controllers_are_there() {
    let lab = start(&[]).await;
    let Ports { dns, kerberos, rpc, ldap, smb, kpasswd, ldaps, global_catalog, .. } =
        lab.controllers;
    for address in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        for port in [dns, kerberos, rpc, ldap, smb, kpasswd, ldaps, global_catalog] {
            let connected = TcpStream::connect(SocketAddr::from((address, port))).await;
            assert!(connected.is_ok(), "{port}: {connected:?}");
        }
    }
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn at_rest_every_check_passes_and_one_has_a_remark() {
    let lab = start(&[]).await;
    ready(&lab).await;
    let expected = ALL.map(|check| {
        let status = if check == "localization" { "informational" } else { "passed" };
        (check.to_owned(), status.to_owned())
    });
    assert_eq!(statuses(&lab).await, BTreeMap::from(expected));
    let (status, verdict) = ask(lab.daemon, "GET", "/healthz").await;
    assert_eq!(status, 200, "{verdict}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn what_looks_at_the_domain_is_blocked_while_it_cannot_be_found_and_then_looks_again() {
    let lab = start(&[]).await;
    ready(&lab).await;
    lab.switchboard.on("no_srv_records").unwrap();
    let blocked = |check: &Value| {
        OF_DIRECTORY.contains(&check["check"].as_str().unwrap())
            == (check["status"] == "blocked" && check["blocked_by"] == "dns_ad_domain")
    };
    until_checks(&lab, |checks| checks.iter().all(blocked)).await;
    let (status, verdict) = ask(lab.daemon, "GET", "/healthz").await;
    let said: Value = serde_json::from_str(&verdict).unwrap();
    assert_eq!((status, &said["failed"]), (503, &serde_json::json!(["lab/dns_ad_domain"])));
    assert_eq!(said["blocked"].as_array().unwrap().len(), OF_DIRECTORY.len(), "{verdict}");
    let runs = async || {
        let (_, page) = ask(lab.daemon, "GET", "/metrics").await;
        let of_join = |line: &&str| {
            line.starts_with("anc_check_runs_total{") && line.contains("\"ad_domain_join\"")
        };
        page.lines().filter(of_join).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = runs().await;
    lab.switchboard.off("no_srv_records").unwrap();
    until_checks(&lab, |checks| checks.iter().all(|check| check["blocked_by"].is_null())).await;
    assert_ne!(runs().await, before);
    assert_eq!(statuses(&lab).await["ad_domain_join"], "passed");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn an_account_that_was_refused_signs_in_again_with_a_new_password() {
    let lab = start(&[]).await;
    ready(&lab).await;
    let file = lab.config_file.with_file_name("password");
    let first = fs::read_to_string(&file).unwrap();
    for _ in 0..2 {
        let before = fs::read_to_string(&file).unwrap();
        lab.switchboard.on("account_locked").unwrap();
        until_checks(&lab, |checks| {
            let has = |check: &Value| check["findings"][0]["reason"] == "account_locked";
            checks.iter().filter(|check| has(check)).count() == 2
        })
        .await;
        assert_ne!(fs::read_to_string(&file).unwrap(), before);
        lab.switchboard.off("account_locked").unwrap();
        until_checks(&lab, |checks| {
            checks.iter().all(|check| check["status"] != "failed" && check["status"] != "unknown")
        })
        .await;
    }
    assert_ne!(fs::read_to_string(&file).unwrap(), first);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn every_metric_family_has_a_sample() {
    let lab = start(&[]).await;
    ready(&lab).await;
    let (_, page) = ask(lab.daemon, "GET", "/metrics").await;
    let sampled = |family: &str| {
        page.lines().filter_map(|line| line.strip_prefix(family)).any(|rest| {
            rest.starts_with(['{', ' '])
                || rest.starts_with("_count{")
                || rest.starts_with("_count ")
        })
    };
    let missing: Vec<_> = FAMILIES.iter().filter(|family| !sampled(family)).collect();
    assert!(missing.is_empty(), "{missing:?} on\n{page}");
    lab.stop().await.unwrap();
}

/// Those that this version of the daemon has.
const FAMILIES: &[&str] = &[
    "anc_ad_join_account_password_expiry_timestamp_seconds",
    "anc_ad_join_phase_seconds",
    "anc_ad_kerberos_server_key_timestamp_seconds",
    "anc_ad_leftover_computers",
    "anc_ad_machine_account_quota",
    "anc_ad_machine_accounts_used",
    "anc_build_info",
    "anc_check_duration_seconds",
    "anc_check_finding",
    "anc_check_info",
    "anc_check_interval_seconds",
    "anc_check_last_change_timestamp_seconds",
    "anc_check_last_run_timestamp_seconds",
    "anc_check_last_success_timestamp_seconds",
    "anc_check_next_run_timestamp_seconds",
    "anc_check_panics_total",
    "anc_check_runs_total",
    "anc_check_status",
    "anc_check_success",
    "anc_check_timeout_seconds",
    "anc_config_last_reload_success_timestamp_seconds",
    "anc_config_last_reload_successful",
    "anc_dc_certificate_not_after_timestamp_seconds",
    "anc_dc_clock_offset_seconds",
    "anc_dc_round_trip_seconds",
    "anc_dc_up",
    "anc_dns_answers",
    "anc_dns_query_duration_seconds",
    "anc_dns_query_success",
    "anc_endpoint_catalogue_timestamp_seconds",
    "anc_endpoint_phase_duration_seconds",
    "anc_endpoint_phase_seconds",
    "anc_endpoint_tls_intercepted",
    "anc_endpoint_tls_not_after_timestamp_seconds",
    "anc_endpoint_up",
    "anc_scheduler_lateness_seconds",
    "anc_scheduler_overruns_total",
    "anc_udp_round_trip_seconds",
    "anc_udp_up",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

#[tokio::test]
async fn the_binary_says_where_it_is_and_ends_well() {
    let mut process = binary(&["--listen", "127.0.0.1:0", "--faults-listen", "127.0.0.1:0"]);
    let out = process.stdout.take().unwrap();
    let urls = tokio::task::spawn_blocking(|| {
        let lines = BufReader::new(out).lines().take(2);
        lines.map(|line| line.unwrap().split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    });
    let urls = time::timeout(Duration::from_secs(15), urls).await.unwrap().unwrap();
    assert_eq!(urls.len(), 2, "{urls:?}");
    for (url, path) in urls.iter().zip(["/", "/faults"]) {
        let address = url.strip_prefix("http://").unwrap().strip_suffix(path).unwrap();
        assert_eq!(ask(address.parse().unwrap(), "GET", path).await.0, 200, "{url}");
    }
    let term = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
    assert!(term.success());
    assert_eq!(ended(&mut process).await.code(), Some(0));
}

#[tokio::test]
async fn the_binary_tells_once_what_is_wrong() {
    let mut process = binary(&["--once", "--fault", "name_not_found"]);
    let status = ended(&mut process).await;
    let said = std::io::read_to_string(process.stdout.take().unwrap()).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("failed: name_not_found"), "{said}");
}

/// Its log is nobody's here.
fn binary(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anc-lab"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

async fn ended(process: &mut Child) -> ExitStatus {
    for _ in 0..300 {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        time::sleep(Duration::from_millis(50)).await;
    }
    process.kill().unwrap();
    panic!("still there after 15 s");
}

async fn until(lab: &Lab, holds: impl Fn(&str) -> bool) {
    let until = async {
        while !holds(&fs::read_to_string(&lab.config_file).unwrap()) {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(Duration::from_secs(10), until).await.unwrap();
}

async fn ready(lab: &Lab) {
    let ready = async {
        while ask(lab.daemon, "GET", "/readyz").await.0 != 200 {
            time::sleep(Duration::from_millis(50)).await;
        }
    };
    time::timeout(Duration::from_secs(20), ready).await.unwrap();
}

async fn checks(lab: &Lab) -> Vec<Value> {
    let (_, body) = ask(lab.daemon, "GET", "/api/v1/status").await;
    let document: Value = serde_json::from_str(&body).unwrap();
    document["connections"][0]["checks"].as_array().unwrap().clone()
}

async fn statuses(lab: &Lab) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks(lab).await.iter().map(|check| (text(&check["check"]), text(&check["status"]))).collect()
}

async fn until_checks(lab: &Lab, hold: impl Fn(&[Value]) -> bool) {
    let until = async {
        while !hold(&checks(lab).await) {
            time::sleep(Duration::from_millis(50)).await;
        }
    };
    if time::timeout(Duration::from_secs(20), until).await.is_err() {
        panic!("{:#?}", checks(lab).await);
    }
}

const ALL: [&str; 7] = [
    "ad_domain_join",
    "dns_ad_domain",
    "domain_controllers",
    "endpoint_connectivity",
    "localization",
    "single_sign_on",
    "udp_connectivity",
];
/// What depends on `dns_ad_domain`.
const OF_DIRECTORY: [&str; 3] = ["ad_domain_join", "domain_controllers", "single_sign_on"];
