//! A host's addresses, asked of several servers in order.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    config::{ProtocolConfig, ResolverConfig},
    system_conf,
};
use tokio::time::Instant;

use super::{Kind, Outcome, Records, ask};

/// What resolving a host came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Empty unless the outcome is `Found`.
    pub addresses: Vec<IpAddr>,
    /// What the deciding server said; where none decided, what the last one came to.
    pub outcome: Outcome,
    /// The server that decided: none if no server did, or none had to be asked.
    pub server: Option<SocketAddr>,
    pub took: Duration,
    /// The servers asked before it, and why each did not decide.
    pub attempts: Vec<(SocketAddr, Outcome)>,
}

/// Resolves `host` as the DNS client of Windows does: the servers in order, and the first that
/// knows decides, even if what it knows is that there is no such name. One that fails gives way to
/// the next, and has no more than its share of what is left of `limit`.
///
/// IPv4 first; the deciding server is asked for IPv6 only where there is no IPv4, and if it cannot
/// say, the outcome stays `NoData`. No search list, no hosts file, no cache. An address resolves
/// to itself.
pub async fn resolve(servers: &[SocketAddr], host: &str, limit: Duration) -> Lookup {
    if let Ok(address) = host.parse::<IpAddr>() {
        let found = Outcome::Found(Records::Addresses(vec![address]));
        return Lookup::new(found, None, Duration::ZERO, Vec::new());
    }
    let started = Instant::now();
    let end = started + limit;
    let mut attempts = Vec::new();
    let mut turns = (1..=servers.len()).rev();
    for (&server, turns_left) in servers.iter().zip(&mut turns) {
        let share = left(end) / u32::try_from(turns_left).unwrap_or(u32::MAX);
        let mut outcome = ask(server, host, Kind::A, share).await.outcome;
        if outcome == Outcome::NoData {
            let newer = ask(server, host, Kind::Aaaa, left(end)).await.outcome;
            outcome = if matches!(newer, Outcome::Found(_)) { newer } else { outcome };
        }
        if outcome.is_conclusive() {
            return Lookup::new(outcome, Some(server), started.elapsed(), attempts);
        }
        attempts.push((server, outcome));
    }
    let last = attempts.last().map(|(_, outcome)| outcome.clone());
    let outcome = last.unwrap_or_else(|| Outcome::NotAsked("no name server is configured".into()));
    Lookup::new(outcome, None, started.elapsed(), attempts)
}

/// The name servers of `/etc/resolv.conf`, in order and without repetition.
pub fn system_servers() -> Result<Vec<SocketAddr>, String> {
    let (config, _) = system_conf::read_system_conf().map_err(|error| error.to_string())?;
    Ok(servers_of(&config))
}

fn servers_of(config: &ResolverConfig) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for server in config.name_servers() {
        for connection in &server.connections {
            let address = SocketAddr::new(server.ip, connection.port);
            if connection.protocol == ProtocolConfig::Udp && !servers.contains(&address) {
                servers.push(address);
            }
        }
    }
    servers
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

impl Lookup {
    /// Whether any server was asked: an address needs none.
    pub fn asked(&self) -> bool {
        self.server.is_some() || !self.attempts.is_empty()
    }

    fn new(
        outcome: Outcome,
        server: Option<SocketAddr>,
        took: Duration,
        attempts: Vec<(SocketAddr, Outcome)>,
    ) -> Self {
        let addresses = if let Outcome::Found(Records::Addresses(found)) = &outcome {
            found.clone()
        } else {
            Vec::new()
        };
        Self { addresses, outcome, server, took, attempts }
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::{op::ResponseCode, rr::RecordType};

    use super::*;
    use crate::net::peers::{self, Zone};

    const LIMIT: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn an_address_needs_no_server() {
        let lookup = resolve(&[], "10.0.0.4", LIMIT).await;
        assert_eq!(lookup.addresses, [IpAddr::from([10, 0, 0, 4])]);
        assert!(!lookup.asked());
    }

    #[tokio::test]
    async fn without_servers_nothing_is_asked() {
        let lookup = resolve(&[], "dc1.contoso.com", LIMIT).await;
        assert!(matches!(lookup.outcome, Outcome::NotAsked(_)));
        assert_eq!(lookup.server, None);
    }

    #[tokio::test]
    async fn servers_that_do_not_know_give_way() {
        let (_socket, silent) = peers::silent_udp();
        let closed = peers::closed();
        let failing = peers::dns(Zone::code(ResponseCode::ServFail));
        let good = peers::dns(Zone::default().a("dc1.contoso.com.", [10, 0, 0, 4]));
        let lookup = resolve(&[silent, closed, failing, good], "dc1.contoso.com", LIMIT).await;
        assert_eq!(lookup.addresses, [IpAddr::from([10, 0, 0, 4])]);
        assert_eq!(lookup.server, Some(good));
        let [first, second, third] = &lookup.attempts[..] else { panic!("{lookup:?}") };
        assert_eq!(*first, (silent, Outcome::Timeout));
        assert!(matches!(second.1, Outcome::Unreachable(_)));
        assert_eq!(*third, (failing, Outcome::ServerFailure));
        assert!(lookup.took >= LIMIT / 4 && lookup.took < LIMIT / 2, "{:?}", lookup.took);
    }

    #[tokio::test]
    async fn a_name_denied_is_not_asked_for_elsewhere() {
        let denying = peers::dns(Zone::code(ResponseCode::NXDomain));
        let good = peers::dns(Zone::default().a("dc1.contoso.com.", [10, 0, 0, 4]));
        let lookup = resolve(&[denying, good], "dc1.contoso.com", LIMIT).await;
        assert_eq!(lookup.outcome, Outcome::NoSuchName);
        assert_eq!((lookup.server, lookup.addresses.len()), (Some(denying), 0));
    }

    #[tokio::test]
    async fn the_newer_protocol_is_asked_for_where_the_older_has_nothing() {
        let server = peers::dns(Zone::default().aaaa("dc1.contoso.com.", "fd00::4"));
        let lookup = resolve(&[server], "dc1.contoso.com", LIMIT).await;
        assert_eq!(lookup.addresses, ["fd00::4".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn a_server_silent_about_the_newer_protocol_has_still_said_no() {
        let zone = Zone { deaf_to: Some(RecordType::AAAA), ..Zone::default() };
        let server = peers::dns(zone);
        let lookup = resolve(&[server], "dc1.contoso.com", LIMIT).await;
        assert_eq!((lookup.outcome, lookup.server), (Outcome::NoData, Some(server)));
        assert!(lookup.took < LIMIT + Duration::from_millis(50));
    }

    #[tokio::test]
    async fn all_silent_is_silence_within_the_limit() {
        let (_one, first) = peers::silent_udp();
        let (_two, second) = peers::silent_udp();
        let lookup = resolve(&[first, second], "dc1.contoso.com", LIMIT).await;
        assert_eq!((&lookup.outcome, lookup.server), (&Outcome::Timeout, None));
        assert_eq!(lookup.attempts.len(), 2);
        assert!(lookup.took < LIMIT + Duration::from_millis(50));
    }

    #[test]
    fn servers_are_taken_in_order_and_once() {
        let text = "nameserver 10.0.0.5\nnameserver 10.0.0.4\nnameserver 10.0.0.5\nsearch a.b\n";
        let (config, _) = system_conf::parse_resolv_conf(text).unwrap();
        let expected: [SocketAddr; 2] =
            ["10.0.0.5:53".parse().unwrap(), "10.0.0.4:53".parse().unwrap()];
        assert_eq!(servers_of(&config), expected);
    }
}
