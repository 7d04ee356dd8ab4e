//! Signing in, without ever locking the account.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::{
    Anchors, Answer, Attempts, Fault, Key, Permit, Refusal, Sealed, Withheld, session::Tls,
};
#[cfg(feature = "kerberos")]
use super::{Bind, Session};
#[cfg(feature = "kerberos")]
use crate::net::TcpFault;

/// An account with its password, and what is remembered of its refusals.
pub struct Credentials {
    pub user: String,
    /// Its domain and bare name: however it is spelled, refusals count for the same account.
    account: String,
    password: SecretString,
    retry_after: Duration,
    attempts: Attempts,
    key: OnceCell<Key>,
}

/// Where to sign in.
#[derive(Clone, Debug)]
pub struct Door<'a> {
    pub host: &'a str,
    pub address: IpAddr,
    /// Its domain: the realm, where Kerberos is used.
    pub domain: &'a str,
    pub ports: DoorPorts,
    pub protection: Protection,
    pub anchors: &'a Anchors,
    /// Of each step: TCP, TLS, the sign-in, and each operation after it.
    pub limit: Duration,
}

/// The ports of a domain controller by which one signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DoorPorts {
    pub ldap: u16,
    pub ldaps: u16,
    pub kerberos: u16,
}

/// How a password is kept from others on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protection {
    /// TLS from the start (LDAPS).
    Ldaps,
    /// TLS after an LDAP request for it (RFC 4511, section 4.14).
    StartTls,
    /// Not sent at all: the session is sealed by Kerberos (GSSAPI, RFC 4752) on the LDAP port.
    /// Only in builds with the feature `kerberos`.
    Kerberos,
}

/// How a sign-in ended.
#[derive(Debug)]
pub enum Entered {
    In(Sealed),
    /// The domain controller said no.
    Refused(Answer),
    /// Nothing was sent: an earlier refusal stands.
    Withheld(Refusal),
    /// There was nobody to whom a password may be given.
    NotReached(Fault),
    /// The password was sent, and no answer came. It may have counted as a wrong one all the same.
    Unanswered(Fault),
}

impl Credentials {
    /// `domain` is the one to sign in to; `retry_after` is how long a refusal stands.
    pub fn new(
        user: String,
        domain: &str,
        password: SecretString,
        retry_after: Duration,
        attempts: Attempts,
    ) -> Self {
        let bare = user.rsplit('\\').next().unwrap_or(&user);
        let bare = bare.split('@').next().unwrap_or(bare);
        let account = format!("{bare}@{domain}");
        Self { user, account, password, retry_after, attempts, key: OnceCell::new() }
    }

    /// What speaks against a sign-in at `now`, by the wall clock.
    pub async fn withheld(&self, now: SystemTime) -> Option<Refusal> {
        let key = self.key().await.ok()?;
        self.attempts.standing(key, now, self.retry_after).await
    }

    /// Goes through `door`: connects, makes sure who is there, and signs in, unless an earlier
    /// refusal stands at `now`.
    pub async fn enter(&self, door: &Door<'_>, now: SystemTime) -> Entered {
        let tls = match door.protection {
            Protection::Ldaps => Tls::FromTheStart,
            Protection::StartTls => Tls::OnRequest,
            Protection::Kerberos => return self.enter_by_kerberos(door, now).await,
        };
        let at = SocketAddr::new(door.address, door.ports.of(door.protection));
        let opened = Sealed::open(at, door.host, tls, door.anchors, door.limit).await;
        let mut sealed = match opened {
            Ok(sealed) => sealed,
            Err(fault) => return Entered::NotReached(fault),
        };
        let permit = match self.permit(now).await {
            Ok(permit) => permit,
            Err(withheld) => return withheld,
        };
        match sealed.bind(&self.user, &self.password).await {
            Ok(answer) => {
                permit.told(answer.bind(), door.host, now).await;
                if answer.is_done() { Entered::In(sealed) } else { Entered::Refused(answer) }
            }
            Err(fault @ Fault::Local(_)) => {
                permit.unused().await;
                Entered::NotReached(fault)
            }
            Err(fault) => {
                permit.unanswered(door.host).await;
                Entered::Unanswered(fault)
            }
        }
    }

    #[cfg(not(feature = "kerberos"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    async fn enter_by_kerberos(&self, _: &Door<'_>, _: SystemTime) -> Entered {
        Entered::NotReached(Fault::Local("this build has no Kerberos".into()))
    }

    #[cfg(feature = "kerberos")]
    async fn enter_by_kerberos(&self, door: &Door<'_>, now: SystemTime) -> Entered {
        use super::kerberos::{self, KerberosFault};

        let at = |port| SocketAddr::new(door.address, port);
        let (address, kdc) = (at(door.ports.ldap), at(door.ports.kerberos));
        let (host, domain) = (door.host.to_owned(), door.domain.to_owned());
        let target = kerberos::Target { address, kdc, host, domain };
        let account = kerberos::Account { username: &self.user, password: &self.password };
        let permit = match self.permit(now).await {
            Ok(permit) => permit,
            Err(withheld) => return withheld,
        };
        // Two connections, a ticket and a sign-in.
        let refused = match kerberos::tunnel(&target, account, door.limit * 2).await {
            Ok(tunnel) => {
                permit.told(Bind::Accepted, door.host, now).await;
                let session = Session::over(Box::new(tunnel), door.limit).await;
                return session.map_or_else(Entered::NotReached, |it| Entered::In(Sealed::of(it)));
            }
            Err(KerberosFault::Refused { code, text }) => Answer::of_kerberos(code, &text),
            Err(KerberosFault::Ldap { code, text }) => Answer::new(code, &text),
            // The KDC may have been shown the password, and fallen silent over it.
            Err(KerberosFault::Unreachable { address, fault: TcpFault::Timeout })
                if address != target.address =>
            {
                permit.unanswered(door.host).await;
                return Entered::Unanswered(Fault::Closed("its KDC: no answer".into()));
            }
            Err(KerberosFault::Unreachable { address, fault }) => {
                permit.unused().await;
                return Entered::NotReached(if address == target.address {
                    Fault::Tcp(fault)
                } else {
                    Fault::Closed(format!("its KDC: {fault}"))
                });
            }
            // It may have come as far as that before it ended.
            Err(KerberosFault::NoChild(why)) => {
                permit.unanswered(door.host).await;
                return Entered::NotReached(Fault::Local(why));
            }
            Err(KerberosFault::Timeout) => {
                permit.unanswered(door.host).await;
                return Entered::Unanswered(Fault::Timeout);
            }
            Err(KerberosFault::Broken(why)) => {
                permit.unanswered(door.host).await;
                return Entered::Unanswered(Fault::Malformed(why));
            }
        };
        permit.told(refused.bind(), door.host, now).await;
        Entered::Refused(refused)
    }

    async fn permit(&self, now: SystemTime) -> Result<Permit, Entered> {
        let unusable = |why| Entered::NotReached(Fault::Local(why));
        let key = self.key().await.map_err(unusable)?;
        let permit = self.attempts.permit(key, now, self.retry_after).await;
        permit.map_err(|withheld| match withheld {
            Withheld::Refused(refusal) => Entered::Withheld(refusal),
            Withheld::Unusable(why) => unusable(why),
        })
    }

    async fn key(&self) -> Result<&Key, String> {
        let derive = || async {
            let (attempts, account) = (self.attempts.clone(), self.account.clone());
            let password = self.password.clone();
            let derived = tokio::task::spawn_blocking(move || attempts.key(&account, &password));
            match derived.await {
                Ok(key) => key,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        };
        self.key.get_or_try_init(derive).await
    }
}

impl DoorPorts {
    /// The one that is knocked at.
    pub fn of(self, protection: Protection) -> u16 {
        match protection {
            Protection::Ldaps => self.ldaps,
            Protection::StartTls | Protection::Kerberos => self.ldap,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
