//! The simulated endpoints: TLS, plain HTTP and plain TCP.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::{
    catalogue::{Endpoint, Protocol},
    certificates::Authorities,
    faults::{Active, Behaviour, Certificate, Effect, Switchboard},
    port::{Door, Port},
};

pub(crate) struct Server {
    port: Port,
    peer: Peer,
    switchboard: Switchboard,
}

impl Server {
    pub(crate) async fn bind(
        endpoint: Endpoint,
        authorities: &Arc<Authorities>,
        switchboard: &Switchboard,
    ) -> anyhow::Result<Self> {
        let valid = authorities.server(endpoint.host, Certificate::Valid)?;
        let peer = Peer { endpoint, valid, authorities: Arc::clone(authorities) };
        Ok(Self { port: Port::pick().await?, peer, switchboard: switchboard.clone() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Asks the switchboard about every connection.
    pub(crate) async fn serve(self) {
        let Self { port, peer, switchboard } = self;
        let host = peer.endpoint.host;
        let door = |active: &Active| match active.find(|effect| concerning(host, effect)) {
            Some(Behaviour::Closed) => Door::Closed,
            Some(Behaviour::Full) => Door::Full,
            Some(_) | None => Door::Open,
        };
        let answer = |stream| {
            let behaviour = switchboard.find(|effect| concerning(host, effect));
            let peer = peer.clone();
            async move {
                let answer = time::timeout(PATIENCE, peer.answer(stream, behaviour)).await;
                debug!(host, ?behaviour, ?answer, "answered a connection");
            }
        };
        port.serve(switchboard.watch(), door, answer).await;
    }
}

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(30);

fn concerning(host: &str, effect: Effect) -> Option<Behaviour> {
    match effect {
        Effect::Endpoint(other, behaviour) if other == host => Some(behaviour),
        Effect::Endpoint(..)
        | Effect::Domain(_)
        | Effect::Server(..)
        | Effect::Directory(_)
        | Effect::Controller(..)
        | Effect::Name(..)
        | Effect::Silent(_)
        | Effect::Settings(_) => None,
    }
}

#[derive(Clone)]
struct Peer {
    endpoint: Endpoint,
    valid: Arc<ServerConfig>,
    authorities: Arc<Authorities>,
}

impl Peer {
    async fn answer(
        &self,
        mut stream: TcpStream,
        behaviour: Option<Behaviour>,
    ) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        match behaviour {
            None => self.answer_well(stream).await?,
            Some(Behaviour::Presents(certificate)) => {
                let server = self.authorities.server(self.endpoint.host, certificate)?;
                handshake(stream, server).await?;
            }
            Some(Behaviour::Closed | Behaviour::Full | Behaviour::Silent) => {
                listen(&mut stream).await?;
            }
            Some(Behaviour::Resets) => {
                hear(&mut stream).await?;
                stream.set_zero_linger()?;
            }
            Some(Behaviour::Alerts) => reply(&mut stream, HANDSHAKE_FAILURE).await?,
            Some(Behaviour::SpeaksPlainText) => reply(&mut stream, BAD_REQUEST).await?,
            Some(Behaviour::Garbles) => reply(&mut stream, GARBAGE).await?,
            Some(Behaviour::DemandsProxyAuthentication) => reply(&mut stream, PROXY).await?,
        }
        Ok(())
    }

    async fn answer_well(&self, mut stream: TcpStream) -> io::Result<()> {
        match self.endpoint.protocol {
            Protocol::Tls => handshake(stream, Arc::clone(&self.valid)).await,
            Protocol::Http => reply(&mut stream, OK).await,
            Protocol::Tcp | Protocol::Udp => listen(&mut stream).await,
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const PROXY: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
    proxy-authenticate: Basic realm=\"lab\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const GARBAGE: &[u8] = b"\x00\x17SSH? No. Not HTTP either.\r\n\r\n";
/// A TLS record: alert, TLS 1.2, two bytes long: fatal, `handshake_failure`.
const HANDSHAKE_FAILURE: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];

async fn handshake(stream: TcpStream, server: Arc<ServerConfig>) -> io::Result<()> {
    let mut stream = TlsAcceptor::from(server).accept(stream).await?;
    reply(&mut stream, OK).await
}

/// Waits for the client to speak, which may also just hang up.
async fn reply<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, words: &[u8]) -> io::Result<()> {
    if hear(stream).await? == 0 {
        return Ok(());
    }
    stream.write_all(words).await?;
    stream.shutdown().await?;
    listen(stream).await
}

async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    stream.read(&mut [0; 4096]).await
}

/// Until the client hangs up: whoever closes first with words unread resets the connection.
async fn listen(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while hear(stream).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    };
    use tokio_rustls::TlsConnector;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::catalogue;

    #[tokio::test]
    async fn each_fault_of_an_endpoint_shows_and_leaves_no_trace() {
        for (fault, seen) in [
            ("tcp_refused", "ConnectionRefused"),
            ("tcp_timeout", "no connection"),
            ("tls_timeout", "no answer"),
            ("tls_refused", "ConnectionReset"),
            ("tls_alert", "AlertReceived(HandshakeFailure)"),
            ("tls_malformed", "InvalidMessage(InvalidContentType)"),
            ("certificate_expired", "InvalidCertificate(Expired"),
            ("certificate_not_yet_valid", "InvalidCertificate(NotValidYet"),
            ("certificate_wrong_name", "InvalidCertificate(NotValidForName"),
            ("certificate_untrusted", "InvalidCertificate(UnknownIssuer"),
            ("tls_intercepted", "trusted by the organization alone"),
            ("http_malformed", "not HTTP"),
            ("http_timeout", "no answer"),
            ("proxy_required", "HTTP 407"),
            ("language_packs_blocked", "ConnectionRefused"),
        ] {
            let lab = Bench::of(fault).await;
            assert_eq!(lab.look().await, "well", "before {fault}");
            lab.switchboard.on(fault).unwrap();
            lab.until(seen).await;
            lab.switchboard.off(fault).unwrap();
            lab.until("well").await;
        }
    }

    /// The endpoint that a fault strikes, and a client that trusts the lab's public authority, or
    /// the organization's.
    struct Bench {
        endpoint: Endpoint,
        address: SocketAddr,
        switchboard: Switchboard,
        trusting_public: TlsConnector,
        trusting_corporate: TlsConnector,
        _task: AbortOnDropHandle<()>,
    }

    impl Bench {
        async fn of(fault: &str) -> Self {
            let switchboard = Switchboard::all_off();
            let Effect::Endpoint(host, _) = switchboard.on(fault).unwrap().fault.effect else {
                panic!("{fault} strikes no endpoint")
            };
            switchboard.off(fault).unwrap();
            let row = catalogue::ENDPOINTS.iter().find(|row| row.host == host).unwrap();
            let authorities = Arc::new(Authorities::found().unwrap());
            let server = Server::bind(*row, &authorities, &switchboard).await.unwrap();
            Self {
                endpoint: *row,
                address: server.address(),
                switchboard,
                trusting_public: connector(&authorities.public_roots()),
                trusting_corporate: connector(&authorities.private_roots()),
                _task: AbortOnDropHandle::new(tokio::spawn(server.serve())),
            }
        }

        /// A port opens and closes a moment after its switch.
        async fn until(&self, seen: &str) {
            let until = async {
                while !self.look().await.starts_with(seen) {
                    time::sleep(Duration::from_millis(10)).await;
                }
            };
            if time::timeout(Duration::from_secs(10), until).await.is_err() {
                panic!("{:?} instead of {seen:?}", self.look().await);
            }
        }

        async fn look(&self) -> String {
            let stream = match time::timeout(BRIEFLY, TcpStream::connect(self.address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return format!("{:?}", error.kind()),
                Err(_) => return "no connection".to_owned(),
            };
            let look = async {
                match self.endpoint.protocol {
                    Protocol::Tls => self.look_at_tls(stream).await,
                    Protocol::Http => look_at_http(stream).await,
                    Protocol::Tcp | Protocol::Udp => "well".to_owned(),
                }
            };
            time::timeout(BRIEFLY, look).await.unwrap_or_else(|_| "no answer".to_owned())
        }

        async fn look_at_tls(&self, stream: TcpStream) -> String {
            let name = ServerName::try_from(self.endpoint.host).unwrap();
            let error = match self.trusting_public.connect(name.clone(), stream).await {
                Ok(stream) => return look_at_http(stream).await,
                Err(error) => error,
            };
            let stream = TcpStream::connect(self.address).await.unwrap();
            if self.trusting_corporate.connect(name, stream).await.is_ok() {
                return "trusted by the organization alone".to_owned();
            }
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            inner.map_or_else(|| format!("{:?}", error.kind()), |inner| format!("{inner:?}"))
        }
    }

    async fn look_at_http<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: lab\r\n\r\n").await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        match reply.strip_prefix(b"HTTP/1.1 ") {
            Some(rest) if rest.starts_with(b"200") => "well".to_owned(),
            Some(rest) => format!("HTTP {}", String::from_utf8_lossy(&rest[..3])),
            None => "not HTTP".to_owned(),
        }
    }

    fn connector(roots: &str) -> TlsConnector {
        let mut store = RootCertStore::empty();
        store.add(CertificateDer::from_pem_slice(roots.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(client))
    }

    const BRIEFLY: Duration = Duration::from_millis(300);
}
