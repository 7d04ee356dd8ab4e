//! A domain controller's part in a conversation, word for word.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::{
    directory::{Anchors, Door, DoorPorts, Protection},
    net::{
        Stream,
        ber::{self, tlv},
        peers::{self, Authority, Identity},
        tls::{Roots, Trust},
    },
};

pub(super) const LIMIT: Duration = Duration::from_millis(300);
/// How long more than its limit an operation may take on a busy machine.
pub(super) const LEEWAY: Duration = Duration::from_millis(200);
pub(super) const HOST: &str = "dc1.corp.contoso.com";
pub(super) const USER: &str = "svc-join@corp.contoso.com";
pub(super) const PASSWORD: &str = "Join!Passw0rd";
pub(super) const WRONG_PASSWORD: &str =
    "80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data 52e, v4563\n\0";

pub(super) const BIND: u8 = 0x61;
pub(super) const DONE: u8 = 0x65;
pub(super) const STARTED: u8 = 0x78;

/// A result: code and text.
pub(super) fn result(id: u8, operation: u8, code: u8, text: &[u8]) -> Vec<u8> {
    let text = tlv(4, text);
    message(id, &tlv(operation, &[&[0x0a, 1, code, 4, 0][..], &text].concat()))
}

pub(super) fn entry(id: u8, name: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let attributes = attributes.iter().flat_map(|(kind, values)| {
        let values: Vec<u8> = values.iter().flat_map(|value| tlv(4, value)).collect();
        tlv(0x30, &[tlv(4, kind.as_bytes()), tlv(0x31, &values)].concat())
    });
    let attributes = tlv(0x30, &attributes.collect::<Vec<u8>>());
    message(id, &tlv(0x64, &[tlv(4, name.as_bytes()), attributes].concat()))
}

pub(super) fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, id][..], operation].concat())
}

/// Of a message: its id, and the operation that ends its answer.
pub(super) fn asked(message: &[u8]) -> (u8, u8) {
    let whole = ber::read(message).unwrap().0.content;
    let (id, rest) = ber::read(whole).unwrap();
    let operation = ber::read(rest).unwrap().0.tag;
    let answered =
        if operation == 0x4a { 0x6b } else { operation + if operation == 0x63 { 2 } else { 1 } };
    (*id.content.last().unwrap(), answered)
}

/// One whole message; none at the end of the stream.
pub(super) async fn hear(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut heard = Vec::new();
    loop {
        if let Ok((element, rest)) = ber::read(&heard) {
            assert!(rest.is_empty(), "one thing is asked at a time: {element:?}");
            return Some(heard);
        }
        if stream.read_buf(&mut heard).await.ok()? == 0 {
            return None;
        }
    }
}

/// Says yes to everything, until the other side goes.
pub(super) async fn agree(mut stream: Stream) {
    while let Some(heard) = hear(&mut stream).await {
        let (id, operation) = asked(&heard);
        if stream.write_all(&result(id, operation, 0, b"")).await.is_err() {
            return;
        }
    }
}

/// Answers the first message with `words`, and then only listens.
pub(super) async fn say(mut stream: Stream, words: Vec<u8>) {
    hear(&mut stream).await;
    let _ = stream.write_all(&words).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// A peer on loopback that takes the connection over by TLS, and then does `talk`.
pub(super) async fn sealed<F: Future<Output = ()> + Send + 'static>(
    identity: Identity,
    talk: impl Fn(Stream) -> F + Clone + Send + 'static,
) -> SocketAddr {
    let acceptor = peers::acceptor(identity);
    peers::tcp(move |stream| {
        let (acceptor, talk) = (acceptor.clone(), talk.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                talk(Box::new(stream)).await;
            }
        }
    })
    .await
}

/// The same, after it was asked for StartTLS.
pub(super) async fn started<F: Future<Output = ()> + Send + 'static>(
    identity: Identity,
    talk: impl Fn(Stream) -> F + Clone + Send + 'static,
) -> SocketAddr {
    let acceptor = peers::acceptor(identity);
    peers::tcp(move |mut stream| {
        let (acceptor, talk) = (acceptor.clone(), talk.clone());
        async move {
            stream.read_exact(&mut [0; 31]).await.unwrap();
            stream.write_all(&result(1, STARTED, 0, b"")).await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                talk(Box::new(stream)).await;
            }
        }
    })
    .await
}

/// Both ends of a connection.
pub(super) fn ends() -> (Stream, DuplexStream) {
    let (near, far) = duplex(64 * 1024);
    (Box::new(near), far)
}

/// What peers heard, all of them together.
#[derive(Clone, Default)]
pub(super) struct Record(Arc<Mutex<Vec<u8>>>);

impl Record {
    pub(super) fn keep(&self, octets: &[u8]) {
        self.0.lock().unwrap().extend(octets);
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        self.0.lock().unwrap().windows(text.len()).any(|octets| octets == text.as_bytes())
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// An authority that is trusted, and one that is not.
pub(super) struct Lab {
    pub(super) ours: Authority,
    pub(super) theirs: Authority,
    pub(super) anchors: Anchors,
}

impl Lab {
    pub(super) fn new() -> Self {
        let (ours, theirs) = (Authority::new("Contoso Root"), Authority::new("Nobody"));
        let roots = |it: &Authority| Roots::from_pem(it.pem().as_bytes()).unwrap();
        // What the public web trusts does not count here.
        let trust = Trust::new(&roots(&theirs), &roots(&ours));
        let anchors = Anchors { trust, pins: Vec::new() };
        Self { ours, theirs, anchors }
    }

    pub(super) fn good(&self) -> Identity {
        self.ours.identity(HOST, -1..30)
    }

    pub(super) fn door(&self, address: SocketAddr, protection: Protection) -> Door<'_> {
        let port = address.port();
        Door {
            host: HOST,
            address: address.ip(),
            domain: "corp.contoso.com",
            ports: DoorPorts { ldap: port, ldaps: port, kerberos: port },
            protection,
            anchors: &self.anchors,
            limit: LIMIT,
        }
    }
}
