//! Ports on loopback that nobody has.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ephemeral ports, so that no outgoing connection takes one between two steps of a test.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;
/// 127.64.0.0/14, for ports that are given.
const FIRST_HOST: u32 = 0x7f40_0000;
const HOSTS: u32 = 0x0004_0000;

/// An address on loopback whose port is free for both TCP and UDP, and handed out only once.
pub fn free_address() -> SocketAddr {
    static HANDED_OUT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(97);
    (0..COUNT)
        .map(|_| HANDED_OUT.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % COUNT + FIRST)
        .map(|port| loopback(u16::try_from(port).unwrap()))
        .find(|address| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok())
        .expect("no free port on loopback")
}

/// An address on loopback where nothing listens: TCP is reset, UDP gets "port unreachable".
pub fn refused_address() -> SocketAddr {
    free_address()
}

/// An address on loopback, other than 127.0.0.1, where `port` is free for UDP: for what has a port
/// that nobody may choose.
pub fn free_address_with(port: u16) -> SocketAddr {
    static HANDED_OUT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(251);
    (0..HOSTS)
        .map(|_| HANDED_OUT.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % HOSTS)
        .map(|host| (Ipv4Addr::from(FIRST_HOST + host), port).into())
        .find(|address| UdpSocket::bind(address).is_ok())
        .expect("the port is taken on all of loopback")
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
