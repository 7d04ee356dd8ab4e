//! DNS: one question to one server, as a stub resolver on Windows would put it.
//!
//! Every server is asked by itself, because a resolver with several hides a dead one behind a live
//! one. Questions carry no EDNS, as those of the Windows DNS client, so an answer above 512 octets
//! comes truncated and is fetched over TCP: whether TCP 53 is open is thus seen where it matters.

mod name;
mod resolve;
mod servers;
mod wire;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use self::wire::{Question, Reply};
pub use self::{
    name::name_fault,
    resolve::{Lookup, resolve, system_servers},
    servers::{name_of, servers_or_system},
};
use super::{tcp, udp, udp::UdpFault};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    A,
    Aaaa,
    Srv,
}

/// What one server said, over which transport, and how long that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    pub took: Duration,
    pub transport: Transport,
}

/// How a question to one server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Found(Records),
    /// NXDOMAIN.
    NoSuchName,
    /// The name exists, without a record of this kind.
    NoData,
    /// REFUSED: the server does not serve us, or not this zone.
    Refused,
    /// SERVFAIL: most often, the server could not ask its forwarders or those above it.
    ServerFailure,
    /// Another code, by its name (`FORMERR`, `NOTIMP`), or `REFERRAL`: the server sent us on to
    /// others instead of asking them.
    OtherCode(String),
    /// Nothing came back.
    Timeout,
    /// ICMP said no, or there is no route.
    Unreachable(String),
    /// The answer did not fit into a datagram, and why TCP did not bring it either.
    Truncated(String),
    /// What came back was not DNS, or no answer to the question.
    Malformed(String),
    /// Nothing was sent: no name that DNS can carry, no server to ask, or no socket to be had.
    NotAsked(String),
}

/// The records of an answer, in its order, those behind an alias included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    Addresses(Vec<IpAddr>),
    Services(Vec<Service>),
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    /// Lower case, without the final dot; empty where the record says there is no such service.
    pub target: String,
}

/// What carried the answer, or was last tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Asks `server` for the records of one absolute name, with or without its final dot.
pub async fn ask(server: SocketAddr, name: &str, kind: Kind, limit: Duration) -> Answer {
    let started = Instant::now();
    let (outcome, transport) = match Question::new(name, kind) {
        Ok(question) => put(server, &question, started + limit).await,
        Err(why) => (Outcome::NotAsked(why), Transport::Udp),
    };
    Answer { outcome, took: started.elapsed(), transport }
}

/// Asks `server` for the root's address, which any name server answers, if only to refuse: what
/// matters is that something came back.
pub(super) async fn knock(server: SocketAddr, limit: Duration) -> Result<Duration, UdpFault> {
    let question = Question::new(".", Kind::A).map_err(UdpFault::Local)?;
    let heard = udp::ask(server, &[&question.bytes], limit, |bytes| question.read(bytes)).await?;
    Ok(heard.took)
}

async fn put(server: SocketAddr, question: &Question, end: Instant) -> (Outcome, Transport) {
    let limit = end.saturating_duration_since(Instant::now());
    let heard = udp::ask(server, &[&question.bytes], limit, |bytes| question.read(bytes)).await;
    match heard.map(|heard| heard.what) {
        Ok(Reply::Whole(outcome)) => (outcome, Transport::Udp),
        Ok(Reply::Cut) => (put_over_tcp(server, question, end).await, Transport::Tcp),
        Err(fault) => (Outcome::of(fault), Transport::Udp),
    }
}

async fn put_over_tcp(server: SocketAddr, question: &Question, end: Instant) -> Outcome {
    let cut = |why: &dyn fmt::Display| Outcome::Truncated(format!("over TCP: {why}"));
    let limit = end.saturating_duration_since(Instant::now());
    let mut stream = match tcp::connect(server, limit).await {
        Ok((stream, _)) => stream,
        Err(tcp::TcpFault::Other(why)) => return Outcome::NotAsked(why),
        Err(fault) => return cut(&fault),
    };
    let exchange = async {
        stream.write_all(&question.framed()).await?;
        let size = stream.read_u16().await?;
        let mut bytes = vec![0; size.into()];
        stream.read_exact(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    };
    match timeout_at(end, exchange).await {
        Err(_) => cut(&"no answer"),
        Ok(Err(error)) => cut(&error.kind()),
        Ok(Ok(bytes)) => match question.read(&bytes) {
            Some(Reply::Whole(outcome)) => outcome,
            Some(Reply::Cut) => cut(&"truncated again"),
            None => Outcome::Malformed("over TCP came no answer to the question".into()),
        },
    }
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }
}

impl Outcome {
    /// Whether the server knew: a resolver does not ask another one after this.
    pub fn is_conclusive(&self) -> bool {
        match self {
            Self::Found(_) | Self::NoSuchName | Self::NoData => true,
            Self::Refused
            | Self::ServerFailure
            | Self::OtherCode(_)
            | Self::Timeout
            | Self::Unreachable(_)
            | Self::Truncated(_)
            | Self::Malformed(_)
            | Self::NotAsked(_) => false,
        }
    }

    fn of(fault: UdpFault) -> Self {
        match fault {
            UdpFault::Timeout => Self::Timeout,
            UdpFault::Refused => Self::Unreachable(fault.to_string()),
            UdpFault::Unreachable(why) => Self::Unreachable(why),
            UdpFault::Malformed(why) => Self::Malformed(why),
            UdpFault::Local(why) => Self::NotAsked(why),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(Records::Addresses(found)) => write!(f, "{} addresses", found.len()),
            Self::Found(Records::Services(found)) => write!(f, "{} services", found.len()),
            Self::NoSuchName => f.write_str("no such name (NXDOMAIN)"),
            Self::NoData => f.write_str("no record of this kind"),
            Self::Refused => f.write_str("refused to answer (REFUSED)"),
            Self::ServerFailure => f.write_str("server failure (SERVFAIL)"),
            Self::OtherCode(code) => write!(f, "answered {code}"),
            Self::Timeout => f.write_str("no answer"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Truncated(why) => write!(f, "truncated; {why}"),
            Self::Malformed(why) => write!(f, "malformed answer: {why}"),
            Self::NotAsked(why) => write!(f, "not asked: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
