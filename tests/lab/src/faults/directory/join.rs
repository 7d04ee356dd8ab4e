//! The faults that `ad_domain_join` sees first, of the account, where computers go, and the rehearsal.

use super::{
    super::{Effect, Fault, Setting},
    Directory, FAILED, INFORMATIONAL, NOBODY_SIGNS_IN, SignIn, UNKNOWN, WARNING, of_join,
};

pub(in super::super) const FAULTS: &[Fault] = &[
    refused(
        "wrong_credentials",
        Some("adJoinCheckIncorrectCredentials"),
        SignIn::WrongPassword,
        "The join account's password is wrong.",
    ),
    Fault {
        reason: "wrong_credentials",
        ..refused(
            "unknown_account",
            Some("adJoinCheckIncorrectCredentials"),
            SignIn::NoSuchUser,
            "There is no such account as the join account.",
        )
    },
    refused("account_locked", LOCKED, SignIn::LockedOut, "The join account is locked out."),
    refused("account_disabled", LOCKED, SignIn::Disabled, "The join account is disabled."),
    refused("account_expired", LOCKED, SignIn::AccountExpired, "The join account has expired."),
    refused(
        "account_restricted",
        LOCKED,
        SignIn::Restricted,
        "A policy keeps the join account from signing in.",
    ),
    Fault {
        reason: "account_restricted",
        ..refused(
            "account_logon_hours",
            LOCKED,
            SignIn::LogonHours,
            "The join account may sign in at other hours only.",
        )
    },
    Fault {
        reason: "account_restricted",
        ..refused(
            "account_workstations",
            LOCKED,
            SignIn::Workstation,
            "The join account may sign in from other machines only.",
        )
    },
    refused(
        "password_expired",
        EXPIRED,
        SignIn::PasswordExpired,
        "The join account's password has expired.",
    ),
    refused(
        "password_must_change",
        EXPIRED,
        SignIn::MustChange,
        "The join account has to change its password at the next sign-in.",
    ),
    refused(
        "bind_refused",
        Some("adJoinCheckUnknownError"),
        SignIn::Unknown,
        "The join account is refused with a number that nobody has a word for.",
    ),
    Fault {
        status: UNKNOWN,
        ..refused(
            "signing_required",
            None,
            SignIn::SigningRequired,
            "The domain controllers take no simple sign-in, however well the connection is sealed.",
        )
    },
    Fault {
        status: UNKNOWN,
        ..refused(
            "channel_binding_required",
            None,
            SignIn::ChannelBindingRequired,
            "The domain controllers demand that a sign-in is bound to its TLS channel.",
        )
    },
    of_directory(
        "ou_not_found",
        FAILED,
        Some("adJoinCheckOrganizationalUnitNotFound"),
        Directory::UnitMissing,
        "The organizational unit does not exist.",
    ),
    of_directory(
        "ou_in_other_domain",
        FAILED,
        Some("adJoinCheckOrganizationalUnitNotFound"),
        Directory::UnitElsewhere,
        "The organizational unit is another domain's.",
    ),
    of_join(
        "ou_malformed",
        FAILED,
        Some("adJoinCheckOrganizationalUnitIncorrectFormat"),
        Effect::Settings(Setting::MalformedUnit),
        "The connection's organizational unit is no distinguished name.",
    ),
    of_directory(
        "access_denied",
        FAILED,
        DENIED,
        Directory::NoRights,
        "The join account may not create computers in the organizational unit.",
    ),
    of_directory(
        "quota_low",
        WARNING,
        None,
        Directory::QuotaUsed(8),
        "Computers go to the default container by quota, and eight of ten have been created.",
    ),
    of_directory(
        "quota_exceeded",
        FAILED,
        Some("adJoinCheckAccountQuotaExceeded"),
        Directory::QuotaUsed(10),
        "Computers go to the default container by quota, and all ten have been created.",
    ),
    of_directory(
        "computer_exists",
        WARNING,
        Some("adJoinCheckComputerObjectAlreadyExists"),
        Directory::NameTaken,
        "A computer of the rehearsal's name is there, and is somebody else's.",
    ),
    of_directory(
        "create_refused",
        FAILED,
        Some("adJoinCheckUnknownError"),
        Directory::CreateRefused,
        "The password policy forbids the computer that the rehearsal would create.",
    ),
    of_directory(
        "cannot_disable",
        FAILED,
        DENIED,
        Directory::CannotDisable,
        "The join account may create computers, and not disable them.",
    ),
    of_directory(
        "cannot_delete",
        WARNING,
        DENIED,
        Directory::CannotDelete,
        "The join account may create computers, and not delete them.",
    ),
    of_directory(
        "password_expires_soon",
        WARNING,
        None,
        Directory::PasswordExpiring,
        "The join account's password expires in five days.",
    ),
    of_directory(
        "account_expires_soon",
        WARNING,
        None,
        Directory::AccountExpiring,
        "The join account expires in five days.",
    ),
    of_directory(
        "leftover_computers",
        INFORMATIONAL,
        None,
        Directory::Leftovers,
        "Microsoft's check has left three computers behind.",
    ),
    of_directory(
        "group_policy_linked",
        INFORMATIONAL,
        None,
        Directory::PolicyLinked,
        "A group policy is linked to the organizational unit.",
    ),
];

const LOCKED: Option<&str> = Some("adJoinCheckAccountLockedOrDisabled");
const EXPIRED: Option<&str> = Some("adJoinCheckCredentialsExpired");
const DENIED: Option<&str> = Some("adJoinCheckAccessDenied");

/// How the join account's sign-in is refused.
const fn refused(
    reason: &'static str,
    error_type: Option<&'static str>,
    how: SignIn,
    about: &'static str,
) -> Fault {
    let effect = Effect::Directory(Directory::SignIn(how));
    let refused = of_join(reason, FAILED, error_type, effect, about);
    Fault { strikes: &[NOBODY_SIGNS_IN], ..refused }
}

const fn of_directory(
    reason: &'static str,
    status: &'static str,
    error_type: Option<&'static str>,
    state: Directory,
    about: &'static str,
) -> Fault {
    of_join(reason, status, error_type, Effect::Directory(state), about)
}
