//! What the DNS servers know.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use hickory_resolver::proto::{
    op::{Message, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, SOA, SRV},
    },
};

use super::Which;
use crate::{
    directory::{self, Ports},
    faults::{Domain, Effect, Lookup, Switchboard},
};

pub(crate) const DOMAIN: &str = "corp.contoso.test";

pub(crate) struct Zone {
    ports: Ports,
    hosts: BTreeMap<&'static str, Ipv4Addr>,
}

impl Zone {
    /// The directory's domain, its domain controllers on these ports, and these endpoints.
    pub(crate) fn new(
        ports: Ports,
        hosts: impl IntoIterator<Item = (&'static str, IpAddr)>,
    ) -> Self {
        let ipv4 = |(host, address)| match address {
            IpAddr::V4(address) => Some((host, address)),
            IpAddr::V6(_) => None,
        };
        Self { ports, hosts: hosts.into_iter().filter_map(ipv4).collect() }
    }

    pub(super) fn answer(
        &self,
        which: Which,
        question: &Query,
        switchboard: &Switchboard,
        answer: &mut Message,
    ) {
        let name = question.name().to_lowercase().to_string();
        let name = name.trim_end_matches('.');
        let known = match name.strip_suffix(DOMAIN) {
            Some(below) => {
                let state = switchboard.find(|effect| match effect {
                    Effect::Domain(state) => Some(state),
                    Effect::Server(..)
                    | Effect::Directory(_)
                    | Effect::Controller(..)
                    | Effect::Name(..)
                    | Effect::Endpoint(..)
                    | Effect::Silent(_)
                    | Effect::Settings(_) => None,
                });
                self.directory(below.trim_end_matches('.'), state, which)
            }
            None => self.endpoint(name, switchboard),
        };
        answer.metadata.authoritative = true;
        let data = match known {
            None => {
                answer.metadata.response_code = ResponseCode::NXDomain;
                Vec::new()
            }
            Some(known) => known.of_type(question.query_type()),
        };
        if data.is_empty() {
            answer.add_authority(authority());
        }
        let record = |data| Record::from_rdata(question.name().clone(), TTL, data);
        answer.add_answers(data.into_iter().map(record));
    }

    fn endpoint(&self, name: &str, switchboard: &Switchboard) -> Option<Known> {
        let lookup = switchboard.find(|effect| match effect {
            Effect::Name(host, lookup) if host == name => Some(lookup),
            Effect::Name(..)
            | Effect::Domain(_)
            | Effect::Server(..)
            | Effect::Directory(_)
            | Effect::Controller(..)
            | Effect::Endpoint(..)
            | Effect::Silent(_)
            | Effect::Settings(_) => None,
        });
        match (self.hosts.get(name), lookup) {
            (Some(_), Some(Lookup::NotFound)) => None,
            (Some(_), Some(Lookup::NoAddresses)) => Some(Known::Nothing),
            (Some(_), Some(Lookup::Private)) => Some(Known::Addresses(vec![PRIVATE])),
            (Some(_), Some(Lookup::Unroutable)) => Some(Known::Addresses(vec![UNROUTABLE])),
            (Some(address), None) => Some(Known::Addresses(vec![*address])),
            (None, _) => self.is_above_a_host(name).then_some(Known::Nothing),
        }
    }

    /// What there is at a name of the directory's domain, given as what stands before it.
    fn directory(&self, below: &str, state: Option<Domain>, which: Which) -> Option<Known> {
        let [first, second] = directory::ADDRESSES;
        let service = SERVICES.iter().find(|(name, ..)| *name == below);
        let addresses = match (state, below, service) {
            (Some(Domain::NotFound), ..)
            | (Some(Domain::NoServices | Domain::PublicZone), _, Some(_))
            | (Some(Domain::NoKerberos), _, Some((_, Role::Kerberos, _)))
            | (Some(Domain::OneTargetUnresolved), "dc1", _)
            | (Some(Domain::NoTargetResolved), "dc1" | "dc2", _) => return None,
            (_, _, Some((_, role, hosts))) => return Some(self.services(*role, hosts)),
            (Some(Domain::NoAddresses), "", _) => Vec::new(),
            (Some(Domain::PublicAddress | Domain::PublicZone), "", _) => vec![PUBLIC],
            (Some(Domain::Disputed), "", _) if which == Which::Second => vec![ELSEWHERE],
            (_, "", _) => vec![first, second],
            (_, "dc1", _) => vec![first],
            (_, "dc2", _) => vec![second],
            _ => return is_above_a_service(below).then_some(Known::Nothing),
        };
        Some(Known::Addresses(addresses))
    }

    fn services(&self, role: Role, hosts: &'static [&'static str]) -> Known {
        let port = match role {
            Role::Ldap => self.ports.ldap,
            Role::Kerberos => self.ports.kerberos,
            Role::GlobalCatalog => self.ports.global_catalog,
        };
        Known::Services(port, hosts)
    }

    fn is_above_a_host(&self, name: &str) -> bool {
        let above = |host: &&str| host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        self.hosts.keys().any(above)
    }
}

/// What there is at a name.
enum Known {
    Nothing,
    Addresses(Vec<Ipv4Addr>),
    /// These domain controllers, on this port.
    Services(u16, &'static [&'static str]),
}

impl Known {
    fn of_type(self, record: RecordType) -> Vec<RData> {
        match self {
            Self::Addresses(addresses) if record == RecordType::A => {
                addresses.into_iter().map(|address| RData::A(A(address))).collect()
            }
            Self::Services(port, hosts) if record == RecordType::SRV => {
                let target = |host: &&str| RData::SRV(SRV::new(0, 100, port, name_in_domain(host)));
                hosts.iter().map(target).collect()
            }
            Self::Nothing | Self::Addresses(_) | Self::Services(..) => Vec::new(),
        }
    }
}

const TTL: u32 = 60;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 8, 9, 9);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
/// Loopback's broadcast address: the kernel refuses connections to it, and nothing leaves the machine.
const UNROUTABLE: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);
/// What a domain controller is found for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Ldap,
    Kerberos,
    GlobalCatalog,
}

/// What locates the domain controllers, as what stands before the domain's name.
const SERVICES: &[(&str, Role, &[&str])] = &[
    ("_ldap._tcp", Role::Ldap, HOSTS),
    ("_ldap._tcp.dc._msdcs", Role::Ldap, HOSTS),
    ("_ldap._tcp.pdc._msdcs", Role::Ldap, HOSTS),
    ("_ldap._tcp.lab-azure._sites.dc._msdcs", Role::Ldap, &["dc1"]),
    ("_ldap._tcp.lab-hq._sites.dc._msdcs", Role::Ldap, &["dc2"]),
    ("_ldap._tcp.gc._msdcs", Role::GlobalCatalog, HOSTS),
    ("_gc._tcp", Role::GlobalCatalog, HOSTS),
    ("_kerberos._tcp", Role::Kerberos, HOSTS),
    ("_kerberos._tcp.dc._msdcs", Role::Kerberos, HOSTS),
];
const HOSTS: &[&str] = &["dc1", "dc2"];

fn is_above_a_service(name: &str) -> bool {
    let above = |service: &str| service.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    SERVICES.iter().any(|(service, ..)| above(service))
}

fn authority() -> Record {
    let soa = SOA::new(name_in_domain("dc1"), name_in_domain("hostmaster"), 1, 900, 600, 86400, 60);
    Record::from_rdata(name("contoso.test."), TTL, RData::SOA(soa))
}

fn name_in_domain(host: &str) -> Name {
    name(&format!("{host}.{DOMAIN}."))
}

#[expect(clippy::expect_used, reason = "the names of this file are well formed")]
fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name of this file")
}
