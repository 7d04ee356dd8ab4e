//! What a host's name may look like, and a wildcard's.

use std::net::IpAddr;

/// What is wrong with a host, or with `*.` and a zone.
pub fn pattern_problem(pattern: &str) -> Option<String> {
    match pattern.strip_prefix("*.") {
        Some(zone) if zone.parse::<IpAddr>().is_ok() => {
            Some(format!("{pattern:?}: addresses have no names below them"))
        }
        Some(zone) => host_problem(zone),
        None if pattern.contains('*') => {
            Some(format!("{pattern:?}: a wildcard is a leading `*.` and nothing else"))
        }
        None => host_problem(pattern),
    }
}

/// What is wrong with the name or address of one host.
pub fn host_problem(host: &str) -> Option<String> {
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let sound = host.len() <= 253 && host.split('.').all(is_label) && !ends_in_number(host);
    (!sound).then(|| format!("{host:?} is neither a host name nor an address"))
}

/// Whether a host, or a wildcard's zone, lies below a zone.
pub(super) fn is_below(name: &str, zone: &str) -> bool {
    let (name, zone) = (name.to_ascii_lowercase(), zone.to_ascii_lowercase());
    name.strip_suffix(&zone).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn ends_in_number(host: &str) -> bool {
    host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}
