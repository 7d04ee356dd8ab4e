//! A TLS handshake: whether it completes, and how the chain stands against two trust stores.
//!
//! The chain is judged beside the handshake and never fails it, so that "the certificate is
//! intercepted" and "TLS does not work" stay two facts. Nothing is ever sent on such a connection.

mod roots;
mod verifier;

use std::{io, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, Error, InvalidMessage, ProtocolVersion, client::Resumption, crypto::ring,
    pki_types::ServerName,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub use self::roots::Roots;
use self::verifier::{Recorder, Stores};
use super::Stream;

/// Two trust stores: the public web's, and that of this organisation or machine. A chain known to
/// the second alone has been put there by someone in between.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Stores>);

/// What came of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    pub outcome: Result<(), TlsFault>,
    /// As far as the peer got to showing it, even if the handshake failed afterwards.
    pub chain: Option<Chain>,
    pub took: Duration,
    /// `TLS 1.3` or `TLS 1.2`, once completed.
    pub version: Option<String>,
}

/// The certificates a peer showed. Who vouches for it, whether it is in date and whether it is for
/// the host are told apart, because all of them may be wrong at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub public: Standing,
    pub private: Standing,
    pub dates: Dates,
    /// Whether it is for the host that was asked for.
    pub is_named: bool,
    pub leaf: Certificate,
    /// How many certificates were sent; the first sixteen were looked at.
    pub length: usize,
}

/// How a chain stands against one trust store, its leaf taken to be in date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Trusted,
    UnknownIssuer,
    /// One above the leaf has expired, or is not valid yet.
    Expired,
    NotYetValid,
    /// In webpki's words. A certificate that says it is a CA's is refused as a server's.
    Other(String),
}

/// Whether the leaf is valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    Valid,
    Expired,
    NotYetValid,
}

/// One certificate. Texts are cut at 300 characters, and names after the hundredth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// The DNS names and addresses it is for.
    pub names: Vec<String>,
    /// SHA-256 of the whole certificate, by which one is pinned.
    pub sha256: [u8; 32],
}

/// Why there was no handshake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The peer fell silent.
    #[error("no answer")]
    Timeout,
    /// Connected, then reset or closed: what a filter on the server's name does.
    #[error("connection ended: {0}")]
    Refused(String),
    /// The peer said no in TLS.
    #[error("alert: {0}")]
    Alert(String),
    /// The peer talks something else.
    #[error("not TLS: {0}")]
    NotTls(String),
    #[error("{0}")]
    Other(String),
}

impl Trust {
    pub fn new(public: &Roots, private: &Roots) -> Self {
        let provider = Arc::new(ring::default_provider());
        Self(Arc::new(Stores::new(public, private, provider)))
    }

    /// Shakes hands as a client of `host`, a name or an address, and closes politely.
    ///
    /// A server of TLS 1.3 may object to a client without a certificate only after the client is
    /// done, which then counts as completed.
    pub async fn handshake(&self, stream: TcpStream, host: &str, limit: Duration) -> Handshake {
        let end = Instant::now() + limit;
        let (handshake, stream) = self.open(stream, host, limit).await;
        if let Some(mut stream) = stream {
            // Politeness only: the peer may be gone, and that says nothing.
            let _ = timeout_at(end, stream.shutdown()).await;
        }
        handshake
    }

    /// Shakes hands as [`handshake`](Self::handshake) does, and stays on the line. **Nobody has
    /// vouched for the peer yet**: how its chain stands is in the handshake, and what is sent
    /// before one has looked there may go to anybody.
    pub async fn open(
        &self,
        stream: TcpStream,
        host: &str,
        limit: Duration,
    ) -> (Handshake, Option<Stream>) {
        let started = Instant::now();
        let recorder = Arc::new(Recorder::new(self.0.clone()));
        let talk = self.talk(stream, host, recorder.clone());
        let talked = timeout_at(started + limit, talk).await.unwrap_or(Err(TlsFault::Timeout));
        let took = started.elapsed();
        let (outcome, version, stream) = match talked {
            Err(fault) => (Err(fault.known_as(recorder.chain().is_some())), None, None),
            Ok(stream) => {
                let version = stream.get_ref().1.protocol_version().map(in_words);
                (Ok(()), version, Some(Box::new(stream) as Stream))
            }
        };
        (Handshake { outcome, chain: recorder.chain(), took, version }, stream)
    }

    async fn talk(
        &self,
        stream: TcpStream,
        host: &str,
        recorder: Arc<Recorder>,
    ) -> Result<TlsStream<TcpStream>, TlsFault> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsFault::Other(format!("{host:?} is no name for a server")))?;
        let mut config = ClientConfig::builder_with_provider(self.0.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsFault::Other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(recorder)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| TlsFault::of(&error))
    }
}

impl TlsFault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is kept in its own words")]
    fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::AlertReceived(alert)) => Self::Alert(alert_in_words(&format!("{alert:?}"))),
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                Self::NotTls("what it sent is no TLS record".into())
            }
            Some(Error::InvalidMessage(why)) => Self::NotTls(format!("{why:?}")),
            Some(error) => Self::Other(error.to_string()),
            None => match error.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::UnexpectedEof => Self::Refused(error.kind().to_string()),
                io::ErrorKind::TimedOut => Self::Timeout,
                _ => Self::Other(error.to_string()),
            },
        }
    }

    /// A peer that has shown a chain does talk TLS, however badly.
    fn known_as(self, showed_a_chain: bool) -> Self {
        if let (Self::NotTls(why), true) = (&self, showed_a_chain) {
            return Self::Other(why.clone());
        }
        self
    }
}

/// As RFC 8446, section 6, writes it: `InternalError` is `internal_error`.
fn alert_in_words(name: &str) -> String {
    let mut words = String::new();
    let mut in_capitals = true;
    for sign in name.chars() {
        if sign.is_ascii_uppercase() && !in_capitals {
            words.push('_');
        }
        in_capitals = sign.is_ascii_uppercase();
        words.push(sign.to_ascii_lowercase());
    }
    words.replace("unrecognised", "unrecognized")
}

fn in_words(version: ProtocolVersion) -> String {
    if version == ProtocolVersion::TLSv1_3 {
        "TLS 1.3".into()
    } else if version == ProtocolVersion::TLSv1_2 {
        "TLS 1.2".into()
    } else {
        format!("{version:?}")
    }
}

#[cfg(test)]
mod tests;
