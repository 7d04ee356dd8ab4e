//! A TCP connection: made, or why not.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TcpFault {
    /// A reset, or ICMP port unreachable: the host is there, and nobody listens.
    #[error("connection refused")]
    Refused,
    /// Nothing came back.
    #[error("no answer")]
    Timeout,
    /// ICMP host or network unreachable, or no route.
    #[error("unreachable: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Other(String),
}

/// Connects, and says how long that took. The stream sends small writes at once (`TCP_NODELAY`),
/// so that what is timed on it next is the peer and not Nagle's algorithm.
pub async fn connect(
    address: SocketAddr,
    limit: Duration,
) -> Result<(TcpStream, Duration), TcpFault> {
    let started = Instant::now();
    let stream = timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| TcpFault::Timeout)?
        .map_err(|error| fault(&error))?;
    let took = started.elapsed();
    stream.set_nodelay(true).map_err(|error| fault(&error))?;
    Ok((stream, took))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is kept in its own words")]
fn fault(error: &io::Error) -> TcpFault {
    match error.kind() {
        // A middlebox may take the connection in and reset it at once.
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => TcpFault::Refused,
        io::ErrorKind::TimedOut => TcpFault::Timeout,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown => TcpFault::Unreachable(error.kind().to_string()),
        _ => match error.raw_os_error() {
            Some(code) if OF_THE_NETWORK.contains(&code) => {
                TcpFault::Unreachable(error.to_string())
            }
            _ => TcpFault::Other(error.to_string()),
        },
    }
}

/// Linux' numbers of what ICMP makes of a connection, and which have no name in the standard
/// library: forbidden (EACCES, over IPv6), not on the network, and host down or unknown.
const OF_THE_NETWORK: [i32; 3] = [13, 64, 112];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peers;

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_listener_is_reached() {
        let (_listener, address) = peers::silent_tcp();
        let (stream, took) = connect(address, LIMIT).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(stream.nodelay().unwrap());
        assert!(took < LIMIT);
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        assert_eq!(connect(peers::closed(), LIMIT).await.unwrap_err(), TcpFault::Refused);
    }

    #[tokio::test]
    async fn a_full_backlog_is_silence() {
        let (_listener, address, _held) = peers::deaf_tcp().await;
        let started = Instant::now();
        assert_eq!(connect(address, LIMIT).await.unwrap_err(), TcpFault::Timeout);
        assert!(started.elapsed() < LIMIT + Duration::from_millis(50));
    }

    #[test]
    fn errors_of_the_system_keep_their_meaning() {
        let of = |code| fault(&io::Error::from_raw_os_error(code));
        let (no_net, no_host, forbidden, host_down) = (101, 113, 13, 112);
        for code in [no_net, no_host, forbidden, host_down] {
            assert!(matches!(of(code), TcpFault::Unreachable(_)), "{code}");
        }
        let (timed_out, refused, reset) = (110, 111, 104);
        assert_eq!(of(timed_out), TcpFault::Timeout);
        assert_eq!([of(refused), of(reset)], [TcpFault::Refused, TcpFault::Refused]);
        let (no_descriptor, no_address, not_permitted) = (24, 99, 1);
        for code in [no_descriptor, no_address, not_permitted] {
            assert!(matches!(of(code), TcpFault::Other(_)), "{code}: of this machine");
        }
    }
}
