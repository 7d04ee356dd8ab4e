//! UDP connection check.
//!
//! Remote sessions go directly over UDP where STUN finds a way, through a TURN relay where it does
//! not, and over TCP where neither does ("RDP Multipath", "Use RDP Shortpath"). Nothing of this
//! keeps a Cloud PC from being provisioned, so this says a warning at worst.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::future::{join, join_all};
use ipnet::IpNet;

use crate::{
    catalogue::{error_type, reason},
    checks::reachability::unresolved,
    engine::{Check, Family, Finding, Inconclusive, Kind, Reading, Reason, Severity, Verdict},
    net::{
        UdpFault,
        dns::{self, Lookup, Outcome},
        stun::{self, Reply},
    },
};

/// The longest that resolving a server, and then asking it, may each take. A STUN client repeats
/// its request at 0, 0.5, 1.5 and 3.5 s (RFC 8489, section 6.2.1).
const LONGEST: Duration = Duration::from_secs(5);

/// Asks the STUN servers and TURN relays for one connection.
#[derive(Debug)]
pub struct UdpConnectivity {
    pub stun: Vec<Server>,
    pub turn: Vec<Server>,
    /// Where a relay's address must lie; empty: anywhere.
    pub turn_ranges: Vec<IpNet>,
    /// DNS servers. None: the system's, read anew on every run.
    pub servers: Option<Vec<SocketAddr>>,
    /// The check's own limit.
    pub timeout: Duration,
}

/// A server to ask, by name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub port: u16,
}

#[derive(Debug)]
pub struct Facts {
    /// In the order of the servers.
    stun: Vec<Seen>,
    turn: Vec<Seen>,
}

/// What was seen of one server.
#[derive(Debug)]
struct Seen {
    lookup: Lookup,
    /// None where the name has no address.
    reply: Option<(SocketAddr, Result<Reply, UdpFault>)>,
}

impl Check for UdpConnectivity {
    const NAME: &'static str = "udp_connectivity";
    type Facts = Facts;

    async fn gather(&self) -> Result<Facts, Inconclusive> {
        let servers = dns::servers_or_system(self.servers.as_deref()).map_err(|detail| {
            let subject = "system resolver".to_owned();
            Inconclusive::Unobserved { reason: reason::NO_DNS_SERVERS, subject, detail }
        })?;
        // Two rounds: the name, and then the server.
        let limit = (self.timeout / 20 * 9).min(LONGEST);
        let stun = self.stun.iter().map(|server| look(&servers, server, limit, stun::binding));
        let turn = self.turn.iter().map(|server| look(&servers, server, limit, stun::reach_turn));
        let (stun, turn) = join(join_all(stun), join_all(turn)).await;
        Ok(Facts { stun, turn })
    }

    fn judge(&self, facts: &Facts) -> Verdict {
        let stun: Vec<_> = self.stun.iter().zip(&facts.stun).collect();
        let turn: Vec<_> = self.turn.iter().zip(&facts.turn).collect();
        let stun_answers = facts.stun.iter().any(Seen::answers);
        let turn_answers = facts.turn.iter().any(Seen::answers);
        // Either is enough for a session over UDP, and a relay does for everyone.
        let stun_matters = !stun_answers && !turn_answers;
        let severity = |matters| if matters { Severity::Warning } else { Severity::Informational };

        let mut findings = Vec::new();
        let silent_stun = reason::STUN_NO_REPLY;
        findings.extend(stun.iter().filter_map(|(server, seen)| {
            trouble(server, seen, silent_stun, severity(stun_matters))
        }));
        findings.extend(turn.iter().filter_map(|(server, seen)| {
            trouble(server, seen, reason::TURN_NO_REPLY, severity(!turn_answers))
        }));
        findings.extend(turn.iter().filter_map(|(server, seen)| self.misplaced(server, seen)));
        let both_asked = !stun.is_empty() && !turn.is_empty();
        let both_blocked =
            both_asked && facts.stun.iter().chain(&facts.turn).all(|seen| seen.is_blocked());
        if both_blocked {
            let detail = "neither STUN servers nor TURN relays answer over UDP".to_owned();
            findings.push(found(Severity::Warning, reason::UDP_BLOCKED, "UDP 3478", detail));
        }

        let mut readings = Vec::new();
        readings.extend(stun.iter().flat_map(|(server, seen)| readings_of(server, seen, "stun")));
        readings.extend(turn.iter().flat_map(|(server, seen)| readings_of(server, seen, "turn")));
        Verdict::new(findings, readings)
    }
}

impl UdpConnectivity {
    /// A relay where the firewall rules that Microsoft documents do not lead.
    fn misplaced(&self, server: &Server, seen: &Seen) -> Option<Finding> {
        let (address, _) = seen.reply.as_ref()?;
        let ip = address.ip();
        let fits = |ip: &IpAddr| self.turn_ranges.iter().any(|range| range.contains(ip));
        let detail = format!("{} resolves to {ip}, outside turn_ranges", server.subject());
        let reason = reason::TURN_OUTSIDE_RANGES;
        (!self.turn_ranges.is_empty() && !fits(&ip))
            .then(|| found(Severity::Warning, reason, &server.subject(), detail))
    }
}

impl Server {
    fn subject(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }
}

impl Seen {
    fn answers(&self) -> bool {
        matches!(&self.reply, Some((_, Ok(_))))
    }

    /// Asked, and no answer came: what a firewall does.
    fn is_blocked(&self) -> bool {
        matches!(&self.reply, Some((_, Err(fault))) if !matches!(fault, UdpFault::Local(_)))
    }
}

async fn look<F: Future<Output = Result<Reply, UdpFault>>>(
    dns_servers: &[SocketAddr],
    server: &Server,
    limit: Duration,
    ask: impl Fn(SocketAddr, Duration) -> F,
) -> Seen {
    let lookup = dns::resolve(dns_servers, &server.name, limit).await;
    let address = lookup.addresses.first().map(|ip| SocketAddr::new(*ip, server.port));
    let reply = match address {
        Some(address) => Some((address, ask(address, limit).await)),
        None => None,
    };
    Seen { lookup, reply }
}

fn trouble(server: &Server, seen: &Seen, silent: Reason, severity: Severity) -> Option<Finding> {
    let subject = server.subject();
    let (severity, reason, detail) = match &seen.reply {
        Some((_, Ok(_))) => return None,
        // That this machine had no socket says nothing about the server.
        Some((_, Err(fault @ UdpFault::Local(_)))) => {
            (Severity::Unknown, silent, format!("{subject}: {fault}"))
        }
        Some((address, Err(fault))) => {
            (severity, silent, format!("{subject} at {}: UDP: {fault}", address.ip()))
        }
        None => {
            let outcome = &seen.lookup.outcome;
            let ours = matches!(outcome, Outcome::NotAsked(_));
            let severity = if ours { Severity::Unknown } else { severity };
            (severity, unresolved(outcome), format!("{subject}: DNS says: {outcome}"))
        }
    };
    Some(found(severity, reason, &subject, detail))
}

fn found(severity: Severity, reason: Reason, subject: &str, detail: String) -> Finding {
    let error_type = error_type(UdpConnectivity::NAME, reason, None);
    Finding { severity, reason, subject: subject.to_owned(), detail, error_type }
}

const UP: Family = Family {
    name: "anc_udp_up",
    help: "Whether the STUN server or TURN relay answered over UDP (1) or not (0), as of the last \
           run.",
    labels: &["server", "kind"],
    kind: Kind::Gauge,
};

const ROUND_TRIP: Family = Family {
    name: "anc_udp_round_trip_seconds",
    help: "Time from the request that was answered to its answer, as of the last run.",
    labels: &["server", "kind"],
    kind: Kind::Gauge,
};

const MAPPED: Family = Family {
    name: "anc_udp_mapped_address_info",
    help: "The address that the server saw us come from, as of the last run.",
    labels: &["server", "kind", "address"],
    kind: Kind::Gauge,
};

fn readings_of(server: &Server, seen: &Seen, kind: &str) -> Vec<Reading> {
    let labels = || [server.subject(), kind.to_owned()];
    let mut readings = vec![Reading::new(&UP, labels(), f64::from(u8::from(seen.answers())))];
    if let Some((_, Ok(reply))) = &seen.reply {
        readings.push(Reading::new(&ROUND_TRIP, labels(), reply.took.as_secs_f64()));
        readings.extend(reply.mapped.map(|mapped| {
            let address = mapped.ip().to_string();
            Reading::new(&MAPPED, [server.subject(), kind.to_owned(), address], 1.0)
        }));
    }
    readings
}
