//! The checks of this version: what `anc-healthd checks` tells of each.

use super::{Join, reports::*};
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
        slug: "ad_domain_join",
        title: "Active Directory domain join",
        join: Join::Hybrid,
        worst: Severity::Failed,
        side: "vantage",
        depends_on: &["dns_ad_domain"],
        looks_at: "What a join needs of the directory: the sign-in of the join account, the \
                   organizational unit, the right to create computers there, quota and expiry; \
                   and, as write_test says, a computer object that is created disabled, read \
                   back and deleted. It names the group policies that apply, and counts what \
                   Microsoft's check left behind.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network; TCP 636 to the domain \
                controllers, or 389 (transport = \"starttls\"), or 88 and 389 (\"kerberos\"). The \
                join account, as username and password_file: read on the domain; create and \
                delete computer objects on the organizational unit. Without it, skipped.",
        reports: JOIN,
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
    CheckEntry {
        slug: "single_sign_on",
        title: "Single sign-on configuration",
        join: Join::Hybrid,
        worst: Severity::Warning,
        side: "AD",
        depends_on: &["dns_ad_domain"],
        looks_at: "The Microsoft Entra Kerberos server in the directory: the computer \
                   AzureADKerberos, the account krbtgt_AzureAD, and the age of its key. Its \
                   other half, in Microsoft Entra, is not looked at.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network; TCP to the domain \
                controllers as for ad_domain_join. The join account: read on the domain. Without \
                it, skipped.",
        reports: SINGLE_SIGN_ON,
    },
    CheckEntry {
        slug: "domain_controllers",
        title: "Domain controllers",
        join: Join::Hybrid,
        worst: Severity::Failed,
        side: "vantage",
        depends_on: &["dns_ad_domain"],
        looks_at: "Each domain controller, those of the own site first, max_controllers at most: \
                   whether it answers on the ports that a join needs, how fast, with which clock \
                   and certificate, and what it says of itself. Failed only when none will do.",
        needs: "UDP and TCP 53 to each DNS server of the virtual network; to the domain \
                controllers TCP 53, 88, 135, 389, 445, 464, 636 and 3268, one dynamic RPC port \
                (49152 to 65535), and UDP 53, 88, 123 and 389. No permissions.",
        reports: CONTROLLERS,
    },
];

/// The checks that later versions bring, and with what.
pub const LATER: &[(&str, &str)] = &[
    ("entra_device_sync", CLOUD),
    ("subnet_ip_usage", CLOUD),
    ("tenant_readiness", CLOUD),
    ("vnet_readiness", CLOUD),
    ("permissions_subscription", CLOUD),
    ("permissions_resource_group", CLOUD),
    ("permissions_vnet", CLOUD),
    ("environment", CLOUD),
    ("intune_enrollment", CLOUD),
    ("microsoft_verdict", CLOUD),
];

pub fn check(slug: &str) -> Option<&'static CheckEntry> {
    CHECKS.iter().find(|check| check.slug == slug)
}

const CLOUD: &str = "the Azure and Microsoft Graph checks";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::catalogue::{REASONS, find, reason::*};

    #[test]
    fn every_check_is_here_or_comes_later() {
        let later = LATER.iter().map(|(slug, _)| *slug);
        let slugs: HashSet<_> = CHECKS.iter().map(|check| check.slug).chain(later).collect();
        assert_eq!((CHECKS.len(), LATER.len(), slugs.len()), (7, 10, 17));
        assert!(check("localization").is_some());
        assert!(check("subnet_ip_usage").is_none());
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
