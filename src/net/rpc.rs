//! The endpoint mapper: behind which port a service answers (C706 appendices L and O; MS-RPCE
//! section 2.2.1.2).

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{TcpFault, tcp};

/// An RPC interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// In the order of octets on the wire.
    uuid: [u8; 16],
    version: u16,
}

/// Where a service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub port: u16,
    /// For the connection and both questions.
    pub took: Duration,
}

/// Why the port is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcFault {
    #[error("{0}")]
    Tcp(TcpFault),
    #[error("connected, and no answer")]
    Silent,
    #[error("connection ended")]
    Closed,
    #[error("not RPC: {0}")]
    Malformed(&'static str),
    #[error("the endpoint mapper refused the question")]
    Refused,
    /// With the endpoint mapper's status.
    #[error("the endpoint mapper knows no port for it (status {0:#x})")]
    NotRegistered(u32),
}

impl Interface {
    /// Netlogon, version 1 (MS-NRPC section 1.9), by which a joined machine finds its domain.
    pub const NETLOGON: Self = Self {
        uuid: [
            0x78, 0x56, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67,
            0xcf, 0xfb,
        ],
        version: 1,
    };

    const ENDPOINT_MAPPER: Self = Self {
        uuid: [
            0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14,
            0xa0, 0xfa,
        ],
        version: 3,
    };

    const NDR: Self = Self {
        uuid: [
            0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10,
            0x48, 0x60,
        ],
        version: 2,
    };
}

/// Asks the endpoint mapper at `address` for the TCP port of `wanted`.
pub async fn map_endpoint(
    address: SocketAddr,
    wanted: Interface,
    limit: Duration,
) -> Result<Mapped, RpcFault> {
    let started = Instant::now();
    let (mut stream, _) = tcp::connect(address, limit).await.map_err(RpcFault::Tcp)?;
    let asking = async {
        let bound = exchange(&mut stream, BIND, &bind()).await?;
        accepted(&bound)?;
        let mapped = exchange(&mut stream, REQUEST, &request(wanted)).await?;
        port(&mapped)
    };
    let port = timeout(limit, asking).await.map_err(|_| RpcFault::Silent)??;
    Ok(Mapped { port, took: started.elapsed() })
}

/// Sends one fragment and reads one, without its header.
async fn exchange(stream: &mut TcpStream, kind: u8, body: &[u8]) -> Result<Vec<u8>, RpcFault> {
    let size = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX).to_le_bytes();
    let header = [5, 0, kind, ONLY_FRAGMENT, 0x10, 0, 0, 0, size[0], size[1], 0, 0, 1, 0, 0, 0];
    let sent = [&header[..], body].concat();
    stream.write_all(&sent).await.map_err(|_| RpcFault::Closed)?;
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await.map_err(|_| RpcFault::Closed)?;
    let [5, 0, answer, _, order, _, _, _, low, high, ..] = header else {
        return Err(RpcFault::Malformed("another version"));
    };
    let size = usize::from(u16::from_le_bytes([low, high]));
    if order & 0xf0 != 0x10 || !(HEADER..=LARGEST).contains(&size) {
        return Err(RpcFault::Malformed("a fragment of another order or size"));
    }
    let mut body = vec![0; size - HEADER];
    stream.read_exact(&mut body).await.map_err(|_| RpcFault::Closed)?;
    match answer {
        BIND_ACK if kind == BIND => Ok(body),
        RESPONSE if kind == REQUEST => Ok(body),
        BIND_NAK | FAULT => Err(RpcFault::Refused),
        _ => Err(RpcFault::Malformed("an answer to something else")),
    }
}

/// Of a `bind` (C706, section 12.6.4.3), after the header.
fn bind() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(FRAGMENT.to_le_bytes());
    body.extend(FRAGMENT.to_le_bytes());
    // No association; one context, number 0, with one transfer syntax.
    body.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    for syntax in [Interface::ENDPOINT_MAPPER, Interface::NDR] {
        body.extend(syntax.uuid);
        body.extend(u32::from(syntax.version).to_le_bytes());
    }
    body
}

/// Whether the first context of a `bind_ack` was accepted.
fn accepted(body: &[u8]) -> Result<(), RpcFault> {
    let short = RpcFault::Malformed("a bind_ack that ends early");
    let at = |place: usize| -> Option<u16> {
        Some(u16::from_le_bytes(*body.get(place..)?.first_chunk()?))
    };
    let address = at(8).map(usize::from).ok_or(short.clone())?;
    // The body begins four octets after a multiple of eight, which padding does not mind.
    let results = (10 + address).next_multiple_of(4);
    let result = at(results + 4).ok_or(short)?;
    if result == 0 { Ok(()) } else { Err(RpcFault::Refused) }
}

/// `ept_map` of `wanted` over TCP (C706, appendix O), after the header.
fn request(wanted: Interface) -> Vec<u8> {
    let mut tower = vec![5, 0];
    for interface in [wanted, Interface::NDR] {
        let mut floor = vec![UUID_FLOOR];
        floor.extend(interface.uuid);
        floor.extend(interface.version.to_le_bytes());
        add_floor(&mut tower, &floor, &[0, 0]);
    }
    add_floor(&mut tower, &[CONNECTION_FLOOR], &[0, 0]);
    add_floor(&mut tower, &[TCP_FLOOR], &[0, 0]);
    add_floor(&mut tower, &[IP_FLOOR], &[0, 0, 0, 0]);
    let size = u32::try_from(tower.len()).unwrap_or(u32::MAX).to_le_bytes();
    // No object; the tower; no handle of an earlier question; four answers at most.
    let mut stub = [&[0, 0, 0, 0, 1, 0, 0, 0], &size[..], &size[..], &tower].concat();
    stub.resize(stub.len().next_multiple_of(4), 0);
    stub.extend([0; HANDLE]);
    stub.extend(4_u32.to_le_bytes());
    let hint = u32::try_from(stub.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&hint[..], &[0, 0], &EPT_MAP.to_le_bytes(), &stub].concat()
}

fn add_floor(tower: &mut Vec<u8>, left: &[u8], right: &[u8]) {
    for side in [left, right] {
        tower.extend(u16::try_from(side.len()).unwrap_or(u16::MAX).to_le_bytes());
        tower.extend(side);
    }
}

/// The TCP port of the first tower of an answer to `ept_map`.
fn port(body: &[u8]) -> Result<u16, RpcFault> {
    let stub = body.get(8..).ok_or(RpcFault::Malformed("a response that ends early"))?;
    let status = stub.last_chunk().map(|status| u32::from_le_bytes(*status));
    let status = status.ok_or(RpcFault::Malformed("a response without a status"))?;
    let first = first_tower(stub).and_then(tcp_port).filter(|port| *port != 0);
    match (status, first) {
        (0, Some(port)) => Ok(port),
        (status, _) => Err(RpcFault::NotRegistered(status)),
    }
}

/// After the handle come the number of towers, the bounds of their array, a pointer for each, and
/// the first: its size twice, and its octets.
fn first_tower(stub: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| -> Option<usize> {
        let octets = *stub.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(octets)).ok()
    };
    let towers = number(HANDLE + 12)?;
    if !(1..=4).contains(&towers) {
        return None;
    }
    let at = HANDLE + 16 + 4 * towers;
    let size = number(at + 4)?;
    stub.get(at + 8..)?.get(..size)
}

fn tcp_port(tower: &[u8]) -> Option<u16> {
    let mut rest = tower.get(2..)?;
    for _ in 0..8 {
        let (left, after) = side(rest)?;
        let (right, after) = side(after)?;
        if left == [TCP_FLOOR] {
            return Some(u16::from_be_bytes(*right.first_chunk()?));
        }
        rest = after;
    }
    None
}

fn side(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = usize::from(u16::from_le_bytes(*octets.first_chunk()?));
    octets.get(2..)?.split_at_checked(size)
}

const HEADER: usize = 16;
const LARGEST: usize = 8192;
const FRAGMENT: u16 = 4280;
/// A context handle: attributes and a UUID.
const HANDLE: usize = 20;
const ONLY_FRAGMENT: u8 = 3;
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const FAULT: u8 = 3;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const BIND_NAK: u8 = 13;
const EPT_MAP: u16 = 3;
const UUID_FLOOR: u8 = 0x0d;
const CONNECTION_FLOOR: u8 = 0x0b;
const TCP_FLOOR: u8 = 0x07;
const IP_FLOOR: u8 = 0x09;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::peers::{self, octets};

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_real_answer_names_the_port() {
        let mapper = mapper(vec![(BIND_ACK, octets(BOUND)), (RESPONSE, octets(MAPPED))]).await;
        assert_eq!(mapped(mapper).await.unwrap().port, 49152);
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_has_no_port() {
        let not_registered = 0x16c9_a0d6_u32;
        let mut none = vec![0; 8 + HANDLE];
        none.extend([0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        none.extend(not_registered.to_le_bytes());
        let mapper = mapper(vec![(BIND_ACK, octets(BOUND)), (RESPONSE, none)]).await;
        assert_eq!(mapped(mapper).await, Err(RpcFault::NotRegistered(not_registered)));
    }

    #[tokio::test]
    async fn refusals_and_strangers_are_told_apart() {
        let refusing = mapper(vec![(BIND_NAK, vec![0; 8])]).await;
        assert_eq!(mapped(refusing).await, Err(RpcFault::Refused));
        let mut unbound = octets(BOUND);
        let result = unbound.len() - 24;
        unbound[result] = 2;
        let refusing = mapper(vec![(BIND_ACK, unbound)]).await;
        assert_eq!(mapped(refusing).await, Err(RpcFault::Refused));
        let faulty = mapper(vec![(BIND_ACK, octets(BOUND)), (FAULT, vec![0; 16])]).await;
        assert_eq!(mapped(faulty).await, Err(RpcFault::Refused));
        let odd = mapper(vec![(RESPONSE, octets(MAPPED))]).await;
        assert!(matches!(mapped(odd).await, Err(RpcFault::Malformed(_))));
        let closing = mapper(vec![]).await;
        assert_eq!(mapped(closing).await, Err(RpcFault::Closed));
        let (_listener, silent) = peers::silent_tcp();
        assert_eq!(mapped(silent).await, Err(RpcFault::Silent));
        assert_eq!(mapped(peers::closed()).await, Err(RpcFault::Tcp(TcpFault::Refused)));
    }

    proptest! {
        #[test]
        fn no_octets_upset_the_readers(at in 0_usize..140, octet in any::<u8>(), cut in 0_usize..141) {
            for answer in [BOUND, MAPPED] {
                let mut answer = octets(answer);
                let last = answer.len() - 1;
                answer[at.min(last)] = octet;
                answer.truncate(cut);
                let _ = (accepted(&answer), port(&answer));
            }
        }
    }

    async fn mapped(mapper: SocketAddr) -> Result<Mapped, RpcFault> {
        map_endpoint(mapper, Interface::NETLOGON, LIMIT).await
    }

    /// Answers each question with the next of these, and hangs up.
    async fn mapper(answers: Vec<(u8, Vec<u8>)>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 1024];
            for (kind, body) in answers {
                let _ = stream.read(&mut heard).await;
                let size = u16::try_from(HEADER + body.len()).unwrap().to_le_bytes();
                let header = [5, 0, kind, 3, 0x10, 0, 0, 0, size[0], size[1], 0, 0, 1, 0, 0, 0];
                let _ = stream.write_all(&[&header[..], &body].concat()).await;
            }
            let _ = stream.read(&mut heard).await;
        });
        address
    }

    /// Of Samba 4.17, without headers.
    const BOUND: &str = "b810b81047ed000004003133350000000100000000000000045d888aeb1cc9119fe808002b1048600200\
        0000";
    const MAPPED: &str = "800000000000000000000000000000000000000000000000000000000100000004000000000000000100\
        0000020000004b0000004b000000050013000d785634123412cdabef0001234567cffb01000200000013\
        000d045d888aeb1cc9119fe808002b10486002000200000001000b020000000100070200c00001000904\
        00000000000000000000";
}
