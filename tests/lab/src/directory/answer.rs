//! What a domain controller answers, in the words of Windows. The numbers that differ from build to
//! build (DSID, version) are made up.

use crate::faults::SignIn;

/// The result of an operation (LDAPResult, RFC 4511, section 4.1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: i64,
    /// The nearest object that there is, where one is missing.
    pub(super) matched: String,
    pub(super) text: Vec<u8>,
    pub(super) referral: Option<String>,
}

impl Answer {
    pub(super) fn success() -> Self {
        Self { code: 0, matched: String::new(), text: Vec::new(), referral: None }
    }

    pub(super) fn size_limit_exceeded() -> Self {
        Self { code: 4, ..Self::success() }
    }

    /// The beginning of what there is below `matched`.
    pub(super) fn no_such_object(matched: &str) -> Self {
        let text = format!(
            "0000208D: NameErr: DSID-0310020A, problem 2001 (NO_OBJECT), data 0, best match of:\n\t\
             '{matched}'"
        );
        Self { matched: matched.to_owned(), ..refused(32, &text) }
    }

    pub(super) fn bad_name(name: &str) -> Self {
        let text = format!(
            "0000208F: NameErr: DSID-03100225, problem 2006 (BAD_NAME), data 8350, best match of:\n\t\
             '{name}'"
        );
        refused(34, &text)
    }

    /// The name is of the domain `domain`.
    pub(super) fn elsewhere(domain: &str, name: &str) -> Self {
        let text = format!(
            "0000202B: RefErr: DSID-0310084A, data 0, 1 access points\n\tref 1: '{domain}'"
        );
        Self { referral: Some(format!("ldap://{domain}/{name}")), ..refused(10, &text) }
    }

    pub(super) fn not_bound() -> Self {
        refused(
            1,
            "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a \
             successful bind must be completed on the connection., data 0, v4563",
        )
    }

    pub(super) fn access_denied() -> Self {
        refused(50, "00000005: SecErr: DSID-03152E13, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0")
    }

    pub(super) fn no_right_to_write() -> Self {
        refused(50, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0")
    }

    pub(super) fn name_taken() -> Self {
        refused(68, "00002071: UpdErr: DSID-030503CF, problem 6005 (ENTRY_EXISTS), data 0")
    }

    pub(super) fn account_taken() -> Self {
        refused(68, "00000524: UpdErr: DSID-031A11FA, problem 6005 (ENTRY_EXISTS), data 0")
    }

    pub(super) fn quota_exceeded() -> Self {
        refused(53, "0000216D: SvcErr: DSID-031A124C, problem 5003 (WILL_NOT_PERFORM), data 0")
    }

    pub(super) fn password_restriction() -> Self {
        refused(53, "0000052D: SvcErr: DSID-031A124C, problem 5003 (WILL_NOT_PERFORM), data 0")
    }

    pub(super) fn will_not_perform() -> Self {
        refused(53, "00002035: SvcErr: DSID-031A124C, problem 5003 (WILL_NOT_PERFORM), data 0")
    }

    /// Objects that are no containers have nothing below them.
    pub(super) fn naming_violation() -> Self {
        refused(64, "00002099: NameErr: DSID-0310025C, problem 2003 (NAMING_VIOLATION), data 0")
    }

    pub(super) fn busy() -> Self {
        refused(51, "0000200E: SvcErr: DSID-03210AB7, problem 5001 (BUSY), data 0")
    }

    pub(super) fn unavailable() -> Self {
        refused(52, "0000200F: SvcErr: DSID-03210AB7, problem 5002 (UNAVAILABLE), data 0")
    }

    pub(super) fn operations_error() -> Self {
        refused(1, "00002020: SvcErr: DSID-03210BD4, problem 5012 (DIR_ERROR), data 0")
    }

    pub(super) fn internal_failure() -> Self {
        refused(80, "000020EF: SvcErr: DSID-03210BD4, problem 5012 (DIR_ERROR), data 0")
    }

    pub(super) fn no_tls() -> Self {
        refused(
            52,
            "00000000: LdapErr: DSID-0C090F9F, comment: Error initializing SSL/TLS, data 0, v4563",
        )
    }

    pub(super) fn unknown_request() -> Self {
        refused(
            2,
            "0000203D: LdapErr: DSID-0C090E14, comment: Unknown extended request OID, data 0, v4563",
        )
    }

    pub(super) fn unknown_method() -> Self {
        refused(
            7,
            "00002027: LdapErr: DSID-0C0905FC, comment: Invalid Authentication method, data 0, v4563",
        )
    }

    pub(super) fn signing_required() -> Self {
        refused(
            8,
            "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on \
             integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563",
        )
    }

    pub(super) fn sign_in(refusal: SignIn) -> Self {
        let data = match refusal {
            SignIn::NoSuchUser => "525",
            SignIn::WrongPassword => "52e",
            SignIn::Restricted => "52f",
            SignIn::LogonHours => "530",
            SignIn::Workstation => "531",
            SignIn::PasswordExpired => "532",
            SignIn::Disabled => "533",
            SignIn::AccountExpired => "701",
            SignIn::MustChange => "773",
            SignIn::LockedOut => "775",
            SignIn::Unknown => "569",
            SignIn::SigningRequired => return Self::signing_required(),
            SignIn::ChannelBindingRequired => {
                return refused(
                    49,
                    "80090346: LdapErr: DSID-0C090592, comment: AcceptSecurityContext error, data \
                     80090346, v4563",
                );
            }
        };
        let text = format!(
            "80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data {data}, \
             v4563"
        );
        refused(49, &text)
    }

    /// In Latin-1, as no LDAP server should.
    pub(super) fn not_utf8() -> Self {
        Self { code: 80, text: b"00000000: Zur\xfcckgewiesen".to_vec(), ..Self::success() }
    }
}

/// Windows ends its texts like this.
fn refused(code: i64, text: &str) -> Answer {
    Answer { code, text: format!("{text}\n\0").into_bytes(), ..Answer::success() }
}
