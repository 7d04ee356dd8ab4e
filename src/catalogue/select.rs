//! What of the catalogue one connection has to reach: concrete hosts, and the wildcards for which
//! none is known.

use std::{net::IpAddr, slice};

use ipnet::IpNet;

use super::{
    Catalogue,
    names::is_below,
    rows::{Category, Cloud, Inspection, Join, Protocol, Row},
};

/// What to probe, in the catalogue's order and then the operator's, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub targets: Vec<Target>,
    pub unverifiable: Vec<Wildcard>,
}

/// One host to probe, on one port, in one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// In lower case.
    pub host: String,
    pub port: u16,
    pub protocol: Protocol,
    pub category: Category,
    pub required: bool,
    /// The wildcard that it is a sample of.
    pub stands_for: Option<String>,
    pub inspection: Inspection,
    pub addresses: Addresses,
    pub purpose: String,
}

/// The addresses a target may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// Public ones, or these: of a host that Microsoft runs.
    PublicOr(Vec<IpNet>),
    /// Of a host that the operator named, or that is an address.
    Any,
}

/// A wildcard without a host that could be probed for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wildcard {
    pub host: String,
    pub port: u16,
    pub category: Category,
    pub required: bool,
}

/// What a connection has to reach.
///
/// A wildcard is probed through its known hosts; one without any is unverifiable, unless an
/// `extra` host below it on the same port stands for it. `exclude` names hosts, or `*.` and the
/// zone below which everything is meant; it thins out the catalogue, never `extra`.
pub fn select(
    catalogue: &Catalogue,
    cloud: Cloud,
    join: Join,
    extra: &[Row],
    exclude: &[String],
) -> Selection {
    let excluded = |host: &str| is_excluded(exclude, host);
    let applies = |row: &&Row| row.applies_to(cloud, join);
    let listed = catalogue.endpoints.iter().filter(applies).filter(|row| !excluded(&row.host));
    let extra = extra.iter().filter(applies);

    let mut selection = Selection::default();
    let mut bare = Vec::new();
    for row in listed {
        let hosts: Vec<_> = hosts(row).iter().filter(|host| !excluded(host)).collect();
        if hosts.is_empty() {
            bare.push(row);
        }
        for host in hosts {
            add(&mut selection.targets, target(row, host, addresses(row)));
        }
    }
    bare.extend(extra.clone().filter(|row| hosts(row).is_empty()));
    let named = |row| hosts(row).iter().map(move |host| target(row, host, Addresses::Any));
    let named: Vec<_> = extra.flat_map(named).collect();
    for mut target in named.iter().cloned() {
        for wildcard in &bare {
            if is_sample(&target, wildcard) {
                stand_for(&mut target, wildcard);
            }
        }
        add(&mut selection.targets, target);
    }
    bare.retain(|wildcard| !named.iter().any(|target| is_sample(target, wildcard)));
    for wildcard in bare {
        add_wildcard(&mut selection.unverifiable, wildcard);
    }
    selection
}

/// The hosts to probe for a row: itself, or those known of a wildcard.
fn hosts(row: &Row) -> &[String] {
    match row.zone() {
        Some(_) => &row.probe_hosts,
        None => slice::from_ref(&row.host),
    }
}

fn addresses(row: &Row) -> Addresses {
    match row.host.parse::<IpAddr>() {
        Ok(_) => Addresses::Any,
        Err(_) => Addresses::PublicOr(row.private_ranges.clone()),
    }
}

fn target(row: &Row, host: &str, addresses: Addresses) -> Target {
    Target {
        host: host.to_ascii_lowercase(),
        port: row.port,
        protocol: row.protocol,
        category: row.category,
        required: row.required,
        stands_for: row.zone().map(|_| row.host.clone()),
        inspection: row.tls_inspection,
        addresses,
        purpose: row.purpose.clone(),
    }
}

fn is_sample(target: &Target, wildcard: &Row) -> bool {
    let below = wildcard.zone().is_some_and(|zone| is_below(&target.host, zone));
    below && target.port == wildcard.port
}

fn stand_for(target: &mut Target, wildcard: &Row) {
    target.stands_for.get_or_insert_with(|| wildcard.host.clone());
    target.required |= wildcard.required;
    target.inspection = target.inspection.max(wildcard.tls_inspection);
}

/// Each host, port and protocol once; but what language packages need belongs to a check of its
/// own, which forgives more, and is kept apart.
fn add(targets: &mut Vec<Target>, new: Target) {
    let key = |target: &Target| {
        (target.port, target.protocol, target.category == Category::Locale, target.host.clone())
    };
    let Some(known) = targets.iter_mut().find(|known| key(known) == key(&new)) else {
        targets.push(new);
        return;
    };
    if new.required && !known.required {
        (known.required, known.category, known.purpose) = (true, new.category, new.purpose);
    }
    known.inspection = known.inspection.max(new.inspection);
    known.stands_for = known.stands_for.take().or(new.stands_for);
    match (&mut known.addresses, new.addresses) {
        (Addresses::PublicOr(known), Addresses::PublicOr(new)) => {
            known.extend(new);
        }
        (addresses, _) => *addresses = Addresses::Any,
    }
}

fn add_wildcard(wildcards: &mut Vec<Wildcard>, row: &Row) {
    let (host, port) = (row.host.to_ascii_lowercase(), row.port);
    match wildcards.iter_mut().find(|known| known.host == host && known.port == port) {
        Some(known) => known.required |= row.required,
        None => {
            let (category, required) = (row.category, row.required);
            wildcards.push(Wildcard { host, port, category, required });
        }
    }
}

/// Whether any `exclude` entry means this host or wildcard.
pub fn is_excluded(exclude: &[String], host: &str) -> bool {
    exclude.iter().any(|pattern| matches(pattern, host))
}

fn matches(pattern: &str, host: &str) -> bool {
    let below = pattern.strip_prefix("*.").is_some_and(|zone| {
        let name = host.strip_prefix("*.").unwrap_or(host);
        is_below(name, zone)
    });
    below || pattern.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, said: &str) -> Row {
        let text = format!(
            r#"{{"host": "{host}", "port": 443, "protocol": "tls", "category": "CloudPC"{said}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn selected(listed: &[Row], extra: &[Row], exclude: &[&str]) -> Selection {
        let catalogue = Catalogue { endpoints: listed.to_vec(), ..Catalogue::empty() };
        let exclude: Vec<_> = exclude.iter().copied().map(String::from).collect();
        select(&catalogue, Cloud::Commercial, Join::Hybrid, extra, &exclude)
    }

    #[track_caller]
    fn sees(selection: &Selection, targets: &[&str], unverifiable: &[&str]) {
        let seen: Vec<_> = selection.targets.iter().map(|target| &target.host).collect();
        assert_eq!(seen, targets);
        let seen: Vec<_> = selection.unverifiable.iter().map(|wildcard| &wildcard.host).collect();
        assert_eq!(seen, unverifiable);
    }

    /// Counted from Microsoft's lists apart from this code.
    #[test]
    fn the_builtin_selects_what_was_counted() {
        let count = |cloud, join| {
            let selection = select(Catalogue::builtin(), cloud, join, &[], &[]);
            (selection.targets.len(), selection.unverifiable.len())
        };
        assert_eq!(count(Cloud::Commercial, Join::Hybrid), (182, 14));
        assert_eq!(count(Cloud::Commercial, Join::Entra), (180, 14));
        assert_eq!(count(Cloud::Gcc, Join::Hybrid), (22, 2));
        assert_eq!(count(Cloud::GccHigh, Join::Hybrid), (29, 3));
    }

    #[test]
    fn only_rows_of_the_cloud_and_the_join_type_count() {
        let gcc = row("gcc.contoso.com", r#", "clouds": ["gcc"]"#);
        let entra = row("entra.contoso.com", r#", "join": "entra""#);
        let hybrid = row("hybrid.contoso.com", r#", "join": "hybrid""#);
        let selection = selected(&[gcc.clone(), entra, hybrid], &[gcc], &[]);
        sees(&selection, &["hybrid.contoso.com"], &[]);
    }

    #[test]
    fn a_wildcard_is_probed_through_its_known_hosts() {
        let wildcard =
            row("*.contoso.com", r#", "probe_hosts": ["a.contoso.com", "b.contoso.com"]"#);
        let selection = selected(&[wildcard], &[], &[]);
        sees(&selection, &["a.contoso.com", "b.contoso.com"], &[]);
        assert_eq!(selection.targets[1].stands_for.as_deref(), Some("*.contoso.com"));
    }

    #[test]
    fn a_wildcard_without_known_hosts_cannot_be_verified() {
        sees(&selected(&[row("*.contoso.com", "")], &[], &[]), &[], &["*.contoso.com"]);
    }

    #[test]
    fn hosts_of_the_operator_stand_for_it_on_the_same_port() {
        let wildcard = row("*.contoso.com", r#", "tls_inspection": "forbidden""#);
        let elsewhere = Row { port: 5671, ..row("a.contoso.com", "") };
        let selection = selected(slice::from_ref(&wildcard), &[elsewhere], &[]);
        sees(&selection, &["a.contoso.com"], &["*.contoso.com"]);

        let mine = [row("a.contoso.com", r#", "required": false"#), row("b.contoso.com", "")];
        let selection = selected(&[wildcard], &mine, &[]);
        sees(&selection, &["a.contoso.com", "b.contoso.com"], &[]);
        for target in selection.targets {
            assert_eq!(target.stands_for.as_deref(), Some("*.contoso.com"));
            assert_eq!(target.inspection, Inspection::Forbidden);
            assert!(target.required, "as required as what it stands for");
        }
    }

    #[test]
    fn a_wildcard_of_the_operator_brings_hosts_for_the_same_one() {
        let mine = row("*.contoso.com", r#", "probe_hosts": ["a.contoso.com"]"#);
        sees(&selected(&[row("*.contoso.com", "")], &[mine], &[]), &["a.contoso.com"], &[]);
    }

    #[test]
    fn what_is_excluded_is_dropped_but_never_what_the_operator_named() {
        let probed = row("*.corp.contoso.com", r#", "probe_hosts": ["a.corp.contoso.com"]"#);
        let listed = [row("contoso.com", ""), row("*.contoso.com", ""), probed];
        let rest = &["contoso.com", "a.corp.contoso.com"];
        sees(&selected(&listed, &[], &["*.CONTOSO.com"]), &rest[..1], &[]);
        sees(&selected(&listed, &[], &["contoso.com"]), &rest[1..], &["*.contoso.com"]);
        let both = &["*.contoso.com", "*.corp.contoso.com"];
        sees(&selected(&listed, &[], &["A.corp.contoso.com"]), &rest[..1], both);
        let mine = [row("b.contoso.com", "")];
        let seen = selected(&listed, &mine, &["*.contoso.com"]);
        sees(&seen, &["contoso.com", "b.contoso.com"], &[]);
    }

    #[test]
    fn the_same_host_port_and_protocol_occurs_once() {
        let optional =
            row("a.contoso.com", r#", "required": false, "tls_inspection": "forbidden""#);
        let required = Row { category: Category::Intune, ..row("A.contoso.com", "") };
        let third = Row { category: Category::Wvd, ..required.clone() };
        let plain = Row { protocol: Protocol::Tcp, ..third.clone() };
        let selection = selected(&[optional, required, third, plain], &[], &[]);
        sees(&selection, &["a.contoso.com", "a.contoso.com"], &[]);
        let target = &selection.targets[0];
        assert!(target.required);
        assert_eq!(target.inspection, Inspection::Forbidden);
        assert_eq!(target.category, Category::Intune, "the first that requires it");
        assert_eq!(selection.targets[1].protocol, Protocol::Tcp);
    }

    #[test]
    fn language_packages_do_not_swallow_what_another_check_needs() {
        let locale = Row { category: Category::Locale, ..row("a.contoso.com", "") };
        let selection = selected(&[locale], &[row("a.contoso.com", "")], &[]);
        let categories: Vec<_> = selection.targets.iter().map(|target| target.category).collect();
        assert_eq!(categories, [Category::Locale, Category::CloudPc]);
    }

    #[test]
    fn a_host_of_microsofts_has_public_addresses_unless_it_is_one_or_the_operator_says_so() {
        let linked = row("a.contoso.com", r#", "private_ranges": ["10.0.0.0/8"]"#);
        let private = vec!["10.0.0.0/8".parse().unwrap()];
        let seen = |listed: &[Row], extra: &[Row]| {
            selected(listed, extra, &[]).targets.swap_remove(0).addresses
        };
        assert_eq!(seen(slice::from_ref(&linked), &[]), Addresses::PublicOr(private.clone()));
        assert_eq!(
            seen(&[row("a.contoso.com", ""), linked.clone()], &[]),
            Addresses::PublicOr(private)
        );
        assert_eq!(seen(&[row("168.63.129.16", "")], &[]), Addresses::Any);
        assert_eq!(seen(slice::from_ref(&linked), &[row("a.contoso.com", "")]), Addresses::Any);
    }
}
