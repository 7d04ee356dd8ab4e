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
    checks::reachability::{name_servers, one_of_two_rounds, unresolved, who_said},
    engine::{Check, Family, Finding, Inconclusive, Kind, Reading, Reason, Severity, Verdict},
    net::{
        UdpFault,
        dns::{self, Lookup, Outcome},
        stun::{self, Reply},
    },
};

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
        let servers = name_servers(self.servers.as_deref())?;
        // Two rounds: the name, and then the server. A STUN client repeats its request at 0, 0.5,
        // 1.5 and 3.5 s (RFC 8489, section 6.2.1).
        let limit = one_of_two_rounds(self.timeout);
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
            (Severity::Unknown, reason::COULD_NOT_LOOK, format!("{subject}: {fault}"))
        }
        Some((address, Err(fault))) => {
            (severity, silent, format!("{subject} at {}: UDP: {fault}", address.ip()))
        }
        None => {
            let outcome = &seen.lookup.outcome;
            let ours = matches!(outcome, Outcome::NotAsked(_));
            let severity = if ours { Severity::Unknown } else { severity };
            (severity, unresolved(outcome), format!("{subject}: {}", who_said(&seen.lookup)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Status, net::dns::Records};

    #[track_caller]
    fn judged<const N: usize>(
        stun: Vec<Seen>,
        turn: Vec<Seen>,
        status: Status,
        found: [(Severity, Reason); N],
    ) -> Verdict {
        let server = |name: &str| Server { name: name.into(), port: 3478 };
        let check = UdpConnectivity {
            stun: stun.iter().map(|_| server("stun.example")).collect(),
            turn: turn.iter().map(|_| server("turn.example")).collect(),
            turn_ranges: vec!["51.5.0.0/16".parse().unwrap()],
            servers: None,
            timeout: Duration::from_secs(30),
        };
        let verdict = check.judge(&Facts { stun, turn });
        let told: Vec<_> =
            verdict.findings().iter().map(|finding| (finding.severity, finding.reason)).collect();
        assert_eq!((verdict.status(), &*told), (status, &found[..]));
        verdict
    }

    #[test]
    fn both_answer() {
        let verdict = judged(vec![answering()], vec![answering()], Status::Passed, []);
        let mapped =
            verdict.readings().iter().find(|it| it.family.name == "anc_udp_mapped_address_info");
        assert_eq!(mapped.unwrap().labels, ["stun.example:3478", "stun", "203.0.113.7"]);
    }

    #[test]
    fn stun_is_blocked_and_the_relay_is_open() {
        let expected = [(Severity::Informational, reason::STUN_NO_REPLY)];
        let verdict = judged(vec![silent()], vec![answering()], Status::Informational, expected);
        let error_type = verdict.findings()[0].error_type;
        assert_eq!(error_type, Some("udpConnectivityCheckStunUrlNotAllowListed"));
    }

    #[test]
    fn the_relay_is_blocked() {
        let expected = [(Severity::Warning, reason::TURN_NO_REPLY)];
        let verdict = judged(vec![answering()], vec![silent()], Status::Warning, expected);
        let error_type = verdict.findings()[0].error_type;
        assert_eq!(error_type, Some("udpConnectivityCheckTurnUrlNotAllowListed"));
    }

    #[test]
    fn both_are_blocked() {
        let expected = [
            (Severity::Warning, reason::STUN_NO_REPLY),
            (Severity::Warning, reason::TURN_NO_REPLY),
            (Severity::Warning, reason::UDP_BLOCKED),
        ];
        let verdict = judged(vec![silent()], vec![silent()], Status::Warning, expected);
        let error_type = verdict.findings()[2].error_type;
        assert_eq!(error_type, Some("udpConnectivityCheckUrlsNotAllowListed"));
    }

    #[test]
    fn one_relay_of_two_is_enough() {
        let expected = [(Severity::Informational, reason::TURN_NO_REPLY)];
        judged(vec![], vec![silent(), answering()], Status::Informational, expected);
    }

    #[test]
    fn the_relay_lies_elsewhere() {
        let mut elsewhere = answering();
        elsewhere.reply.as_mut().unwrap().0 = "20.202.0.1:3478".parse().unwrap();
        let expected = [(Severity::Warning, reason::TURN_OUTSIDE_RANGES)];
        judged(vec![answering()], vec![elsewhere], Status::Warning, expected);
    }

    #[test]
    fn a_name_that_does_not_resolve_is_not_a_blocked_port() {
        let lookup = looked_up(Outcome::NoSuchName);
        let unresolved = Seen { lookup, reply: None };
        let expected = [(Severity::Warning, reason::NAME_NOT_FOUND)];
        judged(vec![], vec![unresolved], Status::Warning, expected);
    }

    #[test]
    fn that_we_had_no_socket_is_unknown() {
        let mut unasked = silent();
        unasked.reply.as_mut().unwrap().1 = Err(UdpFault::Local("no socket".into()));
        let expected = [(Severity::Unknown, reason::COULD_NOT_LOOK)];
        judged(vec![unasked], vec![answering()], Status::Unknown, expected);
    }

    fn answering() -> Seen {
        let mapped = Some("203.0.113.7:50000".parse().unwrap());
        let reply = Reply { mapped, code: None, took: Duration::from_millis(9), sent: 1 };
        seen(Ok(reply))
    }

    fn silent() -> Seen {
        seen(Err(UdpFault::Timeout))
    }

    fn seen(reply: Result<Reply, UdpFault>) -> Seen {
        let address: SocketAddr = "51.5.1.1:3478".parse().unwrap();
        let found = Outcome::Found(Records::Addresses(vec![address.ip()]));
        Seen { lookup: looked_up(found), reply: Some((address, reply)) }
    }

    fn looked_up(outcome: Outcome) -> Lookup {
        let took = Duration::from_millis(1);
        Lookup { addresses: Vec::new(), outcome, server: None, took, attempts: Vec::new() }
    }
}
