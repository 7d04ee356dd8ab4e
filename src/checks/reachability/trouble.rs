//! From what was seen of an endpoint to what is wrong with it.

use std::net::IpAddr;

use crate::{
    catalogue::{Addresses, Inspection, Target, reason},
    engine::Reason,
    net::{
        HttpFault, Seen, Sighting, TcpFault, UdpFault,
        dns::{self, Lookup, Outcome},
        is_public,
        tls::{Chain, Dates, Handshake, Standing, TlsFault},
    },
};

/// What is wrong with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checks) struct Trouble {
    pub(in crate::checks) reason: Reason,
    pub(in crate::checks) detail: String,
    /// It is this machine that could not look: nothing is known about the endpoint.
    pub(in crate::checks) ours: bool,
}

/// Everything that is wrong with `target`, going by what was seen of it.
pub(in crate::checks) fn troubles(target: &Target, sighting: &Sighting) -> Vec<Trouble> {
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

/// Why a name that something is reached by has no address.
pub(in crate::checks) fn unresolved(outcome: &Outcome) -> Reason {
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

/// Whether a server that might have known an address could not be asked by this machine.
pub(in crate::checks) fn could_not_ask(lookup: &Lookup) -> bool {
    let unasked = |outcome: &Outcome| matches!(outcome, Outcome::NotAsked(_));
    let before = lookup.attempts.iter().any(|(_, outcome)| unasked(outcome));
    unasked(&lookup.outcome) || before && !lookup.outcome.is_conclusive()
}

/// Which DNS server said what, when a name has no address.
pub(in crate::checks) fn who_said(lookup: &Lookup) -> String {
    let mut said: Vec<String> = Vec::new();
    for (server, outcome) in &lookup.attempts {
        said.push(format!("DNS server {}: {outcome}", dns::name_of(*server)));
    }
    if let Some(server) = lookup.server {
        said.push(format!("DNS server {}: {}", dns::name_of(server), lookup.outcome));
    }
    if said.is_empty() { lookup.outcome.to_string() } else { said.join("; ") }
}

/// The first address where the target must not have one.
pub(super) fn misplaced(target: &Target, addresses: &[IpAddr]) -> Option<IpAddr> {
    let Addresses::PublicOr(ranges) = &target.addresses else { return None };
    let fits =
        |address: &IpAddr| is_public(address) || ranges.iter().any(|range| range.contains(address));
    addresses.iter().copied().find(|address| !fits(address))
}

/// Whether someone on the way opens the connection: the chain leads to a private root, or to none
/// at all where nobody may inspect.
pub(super) fn is_intercepted(target: &Target, chain: &Chain) -> bool {
    let private = chain.public != Standing::Trusted && chain.private == Standing::Trusted;
    match target.inspection {
        Inspection::Allowed => false,
        Inspection::Discouraged => private,
        Inspection::Forbidden => private || chain.public == Standing::UnknownIssuer,
    }
}

fn of_lookup(lookup: &Lookup) -> (Reason, String) {
    (unresolved(&lookup.outcome), who_said(lookup))
}

/// Why a connection was not made.
pub(in crate::checks) fn of_tcp(fault: &TcpFault) -> (Reason, String) {
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
        troubles.push(of_tls_fault(fault));
    }
    if let Some(chain) = &handshake.chain {
        troubles.extend(of_chain(target, chain));
    }
    troubles
}

/// Why a handshake did not complete.
pub(in crate::checks) fn of_tls_fault(fault: &TlsFault) -> (Reason, String) {
    let reason = match fault {
        TlsFault::Timeout => reason::TLS_TIMEOUT,
        TlsFault::Refused(_) => reason::TLS_REFUSED,
        TlsFault::Alert(_) => reason::TLS_ALERT,
        TlsFault::NotTls(_) | TlsFault::Other(_) => reason::TLS_MALFORMED,
    };
    (reason, format!("TLS: {fault}"))
}

fn of_chain(target: &Target, chain: &Chain) -> Vec<(Reason, String)> {
    let standing = best(target, chain);
    if *standing != Standing::Trusted && is_intercepted(target, chain) {
        let issuer = &chain.leaf.issuer;
        let detail = format!("the certificate was issued by {issuer}; it leads to no public root");
        let mut troubles = vec![(reason::TLS_INTERCEPTED, detail)];
        troubles.extend(of_certificate(chain, &Standing::Trusted));
        return troubles;
    }
    of_certificate(chain, standing)
}

/// Everything that is wrong with a certificate whose chain stands so against the roots that count.
pub(in crate::checks) fn of_certificate(
    chain: &Chain,
    standing: &Standing,
) -> Vec<(Reason, String)> {
    let leaf = &chain.leaf;
    let mut troubles = Vec::new();
    let mut tell = |reason, why: &str| {
        let detail = format!("the certificate was issued by {}; {why}", leaf.issuer);
        troubles.push((reason, detail));
    };
    match standing {
        Standing::Trusted => (),
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
