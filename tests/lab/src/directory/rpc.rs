//! The endpoint mapper of RPC (MS-RPCE; C706, appendix O): it tells on which port Netlogon is, as
//! who joins a domain asks.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::conditions::Conditions;
use crate::faults::Conduct;

/// Answers bindings and requests until the client hangs up, or says something else.
pub(super) async fn serve(
    conditions: &Conditions,
    netlogon: u16,
    mut stream: TcpStream,
) -> io::Result<()> {
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await?;
        let length = u16::from_le_bytes([header[8], header[9]]);
        let mut body = vec![0; usize::from(length).saturating_sub(HEADER)];
        stream.read_exact(&mut body).await?;
        let answer = match header[2] {
            BIND => bound(&body).map(|body| (BIND_ACK, body)),
            REQUEST => requested(conditions, netlogon, &header, &body),
            _ => None,
        };
        let Some((kind, body)) = answer else { return Ok(()) };
        stream.write_all(&packet(kind, &header, &body)).await?;
    }
}

const HEADER: usize = 16;
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const FAULT: u8 = 3;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;

/// With the call's number, in one fragment, little-endian.
fn packet(kind: u8, request: &[u8; HEADER], body: &[u8]) -> Vec<u8> {
    const FIRST_AND_LAST: u8 = 3;
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX).to_le_bytes();
    let [a, b] = length;
    let head = [5, 0, kind, FIRST_AND_LAST, 0x10, 0, 0, 0, a, b, 0, 0];
    [&head[..], &request[12..], body].concat()
}

/// An interface, or a way to write its arguments, with its version.
type Syntax = [u8; 20];

const ENDPOINT_MAPPER: Syntax = [
    0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa,
    3, 0, 0, 0,
];
const NDR: Syntax = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
    2, 0, 0, 0,
];
/// Without its minor version.
const NETLOGON: [u8; 18] = [
    0x78, 0x56, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0xcf, 0xfb,
    1, 0,
];

/// Each context that is offered is accepted if it is the endpoint mapper, written in NDR.
fn bound(body: &[u8]) -> Option<Vec<u8>> {
    const ACCEPTED: [u8; 4] = [0; 4];
    const UNKNOWN_INTERFACE: [u8; 4] = [2, 0, 1, 0];
    const UNKNOWN_SYNTAX: [u8; 4] = [2, 0, 2, 0];
    const PORT: &[u8] = b"\x04\x00135\0\0\0";
    const GROUP: [u8; 4] = [0x4c, 0x41, 0x42, 0];
    let (sizes, rest) = body.split_first_chunk::<4>()?;
    let (count, mut rest) = rest.get(4..)?.split_first_chunk::<4>()?;
    let mut results = Vec::new();
    for _ in 0..count[0] {
        let (context, after) = rest.split_first_chunk::<4>()?;
        let (interface, mut after) = after.split_first_chunk::<20>()?;
        let mut has_ndr = false;
        for _ in 0..context[2] {
            let syntax;
            (syntax, after) = after.split_first_chunk::<20>()?;
            has_ndr |= *syntax == NDR;
        }
        let result = match (*interface == ENDPOINT_MAPPER, has_ndr) {
            (true, true) => [&ACCEPTED[..], &NDR].concat(),
            (true, false) => [&UNKNOWN_SYNTAX[..], &[0; 20]].concat(),
            (false, _) => [&UNKNOWN_INTERFACE[..], &[0; 20]].concat(),
        };
        results.extend(result);
        rest = after;
    }
    Some([&sizes[..], &GROUP, PORT, &count[..1], &[0; 3], &results].concat())
}

fn requested(
    conditions: &Conditions,
    netlogon: u16,
    header: &[u8; HEADER],
    body: &[u8],
) -> Option<(u8, Vec<u8>)> {
    const MAP: [u8; 2] = [3, 0];
    const HAS_OBJECT: u8 = 0x80;
    const UNKNOWN_OPERATION: [u8; 8] = [0x02, 0, 0x01, 0x1c, 0, 0, 0, 0];
    let (head, stub) = body.split_first_chunk::<8>()?;
    let context = &head[4..6];
    if head[6..] != MAP {
        let body = [&[0; 4], context, &[0, 0], &UNKNOWN_OPERATION].concat();
        return Some((FAULT, body));
    }
    let stub = if header[3] & HAS_OBJECT == 0 { stub } else { stub.get(16..)? };
    let interface = interface(stub)?;
    let is_known = interface.first_chunk() == Some(&NETLOGON)
        && !conditions.conducts_itself(Conduct::NetlogonNotRegistered);
    let known = is_known.then(|| tower(conditions.which.address().octets(), netlogon));
    let stub = mapped(known.as_deref());
    let length = u32::try_from(stub.len()).ok()?.to_le_bytes();
    Some((RESPONSE, [&length, context, &[0, 0], &stub].concat()))
}

/// The identifier and version in the first floor of the tower that is asked for.
fn interface(stub: &[u8]) -> Option<&[u8]> {
    const UUID: u8 = 0x0d;
    let (object, mut rest) = stub.split_first_chunk::<4>()?;
    if *object != [0; 4] {
        rest = rest.get(16..)?;
    }
    // A pointer, how much there is, how long it is, and how many floors it has.
    let floor = rest.get(14..)?;
    let (length, floor) = floor.split_first_chunk::<2>()?;
    let floor = floor.get(..usize::from(u16::from_le_bytes(*length)))?;
    floor.strip_prefix(&[UUID])
}

/// Netlogon over TCP, at this address.
fn tower(address: [u8; 4], port: u16) -> Vec<u8> {
    const CONNECTION_ORIENTED: u8 = 0x0b;
    const TCP: u8 = 0x07;
    const IP: u8 = 0x09;
    let [major, minor] = [&NDR[..18], &NDR[18..]];
    let floors: [(u8, &[u8], &[u8]); 5] = [
        (0x0d, &NETLOGON, &[0, 0]),
        (0x0d, major, minor),
        (CONNECTION_ORIENTED, &[], &[0, 0]),
        (TCP, &[], &port.to_be_bytes()),
        (IP, &[], &address),
    ];
    let length = |part: usize| u16::try_from(part).unwrap_or(u16::MAX).to_le_bytes();
    let mut tower = length(floors.len()).to_vec();
    for (protocol, left, right) in floors {
        tower.extend(length(1 + left.len()));
        tower.push(protocol);
        tower.extend(left);
        tower.extend(length(right.len()));
        tower.extend(right);
    }
    tower
}

/// The results of `ept_map`: no handle, and one tower or none.
fn mapped(tower: Option<&[u8]>) -> Vec<u8> {
    const HANDLE: [u8; 20] = [0; 20];
    const REFERENT: u32 = 3;
    const NOT_REGISTERED: u32 = 0x16c9_a0d6;
    let words =
        |words: &[u32]| words.iter().copied().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    let Some(tower) = tower else {
        return [&HANDLE[..], &words(&[0, 0, 0, 0, NOT_REGISTERED])].concat();
    };
    let length = u32::try_from(tower.len()).unwrap_or(0);
    // How many, room for how many, from where, how many, and then each.
    let head = words(&[1, 4, 0, 1, REFERENT, length, length]);
    let padding = vec![0; tower.len().next_multiple_of(4) - tower.len()];
    [&HANDLE[..], &head, tower, &padding, &words(&[0])].concat()
}
