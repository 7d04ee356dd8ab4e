//! Single sign-on configuration.
//!
//! Users of hybrid joined Cloud PCs sign in without a password prompt if Microsoft Entra can issue
//! Kerberos tickets for the domain. For that it has an object in the directory, the Microsoft Entra
//! Kerberos server, whose key should be rotated as those of other domain controllers are
//! (Microsoft, "Configure single sign-on for Windows 365 using Microsoft Entra authentication").
//! The half of it in Microsoft Entra cannot be read from here.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tokio::time::timeout_at;

use crate::{
    catalogue::{error_type, reason},
    checks::signing_in::{Budget, SignedIn, SigningIn, of_ended, troubles},
    directory::{Answer, Fault, KerberosServer, Outcome, RootDse, Session, name},
    engine::{
        Check, Clock, Family, Finding, Inconclusive, Kind, Reading, Reason, Severity, Verdict,
    },
};

/// Looks for the Kerberos server of one hybrid connection's domain.
#[derive(Debug)]
pub struct SingleSignOn {
    pub signing_in: SigningIn,
    /// From when on a key is called old.
    pub key_age: Duration,
}

#[derive(Debug)]
pub struct Facts {
    signed_in: SignedIn,
    /// None if nobody let us in.
    seen: Option<Seen>,
}

#[derive(Debug)]
enum Seen {
    Server(KerberosServer),
    /// The domain's name was refused.
    Refused(Answer),
    /// It is a domain controller of this other domain.
    Elsewhere(String),
    Ended(Fault),
}

impl Check for SingleSignOn {
    const NAME: &'static str = "single_sign_on";
    type Facts = Facts;

    async fn gather(&self) -> Result<Facts, Inconclusive> {
        let budget = Budget::within(self.signing_in.timeout);
        let (signed_in, sealed) = self.signing_in.sign_in(budget, Vec::new()).await?;
        let Some(mut sealed) = sealed else { return Ok(Facts { signed_in, seen: None }) };
        let looked = timeout_at(budget.end, look(sealed.session(), &signed_in.domain)).await;
        let out_of_time = |_| Err(Fault::Local("no time was left for the rest".into()));
        let seen = looked.unwrap_or_else(out_of_time).unwrap_or_else(Seen::Ended);
        Ok(Facts { signed_in, seen: Some(seen) })
    }

    fn judge(&self, facts: &Facts) -> Verdict {
        let Some(seen) = &facts.seen else {
            return Verdict::new(self.of_signing_in(&facts.signed_in), Vec::new());
        };
        let host = facts.signed_in.at.as_ref().map_or("", |(host, _)| host);
        let unread = |reason, why: &dyn fmt::Display| {
            let detail = format!("{host}: the Kerberos server cannot be read: {why}");
            Verdict::new(vec![found(Severity::Unknown, reason, host, detail)], vec![])
        };
        match seen {
            Seen::Refused(answer) => unread(of_answer(answer), answer),
            Seen::Elsewhere(domain) => {
                let why = format!("it is a domain controller of {domain}");
                unread(reason::DC_OF_OTHER_DOMAIN, &why)
            }
            Seen::Ended(fault) => unread(of_ended(fault), fault),
            Seen::Server(server) => self.of_server(server, facts.signed_in.now, unread),
        }
    }
}

async fn look(session: &mut Session, domain: &str) -> Result<Seen, Fault> {
    match session.root_dse().await? {
        Ok(RootDse { default_naming_context: context, .. })
            if !name::is_same(&context, &name::of_domain(domain)) =>
        {
            Ok(Seen::Elsewhere(context))
        }
        Ok(RootDse { default_naming_context: context, .. }) => {
            Ok(Seen::Server(session.kerberos_server(&context).await?))
        }
        Err(answer) => Ok(Seen::Refused(answer)),
    }
}

impl SingleSignOn {
    /// Whatever keeps us from looking says nothing of single sign-on: `ad_domain_join` tells how
    /// bad it is.
    fn of_signing_in(&self, signed_in: &SignedIn) -> Vec<Finding> {
        let troubles = troubles(signed_in, &self.signing_in.credentials.user).into_iter();
        let mut findings: Vec<_> = troubles
            .map(|it| found(Severity::Unknown, it.reason, &it.subject, it.detail))
            .collect();
        if findings.is_empty() {
            let detail = "the time ran out before a domain controller could be asked".to_owned();
            let domain = &signed_in.domain;
            findings.push(found(Severity::Unknown, reason::COULD_NOT_LOOK, domain, detail));
        }
        findings
    }

    fn of_server(
        &self,
        KerberosServer { computer, account }: &KerberosServer,
        now: SystemTime,
        unread: impl Fn(Reason, &dyn fmt::Display) -> Verdict,
    ) -> Verdict {
        let is_missing = |answer: &Answer| answer.outcome() == Outcome::NoSuchObject;
        let unreadable = [computer.as_ref().err(), account.as_ref().err()];
        if let Some(answer) = unreadable.into_iter().flatten().find(|answer| !is_missing(answer)) {
            return unread(of_answer(answer), answer);
        }
        let warn = |reason, subject: &str, detail: String| {
            vec![found(Severity::Warning, reason, subject, detail)]
        };
        let findings = match (computer, account) {
            (Err(_), _) => {
                let detail = "the domain has no Microsoft Entra Kerberos server".to_owned();
                warn(reason::KERBEROS_SERVER_MISSING, COMPUTER, detail)
            }
            (Ok(None), _) => {
                let detail = format!("{COMPUTER} names no account of its own (msDS-KrbTgtLink)");
                warn(reason::KERBEROS_SERVER_INCOMPLETE, COMPUTER, detail)
            }
            (Ok(Some(_)), Err(_) | Ok(None)) => {
                let detail = format!("{COMPUTER} is there, and its account with the key is not");
                warn(reason::KERBEROS_SERVER_INCOMPLETE, ACCOUNT, detail)
            }
            (Ok(Some(_)), Ok(Some(made))) => {
                let age = now.duration_since(*made).unwrap_or_default();
                let days = age.as_secs() / DAY;
                let detail = format!("the key of {ACCOUNT} was made {days} days ago");
                let is_old = age > self.key_age;
                if is_old { warn(reason::KERBEROS_SERVER_KEY_OLD, ACCOUNT, detail) } else { vec![] }
            }
        };
        let made = account.as_ref().ok().copied().flatten();
        let key = made.map(|made| Reading::new(&KEY, [] as [&str; 0], Clock::unix(made)));
        Verdict::new(findings, key.into_iter().collect())
    }
}

fn of_answer(answer: &Answer) -> Reason {
    let is_busy = answer.outcome() == Outcome::NotOperational;
    if is_busy { reason::DC_UNREACHABLE } else { reason::LDAP_ERROR }
}

fn found(severity: Severity, reason: Reason, subject: &str, detail: String) -> Finding {
    let error_type = error_type(SingleSignOn::NAME, reason, None);
    Finding { severity, reason, subject: subject.to_owned(), detail, error_type }
}

const COMPUTER: &str = "AzureADKerberos";
const ACCOUNT: &str = "krbtgt_AzureAD";
const DAY: u64 = 24 * 3600;

const KEY: Family = Family {
    name: "anc_ad_kerberos_server_key_timestamp_seconds",
    help: "When the key of the Microsoft Entra Kerberos server was made.",
    labels: &[],
    kind: Kind::Gauge,
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        catalogue::check as entry,
        checks::signing_in::tests::{
            PASSWORD, answer, cases as sign_ins, entered, now, signing_in, tried,
        },
        engine::{
            Severity::{Unknown, Warning},
            Status,
        },
    };

    /// What was seen, and what is found.
    struct Case {
        sentence: &'static str,
        facts: Facts,
        found: Vec<(Severity, Reason)>,
    }

    #[track_caller]
    fn judged(Case { sentence, facts, found }: &Case) -> Verdict {
        let check = SingleSignOn { signing_in: signing_in(), key_age: DAYS_180 };
        let verdict = check.judge(facts);
        let told: Vec<_> = verdict.findings().iter().map(|it| (it.severity, it.reason)).collect();
        assert_eq!(told, *found, "{sentence}: {:?}", verdict.findings());
        let worst = found.iter().map(|(severity, _)| *severity).max();
        assert_eq!(verdict.status(), worst.map_or(Status::Passed, Severity::status), "{sentence}");
        for finding in verdict.findings() {
            let text = format!("{}{}", finding.subject, finding.detail);
            assert!(!finding.subject.is_empty() && !finding.detail.is_empty(), "{sentence}");
            assert!(!text.contains(char::is_control) && !text.contains(PASSWORD), "{sentence}");
            assert!(finding.severity == Warning || finding.error_type.is_none(), "{sentence}");
        }
        verdict
    }

    #[test]
    fn each_sight_has_its_findings() {
        for case in cases() {
            judged(&case);
        }
    }

    #[test]
    fn every_reason_of_the_catalogue_is_found_and_no_other() {
        let found = cases().into_iter().flat_map(|case| case.found);
        let found: BTreeSet<_> = found.map(|(_, reason)| reason).collect();
        let elsewhere = [reason::TIMED_OUT, reason::PANICKED, reason::NO_DNS_SERVERS];
        let reports = entry("single_sign_on").unwrap().reports.iter().copied();
        let reports: BTreeSet<_> = reports.filter(|it| !elsewhere.contains(it)).collect();
        assert_eq!(found, reports);
    }

    #[test]
    fn what_is_missing_has_microsofts_name() {
        for server in [server(Err(32), Ok(None)), server(Ok(None), Err(32))] {
            let missing = SingleSignOn { signing_in: signing_in(), key_age: DAYS_180 }
                .judge(&Facts { signed_in: entered([]), seen: Some(server) });
            let error_type = missing.findings()[0].error_type;
            assert_eq!(error_type, Some("ssoCheckKerberosConfigurationError"));
        }
    }

    #[test]
    fn the_keys_time_is_told() {
        let verdict = judged(&case("a new key", [], server(LINKED, Ok(Some(now() - DAYS_180)))));
        assert_eq!(verdict.readings()[0].value, Clock::unix(now() - DAYS_180));
    }

    fn cases() -> Vec<Case> {
        let outside = sign_ins().into_iter().map(|it| {
            let found = it.reasons.into_iter().map(|reason| (Unknown, reason)).collect();
            Case {
                sentence: it.sentence,
                facts: Facts { signed_in: it.signed_in, seen: None },
                found,
            }
        });
        outside.chain(of_servers()).chain(of_sight()).collect()
    }

    fn of_servers() -> Vec<Case> {
        let (second, year) = (Duration::from_secs(1), Duration::from_secs(365 * DAY));
        let made = |at| server(LINKED, Ok(Some(at)));
        let missing = (Warning, reason::KERBEROS_SERVER_MISSING);
        let incomplete = (Warning, reason::KERBEROS_SERVER_INCOMPLETE);
        let old = (Warning, reason::KERBEROS_SERVER_KEY_OLD);
        vec![
            case("neither is there", [missing], server(Err(32), Err(32))),
            case("the account alone is there", [missing], server(Err(32), Ok(Some(now())))),
            case("the computer names no account", [incomplete], server(Ok(None), Ok(Some(now())))),
            case("its account is not there", [incomplete], server(LINKED, Err(32))),
            case("its account has no key", [incomplete], server(LINKED, Ok(None))),
            case("a key of this moment", [], made(now())),
            case("a key of a clock that is ahead", [], made(now() + year)),
            case("a key as old as may be", [], made(now() - DAYS_180)),
            case("a key a second older", [old], made(now() - DAYS_180 - second)),
        ]
    }

    /// What was not seen is never taken for sound, nor for missing.
    fn of_sight() -> Vec<Case> {
        let unread = [(Unknown, reason::LDAP_ERROR)];
        let elsewhere = Seen::Elsewhere("DC=other,DC=test".into());
        let malformed = Fault::Malformed("noise".into());
        let farewell = Fault::Closed("notice of disconnection".into());
        let local = Fault::Local("no time was left".into());
        let dead = [(Unknown, reason::DC_UNREACHABLE)];
        let mut untried = tried([]);
        untried.located = None;
        let nobody = vec![(Unknown, reason::COULD_NOT_LOOK)];
        let untried = Facts { signed_in: untried, seen: None };
        vec![
            Case { sentence: "nobody was tried", facts: untried, found: nobody },
            case("the computer may not be read", unread, server(Err(50), Ok(Some(now())))),
            case("the account may not be read", unread, server(LINKED, Err(50))),
            case("missing, and the account may not be read", unread, server(Err(32), Err(1))),
            case("rootDSE is refused", unread, Seen::Refused(answer(1, None, None))),
            case("busy", dead, Seen::Refused(answer(51, None, None))),
            case("busy with the computer", dead, server(Err(52), Err(52))),
            case("silent", dead, Seen::Ended(Fault::Timeout)),
            case("killed", dead, Seen::Ended(farewell)),
            case("noise", [(Unknown, reason::LDAP_MALFORMED)], Seen::Ended(malformed)),
            case("no time left", [(Unknown, reason::COULD_NOT_LOOK)], Seen::Ended(local)),
            case("another domain", [(Unknown, reason::DC_OF_OTHER_DOMAIN)], elsewhere),
        ]
    }

    fn case<const N: usize>(
        sentence: &'static str,
        found: [(Severity, Reason); N],
        seen: Seen,
    ) -> Case {
        let facts = Facts { signed_in: entered([]), seen: Some(seen) };
        Case { sentence, facts, found: found.into() }
    }

    /// An error is its LDAP result code.
    fn server(
        computer: Result<Option<&str>, u32>,
        account: Result<Option<SystemTime>, u32>,
    ) -> Seen {
        let refused = |code| answer(code, None, None);
        let computer = computer.map(|linked| linked.map(str::to_owned)).map_err(refused);
        Seen::Server(KerberosServer { computer, account: account.map_err(refused) })
    }

    const LINKED: Result<Option<&str>, u32> = Ok(Some("CN=krbtgt_AzureAD,CN=Users,DC=corp"));
    const DAYS_180: Duration = Duration::from_secs(180 * DAY);
}
