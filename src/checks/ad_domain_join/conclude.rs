//! From what was seen to what is wrong with the join.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{AdDomainJoin, Facts, Proof, Seen, Unit, readings, rehearsed};
use crate::{
    catalogue::{error_type, reason},
    checks::signing_in::{SignedIn, Trouble, Weight, of_ended, troubles},
    directory::{Account, Answer, Computers, Fault, Outcome, name},
    engine::{Check as _, Finding, Reason, Severity, Verdict},
};

pub(super) fn verdict(check: &AdDomainJoin, facts: &Facts) -> Verdict {
    let user = &check.signing_in.credentials.user;
    let mut findings = of_signing_in(&facts.signed_in, user);
    if let Some(seen) = &facts.seen {
        let host = facts.signed_in.at.as_ref().map_or("", |(host, _)| host);
        findings.extend(of_reading(&facts.signed_in, host, seen));
        findings.extend(of_unit(host, seen));
        findings.extend(of_account(&facts.signed_in, seen, user));
        findings.extend(of_quota(&facts.signed_in, seen, user));
        findings.extend(rehearsed::findings(check, &facts.signed_in, host, seen));
        findings.extend(of_leftovers(&facts.signed_in, seen));
        findings.extend(of_policies(seen));
    }
    Verdict::new(findings, readings::of(facts))
}

/// What stood in the way of signing in. Where another domain controller served, be it to refuse the
/// account, or where one might have, had we been able to look, a dead one is but a warning.
fn of_signing_in(signed_in: &SignedIn, user: &str) -> Vec<Finding> {
    let troubles = troubles(signed_in, user);
    let is_refused = troubles.iter().any(|trouble| trouble.weight == Weight::Join);
    let is_served = signed_in.at.is_some() || is_refused;
    let left_out = signed_in.located.as_ref().map_or(0, |located| located.left_out);
    let could_not_look =
        left_out > 0 || troubles.iter().any(|trouble| trouble.weight == Weight::Look);
    let findings = troubles.into_iter().map(|Trouble { weight, reason, subject, detail }| {
        let severity = match weight {
            Weight::Join => Severity::Failed,
            Weight::Controller | Weight::Look if is_served => Severity::Warning,
            Weight::Look => Severity::Unknown,
            Weight::Controller if could_not_look => Severity::Warning,
            Weight::Controller => Severity::Failed,
        };
        found(severity, reason, &subject, detail)
    });
    let mut findings: Vec<_> = findings.collect();
    if left_out > 0 && !is_served {
        let detail = format!("{left_out} more domain controllers are in DNS, and were not tried");
        let domain = &signed_in.domain;
        findings.push(found(Severity::Unknown, reason::COULD_NOT_LOOK, domain, detail));
    }
    if findings.is_empty() && !is_served {
        let detail = "the time ran out before a domain controller could be asked".to_owned();
        let domain = &signed_in.domain;
        findings.push(found(Severity::Unknown, reason::COULD_NOT_LOOK, domain, detail));
    }
    findings
}

/// What ended the looking, and what could not be read.
fn of_reading(signed_in: &SignedIn, host: &str, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(fault) = &seen.fault {
        findings.push(of_fault(signed_in, host, fault));
    }
    if let Some(fault) = &seen.beside {
        let detail = format!("{host}: policies and leftovers cannot be read: {fault}");
        findings.push(found(Severity::Unknown, reason::LDAP_ERROR, host, detail));
    }
    let refused = [
        ("rootDSE", seen.root.as_ref().and_then(|it| it.as_ref().err())),
        ("the account", seen.account.as_ref().and_then(|it| it.as_ref().err())),
        ("the domain", seen.domain.as_ref().and_then(|it| it.as_ref().err())),
        ("created computers", seen.used.as_ref().and_then(|it| it.as_ref().err())),
        ("leftover computers", seen.left_by_microsoft.as_ref().and_then(|it| it.as_ref().err())),
    ];
    for (what, answer) in refused {
        let Some(answer) = answer else { continue };
        findings.push(unread(host, what, answer));
    }
    let domain = name::of_domain(&signed_in.domain);
    if let Some(Ok(root)) = &seen.root
        && !name::is_same(&root.default_naming_context, &domain)
    {
        let theirs = &root.default_naming_context;
        let detail = format!("{host} is a domain controller of {theirs}, not of {domain}");
        findings.push(found(Severity::Unknown, reason::DC_OF_OTHER_DOMAIN, host, detail));
    }
    let names_none = matches!(&seen.domain, Some(Ok(domain)) if domain.computers.is_none());
    // Whatever kept us from seeing where computers go, it is told.
    if seen.unit.is_none() && (findings.is_empty() || names_none && seen.fault.is_none()) {
        let detail = format!("{host}: the default container for computers cannot be read");
        findings.push(found(Severity::Unknown, reason::LDAP_ERROR, host, detail));
    }
    findings
}

/// A domain controller that ended it. Where there are others, one of them might have served.
pub(super) fn of_fault(signed_in: &SignedIn, host: &str, fault: &Fault) -> Finding {
    let is_unclear = fault.is_ours() || signed_in.knows_others();
    let severity = if is_unclear { Severity::Unknown } else { Severity::Failed };
    found(severity, of_ended(fault), host, format!("{host}: {fault}"))
}

fn unread(host: &str, what: &str, answer: &Answer) -> Finding {
    let detail = format!("{host}: {what} cannot be read: {answer}");
    if answer.outcome() == Outcome::NotOperational {
        found(Severity::Failed, reason::DC_UNREACHABLE, host, detail)
    } else {
        found(Severity::Unknown, reason::LDAP_ERROR, host, detail)
    }
}

/// Where the computers go, and whether they may be created there.
fn of_unit(host: &str, seen: &Seen) -> Option<Finding> {
    let Unit { name, is_in_domain, is_default, seen: container } = seen.unit.as_ref()?;
    let failed = |reason, detail: String| Some(found(Severity::Failed, reason, name, detail));
    let malformed = |why: &dyn fmt::Display| {
        failed(reason::OU_MALFORMED, format!("\"{name}\" is no distinguished name{why}"))
    };
    let foreign = || {
        let detail = format!("{name} is not in the domain that Cloud PCs join");
        failed(reason::OU_IN_OTHER_DOMAIN, detail)
    };
    if name.trim().is_empty() {
        // As whose name rootDSE is read.
        let detail = "an empty text is no distinguished name".to_owned();
        return Some(found(Severity::Failed, reason::OU_MALFORMED, "\"\"", detail));
    }
    let answer = match container {
        Ok(container) if container.may_create_computers => return None,
        // There the quota decides.
        Ok(_) if *is_default => return None,
        Ok(_) => {
            let detail = format!("the account may not create computer objects in {name}");
            return failed(reason::ACCESS_DENIED, detail);
        }
        Err(answer) => answer,
    };
    match answer.outcome() {
        Outcome::BadName => malformed(&format!(": {answer}")),
        Outcome::Elsewhere => foreign(),
        Outcome::NoSuchObject => match is_in_domain {
            Some(true) => {
                let detail = format!("{name} does not exist, or the account may not see it");
                failed(reason::OU_NOT_FOUND, detail)
            }
            Some(false) => foreign(),
            None => malformed(&""),
        },
        Outcome::AccessDenied => {
            let detail = format!("the account may not read {name}: {answer}");
            failed(reason::ACCESS_DENIED, detail)
        }
        Outcome::NotOperational => Some(unread(host, name, answer)),
        Outcome::Done
        | Outcome::Cut
        | Outcome::QuotaExceeded
        | Outcome::NameTaken
        | Outcome::AccountTaken
        | Outcome::Refused => {
            let detail = format!("{name} cannot be read: {answer}");
            Some(found(Severity::Unknown, reason::LDAP_ERROR, name, detail))
        }
    }
}

/// How long the account and its password will do.
fn of_account(signed_in: &SignedIn, seen: &Seen, user: &str) -> Vec<Finding> {
    let Some(Ok(account)) = &seen.account else { return Vec::new() };
    let unknown = |detail: String| found(Severity::Unknown, reason::LDAP_ERROR, user, detail);
    let Some(Account { sid, password_expires, expires, .. }) = account else {
        return vec![unknown(format!("{user} signed in, and its own object cannot be found"))];
    };
    let soon = |at: &Option<SystemTime>| {
        let left = at.as_ref()?.duration_since(signed_in.now).unwrap_or_default();
        (left < SOON).then(|| in_days(left))
    };
    let mut findings = Vec::new();
    if sid.is_empty() {
        findings.push(unknown(format!("the security identifier of {user} cannot be read")));
    }
    let mut warn = |reason, detail| findings.push(found(Severity::Warning, reason, user, detail));
    if let Some(left) = soon(password_expires) {
        let detail = format!("the password of {user} expires in {left}");
        warn(reason::PASSWORD_EXPIRES_SOON, detail);
    }
    if let Some(left) = soon(expires) {
        warn(reason::ACCOUNT_EXPIRES_SOON, format!("the account {user} expires in {left}"));
    }
    findings
}

/// How far the quota reaches, where it is what allows the join: in the default container, without a
/// right to create computers there.
fn of_quota(signed_in: &SignedIn, seen: &Seen, user: &str) -> Option<Finding> {
    let Some(Unit { is_default: true, seen: Ok(container), name, .. }) = &seen.unit else {
        return None;
    };
    let Some(Ok(domain)) = &seen.domain else { return None };
    // What was created by it in this very run was not refused.
    let is_proved = matches!(&seen.proof, Proof::Done(at, rehearsed)
        if *at == signed_in.now && rehearsed.created.as_ref().is_some_and(Answer::is_done));
    if container.may_create_computers {
        return None;
    }
    let by_quota = format!("{user} has no right to create computers in {name}");
    let Some(quota) = domain.quota else {
        let detail = format!("{by_quota}, and its quota cannot be read");
        let finding = found(Severity::Unknown, reason::LDAP_ERROR, user, detail);
        return (!is_proved).then_some(finding);
    };
    let used = match &seen.used {
        Some(Ok(used)) => used.computers.len(),
        Some(Err(_)) | None if quota == 0 => 0,
        // Why it is not known is told of the account, or of what it created.
        Some(Err(_)) | None => return None,
    };
    let quota = usize::try_from(quota).unwrap_or(usize::MAX);
    let detail = format!("{by_quota}, and has created {used} of the {quota} that its quota allows");
    let left = quota.saturating_sub(used);
    if left == 0 && !is_proved {
        Some(found(Severity::Failed, reason::QUOTA_EXCEEDED, user, detail))
    } else {
        (left <= FEW).then(|| found(Severity::Warning, reason::QUOTA_LOW, user, detail))
    }
}

/// Objects that Microsoft's check left: harmless, and telling when they lie elsewhere.
fn of_leftovers(signed_in: &SignedIn, seen: &Seen) -> Option<Finding> {
    let Some(Ok(Computers { computers, is_cut })) = &seen.left_by_microsoft else { return None };
    let oldest = computers.iter().filter_map(|it| it.created).min();
    let unit = &seen.unit.as_ref().filter(|_| !computers.is_empty())?.name;
    let elsewhere = computers.iter().filter(|it| {
        let container = it.name.split_once(',').map_or("", |(_, container)| container);
        !name::is_same(container, unit)
    });
    let age = oldest.and_then(|oldest| signed_in.now.duration_since(oldest).ok());
    let age = age.map(|age| format!(", the oldest {} old", in_days(age))).unwrap_or_default();
    let (more, count) = (if *is_cut { "at least " } else { "" }, computers.len());
    let elsewhere = elsewhere.count();
    let detail = format!(
        "{more}{count} computer objects of Microsoft's check are left{age}; {elsewhere} of them lie \
         outside {unit}, where a join with their name finds it taken"
    );
    let (severity, reason) = (Severity::Informational, reason::LEFTOVER_COMPUTERS);
    Some(found(severity, reason, &signed_in.domain, detail))
}

fn of_policies(seen: &Seen) -> Vec<Finding> {
    let findings = seen.policies.iter().map(|policy| {
        let enforced = if policy.is_enforced { ", enforced" } else { "" };
        let detail = format!(
            "group policy \"{}\" is linked to {}{enforced}",
            policy.title, policy.linked_to
        );
        let (severity, reason) = (Severity::Informational, reason::GROUP_POLICY_LINKED);
        found(severity, reason, &policy.title, detail)
    });
    findings.collect()
}

fn in_days(span: Duration) -> String {
    let hours = span.as_secs() / 3600;
    if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) }
}

pub(super) fn found(severity: Severity, reason: Reason, subject: &str, detail: String) -> Finding {
    // What we could not look at, Microsoft's check may have seen: it has no word for that.
    let is_told = severity != Severity::Unknown;
    let error_type = is_told.then(|| error_type(AdDomainJoin::NAME, reason, None)).flatten();
    Finding { severity, reason, subject: subject.to_owned(), detail, error_type }
}

/// Before an account or a password expires.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// Of the quota: a handful of provisioning retries.
const FEW: usize = 2;
