//! LDAP sealed by Kerberos (port 389, SASL GSSAPI), dug by a process of its own.
//!
//! libkrb5 takes its settings from environment variables, which a whole process shares; it is C
//! that reads what strangers send; and it looks for KDCs as it likes. So the sign-in and the
//! sealing are done by a child: this same program, run as `anc-healthd kerberos-tunnel`, without
//! our environment and with one socket for us and one for the domain controller. To the KDC it
//! gets through our `gate` alone.
//!
//! - `tunnel`, here: starts the child, hears how it went, and is the stream of clear LDAP.
//! - `gate`: what passes to the KDC. No wrong password passes twice.
//! - `child`: the other end. `sasl`: the octets of the sign-in over LDAP.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::Path,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use tempfile::NamedTempFile;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader, ReadBuf,
    },
    net::{TcpStream, UnixStream},
    process::{Child, Command},
    time::timeout,
};

pub use self::{child::serve, fault::KerberosFault};
use self::{errand::Errand, gate::Gate};
use crate::net::tcp;

mod child;
mod errand;
pub mod fault;
mod gate;
mod sasl;

/// Which domain controller.
#[derive(Clone, Debug)]
pub struct Target {
    /// Of LDAP.
    pub address: SocketAddr,
    pub kdc: SocketAddr,
    /// Its DNS name, for which it must prove to have the key.
    pub host: String,
    /// The DNS name of its domain, which is the realm in small letters.
    pub domain: String,
}

/// Who signs in: by user principal name (`user@suffix`) or plainly, as sAMAccountName.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    pub username: &'a str,
    pub password: &'a SecretString,
}

/// LDAP in the clear on our side, signed in, and sealed on the way to the domain controller. It
/// ends when either side ends; why is not told. Dropping it kills the child.
#[derive(Debug)]
pub struct Tunnel {
    stream: BufReader<UnixStream>,
    _child: Child,
    /// libkrb5 may read it again at any time.
    _settings: NamedTempFile,
}

/// Connects and signs in, all within `limit`. Half of it is for a server to answer a connection,
/// or for the KDC to answer a question, so that it can be told who was silent.
///
/// The password is shown to the KDC once at most, and only when LDAP can be reached.
pub async fn tunnel(
    to: &Target,
    account: Account<'_>,
    limit: Duration,
) -> Result<Tunnel, KerberosFault> {
    tunnel_by(Path::new(OURSELVES), to, account, limit).await
}

/// The same with another program as the child: for tests, which are not `anc-healthd` themselves.
pub async fn tunnel_by(
    program: &Path,
    to: &Target,
    account: Account<'_>,
    limit: Duration,
) -> Result<Tunnel, KerberosFault> {
    let dug = Box::pin(dig(program, to, account, limit / 2));
    timeout(limit, dug).await.unwrap_or(Err(KerberosFault::Timeout))
}

async fn dig(
    program: &Path,
    to: &Target,
    account: Account<'_>,
    patience: Duration,
) -> Result<Tunnel, KerberosFault> {
    let (ldap, _) = tcp::connect(to.address, patience)
        .await
        .map_err(|fault| KerberosFault::Unreachable { address: to.address, fault })?;
    let errand = Errand::new(to, account.username, account.password.expose_secret());
    let errand = Zeroizing::new(errand.line());
    let (gate, settings, mut child, stream) = begin(program, to, ldap).map_err(no_child)?;
    let mut stream = BufReader::new(stream);
    tokio::select! {
        outcome = outcome(&mut stream, &errand, &mut child) => outcome?,
        fault = gate.watch(patience) => return Err(fault),
    }
    Ok(Tunnel { stream, _child: child, _settings: settings })
}

/// Everything that is ours to start: the gate, the settings that lead to it, and the child.
fn begin(
    program: &Path,
    to: &Target,
    ldap: TcpStream,
) -> io::Result<(Gate, NamedTempFile, Child, UnixStream)> {
    let gate = Gate::open(to.kdc)?;
    // Only its owner can read it.
    let mut settings = NamedTempFile::new()?;
    settings.write_all(libkrb5_settings(&to.domain, gate.address()?).as_bytes())?;
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(program)
        .arg(SUBCOMMAND)
        .env_clear()
        .env("KRB5_CONFIG", settings.path())
        .env("KRB5CCNAME", "MEMORY:")
        .stdin(Stdio::from(OwnedFd::from(theirs.into_std()?)))
        .stdout(Stdio::from(OwnedFd::from(ldap.into_std()?)))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok((gate, settings, child, ours))
}

fn no_child(error: io::Error) -> KerberosFault {
    KerberosFault::NoChild(error.to_string())
}

/// Sends the child on its errand, and hears how it went.
async fn outcome(
    stream: &mut BufReader<UnixStream>,
    errand: &[u8],
    child: &mut Child,
) -> Result<(), KerberosFault> {
    // A child that ends at once does not read; how it ended is told below.
    let _ = stream.write_all(errand).await;
    let mut line = Vec::new();
    let read = stream.take(LONGEST_OUTCOME).read_until(b'\n', &mut line).await;
    if read.is_ok() && line.ends_with(b"\n") {
        let outcome: Result<Result<(), KerberosFault>, _> = serde_json::from_slice(&line);
        return outcome.unwrap_or_else(|error| Err(KerberosFault::Broken(error.to_string())));
    }
    let status = child.wait().await.map_err(no_child)?;
    Err(match status.signal() {
        Some(_) => KerberosFault::Broken(format!("the child was ended by {status}")),
        None => KerberosFault::NoChild(format!("it ended without a word, {status}")),
    })
}

/// The gate instead of the KDC, over TCP; nothing is looked up, and nothing else is asked.
fn libkrb5_settings(domain: &str, gate: SocketAddr) -> String {
    let realm = domain.to_uppercase();
    format!(
        "[libdefaults]
  default_realm = {realm}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  dns_uri_lookup = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = {gate}
    primary_kdc = {gate}
  }}
[domain_realm]
  .{domain} = {realm}
  {domain} = {realm}
"
    )
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The very file that runs, even when an upgrade has put another one in its place.
const OURSELVES: &str = "/proc/self/exe";
/// The hidden command of the child.
const SUBCOMMAND: &str = "kerberos-tunnel";
const LONGEST_OUTCOME: u64 = 64 * 1024;
