//! What stood in the way of signing in, and how far that goes.

use super::{Ending, SignedIn};
use crate::{
    catalogue::reason,
    checks::reachability::{
        could_not_ask, of_certificate, of_tcp, of_tls_fault, unresolved, who_said,
    },
    directory::{Answer, Bind, Fault, Refusal},
    engine::Reason,
    net::{TcpFault, dns::Outcome},
};

/// One thing that stood in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checks) struct Trouble {
    pub(in crate::checks) weight: Weight,
    pub(in crate::checks) reason: Reason,
    pub(in crate::checks) subject: String,
    pub(in crate::checks) detail: String,
}

/// What it means for a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checks) enum Weight {
    /// A join is refused as well.
    Join,
    /// A join by this domain controller would fail; another may serve.
    Controller,
    /// It keeps us from looking, and a join may not mind: Windows signs in by Kerberos, and needs
    /// neither a certificate nor a simple bind.
    Look,
}

/// Everything that stood in the way, in the order in which it was met.
pub(in crate::checks) fn troubles(signed_in: &SignedIn, user: &str) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    if let Some(refusal) = &signed_in.withheld {
        troubles.push(withheld(refusal, user));
    }
    if let Some(located) = &signed_in.located
        && located.controllers.is_empty()
    {
        troubles.push(nobody(&signed_in.domain, located.why_none()));
    }
    for (controller, ending) in &signed_in.tried {
        let host = &controller.host;
        let tell = |weight, reason, detail: String| {
            let detail = format!("{host}: {detail}");
            Trouble { weight, reason, subject: host.clone(), detail }
        };
        match ending {
            Ending::Unresolved => {
                let (weight, reason) = if could_not_ask(&controller.lookup) {
                    (Weight::Look, reason::COULD_NOT_LOOK)
                } else {
                    (Weight::Controller, reason::SRV_TARGET_UNRESOLVED)
                };
                troubles.push(tell(weight, reason, who_said(&controller.lookup)));
            }
            Ending::NotReached { fault, ldap } => {
                let told = not_reached(fault, ldap);
                troubles
                    .extend(told.into_iter().map(|(weight, reason, it)| tell(weight, reason, it)));
            }
            Ending::Unanswered(fault) => {
                let detail = format!("signing in: {fault}");
                troubles.push(tell(Weight::Controller, of_ended(fault), detail));
            }
            Ending::Refused(answer) => troubles.push(refused(answer, host, user)),
            Ending::Withheld(refusal) => troubles.push(withheld(refusal, user)),
            // Beside one that can be written to it is no trouble.
            Ending::ReadOnly if signed_in.at.is_some() => (),
            Ending::ReadOnly => {
                let detail = "it is read-only, and no join can be rehearsed there".to_owned();
                troubles.push(tell(Weight::Look, reason::DC_READ_ONLY, detail));
            }
            Ending::OutOfTime { ldap } => {
                let (weight, reason, detail) = out_of_time(ldap);
                troubles.push(tell(weight, reason, detail));
            }
        }
    }
    troubles
}

/// The reason for which a session with a domain controller ended.
pub(in crate::checks) fn of_ended(fault: &Fault) -> Reason {
    match fault {
        _ if fault.is_ours() => reason::COULD_NOT_LOOK,
        Fault::Malformed(_) => reason::LDAP_MALFORMED,
        Fault::Tcp(_)
        | Fault::Tls(_)
        | Fault::Untrusted(_)
        | Fault::NotPinned(_)
        | Fault::StartTlsRefused(_)
        | Fault::Closed(_)
        | Fault::Timeout
        | Fault::Local(_) => reason::DC_UNREACHABLE,
    }
}

/// The reason for which an account is refused, wherever it signs in; none where the refusal is of
/// this way of signing in, or of this domain controller.
pub(super) fn of_bind(bind: Bind) -> Option<Reason> {
    match bind {
        Bind::WrongCredentials => Some(reason::WRONG_CREDENTIALS),
        Bind::LockedOut => Some(reason::ACCOUNT_LOCKED),
        Bind::Disabled => Some(reason::ACCOUNT_DISABLED),
        Bind::AccountExpired => Some(reason::ACCOUNT_EXPIRED),
        Bind::Restricted | Bind::Revoked => Some(reason::ACCOUNT_RESTRICTED),
        Bind::PasswordExpired => Some(reason::PASSWORD_EXPIRED),
        Bind::MustChangePassword => Some(reason::PASSWORD_MUST_CHANGE),
        Bind::Refused => Some(reason::BIND_REFUSED),
        Bind::Accepted
        | Bind::Failed
        | Bind::SigningRequired
        | Bind::ChannelBindingRequired
        | Bind::NotOperational => None,
    }
}

fn refused(answer: &Answer, host: &str, user: &str) -> Trouble {
    let bind = answer.bind();
    let (weight, reason, subject) = match (of_bind(bind), bind) {
        (Some(reason), _) => (Weight::Join, reason, user),
        (None, Bind::SigningRequired) => (Weight::Look, reason::SIGNING_REQUIRED, host),
        (None, Bind::ChannelBindingRequired) => {
            (Weight::Look, reason::CHANNEL_BINDING_REQUIRED, host)
        }
        (None, Bind::Failed) => (Weight::Look, reason::LDAP_ERROR, host),
        (None, _) => (Weight::Controller, reason::DC_UNREACHABLE, host),
    };
    let detail = format!("{host} refused to sign in {user}: {answer}");
    Trouble { weight, reason, subject: subject.to_owned(), detail }
}

/// An earlier refusal stands: nothing was sent, so that the account is not locked.
fn withheld(refusal: &Refusal, user: &str) -> Trouble {
    let Refusal { answer, controller, at, until } = refusal;
    let (at, until) = (in_words(*at), in_words(*until));
    let (weight, reason, why) = match (answer.and_then(of_bind), answer) {
        (Some(reason), _) => (Weight::Join, reason, "refused"),
        (None, Some(_)) => (Weight::Look, reason::LDAP_ERROR, "failed"),
        (None, None) => (Weight::Look, reason::COULD_NOT_LOOK, "twice did not answer"),
    };
    let detail = format!(
        "{controller} {why} at {at} to sign in {user}; so as not to lock the account, the next try \
         is at {until}, or when user name or password change"
    );
    Trouble { weight, reason, subject: user.to_owned(), detail }
}

/// No domain controller is found.
pub(in crate::checks) fn nobody(domain: &str, why: Option<&(String, Outcome)>) -> Trouble {
    let (record, outcome) = match why {
        Some((record, outcome)) => (record.as_str(), outcome),
        None => (domain, &Outcome::NoData),
    };
    let (weight, reason) = match outcome {
        Outcome::NotAsked(_) => (Weight::Look, reason::COULD_NOT_LOOK),
        Outcome::NoSuchName | Outcome::NoData | Outcome::Found(_) => {
            (Weight::Join, reason::NO_SRV_RECORDS)
        }
        Outcome::Refused
        | Outcome::ServerFailure
        | Outcome::OtherCode(_)
        | Outcome::Timeout
        | Outcome::Unreachable(_)
        | Outcome::Truncated(_)
        | Outcome::Malformed(_) => (Weight::Join, unresolved(outcome)),
    };
    let detail = format!("no domain controller is found: {record}: {outcome}");
    Trouble { weight, reason, subject: domain.to_owned(), detail }
}

/// No protected connection. Where LDAP cannot be reached at all, a join fails as well.
fn not_reached(fault: &Fault, ldap: &Result<(), TcpFault>) -> Vec<(Weight, Reason, String)> {
    if fault.is_ours() || matches!(ldap, Err(TcpFault::Other(_))) {
        return vec![(Weight::Look, reason::COULD_NOT_LOOK, fault.to_string())];
    }
    if let Err(closed) = ldap {
        let detail = format!("{fault}; and its LDAP port: {closed}");
        return vec![(Weight::Controller, reason::DC_UNREACHABLE, detail)];
    }
    let told: Vec<(Reason, String)> = match fault {
        Fault::Tcp(fault) => vec![of_tcp(fault)],
        Fault::Tls(fault) => vec![of_tls_fault(fault)],
        Fault::Untrusted(chain) => of_certificate(chain, &chain.private),
        Fault::NotPinned(_) => vec![(reason::CERTIFICATE_NOT_PINNED, fault.to_string())],
        Fault::StartTlsRefused(_) => vec![(reason::STARTTLS_REFUSED, fault.to_string())],
        Fault::Malformed(_) => vec![(reason::LDAP_MALFORMED, fault.to_string())],
        Fault::Closed(_) | Fault::Timeout | Fault::Local(_) => {
            vec![(reason::DC_UNREACHABLE, fault.to_string())]
        }
    };
    let weight = match fault {
        // What the LDAP port itself said.
        Fault::Malformed(_) | Fault::Closed(_) | Fault::Timeout => Weight::Controller,
        Fault::Tcp(_)
        | Fault::Tls(_)
        | Fault::Untrusted(_)
        | Fault::NotPinned(_)
        | Fault::StartTlsRefused(_)
        | Fault::Local(_) => Weight::Look,
    };
    let not_sent = |detail: String| match weight {
        Weight::Look => format!("{detail}; no password was sent"),
        Weight::Join | Weight::Controller => detail,
    };
    told.into_iter().map(|(reason, detail)| (weight, reason, not_sent(detail))).collect()
}

/// Where a join could begin, it might succeed.
fn out_of_time(ldap: &Result<(), TcpFault>) -> (Weight, Reason, String) {
    match ldap {
        Ok(()) => {
            let detail = "its LDAP port is open, and no time was left to sign in there";
            (Weight::Look, reason::COULD_NOT_LOOK, detail.to_owned())
        }
        Err(TcpFault::Other(why)) => (Weight::Look, reason::COULD_NOT_LOOK, why.clone()),
        Err(closed) => (Weight::Controller, reason::DC_UNREACHABLE, format!("LDAP: {closed}")),
    }
}

fn in_words(at: std::time::SystemTime) -> String {
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};
    let at = OffsetDateTime::from(at).replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}
