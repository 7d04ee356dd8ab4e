use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use super::*;
use crate::{
    catalogue::{check as entry, error_type, reason},
    checks::signing_in::{
        Ending, Weight,
        tests::{
            DOMAIN, PASSWORD, USER, answer, cases as sign_ins, entered, not_reached, now,
            signing_in, tried, untrusted,
        },
    },
    directory::{Computer, Computers, Phase, Standing},
    engine::{
        Finding, Reason,
        Severity::{self, Failed, Informational, Unknown, Warning},
        Status,
    },
    net::{
        TcpFault,
        tls::{Dates, Standing as Vouched},
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
    let verdict = join().judge(facts);
    let told: Vec<_> = verdict.findings().iter().map(|it| (it.severity, it.reason)).collect();
    assert_eq!(told, *found, "{sentence}: {:?}", verdict.findings());
    let worst = found.iter().map(|(severity, _)| *severity).max();
    assert_eq!(verdict.status(), worst.map_or(Status::Passed, Severity::status), "{sentence}");
    for finding in verdict.findings() {
        let Finding { severity, reason, subject, detail, error_type: named } = finding;
        assert!(!subject.trim().is_empty() && !detail.trim().is_empty(), "{sentence}: {finding:?}");
        let text = format!("{subject}{detail}");
        assert!(!text.contains(char::is_control) && !text.contains(PASSWORD), "{sentence}: {text}");
        let known = error_type("ad_domain_join", *reason, None);
        assert_eq!(*named, known.filter(|_| *severity != Unknown), "{sentence}: {finding:?}");
        assert!(*severity != Failed || named.is_some(), "{sentence}: Microsoft fails as well");
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
    let found: BTreeSet<_> =
        cases().into_iter().flat_map(|case| case.found).map(|it| it.1).collect();
    let elsewhere = [reason::TIMED_OUT, reason::PANICKED, reason::NO_DNS_SERVERS];
    let reports = entry("ad_domain_join").unwrap().reports.iter().copied();
    let reports: BTreeSet<_> = reports.filter(|it| !elsewhere.contains(it)).collect();
    assert_eq!(found, reports);
}

#[test]
fn a_stale_rehearsal_is_no_proof() {
    let last = Last::default();
    last.keep(now(), &rehearsed());
    assert!(last.within(Duration::from_secs(3600)).is_some());
    assert!(last.within(Duration::ZERO).is_none());
}

#[test]
fn what_went_wrong_is_tried_again_at_once() {
    for case in of_rehearsals() {
        let Some(Seen { proof: Proof::Done(_, rehearsed), .. }) = &case.facts.seen else {
            continue;
        };
        assert_eq!(rehearsed::went_well(rehearsed), case.found.is_empty(), "{}", case.sentence);
    }
}

#[test]
fn facts_hold_no_secret() {
    let check = join();
    assert!(!format!("{check:?}").contains(PASSWORD));
}

#[test]
fn the_numbers_are_told() {
    let verdict = judged(&case("all is well", [], |_| ()));
    let told: Vec<_> = verdict.readings().iter().map(|it| (it.family.name, it.value)).collect();
    for wanted in [
        ("anc_ad_machine_account_quota", 10.0),
        ("anc_ad_machine_accounts_used", 0.0),
        ("anc_ad_leftover_computers", 0.0),
    ] {
        assert!(told.contains(&wanted), "{told:?}");
    }
    let phases =
        verdict.readings().iter().filter(|it| it.family.name == "anc_ad_join_phase_seconds");
    let phases: Vec<_> = phases.flat_map(|it| it.labels.clone()).collect();
    assert_eq!(phases, ["locate", "bind", "create", "delete"]);
}

#[test]
fn leftovers_are_counted_and_told_where_they_lie() {
    let mut verdicts = of_account_and_domain().into_iter();
    let case = verdicts.find(|case| case.sentence == "Microsoft's check left some").unwrap();
    let verdict = judged(&case);
    let detail = &verdict.findings()[0].detail;
    assert!(detail.starts_with("2 computer objects"), "{detail}");
    assert!(detail.contains("the oldest 3 days old; 1 of them lie outside OU=Cloud"), "{detail}");
}

fn cases() -> Vec<Case> {
    let cases = [of_signing_in(), of_several_controllers(), of_sight(), of_units()];
    let more = [of_account_and_domain(), of_quotas(), of_rehearsals()];
    cases.into_iter().chain(more).flatten().collect()
}

/// One domain controller, and nobody is let in.
fn of_signing_in() -> Vec<Case> {
    let cases = sign_ins().into_iter().map(|it| {
        let severity = match it.weight {
            Weight::Join | Weight::Controller => Failed,
            Weight::Look => Unknown,
        };
        let found = it.reasons.into_iter().map(|reason| (severity, reason)).collect();
        Case { sentence: it.sentence, facts: Facts { signed_in: it.signed_in, seen: None }, found }
    });
    cases.collect()
}

fn of_several_controllers() -> Vec<Case> {
    use reason::{CERTIFICATE_UNTRUSTED, COULD_NOT_LOOK, DC_UNREACHABLE, WRONG_CREDENTIALS};
    let dead = || Ending::NotReached {
        fault: Fault::Tcp(TcpFault::Timeout),
        ldap: Err(TcpFault::Timeout),
    };
    let doubtful = || not_reached(untrusted(Vouched::UnknownIssuer, Dates::Valid, true));
    let refused = || Ending::Refused(answer(49, None, Some(0x52e)));
    let busy = || Ending::Refused(answer(51, None, None));
    let late = |ldap| Ending::OutOfTime { ldap };
    let outside = |sentence, signed_in, found: &[(Severity, Reason)]| {
        let facts = Facts { signed_in, seen: None };
        Case { sentence, facts, found: found.into() }
    };
    let inside = |sentence, signed_in, found: &[(Severity, Reason)]| {
        let facts = Facts { signed_in, seen: Some(seen()) };
        Case { sentence, facts, found: found.into() }
    };
    let untried = SignedIn { tried: Vec::new(), ..tried([dead()]) };
    let gone = (Warning, DC_UNREACHABLE);
    let dead_and_doubtful = [gone, (Unknown, CERTIFICATE_UNTRUSTED)];
    let dead_then_refused = [gone, (Failed, WRONG_CREDENTIALS)];
    let doubtful_then_refused = [(Warning, CERTIFICATE_UNTRUSTED), (Failed, WRONG_CREDENTIALS)];
    let dead_and_late = [gone, (Unknown, COULD_NOT_LOOK)];
    let both = [(Failed, DC_UNREACHABLE), (Failed, DC_UNREACHABLE)];
    vec![
        inside("one is down, another served", entered([dead()]), &[gone]),
        inside("one is busy, another served", entered([busy()]), &[gone]),
        inside(
            "one is not trusted, another served",
            entered([doubtful()]),
            &[(Warning, CERTIFICATE_UNTRUSTED)],
        ),
        inside("one is read-only, another served", entered([Ending::ReadOnly]), &[]),
        outside(
            "the only one is read-only",
            tried([Ending::ReadOnly]),
            &[(Unknown, reason::DC_READ_ONLY)],
        ),
        outside("all are down", tried([dead(), dead()]), &both),
        outside("one is down, one not trusted", tried([dead(), doubtful()]), &dead_and_doubtful),
        outside("one is down, one refuses", tried([dead(), refused()]), &dead_then_refused),
        outside(
            "one is not trusted, one refuses",
            tried([doubtful(), refused()]),
            &doubtful_then_refused,
        ),
        outside("one is down, one was not tried", tried([dead(), late(Ok(()))]), &dead_and_late),
        outside(
            "one is down, and so is one that was not tried",
            tried([dead(), late(Err(TcpFault::Timeout))]),
            &both,
        ),
        outside("nobody was tried", untried, &[(Unknown, COULD_NOT_LOOK)]),
    ]
}

/// What was not seen is never taken for sound.
fn of_sight() -> Vec<Case> {
    use reason::{COULD_NOT_LOOK, DC_OF_OTHER_DOMAIN, DC_UNREACHABLE, LDAP_ERROR, LDAP_MALFORMED};
    let unread = (Unknown, LDAP_ERROR);
    let ended = |sentence, found, fault: Fault| {
        case(sentence, [found], |seen| *seen = Seen { fault: Some(fault), ..Seen::default() })
    };
    vec![
        case("all is well", [], |_| ()),
        case("nothing was looked at", [unread], |seen| *seen = Seen::default()),
        case("rootDSE is refused", [unread], |seen| {
            *seen = Seen { root: Some(Err(answer(1, None, None))), ..Seen::default() };
        }),
        case("another domain's domain controller", [(Unknown, DC_OF_OTHER_DOMAIN)], |it| {
            let mut root = seen().root;
            root.as_mut().unwrap().as_mut().unwrap().default_naming_context = "DC=b".into();
            *it = Seen { root, ..Seen::default() };
        }),
        case("the account is not found", [unread], |seen| seen.account = Some(Ok(None))),
        case("the account may not be read", [unread], |seen| seen.account = Some(Err(odd()))),
        case("its identifier may not be read", [unread], |seen| {
            seen.account.as_mut().unwrap().as_mut().unwrap().as_mut().unwrap().sid.clear();
        }),
        case("the domain may not be read", [unread], |seen| seen.domain = Some(Err(odd()))),
        case("no OU, and the domain may not be read", [unread], |seen| {
            (seen.unit, seen.domain) = (None, Some(Err(odd())));
        }),
        case("no OU, and the domain names no container", [unread], |seen| {
            (seen.unit, seen.domain) = (None, Some(Ok(Domain::default())));
        }),
        case("what it created may not be read", [unread], |seen| seen.used = Some(Err(odd()))),
        case("leftovers may not be read", [unread], |it| it.left_by_microsoft = Some(Err(odd()))),
        case("busy while reading", [(Failed, DC_UNREACHABLE)], |seen| {
            seen.account = Some(Err(answer(51, None, None)));
        }),
        ended("killed before anything was read", (Failed, DC_UNREACHABLE), Fault::Timeout),
        ended("noise", (Failed, LDAP_MALFORMED), Fault::Malformed("noise".into())),
        ended("no time left", (Unknown, COULD_NOT_LOOK), Fault::Local("no time".into())),
        case("the rehearsal is due, and no time is left", [(Unknown, COULD_NOT_LOOK)], |seen| {
            seen.proof = Proof::Due;
        }),
        case("nothing is to be written", [], |seen| seen.proof = Proof::Unwanted),
    ]
}

fn of_units() -> Vec<Case> {
    use reason::{
        ACCESS_DENIED, DC_UNREACHABLE, LDAP_ERROR, OU_IN_OTHER_DOMAIN, OU_MALFORMED, OU_NOT_FOUND,
    };
    let unreadable = |sentence, found, code, is_in_domain| {
        case(sentence, [found], move |seen| {
            let unit = Err(answer(code, None, None));
            seen.unit = Some(Unit { is_in_domain, seen: unit, ..seen.unit.take().unwrap() });
            seen.proof = Proof::Unwanted;
        })
    };
    let within = Some(true);
    vec![
        unreadable("it does not exist", (Failed, OU_NOT_FOUND), 32, within),
        unreadable("of another domain by name", (Failed, OU_IN_OTHER_DOMAIN), 32, Some(false)),
        unreadable("of another domain by referral", (Failed, OU_IN_OTHER_DOMAIN), 10, within),
        unreadable("no name, and not found", (Failed, OU_MALFORMED), 32, None),
        unreadable("no name, by its code", (Failed, OU_MALFORMED), 34, within),
        unreadable("it may not be read", (Failed, ACCESS_DENIED), 50, within),
        unreadable("busy", (Failed, DC_UNREACHABLE), 51, within),
        unreadable("a code without a word", (Unknown, LDAP_ERROR), 1, within),
        case("an empty name, under which rootDSE is read", [(Failed, OU_MALFORMED)], |seen| {
            let unit = seen.unit.as_mut().unwrap();
            (unit.name, unit.is_in_domain) = (String::new(), None);
        }),
        case("no right to create there", [(Failed, ACCESS_DENIED)], |seen| {
            may_not_create(seen);
            seen.proof = Proof::Unwanted;
        }),
    ]
}

fn of_account_and_domain() -> Vec<Case> {
    use reason::{
        ACCOUNT_EXPIRES_SOON, GROUP_POLICY_LINKED, LEFTOVER_COMPUTERS, PASSWORD_EXPIRES_SOON,
    };
    fn account(seen: &mut Seen) -> &mut Account {
        seen.account.as_mut().unwrap().as_mut().unwrap().as_mut().unwrap()
    }
    let (day, second) = (Duration::from_secs(24 * 3600), Duration::from_secs(1));
    let soon = (Warning, PASSWORD_EXPIRES_SOON);
    let password = |sentence, found: &[_], at: SystemTime| {
        let twist = |seen: &mut Seen| account(seen).password_expires = Some(at);
        Case { found: found.into(), ..case(sentence, [], twist) }
    };
    let policy = |title: &str| Policy {
        title: title.into(),
        linked_to: "DC=corp,DC=contoso,DC=com".into(),
        is_enforced: true,
    };
    vec![
        password("the password holds for 14 days", &[], now() + day * 14),
        password("the password expires a second earlier", &[soon], now() + day * 14 - second),
        password("the password should have expired", &[soon], now() - day),
        case("the account expires tomorrow", [(Warning, ACCOUNT_EXPIRES_SOON)], |seen| {
            account(seen).expires = Some(now() + day);
        }),
        case("two policies", [(Informational, GROUP_POLICY_LINKED); 2], |it| {
            it.policies = vec![policy("Baseline"), policy("Printers")];
        }),
        case("Microsoft's check left some", [(Informational, LEFTOVER_COMPUTERS)], |seen| {
            let mut oldest = computer("CN=CPC-Hth1,CN=Computers,DC=corp,DC=contoso,DC=com");
            oldest.created = Some(now() - day * 3);
            let other = computer("cn=CPC-Hth2, OU=CloudPCs,DC=corp,DC=contoso,DC=com");
            let computers = vec![oldest, other];
            seen.left_by_microsoft = Some(Ok(Computers { computers, is_cut: false }));
        }),
    ]
}

/// The default container, without a right to create there.
fn of_quotas() -> Vec<Case> {
    use reason::{LDAP_ERROR, QUOTA_EXCEEDED, QUOTA_LOW};
    let quota = |sentence, found: &[(Severity, Reason)], quota, used, is_proved: bool| {
        let twist = |seen: &mut Seen| {
            may_not_create(seen);
            seen.unit.as_mut().unwrap().is_default = true;
            seen.domain.as_mut().unwrap().as_mut().unwrap().quota = quota;
            let computers = vec![computer("CN=a"); used];
            seen.used = Some(Ok(Computers { computers, is_cut: false }));
            if !is_proved {
                seen.proof = Proof::Unwanted;
            }
        };
        Case { found: found.into(), ..case(sentence, [], twist) }
    };
    let (used_up, low) = (&[(Failed, QUOTA_EXCEEDED)], &[(Warning, QUOTA_LOW)]);
    vec![
        quota("seven of ten", &[], Some(10), 7, false),
        quota("eight of ten", low, Some(10), 8, false),
        quota("nine of ten", low, Some(10), 9, false),
        quota("ten of ten", used_up, Some(10), 10, false),
        quota("more than the quota", used_up, Some(10), 12, false),
        quota("no quota at all", used_up, Some(0), 0, false),
        quota("ten of ten, and yet one more was created just now", low, Some(10), 10, true),
        quota("a quota that may not be read", &[(Unknown, LDAP_ERROR)], None, 0, false),
        quota("one that may not be read, and one created just now", &[], None, 0, true),
        case("used up, and an earlier rehearsal", [(Failed, QUOTA_EXCEEDED)], |seen| {
            may_not_create(seen);
            seen.unit.as_mut().unwrap().is_default = true;
            seen.domain.as_mut().unwrap().as_mut().unwrap().quota = Some(0);
            let earlier = now() - Duration::from_secs(60);
            seen.proof = Proof::Done(earlier, Box::new(rehearsed()));
        }),
        case("used up, and a right of its own", [], |seen| {
            seen.unit.as_mut().unwrap().is_default = true;
            seen.domain.as_mut().unwrap().as_mut().unwrap().quota = Some(0);
        }),
    ]
}

fn of_rehearsals() -> Vec<Case> {
    use reason::{
        ACCESS_DENIED, CANNOT_DELETE, CANNOT_DISABLE, COMPUTER_EXISTS, COULD_NOT_LOOK,
        CREATE_REFUSED, DC_UNREACHABLE, OU_IN_OTHER_DOMAIN, OU_MALFORMED, OU_NOT_FOUND,
        QUOTA_EXCEEDED,
    };
    let went = |sentence, found: &[(Severity, Reason)], twist: &dyn Fn(&mut Rehearsed)| {
        let mut rehearsed = rehearsed();
        twist(&mut rehearsed);
        let proof = Proof::Done(now(), Box::new(rehearsed));
        Case { found: found.into(), ..case(sentence, [], |seen| seen.proof = proof) }
    };
    let created = |sentence, severity, reason, code, win32| {
        went(sentence, &[(severity, reason)], &|it| {
            let created = Some(answer(code, win32, None));
            *it = Rehearsed { created, ..Rehearsed::default() };
        })
    };
    let code = |code| Some(answer(code, None, None));
    let standing = |standing: fn(Computer) -> Standing| Some(standing(computer("CN=ANC-Hth0")));
    vec![
        went("another of the same name is at work", &[(Warning, COMPUTER_EXISTS)], &|it| {
            (it.verified, it.disabled, it.deleted) = (Some(false), code(32), code(32));
        }),
        created("no right", Failed, ACCESS_DENIED, 50, Some(5)),
        created("no privilege", Failed, ACCESS_DENIED, 50, Some(0x522)),
        created("the quota", Failed, QUOTA_EXCEEDED, 53, Some(0x216d)),
        created("the container is gone", Failed, OU_NOT_FOUND, 32, Some(0x208d)),
        created("its name is none", Failed, OU_MALFORMED, 34, Some(0x208f)),
        created("a referral, as of a read-only one", Failed, OU_IN_OTHER_DOMAIN, 10, Some(0x202b)),
        created("an account elsewhere", Warning, COMPUTER_EXISTS, 68, Some(0x524)),
        created("a name in the container", Warning, COMPUTER_EXISTS, 68, Some(0x2071)),
        created("busy", Failed, DC_UNREACHABLE, 51, None),
        created("a password policy", Failed, CREATE_REFUSED, 53, Some(0x52d)),
        created("a constraint", Failed, CREATE_REFUSED, 19, None),
        went("a foreign object", &[(Warning, COMPUTER_EXISTS)], &|it| {
            *it = Rehearsed { found: standing(Standing::Foreign), ..Rehearsed::default() };
        }),
        went("ours, left by an earlier run", &[], &|it| it.found = standing(Standing::Ours)),
        went("it cannot be read back", &[(Warning, CREATE_REFUSED)], &|it| {
            it.verified = Some(false)
        }),
        went("no right to disable", &[(Failed, CANNOT_DISABLE)], &|it| it.disabled = code(50)),
        went("busy at disabling", &[(Failed, DC_UNREACHABLE)], &|it| it.disabled = code(52)),
        went("no right to delete", &[(Warning, CANNOT_DELETE)], &|it| it.deleted = code(50)),
        went("somebody else deleted it", &[], &|it| it.deleted = code(32)),
        went("neither", &[(Failed, CANNOT_DISABLE), (Warning, CANNOT_DELETE)], &|it| {
            (it.disabled, it.deleted) = (code(50), code(50));
        }),
        went("killed in the middle", &[(Failed, DC_UNREACHABLE)], &|it| {
            it.fault = Some(Fault::Closed("end of stream".into()));
        }),
        went("no time to finish", &[(Unknown, COULD_NOT_LOOK)], &|it| {
            it.fault = Some(Fault::Local("no time".into()));
        }),
    ]
}

/// dc9 let us in, and all is well but for the twist.
fn case<const N: usize>(
    sentence: &'static str,
    found: [(Severity, Reason); N],
    twist: impl FnOnce(&mut Seen),
) -> Case {
    let mut seen = seen();
    twist(&mut seen);
    let facts = Facts { signed_in: entered([]), seen: Some(seen) };
    Case { sentence, facts, found: found.into() }
}

fn seen() -> Seen {
    let name = "OU=CloudPCs,DC=corp,DC=contoso,DC=com".to_owned();
    let root = RootDse { default_naming_context: name::of_domain(DOMAIN), ..RootDse::default() };
    let (user, sid) = (USER.to_owned(), vec![1, 5]);
    let account = Account { name: user, sid, password_expires: None, expires: None };
    let computers = Some("CN=Computers,DC=corp,DC=contoso,DC=com".to_owned());
    let container = Container { name: name.clone(), may_create_computers: true };
    let is_in_domain = Some(true);
    Seen {
        root: Some(Ok(root)),
        account: Some(Ok(Some(account))),
        domain: Some(Ok(Domain { quota: Some(10), computers })),
        used: Some(Ok(Computers::default())),
        unit: Some(Unit { name, is_in_domain, is_default: false, seen: Ok(container) }),
        policies: Vec::new(),
        left_by_microsoft: Some(Ok(Computers::default())),
        proof: Proof::Done(now(), Box::new(rehearsed())),
        fault: None,
        beside: None,
    }
}

fn may_not_create(seen: &mut Seen) {
    let unit = seen.unit.as_mut().unwrap();
    unit.seen.as_mut().unwrap().may_create_computers = false;
}

fn rehearsed() -> Rehearsed {
    let done = || Some(answer(0, None, None));
    let took = [Phase::Create, Phase::Delete].map(|phase| (phase, Duration::from_millis(3)));
    let (created, disabled, deleted) = (done(), done(), done());
    let verified = Some(true);
    Rehearsed { created, verified, disabled, deleted, took: took.into(), ..Rehearsed::default() }
}

fn computer(name: &str) -> Computer {
    let name = name.to_owned();
    let (guid, created, description, creator) = (None, None, None, None);
    Computer { name, guid, created, description, creator, is_disabled: true }
}

/// An error without a word.
fn odd() -> Answer {
    answer(1, Some(0x4dc), None)
}

fn join() -> AdDomainJoin {
    let every = Duration::from_secs(3600);
    AdDomainJoin {
        signing_in: signing_in(),
        organizational_unit: Some("OU=CloudPCs,DC=corp,DC=contoso,DC=com".into()),
        computer: "ANC-Hth0123ABCD".into(),
        mark: "anc-healthd: test".into(),
        writing: Some(Writing { keeps: false, every }),
        last: Last::default(),
    }
}
