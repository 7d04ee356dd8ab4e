//! Whatever is asked with a wrong password, in whatever order and by however many: the account is
//! not locked. The test domain locks after three.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use support::daemon::Daemon;
use support::domain::{Domain, Joiner, in_order};
use support::pki::Pki;
use support::relay::{Failure, Place, Relay};
use support::report::{Check, Expected};
use support::samba::{self, Dc, Host, PASSWORD};
use support::zones::{Controller, DOMAIN};

const WRONG: &str = "adJoinCheckIncorrectCredentials";
const USER: &str = "svc-join@corp.contoso.test";
const REFUSED: Expected<'_> = ("wrong_credentials", WRONG, "failed", USER);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_wrong_password_is_tried_once_until_it_changes() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let joiner = wrong(&domain).with_memory();
    let started = SystemTime::now();
    joiner.report().check("prod-weu", "ad_domain_join").is("failed", 2, &[REFUSED]);
    let ended = SystemTime::now();
    assert_eq!(refused_binds(&domain), 1);
    for _ in 0..10 {
        let report = joiner.report();
        let check = report.check("prod-weu", "ad_domain_join");
        check.is("failed", 2, &[REFUSED]);
        let next = next_try(&check);
        // It is told to the second.
        assert!(started + DAY <= next + Duration::from_secs(1) && next <= ended + DAY);
        let unseen = ("wrong_credentials", "", "unknown", USER);
        report.check("prod-weu", "single_sign_on").is("unknown", 2, &[unseen]);
    }
    assert_eq!(refused_binds(&domain), 1);

    // Another one is tried at once, once.
    fs::write(&joiner.password_file, "another wrong one").unwrap();
    for _ in 0..3 {
        joiner.check().is("failed", 2, &[REFUSED]);
    }
    assert_eq!(refused_binds(&domain), 2);

    // The first is not forgotten over it, nor over the right one.
    fs::write(&joiner.password_file, PASSWORD).unwrap();
    assert_eq!(joiner.check().code, 0);
    fs::write(&joiner.password_file, "wrong").unwrap();
    joiner.check().is("failed", 2, &[REFUSED]);
    assert_eq!(refused_binds(&domain), 2);
    is_not_locked(&domain);
}

#[test]
fn a_daemon_tries_a_wrong_password_once_for_all_its_connections() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let joiner = wrong(&domain).with_memory().connections(&["prod-weu", "prod-neu", "test"]);
    for _ in 0..2 {
        let mut daemon = Daemon::start(&joiner.config());
        daemon.wait_for("/readyz", Duration::from_secs(60), |it| it.status == 200);
        let status = daemon.get("/api/v1/status").json();
        for connection in status["connections"].as_array().unwrap() {
            let checks = connection["checks"].as_array().unwrap().iter();
            let reasons = checks.map(|it| (&it["check"], &it["findings"][0]["reason"]));
            let reasons: Vec<_> = reasons.filter(|(_, reason)| !reason.is_null()).collect();
            let expected = ["ad_domain_join", "single_sign_on"];
            assert_eq!(reasons.iter().map(|it| it.0).collect::<Vec<_>>(), expected, "{status:#}");
            assert!(reasons.iter().all(|it| it.1 == "wrong_credentials"), "{status:#}");
        }
        daemon.sigterm();
        assert_eq!(daemon.wait_exit(Duration::from_secs(30)).unwrap().code, Some(0));
        assert_eq!(refused_binds(&domain), 1);
    }
    is_not_locked(&domain);
}

#[test]
fn a_daemon_tries_a_new_password_at_once() {
    let domain = Domain::of(&[Host::Dc1]);
    let joiner = wrong(&domain);
    let daemon = Daemon::start(&joiner.config());
    daemon.wait_for("/readyz", Duration::from_secs(60), |it| it.status == 200);
    assert_eq!(refused_binds(&domain), 1);
    fs::write(&joiner.password_file, PASSWORD).unwrap();
    let limit = Duration::from_secs(60);
    daemon.wait_for("/healthz", limit, |it| it.status == 200);
    assert_eq!(refused_binds(&domain), 1);
    is_not_locked(&domain);
}

#[test]
fn many_checks_at_once_try_a_wrong_password_once() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let names: Vec<_> = (0..8).map(|number| format!("c{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let report = wrong(&domain).connections(&names).report();
    for name in names {
        report.check(name, "ad_domain_join").is("failed", 2, &[REFUSED]);
    }
    assert_eq!(refused_binds(&domain), 1);
    is_not_locked(&domain);
}

#[test]
fn many_processes_at_once_do_not_lock_the_account() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let joiner = wrong(&domain).with_memory();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| joiner.check());
        }
    });
    // Each writes down that it will before it does, and the third reads that two have.
    let tried = refused_binds(&domain);
    assert!((1..=2).contains(&tried), "{tried}");
    joiner.check().is("failed", 2, &[REFUSED]);
    assert_eq!(refused_binds(&domain), tried);
    is_not_locked(&domain);
}

#[test]
fn without_a_memory_each_check_tries_once() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    for count in 1..=2 {
        let joiner = wrong(&domain);
        joiner.report().check("prod-weu", "ad_domain_join").is("failed", 2, &[REFUSED]);
        assert_eq!(refused_binds(&domain), count);
    }
    is_not_locked(&domain);
}

#[test]
fn answers_that_are_lost_do_not_lock_the_account() {
    let pki = Pki::new("Contoso Root");
    let dcs = [Host::Dc1, Host::Dc2].map(|host| Dc::start(host, &pki.valid(host.name())));
    // The second message is the sign-in.
    let relays = dcs.each_ref().map(|dc| {
        let lost = |_| Some((Place::Answer(2), Failure::Close));
        Relay::start(samba::free_address(), dc.address(), lost)
    });
    let [one, two] = relays.each_ref().map(|relay| relay.address);
    let zone = in_order(&[Controller::at("dc1", one), Controller::at("dc2", two)]);
    let domain = Domain::named(pki, dcs.into(), &zone);
    let joiner = wrong(&domain).with_memory();
    let lost = [Host::Dc1, Host::Dc2]
        .map(|host| ("dc_unreachable", "adJoinCheckServerNotOperational", "failed", host.name()));
    joiner.check().is("failed", 2, &lost);
    for _ in 0..5 {
        let check = joiner.check();
        check.is("unknown", 3, &[("could_not_look", "", "unknown", USER)]);
        let left = next_try(&check).duration_since(SystemTime::now()).unwrap();
        assert!(left > Duration::from_secs(20 * 60), "{left:?}");
    }
    assert_eq!(refused_binds(&domain), 2);
    is_not_locked(&domain);
}

#[test]
fn an_account_that_is_refused_for_its_state_is_tried_again_later() {
    let domain = Domain::of(&[Host::Dc1]);
    for (account, minutes) in [
        ("svc-locked", 24 * 60),
        ("svc-disabled", 30),
        ("svc-expired", 30),
        ("svc-mustchange", 30),
        ("svc-pwexpired", 30),
    ] {
        let joiner = domain.joiner(account).with_memory();
        let before = domain.dc().binds().len();
        let first = joiner.check();
        for _ in 0..2 {
            let again = joiner.check();
            again.is("failed", 2, &first.findings());
            let left = next_try(&again).duration_since(SystemTime::now()).unwrap();
            let whole = Duration::from_secs(minutes * 60);
            assert!(left <= whole && left + Duration::from_secs(60) > whole, "{account} {left:?}");
        }
        assert_eq!(domain.dc().binds().len(), before + 1, "{account}");
    }
}

fn wrong(domain: &Domain) -> Joiner<'_> {
    domain.joiner_as(&format!("svc-join@{DOMAIN}"), "wrong")
}

/// On all domain controllers together: a real domain counts them so.
fn refused_binds(domain: &Domain) -> usize {
    let binds = domain.dcs.iter().flat_map(Dc::binds);
    binds.filter(|bind| bind.status == "NT_STATUS_WRONG_PASSWORD").count()
}

fn is_not_locked(domain: &Domain) {
    for dc in &domain.dcs {
        let locked = dc.account("svc-join", "lockoutTime");
        assert!(locked.as_deref().is_none_or(|it| it == "0"), "{locked:?}");
        assert_eq!(dc.sign_in("svc-join", PASSWORD), Ok(()));
    }
}

#[track_caller]
fn next_try(check: &Check) -> SystemTime {
    let detail = check.detail(check.findings()[0].0);
    let (_, at) = detail.split_once("the next try is at ").unwrap();
    let (at, _) = at.split_once(',').unwrap();
    OffsetDateTime::parse(at, &Rfc3339).unwrap().into()
}
