//! What a domain controller itself has recorded: who signed in and how, and what was changed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::Dc;

/// Who keeps the books, and who prepares the test: neither is what a test asks for.
const SYSTEM: &str = "S-1-5-18";
const ADMINISTRATOR: &str = "Administrator";

/// Where the domain controller does not say which of its addresses was asked.
pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// One record, in the order of the log. Its `Display` is a line for a test to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    Bind(Bind),
    Session(Session),
    Change(Change),
}

/// An account and a password (or its Kerberos equivalent) were presented, rightly or wrongly. A bind
/// on 389 without TLS is refused before it gets here: there is no record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// As it was given; empty when nobody's.
    pub account: String,
    /// `NT_STATUS_OK`, `NT_STATUS_WRONG_PASSWORD`, …
    pub status: String,
    pub tls: bool,
    /// `LDAP`, or `Kerberos KDC`.
    pub service: String,
    /// `simple bind/TLS`, or `ENC-TS Pre-authentication`.
    pub method: String,
    pub client: SocketAddr,
    /// Its port tells LDAPS from StartTLS. The KDC does not say: `NOWHERE`.
    pub server: SocketAddr,
}

/// A connection that now acts as an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `ANONYMOUS LOGON` when nobody's.
    pub account: String,
    /// `simple bind`, `krb5`, or `no bind`.
    pub method: String,
    /// `TLS`, `SEAL`, `SIGN` or `NONE`.
    pub protection: String,
    pub client: SocketAddr,
    pub server: SocketAddr,
}

/// An addition, a modification or a deletion was asked for, and granted or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `Add`, `Modify` or `Delete`.
    pub operation: String,
    pub dn: String,
    /// Who asked, by the account's name.
    pub account: String,
    /// The values given for each attribute; none of a password.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// The LDAP result code.
    pub code: u64,
    /// `Success`, `insufficient access rights`, …
    pub status: String,
    pub client: SocketAddr,
}

impl Dc<'_> {
    /// All since it started, but for what Administrator and the directory itself did.
    pub fn audit(&self) -> Vec<AuditEvent> {
        let mut accounts = BTreeMap::new();
        let log = self.server.log();
        log.lines()
            .filter_map(|line| serde_json::from_str(line.trim()).ok())
            .filter_map(|record| event(&record, &mut accounts))
            .collect()
    }

    pub fn binds(&self) -> Vec<Bind> {
        let bind = |event| if let AuditEvent::Bind(bind) = event { Some(bind) } else { None };
        self.audit().into_iter().filter_map(bind).collect()
    }

    pub fn sessions(&self) -> Vec<Session> {
        let session = |event| if let AuditEvent::Session(it) = event { Some(it) } else { None };
        self.audit().into_iter().filter_map(session).collect()
    }

    pub fn changes(&self) -> Vec<Change> {
        let change = |event| if let AuditEvent::Change(it) = event { Some(it) } else { None };
        self.audit().into_iter().filter_map(change).collect()
    }

    /// Binds and changes, a line each, such as `svc-join adds CN=x,…: 0`.
    pub fn story(&self) -> Vec<String> {
        let told = |event: &AuditEvent| !matches!(event, AuditEvent::Session(_));
        self.audit().iter().filter(|event| told(event)).map(ToString::to_string).collect()
    }
}

impl Change {
    /// The first value given for an attribute.
    pub fn value(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.first().map(String::as_str)
    }
}

impl fmt::Display for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(it) => write!(f, "{} binds by {}: {}", it.account, it.method, it.status),
            Self::Session(it) => {
                write!(f, "{} acts by {} under {}", it.account, it.method, it.protection)
            }
            Self::Change(it) => {
                let verb = match &*it.operation {
                    "Add" => "adds",
                    "Modify" => "modifies",
                    "Delete" => "deletes",
                    other => other,
                };
                write!(f, "{} {verb} {}: {}", it.account, it.dn, it.code)
            }
        }
    }
}

/// `accounts` is who each session is.
fn event(record: &Value, accounts: &mut BTreeMap<String, String>) -> Option<AuditEvent> {
    let kind = record["type"].as_str()?;
    let body = &record[kind];
    let event = match kind {
        "Authentication" => AuditEvent::Bind(bind(body)?),
        "Authorization" => {
            let session = session(body)?;
            accounts.insert(text(body, "sessionId"), session.account.clone());
            AuditEvent::Session(session)
        }
        "dsdbChange" if body["userSid"] != SYSTEM => AuditEvent::Change(change(body, accounts)?),
        _ => return None,
    };
    let account = match &event {
        AuditEvent::Bind(bind) => &bind.account,
        AuditEvent::Session(session) => &session.account,
        AuditEvent::Change(change) => &change.account,
    };
    (account.split('@').next() != Some(ADMINISTRATOR)).then_some(event)
}

fn bind(body: &Value) -> Option<Bind> {
    let method = text(body, "authDescription");
    Some(Bind {
        account: text(body, "clientAccount"),
        status: text(body, "status"),
        tls: method.ends_with("/TLS"),
        service: text(body, "serviceDescription"),
        method,
        client: address(body, "remoteAddress")?,
        server: address(body, "localAddress").unwrap_or(NOWHERE),
    })
}

fn session(body: &Value) -> Option<Session> {
    Some(Session {
        account: text(body, "account"),
        method: text(body, "authType"),
        protection: text(body, "transportProtection"),
        client: address(body, "remoteAddress")?,
        server: address(body, "localAddress")?,
    })
}

fn change(body: &Value, accounts: &BTreeMap<String, String>) -> Option<Change> {
    let attributes = body["attributes"].as_object().into_iter().flatten();
    let values = |attribute: &Value| {
        let actions = attribute["actions"].as_array().into_iter().flatten();
        let values = actions.flat_map(|action| action["values"].as_array().into_iter().flatten());
        values.map(|value| text(value, "value")).collect()
    };
    let account = accounts.get(&text(body, "sessionId"));
    Some(Change {
        operation: text(body, "operation"),
        dn: text(body, "dn"),
        account: account.cloned().unwrap_or_else(|| text(body, "userSid")),
        attributes: attributes.map(|(name, it)| (name.clone(), values(it))).collect(),
        code: body["statusCode"].as_u64()?,
        status: text(body, "status"),
        client: address(body, "remoteAddress")?,
    })
}

fn text(body: &Value, key: &str) -> String {
    body[key].as_str().unwrap_or_default().to_owned()
}

/// Such as `ipv4:127.0.0.1:53084`. None of a unix socket.
fn address(body: &Value, key: &str) -> Option<SocketAddr> {
    let text = body[key].as_str()?;
    let (host, port) = text.strip_prefix("ipv4:")?.rsplit_once(':')?;
    Some(SocketAddr::new(IpAddr::V4(host.parse().ok()?), port.parse().ok()?))
}
