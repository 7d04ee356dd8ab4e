//! What a sighting of an endpoint comes to: the same for every check that looks at endpoints. How
//! bad it is, is theirs to say.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    catalogue::{Addresses, Inspection, Protocol, Target, Wildcard, error_type, reason},
    engine::{Family, Finding, Inconclusive, Kind, Reading, Reason, Severity},
    net::{
        HttpFault, Limits, Probe, Prober, Protocol as Speak, Seen, Sighting, TcpFault, UdpFault,
        dns::{self, Outcome},
        is_public,
        tls::{Chain, Handshake, Standing, TlsFault, Trust},
    },
};

/// Looks at a fixed list of endpoints.
pub struct Reachability {
    targets: Vec<Target>,
    /// None: the system's, read anew on every run.
    servers: Option<Vec<SocketAddr>>,
    trust: Trust,
    limits: Limits,
    max_handshakes: usize,
}

/// What is wrong with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: Reason,
    pub(super) detail: String,
    /// It is this machine that could not look: nothing is known about the endpoint.
    pub(super) ours: bool,
}

/// The check would take longer than its limit, were all endpoints silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{timeout:?} is too short for {endpoints} endpoints with {max_handshakes} handshakes at once, \
     were all of them silent: raise timeout or max_handshakes, or exclude endpoints"
)]
pub struct TooShort {
    timeout: Duration,
    endpoints: usize,
    max_handshakes: usize,
}

impl Reachability {
    /// Shares `timeout` among the phases of looking at `targets`.
    pub fn new(
        targets: Vec<Target>,
        servers: Option<Vec<SocketAddr>>,
        trust: Trust,
        timeout: Duration,
        max_handshakes: usize,
    ) -> Result<Self, TooShort> {
        let endpoints = targets.len();
        let limits = Limits::within(timeout, endpoints, endpoints, max_handshakes)
            .ok_or(TooShort { timeout, endpoints, max_handshakes })?;
        Ok(Self { targets, servers, trust, limits, max_handshakes })
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// One sighting a target, in their order.
    pub(super) async fn look(&self) -> Result<Vec<Sighting>, Inconclusive> {
        let servers = dns::servers_or_system(self.servers.as_deref()).map_err(|detail| {
            let subject = "system resolver".to_owned();
            Inconclusive::Unobserved { reason: reason::NO_DNS_SERVERS, subject, detail }
        })?;
        let prober = Prober::new(servers, self.trust.clone(), self.limits, self.max_handshakes);
        let probes: Vec<Probe> = self.targets.iter().map(probe).collect();
        let may_connect = |probe: &Probe, addresses: &[IpAddr]| {
            let mut of_probe = self.targets.iter().filter(|it| it.host == probe.host);
            !of_probe.any(|it| it.port == probe.port && misplaced(it, addresses).is_some())
        };
        Ok(prober.look(&probes, may_connect).await)
    }
}

impl fmt::Debug for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reachability")
            .field("targets", &self.targets.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What is wrong with `target`, going by what was seen of it.
pub(super) fn trouble(target: &Target, sighting: &Sighting) -> Option<Trouble> {
    let (reason, detail) = match &sighting.outcome {
        Seen::NotResolved => of_lookup(&sighting.lookup.outcome),
        Seen::NotTried => {
            let address = misplaced(target, &sighting.lookup.addresses)?;
            let detail = format!("resolves to {address}, which is not public");
            (reason::PRIVATE_ADDRESS, detail)
        }
        Seen::Tcp(fault) => of_tcp(fault),
        Seen::Tls(handshake) => of_tls(target, handshake)?,
        Seen::Http(fault) => of_http(fault),
        Seen::HttpStatus(407) => (reason::PROXY_REQUIRED, "answers HTTP 407".to_owned()),
        Seen::HttpStatus(_) | Seen::Reached => return None,
        Seen::Udp(fault) => of_udp(fault),
    };
    let ours =
        is_ours(&sighting.outcome) || matches!(sighting.lookup.outcome, Outcome::NotAsked(_));
    Some(Trouble { reason, detail, ours })
}

/// The finding for an endpoint's trouble. What this machine could not look at is unknown, however
/// much it is needed.
pub(super) fn finding(
    check: &str,
    severity: Severity,
    target: &Target,
    sighting: &Sighting,
    trouble: Trouble,
) -> Finding {
    let Trouble { reason, detail, ours } = trouble;
    let stands_for = target.stands_for.as_deref();
    let sample =
        stands_for.map(|wildcard| format!(" (a sample of {wildcard})")).unwrap_or_default();
    let at = sighting.address.map(|address| format!(" at {}", address.ip())).unwrap_or_default();
    Finding {
        severity: if ours { Severity::Unknown } else { severity },
        reason,
        subject: subject(target),
        detail: format!("{}{sample}{at}: {detail}", subject(target)),
        error_type: error_type(check, reason, Some(target.category)),
    }
}

/// Why a name that something is reached by has no address.
pub(super) fn unresolved(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::NoSuchName => reason::NAME_NOT_FOUND,
        Outcome::Found(_) | Outcome::NoData => reason::NO_ADDRESSES,
        Outcome::Refused => reason::DNS_REFUSED,
        Outcome::ServerFailure => reason::DNS_SERVFAIL,
        Outcome::Timeout => reason::DNS_TIMEOUT,
        Outcome::Unreachable(_) => reason::DNS_UNREACHABLE,
        Outcome::Truncated(_) => reason::DNS_TRUNCATED,
        Outcome::OtherCode(_) | Outcome::Malformed(_) => reason::DNS_MALFORMED,
        Outcome::NotAsked(_) => reason::NO_DNS_SERVERS,
    }
}

/// The finding for a wildcard without a known host. It never counts as passed, and takes nothing
/// from what was seen of the others.
pub(super) fn not_verifiable(wildcard: &Wildcard) -> Finding {
    let subject = format!("{}:{}", wildcard.host, wildcard.port);
    let detail = format!("no host below {} is known, so it was not looked at", wildcard.host);
    let (severity, reason) = (Severity::Informational, reason::WILDCARD_NOT_VERIFIABLE);
    Finding { severity, reason, subject, detail, error_type: None }
}

fn subject(target: &Target) -> String {
    format!("{}:{}", target.host, target.port)
}

/// The numbers of one sighting.
pub(super) fn readings(target: &Target, sighting: &Sighting) -> Vec<Reading> {
    let labels = || {
        let protocol = target.protocol.as_str();
        [&*target.host, &*target.port.to_string(), protocol, target.category.as_str()]
            .map(str::to_owned)
    };
    let up = f64::from(u8::from(trouble(target, sighting).is_none()));
    let mut readings = vec![Reading::new(&UP, labels(), up)];
    let phases = sighting.phases;
    let talk = target.protocol.as_str();
    for (phase, took) in [("dns", phases.dns), ("connect", phases.connect), (talk, phases.talk)] {
        let Some(took) = took.map(|took| took.as_secs_f64()) else { continue };
        let [host, port, protocol, category] = labels();
        readings.push(Reading::new(
            &PHASE,
            [host, port, protocol, category.clone(), phase.to_owned()],
            took,
        ));
        readings.push(Reading::new(&PHASE_DURATION, [category, phase.to_owned()], took));
    }
    if let Some(chain) = chain(&sighting.outcome) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit for a while")]
        let not_after = chain.leaf.not_after as f64;
        let intercepted = f64::from(u8::from(is_intercepted(target, chain)));
        readings.push(Reading::new(&NOT_AFTER, labels(), not_after));
        readings.push(Reading::new(&INTERCEPTED, labels(), intercepted));
    }
    readings
}

fn probe(target: &Target) -> Probe {
    let protocol = match (target.protocol, target.port) {
        (Protocol::Tls, _) => Speak::Tls,
        (Protocol::Tcp, _) => Speak::Tcp,
        (Protocol::Http, _) => Speak::Http,
        (Protocol::Udp, 53) => Speak::Dns,
        (Protocol::Udp, 123) => Speak::Ntp,
        // The catalogue lets through no other port.
        (Protocol::Udp, _) => Speak::Stun,
    };
    // Azure's instance metadata service answers nobody who does not say this.
    let metadata = target.host == "169.254.169.254";
    let headers = metadata.then(|| ("Metadata".to_owned(), "true".to_owned()));
    let headers = headers.into_iter().collect();
    Probe { host: target.host.clone(), port: target.port, protocol, headers }
}

/// The first address where the target must not have one.
fn misplaced(target: &Target, addresses: &[IpAddr]) -> Option<IpAddr> {
    let Addresses::PublicOr(ranges) = &target.addresses else { return None };
    let fits =
        |address: &IpAddr| is_public(address) || ranges.iter().any(|range| range.contains(address));
    addresses.iter().copied().find(|address| !fits(address))
}

fn of_lookup(outcome: &Outcome) -> (Reason, String) {
    (unresolved(outcome), format!("DNS says: {outcome}"))
}

fn of_tcp(fault: &TcpFault) -> (Reason, String) {
    let detail = format!("TCP: {fault}");
    match fault {
        TcpFault::Refused => (reason::TCP_REFUSED, detail),
        TcpFault::Timeout => (reason::TCP_TIMEOUT, detail),
        TcpFault::Unreachable(_) | TcpFault::Other(_) => (reason::TCP_UNREACHABLE, detail),
    }
}

/// A handshake that failed, or a certificate that is not the one Microsoft shows.
fn of_tls(target: &Target, handshake: &Handshake) -> Option<(Reason, String)> {
    if let Err(fault) = &handshake.outcome {
        let reason = match fault {
            TlsFault::Timeout => reason::TLS_TIMEOUT,
            TlsFault::Refused(_) => reason::TLS_REFUSED,
            TlsFault::Alert(_) => reason::TLS_ALERT,
            TlsFault::NotTls(_) | TlsFault::Other(_) => reason::TLS_MALFORMED,
        };
        return Some((reason, format!("TLS: {fault}")));
    }
    let chain = handshake.chain.as_ref()?;
    let leaf = &chain.leaf;
    let (reason, why) = match best(target, chain) {
        Standing::Trusted => return None,
        Standing::UnknownIssuer | Standing::Other(_) if is_intercepted(target, chain) => {
            (reason::TLS_INTERCEPTED, "the chain leads to no public root".to_owned())
        }
        Standing::UnknownIssuer => {
            (reason::CERTIFICATE_UNTRUSTED, "the chain leads to no root that we trust".to_owned())
        }
        Standing::Other(why) => (reason::CERTIFICATE_UNTRUSTED, why.clone()),
        Standing::Expired => (reason::CERTIFICATE_EXPIRED, "it has expired".to_owned()),
        Standing::NotYetValid => {
            (reason::CERTIFICATE_NOT_YET_VALID, "it is not valid yet".to_owned())
        }
        Standing::WrongName => {
            (reason::CERTIFICATE_WRONG_NAME, format!("it is for {}", leaf.names.join(", ")))
        }
    };
    Some((reason, format!("the certificate was issued by {}; {why}", leaf.issuer)))
}

/// How the chain stands. A private root vouches for an endpoint only where inspection is nobody's
/// concern.
fn best<'a>(target: &Target, chain: &'a Chain) -> &'a Standing {
    let unknown = matches!(chain.public, Standing::UnknownIssuer | Standing::Other(_));
    let private_counts = target.inspection == Inspection::Allowed;
    if unknown && private_counts { &chain.private } else { &chain.public }
}

/// Whether someone on the way opens the connection: the chain leads to a private root, or to none
/// at all where nobody may inspect.
fn is_intercepted(target: &Target, chain: &Chain) -> bool {
    let private = chain.public != Standing::Trusted && chain.private == Standing::Trusted;
    match target.inspection {
        Inspection::Allowed => false,
        Inspection::Discouraged => private,
        Inspection::Forbidden => private || chain.public == Standing::UnknownIssuer,
    }
}

fn of_http(fault: &HttpFault) -> (Reason, String) {
    let detail = format!("HTTP: {fault}");
    match fault {
        HttpFault::Timeout => (reason::HTTP_TIMEOUT, detail),
        HttpFault::NotHttp(_) | HttpFault::Closed(_) | HttpFault::Unsendable(_) => {
            (reason::HTTP_MALFORMED, detail)
        }
    }
}

fn of_udp(fault: &UdpFault) -> (Reason, String) {
    let detail = format!("UDP: {fault}");
    match fault {
        UdpFault::Refused | UdpFault::Unreachable(_) => (reason::UDP_REFUSED, detail),
        UdpFault::Timeout | UdpFault::Malformed(_) | UdpFault::Local(_) => {
            (reason::UDP_NO_REPLY, detail)
        }
    }
}

/// Whether it was this machine that could not do its part.
fn is_ours(seen: &Seen) -> bool {
    match seen {
        Seen::Tcp(TcpFault::Other(_))
        | Seen::Udp(UdpFault::Local(_))
        | Seen::Http(HttpFault::Unsendable(_)) => true,
        Seen::Tcp(_) | Seen::Udp(_) | Seen::Http(_) => false,
        Seen::NotResolved | Seen::NotTried | Seen::Tls(_) | Seen::HttpStatus(_) | Seen::Reached => {
            false
        }
    }
}

fn chain(seen: &Seen) -> Option<&Chain> {
    if let Seen::Tls(handshake) = seen { handshake.chain.as_ref() } else { None }
}

const LABELS: &[&str] = &["endpoint", "port", "protocol", "category"];

/// Bucket bounds of a phase's duration, in seconds.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

const UP: Family = Family {
    name: "anc_endpoint_up",
    help: "Whether the endpoint answered as it should (1) or not (0), as of the last run.",
    labels: LABELS,
    kind: Kind::Gauge,
};

const PHASE: Family = Family {
    name: "anc_endpoint_phase_seconds",
    help: "Time a phase of looking at the endpoint took, as of the last run.",
    labels: &["endpoint", "port", "protocol", "category", "phase"],
    kind: Kind::Gauge,
};

const PHASE_DURATION: Family = Family {
    name: "anc_endpoint_phase_duration_seconds",
    help: "Time the phases of looking at endpoints took.",
    labels: &["category", "phase"],
    kind: Kind::Histogram { bounds: BOUNDS },
};

const NOT_AFTER: Family = Family {
    name: "anc_endpoint_tls_not_after_timestamp_seconds",
    help: "End of validity of the certificate the endpoint showed, as of the last run.",
    labels: LABELS,
    kind: Kind::Gauge,
};

const INTERCEPTED: Family = Family {
    name: "anc_endpoint_tls_intercepted",
    help: "Whether TLS to the endpoint is opened on the way (1) or not (0), as of the last run.",
    labels: LABELS,
    kind: Kind::Gauge,
};
