//! LDAP over TCP: plain, sealed from the start, or sealed by StartTLS.

use std::{future, io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{
    ber::{self, Element, Read},
    controller::Controller,
    garbage,
    message::{Operation, Request},
    session::{Next, Session},
};
use crate::{
    dns::DOMAIN,
    faults::{Conduct, Handshake},
};

pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Answers whatever a client asks, until either hangs up.
pub(super) async fn serve(
    controller: &Controller,
    stream: TcpStream,
    is_sealed: bool,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream: Box<dyn Wire> = Box::new(stream);
    if is_sealed {
        stream = handshake(controller, stream).await?;
    }
    let (conditions, tree) = (controller.conditions.clone(), Arc::clone(&controller.tree));
    let mut session = Session { conditions, tree, is_sealed, is_bound: false };
    let mut heard = Vec::new();
    while let Some(message) = hear(&mut stream, &mut heard).await? {
        if controller.conditions.conducts_itself(Conduct::Mute) {
            continue;
        }
        time::sleep(controller.conditions.slowness()).await;
        let Some(request) = Request::of(message) else { return Ok(()) };
        let is_sign_in = matches!(request.operation, Operation::Bind(..));
        if let Some(garbage) = controller.garbage().filter(|_| !is_sign_in) {
            return Ok(garbage::send(&mut stream, garbage, &request).await?);
        }
        match session.respond(request) {
            Next::HangUp => return Ok(()),
            Next::Answers(answers) => say(&mut stream, answers).await?,
            Next::StartTls(answer) => {
                say(&mut stream, vec![answer]).await?;
                stream = handshake(controller, stream).await?;
                session.is_sealed = true;
            }
        }
    }
    Ok(())
}

/// How much of a message is kept until the rest of it comes.
const LONGEST: usize = 256 * 1024;

/// The next message; none when the client has hung up. `heard` is what came before its time.
async fn hear(stream: &mut Box<dyn Wire>, heard: &mut Vec<u8>) -> io::Result<Option<Element>> {
    loop {
        match ber::read(heard) {
            Read::Whole(message, length) => {
                heard.drain(..length);
                return Ok(Some(message));
            }
            Read::Part if heard.len() < LONGEST => {}
            Read::Part | Read::Malformed => return Err(io::ErrorKind::InvalidData.into()),
        }
        if stream.read_buf(heard).await? == 0 {
            return Ok(None);
        }
    }
}

async fn say(stream: &mut Box<dyn Wire>, messages: Vec<Element>) -> io::Result<()> {
    let octets: Vec<u8> = messages.into_iter().flat_map(ber::written).collect();
    stream.write_all(&octets).await?;
    stream.flush().await
}

async fn handshake(
    controller: &Controller,
    mut stream: Box<dyn Wire>,
) -> anyhow::Result<Box<dyn Wire>> {
    let trouble = |it| if let Conduct::Handshake(trouble) = it { Some(trouble) } else { None };
    let Some(trouble) = controller.conditions.find(trouble) else {
        let acceptor = TlsAcceptor::from(controller.certificate()?);
        return Ok(Box::new(acceptor.accept(stream).await?));
    };
    let _hello = stream.read(&mut [0; 4096]).await?;
    match trouble {
        Handshake::Alerts => stream.write_all(HANDSHAKE_FAILURE).await?,
        Handshake::SpeaksPlainText => stream.write_all(PLAIN_TEXT).await?,
        Handshake::HangsUp => {}
        Handshake::Silent => future::pending().await,
    }
    stream.shutdown().await?;
    anyhow::bail!("no TLS with {}.{DOMAIN}", controller.conditions.which.host())
}

/// A TLS record: alert, TLS 1.2, two bytes long: fatal, `handshake_failure`.
const HANDSHAKE_FAILURE: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
/// A notice of disconnection (RFC 4511, section 4.4.1), as whoever speaks plain LDAP gives.
const PLAIN_TEXT: &[u8] =
    b"\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x02\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20036";
