//! STUN and TURN: whether a relay's UDP port is reached, without ever allocating a relay.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::udp::{self, UdpFault};

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where it saw us: our public address behind any NAT.
    pub mapped: Option<SocketAddr>,
    /// The code of an error response. A relay that wants credentials says 401.
    pub code: Option<u16>,
    pub took: Duration,
    /// How often the question was sent.
    pub sent: u32,
}

/// One Binding question (RFC 8489 section 3).
pub async fn binding(server: SocketAddr, limit: Duration) -> Result<Reply, UdpFault> {
    put(server, &[Question::new(BINDING)], limit).await
}

/// An Allocate and a Binding question, each with its own transaction: a relay may serve but one of
/// them. The Allocate lacks REQUESTED-TRANSPORT and credentials, so that the answer can only be
/// 401 or 400 (RFC 8656 section 7.2) and nothing is ever allocated. The first response to either
/// says that the relay is reached; there is a `code` if it was one to the Allocate.
pub async fn reach_turn(server: SocketAddr, limit: Duration) -> Result<Reply, UdpFault> {
    put(server, &[Question::new(ALLOCATE), Question::new(BINDING)], limit).await
}

async fn put(
    server: SocketAddr,
    questions: &[Question],
    limit: Duration,
) -> Result<Reply, UdpFault> {
    let packets: Vec<[u8; HEADER]> = questions.iter().map(Question::packet).collect();
    let datagrams: Vec<&[u8]> = packets.iter().map(<[u8; HEADER]>::as_slice).collect();
    let accept = |bytes: &[u8]| questions.iter().find_map(|question| question.read(bytes));
    let heard = udp::ask(server, &datagrams, limit, accept).await?;
    let Response { mapped, code } = heard.what;
    Ok(Reply { mapped, code, took: heard.took, sent: heard.sent })
}

struct Question {
    method: u16,
    transaction: [u8; 12],
}

#[derive(Debug, Default, PartialEq)]
struct Response {
    mapped: Option<SocketAddr>,
    code: Option<u16>,
}

impl Question {
    fn new(method: u16) -> Self {
        Self { method, transaction: rand::random() }
    }

    fn packet(&self) -> [u8; HEADER] {
        let mut packet = [0; HEADER];
        packet[..2].copy_from_slice(&self.method.to_be_bytes());
        packet[4..8].copy_from_slice(&COOKIE);
        packet[8..].copy_from_slice(&self.transaction);
        packet
    }

    /// None if this is not a well-formed response to the question.
    fn read(&self, bytes: &[u8]) -> Option<Response> {
        let (header, attributes) = bytes.split_first_chunk::<HEADER>()?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let ours = header[4..8] == COOKIE && header[8..] == self.transaction;
        if !ours || length != attributes.len() || length % 4 != 0 {
            return None;
        }
        let response = self.attributes(attributes)?;
        match kind.checked_sub(self.method)? {
            SUCCESS => Some(Response { code: None, ..response }),
            ERROR if response.code.is_some() => Some(Response { mapped: None, ..response }),
            _ => None,
        }
    }

    fn attributes(&self, mut rest: &[u8]) -> Option<Response> {
        let mut response = Response::default();
        while let Some((head, after)) = rest.split_first_chunk::<4>() {
            let kind = u16::from_be_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = after.get(..length)?;
            match kind {
                XOR_MAPPED_ADDRESS => response.mapped = self.unmask(value).or(response.mapped),
                MAPPED_ADDRESS => response.mapped = response.mapped.or(address(value)),
                ERROR_CODE => response.code = code(value),
                _ => {}
            }
            rest = after.get(length.next_multiple_of(4)..)?;
        }
        Some(response)
    }

    /// RFC 8489 section 14.2.
    fn unmask(&self, value: &[u8]) -> Option<SocketAddr> {
        let masked = address(value)?;
        let mask = [COOKIE.as_slice(), &self.transaction].concat();
        let port = masked.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        let ip = match masked.ip() {
            IpAddr::V4(ip) => {
                let mut octets = ip.octets();
                octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
                IpAddr::from(octets)
            }
            IpAddr::V6(ip) => {
                let mut octets = ip.octets();
                octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
                IpAddr::from(octets)
            }
        };
        Some(SocketAddr::new(ip, port))
    }
}

/// RFC 8489 section 14.1.
fn address(value: &[u8]) -> Option<SocketAddr> {
    let ([_, family, port @ ..], octets) = value.split_first_chunk::<4>()?;
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        2 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// RFC 8489 section 14.8.
fn code(value: &[u8]) -> Option<u16> {
    let [_, _, class, number] = *value.first_chunk::<4>()?;
    let class = class & 0b111;
    ((3..=6).contains(&class) && number < 100).then(|| u16::from(class) * 100 + u16::from(number))
}

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING: u16 = 0x0001;
const ALLOCATE: u16 = 0x0003;
/// The class bits of a message type.
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;
const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

#[cfg(test)]
mod tests;
