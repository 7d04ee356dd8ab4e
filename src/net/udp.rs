//! One question over UDP: sent, sent again, and answered or not.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// Why a question over UDP has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UdpFault {
    /// Nothing at all came back.
    #[error("no answer")]
    Timeout,
    /// ICMP port unreachable: the host is there, and nobody listens.
    #[error("port closed")]
    Refused,
    /// No way there: another ICMP error, or no route.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Something came back, and it was no answer to the question.
    #[error("not an answer: {0}")]
    Malformed(String),
    /// This machine could not even ask: no socket was to be had, or its own packet filter forbids
    /// sending.
    #[error("could not ask: {0}")]
    Local(String),
}

/// An answer, and what it took.
pub(super) struct Heard<T> {
    pub(super) what: T,
    /// Since the first transmission.
    pub(super) took: Duration,
    /// How often the question was sent.
    pub(super) sent: u32,
}

/// Sends `datagrams` to `address`, all of them each time, until `accept` makes something of what
/// comes back or `limit` has passed. The waits between are those of RFC 8489 section 6.2.1: 500 ms
/// and doubling, seven transmissions at most; under a short limit they start at a quarter of it,
/// so that one lost datagram is never taken for silence.
///
/// The socket is connected: the kernel drops what others send, and an ICMP error ends the wait.
pub(super) async fn ask<T>(
    address: SocketAddr,
    datagrams: &[&[u8]],
    limit: Duration,
    mut accept: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Heard<T>, UdpFault> {
    let socket = connected(address).await?;
    let started = Instant::now();
    let end = started + limit;
    let mut wait = FIRST_WAIT.min(limit / 4);
    let mut buffer = vec![0; LARGEST];
    let mut strangers = 0_u32;
    for sent in 1..=TRANSMISSIONS {
        for datagram in datagrams {
            socket.send(datagram).await.map_err(|error| fault(&error))?;
        }
        let last = sent == TRANSMISSIONS;
        let until = if last { end } else { end.min(Instant::now() + wait) };
        while let Ok(received) = timeout_at(until, socket.recv(&mut buffer)).await {
            let size = received.map_err(|error| fault(&error))?;
            if let Some(what) = accept(&buffer[..size]) {
                return Ok(Heard { what, took: started.elapsed(), sent });
            }
            strangers = strangers.saturating_add(1);
        }
        if until == end {
            break;
        }
        wait *= 2;
    }
    Err(match strangers {
        0 => UdpFault::Timeout,
        some => UdpFault::Malformed(format!("{some} datagrams came, none answers what was asked")),
    })
}

async fn connected(address: SocketAddr) -> Result<UdpSocket, UdpFault> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(|error| UdpFault::Local(error.to_string()))?;
    socket.connect(address).await.map_err(|error| fault(&error))?;
    Ok(socket)
}

fn fault(error: &io::Error) -> UdpFault {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        UdpFault::Refused
    } else if error.raw_os_error() == Some(NOT_PERMITTED) {
        UdpFault::Local(error.to_string())
    } else {
        UdpFault::Unreachable(error.kind().to_string())
    }
}

/// Linux' EPERM: this machine's own packet filter keeps us from sending. It says nothing about the
/// peer, and the standard library has no name for it.
const NOT_PERMITTED: i32 = 1;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const TRANSMISSIONS: u32 = 7;
/// Well above what any answer may have: 512 octets for DNS without EDNS, one MTU for STUN.
const LARGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peers;

    const LIMIT: Duration = Duration::from_millis(200);

    #[test]
    fn what_this_machine_forbids_is_not_the_peers_doing() {
        let of = |code| fault(&io::Error::from_raw_os_error(code));
        let (not_permitted, no_net, no_host, refused) = (1, 101, 113, 111);
        assert!(matches!(of(not_permitted), UdpFault::Local(_)));
        assert!(matches!(of(no_net), UdpFault::Unreachable(_)));
        assert!(matches!(of(no_host), UdpFault::Unreachable(_)));
        assert_eq!(of(refused), UdpFault::Refused);
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_at_once() {
        let started = Instant::now();
        assert_eq!(asked(peers::closed()).await, Err(UdpFault::Refused));
        assert!(started.elapsed() < LIMIT / 2);
    }

    #[tokio::test]
    async fn a_silent_peer_is_waited_for_as_long_as_allowed() {
        let (_socket, address) = peers::silent_udp();
        let started = Instant::now();
        assert_eq!(asked(address).await, Err(UdpFault::Timeout));
        assert!(started.elapsed() >= LIMIT);
        assert!(started.elapsed() < LIMIT + Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_lost_question_is_sent_again() {
        let mut heard = 0;
        let address = peers::udp(move |question| {
            heard += 1;
            if heard == 3 { vec![question.to_vec()] } else { vec![] }
        });
        assert_eq!(asked(address).await, Ok(3));
    }

    #[tokio::test]
    async fn noise_is_not_an_answer_and_not_silence() {
        let address = peers::udp(|_| vec![b"noise".to_vec()]);
        let Err(UdpFault::Malformed(_)) = asked(address).await else { panic!("noise passed") };
    }

    #[tokio::test]
    async fn noise_before_the_answer_does_no_harm() {
        let address = peers::udp(|question| vec![b"noise".to_vec(), question.to_vec()]);
        assert_eq!(asked(address).await, Ok(1));
    }

    #[tokio::test]
    async fn no_route_is_unreachable() {
        // A link-local address without its interface: the kernel cannot choose a route.
        let address = "[fe80::1]:9".parse().unwrap();
        assert!(matches!(asked(address).await, Err(UdpFault::Unreachable(_) | UdpFault::Local(_))));
    }

    /// Asks an echo, and says how often it had to.
    async fn asked(address: SocketAddr) -> Result<u32, UdpFault> {
        let accept = |answer: &[u8]| (answer == b"echo").then_some(());
        ask(address, &[b"echo"], LIMIT, accept).await.map(|heard| heard.sent)
    }
}
