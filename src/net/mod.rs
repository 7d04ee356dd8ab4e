//! Eyes on the network: DNS, TCP, TLS, HTTP, NTP and STUN, as seen from this machine.
//!
//! Each probe says what it saw and how long that took, never whether it is good: a refused port,
//! an unknown issuer, a name that does not exist are facts here, and checks conclude. Nothing is
//! retried beyond what a protocol itself prescribes for lost datagrams, nothing is cached, and no
//! third party's type leaves this room.
//!
//! Durations are taken at the socket. All the work of one [`Prober::look`] runs in one task, so
//! they include whatever that task was busy with, a few milliseconds at worst.

mod address;
pub mod ber;
pub mod cldap;
pub mod dns;
mod endpoint;
pub mod http;
pub mod kerberos;
mod limits;
pub mod ntp;
pub mod rpc;
pub mod stun;
pub mod tcp;
pub mod tls;
mod turnstile;
mod udp;

#[cfg(test)]
pub(crate) mod peers;

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection, whatever carries it.
pub type Stream = Box<dyn Duplex>;

/// What can be read from and written to.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub use self::{
    address::is_public,
    endpoint::{Phases, Probe, Prober, Protocol, Seen, Sighting},
    http::HttpFault,
    limits::Limits,
    tcp::TcpFault,
    turnstile::Turnstile,
    udp::UdpFault,
};
