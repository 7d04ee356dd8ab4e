//! The faults that `single_sign_on` alone sees.

use super::{
    super::{Effect, Fault},
    Directory, SINGLE_SIGN_ON, WARNING,
};

pub(in super::super) const FAULTS: &[Fault] = &[
    fault(
        "kerberos_server_missing",
        Directory::KerberosServerMissing,
        "The domain has no Microsoft Entra Kerberos server.",
    ),
    fault(
        "kerberos_server_incomplete",
        Directory::KerberosAccountMissing,
        "The account with the Microsoft Entra Kerberos server's key is missing.",
    ),
    Fault {
        name: "kerberos_server_unlinked",
        ..fault(
            "kerberos_server_incomplete",
            Directory::KerberosLinkMissing,
            "The Microsoft Entra Kerberos server names no account of its own.",
        )
    },
    Fault {
        error_type: None,
        ..fault(
            "kerberos_server_key_old",
            Directory::KerberosKeyOld,
            "The key of the Microsoft Entra Kerberos server is 400 days old.",
        )
    },
];

const fn fault(reason: &'static str, state: Directory, about: &'static str) -> Fault {
    Fault {
        name: reason,
        check: SINGLE_SIGN_ON,
        status: WARNING,
        reason,
        error_type: Some("ssoCheckKerberosConfigurationError"),
        also: &[],
        strikes: &[],
        about,
        effect: Effect::Directory(state),
    }
}
