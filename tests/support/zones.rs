//! Zone texts, healthy and broken, of an Active Directory domain and of endpoints.

use std::fmt::Write;
use std::net::Ipv4Addr;

/// The domain of the zones below.
pub const DOMAIN: &str = "corp.contoso.test";

/// Healthy: addresses, and service records of `dc1` (127.0.0.11) and `dc2` (127.0.0.12).
pub const CORP: &str = include_str!("zones/corp.zone");
/// Service records, but no address at the domain's name.
pub const NO_ADDRESSES: &str = include_str!("zones/no-addresses.zone");
/// Addresses, but no service record.
pub const NO_SRV: &str = include_str!("zones/no-srv.zone");
/// No service record's target has an address.
pub const UNRESOLVED_TARGETS: &str = include_str!("zones/unresolved-targets.zone");
/// Sixty domain controllers, too many for a UDP answer.
pub const MANY_CONTROLLERS: &str = include_str!("zones/many-controllers.zone");

/// The healthy domain, with one more service record whose target `gone1` has no address.
pub fn some_targets_unresolved() -> String {
    CORP.to_owned() + "_ldap._tcp.dc._msdcs SRV 0 100 389 gone1\n_ldap._tcp SRV 0 100 389 gone1\n"
}

/// The healthy domain as the Internet sees it: public addresses. They are of TEST-NET-3 (RFC 5737), which nobody has.
pub fn public_addresses() -> String {
    CORP.replace("127.0.0.", "203.0.113.")
}

/// The healthy domain as a second server has it that disagrees: other addresses, on loopback too.
pub fn disagreeing() -> String {
    CORP.replace("127.0.0.", "127.0.9.")
}

/// The healthy domain with IPv6 addresses besides.
pub fn with_ipv6() -> String {
    CORP.to_owned() + "@ AAAA ::1\ndc1 AAAA ::1\n"
}

/// A zone in which each of `hosts` (relative to the zone) is at 127.0.0.1.
pub fn on_loopback(hosts: &[&str]) -> String {
    let head = "$TTL 60\n@ SOA ns hostmaster ( 1 900 600 86400 3600 )\n@ NS ns\nns A 127.0.0.1\n";
    hosts.iter().fold(head.to_owned(), |zone, host| zone + host + " A 127.0.0.1\n")
}

/// A domain controller, as its service records have it.
#[derive(Clone, Copy, Debug)]
pub struct Controller<'a> {
    /// Relative to the zone.
    pub name: &'a str,
    pub address: Ipv4Addr,
    pub priority: u16,
    pub weight: u16,
}

impl<'a> Controller<'a> {
    /// As every domain controller registers itself.
    pub fn at(name: &'a str, address: Ipv4Addr) -> Self {
        Self { name, address, priority: 0, weight: 100 }
    }
}

/// A healthy domain with these domain controllers, which are all in one site. The first is the PDC.
pub fn of_controllers(controllers: &[Controller<'_>]) -> String {
    let mut zone =
        "$TTL 60\n@ SOA ns hostmaster ( 1 900 600 86400 3600 )\n@ NS ns\nns A 127.0.0.1\n"
            .to_owned();
    for (number, controller) in controllers.iter().enumerate() {
        let Controller { name, address, priority, weight } = controller;
        writeln!(zone, "@ A {address}\n{name} A {address}").unwrap();
        for (service, port) in SERVICES {
            writeln!(zone, "{service} SRV {priority} {weight} {port} {name}").unwrap();
        }
        if number == 0 {
            writeln!(zone, "_ldap._tcp.pdc._msdcs SRV {priority} {weight} 389 {name}").unwrap();
        }
    }
    zone
}

/// What every domain controller registers; the site is the one that Samba puts everybody into.
const SERVICES: [(&str, u16); 13] = [
    ("_ldap._tcp", 389),
    ("_ldap._tcp.dc._msdcs", 389),
    ("_ldap._tcp.Default-First-Site-Name._sites", 389),
    ("_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs", 389),
    ("_ldap._tcp.gc._msdcs", 3268),
    ("_gc._tcp", 3268),
    ("_kerberos._tcp", 88),
    ("_kerberos._udp", 88),
    ("_kerberos._tcp.dc._msdcs", 88),
    ("_kerberos._tcp.Default-First-Site-Name._sites", 88),
    ("_kerberos._tcp.Default-First-Site-Name._sites.dc._msdcs", 88),
    ("_kpasswd._tcp", 464),
    ("_kpasswd._udp", 464),
];
