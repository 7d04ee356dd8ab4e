use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    sample::{Script, connection, depending, found, job, ran, says, started, verdict},
    *,
};
use crate::engine::{Board, Job, Pace, Severity, Status, Verdict};

const BARE: Options<'static> =
    Options { version: "0.1.0", runbook_base_url: None, with_history: false };
const FULL: Options<'static> = Options {
    version: "0.1.0",
    runbook_base_url: Some("https://runbooks.contoso.com/anc/"),
    with_history: true,
};

#[tokio::test(start_paused = true)]
async fn what_check_prints_as_json() {
    let board = ran(vec![says::<0>("prod", Some(Severity::Failed))]).await;
    let action = crate::catalogue::entry(crate::catalogue::reason::NAME_NOT_FOUND).action;
    let expected = json!({
        "status": "failed", "as_of": "2026-11-22T00:00:00Z", "version": "0.1.0",
        "connections": [{
            "name": "prod", "join_type": "hybrid", "status": "failed",
            "checks": [{
                "check": "dns_ad_domain", "title": "DNS can resolve Active Directory domain",
                "status": "failed", "blocked_by": null,
                "started_at": "2026-11-22T00:00:00Z", "duration_seconds": 0.0,
                "findings": [{
                    "reason": "name_not_found", "error_type": "adJoinCheckFQDNNotFound",
                    "severity": "failed", "subject": "corp.contoso.com",
                    "detail": "10.8.0.4 says that corp.contoso.com does not exist",
                    "action": action, "runbook": "deploy/runbooks/dns.md#name_not_found",
                }],
                "readings": [
                    {"name": "anc_test_answers", "labels": {"server": "10.8.0.4"}, "value": 2.0},
                ],
            }],
        }],
    });
    assert_eq!(serde_json::to_value(told(&board, &BARE)).unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_api_adds_what_only_a_daemon_knows() {
    let script = Script::of(Verdict::default());
    let (_runner, board) = crate::engine::Runner::start(
        vec![job::<0>("prod", script.clone())],
        Pace::Scheduled,
        crate::engine::Clock::following_tokio(std::time::SystemTime::UNIX_EPOCH),
    );
    board.until(sample::all_ran).await;
    script.says(verdict(Some(Severity::Failed)));
    board.until(|standings| worst(standings) == Status::Failed).await;
    let document = serde_json::to_value(told(&board, &FULL)).unwrap();
    let check = &document["connections"][0]["checks"][0];
    assert!(check["next_run_at"].is_string());
    let history = check["history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0]["from"], "passed");
    assert_eq!(history[0]["to"], "failed");
    assert_eq!(history[0]["reasons"], json!(["name_not_found"]));
    let runbook = "https://runbooks.contoso.com/anc/deploy/runbooks/dns.md#name_not_found";
    assert_eq!(check["findings"][0]["runbook"], runbook);
}

#[tokio::test(start_paused = true)]
async fn connections_are_by_name_and_checks_as_in_the_catalogue() {
    let jobs = vec![says::<3>("b", None), says::<0>("b", None), says::<2>("a", None)];
    let document = told(&ran(jobs).await, &BARE);
    let order: Vec<_> = document
        .connections
        .iter()
        .flat_map(|each| each.checks.iter().map(|check| (each.name.as_str(), check.check)))
        .collect();
    assert_eq!(order, [("a", "localization"), ("b", "dns_ad_domain"), ("b", "udp_connectivity")]);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_check_says_why_and_does_not_count() {
    let skipped = Job::skipped(connection("prod"), sample::NAMES[3], "switched off");
    let document = told(&ran(vec![says::<0>("prod", None), skipped]).await, &BARE);
    assert_eq!(document.status, Status::Passed);
    let check = serde_json::to_value(&document.connections[0].checks[1]).unwrap();
    assert_eq!((&check["status"], &check["note"]), (&json!("skipped"), &json!("switched off")));
    assert_eq!((&check["started_at"], &check["findings"]), (&Value::Null, &json!([])));
}

#[tokio::test(start_paused = true)]
async fn the_worst_finding_comes_first() {
    let findings = vec![found(Severity::Warning, "one"), found(Severity::Failed, "two")];
    let script = Script::of(Verdict::new(findings, Vec::new()));
    let document = told(&ran(vec![job::<0>("prod", script)]).await, &BARE);
    assert_eq!(document.connections[0].checks[0].findings[0].subject, "two");
}

#[tokio::test(start_paused = true)]
async fn what_check_prints_as_text() {
    let text = text(&told(&of_every_status().await, &BARE));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "prod (hybrid): failed");
    assert!(lines[1].starts_with("  failed        dns_ad_domain "), "{text}");
    assert_eq!(lines[2], "    failed: name_not_found");
    assert_eq!(lines[3], "      10.8.0.4 says that corp.contoso.com does not exist");
    assert!(lines[4].starts_with("      do:  "));
    assert_eq!(lines[5], "      see: deploy/runbooks/dns.md#name_not_found");
    assert!(text.contains("Endpoint connectivity (by dns_ad_domain)\n"), "{text}");
    assert!(text.contains("UDP connection check (switched off)\n"), "{text}");
    assert_eq!(lines.last(), Some(&"overall: failed"));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_is_told_nothing_by_peers() {
    let script = Script::of(Verdict::new(
        vec![found(Severity::Warning, "a\u{1b}[2Jb\nc\u{9b}d")],
        Vec::new(),
    ));
    let text = text(&told(&ran(vec![job::<0>("prod", script)]).await, &BARE));
    assert!(text.contains("a\u{fffd}[2Jb c\u{fffd}d"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_check_prints_as_junit() {
    let xml = junit(&told(&of_every_status().await, &BARE));
    assert!(
        xml.contains(r#"<testsuite name="prod" tests="4" failures="2" errors="0" skipped="1" "#),
        "{xml}"
    );
    assert!(xml.contains(r#"<failure type="failed" message="name_not_found">"#), "{xml}");
    assert!(xml.contains(r#"<failure type="blocked" message="blocked by dns_ad_domain">"#));
    assert!(xml.contains(r#"<skipped message="switched off"/>"#), "{xml}");
    assert!(xml.contains("<system-out>warning: name_not_found: corp.contoso.com\n"), "{xml}");
    well_formed(&xml);
}

#[tokio::test(start_paused = true)]
async fn junit_calls_what_could_not_be_seen_an_error() {
    let xml = junit(&told(&ran(vec![says::<0>("prod", Some(Severity::Unknown))]).await, &BARE));
    assert!(xml.contains(r#"failures="0" errors="1" skipped="0""#), "{xml}");
    assert!(xml.contains(r#"<error type="unknown" message="name_not_found">"#), "{xml}");
}

#[tokio::test(start_paused = true)]
async fn the_page_says_what_to_do() {
    let page = page(&told(&of_every_status().await, &FULL));
    for part in [
        r#"<span class="status failed">failed</span>"#,
        "ran 0 s ago, in 0.00 s",
        r#"<a href="https://runbooks.contoso.com/anc/deploy/runbooks/dns.md#name_not_found">"#,
        "blocked by <code>dns_ad_domain</code>",
        "skipped: switched off",
        r#"<a href="metrics">"#,
        "pending to failed name_not_found",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("style="), "the policy forbids both");
}

#[tokio::test(start_paused = true)]
async fn a_runbook_that_is_no_address_is_no_link() {
    let options = Options { runbook_base_url: Some("javascript:alert(1)"), ..FULL };
    let page = page(&told(&of_every_status().await, &options));
    assert!(page.contains("<code>javascript:alert(1)/deploy/"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn all_is_well_when_every_check_passed() {
    let board =
        ran(vec![says::<0>("prod", None), says::<2>("prod", Some(Severity::Warning))]).await;
    let health = asked(&board, &Selection::default());
    assert!(health.ok);
    assert_eq!(
        serde_json::to_value(&health).unwrap(),
        json!({
            "status": "warning", "as_of": "2026-11-22T00:00:00Z",
            "failed": [], "blocked": [], "stale": [], "warning": ["prod/localization"],
        })
    );
    let verbose = "[+]prod/dns_ad_domain ok\n\
                   [+]prod/localization ok (warning: name_not_found)\n\
                   status: warning\n";
    assert_eq!(health.verbose(), verbose);
}

#[tokio::test(start_paused = true)]
async fn what_failed_and_what_it_blocks_are_told_apart() {
    let health = asked(&of_every_status().await, &Selection::default());
    assert!(!health.ok);
    assert_eq!(health.failed, ["prod/dns_ad_domain"]);
    assert_eq!(health.blocked, ["prod/endpoint_connectivity"]);
    let verbose = "[-]prod/dns_ad_domain failed: name_not_found\n\
                   [-]prod/endpoint_connectivity blocked by dns_ad_domain\n\
                   [+]prod/localization ok (warning: name_not_found)\n\
                   [+]prod/udp_connectivity ok (skipped: switched off)\n\
                   status: failed\n";
    assert_eq!(health.verbose(), verbose);
}

#[tokio::test(start_paused = true)]
async fn before_every_check_has_run_there_is_no_verdict() {
    let (_runner, board) =
        started(vec![says::<0>("prod", None), job::<2>("prod", Script::default())]);
    board.until(|standings| worst(standings) == Status::Passed).await;
    let health = asked(&board, &Selection::default());
    assert_eq!((health.ok, health.status), (false, "starting"));
    assert!(health.verbose().contains("[-]prod/localization pending\n"));
    let checks = vec!["dns_ad_domain".to_owned()];
    assert!(asked(&board, &Selection { checks, ..Selection::default() }).ok, "that one has run");
}

#[tokio::test(start_paused = true)]
async fn an_empty_board_is_no_verdict() {
    let health = asked(&ran(Vec::new()).await, &Selection::default());
    assert_eq!((health.ok, health.status), (false, "starting"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looked_at_is_stale() {
    // Told to run once, it is not looked at again.
    let board = ran(vec![says::<0>("prod", None)]).await;
    tokio::time::advance(Duration::from_secs(901)).await;
    let health = asked(&board, &Selection::default());
    assert_eq!((health.ok, health.status), (false, "unknown"));
    assert_eq!(health.stale, ["prod/dns_ad_domain"]);
    assert!(health.verbose().starts_with("[-]prod/dns_ad_domain stale\n"));
}

#[tokio::test(start_paused = true)]
async fn a_selection_picks_and_excludes() {
    let failed = Some(Severity::Failed);
    let board =
        ran(vec![says::<0>("a", failed), says::<2>("a", failed), says::<0>("b", failed)]).await;
    let failed = |connections: &[&str], checks: &[&str], exclude: &[&str]| {
        let [connections, checks, exclude] = [connections, checks, exclude]
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        health(&board.standings(), board.clock().now(), &Selection { connections, checks, exclude })
            .map(|health| health.failed.join(" "))
            .map_err(|unknown| unknown.to_string())
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(failed(&["a"], &[], &[]), ok("a/dns_ad_domain a/localization"));
    assert_eq!(failed(&[], &["dns_ad_domain"], &[]), ok("a/dns_ad_domain b/dns_ad_domain"));
    assert_eq!(failed(&["a", "b"], &[], &["dns_ad_domain"]), ok("a/localization"));
    assert_eq!(failed(&[], &[], &["a/dns_ad_domain"]), ok("a/localization b/dns_ad_domain"));
    let error = |text: &str| Err(text.to_owned());
    assert_eq!(failed(&["c"], &[], &[]), error("no connection \"c\"; there are: a, b"));
    let unknown = "no check \"dns\"; there are: dns_ad_domain, localization";
    assert_eq!(failed(&[], &["dns"], &[]), error(unknown));
    assert_eq!(failed(&[], &[], &["dns"]), error(unknown));
    assert_eq!(failed(&["b"], &["localization"], &[]), error("no connection has such a check"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_peers_say_the_markup_holds(said in any::<String>()) {
        let (xml, page) = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(async {
                let finding = found(Severity::Failed, &format!("<&\"'>]]>{said}"));
                let script = Script::of(Verdict::new(vec![finding], Vec::new()));
                let document = told(&ran(vec![job::<0>("p<r>od", script)]).await, &FULL);
                (junit(&document), page(&document))
            });
        well_formed(&xml);
        prop_assert_eq!(page.matches("<article>").count(), 1);
        prop_assert!(!page.contains("]]>") && !page.contains("p<r>od"));
    }
}

/// One check failed, one blocked by it, one with a warning, and one skipped.
async fn of_every_status() -> Board {
    ran(vec![
        says::<0>("prod", Some(Severity::Failed)),
        depending::<1>("prod", Script::default(), &["dns_ad_domain"]),
        says::<2>("prod", Some(Severity::Warning)),
        Job::skipped(connection("prod"), sample::NAMES[3], "switched off"),
    ])
    .await
}

fn told(board: &Board, options: &Options<'_>) -> Document {
    status(&board.standings(), board.clock().now(), options)
}

fn asked(board: &Board, selection: &Selection) -> Health {
    health(&board.standings(), board.clock().now(), selection).unwrap()
}

fn worst(standings: &crate::engine::Standings) -> Status {
    Status::worst(standings.checks.values().map(|each| each.status()))
}

/// Elements nest, and no character is one that XML 1.0 forbids.
#[track_caller]
fn well_formed(xml: &str) {
    let mut open = Vec::new();
    let (_declaration, mut rest) = xml.split_once("?>\n").unwrap();
    while let Some((_text, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        assert!(!tag.contains('<'), "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => (),
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let allowed =
        |each: char| each == '\n' || (each >= ' ' && !matches!(each, '\u{fffe}' | '\u{ffff}'));
    assert!(xml.chars().all(allowed));
}
