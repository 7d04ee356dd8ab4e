//! Why there is no talking to a domain controller.

use super::Answer;
use crate::net::{
    TcpFault,
    tls::{Chain, TlsFault},
};

/// What kept a session from opening, or ended it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Tcp(TcpFault),
    #[error("{0}")]
    Tls(TlsFault),
    /// The chain does not lead to a root that was given, is out of date, or is for another name:
    /// it says which. No password was sent.
    #[error("its certificate ({}) cannot be relied on", .0.leaf.subject)]
    Untrusted(Box<Chain>),
    /// The chain is sound, and its leaf is none of those that were pinned.
    #[error("its certificate ({}) is none of the pinned ones", .0.leaf.subject)]
    NotPinned(Box<Chain>),
    #[error("it refused StartTLS: {0}")]
    StartTlsRefused(Answer),
    /// What came is not LDAP, or more than any answer to us may be.
    #[error("what it sent is not LDAP: {0}")]
    Malformed(String),
    #[error("it ended the connection: {0}")]
    Closed(String),
    #[error("no answer")]
    Timeout,
    /// This machine had no means to ask, or no time left.
    #[error("{0}")]
    Local(String),
}

impl Fault {
    /// Whether it says something about this machine, and nothing about the domain controller.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Tcp(TcpFault::Other(_)))
    }
}
