//! Zone texts, healthy and broken, of an Active Directory domain and of endpoints.

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
