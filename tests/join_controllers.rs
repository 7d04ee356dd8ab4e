//! `ad_domain_join` when domain controllers are dead, silent, cut off or not who they should be:
//! what is told, what was sent all the same, and what the next run finds.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use support::domain::{COMPUTER, Domain, in_order, object, unit};
use support::pki::{Identity, Pki};
use support::process::poll;
use support::relay::{Failure, Place, Plan, Relay};
use support::report::{Check, Expected};
use support::samba::{self, Dc, Host};
use support::zones::{Controller, of_controllers};

const TAKEN: &str = "adJoinCheckComputerObjectAlreadyExists";
const NOT_OPERATIONAL: &str = "adJoinCheckServerNotOperational";
const FQDN: &str = "adJoinCheckFqdnNotFound";
const DC1: &str = Host::Dc1.name();
const DC2: &str = Host::Dc2.name();
const LEFTOVERS: Expected<'_> = ("leftover_computers", "", "informational", "corp.contoso.test");
const LOCKDOWN: Expected<'_> = ("group_policy_linked", "", "informational", "Contoso Lockdown");

#[test]
fn a_certificate_that_cannot_be_relied_on_gets_no_password() {
    let pki = Pki::new("Contoso Root");
    let stranger = Pki::new("Another Root");
    let unnamed = pki.valid("another.corp.contoso.test");
    for (identity, reasons) in [
        (stranger.valid(DC1), &["certificate_untrusted"][..]),
        (Identity::self_signed(DC1), &["certificate_untrusted"]),
        (pki.valid(DC1).without_intermediate(), &["certificate_untrusted"]),
        (pki.expired(DC1), &["certificate_expired"]),
        (pki.not_yet_valid(DC1), &["certificate_not_yet_valid"]),
        (unnamed, &["certificate_wrong_name"]),
        (
            stranger.expired("other.test"),
            &["certificate_untrusted", "certificate_expired", "certificate_wrong_name"],
        ),
    ] {
        let dc = Dc::start(Host::Dc1, &identity);
        let zone = of_controllers(&[dc.controller()]);
        let domain = Domain::named(Pki::new("Unused"), vec![dc], &zone);
        pki.write_root(domain.home.path());
        for transport in ["ldaps", "starttls"] {
            let joiner = domain.joiner("svc-join").setting(&format!("transport = {transport:?}"));
            let report = joiner.report();
            let expected: Vec<_> = reasons.iter().map(|it| (*it, "", "unknown", DC1)).collect();
            report.check("prod-weu", "ad_domain_join").is("unknown", 3, &expected);
            report.check("prod-weu", "single_sign_on").is("unknown", 3, &expected);
        }
        assert_eq!(domain.dc().story(), Vec::<String>::new());
    }
}

#[test]
fn a_certificate_is_pinned_by_its_fingerprint() {
    let pki = Pki::new("Contoso Root");
    let identity = pki.valid(DC1);
    let fingerprint = fingerprint(&identity);
    let domain = Domain::with(pki, vec![Dc::start(Host::Dc1, &identity)]);
    let pinned = |pins: &[&str]| {
        domain.joiner("svc-join").setting(&format!("certificate_sha256 = {pins:?}")).check()
    };
    let another = "0".repeat(64);
    pinned(&[&another]).is("unknown", 3, &[("certificate_not_pinned", "", "unknown", DC1)]);
    assert_eq!(domain.dc().story(), Vec::<String>::new());
    pinned(&[&another, &fingerprint]).is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
}

#[test]
fn a_pinned_certificate_needs_a_root_all_the_same() {
    let identity = Pki::new("Another Root").valid(DC1);
    let fingerprint = fingerprint(&identity);
    let domain = Domain::with(Pki::new("Contoso Root"), vec![Dc::start(Host::Dc1, &identity)]);
    let joiner =
        domain.joiner("svc-join").setting(&format!("certificate_sha256 = [{fingerprint:?}]"));
    joiner.check().is("unknown", 3, &[("certificate_untrusted", "", "unknown", DC1)]);
    assert_eq!(domain.dc().story(), Vec::<String>::new());
}

#[test]
fn a_good_certificate_elsewhere_makes_a_bad_one_a_warning() {
    let pki = Pki::new("Contoso Root");
    let dcs = vec![Dc::start(Host::Dc1, &pki.expired(DC1)), Dc::start(Host::Dc2, &pki.valid(DC2))];
    let domain = Domain::with(pki, dcs);
    let report = domain.joiner("svc-join").report();
    let expired = ("certificate_expired", "", "warning", DC1);
    report.check("prod-weu", "ad_domain_join").is("warning", 1, &[expired, LEFTOVERS, LOCKDOWN]);
    report.check("prod-weu", "single_sign_on").is("passed", 1, &[]);
    assert_eq!(domain.dc().story(), Vec::<String>::new());
    assert_eq!(domain.dcs[1].changes().len(), 3);
}

#[test]
fn ldaps_on_the_plain_port_is_no_tls() {
    let domain = Domain::of(&[Host::Dc1]);
    let check = domain.joiner("svc-join").setting("ports.ldaps = 389").check();
    check.is("unknown", 3, &[("tls_refused", "", "unknown", DC1)]);
    assert_eq!(domain.dc().audit(), []);
}

#[test]
fn starttls_on_the_tls_port_is_not_ldap() {
    let domain = Domain::of(&[Host::Dc1]);
    let joiner = domain.joiner("svc-join").setting("transport = \"starttls\"");
    let check = joiner.setting("ports.ldap = 636").check();
    check.is("failed", 2, &[("dc_unreachable", NOT_OPERATIONAL, "failed", DC1)]);
    assert_eq!(domain.dc().audit(), []);
}

#[test]
fn a_closed_ldaps_port_keeps_us_from_looking_and_nobody_from_joining() {
    let domain = Domain::of(&[Host::Dc1]);
    let check = domain.joiner("svc-join").setting("ports.ldaps = 637").check();
    check.is("unknown", 3, &[("tcp_refused", "", "unknown", DC1)]);
}

#[test]
fn a_dead_domain_controller_beside_a_live_one_is_a_warning() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    domain.dc().kill();
    for transport in ["ldaps", "starttls"] {
        let joiner = domain.joiner("svc-join").setting(&format!("transport = {transport:?}"));
        let report = joiner.report();
        let dead = ("dc_unreachable", NOT_OPERATIONAL, "warning", DC1);
        report.check("prod-weu", "ad_domain_join").is("warning", 1, &[dead, LEFTOVERS, LOCKDOWN]);
        report.check("prod-weu", "single_sign_on").is("passed", 1, &[]);
    }
    assert_eq!(domain.dcs[1].changes().len(), 6);
    assert_eq!(ours(&domain.dcs[1]), 0);
}

#[test]
fn without_a_live_domain_controller_a_join_fails() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    for dc in &domain.dcs {
        dc.kill();
    }
    for transport in ["ldaps", "starttls"] {
        let joiner = domain.joiner("svc-join").setting(&format!("transport = {transport:?}"));
        let report = joiner.report();
        let dead = [DC1, DC2].map(|dc| ("dc_unreachable", NOT_OPERATIONAL, "failed", dc));
        report.check("prod-weu", "ad_domain_join").is("failed", 2, &dead);
        let unseen = [DC1, DC2].map(|dc| ("dc_unreachable", "", "unknown", dc));
        report.check("prod-weu", "single_sign_on").is("unknown", 2, &unseen);
    }
}

#[test]
fn a_silent_domain_controller_is_as_a_dead_one() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let joiner = domain.joiner("svc-join").general("checks.ad_domain_join.timeout = \"12s\"");
    let by = |transport| joiner.clone().setting(&format!("transport = {transport:?}")).check();
    domain.dc().pause();
    for transport in ["ldaps", "starttls"] {
        let silent = ("dc_unreachable", NOT_OPERATIONAL, "warning", DC1);
        by(transport).is("warning", 1, &[silent, LEFTOVERS, LOCKDOWN]);
    }
    domain.dcs[1].pause();
    for transport in ["ldaps", "starttls"] {
        let silent = [DC1, DC2].map(|dc| ("dc_unreachable", NOT_OPERATIONAL, "failed", dc));
        by(transport).is("failed", 2, &silent);
    }
    for dc in &domain.dcs {
        dc.resume();
    }
}

#[test]
fn a_name_without_an_address_is_told() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(DC1));
    let missing = "dc2.corp.contoso.test";
    let zone = in_order(&[Controller::at("dc2", dc.address()), dc.controller()]);
    let gone: String = zone
        .lines()
        .filter(|line| !line.starts_with("dc2 A"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let domain = Domain::named(pki, vec![dc], &gone);
    let told = ("srv_target_unresolved", FQDN, "warning", missing);
    domain.joiner("svc-join").check().is("warning", 1, &[told, LEFTOVERS, LOCKDOWN]);

    let pki = Pki::new("Contoso Root");
    let alone: String = gone
        .lines()
        .filter(|line| !line.contains("dc1"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let domain = Domain::named(pki, Vec::new(), &alone);
    let told = ("srv_target_unresolved", FQDN, "failed", missing);
    domain.joiner("svc-join").check().is("failed", 2, &[told]);
    let nowhere = zone
        .lines()
        .filter(|line| !line.contains("SRV"))
        .map(|line| line.to_owned() + "\n")
        .collect::<String>();
    let domain = Domain::named(Pki::new("Contoso Root"), Vec::new(), &nowhere);
    let told = ("no_srv_records", FQDN, "failed", "corp.contoso.test");
    domain.joiner("svc-join").check().is("failed", 2, &[told]);
}

#[test]
fn one_of_equal_domain_controllers_is_chosen_and_kept_to() {
    let pki = Pki::new("Contoso Root");
    let dcs = [Host::Dc1, Host::Dc2].map(|host| Dc::start(host, &pki.valid(host.name())));
    let zone = of_controllers(&dcs.each_ref().map(Dc::controller));
    let domain = Domain::named(pki, dcs.into(), &zone);
    for _ in 0..4 {
        domain.joiner("svc-join").check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    }
    let mut changes = [0, 1].map(|number: usize| domain.dcs[number].changes().len());
    changes.sort_unstable();
    assert_eq!(changes, [0, 12]);
}

#[test]
fn servers_of_the_configuration_are_tried_in_its_order() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let joiner = domain.joiner("svc-join").setting(&format!("servers = [{DC2:?}, {DC1:?}]"));
    joiner.check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    assert_eq!(domain.dcs[0].audit(), []);
    domain.dcs[1].kill();
    let dead = ("dc_unreachable", NOT_OPERATIONAL, "warning", DC2);
    joiner.check().is("warning", 1, &[dead, LEFTOVERS, LOCKDOWN]);
}

#[test]
fn a_connection_cut_at_any_message_leaves_what_the_next_run_finishes() {
    // How a run is cut off decides nothing; whether the server still heard the message does.
    for (lost, failure) in
        [(Place::Question as fn(usize) -> Place, Failure::Close), (Place::Answer, Failure::Reset)]
    {
        let cut_at = Arc::new(AtomicUsize::new(usize::MAX));
        let plan = {
            let cut_at = Arc::clone(&cut_at);
            move |_| Some((lost(cut_at.load(Ordering::SeqCst)), failure))
        };
        let (domain, relay) = relayed(plan);
        let joiner = domain.joiner("svc-join");
        joiner.check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
        let messages = relay.questions();
        for number in 1..=messages {
            cut_at.store(number, Ordering::SeqCst);
            let failed = relay.failures();
            let check = joiner.check();
            assert_eq!(relay.failures(), failed + 1, "{number}");
            // Before the rehearsal, which looks for its object first, it goes on to another; after
            // it, nothing is lost but what is good to know.
            let (reason, error_type, severity) = match number + 1 {
                ..WRITING => ("dc_unreachable", NOT_OPERATIONAL, "warning"),
                WRITING..=AFTER => ("dc_unreachable", "", "unknown"),
                _ => ("ldap_error", "", "unknown"),
            };
            assert_eq!(cut_off(&check), [(reason, error_type, severity, DC1)], "{number}");
            let left = ours(domain.dc());
            // It is created, read back, disabled and deleted.
            let is_left = match lost(number) {
                Place::Question(_) => (WRITING + 1..=DELETING).contains(&number),
                Place::Answer(_) | Place::Up(_) | Place::Down(_) => {
                    (WRITING..DELETING).contains(&number)
                }
            };
            assert_eq!(left, usize::from(is_left), "{:?}", lost(number));
            if is_left {
                cut_at.store(usize::MAX, Ordering::SeqCst);
                joiner.check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
                assert_eq!(ours(domain.dc()), 0, "{:?}", lost(number));
            }
        }
    }
}

#[test]
fn a_domain_controller_that_dies_while_the_object_is_made_leaves_the_run_open() {
    let (domain, relay) = relayed(|_| Some(HELD_WHILE_CREATING));
    let check = while_held(&relay, || domain.dc().kill(), || domain.joiner("svc-join").check());
    assert_eq!((&*check.status, check.code), ("unknown", 3));
    assert_eq!(cut_off(&check), [("dc_unreachable", "", "unknown", DC1)]);
}

#[test]
fn a_domain_controller_that_hangs_and_makes_the_object_later_leaves_one() {
    let (domain, relay) = relayed(|number| (number == 0).then_some(HELD_WHILE_CREATING));
    let check = while_held(&relay, || domain.dc().pause(), || domain.joiner("svc-join").check());
    assert_eq!(cut_off(&check), [("dc_unreachable", "", "unknown", DC1)]);
    domain.dc().resume();
    assert!(poll(Duration::from_secs(10), || (ours(domain.dc()) == 1).then_some(())).is_some());
    domain.joiner("svc-join").check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    assert_eq!(ours(domain.dc()), 0);
}

#[test]
fn a_domain_controller_that_dies_of_the_sign_in_is_left_for_another() {
    let (domain, relay) = relayed(|_| Some((Place::Question(2), A_WHILE)));
    let check = while_held(&relay, || domain.dc().kill(), || domain.joiner("svc-join").check());
    let dead = ("dc_unreachable", NOT_OPERATIONAL, "warning", DC1);
    check.is("warning", 1, &[dead, LEFTOVERS, LOCKDOWN]);
    assert_eq!(domain.dcs[1].changes().len(), 3);
}

#[test]
fn an_object_that_somebody_removes_meanwhile_is_nobodys_fault() {
    // Before it is read back, disabled and deleted.
    for number in WRITING + 1..=DELETING {
        let (domain, relay) = relayed(move |_| Some((Place::Question(number), A_WHILE)));
        let object = object(&unit("CloudPCs"));
        let remove = || domain.dc().delete(&object);
        let check = while_held(&relay, remove, || domain.joiner("svc-join").check());
        let taken = ("computer_exists", TAKEN, "warning", COMPUTER);
        if number == DELETING {
            check.is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
        } else {
            check.is("warning", 1, &[taken, LEFTOVERS, LOCKDOWN]);
        }
    }
}

#[test]
fn a_domain_controller_too_slow_for_a_write_test_is_told() {
    let (domain, _relay) =
        relayed(|_| Some((Place::Up(0), Failure::Slow(Duration::from_millis(700)))));
    let joiner = domain.joiner("svc-join").general("checks.ad_domain_join.timeout = \"8s\"");
    let check = joiner.check();
    assert_eq!((&*check.status, check.code), ("unknown", 3));
    assert_eq!(cut_off(&check), [("could_not_look", "", "unknown", COMPUTER)]);
    assert_eq!(domain.dc().changes(), []);
}

/// Which of the questions of a run adds the object, and which deletes it.
const WRITING: usize = 10;
const DELETING: usize = 13;
const AFTER: usize = DELETING + 1;
const A_WHILE: Failure = Failure::Delay(Duration::from_secs(1));
const HELD_WHILE_CREATING: (Place, Failure) = (Place::Question(WRITING), A_WHILE);

/// Does `deed` while the relay holds a message back.
fn while_held<T>(relay: &Relay, deed: impl FnOnce() + Send, run: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        scope.spawn(|| {
            let limit = Duration::from_secs(60);
            poll(limit, || (relay.failures() > 0).then_some(())).unwrap();
            deed();
        });
        run()
    })
}

/// What a run says that was cut off, besides what it has seen before.
fn cut_off(check: &Check) -> Vec<Expected<'_>> {
    let findings = check.findings().into_iter();
    findings.filter(|it| ![LEFTOVERS, LOCKDOWN].contains(it)).collect()
}

/// A domain whose first domain controller is behind a relay.
fn relayed(plan: impl Fn(usize) -> Plan + Send + Sync + 'static) -> (Domain, Relay) {
    let pki = Pki::new("Contoso Root");
    let dcs = [Host::Dc1, Host::Dc2].map(|host| Dc::start(host, &pki.valid(host.name())));
    let relay = Relay::start(samba::free_address(), dcs[0].address(), plan);
    let zone = in_order(&[Controller::at("dc1", relay.address), dcs[1].controller()]);
    (Domain::named(pki, dcs.into(), &zone), relay)
}

/// How many objects of ours there are.
fn ours(dc: &Dc<'_>) -> usize {
    dc.search(samba::BASE, "(cn=ANC-*)", &["cn"]).len()
}

fn fingerprint(identity: &Identity) -> String {
    let leaf = CertificateDer::from_pem_slice(identity.chain_pem.as_bytes()).unwrap();
    digest(&SHA256, &leaf)
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02X}:"))
        .collect::<String>()
        .trim_end_matches(':')
        .to_owned()
}
