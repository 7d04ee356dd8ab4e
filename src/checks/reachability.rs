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
        dns::{self, Lookup, Outcome},
        is_public,
        tls::{Chain, Dates, Handshake, Standing, TlsFault, Trust},
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
    "{timeout:?} is too short for {check}: were all of its {endpoints} endpoints silent, it would \
     take {least:?}; raise it, or exclude endpoints"
)]
pub struct TooShort {
    check: &'static str,
    timeout: Duration,
    endpoints: usize,
    least: Duration,
}

impl Reachability {
    /// Shares the `timeout` of `check` among the phases of looking at `targets`.
    pub fn new(
        check: &'static str,
        targets: Vec<Target>,
        servers: Option<Vec<SocketAddr>>,
        trust: Trust,
        timeout: Duration,
        max_handshakes: usize,
    ) -> Result<Self, TooShort> {
        let endpoints = targets.len();
        let limits =
            Limits::within(timeout, endpoints, endpoints, max_handshakes).ok_or_else(|| {
                let least = Limits::least(endpoints, endpoints, max_handshakes);
                TooShort { check, timeout, endpoints, least }
            })?;
        Ok(Self { targets, servers, trust, limits, max_handshakes })
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// One sighting a target, in their order.
    pub(super) async fn look(&self) -> Result<Vec<Sighting>, Inconclusive> {
        let servers = name_servers(self.servers.as_deref())?;
        let prober = Prober::new(servers, self.trust.clone(), self.limits, self.max_handshakes);
        let probes: Vec<Probe> = self.targets.iter().map(probe).collect();
        let may_connect = |asked: &Probe, addresses: &[IpAddr]| {
            let mut of_probe = self.targets.iter().filter(|it| it.host == asked.host);
            !of_probe.any(|it| probe(it) == *asked && misplaced(it, addresses).is_some())
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

/// Everything that is wrong with `target`, going by what was seen of it.
pub(super) fn troubles(target: &Target, sighting: &Sighting) -> Vec<Trouble> {
    let seen = match &sighting.outcome {
        Seen::NotResolved => vec![of_lookup(&sighting.lookup)],
        Seen::NotTried => {
            let addresses = &sighting.lookup.addresses;
            let address = misplaced(target, addresses).or(addresses.first().copied());
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            let detail = format!("resolves to {address}, which is not public; not contacted");
            vec![(reason::PRIVATE_ADDRESS, detail)]
        }
        Seen::Tcp(fault) => vec![of_tcp(fault)],
        Seen::Tls(handshake) => of_tls(target, handshake),
        Seen::Http(fault) => vec![of_http(fault)],
        Seen::HttpStatus(407) => {
            vec![(reason::PROXY_REQUIRED, "a proxy demands a sign-in (HTTP 407)".to_owned())]
        }
        Seen::HttpStatus(_) | Seen::Reached => Vec::new(),
        Seen::Udp(fault) => vec![of_udp(fault)],
    };
    let unasked = matches!(sighting.lookup.outcome, Outcome::NotAsked(_));
    let ours = is_ours(&sighting.outcome) || unasked;
    let told = |(reason, detail)| {
        let reason = if ours { reason::COULD_NOT_LOOK } else { reason };
        Trouble { reason, detail, ours }
    };
    seen.into_iter().map(told).collect()
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
    let contacted = sighting.address.filter(|_| sighting.outcome != Seen::NotTried);
    let at = contacted.map(|address| format!(" at {}", address.ip())).unwrap_or_default();
    Finding {
        severity: if ours { Severity::Unknown } else { severity },
        reason,
        subject: subject(target),
        detail: format!("{}{sample}{at}: {detail}", subject(target)),
        error_type: error_type(check, reason, Some(target.category)),
    }
}

/// The DNS servers to ask: those `given`, or else the system's.
pub(super) fn name_servers(given: Option<&[SocketAddr]>) -> Result<Vec<SocketAddr>, Inconclusive> {
    dns::servers_or_system(given).map_err(|detail| {
        let subject = "system resolver".to_owned();
        Inconclusive::Unobserved { reason: reason::NO_DNS_SERVERS, subject, detail }
    })
}

/// How long each of two rounds of questions may take, so that both end within a check's `timeout`
/// with a tenth of it to spare; 5 s at most.
pub(super) fn one_of_two_rounds(timeout: Duration) -> Duration {
    (timeout / 20 * 9).min(Duration::from_secs(5))
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
        Outcome::NotAsked(_) => reason::COULD_NOT_LOOK,
    }
}

/// Which DNS server said what, when a name has no address.
pub(super) fn who_said(lookup: &Lookup) -> String {
    let mut said: Vec<String> = Vec::new();
    for (server, outcome) in &lookup.attempts {
        said.push(format!("DNS server {}: {outcome}", dns::name_of(*server)));
    }
    if let Some(server) = lookup.server {
        said.push(format!("DNS server {}: {}", dns::name_of(server), lookup.outcome));
    }
    if said.is_empty() { lookup.outcome.to_string() } else { said.join("; ") }
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
    let up = f64::from(u8::from(troubles(target, sighting).is_empty()));
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
        // A certificate that cannot be read has no end.
        if not_after > 0.0 {
            readings.push(Reading::new(&NOT_AFTER, labels(), not_after));
        }
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

fn of_lookup(lookup: &Lookup) -> (Reason, String) {
    (unresolved(&lookup.outcome), who_said(lookup))
}

fn of_tcp(fault: &TcpFault) -> (Reason, String) {
    let detail = format!("TCP: {fault}");
    match fault {
        TcpFault::Refused => (reason::TCP_REFUSED, detail),
        TcpFault::Timeout => (reason::TCP_TIMEOUT, detail),
        TcpFault::Unreachable(_) | TcpFault::Other(_) => (reason::TCP_UNREACHABLE, detail),
    }
}

/// A handshake that failed, and a certificate that is not the one Microsoft shows.
fn of_tls(target: &Target, handshake: &Handshake) -> Vec<(Reason, String)> {
    let mut troubles = Vec::new();
    if let Err(fault) = &handshake.outcome {
        let reason = match fault {
            TlsFault::Timeout => reason::TLS_TIMEOUT,
            TlsFault::Refused(_) => reason::TLS_REFUSED,
            TlsFault::Alert(_) => reason::TLS_ALERT,
            TlsFault::NotTls(_) | TlsFault::Other(_) => reason::TLS_MALFORMED,
        };
        troubles.push((reason, format!("TLS: {fault}")));
    }
    if let Some(chain) = &handshake.chain {
        troubles.extend(of_chain(target, chain));
    }
    troubles
}

fn of_chain(target: &Target, chain: &Chain) -> Vec<(Reason, String)> {
    let leaf = &chain.leaf;
    let mut troubles = Vec::new();
    let mut tell = |reason, why: &str| {
        let detail = format!("the certificate was issued by {}; {why}", leaf.issuer);
        troubles.push((reason, detail));
    };
    match best(target, chain) {
        Standing::Trusted => (),
        _ if is_intercepted(target, chain) => {
            tell(reason::TLS_INTERCEPTED, "it leads to no public root");
        }
        Standing::UnknownIssuer => tell(reason::CERTIFICATE_UNTRUSTED, untrusted_because(chain)),
        Standing::Other(why) => tell(reason::CERTIFICATE_UNTRUSTED, why),
        Standing::Expired => tell(reason::CERTIFICATE_EXPIRED, "one above it has expired"),
        Standing::NotYetValid => {
            tell(reason::CERTIFICATE_NOT_YET_VALID, "one above it is not valid yet");
        }
    }
    match chain.dates {
        Dates::Valid => (),
        Dates::Expired => tell(reason::CERTIFICATE_EXPIRED, "it has expired"),
        Dates::NotYetValid => tell(reason::CERTIFICATE_NOT_YET_VALID, "it is not valid yet"),
    }
    if !chain.is_named {
        let names = format!("it is for {}", leaf.names.join(", "));
        tell(reason::CERTIFICATE_WRONG_NAME, &names);
    }
    troubles
}

fn untrusted_because(chain: &Chain) -> &'static str {
    if chain.leaf.issuer == chain.leaf.subject {
        "it is self-signed"
    } else if chain.length == 1 {
        "it leads to no root that we trust, and came without an intermediate certificate"
    } else {
        "it leads to no root that we trust"
    }
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
