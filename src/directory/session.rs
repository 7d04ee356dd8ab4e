//! A session with one domain controller, on the crate ldap3.
//!
//! TCP, TLS and StartTLS are our own, so that limits, names and trust are ours; what the server
//! then sends passes the guard. One thing is asked at a time.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope as LdapScope,
    SearchEntry, SearchOptions, StdStream,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, Fault, guard::guard, message};
use crate::net::{
    Stream, tcp,
    tls::{Chain, Dates, Standing, TlsFault, Trust},
};

/// An LDAP session. Dropping it closes the connection.
pub struct Session {
    ldap: Ldap,
    limit: Duration,
    ended: Arc<OnceLock<Fault>>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// A session that nobody can listen to, with a server that has proved who it is: the only kind
/// that a password goes through.
#[derive(Debug)]
pub struct Sealed {
    session: Session,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    FromTheStart,
    /// By StartTLS.
    OnRequest,
}

/// Whom to take for a domain controller: a chain to one of the roots, in date, for its name; and,
/// where certificates are pinned, one of these.
#[derive(Clone)]
pub struct Anchors {
    /// The roots that count are its private ones.
    pub trust: Trust,
    /// SHA-256 of certificates; empty: any.
    pub pins: Vec<[u8; 32]>,
}

/// How far a search reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Base,
    OneLevel,
    Subtree,
}

/// What a search brought: its answer, and as many entries as were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub entries: Vec<Entry>,
    pub answer: Answer,
}

/// An object, as far as it was asked for and may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// By name in lower case.
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Session {
    /// Opens a session without protection: for what may be read by anybody.
    pub async fn plain(address: SocketAddr, limit: Duration) -> Result<Self, Fault> {
        let (stream, _) = tcp::connect(address, limit).await.map_err(Fault::Tcp)?;
        Self::over(Box::new(stream), limit).await
    }

    /// Opens a session over a connection that stands. `limit` is that of each operation.
    pub(super) async fn over(stream: Stream, limit: Duration) -> Result<Self, Fault> {
        let local = |error: &dyn fmt::Display| Fault::Local(error.to_string());
        let guarded = guard(stream, limit).map_err(|error| local(&error))?;
        guarded.near.set_nonblocking(true).map_err(|error| local(&error))?;
        let settings = LdapConnSettings::new()
            .set_std_stream(StdStream::Unix(guarded.near))
            .set_conn_timeout(limit);
        let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///")
            .await
            .map_err(|error| local(&error))?;
        let driver = tokio::spawn(async move {
            // Why it ended, the guard knows better.
            let _ = driver.drive().await;
        });
        let tasks = [guarded.task, AbortOnDropHandle::new(driver)];
        Ok(Self { ldap, limit, ended: guarded.ended, _tasks: tasks })
    }

    /// One object, or why there is none to see.
    pub async fn read(
        &mut self,
        name: &str,
        attributes: &[&str],
    ) -> Result<Result<Entry, Answer>, Fault> {
        let found = self.search(name, Scope::Base, "(objectClass=*)", attributes, 1).await?;
        let Found { entries, answer } = found;
        Ok(match entries.into_iter().next() {
            Some(entry) => Ok(entry),
            None if answer.is_done() => Err(Answer::new(NO_SUCH_OBJECT, "it cannot be seen")),
            None => Err(answer),
        })
    }

    /// At most `most` objects. References to other servers are not followed.
    pub async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        most: u16,
    ) -> Result<Found, Fault> {
        let scope = match scope {
            Scope::Base => LdapScope::Base,
            Scope::OneLevel => LdapScope::OneLevel,
            Scope::Subtree => LdapScope::Subtree,
        };
        let options = SearchOptions::new().sizelimit(i32::from(most));
        let search = self.ldap.with_timeout(self.limit).with_search_options(options);
        let search = search.search(base, scope, filter, attributes);
        let found = timeout(self.limit * 2, search).await.map_err(|_| Fault::Timeout)?;
        let found = self.heard(found).await?;
        let (entries, mut answer) = (found.0, answer(&found.1));
        if entries.len() > usize::from(most) && answer.is_done() {
            // Samba gives all there is, whatever was asked for.
            answer = Answer::new(SIZE_LIMIT_EXCEEDED, "more came than was asked for");
        }
        let entries = entries.into_iter().take(usize::from(most));
        let entries = entries.map(|entry| Entry::of(SearchEntry::construct(entry))).collect();
        Ok(Found { entries, answer })
    }

    pub async fn add(
        &mut self,
        name: &str,
        attributes: &[(&str, &[&str])],
    ) -> Result<Answer, Fault> {
        let attributes = attributes.iter().map(|(kind, values)| {
            let values: HashSet<String> = values.iter().map(|it| (*it).to_owned()).collect();
            ((*kind).to_owned(), values)
        });
        let attributes = attributes.collect();
        let added = self.ldap.with_timeout(self.limit).add(name, attributes).await;
        Ok(answer(&self.heard(added).await?))
    }

    /// Puts one value in the place of all that the attribute has.
    pub async fn replace(
        &mut self,
        name: &str,
        attribute: &str,
        value: &str,
    ) -> Result<Answer, Fault> {
        let change = Mod::Replace(attribute.to_owned(), HashSet::from([value.to_owned()]));
        let changed = self.ldap.with_timeout(self.limit).modify(name, vec![change]).await;
        Ok(answer(&self.heard(changed).await?))
    }

    pub async fn delete(&mut self, name: &str) -> Result<Answer, Fault> {
        let deleted = self.ldap.with_timeout(self.limit).delete(name).await;
        Ok(answer(&self.heard(deleted).await?))
    }

    /// What ldap3 says, or else what the guard saw.
    async fn heard<T>(&self, said: Result<T, LdapError>) -> Result<T, Fault> {
        let error = match said {
            Ok(said) => return Ok(said),
            Err(LdapError::Timeout { .. }) => return Err(Fault::Timeout),
            Err(LdapError::FilterParsing) => return Err(Fault::Local("a bad filter".into())),
            Err(error) => error,
        };
        let until = Instant::now() + A_MOMENT;
        while self.ended.get().is_none() && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
        Err(self.ended.get().cloned().unwrap_or_else(|| Fault::Closed(error.to_string())))
    }
}

impl Sealed {
    /// Opens a protected session with the server at `address`, which must show a certificate for
    /// `host`. Nothing is sent to a server that does not.
    pub async fn open(
        address: SocketAddr,
        host: &str,
        tls: Tls,
        anchors: &Anchors,
        limit: Duration,
    ) -> Result<Self, Fault> {
        let (mut stream, _) = tcp::connect(address, limit).await.map_err(Fault::Tcp)?;
        if tls == Tls::OnRequest {
            let asked = timeout(limit, start_tls(&mut stream)).await;
            asked.unwrap_or(Err(Fault::Tls(TlsFault::Timeout)))?;
        }
        let (handshake, stream) = anchors.trust.open(stream, host, limit).await;
        handshake.outcome.map_err(Fault::Tls)?;
        let chain = handshake.chain.ok_or_else(|| Fault::Malformed("no certificate".into()))?;
        anchors.accept(chain)?;
        let stream = stream.ok_or_else(|| Fault::Closed("during the handshake".into()))?;
        Ok(Self { session: Session::over(stream, limit).await? })
    }

    /// A session whose protection someone else saw to.
    #[cfg(feature = "kerberos")]
    pub(super) fn of(session: Session) -> Self {
        Self { session }
    }

    /// Simple bind. An empty password would be a bind as nobody, which servers accept
    /// (RFC 4513, section 5.1.2): it is not sent.
    pub async fn bind(&mut self, user: &str, password: &SecretString) -> Result<Answer, Fault> {
        let password = password.expose_secret();
        if user.is_empty() || password.is_empty() {
            return Err(Fault::Local("user or password is empty".into()));
        }
        let limit = self.session.limit;
        let bound = self.session.ldap.with_timeout(limit).simple_bind(user, password).await;
        Ok(answer(&self.session.heard(bound).await?))
    }

    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Anchors {
    fn accept(&self, chain: Chain) -> Result<(), Fault> {
        let vouched = chain.private == Standing::Trusted && chain.dates == Dates::Valid;
        if !vouched || !chain.is_named {
            return Err(Fault::Untrusted(Box::new(chain)));
        }
        if self.pins.is_empty() || self.pins.contains(&chain.leaf.sha256) {
            return Ok(());
        }
        Err(Fault::NotPinned(Box::new(chain)))
    }
}

impl Entry {
    fn of(entry: SearchEntry) -> Self {
        let mut attributes: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let texts = entry.attrs.into_iter();
        let texts = texts
            .map(|(kind, values)| (kind, values.into_iter().map(String::into_bytes).collect()));
        for (kind, mut values) in texts.chain(entry.bin_attrs) {
            attributes.entry(kind.to_ascii_lowercase()).or_default().append(&mut values);
        }
        Self { name: entry.dn, attributes }
    }

    /// The values that are UTF-8.
    pub fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        let values = self.attributes.get(&attribute.to_ascii_lowercase());
        values.into_iter().flatten().filter_map(|value| str::from_utf8(value).ok())
    }

    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.texts(attribute).next()
    }

    pub fn number<T: std::str::FromStr>(&self, attribute: &str) -> Option<T> {
        self.text(attribute)?.parse().ok()
    }

    pub fn octets(&self, attribute: &str) -> Option<&[u8]> {
        let values = self.attributes.get(&attribute.to_ascii_lowercase())?;
        values.first().map(Vec::as_slice)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Anchors({} pins)", self.pins.len())
    }
}

fn answer(said: &LdapResult) -> Answer {
    Answer::new(said.rc, &said.text)
}

/// Asks for TLS. The server must say yes and nothing more: what follows in the clear would be taken
/// for something said under TLS.
async fn start_tls(stream: &mut TcpStream) -> Result<(), Fault> {
    let closed = |error: std::io::Error| Fault::Tls(TlsFault::Refused(error.kind().to_string()));
    stream.write_all(START_TLS).await.map_err(closed)?;
    let mut heard = Vec::new();
    loop {
        let malformed = |why: message::Malformed| Fault::Malformed(why.to_string());
        match message::size(&heard).map_err(malformed)? {
            Some(size) if heard.len() > size => {
                return Err(Fault::Malformed("data after the answer to StartTLS".into()));
            }
            Some(size) if heard.len() == size => {
                let (code, text) = message::extended(&heard).map_err(malformed)?;
                let answer = Answer::new(code, &text);
                let done = answer.is_done();
                return if done { Ok(()) } else { Err(Fault::StartTlsRefused(answer)) };
            }
            Some(_) | None => (),
        }
        if stream.read_buf(&mut heard).await.map_err(closed)? == 0 {
            return Err(Fault::Tls(TlsFault::Refused("after StartTLS was asked for".into())));
        }
    }
}

/// ExtendedRequest 1.3.6.1.4.1.1466.20037, message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// In which the guard says why a connection ended, after ldap3 has seen that it did.
const A_MOMENT: Duration = Duration::from_millis(100);
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
