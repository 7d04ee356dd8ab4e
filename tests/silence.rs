//! Three hundred silent endpoints: a fact about each of them, within the check's limit, and no
//! hold-up for anyone else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use support::{bind::Bind, daemon, peers, zones};

const ENDPOINTS: usize = 300;

/// The check's limit, as built in.
const LIMIT: f64 = 30.0;

#[test]
fn three_hundred_silent_endpoints_are_facts_and_hold_up_nobody() {
    let silent = peers::silent_tcp();
    let port = silent.local_addr().unwrap().port();
    let many = format!("{}* A 127.0.0.1\n", zones::NO_SRV);
    let bind = Bind::with_zones(&[(zones::DOMAIN, zones::CORP), ("many.test", &many)]);

    let (code, document) = daemon::check_json(&config(bind.address, port), &[]);

    let check = |name: &str| {
        let checks = document["connections"][0]["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == name).unwrap()
    };
    let endpoints = check("endpoint_connectivity");
    assert_eq!((code, endpoints["status"].as_str()), (2, Some("failed")));
    let findings = endpoints["findings"].as_array().unwrap();
    let reasons: BTreeSet<_> =
        findings.iter().map(|finding| finding["reason"].as_str().unwrap()).collect();
    assert_eq!(findings.len(), ENDPOINTS);
    // The listener's queue takes some connections in; the others are not even answered.
    assert!(reasons.is_subset(&["tcp_timeout", "tls_timeout"].into()), "{reasons:?}");
    let took = endpoints["duration_seconds"].as_f64().unwrap();
    assert!(took < LIMIT * 0.95, "{took} s");

    let dns = check("dns_ad_domain");
    assert_eq!(dns["status"], "passed");
    let took = Duration::from_secs_f64(dns["duration_seconds"].as_f64().unwrap());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

fn config(dns: std::net::SocketAddr, port: u16) -> String {
    let mut extra = String::new();
    for number in 0..ENDPOINTS {
        let host = format!("h{number}.many.test");
        writeln!(
            extra,
            r#"  {{ host = "{host}", port = {port}, protocol = "tls", category = "Intune" }},"#
        )
        .unwrap();
    }
    format!(
        r#"
[checks.endpoint_connectivity]
catalogue = "none"
extra = [
{extra}]
[checks.udp_connectivity]
enabled = false
[[connections]]
name = "test"
join_type = "hybrid"
dns_servers = ["{dns}"]
active_directory.domain = "{domain}"
"#,
        domain = zones::DOMAIN
    )
}
