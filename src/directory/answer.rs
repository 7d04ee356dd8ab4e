//! What a domain controller's answer means: by result code first (RFC 4511, appendix A), then by
//! the Win32 code that its text begins with, then by the `data` of a refused bind; never by prose,
//! which differs from build to build and is Samba's own in Samba.
//!
//! The codes are those of MS-ERREF section 2.2 and of Microsoft's "LDAP result codes" as they
//! appear in answers of Windows and Samba.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of one operation, as the server gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// LDAP result code.
    pub code: u32,
    /// The eight hexadecimal digits that the text begins with. Samba often leaves them out.
    pub win32: Option<u32>,
    /// Of a refused bind: the hexadecimal number after `data`.
    pub data: Option<u32>,
    /// Trimmed, in one line, at most 200 characters: for people.
    pub text: String,
}

/// What came of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bind {
    Accepted,
    /// User or password: domain controllers do not say which.
    WrongCredentials,
    LockedOut,
    Disabled,
    AccountExpired,
    /// Logon hours, workstations, or another restriction of the account.
    Restricted,
    /// Disabled, locked or expired: Kerberos does not say which.
    Revoked,
    PasswordExpired,
    MustChangePassword,
    /// A simple bind is refused on an unprotected connection.
    SigningRequired,
    ChannelBindingRequired,
    /// Busy or unavailable.
    NotOperational,
    /// Refused in a way that we have no word for.
    Refused,
    /// An error that is no refusal of user or password.
    Failed,
}

/// What came of a search or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Done,
    /// More than was asked for: what came is the beginning.
    Cut,
    NoSuchObject,
    /// What was given is no distinguished name.
    BadName,
    /// A referral: the name belongs to another domain.
    Elsewhere,
    AccessDenied,
    QuotaExceeded,
    /// An object of that name stands in the same container.
    NameTaken,
    /// An account of that name stands elsewhere in the domain.
    AccountTaken,
    NotOperational,
    Refused,
}

impl Answer {
    pub(super) fn new(code: u32, text: &str) -> Self {
        let win32 = text.get(..9).and_then(|start| start.strip_suffix(':')).and_then(hexadecimal);
        let plain: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        let words: Vec<&str> = plain.split_whitespace().collect();
        let text = words.join(" ").chars().take(LONGEST_TEXT).collect();
        let data = data(&words).filter(|_| code == INVALID_CREDENTIALS);
        Self { code, win32, data, text }
    }

    /// What a KDC says of an account, as a domain controller would say it over LDAP. It knows fewer
    /// words: "revoked" is an account that is disabled, locked or expired.
    #[cfg(feature = "kerberos")]
    pub(super) fn of_kerberos(code: i32, text: &str) -> Self {
        use super::kerberos::fault::code::{
            BAD_INTEGRITY, CLIENT_REVOKED, CLIENT_UNKNOWN, CLOCK_SKEW, KEY_EXPIRED, NO_KDC, POLICY,
            PREAUTHENTICATION_FAILED, SERVICE_UNKNOWN,
        };
        let (result, data) = match code {
            CLIENT_UNKNOWN | PREAUTHENTICATION_FAILED | BAD_INTEGRITY => {
                (INVALID_CREDENTIALS, Some(ERROR_LOGON_FAILURE))
            }
            CLIENT_REVOKED => (INVALID_CREDENTIALS, Some(KERBEROS_REVOKED)),
            POLICY => (INVALID_CREDENTIALS, Some(ERROR_ACCOUNT_RESTRICTION)),
            KEY_EXPIRED => (INVALID_CREDENTIALS, Some(ERROR_PASSWORD_EXPIRED)),
            // Of the domain controller, and not of the account.
            SERVICE_UNKNOWN | CLOCK_SKEW | NO_KDC => (UNAVAILABLE, None),
            _ => (OTHER, None),
        };
        let told = Self::new(result, &format!("Kerberos error {code:#x}: {text}"));
        Self { data, ..told }
    }

    pub fn bind(&self) -> Bind {
        match self.code {
            SUCCESS => Bind::Accepted,
            STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => Bind::SigningRequired,
            BUSY | UNAVAILABLE => Bind::NotOperational,
            INVALID_CREDENTIALS => match (self.win32, self.data) {
                (Some(SEC_E_BAD_BINDINGS), _) | (_, Some(SEC_E_BAD_BINDINGS)) => {
                    Bind::ChannelBindingRequired
                }
                (_, Some(ERROR_NO_SUCH_USER | ERROR_LOGON_FAILURE)) => Bind::WrongCredentials,
                (_, Some(ERROR_ACCOUNT_RESTRICTION..=ERROR_INVALID_WORKSTATION)) => {
                    Bind::Restricted
                }
                (_, Some(KERBEROS_REVOKED)) => Bind::Revoked,
                (_, Some(ERROR_PASSWORD_EXPIRED)) => Bind::PasswordExpired,
                (_, Some(ERROR_ACCOUNT_DISABLED)) => Bind::Disabled,
                (_, Some(ERROR_ACCOUNT_EXPIRED)) => Bind::AccountExpired,
                (_, Some(ERROR_PASSWORD_MUST_CHANGE)) => Bind::MustChangePassword,
                (_, Some(ERROR_ACCOUNT_LOCKED_OUT)) => Bind::LockedOut,
                (_, Some(ERROR_NO_LOGON_SERVERS)) => Bind::NotOperational,
                _ => Bind::Refused,
            },
            _ => Bind::Failed,
        }
    }

    pub fn outcome(&self) -> Outcome {
        match (self.code, self.win32) {
            (SUCCESS, _) => Outcome::Done,
            (SIZE_LIMIT_EXCEEDED | TIME_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED, _) => Outcome::Cut,
            (REFERRAL, _) => Outcome::Elsewhere,
            (NO_SUCH_OBJECT, _) => Outcome::NoSuchObject,
            (INVALID_DN_SYNTAX, _) => Outcome::BadName,
            (INSUFFICIENT_ACCESS_RIGHTS, _) => Outcome::AccessDenied,
            (ENTRY_ALREADY_EXISTS, Some(ERROR_USER_EXISTS)) => Outcome::AccountTaken,
            // Samba gives the same code for both, and a text only for an account elsewhere.
            (ENTRY_ALREADY_EXISTS, _) => Outcome::NameTaken,
            (_, Some(ERROR_DS_MACHINE_ACCOUNT_QUOTA_EXCEEDED)) => Outcome::QuotaExceeded,
            (BUSY | UNAVAILABLE | SERVER_DOWN, _) => Outcome::NotOperational,
            _ => Outcome::Refused,
        }
    }

    pub fn is_done(&self) -> bool {
        self.code == SUCCESS
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LDAP result {}", self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " ({})", self.text) }
    }
}

/// `data 52e,` as 0x52e: the last that is a number, since prose comes before it.
fn data(words: &[&str]) -> Option<u32> {
    let numbers = words.windows(2).filter(|pair| pair[0] == "data");
    numbers.rev().find_map(|pair| hexadecimal(pair[1].trim_end_matches(',')))
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // The standard library would take a sign as well.
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

const LONGEST_TEXT: usize = 200;

const SUCCESS: u32 = 0;
const TIME_LIMIT_EXCEEDED: u32 = 3;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const STRONGER_AUTH_REQUIRED: u32 = 8;
const REFERRAL: u32 = 10;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;
const CONFIDENTIALITY_REQUIRED: u32 = 13;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN_SYNTAX: u32 = 34;
const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS_RIGHTS: u32 = 50;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;
const ENTRY_ALREADY_EXISTS: u32 = 68;
const SERVER_DOWN: u32 = 81;
#[cfg(feature = "kerberos")]
const OTHER: u32 = 80;
/// No Win32 code, and no `data` of a domain controller.
const KERBEROS_REVOKED: u32 = u32::MAX;

const ERROR_NO_LOGON_SERVERS: u32 = 0x51f;
const ERROR_NO_SUCH_USER: u32 = 0x525;
const ERROR_USER_EXISTS: u32 = 0x524;
const ERROR_LOGON_FAILURE: u32 = 0x52e;
const ERROR_ACCOUNT_RESTRICTION: u32 = 0x52f;
const ERROR_INVALID_WORKSTATION: u32 = 0x531;
const ERROR_PASSWORD_EXPIRED: u32 = 0x532;
const ERROR_ACCOUNT_DISABLED: u32 = 0x533;
const ERROR_ACCOUNT_EXPIRED: u32 = 0x701;
const ERROR_PASSWORD_MUST_CHANGE: u32 = 0x773;
const ERROR_ACCOUNT_LOCKED_OUT: u32 = 0x775;
const ERROR_DS_MACHINE_ACCOUNT_QUOTA_EXCEEDED: u32 = 0x216d;
const SEC_E_BAD_BINDINGS: u32 = 0x8009_0346;
