//! The child's end of the tunnel: it signs in, says how that went, and seals.
//!
//! Standard input is a socket to our parent, standard output one to the domain controller's LDAP.
//! There is nothing else to do in this process, so libkrb5 may block it.

use std::{
    cell::RefCell,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
};

use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext as _},
    credential::{Cred, CredUsage},
    error::Error as GssError,
    name::Name,
    oid::{
        GSS_MECH_KRB5, GSS_NT_KRB5_ENTERPRISE_NAME, GSS_NT_KRB5_PRINCIPAL, GSS_NT_USER_NAME, OidSet,
    },
};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::{TcpStream, UnixStream},
};

use super::{
    KerberosFault,
    errand::Errand,
    sasl::{self, Answer, Length},
};

/// Does the whole work of `anc-healthd kerberos-tunnel`.
pub async fn serve() -> io::Result<()> {
    let parent = StdUnixStream::from(own(&io::stdin())?);
    let server = std::net::TcpStream::from(own(&io::stdout())?);
    parent.set_nonblocking(true)?;
    server.set_nonblocking(true)?;
    let mut parent = BufReader::new(UnixStream::from_std(parent)?);
    let mut server = TcpStream::from_std(server)?;

    let errand = errand(&mut parent).await?;
    let outcome = sign_in(errand, &mut server).await;
    let said: Result<(), &KerberosFault> = outcome.as_ref().map(|_| ());
    let mut line = serde_json::to_vec(&said)?;
    line.push(b'\n');
    parent.write_all(&line).await?;
    match outcome {
        Ok(seal) => relay(parent, server, seal).await,
        Err(_) => Ok(()),
    }
}

/// A signed in context, and how many octets it may seal at once.
struct Seal {
    context: ClientCtx,
    most: usize,
}

fn own(descriptor: &impl AsFd) -> io::Result<OwnedFd> {
    descriptor.as_fd().try_clone_to_owned()
}

async fn errand(parent: &mut BufReader<UnixStream>) -> io::Result<Errand> {
    let mut line = Vec::new();
    parent.take(LONGEST_ERRAND).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

/// RFC 4752 section 3.1: tokens go to and fro until the context stands, then the server offers
/// security layers, and we choose.
async fn sign_in(errand: Errand, server: &mut TcpStream) -> Result<Seal, KerberosFault> {
    let mut context = context(errand).map_err(refused)?;
    let mut challenge: Option<Vec<u8>> = None;
    let mut most = None;
    for id in 1..=MOST_ROUNDS {
        let token = if context.is_complete() {
            if !context.flags().map_err(refused)?.contains(CtxFlags::GSS_C_CONF_FLAG) {
                return Err(broken("it does not seal"));
            }
            let offer =
                context.unwrap(challenge.as_deref().unwrap_or_default()).map_err(refused)?;
            most = Some(room(&offer)?);
            context.wrap(false, &sasl::choice(OUR_ROOM)).map_err(refused)?.to_vec()
        } else {
            let token = context.step(challenge.as_deref(), None).map_err(refused)?;
            token.map_or_else(Vec::new, |token| token.to_vec())
        };
        match (ask(server, id, &token).await?, most) {
            (Answer::Go(_), Some(_)) => return Err(broken("it wants more than there is to say")),
            (Answer::Go(token), None) => challenge = Some(token),
            (Answer::Bound, Some(most)) => return Ok(Seal { context, most }),
            (Answer::Bound, None) => return Err(broken("it takes us in without sealing")),
            (Answer::Refused { code, text }, _) => return Err(KerberosFault::Ldap { code, text }),
        }
    }
    Err(broken("it never comes to an end"))
}

/// Asks for a ticket for the account, with the password; for the service, `step` asks later.
fn context(errand: Errand) -> Result<ClientCtx, GssError> {
    let kind = if errand.client.contains('@') {
        // A user principal name need not end in the name of the domain: the KDC finds out.
        GSS_NT_KRB5_ENTERPRISE_NAME
    } else {
        GSS_NT_USER_NAME
    };
    let client = Name::new(errand.client.as_bytes(), Some(kind))?;
    let service = Name::new(errand.service.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))?;
    let mut kerberos = OidSet::new();
    kerberos.add(GSS_MECH_KRB5)?;
    let (password, usage) = (&errand.password, CredUsage::Initiate);
    let ticket =
        Cred::acquire_with_password(Some(&client), password, None, usage, Some(&kerberos))?;
    let flags = CtxFlags::GSS_C_MUTUAL_FLAG
        | CtxFlags::GSS_C_CONF_FLAG
        | CtxFlags::GSS_C_INTEG_FLAG
        | CtxFlags::GSS_C_REPLAY_FLAG
        | CtxFlags::GSS_C_SEQUENCE_FLAG;
    Ok(ClientCtx::new(Some(ticket), service, flags, Some(GSS_MECH_KRB5)))
}

/// How much the server takes of what is not sealed yet.
fn room(offer: &[u8]) -> Result<usize, KerberosFault> {
    let size = sasl::offer(offer).ok_or_else(|| broken("it does not offer to seal"))?;
    match size.saturating_sub(SEALING_ADDS).min(MOST_AT_ONCE) {
        0 => Err(broken("it takes less than a sealed octet")),
        most => Ok(most),
    }
}

fn refused(error: GssError) -> KerberosFault {
    let text = error.to_string().trim().to_owned();
    match error.minor.wrapping_sub(KERBEROS_ERRORS) {
        code @ 1..=0xff => KerberosFault::Refused { code: code.cast_signed(), text },
        _ => KerberosFault::Broken(text),
    }
}

fn broken(what: &str) -> KerberosFault {
    KerberosFault::Broken(format!("the domain controller: {what}"))
}

async fn ask(server: &mut TcpStream, id: u8, token: &[u8]) -> Result<Answer, KerberosFault> {
    let exchange = async {
        server.write_all(&sasl::request(id, token)).await?;
        message(server).await
    };
    let message = exchange.await.map_err(|error| broken(&error.to_string()))?;
    sasl::answer(&message, id).ok_or_else(|| broken("it does not answer the bind"))
}

/// Reads an LDAP message, and returns what is in it.
async fn message(server: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut start = [0; 2];
    server.read_exact(&mut start).await?;
    let size = match sasl::length(start).ok_or_else(|| invalid("this is not LDAP"))? {
        Length::Known(size) => size,
        Length::Follows(count) => {
            let mut octets = [0; 4];
            server.read_exact(&mut octets[..count]).await?;
            sasl::number(&octets[..count])
        }
    };
    exactly(server, size).await
}

/// Ends when either side ends, or breaks the protocol.
async fn relay(parent: BufReader<UnixStream>, server: TcpStream, seal: Seal) -> io::Result<()> {
    let (from_parent, to_parent) = tokio::io::split(parent);
    let (from_server, to_server) = server.into_split();
    let context = RefCell::new(seal.context);
    tokio::select! {
        ended = outward(from_parent, to_server, &context, seal.most) => ended,
        ended = inward(from_server, to_parent, &context) => ended,
    }
}

async fn outward(
    mut clear: impl AsyncRead + Unpin,
    mut sealed: impl AsyncWrite + Unpin,
    context: &RefCell<ClientCtx>,
    most: usize,
) -> io::Result<()> {
    let mut buffer = vec![0; most];
    loop {
        let size = clear.read(&mut buffer).await?;
        if size == 0 {
            return Ok(());
        }
        let wrapped = context.borrow_mut().wrap(true, &buffer[..size]).map_err(invalid)?.to_vec();
        let length = u32::try_from(wrapped.len()).map_err(invalid)?;
        sealed.write_all(&[&length.to_be_bytes(), wrapped.as_slice()].concat()).await?;
    }
}

async fn inward(
    mut sealed: impl AsyncRead + Unpin,
    mut clear: impl AsyncWrite + Unpin,
    context: &RefCell<ClientCtx>,
) -> io::Result<()> {
    loop {
        let size = usize::try_from(sealed.read_u32().await?).map_err(invalid)?;
        let wrapped = exactly(&mut sealed, size).await?;
        let unwrapped = context.borrow_mut().unwrap(&wrapped).map_err(invalid)?.to_vec();
        clear.write_all(&unwrapped).await?;
    }
}

/// Takes memory only for what really comes.
async fn exactly(from: &mut (impl AsyncRead + Unpin), size: usize) -> io::Result<Vec<u8>> {
    if size > LONGEST {
        return Err(invalid("too long a message"));
    }
    let mut octets = Vec::new();
    from.take(size as u64).read_to_end(&mut octets).await?;
    if octets.len() == size { Ok(octets) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The base of libkrb5's codes (`ERROR_TABLE_BASE_krb5`), which are counted from there as RFC 4120
/// counts its own.
const KERBEROS_ERRORS: u32 = 0x96c7_3a00;
const MOST_ROUNDS: u8 = 8;
const LONGEST_ERRAND: u64 = 64 * 1024;
/// What the server may send at once, sealed.
const OUR_ROOM: u32 = 256 * 1024;
/// It is not held to that by the octet.
const LONGEST: usize = 256 * 1024 + 4096;
/// No more is sealed at once, whatever the server takes.
const MOST_AT_ONCE: usize = 16 * 1024;
/// Some 60 octets with AES.
const SEALING_ADDS: usize = 256;
