//! Peers on loopback for the tests of this room and of `directory`: silent, deaf, closed, or answering as told.

use std::{
    future::Future,
    net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// A port nobody listens on, for TCP and UDP.
pub(crate) fn closed() -> SocketAddr {
    pair().1.local_addr().unwrap()
}

/// Takes datagrams and never reads them. Keep the socket, or the port closes.
pub(crate) fn silent_udp() -> (StdUdpSocket, SocketAddr) {
    let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Lets the kernel accept, and never says a word. Keep the listener, or the port closes.
pub(crate) fn silent_tcp() -> (StdTcpListener, SocketAddr) {
    let listener = StdTcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Has its backlog full, so that the kernel drops each SYN. Keep all of it.
pub(crate) async fn deaf_tcp() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(50), TcpStream::connect(address)).await {
        held.push(stream.unwrap());
    }
    (listener, address, held)
}

/// Answers each datagram with those that `answer` makes of it.
pub(crate) fn udp(answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(echo(socket, answer));
    address
}

/// The same, with a TCP listener of the same port beside it, for the caller to use.
pub(crate) fn udp_beside_silent_tcp(
    answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (StdTcpListener, SocketAddr) {
    let (socket, listener) = pair();
    let address = socket.local_addr().unwrap();
    tokio::spawn(echo(socket, answer));
    listener.set_nonblocking(true).unwrap();
    (listener, address)
}

/// Hands every connection to `talk`.
pub(crate) async fn tcp<F: Future<Output = ()> + Send + 'static>(
    talk: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// Reads a first word, answers with `words`, and closes.
pub(crate) async fn saying(words: &'static [u8]) -> SocketAddr {
    tcp(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(words).await;
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await
}

/// A DNS server of `zone`, over UDP and TCP.
pub(crate) fn dns(zone: Zone) -> SocketAddr {
    let whole = Zone { cuts: false, ..zone.clone() };
    let reply = move |bytes: &[u8], zone: &Zone| {
        let answer = zone.answer(&Message::from_vec(bytes).unwrap());
        answer.map(|message| message.to_vec().unwrap())
    };
    let over_udp = move |bytes: &[u8]| Vec::from_iter(reply(bytes, &zone));
    let (listener, address) = udp_beside_silent_tcp(over_udp);
    tokio::spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut question).await.unwrap();
            let Some(answer) = reply(&question, &whole) else { continue };
            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address
}

/// What a DNS server knows, and how it misbehaves.
#[derive(Clone, Default)]
pub(crate) struct Zone {
    pub(crate) records: Vec<Record>,
    pub(crate) code: ResponseCode,
    /// Sets the TC bit over UDP and leaves the records out.
    pub(crate) cuts: bool,
    /// Names the name servers of the zone above instead of answering.
    pub(crate) sends_on: bool,
    pub(crate) deaf_to: Option<RecordType>,
}

impl Zone {
    pub(crate) fn code(code: ResponseCode) -> Self {
        Self { code, ..Self::default() }
    }

    pub(crate) fn a(self, name: &str, address: [u8; 4]) -> Self {
        self.with(name, RData::A(rdata::A(address.into())))
    }

    pub(crate) fn aaaa(self, name: &str, address: &str) -> Self {
        self.with(name, RData::AAAA(rdata::AAAA(address.parse().unwrap())))
    }

    pub(crate) fn alias(self, name: &str, target: &str) -> Self {
        self.with(name, RData::CNAME(rdata::CNAME(Name::from_ascii(target).unwrap())))
    }

    pub(crate) fn srv(
        self,
        name: &str,
        (priority, weight, port): (u16, u16, u16),
        target: &str,
    ) -> Self {
        let target = Name::from_ascii(target).unwrap();
        self.with(name, RData::SRV(rdata::SRV::new(priority, weight, port, target)))
    }

    fn with(mut self, name: &str, data: RData) -> Self {
        self.records.push(Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data));
        self
    }

    /// Aliases are answered with everything the zone has, as a recursive server would.
    pub(crate) fn answer(&self, question: &Message) -> Option<Message> {
        let query = &question.queries[0];
        if self.deaf_to == Some(query.query_type) {
            return None;
        }
        let mut reply = Message::response(question.id, question.op_code);
        reply.metadata.response_code = self.code;
        reply.metadata.truncation = self.cuts;
        reply.add_query(query.clone());
        let fits = |record: &&Record| {
            let kind = record.record_type();
            kind == query.query_type || kind == RecordType::CNAME
        };
        if !self.cuts {
            reply.add_answers(self.records.iter().filter(fits).cloned());
        }
        if self.sends_on {
            let server = RData::NS(rdata::NS(Name::from_ascii("ns.com.").unwrap()));
            reply.add_authority(Record::from_rdata(Name::from_ascii("com.").unwrap(), 60, server));
        }
        Some(reply)
    }
}

/// A certificate authority.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

/// What a server proves itself with.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name = called(name);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(params, key) }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The authority's own certificate, which no server should have.
    pub(crate) fn own_identity(&self) -> Identity {
        let key = self.issuer.key().serialize_der();
        (vec![self.certificate.der().clone()], PrivateKeyDer::Pkcs8(key.into()))
    }

    /// Valid for so many days from and until now: `-30..-1` has expired.
    pub(crate) fn identity(&self, host: &str, days: std::ops::Range<i64>) -> Identity {
        let mut params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
        params.distinguished_name = called(host);
        params.not_before = OffsetDateTime::now_utc() + time::Duration::days(days.start);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days.end);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![certificate.der().clone(), self.certificate.der().clone()];
        (chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// A certificate that vouches for itself.
pub(crate) fn self_signed(host: &str) -> Identity {
    let own = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = own.signing_key.serialize_der();
    (vec![own.cert.der().clone()], PrivateKeyDer::Pkcs8(key.into()))
}

fn called(name: &str) -> rcgen::DistinguishedName {
    let mut names = rcgen::DistinguishedName::new();
    names.push(rcgen::DnType::CommonName, name);
    names
}

/// Completes handshakes, and reads until the client closes.
pub(crate) async fn tls(identity: Identity) -> SocketAddr {
    let acceptor = acceptor(identity);
    tcp(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 16]).await;
            }
        }
    })
    .await
}

/// The server's side of a handshake.
pub(crate) fn acceptor(identity: Identity) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.0, identity.1)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A port that is free for UDP and for TCP.
fn pair() -> (StdUdpSocket, StdTcpListener) {
    loop {
        let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(listener) = StdTcpListener::bind(socket.local_addr().unwrap()) {
            return (socket, listener);
        }
    }
}

async fn echo(socket: StdUdpSocket, mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>>) {
    socket.set_nonblocking(true).unwrap();
    let socket = UdpSocket::from_std(socket).unwrap();
    let mut buffer = [0; 2048];
    while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
        for datagram in answer(&buffer[..size]) {
            socket.send_to(&datagram, from).await.unwrap();
        }
    }
}

/// Octets as they were written down, two digits each.
pub(crate) fn octets(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
