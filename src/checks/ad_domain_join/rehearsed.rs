//! From how the rehearsal went to what is wrong with it.

use super::{
    AdDomainJoin, Proof, Seen,
    conclude::{found, of_fault},
};
use crate::{
    catalogue::reason,
    checks::signing_in::SignedIn,
    directory::{Answer, Outcome, Rehearsed, Standing},
    engine::{Finding, Reason, Severity},
};

/// How creating, reading back, disabling and deleting went, at `host`.
pub(super) fn findings(
    check: &AdDomainJoin,
    signed_in: &SignedIn,
    host: &str,
    seen: &Seen,
) -> Vec<Finding> {
    let object = &check.computer;
    let rehearsed = match &seen.proof {
        Proof::Unwanted => return Vec::new(),
        Proof::Due => {
            let detail = format!("{host}: no time was left to create {object}, which is due");
            return vec![found(Severity::Unknown, reason::COULD_NOT_LOOK, object, detail)];
        }
        Proof::Done(_, rehearsed) => rehearsed,
    };
    let Rehearsed { found: standing, created, verified, disabled, deleted, fault, .. } =
        &**rehearsed;
    let mut findings = Vec::new();
    let mut tell = |(severity, reason), detail: String| {
        findings.push(found(severity, reason, object, detail));
    };
    if let Some(Standing::Foreign(computer)) = standing {
        let detail = format!("{} has our name and is not ours: it is not touched", computer.name);
        tell((Severity::Warning, reason::COMPUTER_EXISTS), detail);
    }
    if let Some(refusal) = refusal(created) {
        let detail = format!("creating {object} was refused: {refusal}");
        tell(of_creation(refusal.outcome()), detail);
    }
    let is_snatched = disabled.as_ref().is_some_and(is_gone);
    if is_snatched {
        let detail = format!(
            "{object} was created and gone at once: another anc-healthd seems to test the same \
             connection; give each an instance of its own"
        );
        tell((Severity::Warning, reason::COMPUTER_EXISTS), detail);
    }
    if *verified == Some(false) && !is_snatched {
        let detail = format!("{object} was created and cannot be read back");
        tell((Severity::Warning, reason::CREATE_REFUSED), detail);
    }
    if let Some(refusal) = refusal(disabled).filter(|refusal| !is_gone(refusal)) {
        let detail = format!("{object} was created and cannot be disabled: {refusal}");
        tell(or_not_operational(refusal, (Severity::Failed, reason::CANNOT_DISABLE)), detail);
    }
    if let Some(refusal) = refusal(deleted).filter(|refusal| !is_gone(refusal)) {
        let detail = format!("{object} was created and cannot be deleted: {refusal}");
        tell(or_not_operational(refusal, (Severity::Warning, reason::CANNOT_DELETE)), detail);
    }
    findings.extend(fault.iter().map(|fault| of_fault(signed_in, host, fault)));
    findings
}

/// Whether nothing of it needs to be tried again before its time.
pub(super) fn went_well(rehearsed: &Rehearsed) -> bool {
    let Rehearsed { found, created, verified, disabled, deleted, fault, .. } = rehearsed;
    let is_ours = !matches!(found, Some(Standing::Foreign(_)));
    let is_done = [created, disabled].into_iter().all(|answer| refusal(answer).is_none());
    let is_deleted = refusal(deleted).is_none_or(is_gone);
    fault.is_none() && is_ours && is_done && is_deleted && *verified != Some(false)
}

fn of_creation(outcome: Outcome) -> (Severity, Reason) {
    match outcome {
        Outcome::AccessDenied => (Severity::Failed, reason::ACCESS_DENIED),
        Outcome::QuotaExceeded => (Severity::Failed, reason::QUOTA_EXCEEDED),
        Outcome::NoSuchObject => (Severity::Failed, reason::OU_NOT_FOUND),
        Outcome::BadName => (Severity::Failed, reason::OU_MALFORMED),
        Outcome::Elsewhere => (Severity::Failed, reason::OU_IN_OTHER_DOMAIN),
        Outcome::NameTaken | Outcome::AccountTaken => (Severity::Warning, reason::COMPUTER_EXISTS),
        Outcome::NotOperational => (Severity::Failed, reason::DC_UNREACHABLE),
        Outcome::Refused | Outcome::Cut | Outcome::Done => {
            (Severity::Failed, reason::CREATE_REFUSED)
        }
    }
}

/// Busy or unavailable is no refusal of the account's.
fn or_not_operational(refusal: &Answer, or: (Severity, Reason)) -> (Severity, Reason) {
    let is_busy = refusal.outcome() == Outcome::NotOperational;
    if is_busy { of_creation(Outcome::NotOperational) } else { or }
}

/// Somebody else was quicker.
fn is_gone(answer: &Answer) -> bool {
    answer.outcome() == Outcome::NoSuchObject
}

fn refusal(answer: &Option<Answer>) -> Option<&Answer> {
    answer.as_ref().filter(|answer| !answer.is_done())
}
