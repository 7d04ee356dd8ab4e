//! What a sighting of an endpoint comes to: the same for every check that looks at endpoints. How
//! bad it is, is theirs to say.

mod trouble;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

pub(super) use self::trouble::{
    Trouble, could_not_ask, of_certificate, of_tcp, of_tls_fault, troubles, unresolved, who_said,
};
use self::trouble::{is_intercepted, misplaced};
use crate::{
    catalogue::{Protocol, Target, Wildcard, error_type, reason},
    engine::{Family, Finding, Inconclusive, Kind, Reading, Severity},
    net::{
        Limits, Probe, Prober, Protocol as Speak, Seen, Sighting, dns,
        tls::{Chain, Trust},
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
