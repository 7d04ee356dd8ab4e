//! `dns_ad_domain` against real name servers: what each state of a domain comes to.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::fmt::Write;
use std::net::SocketAddr;

use support::bind::{Bind, Tcp};
use support::report::{Check, Report};
use support::zones::{self, DOMAIN};
use support::{peers, ports};

const NOT_FOUND: &str = "dnsCheckFqdnNotFound";
const INVALID: &str = "dnsCheckNameWithInvalidCharacter";
const UNKNOWN: &str = "dnsCheckUnknownError";

#[test]
fn a_healthy_domain_passes() {
    let bind = Bind::corp();
    let check = checked(&[bind.address], DOMAIN);
    check.is("passed", 0, &[]);
    let server = bind.address.to_string();
    for (record, answers) in [
        ("A", 2.0),
        ("SRV _ldap._tcp", 2.0),
        ("SRV _ldap._tcp.dc._msdcs", 2.0),
        ("SRV _ldap._tcp.pdc._msdcs", 1.0),
        ("SRV _kerberos._tcp", 2.0),
        ("SRV _kerberos._tcp.dc._msdcs", 2.0),
    ] {
        let reading = |name| check.reading(name, &[("server", &server), ("record", record)]);
        assert_eq!(reading("anc_dns_query_success"), Some(1.0), "{record}");
        assert_eq!(reading("anc_dns_answers"), Some(answers), "{record}");
        let duration = reading("anc_dns_query_duration_seconds").unwrap();
        assert!(duration > 0.0 && duration < 3.0, "{record}: {duration}");
    }
    let absent = [("server", &*server), ("record", "AAAA")];
    assert_eq!(check.reading("anc_dns_query_success", &absent), Some(0.0));
    assert_eq!(check.reading("anc_dns_answers", &absent), Some(0.0));
    assert_eq!(check.readings("anc_dns_answers"), 7);
}

#[test]
fn a_healthy_domain_with_ipv6_passes() {
    let bind = domain(&zones::with_ipv6());
    let check = checked(&[bind.address], DOMAIN);
    check.is("passed", 0, &[]);
    let answers = check.reading("anc_dns_answers", &[("record", "AAAA")]);
    assert_eq!(answers, Some(1.0));
}

#[test]
fn a_domain_with_ipv6_alone_passes() {
    let bind = domain(&zones::CORP.replace("A    127.0.0.1", "AAAA fd00::"));
    checked(&[bind.address], DOMAIN).is("passed", 0, &[]);
}

#[test]
fn a_domain_is_asked_for_in_any_case_and_with_a_final_dot() {
    let bind = Bind::corp();
    checked(&[bind.address], "Corp.CONTOSO.test").is("passed", 0, &[]);
    checked(&[bind.address], "corp.contoso.test.").is("passed", 0, &[]);
}

#[test]
fn a_forwarder_passes() {
    let upstream = Bind::corp();
    let bind = Bind::builder().forwarding_to(upstream.address).start();
    checked(&[bind.address], DOMAIN).is("passed", 0, &[]);
}

#[test]
fn two_servers_that_agree_pass_and_each_is_measured() {
    let binds = [Bind::corp(), Bind::corp()];
    let check = checked(&binds.each_ref().map(|bind| bind.address), DOMAIN);
    check.is("passed", 0, &[]);
    assert_eq!(check.readings("anc_dns_query_success"), 14);
    for bind in &binds {
        let labels = [("server", &*bind.address.to_string()), ("record", "A")];
        assert_eq!(check.reading("anc_dns_query_success", &labels), Some(1.0));
    }
}

#[test]
fn a_name_that_does_not_exist_fails() {
    let bind = Bind::with_zones(&[("contoso.test", zones::NO_SRV)]);
    let check = checked(&[bind.address], DOMAIN);
    check.is("failed", 2, &[("name_not_found", NOT_FOUND, "failed", &of(&bind))]);
    assert!(check.detail("name_not_found").contains(DOMAIN));
}

#[test]
fn a_name_without_addresses_fails() {
    let bind = domain(zones::NO_ADDRESSES);
    let expected = ("no_addresses", NOT_FOUND, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_domain_without_service_records_fails() {
    let bind = domain(zones::NO_SRV);
    let expected = ("no_srv_records", UNKNOWN, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_missing_locator_record_is_a_warning() {
    for record in ["_ldap._tcp.dc._msdcs", "_ldap._tcp", "_kerberos._tcp", "_ldap._tcp.pdc._msdcs"]
    {
        let bind = domain(&without(&[record]));
        let name = format!("{record}.{DOMAIN}");
        let expected = ("srv_record_missing", UNKNOWN, "warning", &*name);
        checked(&[bind.address], DOMAIN).is("warning", 1, &[expected]);
    }
}

#[test]
fn some_unresolved_targets_are_a_warning() {
    let bind = domain(&zones::some_targets_unresolved());
    let expected = ("srv_target_unresolved", UNKNOWN, "warning", "gone1.corp.contoso.test");
    checked(&[bind.address], DOMAIN).is("warning", 1, &[expected]);
}

#[test]
fn unresolved_targets_alone_fail() {
    let bind = domain(zones::UNRESOLVED_TARGETS);
    let expected = ["gone1.corp.contoso.test", "gone2.corp.contoso.test"]
        .map(|target| ("srv_target_unresolved", UNKNOWN, "failed", target));
    checked(&[bind.address], DOMAIN).is("failed", 2, &expected);
}

#[test]
fn public_addresses_with_service_records_are_a_warning() {
    let bind = domain(&zones::public_addresses());
    let check = checked(&[bind.address], DOMAIN);
    check.is("warning", 1, &[("public_address", UNKNOWN, "warning", &of(&bind))]);
    assert!(check.detail("public_address").contains("203.0.113.11"));
}

#[test]
fn public_addresses_without_service_records_fail() {
    let bind = domain(&of_the_internet());
    let server = of(&bind);
    let expected = [
        ("public_address", UNKNOWN, "failed", &*server),
        ("no_srv_records", UNKNOWN, "failed", &*server),
    ];
    checked(&[bind.address], DOMAIN).is("failed", 2, &expected);
}

#[test]
fn a_silent_server_alone_fails() {
    let silent = peers::silent_udp();
    let address = silent.local_addr().unwrap();
    let expected = ("dns_timeout", UNKNOWN, "failed", &*address.to_string());
    let check = checked(&[address], DOMAIN);
    check.is("failed", 2, &[expected]);
    let duration = check.reading("anc_dns_query_duration_seconds", &[("record", "A")]).unwrap();
    assert!(duration >= 2.0, "{duration}");
    assert_eq!(check.reading("anc_dns_query_success", &[("record", "A")]), Some(0.0));
}

#[test]
fn a_silent_server_of_two_is_a_warning() {
    let silent = peers::silent_udp();
    let address = silent.local_addr().unwrap();
    let bind = Bind::corp();
    let expected = ("dns_timeout", UNKNOWN, "warning", &*address.to_string());
    checked(&[address, bind.address], DOMAIN).is("warning", 1, &[expected]);
}

#[test]
fn a_server_that_refuses_fails() {
    let bind = Bind::builder().zone(DOMAIN, zones::CORP).refusing().start();
    let expected = ("dns_refused", UNKNOWN, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_server_that_knows_other_zones_alone_refuses() {
    let bind = Bind::with_zones(&[("fabrikam.test", zones::CORP)]);
    let expected = ("dns_refused", UNKNOWN, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_server_whose_forwarder_is_dead_fails() {
    let bind = Bind::builder().forwarding_to(ports::refused_address()).start();
    let expected = ("dns_servfail", UNKNOWN, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_zone_that_cannot_be_loaded_fails() {
    let bind = Bind::builder().unloadable_zone(DOMAIN).start();
    let expected = ("dns_servfail", UNKNOWN, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_dead_port_fails() {
    let dead = ports::refused_address();
    let expected = ("dns_unreachable", UNKNOWN, "failed", &*dead.to_string());
    checked(&[dead], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn a_truncated_answer_is_fetched_over_tcp() {
    let bind = crowded(Tcp::Answering);
    let check = checked(&[bind.address], DOMAIN);
    check.is("passed", 0, &[]);
    let answers = check.reading("anc_dns_answers", &[("record", "SRV _ldap._tcp")]);
    assert_eq!(answers, Some(60.0));
}

#[test]
fn a_truncated_answer_with_tcp_refused_fails() {
    let bind = crowded(Tcp::Refused);
    let expected = ("dns_truncated", UNKNOWN, "failed", &*of(&bind));
    let check = checked(&[bind.address], DOMAIN);
    check.is("failed", 2, &[expected]);
    assert!(check.detail("dns_truncated").contains("SRV _ldap._tcp"));
}

#[test]
fn a_truncated_answer_with_tcp_silent_fails() {
    let bind = crowded(Tcp::Silent);
    let expected = ("dns_truncated", UNKNOWN, "failed", &*of(&bind));
    checked(&[bind.address], DOMAIN).is("failed", 2, &[expected]);
}

#[test]
fn servers_that_disagree_are_a_warning() {
    let binds = [Bind::corp(), domain(&zones::disagreeing())];
    let check = checked(&binds.each_ref().map(|bind| bind.address), DOMAIN);
    check.is("warning", 1, &[("servers_disagree", UNKNOWN, "warning", DOMAIN)]);
    let detail = check.detail("servers_disagree");
    for said in ["127.0.0.11", "127.0.9.11", &of(&binds[0]), &of(&binds[1])] {
        assert!(detail.contains(said), "{said} in {detail}");
    }
}

#[test]
fn a_name_that_one_of_two_servers_denies_is_a_warning() {
    let binds = [Bind::corp(), Bind::with_zones(&[("contoso.test", zones::NO_SRV)])];
    let check = checked(&binds.each_ref().map(|bind| bind.address), DOMAIN);
    check.is("warning", 1, &[("name_not_found", NOT_FOUND, "warning", &of(&binds[1]))]);
}

#[test]
fn a_split_brain_names_what_is_wrong_and_that_they_differ() {
    let binds = [Bind::corp(), domain(&of_the_internet())];
    let outside = of(&binds[1]);
    let expected = [
        ("no_srv_records", UNKNOWN, "warning", &*outside),
        ("public_address", UNKNOWN, "warning", &*outside),
        ("servers_disagree", UNKNOWN, "warning", DOMAIN),
    ];
    checked(&binds.each_ref().map(|bind| bind.address), DOMAIN).is("warning", 1, &expected);
}

#[test]
fn a_name_that_dns_does_not_allow_fails_and_nobody_is_asked() {
    let bind = Bind::corp();
    let long = "a".repeat(64) + ".test";
    let whole = ["ab"; 85].join(".");
    for name in [
        "",
        "corp..contoso.test",
        ".contoso.test",
        "my_corp.contoso.test",
        "corp contoso.test",
        "corp.contoso.test/",
        "https://corp.contoso.test",
        "*.contoso.test",
        "bücher.contoso.test",
        "-corp.contoso.test",
        "corp-.contoso.test",
        "10.8.0.4",
        &long,
        &whole,
    ] {
        let check = checked(&[bind.address], name);
        check.is("failed", 2, &[("invalid_name", INVALID, "failed", name)]);
        assert_eq!(check.readings("anc_dns_query_success"), 0, "{name}");
    }
}

#[test]
fn several_faults_of_one_server_are_all_told() {
    let zone = without(&["_kerberos._tcp", "_ldap._tcp.pdc._msdcs"]);
    let zone = zone.replace("127.0.0.", "203.0.113.") + "_ldap._tcp SRV 0 100 389 gone1\n";
    let bind = domain(&zone);
    let expected = [
        ("srv_record_missing", UNKNOWN, "warning", "_kerberos._tcp.corp.contoso.test"),
        ("srv_record_missing", UNKNOWN, "warning", "_ldap._tcp.pdc._msdcs.corp.contoso.test"),
        ("srv_target_unresolved", UNKNOWN, "warning", "gone1.corp.contoso.test"),
        ("public_address", UNKNOWN, "warning", &*of(&bind)),
    ];
    checked(&[bind.address], DOMAIN).is("warning", 1, &expected);
}

#[test]
fn several_faults_of_several_servers_are_all_told() {
    let silent = peers::silent_udp();
    let mute = silent.local_addr().unwrap();
    let dead = ports::refused_address();
    let refusing = Bind::builder().refusing().start();
    let failing = Bind::builder().unloadable_zone(DOMAIN).start();
    let outside = domain(&of_the_internet());
    let servers = [mute, outside.address, dead, refusing.address, failing.address];
    let named = servers.map(|server| server.to_string());
    let expected = [
        ("dns_timeout", UNKNOWN, "warning", &*named[0]),
        ("public_address", UNKNOWN, "failed", &*named[1]),
        ("no_srv_records", UNKNOWN, "failed", &*named[1]),
        ("dns_unreachable", UNKNOWN, "warning", &*named[2]),
        ("dns_refused", UNKNOWN, "warning", &*named[3]),
        ("dns_servfail", UNKNOWN, "warning", &*named[4]),
    ];
    let check = checked(&servers, DOMAIN);
    check.is("failed", 2, &expected);
    assert_eq!(check.readings("anc_dns_query_success"), 5 * 7);
}

#[test]
fn each_connection_has_its_own_result_and_the_worst_decides() {
    let bind = Bind::with_zones(&[(DOMAIN, zones::CORP), ("fabrikam.test", zones::NO_SRV)]);
    let config = ["corp.contoso.test", "fabrikam.test"].iter().fold(
        "checks.dns_ad_domain.timeout = \"6s\"\n".to_owned(),
        |config, domain| {
            let name = domain.split('.').next().unwrap();
            config + &connection(name, &[bind.address], domain)
        },
    );
    let report = Report::of(&config, &["--check", "dns_ad_domain"]);
    report.check("corp", "dns_ad_domain").is("passed", 2, &[]);
    let failing = report.check("fabrikam", "dns_ad_domain");
    failing.is("failed", 2, &[("no_srv_records", UNKNOWN, "failed", &of(&bind))]);
    assert_eq!(report.document["status"], "failed");
    let chosen = Report::of(&config, &["--connection", "corp", "--check", "dns_ad_domain"]);
    chosen.check("corp", "dns_ad_domain").is("passed", 0, &[]);
}

/// What the check says of `domain` when `servers` are those of the virtual network.
#[track_caller]
fn checked(servers: &[SocketAddr], domain: &str) -> Check {
    let config = "checks.dns_ad_domain.timeout = \"6s\"\n".to_owned()
        + &connection("prod-weu", servers, domain);
    Report::of(&config, &["--check", "dns_ad_domain"]).only("dns_ad_domain")
}

fn connection(name: &str, servers: &[SocketAddr], domain: &str) -> String {
    let servers: Vec<_> = servers.iter().map(SocketAddr::to_string).collect();
    let mut text = String::new();
    writeln!(
        text,
        "[[connections]]\nname = \"{name}\"\njoin_type = \"hybrid\"\ndns_servers = {servers:?}\n\
         active_directory.domain = {domain:?}"
    )
    .unwrap();
    text
}

/// A server of the zone `corp.contoso.test`.
fn domain(zone: &str) -> Bind {
    Bind::with_zones(&[(DOMAIN, zone)])
}

/// The healthy domain without the service records of these names.
fn without(records: &[&str]) -> String {
    let kept = |line: &&str| !records.iter().any(|record| line.split(' ').next() == Some(record));
    zones::CORP.lines().filter(kept).fold(String::new(), |zone, line| zone + line + "\n")
}

/// The domain as the Internet has it: a web site of the same name.
fn of_the_internet() -> String {
    zones::NO_SRV.replace("127.0.0.", "203.0.113.")
}

/// So many domain controllers that the answers do not fit into UDP.
fn crowded(tcp: Tcp) -> Bind {
    Bind::builder().zone(DOMAIN, zones::MANY_CONTROLLERS).small_udp().tcp(tcp).start()
}

fn of(bind: &Bind) -> String {
    bind.address.to_string()
}
