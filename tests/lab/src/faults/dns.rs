//! The faults that `dns_ad_domain` sees.

use super::{Effect, Fault, Setting, Strike};

/// What every DNS server tells of the Active Directory domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    NotFound,
    NoAddresses,
    NoServices,
    NoKerberos,
    OneTargetUnresolved,
    NoTargetResolved,
    PublicAddress,
    PublicZone,
    /// The second server knows other addresses than the first.
    Disputed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    Second,
    Both,
}

/// How a DNS server misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Silent,
    Refuses,
    Fails,
    Garbles,
    /// Truncates over UDP, and does not listen for TCP.
    Truncates,
    /// Listens for neither.
    Closed,
}

/// How a name resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    NotFound,
    NoAddresses,
    Private,
    /// To an address to which no connection can be made.
    Unroutable,
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        reason: "name_not_found",
        error_type: NOT_FOUND,
        strikes: BLOCKED,
        ..domain(
            "name_not_found",
            FAILED,
            Domain::NotFound,
            "Both DNS servers say that the domain does not exist.",
        )
    },
    Fault {
        error_type: NOT_FOUND,
        strikes: BLOCKED,
        ..domain(
            "no_addresses",
            FAILED,
            Domain::NoAddresses,
            "The domain exists, but has neither an A nor an AAAA record.",
        )
    },
    Fault {
        strikes: BLOCKED,
        ..domain(
            "no_srv_records",
            FAILED,
            Domain::NoServices,
            "The domain has addresses, but none of the records that locate a domain controller.",
        )
    },
    domain(
        "srv_record_missing",
        WARNING,
        Domain::NoKerberos,
        "The _ldap records are there, the _kerberos records are not.",
    ),
    Fault {
        strikes: &[
            Strike { check: "ad_domain_join", status: WARNING, reasons: None },
            Strike { check: "domain_controllers", status: WARNING, reasons: None },
        ],
        ..domain(
            "srv_target_unresolved",
            WARNING,
            Domain::OneTargetUnresolved,
            "One of the two domain controllers that the SRV records name does not resolve.",
        )
    },
    Fault {
        reason: "srv_target_unresolved",
        strikes: BLOCKED,
        ..domain(
            "srv_targets_unresolved",
            FAILED,
            Domain::NoTargetResolved,
            "No domain controller that the SRV records name resolves.",
        )
    },
    domain(
        "public_address",
        WARNING,
        Domain::PublicAddress,
        "The domain resolves to a public address, while its SRV records are those of the directory.",
    ),
    Fault {
        reason: "public_address",
        also: &["no_srv_records"],
        strikes: BLOCKED,
        ..domain(
            "public_zone",
            FAILED,
            Domain::PublicZone,
            "Both DNS servers answer from the public zone: a public address, and no SRV records.",
        )
    },
    domain(
        "servers_disagree",
        WARNING,
        Domain::Disputed,
        "The second DNS server gives another address for the domain than the first.",
    ),
    server(
        "dns_timeout",
        WARNING,
        Servers::Second,
        Trouble::Silent,
        "The second DNS server does not answer.",
    ),
    Fault {
        reason: "dns_timeout",
        strikes: &[
            NO_JOIN,
            NO_CONTROLLERS,
            NO_SINGLE_SIGN_ON,
            Strike { check: "endpoint_connectivity", status: FAILED, reasons: None },
            Strike { check: "localization", status: WARNING, reasons: None },
        ],
        ..server(
            "dns_timeout_all",
            FAILED,
            Servers::Both,
            Trouble::Silent,
            "Neither DNS server answers; no endpoint's name resolves either.",
        )
    },
    server(
        "dns_refused",
        WARNING,
        Servers::Second,
        Trouble::Refuses,
        "The second DNS server answers REFUSED.",
    ),
    server(
        "dns_servfail",
        WARNING,
        Servers::Second,
        Trouble::Fails,
        "The second DNS server answers SERVFAIL.",
    ),
    server(
        "dns_malformed",
        WARNING,
        Servers::Second,
        Trouble::Garbles,
        "The second DNS server's answers break off in the middle of a record.",
    ),
    server(
        "dns_truncated",
        WARNING,
        Servers::Second,
        Trouble::Truncates,
        "The second DNS server truncates its answers and refuses TCP, as behind a rule for UDP alone.",
    ),
    server(
        "dns_unreachable",
        WARNING,
        Servers::Second,
        Trouble::Closed,
        "Nothing listens at the second DNS server's address.",
    ),
    Fault {
        name: "invalid_name",
        check: CHECK,
        status: FAILED,
        reason: "invalid_name",
        error_type: Some("dnsCheckNameWithInvalidCharacter"),
        also: &[],
        strikes: BLOCKED,
        about: "The connection's domain holds a character that no DNS name may have.",
        effect: Effect::Settings(Setting::InvalidDomain),
    },
];

const CHECK: &str = "dns_ad_domain";
const FAILED: &str = "failed";
const WARNING: &str = "warning";
const NOT_FOUND: Option<&str> = Some("dnsCheckFqdnNotFound");

/// Whoever would look at the domain does not, while it cannot be found.
const BLOCKED: &[Strike] = &[NO_JOIN, NO_CONTROLLERS, NO_SINGLE_SIGN_ON];
const NO_JOIN: Strike = blocked("ad_domain_join");
const NO_CONTROLLERS: Strike = blocked("domain_controllers");
const NO_SINGLE_SIGN_ON: Strike = blocked("single_sign_on");

const fn blocked(check: &'static str) -> Strike {
    Strike { check, status: "blocked", reasons: Some(&[]) }
}

const fn domain(
    name: &'static str,
    status: &'static str,
    domain: Domain,
    about: &'static str,
) -> Fault {
    fault(name, status, Effect::Domain(domain), about)
}

const fn server(
    name: &'static str,
    status: &'static str,
    servers: Servers,
    trouble: Trouble,
    about: &'static str,
) -> Fault {
    fault(name, status, Effect::Server(servers, trouble), about)
}

const fn fault(
    name: &'static str,
    status: &'static str,
    effect: Effect,
    about: &'static str,
) -> Fault {
    let error_type = Some("dnsCheckUnknownError");
    let (check, also, strikes): (_, &[_], &[_]) = (CHECK, &[], &[]);
    Fault { name, check, status, reason: name, error_type, also, strikes, about, effect }
}
