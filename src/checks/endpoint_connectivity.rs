//! Endpoint connectivity.
//!
//! Every host of Microsoft's lists that a Cloud PC's subnet must reach ("Network requirements for
//! Windows 365", "Required FQDNs and endpoints for Azure Virtual Desktop", "Network endpoints for
//! Microsoft Intune"), each looked at as what it is.

use crate::{
    catalogue::{Category, Target, Wildcard, reason},
    checks::reachability::{self, Reachability, Trouble},
    engine::{Check, Finding, Inconclusive, Severity, Verdict},
    net::Sighting,
};

/// Azure's virtual public address, behind which the platform's services for virtual machines are
/// ("What is IP address 168.63.129.16?").
const WIRE_SERVER: &str = "168.63.129.16";

/// Looks at the endpoints of one connection.
#[derive(Debug)]
pub struct EndpointConnectivity {
    pub reachability: Reachability,
    /// Wildcards without a host that could be probed.
    pub unverifiable: Vec<Wildcard>,
    /// Whether the daemon stands on a virtual machine of the subnet, as a Cloud PC does. Elsewhere
    /// the Azure platform's own addresses may answer differently, or not at all.
    pub in_subnet: bool,
    /// Whether the daemon runs as root. The firewall of Azure's own Linux agent (`OS.EnableFirewall`
    /// in `waagent.conf`) lets nobody else reach the platform's address but for DNS.
    pub privileged: bool,
    /// Variables of the daemon's environment that name a proxy.
    pub proxy_variables: Vec<&'static str>,
}

impl Check for EndpointConnectivity {
    const NAME: &'static str = "endpoint_connectivity";
    /// One sighting a target.
    type Facts = Vec<Sighting>;

    async fn gather(&self) -> Result<Self::Facts, Inconclusive> {
        self.reachability.look().await
    }

    fn judge(&self, sightings: &Self::Facts) -> Verdict {
        let mut findings = Vec::new();
        let mut readings = Vec::new();
        for (target, sighting) in self.reachability.targets().iter().zip(sightings) {
            readings.extend(reachability::readings(target, sighting));
            let troubles = reachability::troubles(target, sighting).into_iter();
            findings.extend(troubles.map(|trouble| self.finding(target, sighting, trouble)));
        }
        findings.extend(self.unverifiable.iter().map(reachability::not_verifiable));
        findings.extend(self.proxy_configured());
        Verdict::new(findings, readings)
    }
}

impl EndpointConnectivity {
    fn finding(&self, target: &Target, sighting: &Sighting, trouble: Trouble) -> Finding {
        let of_the_platform = target.category == Category::AzurePlatform;
        // For want of rights of ours nothing is failed.
        let ours_to_see = self.privileged || target.host != WIRE_SERVER || target.port == 53;
        let counts = target.required && (!of_the_platform || self.in_subnet && ours_to_see);
        let severity = if counts { Severity::Failed } else { Severity::Informational };
        reachability::finding(Self::NAME, severity, target, sighting, trouble)
    }

    fn proxy_configured(&self) -> Option<Finding> {
        let detail = format!(
            "the daemon's environment sets {}; probes do not use it",
            self.proxy_variables.join(", ")
        );
        (!self.proxy_variables.is_empty()).then(|| Finding {
            severity: Severity::Informational,
            reason: reason::PROXY_CONFIGURED,
            subject: self.proxy_variables.join(","),
            detail,
            error_type: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        catalogue::{Addresses, Inspection, Protocol},
        engine::{Reason, Status},
        net::{
            HttpFault, Phases, Seen, TcpFault, UdpFault,
            dns::{Lookup, Outcome},
            tls::{Certificate, Chain, Dates, Handshake, Roots, Standing, TlsFault, Trust},
        },
    };

    /// What one required endpoint of Intune's comes to.
    #[track_caller]
    fn judged(seen: Seen, status: Status, reasons: &[Reason]) -> Verdict {
        judged_as(target(), seen, status, reasons)
    }

    #[track_caller]
    fn judged_as(target: Target, seen: Seen, status: Status, reasons: &[Reason]) -> Verdict {
        let verdict = check(vec![target]).judge(&vec![sighting(seen)]);
        let found: Vec<_> = verdict.findings().iter().map(|finding| finding.reason).collect();
        assert_eq!((verdict.status(), &*found), (status, reasons), "{:?}", verdict.findings());
        verdict
    }

    #[test]
    fn what_answers_as_it_should_passes() {
        for seen in [Seen::Reached, Seen::HttpStatus(403), tls(Standing::Trusted)] {
            judged(seen, Status::Passed, &[]);
        }
    }

    #[test]
    fn every_way_of_not_answering_has_its_reason() {
        let text = String::new;
        for (seen, reason) in [
            (Seen::Tcp(TcpFault::Refused), reason::TCP_REFUSED),
            (Seen::Tcp(TcpFault::Timeout), reason::TCP_TIMEOUT),
            (Seen::Tcp(TcpFault::Unreachable(text())), reason::TCP_UNREACHABLE),
            (broken(TlsFault::Timeout), reason::TLS_TIMEOUT),
            (broken(TlsFault::Refused(text())), reason::TLS_REFUSED),
            (broken(TlsFault::Alert(text())), reason::TLS_ALERT),
            (broken(TlsFault::NotTls(text())), reason::TLS_MALFORMED),
            (broken(TlsFault::Other(text())), reason::TLS_MALFORMED),
            (tls(Standing::Expired), reason::CERTIFICATE_EXPIRED),
            (tls(Standing::NotYetValid), reason::CERTIFICATE_NOT_YET_VALID),
            (tls(Standing::Other("bad".into())), reason::CERTIFICATE_UNTRUSTED),
            (shown(Chain { dates: Dates::Expired, ..sound() }), reason::CERTIFICATE_EXPIRED),
            (shown(Chain { is_named: false, ..sound() }), reason::CERTIFICATE_WRONG_NAME),
            (Seen::Http(HttpFault::Timeout), reason::HTTP_TIMEOUT),
            (Seen::Http(HttpFault::NotHttp(text())), reason::HTTP_MALFORMED),
            (Seen::Http(HttpFault::Closed(text())), reason::HTTP_MALFORMED),
            (Seen::HttpStatus(407), reason::PROXY_REQUIRED),
            (Seen::Udp(UdpFault::Timeout), reason::UDP_NO_REPLY),
            (Seen::Udp(UdpFault::Malformed(text())), reason::UDP_NO_REPLY),
            (Seen::Udp(UdpFault::Refused), reason::UDP_REFUSED),
        ] {
            let verdict = judged(seen, Status::Failed, &[reason]);
            let error_type = verdict.findings()[0].error_type;
            assert_eq!(error_type, Some("endpointConnectivityCheckIntuneUrlNotAllowListed"));
        }
    }

    #[test]
    fn that_this_machine_could_not_look_is_unknown() {
        for seen in [
            Seen::Tcp(TcpFault::Other("too many open files".into())),
            Seen::Udp(UdpFault::Local("no socket".into())),
        ] {
            let verdict = judged(seen, Status::Unknown, &[reason::COULD_NOT_LOOK]);
            assert_eq!(verdict.findings()[0].error_type, None);
        }
    }

    #[test]
    fn a_private_root_is_interception_wherever_inspection_matters() {
        for inspection in [Inspection::Forbidden, Inspection::Discouraged] {
            let seen = tls_by(Standing::UnknownIssuer, Standing::Trusted);
            let target = Target { inspection, ..target() };
            let verdict = judged_as(target, seen, Status::Failed, &[reason::TLS_INTERCEPTED]);
            let finding = &verdict.findings()[0];
            assert!(finding.detail.contains("CN=Corporate Proxy"), "{}", finding.detail);
            let intercepted = verdict
                .readings()
                .iter()
                .find(|reading| reading.family.name == "anc_endpoint_tls_intercepted");
            assert_eq!(intercepted.unwrap().value, 1.0);
        }
    }

    #[test]
    fn everything_wrong_with_a_certificate_is_told() {
        let chain = Chain {
            public: Standing::UnknownIssuer,
            private: Standing::Trusted,
            dates: Dates::Expired,
            is_named: false,
            ..sound()
        };
        let all =
            [reason::TLS_INTERCEPTED, reason::CERTIFICATE_EXPIRED, reason::CERTIFICATE_WRONG_NAME];
        judged(shown(chain), Status::Failed, &all);
    }

    #[test]
    fn an_unknown_root_is_interception_only_where_nobody_may_inspect() {
        let seen = || tls_by(Standing::UnknownIssuer, Standing::UnknownIssuer);
        let of = |inspection| Target { inspection, ..target() };
        let intercepted = [reason::TLS_INTERCEPTED];
        judged_as(of(Inspection::Forbidden), seen(), Status::Failed, &intercepted);
        let untrusted = [reason::CERTIFICATE_UNTRUSTED];
        judged_as(of(Inspection::Discouraged), seen(), Status::Failed, &untrusted);
        judged_as(of(Inspection::Allowed), seen(), Status::Failed, &untrusted);
    }

    #[test]
    fn a_private_root_vouches_for_the_operators_own_endpoint() {
        let own = || Target { inspection: Inspection::Allowed, ..target() };
        judged_as(own(), tls_by(Standing::UnknownIssuer, Standing::Trusted), Status::Passed, &[]);
        let expired = tls_by(Standing::UnknownIssuer, Standing::Expired);
        judged_as(own(), expired, Status::Failed, &[reason::CERTIFICATE_EXPIRED]);
    }

    #[test]
    fn a_name_that_does_not_resolve() {
        let check = check(vec![target()]);
        let lookup = Lookup { outcome: Outcome::NoSuchName, ..looked_up("203.0.113.1") };
        let unresolved =
            Sighting { lookup: Arc::new(lookup), address: None, ..sighting(Seen::NotResolved) };
        let verdict = check.judge(&vec![unresolved]);
        assert_eq!(verdict.findings()[0].reason, reason::NAME_NOT_FOUND);
    }

    #[test]
    fn a_public_endpoint_at_a_private_address() {
        let lookup = Arc::new(looked_up("10.9.9.9"));
        let captured = Sighting { lookup, ..sighting(Seen::NotTried) };
        let verdict = check(vec![target()]).judge(&vec![captured]);
        let finding = &verdict.findings()[0];
        assert_eq!(finding.reason, reason::PRIVATE_ADDRESS);
        assert!(finding.detail.contains("10.9.9.9"), "{}", finding.detail);
    }

    #[test]
    fn what_is_optional_is_informational() {
        let optional = Target { required: false, ..target() };
        let seen = Seen::Tcp(TcpFault::Timeout);
        judged_as(optional, seen, Status::Informational, &[reason::TCP_TIMEOUT]);
    }

    #[test]
    fn the_platforms_addresses_count_only_where_a_cloud_pc_would_stand() {
        let platform = || Target { category: Category::AzurePlatform, ..target() };
        let seen = || vec![sighting(Seen::Tcp(TcpFault::Timeout))];
        let inside = check(vec![platform()]);
        assert_eq!(inside.judge(&seen()).status(), Status::Failed);
        let beside = EndpointConnectivity { in_subnet: false, ..check(vec![platform()]) };
        assert_eq!(beside.judge(&seen()).status(), Status::Informational);
    }

    #[test]
    fn what_the_machines_agent_forbids_the_daemon_is_no_failure() {
        let host = "168.63.129.16".to_owned();
        let platform = Target { category: Category::AzurePlatform, host, ..target() };
        let seen = vec![sighting(Seen::Tcp(TcpFault::Timeout))];
        let root = check(vec![platform]);
        assert_eq!(root.judge(&seen).status(), Status::Failed);
        let nobody = EndpointConnectivity { privileged: false, ..root };
        assert_eq!(nobody.judge(&seen).status(), Status::Informational);
    }

    #[test]
    fn a_wildcard_without_a_host_is_never_passed() {
        let category = Category::CloudPc;
        let host = "*.infra.windows365.microsoft.com".into();
        let wildcard = Wildcard { host, port: 443, category, required: true };
        let check = EndpointConnectivity { unverifiable: vec![wildcard], ..check(vec![target()]) };
        let verdict = check.judge(&vec![sighting(Seen::Reached)]);
        assert_eq!(verdict.status(), Status::Informational);
        assert_eq!(verdict.findings()[0].reason, reason::WILDCARD_NOT_VERIFIABLE);
        let verdict = check.judge(&vec![sighting(Seen::Tcp(TcpFault::Timeout))]);
        assert_eq!(verdict.status(), Status::Failed, "the status comes from the others");
    }

    #[test]
    fn a_proxy_in_the_environment_is_told() {
        let check =
            EndpointConnectivity { proxy_variables: vec!["HTTPS_PROXY"], ..check(vec![target()]) };
        let verdict = check.judge(&vec![sighting(Seen::Reached)]);
        assert_eq!(verdict.status(), Status::Informational);
        assert_eq!(verdict.findings()[0].reason, reason::PROXY_CONFIGURED);
    }

    #[test]
    fn all_that_holds_is_told() {
        let seen = [Seen::Tcp(TcpFault::Timeout), Seen::Reached, Seen::HttpStatus(407)];
        let verdict = check(vec![target(), target(), target()]).judge(&seen.map(sighting).into());
        assert_eq!(verdict.findings().len(), 2);
    }

    fn check(targets: Vec<Target>) -> EndpointConnectivity {
        let trust = Trust::new(&Roots::mozilla(), &Roots::empty());
        let timeout = Duration::from_secs(30);
        let reachability =
            Reachability::new("endpoint_connectivity", targets, None, trust, timeout, 12).unwrap();
        EndpointConnectivity {
            reachability,
            unverifiable: Vec::new(),
            in_subnet: true,
            privileged: true,
            proxy_variables: Vec::new(),
        }
    }

    fn target() -> Target {
        Target {
            host: "manage.example".into(),
            port: 443,
            protocol: Protocol::Tls,
            category: Category::Intune,
            required: true,
            stands_for: None,
            inspection: Inspection::Discouraged,
            addresses: Addresses::PublicOr(Vec::new()),
            purpose: String::new(),
        }
    }

    fn sighting(outcome: Seen) -> Sighting {
        let address = Some("203.0.113.1:443".parse().unwrap());
        let phases = Phases { dns: Some(Duration::from_millis(1)), connect: None, talk: None };
        Sighting { lookup: Arc::new(looked_up("203.0.113.1")), address, phases, outcome }
    }

    fn looked_up(address: &str) -> Lookup {
        Lookup {
            addresses: vec![address.parse().unwrap()],
            outcome: Outcome::NoData,
            server: None,
            took: Duration::from_millis(1),
            attempts: Vec::new(),
        }
    }

    fn broken(fault: TlsFault) -> Seen {
        let took = Duration::from_millis(3);
        Seen::Tls(Box::new(Handshake { outcome: Err(fault), chain: None, took, version: None }))
    }

    fn tls(public: Standing) -> Seen {
        tls_by(public, Standing::UnknownIssuer)
    }

    fn tls_by(public: Standing, private: Standing) -> Seen {
        let issuer = "CN=Corporate Proxy".to_owned();
        let leaf = Certificate { issuer, ..Certificate::default() };
        shown(Chain { public, private, leaf, ..sound() })
    }

    fn sound() -> Chain {
        Chain {
            public: Standing::Trusted,
            private: Standing::UnknownIssuer,
            dates: Dates::Valid,
            is_named: true,
            leaf: Certificate::default(),
            length: 2,
        }
    }

    fn shown(chain: Chain) -> Seen {
        let (chain, took) = (Some(chain), Duration::from_millis(3));
        Seen::Tls(Box::new(Handshake { outcome: Ok(()), chain, took, version: None }))
    }
}
