//! Responders over UDP: STUN (RFC 8489), and as much of TURN (RFC 8656) as a client without
//! credentials gets to see.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::net::UdpSocket;
use tracing::warn;

use crate::faults::{Effect, Responder, Switchboard};

pub(crate) struct Server {
    socket: UdpSocket,
    address: SocketAddr,
    responder: Responder,
    switchboard: Switchboard,
}

impl Server {
    /// On a free port, except for the relay.
    pub(crate) async fn bind(responder: Responder, switchboard: &Switchboard) -> io::Result<Self> {
        let socket = match responder {
            Responder::Stun | Responder::Turn => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            Responder::Relay => relay_socket().await?,
        };
        let address = socket.local_addr()?;
        Ok(Self { socket, address, responder, switchboard: switchboard.clone() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the switchboard about every datagram.
    pub(crate) async fn serve(self) {
        let mut datagram = [0; 1500];
        loop {
            let (length, from) = match self.socket.recv_from(&mut datagram).await {
                Ok(received) => received,
                Err(error) => {
                    warn!(responder = ?self.responder, %error, "receiving a datagram");
                    continue;
                }
            };
            let heard = &datagram[..length];
            let Some(answer) = answer(self.responder, heard, from) else { continue };
            if self.is_silent() {
                continue;
            }
            if let Err(error) = self.socket.send_to(&answer, from).await {
                warn!(responder = ?self.responder, %error, "sending a datagram");
            }
        }
    }

    fn is_silent(&self) -> bool {
        let silenced =
            |effect| matches!(effect, Effect::Silent(who) if who.contains(&self.responder));
        self.switchboard.find(|effect| silenced(effect).then_some(())).is_some()
    }
}

/// The relay's port is given, so that it looks for a free address instead: on Linux all of
/// 127.0.0.0/8 is there. Several labs may run side by side.
async fn relay_socket() -> io::Result<UdpSocket> {
    const PORT: u16 = 3478;
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for last in 1..=254 {
        outcome = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), PORT)).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

const HEADER: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const ALLOCATE: [u8; 2] = [0x00, 0x03];
const ALLOCATE_ERROR: [u8; 2] = [0x01, 0x13];
const ERROR_CODE: u16 = 0x0009;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// What is not a request that the responder knows gets no answer.
fn answer(responder: Responder, request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let header = request.first_chunk::<HEADER>()?;
    if header[4..8] != MAGIC {
        return None;
    }
    let (class, attributes) = match [header[0], header[1]] {
        BINDING => (BINDING_SUCCESS, mapped_address(from)?),
        ALLOCATE if responder == Responder::Turn => (ALLOCATE_ERROR, unauthorized()),
        _ => return None,
    };
    let length = u16::try_from(attributes.len()).ok()?;
    Some([&class[..], &length.to_be_bytes(), &header[4..], &attributes].concat())
}

fn mapped_address(from: SocketAddr) -> Option<Vec<u8>> {
    const IPV4: u8 = 1;
    let IpAddr::V4(address) = from.ip() else { return None };
    let [p, q] = from.port().to_be_bytes();
    let [a, b, c, d] = address.octets();
    let [m, n, o, r] = MAGIC;
    let value = [0, IPV4, p ^ m, q ^ n, a ^ m, b ^ n, c ^ o, d ^ r];
    Some(attribute(XOR_MAPPED_ADDRESS, &value))
}

fn unauthorized() -> Vec<u8> {
    [
        attribute(ERROR_CODE, b"\x00\x00\x04\x01Unauthorized"),
        attribute(REALM, b"lab.contoso.test"),
        attribute(NONCE, b"anc-lab"),
    ]
    .concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let mut attribute = [&kind.to_be_bytes()[..], &length.to_be_bytes(), value].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;

    #[tokio::test]
    async fn stun_tells_a_client_its_own_address() {
        let server = serving(Responder::Stun).await;
        let client = server.client().await;
        let reply = ask(&client, BINDING).await.unwrap();
        assert_eq!(reply[..2], BINDING_SUCCESS);
        assert_eq!(reply[8..HEADER], TRANSACTION);
        let SocketAddr::V4(own) = client.local_addr().unwrap() else { panic!("IPv6") };
        let port = u16::from_be_bytes([reply[26], reply[27]]) ^ 0x2112;
        let address = u32::from_be_bytes(*reply[28..].first_chunk().unwrap()) ^ 0x2112_a442;
        assert_eq!((Ipv4Addr::from(address), port), (*own.ip(), own.port()));
    }

    #[tokio::test]
    async fn turn_allocates_nothing_without_credentials() {
        let server = serving(Responder::Turn).await;
        let reply = ask(&server.client().await, ALLOCATE).await.unwrap();
        assert_eq!(reply[..2], ALLOCATE_ERROR);
        assert_eq!(reply[20..28], [0x00, 0x09, 0x00, 0x10, 0x00, 0x00, 0x04, 0x01]);
        assert_eq!(reply.len() % 4, 0);
    }

    #[tokio::test]
    async fn each_silence_shows_and_ends() {
        for (responder, faults) in [
            (Responder::Stun, ["stun_no_reply", "udp_blocked"]),
            (Responder::Turn, ["turn_no_reply", "udp_blocked"]),
            (Responder::Relay, ["udp_no_reply", "udp_no_reply"]),
        ] {
            let server = serving(responder).await;
            let client = server.client().await;
            for fault in faults {
                server.switchboard.on(fault).unwrap();
                assert_eq!(ask(&client, BINDING).await, None, "{fault}");
                server.switchboard.off(fault).unwrap();
                assert!(ask(&client, BINDING).await.is_some(), "after {fault}");
            }
        }
    }

    #[test]
    fn what_is_not_stun_gets_no_answer() {
        let from = SocketAddr::from(([127, 0, 0, 1], 1024));
        for noise in [&b""[..], b"GET / HTTP/1.1\r\n\r\n and so on", &[0; HEADER]] {
            assert_eq!(answer(Responder::Turn, noise, from), None);
        }
    }

    const TRANSACTION: [u8; 12] = *b"anc-lab-test";

    struct Serving {
        address: SocketAddr,
        switchboard: Switchboard,
        _task: AbortOnDropHandle<()>,
    }

    async fn serving(responder: Responder) -> Serving {
        let switchboard = Switchboard::all_off();
        let server = Server::bind(responder, &switchboard).await.unwrap();
        let address = server.address();
        let _task = AbortOnDropHandle::new(tokio::spawn(server.serve()));
        Serving { address, switchboard, _task }
    }

    impl Serving {
        async fn client(&self) -> UdpSocket {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            client.connect(self.address).await.unwrap();
            client
        }
    }

    async fn ask(client: &UdpSocket, method: [u8; 2]) -> Option<Vec<u8>> {
        let request = [&method[..], &[0, 0], &MAGIC, &TRANSACTION].concat();
        client.send(&request).await.unwrap();
        let mut reply = [0; 1500];
        let heard = time::timeout(Duration::from_millis(200), client.recv(&mut reply)).await;
        heard.ok().map(|length| reply[..length.unwrap()].to_vec())
    }
}
