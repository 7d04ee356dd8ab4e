//! What the simulated directory can do wrong, and the faults that the checks of it see.

mod controllers;
mod doors;
mod join;
mod single_sign_on;

use std::time::Duration;

use super::{Certificate, Effect, Fault, Strike};

/// Which of the two domain controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controllers {
    First,
    Second,
    Both,
}

/// What both domain controllers tell of the directory they share, or refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directory {
    /// The join account's right password is answered with this.
    SignIn(SignIn),
    /// The organizational unit is not there: searches and additions get 32, 0000208D
    /// (`ou_not_found`).
    UnitMissing,
    /// The organizational unit's name is another domain's: a referral, 10, 0000202B
    /// (`ou_in_other_domain`).
    UnitElsewhere,
    /// The join account has no right to the organizational unit: no `computer` in
    /// `allowedChildClassesEffective`, and additions get 50, 00000005 (`access_denied`).
    NoRights,
    /// The join account has created so many computers by quota, of the ten that it may: `quota_low`
    /// from eight on, and from ten on `quota_exceeded`, and additions to the default container get
    /// 53, 0000216D. Where it has rights, as to the organizational unit, no quota applies.
    QuotaUsed(u32),
    /// Whatever computer is looked for stands elsewhere and is somebody else's, and whatever is
    /// added gets 68, 00000524 (`computer_exists`).
    NameTaken,
    /// Changes to computers get 50, 00002098 (`cannot_disable`).
    CannotDisable,
    /// Deletions of computers get 50, 00000005 (`cannot_delete`).
    CannotDelete,
    /// Additions get 53, 0000052D, as when the password policy forbids them (`create_refused`).
    CreateRefused,
    /// The join account's password expires in five days (`password_expires_soon`).
    PasswordExpiring,
    /// The join account expires in five days (`account_expires_soon`).
    AccountExpiring,
    /// Computers of Microsoft's check are left (`leftover_computers`).
    Leftovers,
    /// A group policy is linked to the organizational unit (`group_policy_linked`).
    PolicyLinked,
    /// There is no `AzureADKerberos` (`kerberos_server_missing`).
    KerberosServerMissing,
    /// There is no `krbtgt_AzureAD` (`kerberos_server_incomplete`).
    KerberosAccountMissing,
    /// `AzureADKerberos` is linked to no account (`kerberos_server_incomplete`).
    KerberosLinkMissing,
    /// The key of `krbtgt_AzureAD` is 400 days old (`kerberos_server_key_old`).
    KerberosKeyOld,
}

/// How a bind with the right password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// 49, data 525 (`wrong_credentials`).
    NoSuchUser,
    /// 49, data 52e (`wrong_credentials`).
    WrongPassword,
    /// 49, data 52f (`account_restricted`).
    Restricted,
    /// 49, data 530 (`account_restricted`).
    LogonHours,
    /// 49, data 531 (`account_restricted`).
    Workstation,
    /// 49, data 532 (`password_expired`).
    PasswordExpired,
    /// 49, data 533 (`account_disabled`).
    Disabled,
    /// 49, data 701 (`account_expired`).
    AccountExpired,
    /// 49, data 773 (`password_must_change`).
    MustChange,
    /// 49, data 775, also to a wrong password (`account_locked`).
    LockedOut,
    /// 49, data 569, for which nobody has a word (`bind_refused`).
    Unknown,
    /// 8, 00002028 (`signing_required`).
    SigningRequired,
    /// 49, 80090346 (`channel_binding_required`).
    ChannelBindingRequired,
}

/// How a domain controller misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Every port is shut (`dc_unreachable`).
    Down(Shut),
    /// One port is shut (`tcp_refused`, `tcp_timeout`, `udp_refused`, `udp_no_reply`).
    Port(Service, Transport, Shut),
    /// Over LDAPS and after StartTLS (`certificate_*`).
    Presents(Certificate),
    /// The TLS handshake goes wrong, over LDAPS and after StartTLS (`tls_*`).
    Handshake(Handshake),
    /// 52, as without a certificate (`starttls_refused`).
    StartTlsRefused,
    /// What answers in place of LDAP is not LDAP, but for sign-ins (`ldap_malformed`).
    Garbles(Garbage),
    /// LDAP requests get no answer, sign-ins neither (`could_not_look`, after two of them).
    Mute,
    /// LDAP requests get 51 (`dc_unreachable`).
    Busy,
    /// LDAP requests get 52 (`dc_unreachable`).
    Unavailable,
    /// LDAP answers take so long, also that to the netlogon ping (`dc_slow`).
    Slow(Duration),
    /// Searches get 1, 00002020, but for that of rootDSE (`ldap_error`).
    SearchFails,
    /// Searches get 80, 000020EF, but for that of rootDSE (`ldap_error`).
    SearchFailsOtherwise,
    /// Its clock is ahead by so many seconds, wherever it tells the time (`clock_skewed`).
    ClockOff(i64),
    /// It has not replicated since it started: `isSynchronized` is FALSE (`dc_not_synchronised`).
    NotSynchronised,
    /// It is read-only, by the netlogon ping and its capabilities (`dc_read_only`).
    ReadOnly,
    /// The endpoint mapper knows nothing of Netlogon.
    NetlogonNotRegistered,
    /// It serves another domain (`dc_of_other_domain`).
    OfOtherDomain,
}

/// What a domain controller listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Dns,
    Kerberos,
    Ntp,
    Rpc,
    Ldap,
    Smb,
    Kpasswd,
    Ldaps,
    GlobalCatalog,
    /// The port that the endpoint mapper tells.
    Netlogon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// How a port is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    Refused,
    /// Connections are never established, datagrams never answered.
    Silent,
}

/// How a TLS handshake goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// `tls_alert`
    Alerts,
    /// `tls_malformed`
    SpeaksPlainText,
    /// `tls_refused`: it hangs up, as a domain controller without a certificate does
    HangsUp,
    /// `tls_timeout`
    Silent,
}

/// What comes in place of an LDAP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Garbage {
    /// HTTP.
    OtherProtocol,
    /// Elements within elements, ten thousand deep.
    NestingBomb,
    /// A message of 2 GiB.
    EndlessFrame,
    /// An answer whose text is not UTF-8: not malformed to whoever takes it as it is, and then an
    /// error without a word.
    NotUtf8,
    /// An answer that breaks off.
    Truncated,
}

pub(super) const FAULTS: [&[Fault]; 4] =
    [join::FAULTS, doors::FAULTS, controllers::FAULTS, single_sign_on::FAULTS];

const FAILED: &str = "failed";
const UNKNOWN: &str = "unknown";
const WARNING: &str = "warning";
const INFORMATIONAL: &str = "informational";

const JOIN: &str = "ad_domain_join";
const CONTROLLERS: &str = "domain_controllers";
const SINGLE_SIGN_ON: &str = "single_sign_on";

/// Who cannot sign in knows nothing of single sign-on.
const NOBODY_SIGNS_IN: Strike = Strike { check: SINGLE_SIGN_ON, status: UNKNOWN, reasons: None };
/// Nothing can be read of single sign-on.
const UNREADABLE: Strike =
    Strike { check: SINGLE_SIGN_ON, status: UNKNOWN, reasons: Some(&["ldap_error"]) };
/// One port of each domain controller says what it should not.
const PORT_BROKEN: Strike = of_ports(Some(&["dc_port_broken"]));

const fn of_ports(reasons: Option<&'static [&'static str]>) -> Strike {
    Strike { check: CONTROLLERS, status: WARNING, reasons }
}

/// One that `ad_domain_join` sees first.
const fn of_join(
    reason: &'static str,
    status: &'static str,
    error_type: Option<&'static str>,
    effect: Effect,
    about: &'static str,
) -> Fault {
    let (also, strikes): (&[_], &[_]) = (&[], &[]);
    Fault { name: reason, check: JOIN, status, reason, error_type, also, strikes, about, effect }
}
