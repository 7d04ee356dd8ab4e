//! `endpoint_connectivity` and `localization` against real web, TLS, DNS and TURN servers: what each
//! way of answering, or of not answering, comes to.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use support::bind::Bind;
use support::coturn::Coturn;
use support::daemon::Surroundings;
use support::mitm::Mitmproxy;
use support::namespace::Namespace;
use support::nginx::{Nginx, Site};
use support::pki::{Identity, Pki};
use support::ports::{free_address_with, refused_address};
use support::report::{Check, Report};
use support::{peers, zones};

const CLOUD_PC: &str = "endpointConnectivityCheckCloudPcUrlNotAllowListed";
const WVD: &str = "endpointConnectivityCheckWVDUrlNotAllowListed";
const INTUNE: &str = "endpointConnectivityCheckIntuneUrlNotAllowListed";
const AZURE_AD: &str = "endpointConnectivityCheckAzureADUrlNotAllowListed";
const LOCALE: &str = "endpointConnectivityCheckLocaleUrlNotAllowListed";

const ZONE: &str = "contoso.test";
const HOST: &str = "login.contoso.test";

#[test]
fn a_valid_certificate_passes_and_is_measured() {
    let pki = Pki::new("Public Root");
    let nginx = Nginx::start(&[Site::Tls(pki.expiring_in(HOST, time::Duration::days(3)))]);
    let port = nginx.addresses[0].port();
    let check = Look::new().public(&pki).at(tls(port)).check();
    check.is("passed", 0, &[]);
    let port = port.to_string();
    let labels =
        [("endpoint", HOST), ("port", &*port), ("protocol", "tls"), ("category", "Intune")];
    assert_eq!(check.reading("anc_endpoint_up", &labels), Some(1.0));
    assert_eq!(check.reading("anc_endpoint_tls_intercepted", &labels), Some(0.0));
    for phase in ["dns", "connect", "tls"] {
        let labels = [&labels[..], &[("phase", phase)]].concat();
        let took = check.reading("anc_endpoint_phase_seconds", &labels).unwrap();
        assert!(took > 0.0 && took < 2.5, "{phase}: {took}");
    }
    let not_after = check.reading("anc_endpoint_tls_not_after_timestamp_seconds", &labels);
    let in_three_days =
        (time::OffsetDateTime::now_utc() + time::Duration::days(3)).unix_timestamp();
    let off = not_after.unwrap() - f64::from(u32::try_from(in_three_days).unwrap());
    assert!(off.abs() < 120.0, "{off}");
}

#[test]
fn an_expired_certificate_fails() {
    let pki = Pki::new("Public Root");
    presented(&pki, pki.expired(HOST)).is_alone("certificate_expired");
}

#[test]
fn a_certificate_of_tomorrow_fails() {
    let pki = Pki::new("Public Root");
    presented(&pki, pki.not_yet_valid(HOST)).is_alone("certificate_not_yet_valid");
}

#[test]
fn a_certificate_for_another_name_fails() {
    let pki = Pki::new("Public Root");
    let seen = presented(&pki, pki.valid("portal.fabrikam.test"));
    seen.is_alone("certificate_wrong_name");
    let detail = seen.check.detail("certificate_wrong_name");
    assert!(detail.contains("portal.fabrikam.test"), "{detail}");
}

#[test]
fn a_self_signed_certificate_fails() {
    let pki = Pki::new("Public Root");
    presented(&pki, Identity::self_signed(HOST)).is_alone("certificate_untrusted");
}

#[test]
fn a_chain_without_its_intermediate_fails() {
    let pki = Pki::new("Public Root");
    let identity = pki.valid(HOST).without_intermediate();
    presented(&pki, identity).is_alone("certificate_untrusted");
}

#[test]
fn an_unknown_authority_is_untrusted_where_inspection_is_allowed_or_discouraged() {
    let pki = Pki::new("Public Root");
    let stranger = Pki::new("Stranger Root").valid(HOST);
    for inspection in ["allowed", "discouraged"] {
        let row = |port| tls(port).with("tls_inspection", inspection);
        let seen = presented_to(&pki, stranger.clone(), row);
        seen.is_alone("certificate_untrusted");
        let detail = seen.check.detail("certificate_untrusted");
        assert!(detail.contains("Stranger Root"), "{detail}");
    }
}

#[test]
fn an_unknown_authority_is_an_interception_where_inspection_is_forbidden() {
    let pki = Pki::new("Public Root");
    let stranger = Pki::new("Stranger Root").valid(HOST);
    let seen = presented_to(&pki, stranger, forbidden);
    seen.is_alone("tls_intercepted");
    let intercepted = seen.check.reading("anc_endpoint_tls_intercepted", &[("endpoint", HOST)]);
    assert_eq!(intercepted, Some(1.0));
}

#[test]
fn a_proxy_that_opens_tls_is_told_from_the_endpoint_behind_it() {
    let pki = Pki::new("Public Root");
    let nginx = Nginx::start(&[Site::Tls(pki.valid(HOST))]);
    let (behind, mitm) = (nginx.addresses[0].port(), Mitmproxy::reverse(nginx.addresses[0]));
    let before = mitm.address.port();
    let look = || Look::new().public(&pki).at(tls(behind));

    // With its CA among our own, on every row that anybody cares about.
    for inspection in ["discouraged", "forbidden"] {
        let row = tls(before).with("tls_inspection", inspection);
        let check = look().private(&mitm.ca_pem()).at(row).check();
        check.is("failed", 2, &[("tls_intercepted", INTUNE, "failed", &at(before))]);
        let detail = check.detail("tls_intercepted");
        assert!(detail.contains("mitmproxy"), "{detail}");
        let intercepted = |port: u16| {
            let labels = [("endpoint", HOST), ("port", &*port.to_string())];
            check.reading("anc_endpoint_tls_intercepted", &labels)
        };
        assert_eq!((intercepted(before), intercepted(behind)), (Some(1.0), Some(0.0)));
    }

    // Where inspection is allowed, its CA vouches.
    let check = look().private(&mitm.ca_pem()).at(tls(before)).check();
    check.is("passed", 0, &[]);

    // Without its CA, it is a stranger, whom only a forbidden row takes for what it is.
    for (inspection, reason) in [
        ("allowed", "certificate_untrusted"),
        ("discouraged", "certificate_untrusted"),
        ("forbidden", "tls_intercepted"),
    ] {
        let check = look().at(tls(before).with("tls_inspection", inspection)).check();
        check.is("failed", 2, &[(reason, INTUNE, "failed", &at(before))]);
    }
}

#[test]
fn a_private_root_vouches_for_an_endpoint_of_the_operators_own() {
    let (public, private) = (Pki::new("Public Root"), Pki::new("Corp Root"));
    let nginx = Nginx::start(&[Site::Tls(private.valid(HOST))]);
    let port = nginx.addresses[0].port();
    let extra = format!(
        "extra = [{{ host = \"{HOST}\", port = {port}, protocol = \"tls\", category = \"Intune\" }}]"
    );
    let look = || Look::new().public(&public).naming(&["login"]).setting(&extra);
    look().private(&private.root_pem()).check().is("passed", 0, &[]);
    look().check().is("failed", 2, &[("certificate_untrusted", INTUNE, "failed", &at(port))]);
}

#[test]
fn an_open_tcp_port_passes() {
    let listener = peers::silent_tcp();
    let port = listener.local_addr().unwrap().port();
    Look::new().at(tls(port).with("protocol", "tcp")).check().is("passed", 0, &[]);
}

#[test]
fn a_refused_connection_fails_in_every_protocol() {
    for protocol in ["tls", "tcp", "http"] {
        let port = refused_address().port();
        let check = Look::new().at(tls(port).with("protocol", protocol)).check();
        check.is("failed", 2, &[("tcp_refused", INTUNE, "failed", &at(port))]);
        let labels = [("endpoint", HOST), ("protocol", protocol)];
        assert_eq!(check.reading("anc_endpoint_up", &labels), Some(0.0));
    }
}

#[test]
fn what_a_firewall_does_to_a_connection_is_told_apart() {
    let namespace = Namespace::new(&[
        "tcp dport 441 drop",
        "tcp dport 442 reject with icmpx admin-prohibited",
        "tcp dport 443 reject with icmpx host-unreachable",
        "meta nfproto ipv4 tcp dport 444 reject with icmp net-unreachable",
        "tcp dport 445 reject with tcp reset",
        "tcp dport 446 reject with icmpx port-unreachable",
        "udp dport 3478 drop",
        "udp dport 123 reject with icmpx admin-prohibited",
    ]);
    let mut look = Look::new();
    for port in 441..=446 {
        look = look.at(tls(port));
    }
    let check = look.at(udp(3478)).at(udp(123)).check_within(&namespace);
    let port = [441, 442, 443, 444, 445, 446, 3478, 123].map(at);
    let expected = [
        ("tcp_timeout", INTUNE, "failed", &*port[0]),
        ("tcp_unreachable", INTUNE, "failed", &*port[1]),
        ("tcp_unreachable", INTUNE, "failed", &*port[2]),
        ("tcp_unreachable", INTUNE, "failed", &*port[3]),
        ("tcp_refused", INTUNE, "failed", &*port[4]),
        ("tcp_refused", INTUNE, "failed", &*port[5]),
        ("udp_no_reply", INTUNE, "failed", &*port[6]),
        ("udp_refused", INTUNE, "failed", &*port[7]),
    ];
    check.is("failed", 2, &expected);
}

#[test]
fn an_address_without_a_route_is_unreachable() {
    let namespace = Namespace::new(&[]);
    let row = tls(443).with("private_ranges", json!(["203.0.113.0/24"]));
    let check = Look::new().answering("login", "203.0.113.7").at(row).check_within(&namespace);
    check.is("failed", 2, &[("tcp_unreachable", INTUNE, "failed", &at(443))]);
}

#[test]
fn a_reset_or_a_close_in_the_handshake_is_a_refusal() {
    for peer in [peers::resetting_tcp(), peers::closing_tcp()] {
        let port = peer.address.port();
        let check = Look::new().at(tls(port)).check();
        check.is("failed", 2, &[("tls_refused", INTUNE, "failed", &at(port))]);
    }
}

#[test]
fn silence_in_the_handshake_is_a_timeout() {
    let silent = peers::silent_tcp();
    let port = silent.local_addr().unwrap().port();
    let check = Look::new().at(tls(port)).check();
    check.is("failed", 2, &[("tls_timeout", INTUNE, "failed", &at(port))]);
    let phase = |phase| {
        check.reading("anc_endpoint_phase_seconds", &[("endpoint", HOST), ("phase", phase)])
    };
    assert!(phase("connect").is_some() && phase("tls").is_none());
}

#[test]
fn an_alert_in_the_handshake_is_named() {
    let pki = Pki::new("Public Root");
    let nginx = Nginx::start(&[Site::Tls11(pki.valid(HOST)), Site::RejectedHandshake]);
    for (address, alert) in nginx.addresses.iter().zip(["protocol_version", "unrecognized_name"]) {
        let check = Look::new().public(&pki).at(tls(address.port())).check();
        check.is("failed", 2, &[("tls_alert", INTUNE, "failed", &at(address.port()))]);
        let detail = check.detail("tls_alert");
        assert!(detail.contains(alert), "{detail}");
    }
}

#[test]
fn plain_http_on_the_tls_port_is_no_tls() {
    let nginx = Nginx::start(&[Site::Http { status: 200 }]);
    let port = nginx.addresses[0].port();
    let check = Look::new().at(tls(port)).check();
    check.is("failed", 2, &[("tls_malformed", INTUNE, "failed", &at(port))]);
}

#[test]
fn any_answer_in_http_but_a_proxys_passes() {
    let statuses = [200, 204, 302, 403, 404, 500, 503];
    let nginx = Nginx::start(&statuses.map(|status| Site::Http { status }));
    let rows = nginx.addresses.iter().map(|address| http(address.port()));
    let check = rows.fold(Look::new(), Look::at).check();
    check.is("passed", 0, &[]);
    assert_eq!(check.readings("anc_endpoint_up"), statuses.len());
    let first = nginx.addresses[0].port().to_string();
    let labels = [("port", &*first), ("protocol", "http"), ("phase", "http")];
    assert!(check.reading("anc_endpoint_phase_seconds", &labels).is_some());
}

#[test]
fn a_proxy_that_demands_a_sign_in_is_named() {
    let nginx = Nginx::start(&[Site::Http { status: 407 }]);
    let port = nginx.addresses[0].port();
    let check = Look::new().at(http(port)).check();
    check.is("failed", 2, &[("proxy_required", INTUNE, "failed", &at(port))]);
}

#[test]
fn a_close_in_http_is_malformed() {
    let nginx = Nginx::start(&[Site::Http { status: 444 }]);
    let port = nginx.addresses[0].port();
    let check = Look::new().at(http(port)).check();
    check.is("failed", 2, &[("http_malformed", INTUNE, "failed", &at(port))]);
}

#[test]
fn silence_in_http_is_a_timeout() {
    let silent = peers::silent_tcp();
    let port = silent.local_addr().unwrap().port();
    let check = Look::new().at(http(port)).check();
    check.is("failed", 2, &[("http_timeout", INTUNE, "failed", &at(port))]);
}

#[test]
fn a_relay_that_answers_over_udp_passes() {
    let coturn = Coturn::stun_at(free_address_with(3478));
    let check = Look::new().answering("login", coturn.address.ip()).at(udp(3478)).check();
    check.is("passed", 0, &[]);
    let labels = [("endpoint", HOST), ("port", "3478"), ("protocol", "udp")];
    assert_eq!(check.reading("anc_endpoint_up", &labels), Some(1.0));
}

#[test]
fn a_silent_udp_port_does_not_reply() {
    let silent = std::net::UdpSocket::bind(free_address_with(3478)).unwrap();
    let address = silent.local_addr().unwrap().ip();
    let check = Look::new().answering("login", address).at(udp(3478)).check();
    check.is("failed", 2, &[("udp_no_reply", INTUNE, "failed", &at(3478))]);
}

#[test]
fn a_closed_udp_port_is_refused() {
    let address = free_address_with(3478).ip();
    let check = Look::new().answering("login", address).at(udp(3478)).check();
    check.is("failed", 2, &[("udp_refused", INTUNE, "failed", &at(3478))]);
}

#[test]
fn the_error_type_is_that_of_the_category() {
    let categories = [
        ("CloudPC", CLOUD_PC),
        ("WVD", WVD),
        ("Intune", INTUNE),
        ("AzureAD", AZURE_AD),
        ("AzurePlatform", ""),
    ];
    let mut look = Look::new().naming(&["login"]);
    let mut expected = Vec::new();
    for (category, error_type) in categories {
        let refused = tls(refused_address().port()).with("category", category);
        let unknown = tls(443).with("host", format!("gone.{}.test", category.to_lowercase()));
        let unknown = unknown.with("category", category);
        expected.push(("tcp_refused", error_type, "failed", refused.subject()));
        expected.push(("dns_refused", error_type, "failed", unknown.subject()));
        look = look.row(refused).row(unknown);
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|(reason, error, severity, subject)| (*reason, *error, *severity, &**subject))
        .collect();
    look.check().is("failed", 2, &expected);
}

#[test]
fn why_a_name_does_not_resolve_is_told() {
    let zone = zones::on_loopback(&[]) + "bare TXT \"no address\"\n";
    let silent = peers::silent_udp();
    let servers = [
        (Bind::with_zones(&[(ZONE, &zone)]).into(), "name_not_found"),
        (Bind::with_zones(&[(ZONE, &zone.replace("bare", "login"))]).into(), "no_addresses"),
        (Bind::builder().refusing().start().into(), "dns_refused"),
        (Bind::builder().unloadable_zone(ZONE).start().into(), "dns_servfail"),
        (Server::At(refused_address()), "dns_unreachable"),
        (Server::At(silent.local_addr().unwrap()), "dns_timeout"),
    ];
    for (server, reason) in &servers {
        let check = Look::new().asking(&[server.address()]).at(tls(443)).check();
        check.is("failed", 2, &[(reason, INTUNE, "failed", &at(443))]);
    }
}

#[test]
fn a_server_that_does_not_answer_gives_way_to_the_next() {
    let pki = Pki::new("Public Root");
    let nginx = Nginx::start(&[Site::Tls(pki.valid(HOST))]);
    let zone = zones::on_loopback(&["login"]);
    let bind = Bind::with_zones(&[(ZONE, &zone)]);
    let look = Look::new().public(&pki).asking(&[refused_address(), bind.address]);
    look.at(tls(nginx.addresses[0].port())).check().is("passed", 0, &[]);
}

#[test]
fn a_private_address_is_told_and_left_alone() {
    let tcp = peers::silent_tcp();
    tcp.set_nonblocking(true).unwrap();
    let port = tcp.local_addr().unwrap().port();
    let check = Look::new().at(tls(port).with("private_ranges", json!(["10.0.0.0/8"]))).check();
    check.is("failed", 2, &[("private_address", INTUNE, "failed", &at(port))]);
    let detail = check.detail("private_address");
    assert!(detail.contains("127.0.0.1"), "{detail}");
    assert_eq!(tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody connected");
}

#[test]
fn what_is_not_required_is_informational() {
    let port = refused_address().port();
    let check = Look::new().at(tls(port).with("required", false)).check();
    check.is("informational", 0, &[("tcp_refused", INTUNE, "informational", &at(port))]);
    assert_eq!(check.reading("anc_endpoint_up", &[("endpoint", HOST)]), Some(0.0));
}

#[test]
fn a_wildcard_without_a_known_host_is_informational() {
    let wildcard = tls(443).with("host", "*.wvd.contoso.test").with("category", "WVD");
    let finding = ("wildcard_not_verifiable", "", "informational", "*.wvd.contoso.test:443");
    let check = Look::new().row(wildcard).check();
    check.is("informational", 0, &[finding]);
}

#[test]
fn a_wildcard_is_looked_at_through_its_known_hosts() {
    let port = refused_address().port();
    let wildcard = tls(port).with("host", "*.contoso.test").with("probe_hosts", json!([HOST]));
    let check = Look::new().naming(&["login"]).row(wildcard).check();
    check.is("failed", 2, &[("tcp_refused", INTUNE, "failed", &at(port))]);
    let detail = check.detail("tcp_refused");
    assert!(detail.contains("*.contoso.test"), "{detail}");
}

#[test]
fn the_platforms_own_endpoints_count_from_the_subnet_alone() {
    let port = refused_address().port();
    let row = || tls(port).with("category", "AzurePlatform");
    let finding = |severity| [("tcp_refused", "", severity, at(port))];
    for (vantage, status, code) in [("subnet", "failed", 2), ("sibling", "informational", 0)] {
        let check = Look::new().at(row()).connecting(&format!("vantage = \"{vantage}\"")).check();
        let [(reason, error_type, severity, subject)] = &finding(status);
        check.is(status, code, &[(reason, error_type, severity, subject)]);
    }
    let check = Look::new().at(row()).connecting("vantage = \"none\"").check();
    check.is("skipped", 0, &[]);
    assert!(check.note().contains("vantage"), "{}", check.note());
}

#[test]
fn a_proxy_in_the_environment_is_told_and_not_used() {
    let pki = Pki::new("Public Root");
    let nginx = Nginx::start(&[Site::Tls(pki.valid(HOST))]);
    let proxy = format!("http://{}", refused_address());
    let variables = [("HTTPS_PROXY", &*proxy), ("http_proxy", &*proxy), ("NO_PROXY", "")];
    let surroundings = Surroundings { variables: &variables, ..Surroundings::default() };
    let look = Look::new().public(&pki).at(tls(nginx.addresses[0].port()));
    let check = look.check_in(&surroundings);
    let finding = ("proxy_configured", "", "informational", "http_proxy,HTTPS_PROXY");
    check.is("informational", 0, &[finding]);
}

#[test]
fn the_same_trouble_of_a_language_pack_is_a_warning_of_localization() {
    let port = refused_address().port();
    let look = Look::new().at(tls(port).with("category", "Locale"));
    let report = look.report(&["localization"], &Surroundings::default());
    let check = report.only("localization");
    check.is("warning", 1, &[("tcp_refused", LOCALE, "warning", &at(port))]);
    assert_eq!(check.reading("anc_endpoint_up", &[("category", "Locale")]), Some(0.0));
    let report = look.report(&["endpoint_connectivity"], &Surroundings::default());
    report.only("endpoint_connectivity").is("skipped", 0, &[]);
}

#[test]
fn an_excluded_host_is_not_looked_at() {
    let good = peers::silent_tcp();
    let port = good.local_addr().unwrap().port();
    let bad = tls(443).with("host", "gone.contoso.test");
    let look = Look::new().at(tls(port).with("protocol", "tcp")).row(bad);
    let check = look.setting("exclude = [\"Gone.contoso.test\"]").check();
    check.is("passed", 0, &[]);
    assert_eq!(check.readings("anc_endpoint_up"), 1);
}

#[test]
fn a_catalogue_without_endpoints_is_no_pass() {
    let check = Look::new().check();
    check.is("skipped", 0, &[]);
    assert!(check.note().contains("catalogue"), "{}", check.note());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (pki, stranger) = (Pki::new("Public Root"), Pki::new("Stranger Root"));
    let nginx = Nginx::start(&[
        Site::Tls(pki.valid(HOST)),
        Site::Tls(pki.expired(HOST)),
        Site::Tls(pki.not_yet_valid(HOST)),
        Site::Tls(pki.valid("portal.fabrikam.test")),
        Site::Tls(stranger.valid(HOST)),
        Site::Tls(stranger.valid(HOST)),
        Site::RejectedHandshake,
        Site::Http { status: 200 },
        Site::Http { status: 407 },
        Site::Http { status: 444 },
    ]);
    let site: Vec<u16> = nginx.addresses.iter().map(SocketAddr::port).collect();
    let (silent, resetting) = (peers::silent_tcp(), peers::resetting_tcp());
    let (mute, reset) = (silent.local_addr().unwrap().port(), resetting.address.port());
    let (refused, relay) = (refused_address().port(), free_address_with(3478));
    let of = |row: Row, category: &str| row.with("category", category);
    let named = |row: Row, host: &str| row.with("host", host);
    let wrong = [
        (tls(site[1]), "certificate_expired", INTUNE, "failed"),
        (of(tls(site[2]), "CloudPC"), "certificate_not_yet_valid", CLOUD_PC, "failed"),
        (of(tls(site[3]), "AzureAD"), "certificate_wrong_name", AZURE_AD, "failed"),
        (of(tls(site[4]), "WVD"), "certificate_untrusted", WVD, "failed"),
        (forbidden(site[5]), "tls_intercepted", INTUNE, "failed"),
        (tls(site[6]), "tls_alert", INTUNE, "failed"),
        (tls(site[7]).with("required", false), "tls_malformed", INTUNE, "informational"),
        (http(site[8]), "proxy_required", INTUNE, "failed"),
        (http(site[9]), "http_malformed", INTUNE, "failed"),
        (tls(mute), "tls_timeout", INTUNE, "failed"),
        (named(http(mute), "mute.contoso.test"), "http_timeout", INTUNE, "failed"),
        (tls(reset), "tls_refused", INTUNE, "failed"),
        (of(tls(refused), "AzurePlatform"), "tcp_refused", "", "failed"),
        (named(public(443), "private.contoso.test"), "private_address", INTUNE, "failed"),
        (named(tls(443), "gone.contoso.test"), "name_not_found", INTUNE, "failed"),
        (named(udp(3478), "relay.contoso.test"), "udp_refused", INTUNE, "failed"),
        (named(tls(443), "*.wvd.contoso.test"), "wildcard_not_verifiable", "", "informational"),
    ];
    let good = Look::new().public(&pki).naming(&["login", "mute", "private"]).row(tls(site[0]));
    let good = good.answering("relay", relay.ip()).row(of(tls(refused), "Locale"));
    let look = wrong.iter().fold(good, |look, (row, ..)| look.row(row.clone()));
    let subjects: Vec<_> = wrong.iter().map(|(row, ..)| row.subject()).collect();
    let expected: Vec<_> = wrong
        .iter()
        .zip(&subjects)
        .map(|((_, reason, error, severity), subject)| (*reason, *error, *severity, &**subject))
        .collect();

    let report = look.report(&["endpoint_connectivity", "localization"], &Surroundings::default());
    let check = report.check("prod-weu", "endpoint_connectivity");
    check.is("failed", 2, &expected);
    let up =
        check.reading("anc_endpoint_up", &[("endpoint", HOST), ("port", &site[0].to_string())]);
    assert_eq!(up, Some(1.0));
    let localization = report.check("prod-weu", "localization");
    localization.is("warning", 2, &[("tcp_refused", LOCALE, "warning", &at(refused))]);
    assert_eq!(report.document["status"], "failed");
}

/// A look at endpoints of the zone `contoso.test`, to be asked of a BIND that knows their names.
#[derive(Default)]
struct Look {
    rows: Vec<Row>,
    /// Name below the zone, and address.
    names: Vec<(String, String)>,
    servers: Vec<SocketAddr>,
    public: Option<String>,
    private: Option<String>,
    settings: String,
    connection: String,
}

/// A row of the catalogue.
#[derive(Clone, Debug)]
struct Row(Value);

/// What was seen of an endpoint, the only one.
struct Seen {
    check: Check,
    port: u16,
}

enum Server {
    At(SocketAddr),
    Bind(Bind),
}

impl Look {
    fn new() -> Self {
        Self::default()
    }

    /// Trusts this PKI alone as the public does.
    fn public(mut self, pki: &Pki) -> Self {
        self.public = Some(pki.root_pem());
        self
    }

    /// Has this CA for the operator's own.
    fn private(mut self, pem: &str) -> Self {
        self.private = Some(pem.to_owned());
        self
    }

    /// Another row.
    fn row(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }

    /// Another row; its host, which is `HOST` mostly, is at 127.0.0.1 unless it is said where.
    fn at(self, row: Row) -> Self {
        let known = self.names.iter().any(|(name, _)| name == "login");
        if known { self.row(row) } else { self.row(row).naming(&["login"]) }
    }

    fn naming(self, names: &[&str]) -> Self {
        names.iter().fold(self, |look, name| look.answering(name, "127.0.0.1"))
    }

    fn answering(mut self, name: &str, address: impl ToString) -> Self {
        self.names.push((name.to_owned(), address.to_string()));
        self
    }

    /// Asks these servers, and none of its own.
    fn asking(mut self, servers: &[SocketAddr]) -> Self {
        self.servers.extend(servers);
        self
    }

    /// A line of `[checks.endpoint_connectivity]`.
    fn setting(mut self, line: &str) -> Self {
        writeln!(self.settings, "{line}").unwrap();
        self
    }

    /// A line of the connection.
    fn connecting(mut self, line: &str) -> Self {
        writeln!(self.connection, "{line}").unwrap();
        self
    }

    #[track_caller]
    fn check(&self) -> Check {
        self.check_in(&Surroundings::default())
    }

    #[track_caller]
    fn check_within(&self, namespace: &Namespace) -> Check {
        self.check_in(&Surroundings { namespace: Some(namespace), ..Surroundings::default() })
    }

    #[track_caller]
    fn check_in(&self, surroundings: &Surroundings<'_>) -> Check {
        self.report(&["endpoint_connectivity"], surroundings).only("endpoint_connectivity")
    }

    #[track_caller]
    fn report(&self, checks: &[&str], surroundings: &Surroundings<'_>) -> Report {
        let home = TempDir::new().unwrap();
        let mut builder = Bind::builder();
        let zone = self.zone();
        if let Some(namespace) = surroundings.namespace {
            builder = builder.within(namespace);
        }
        let bind = builder.zone(ZONE, &zone).start();
        let config = self.config(home.path(), bind.address);
        let args: Vec<_> = checks.iter().flat_map(|check| ["--check", check]).collect();
        Report::within(&config, &args, surroundings)
    }

    fn zone(&self) -> String {
        self.names.iter().fold(zones::on_loopback(&[]), |mut zone, (name, address)| {
            writeln!(zone, "{name} A {address}").unwrap();
            zone
        })
    }

    fn config(&self, home: &Path, bind: SocketAddr) -> String {
        let rows: Vec<_> = self.rows.iter().map(|row| &row.0).collect();
        let catalogue = json!({ "version": 1, "date": "2026-08-22", "endpoints": rows });
        let mut files = String::new();
        let texts = [
            ("catalogue", Some(catalogue.to_string())),
            ("public_roots_file", self.public.clone()),
            ("private_roots_file", self.private.clone()),
        ];
        for (key, text) in texts {
            let Some(text) = text else { continue };
            let file = home.join(key);
            fs::write(&file, text).unwrap();
            writeln!(files, "{key} = {file:?}").unwrap();
        }
        let own = [bind];
        let servers = if self.servers.is_empty() { &own[..] } else { &self.servers };
        let servers: Vec<_> = servers.iter().map(SocketAddr::to_string).collect();
        format!(
            "[checks.endpoint_connectivity]\ntimeout = \"12s\"\n{files}{settings}\
             [checks.localization]\ntimeout = \"12s\"\n\
             [[connections]]\nname = \"prod-weu\"\njoin_type = \"entra\"\n\
             dns_servers = {servers:?}\n{connection}",
            settings = self.settings,
            connection = self.connection,
        )
    }
}

impl Row {
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    fn subject(&self) -> String {
        format!("{}:{}", self.0["host"].as_str().unwrap(), self.0["port"])
    }
}

impl Seen {
    /// A required endpoint that fails for this reason, and no other.
    #[track_caller]
    fn is_alone(&self, reason: &str) {
        self.check.is("failed", 2, &[(reason, INTUNE, "failed", &at(self.port))]);
    }
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Self::At(address) => *address,
            Self::Bind(bind) => bind.address,
        }
    }
}

impl From<Bind> for Server {
    fn from(bind: Bind) -> Self {
        Self::Bind(bind)
    }
}

/// What is seen of a server that presents `identity`, by who trusts `pki` alone.
#[track_caller]
fn presented(pki: &Pki, identity: Identity) -> Seen {
    presented_to(pki, identity, tls)
}

#[track_caller]
fn presented_to(pki: &Pki, identity: Identity, row: impl Fn(u16) -> Row) -> Seen {
    let nginx = Nginx::start(&[Site::Tls(identity)]);
    let port = nginx.addresses[0].port();
    Seen { check: Look::new().public(pki).at(row(port)).check(), port }
}

/// A required row of Intune's for `HOST`, which may be on loopback.
fn tls(port: u16) -> Row {
    Row(json!({
        "host": HOST, "port": port, "protocol": "tls", "category": "Intune",
        "private_ranges": ["127.0.0.0/8"],
    }))
}

/// One that nobody may inspect.
fn forbidden(port: u16) -> Row {
    tls(port).with("tls_inspection", "forbidden")
}

/// One that may not be on loopback.
fn public(port: u16) -> Row {
    tls(port).with("private_ranges", json!([]))
}

fn http(port: u16) -> Row {
    tls(port).with("protocol", "http")
}

fn udp(port: u16) -> Row {
    tls(port).with("protocol", "udp")
}

/// The subject of findings on a port of `HOST`.
fn at(port: u16) -> String {
    format!("{HOST}:{port}")
}
