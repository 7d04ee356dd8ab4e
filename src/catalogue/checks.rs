//! The checks of this version: what `anc-healthd checks` tells of each.

use super::{Join, reason::*};
use crate::engine::{Reason, Severity};

/// One check, described.
#[derive(Debug)]
pub struct CheckEntry {
    /// Its label value, configuration key and file name.
    pub slug: &'static str,
    /// Microsoft's name.
    pub title: &'static str,
    /// The connections it applies to.
    pub join: Join,
    /// The worst it says of an environment.
    pub worst: Severity,
    /// From where it looks.
    pub side: &'static str,
    pub depends_on: &'static [&'static str],
    pub looks_at: &'static str,
    /// Permissions, ports and routes without which it cannot tell.
    pub needs: &'static str,
    /// Every reason it can give.
    pub reports: &'static [Reason],
}

/// What this version checks.
pub const CHECKS: &[CheckEntry] = &[
    CheckEntry {
        slug: "dns_ad_domain",
        title: "DNS can resolve Active Directory domain",
        join: Join::Hybrid,
        worst: Severity::Failed,
        side: "vantage",
        depends_on: &[],
        looks_at: "The Active Directory domain's addresses and its SRV records that locate domain \
                   controllers and KDCs, with their targets, asked of each DNS server separately; \
                   the answers are compared.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network. No permissions.",
        reports: AD_DOMAIN,
    },
    CheckEntry {
        slug: "endpoint_connectivity",
        title: "Endpoint connectivity",
        join: Join::Both,
        worst: Severity::Failed,
        side: "vantage",
        depends_on: &[],
        looks_at: "Every endpoint of the catalogue but the language packages': name resolution, \
                   TCP, the TLS handshake with its certificate, HTTP, and NTP or DNS over UDP.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network; outbound TCP 80, 443, \
                1688, 5671 and 32526, UDP 53 and 123, as the catalogue lists them. No permissions.",
        reports: ENDPOINTS,
    },
    CheckEntry {
        slug: "localization",
        title: "Localization language package readiness",
        join: Join::Both,
        worst: Severity::Warning,
        side: "vantage",
        depends_on: &[],
        looks_at: "The endpoints of the catalogue that serve language packages, as \
                   endpoint_connectivity does. They matter for languages other than en-US.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network; outbound TCP 80 and 443. \
                No permissions.",
        reports: ENDPOINTS,
    },
    CheckEntry {
        slug: "udp_connectivity",
        title: "UDP connection check",
        join: Join::Both,
        worst: Severity::Warning,
        side: "vantage",
        depends_on: &[],
        looks_at: "Whether STUN servers and TURN relays answer a STUN request over UDP, and whether \
                   the relays' addresses lie where they should.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network; outbound UDP 3478. No \
                permissions.",
        reports: UDP,
    },
];

/// The checks that later versions bring, and with what.
pub const LATER: &[(&str, &str)] = &[
    ("ad_domain_join", DIRECTORY),
    ("entra_device_sync", CLOUD),
    ("subnet_ip_usage", CLOUD),
    ("tenant_readiness", CLOUD),
    ("vnet_readiness", CLOUD),
    ("permissions_subscription", CLOUD),
    ("permissions_resource_group", CLOUD),
    ("permissions_vnet", CLOUD),
    ("environment", CLOUD),
    ("intune_enrollment", CLOUD),
    ("single_sign_on", DIRECTORY),
    ("domain_controllers", DIRECTORY),
    ("microsoft_verdict", CLOUD),
];

pub fn check(slug: &str) -> Option<&'static CheckEntry> {
    CHECKS.iter().find(|check| check.slug == slug)
}

const DIRECTORY: &str = "the Active Directory checks";
const CLOUD: &str = "the Azure and Microsoft Graph checks";

const AD_DOMAIN: &[Reason] = &[
    NAME_NOT_FOUND,
    INVALID_NAME,
    NO_ADDRESSES,
    NO_SRV_RECORDS,
    SRV_RECORD_MISSING,
    SRV_TARGET_UNRESOLVED,
    PUBLIC_ADDRESS,
    SERVERS_DISAGREE,
    DNS_TIMEOUT,
    DNS_REFUSED,
    DNS_SERVFAIL,
    DNS_TRUNCATED,
    DNS_UNREACHABLE,
    DNS_MALFORMED,
    NO_DNS_SERVERS,
    COULD_NOT_LOOK,
    TIMED_OUT,
    PANICKED,
];

const ENDPOINTS: &[Reason] = &[
    NAME_NOT_FOUND,
    NO_ADDRESSES,
    DNS_TIMEOUT,
    DNS_REFUSED,
    DNS_SERVFAIL,
    DNS_TRUNCATED,
    DNS_UNREACHABLE,
    DNS_MALFORMED,
    NO_DNS_SERVERS,
    TCP_REFUSED,
    TCP_TIMEOUT,
    TCP_UNREACHABLE,
    TLS_REFUSED,
    TLS_TIMEOUT,
    TLS_ALERT,
    TLS_MALFORMED,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_YET_VALID,
    CERTIFICATE_WRONG_NAME,
    CERTIFICATE_UNTRUSTED,
    TLS_INTERCEPTED,
    HTTP_TIMEOUT,
    HTTP_MALFORMED,
    PROXY_REQUIRED,
    UDP_NO_REPLY,
    UDP_REFUSED,
    PRIVATE_ADDRESS,
    WILDCARD_NOT_VERIFIABLE,
    PROXY_CONFIGURED,
    COULD_NOT_LOOK,
    TIMED_OUT,
    PANICKED,
];

const UDP: &[Reason] = &[
    STUN_NO_REPLY,
    TURN_NO_REPLY,
    UDP_BLOCKED,
    TURN_OUTSIDE_RANGES,
    NAME_NOT_FOUND,
    NO_ADDRESSES,
    DNS_TIMEOUT,
    DNS_REFUSED,
    DNS_SERVFAIL,
    DNS_TRUNCATED,
    DNS_UNREACHABLE,
    DNS_MALFORMED,
    NO_DNS_SERVERS,
    COULD_NOT_LOOK,
    TIMED_OUT,
    PANICKED,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::catalogue::{REASONS, find};

    #[test]
    fn every_check_is_here_or_comes_later() {
        let later = LATER.iter().map(|(slug, _)| *slug);
        let slugs: HashSet<_> = CHECKS.iter().map(|check| check.slug).chain(later).collect();
        assert_eq!((CHECKS.len(), LATER.len(), slugs.len()), (4, 13, 17));
        assert!(check("localization").is_some());
        assert!(check("ad_domain_join").is_none());
    }

    #[test]
    fn every_reason_is_some_checks_and_every_checks_reason_is_explained() {
        for listed in REASONS {
            let reported = CHECKS.iter().any(|check| check.reports.contains(&listed.reason));
            assert!(reported, "{} is reported by no check", listed.reason);
        }
        for check in CHECKS {
            let reasons: HashSet<_> = check.reports.iter().collect();
            assert_eq!(reasons.len(), check.reports.len(), "{} repeats itself", check.slug);
            assert!(check.reports.iter().all(|reason| find(reason.as_str()).is_some()));
            assert!([TIMED_OUT, PANICKED].iter().all(|reason| check.reports.contains(reason)));
        }
    }
}
