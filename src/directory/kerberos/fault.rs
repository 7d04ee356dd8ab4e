//! Why there is no tunnel.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::net::TcpFault;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum KerberosFault {
    /// The limit passed, and nobody in particular was silent.
    #[error("not signed in within the limit")]
    Timeout,
    /// There is no connection to LDAP or to the KDC, whichever has the address; or the KDC, once
    /// connected, was silent (`TcpFault::Timeout`).
    #[error("{address}: {fault}")]
    #[serde(skip)]
    Unreachable { address: SocketAddr, fault: TcpFault },
    /// The child could not be started, or could not do its work: our fault.
    #[error("no process for the tunnel: {0}")]
    NoChild(String),
    /// Kerberos says no: the KDC by a code of RFC 4120 section 7.5.9, below 0x80 (see [`code`]),
    /// or libkrb5 by a code of its own.
    #[error("Kerberos error {code:#x}: {text}")]
    Refused { code: i32, text: String },
    /// The domain controller refuses the sign-in over LDAP, by an LDAP result code.
    #[error("LDAP result {code}: {text}")]
    Ldap { code: u32, text: String },
    /// What answers does not keep to a protocol, hangs up in the middle, or will not seal.
    #[error("{0}")]
    Broken(String),
}

/// What a KDC answers, as [`KerberosFault::Refused`] has it.
pub mod code {
    /// There is no such account.
    pub const CLIENT_UNKNOWN: i32 = 0x06;
    /// The domain controller has another name: its KDC knows no such `ldap/` principal.
    pub const SERVICE_UNKNOWN: i32 = 0x07;
    /// An account's restriction, such as its logon hours.
    pub const POLICY: i32 = 0x0c;
    /// The account is disabled, locked out or expired. Kerberos does not say which.
    pub const CLIENT_REVOKED: i32 = 0x12;
    /// The password has expired, or must be changed.
    pub const KEY_EXPIRED: i32 = 0x17;
    /// The password is wrong.
    pub const PREAUTHENTICATION_FAILED: i32 = 0x18;
    /// The password is wrong, of an account that need not prove it beforehand: libkrb5 cannot read
    /// its ticket.
    pub const BAD_INTEGRITY: i32 = 0x1f;
    /// The clocks are too far apart.
    pub const CLOCK_SKEW: i32 = 0x25;
    /// The account is of another domain.
    pub const WRONG_REALM: i32 = 0x44;
    /// libkrb5's own: what the KDC answered was no answer.
    pub const NO_KDC: i32 = 0x9c;
}
