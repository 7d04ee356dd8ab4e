//! Endpoints looked at: resolved, connected to, and spoken to, each phase timed.

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::join_all};
use tokio::net::TcpStream;

use super::{
    Limits, Turnstile, UdpFault, dns,
    dns::Lookup,
    http::{self, HttpFault},
    limits::{CONNECTS_AT_ONCE, LOOKUPS_AT_ONCE, PATIENCE},
    ntp, stun,
    tcp::{self, TcpFault},
    tls::{Handshake, Trust},
};

/// One endpoint to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    pub protocol: Protocol,
    /// What an HTTP request says besides the necessary.
    pub headers: Vec<(String, String)>,
}

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A handshake, and nothing sent after it.
    Tls,
    /// A connection, and nothing sent on it.
    Tcp,
    /// The head of `/`, in the clear.
    Http,
    /// A question over UDP that any name server answers.
    Dns,
    Ntp,
    /// A relay: see [`stun::reach_turn`].
    Stun,
}

/// What was seen of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Shared by all endpoints of the host.
    pub lookup: Arc<Lookup>,
    /// The host's first address, which alone is looked at, with the endpoint's port.
    pub address: Option<SocketAddr>,
    pub phases: Phases,
    pub outcome: Seen,
}

/// How long each phase took; none for one that did not complete, or was not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    pub dns: Option<Duration>,
    pub connect: Option<Duration>,
    /// The TLS handshake, the HTTP exchange, or the question over UDP.
    pub talk: Option<Duration>,
}

/// How far it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The host has no address: the lookup says why.
    NotResolved,
    /// The caller did not allow these addresses. Nothing was sent there.
    NotTried,
    /// No connection.
    Tcp(TcpFault),
    /// The handshake, completed or not.
    Tls(Box<Handshake>),
    /// A connection, and no answer in HTTP.
    Http(HttpFault),
    HttpStatus(u16),
    /// No answer over UDP.
    Udp(UdpFault),
    /// A connection where only that was looked for, or an answer over UDP.
    Reached,
}

/// Looks at endpoints. The bound of [`Limits::within`] holds for one look at a time, so a prober
/// is not shared by checks that run at once.
#[derive(Debug)]
pub struct Prober {
    servers: Vec<SocketAddr>,
    trust: Trust,
    limits: Limits,
    lookups: Turnstile,
    connects: Turnstile,
    handshakes: Turnstile,
}

impl Prober {
    pub fn new(
        servers: Vec<SocketAddr>,
        trust: Trust,
        limits: Limits,
        max_handshakes: usize,
    ) -> Self {
        Self {
            servers,
            trust,
            limits,
            lookups: Turnstile::new(LOOKUPS_AT_ONCE, PATIENCE),
            connects: Turnstile::new(CONNECTS_AT_ONCE, PATIENCE),
            handshakes: Turnstile::new(max_handshakes, PATIENCE),
        }
    }

    /// Looks at all of `probes` at once, as far as the turnstiles let them, and says what was seen
    /// of each, in their order. A host is resolved once for all its endpoints. Where
    /// `may_connect` says no to a host's addresses, nothing is sent there.
    pub async fn look(
        &self,
        probes: &[Probe],
        may_connect: impl Fn(&Probe, &[IpAddr]) -> bool,
    ) -> Vec<Sighting> {
        let mut lookups = HashMap::new();
        for Probe { host, .. } in probes {
            lookups.entry(host).or_insert_with(|| self.resolve(host).boxed().shared());
        }
        let visits = probes
            .iter()
            .map(|probe| self.visit(probe, lookups[&probe.host].clone(), &may_connect));
        join_all(visits).await
    }

    async fn resolve(&self, host: &str) -> Arc<Lookup> {
        let resolving = dns::resolve(&self.servers, host, self.limits.dns);
        Arc::new(self.lookups.pass(resolving).await)
    }

    async fn visit(
        &self,
        probe: &Probe,
        lookup: impl Future<Output = Arc<Lookup>>,
        may_connect: &impl Fn(&Probe, &[IpAddr]) -> bool,
    ) -> Sighting {
        let lookup = lookup.await;
        let first = lookup.addresses.first();
        let address = first.map(|ip| SocketAddr::new(*ip, probe.port));
        let mut phases = Phases { dns: lookup.asked().then_some(lookup.took), ..Phases::default() };
        let outcome = match address {
            None => Seen::NotResolved,
            Some(_) if !may_connect(probe, &lookup.addresses) => Seen::NotTried,
            Some(address) => self.meet(probe, address, &mut phases).await,
        };
        Sighting { lookup, address, phases, outcome }
    }

    async fn meet(&self, probe: &Probe, address: SocketAddr, phases: &mut Phases) -> Seen {
        let limit = self.limits.talk;
        match probe.protocol {
            Protocol::Dns => self.ask(dns::knock(address, limit), phases).await,
            Protocol::Ntp => {
                let asking = ntp::ask(address, limit);
                self.ask(asking.map(|heard| heard.map(|reply| reply.took)), phases).await
            }
            Protocol::Stun => {
                let asking = stun::reach_turn(address, limit);
                self.ask(asking.map(|heard| heard.map(|reply| reply.took)), phases).await
            }
            Protocol::Tcp | Protocol::Tls | Protocol::Http => {
                let connecting = tcp::connect(address, self.limits.connect);
                match self.connects.pass(connecting).await {
                    Err(fault) => Seen::Tcp(fault),
                    Ok((stream, took)) => {
                        phases.connect = Some(took);
                        self.talk(probe, stream, phases).await
                    }
                }
            }
        }
    }

    async fn ask(
        &self,
        asking: impl Future<Output = Result<Duration, UdpFault>>,
        phases: &mut Phases,
    ) -> Seen {
        match self.connects.pass(asking).await {
            Err(fault) => Seen::Udp(fault),
            Ok(took) => {
                phases.talk = Some(took);
                Seen::Reached
            }
        }
    }

    async fn talk(&self, probe: &Probe, stream: TcpStream, phases: &mut Phases) -> Seen {
        let Probe { host, port, .. } = probe;
        let limit = self.limits.talk;
        if probe.protocol == Protocol::Tls {
            let seen = self.handshakes.pass(self.trust.handshake(stream, host, limit)).await;
            phases.talk = seen.outcome.is_ok().then_some(seen.took);
            return Seen::Tls(Box::new(seen));
        }
        if probe.protocol == Protocol::Tcp {
            return Seen::Reached;
        }
        let headers = probe.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = headers.collect();
        let asking = http::head(stream, host, *port, &headers, limit);
        match self.handshakes.pass(asking).await {
            Err(fault) => Seen::Http(fault),
            Ok((status, took)) => {
                phases.talk = Some(took);
                Seen::HttpStatus(status)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::net::{
        dns::Outcome,
        peers::{self, Authority, Zone},
        tls::{Roots, Standing, TlsFault},
    };

    const LIMIT: Duration = Duration::from_millis(300);
    const LIMITS: Limits = Limits { dns: LIMIT, connect: LIMIT, talk: LIMIT };
    const HOST: &str = "gateway.contoso.com";

    #[tokio::test]
    async fn a_tls_endpoint_is_seen_phase_by_phase() {
        let authority = Authority::new("Public Root");
        let prober = prober(&authority);
        let address = peers::tls(authority.identity(HOST, -1..1)).await;
        let seen = prober.one(HOST, address.port(), Protocol::Tls).await;
        let Seen::Tls(handshake) = &seen.outcome else { panic!("{seen:?}") };
        assert_eq!(handshake.chain.as_ref().unwrap().public, Standing::Trusted);
        assert_eq!(seen.address, Some(address));
        let Phases { dns: Some(_), connect: Some(_), talk: Some(talk) } = seen.phases else {
            panic!("{seen:?}")
        };
        assert_eq!(talk, handshake.took);
    }

    #[tokio::test]
    async fn a_phase_that_failed_has_no_time() {
        let prober = prober(&Authority::new("Public Root"));
        let seen = prober.one(HOST, peers::closed().port(), Protocol::Tls).await;
        assert_eq!(seen.outcome, Seen::Tcp(TcpFault::Refused));
        assert_eq!((seen.phases.connect, seen.phases.talk), (None, None));

        let (_listener, silent) = peers::silent_tcp();
        let seen = prober.one(HOST, silent.port(), Protocol::Tls).await;
        let Seen::Tls(handshake) = seen.outcome else { panic!("{seen:?}") };
        assert_eq!(handshake.outcome, Err(TlsFault::Timeout));
        assert!(seen.phases.connect.is_some() && seen.phases.talk.is_none());
    }

    #[tokio::test]
    async fn a_host_without_an_address_is_not_resolved() {
        let prober = prober(&Authority::new("Public Root"));
        let seen = prober.one("nowhere.contoso.com", 443, Protocol::Tls).await;
        assert_eq!((&seen.outcome, seen.address), (&Seen::NotResolved, None));
        assert_eq!(seen.lookup.outcome, Outcome::NoData);
    }

    #[tokio::test]
    async fn the_other_protocols_are_spoken() {
        let prober = prober(&Authority::new("Public Root"));
        let (_listener, tcp) = peers::silent_tcp();
        assert_eq!(prober.one(HOST, tcp.port(), Protocol::Tcp).await.outcome, Seen::Reached);
        let http = peers::saying(b"HTTP/1.1 404 Not Found\r\n\r\n").await;
        let seen = prober.one("127.0.0.1", http.port(), Protocol::Http).await;
        assert_eq!((seen.outcome, seen.phases.dns), (Seen::HttpStatus(404), None));
        let ssh = peers::saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
        let seen = prober.one(HOST, ssh.port(), Protocol::Http).await;
        assert!(matches!(seen.outcome, Seen::Http(HttpFault::NotHttp(_))), "{seen:?}");
        let dns = peers::dns(Zone::default());
        let seen = prober.one(HOST, dns.port(), Protocol::Dns).await;
        assert!(seen.outcome == Seen::Reached && seen.phases.talk.is_some());
        let (_socket, silent) = peers::silent_udp();
        for protocol in [Protocol::Dns, Protocol::Ntp, Protocol::Stun] {
            let closed = prober.one(HOST, peers::closed().port(), protocol).await.outcome;
            assert_eq!(closed, Seen::Udp(UdpFault::Refused));
            let silence = prober.one(HOST, silent.port(), protocol).await.outcome;
            assert_eq!(silence, Seen::Udp(UdpFault::Timeout));
        }
    }

    #[tokio::test]
    async fn where_the_caller_says_no_nothing_is_sent() {
        let prober = prober(&Authority::new("Public Root"));
        let address = peers::tcp(|_| async { panic!("someone connected") }).await;
        let (socket, silent) = peers::silent_udp();
        let probes = [
            probe(HOST, address.port(), Protocol::Tcp),
            probe(HOST, silent.port(), Protocol::Stun),
        ];
        let seen = prober.look(&probes, |_, ips| !ips[0].is_loopback()).await;
        assert!(seen.iter().all(|sighting| sighting.outcome == Seen::NotTried));
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0; 9]).is_err(), "a datagram was sent");
    }

    #[tokio::test]
    async fn a_host_is_resolved_once_and_sightings_keep_their_order() {
        let prober = prober(&Authority::new("Public Root"));
        let (_listener, open) = peers::silent_tcp();
        let closed = peers::closed();
        let ports = [open.port(), closed.port(), open.port()];
        let probes = ports.map(|port| probe(HOST, port, Protocol::Tcp));
        let seen = prober.look(&probes, |_, _| true).await;
        let outcomes = seen.iter().map(|sighting| sighting.outcome.clone());
        let refused = Seen::Tcp(TcpFault::Refused);
        assert!(outcomes.eq([Seen::Reached, refused, Seen::Reached]));
        assert!(Arc::ptr_eq(&seen[0].lookup, &seen[2].lookup));
    }

    /// Forty silent peers through two places are twenty turns of a patience cut to 20 ms.
    #[tokio::test]
    async fn many_silent_peers_are_looked_at_within_the_bound() {
        let (_listener, silent) = peers::silent_tcp();
        let patience = Duration::from_millis(20);
        let prober = Prober {
            handshakes: Turnstile::new(2, patience),
            ..prober(&Authority::new("Public Root"))
        };
        let probes = vec![probe(HOST, silent.port(), Protocol::Tls); 40];
        let started = Instant::now();
        let looking = prober.look(&probes, |_, _| true);
        let seen = must_be_send(looking).await;
        let bound = patience * 20 + LIMIT;
        let elapsed = started.elapsed();
        assert!(elapsed < bound + Duration::from_millis(150), "{elapsed:?}");
        assert!(elapsed > patience * 19, "they passed as if there were no turnstile");
        for sighting in seen {
            let Seen::Tls(handshake) = sighting.outcome else { panic!("{sighting:?}") };
            assert_eq!(handshake.outcome, Err(TlsFault::Timeout));
        }
    }

    impl Prober {
        async fn one(&self, host: &str, port: u16, protocol: Protocol) -> Sighting {
            self.look(&[probe(host, port, protocol)], |_, _| true).await.remove(0)
        }
    }

    /// One whose name server knows a single host, on loopback.
    fn prober(authority: &Authority) -> Prober {
        let server = peers::dns(Zone::default().a("gateway.contoso.com.", [127, 0, 0, 1]));
        let trust =
            Trust::new(&Roots::from_pem(authority.pem().as_bytes()).unwrap(), &Roots::empty());
        Prober::new(vec![server], trust, LIMITS, 12)
    }

    fn probe(host: &str, port: u16, protocol: Protocol) -> Probe {
        Probe { host: host.into(), port, protocol, headers: Vec::new() }
    }

    fn must_be_send<T: Future + Send>(future: T) -> T {
        future
    }
}
