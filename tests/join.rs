//! `ad_domain_join` and `single_sign_on` against a real domain: what each state of an account, a
//! unit and an object comes to, and what the domain controllers recorded of it.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use support::daemon;
use support::domain::{COMPUTER, Domain, changed_since, object, snapshot, unit};
use support::report::Expected;
use support::samba::audit::Bind;
use support::samba::{BASE, Dc, Host, PASSWORD, user};

const JOIN: &str = "ad_domain_join";
const SSO: &str = "single_sign_on";

const DENIED: &str = "adJoinCheckAccessDenied";
const WRONG: &str = "adJoinCheckIncorrectCredentials";
const LOCKED: &str = "adJoinCheckAccountLockedOrDisabled";
const EXPIRED: &str = "adJoinCheckCredentialsExpired";
const OU_NOT_FOUND: &str = "adJoinCheckOrganizationalUnitNotFound";
const OU_FORMAT: &str = "adJoinCheckOrganizationalUnitIncorrectFormat";
const TAKEN: &str = "adJoinCheckComputerObjectAlreadyExists";

/// What `seed.py` leaves for everybody who signs in to see.
const LEFTOVERS: Expected<'_> = ("leftover_computers", "", "informational", "corp.contoso.test");
/// In `OU=CloudPCs` and below.
const LOCKDOWN: Expected<'_> = ("group_policy_linked", "", "informational", "Contoso Lockdown");

#[test]
fn a_join_passes_over_tls_and_leaves_nothing() {
    for (transport, port) in [("ldaps", 636), ("starttls", 389)] {
        let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
        let before = snapshot(domain.dc());
        let report =
            domain.joiner("svc-join").setting(&format!("transport = {transport:?}")).report();
        let join = report.check("prod-weu", JOIN);
        join.is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
        report.check("prod-weu", SSO).is("passed", 0, &[]);
        for phase in ["locate", "bind", "create", "verify", "disable", "delete"] {
            let took = join.reading("anc_ad_join_phase_seconds", &[("phase", phase)]).unwrap();
            assert!(took > 0.0 && took < 30.0, "{phase}: {took}");
        }

        let binds = domain.dc().binds();
        assert_eq!(binds.len(), 2, "{binds:#?}");
        for Bind { account, status, tls, server, .. } in binds {
            let told = (&*account, &*status, tls, server.port());
            assert_eq!(told, ("svc-join@corp.contoso.test", "NT_STATUS_OK", true, port));
        }
        let sessions = domain.dc().sessions();
        assert_eq!(sessions.len(), 2 + usize::from(port == 389) * 2, "{sessions:#?}");
        // Who asks for TLS is nobody yet.
        let sessions = sessions.iter().filter(|it| it.account != "ANONYMOUS LOGON");
        assert_eq!(sessions.map(|it| &*it.protection).collect::<Vec<_>>(), ["TLS", "TLS"]);
        let object = object(&unit("CloudPCs"));
        let changes =
            ["adds", "modifies", "deletes"].map(|it| format!("svc-join {it} {object}: 0"));
        assert_eq!(changes_of(domain.dc()), changes);
        let [add, modify, _] = &domain.dc().changes()[..] else { panic!() };
        let given: Vec<_> = add.attributes.iter().map(|(name, it)| (&**name, &*it[0])).collect();
        let mark = "anc-healthd: join test of connection prod-weu; may be deleted";
        let account = format!("{COMPUTER}$");
        let expected = [
            ("description", mark),
            ("objectClass", "computer"),
            ("sAMAccountName", &account),
            ("userAccountControl", "4098"),
        ];
        assert_eq!(given, expected);
        let given: Vec<_> = modify.attributes.iter().map(|(name, it)| (&**name, &**it)).collect();
        assert_eq!(given, [("userAccountControl", &["4098".to_owned()][..])]);
        assert_eq!(changed_since(&before, domain.dc()), Vec::<String>::new());
        assert_eq!(domain.dcs[1].audit(), []);
    }
}

#[test]
fn an_object_that_is_kept_is_kept_once() {
    let domain = Domain::of(&[Host::Dc1]);
    let joiner = domain.joiner("svc-join").setting("write_test = \"create-and-disable\"");
    let object = object(&unit("CloudPCs"));
    let told = |verb| format!("svc-join {verb} {object}: 0");
    joiner.check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    assert_eq!(changes_of(domain.dc()), ["adds", "modifies"].map(told));
    is_ours_alone(domain.dc(), &object);
    // Somebody meddled, or a run ended before its time.
    domain.dc().set(&object, "userAccountControl", "4096");
    joiner.check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    assert_eq!(changes_of(domain.dc()), ["adds", "modifies", "modifies"].map(told));
    is_ours_alone(domain.dc(), &object);
}

#[test]
fn without_a_write_test_nothing_is_written() {
    let domain = Domain::of(&[Host::Dc1]);
    let before = snapshot(domain.dc());
    let off = |account| domain.joiner(account).setting("write_test = \"off\"");
    off("svc-join").check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    let denied = ("access_denied", DENIED, "failed", &*unit("CloudPCs"));
    off("svc-norights").check().is("failed", 2, &[denied, LEFTOVERS, LOCKDOWN]);
    assert_eq!(domain.dc().changes(), []);
    assert_eq!(changed_since(&before, domain.dc()), Vec::<String>::new());
}

#[test]
fn what_an_earlier_run_left_is_finished() {
    let cloud = unit("CloudPCs");
    let nested = unit("Nested,OU=CloudPCs");
    let domain = Domain::of(&[Host::Dc1]);
    for left_in in [&cloud, &nested] {
        let told = domain.dc().changes().len();
        let before = snapshot(domain.dc());
        leave(domain.dc(), &object(left_in), "anc-healthd: of an earlier run");
        domain.joiner("svc-join").check().is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
        let (earlier, new) = (object(left_in), object(&cloud));
        let steps = [("deletes", &earlier), ("adds", &new), ("modifies", &new), ("deletes", &new)];
        let steps = steps.map(|(verb, object)| format!("svc-join {verb} {object}: 0"));
        assert_eq!(changes_of(domain.dc())[told..], steps);
        assert_eq!(changed_since(&before, domain.dc()), Vec::<String>::new());
    }
}

#[test]
fn a_foreign_object_of_our_name_is_not_touched() {
    let domain = Domain::of(&[Host::Dc1]);
    let taken = ("computer_exists", TAKEN, "warning", COMPUTER);
    for place in ["CloudPCs", "NoRights"] {
        for description in ["of the accounting department", "not anc-healthd: at all"] {
            let object = object(&unit(place));
            leave(domain.dc(), &object, description);
            let before = snapshot(domain.dc());
            for write_test in ["create-and-delete", "create-and-disable"] {
                let joiner =
                    domain.joiner("svc-join").setting(&format!("write_test = {write_test:?}"));
                joiner.check().is("warning", 1, &[taken, LEFTOVERS, LOCKDOWN]);
            }
            assert_eq!(changed_since(&before, domain.dc()), Vec::<String>::new());
            domain.dc().delete(&object);
        }
    }
    // Not found by its account's name, and in the way all the same.
    let object = object(&unit("CloudPCs"));
    domain.dc().add(&object, &[("objectClass", "group"), ("sAMAccountName", "Accounting")]);
    let before = snapshot(domain.dc());
    domain.joiner("svc-join").check().is("warning", 1, &[taken, LEFTOVERS, LOCKDOWN]);
    assert_eq!(changed_since(&before, domain.dc()), Vec::<String>::new());
    assert_eq!(changes_of(domain.dc()), [format!("svc-join adds {object}: 68")]);
}

#[test]
fn accounts_are_refused_by_their_state_and_asked_once() {
    let domain = Domain::of(&[Host::Dc1, Host::Dc2]);
    let states = [
        ("svc-disabled", "account_disabled", LOCKED, "ACCOUNT_DISABLED"),
        ("svc-locked", "account_locked", LOCKED, "ACCOUNT_LOCKED_OUT"),
        ("svc-expired", "account_expired", LOCKED, "ACCOUNT_EXPIRED"),
        ("svc-mustchange", "password_must_change", EXPIRED, "PASSWORD_MUST_CHANGE"),
        ("svc-pwexpired", "password_expired", EXPIRED, "PASSWORD_EXPIRED"),
        ("svc-nobody", "wrong_credentials", WRONG, "NO_SUCH_USER"),
    ];
    for (told, (account, reason, error_type, status)) in states.into_iter().enumerate() {
        let joiner = domain.joiner(account);
        let report = joiner.report();
        report.check("prod-weu", JOIN).is(
            "failed",
            2,
            &[(reason, error_type, "failed", joiner.user())],
        );
        report.check("prod-weu", SSO).is("unknown", 2, &[(reason, "", "unknown", joiner.user())]);
        let expected = format!("{} binds by simple bind/TLS: NT_STATUS_{status}", joiner.user());
        assert_eq!(domain.dc().story()[told..], [expected]);
    }
    assert_eq!(domain.dcs[1].audit(), []);
}

#[test]
fn a_user_is_named_in_each_way_that_windows_has() {
    let domain = Domain::of(&[Host::Dc1]);
    for user in [
        "svc-join@corp.contoso.test",
        "SVC-Join@CORP.contoso.test",
        "CONTOSO\\svc-join",
        &user("svc-join"),
    ] {
        let check = domain.joiner_as(user, PASSWORD).check();
        check.is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    }
}

#[test]
fn what_is_no_user_is_refused() {
    let domain = Domain::of(&[Host::Dc1]);
    let long = "x".repeat(3000);
    for user in [
        " ",
        "@",
        "\\",
        "svc-join@",
        "@corp.contoso.test",
        "CONTOSO\\",
        "svc-join@fabrikam.test",
        "FABRIKAM\\svc-join",
        "*",
        "(objectClass=*)",
        "sväc@corp.contoso.test",
        "a\tb",
        "CN=nobody",
        "S-1-5-18",
        &long,
    ] {
        let check = domain.joiner_as(user, PASSWORD).check();
        // A subject is no longer than a name may be.
        let cut: String =
            user.chars().take(512).chain(user.chars().nth(512).map(|_| '…')).collect();
        check.is("failed", 2, &[("wrong_credentials", WRONG, "failed", &cut)]);
    }
    let nobody = daemon::command(&domain.joiner_as("", PASSWORD).config(), &["check"]);
    assert_eq!(nobody.code, Some(78), "{nobody:?}");
    assert!(nobody.stderr.contains("username: must not be empty"), "{}", nobody.stderr);
    assert!(domain.dc().sessions().is_empty());
}

#[test]
fn a_unit_that_is_not_there_or_no_name_fails() {
    let domain = Domain::of(&[Host::Dc1]);
    let absent = unit("Absent");
    let below = unit("a,OU=b,OU=Absent");
    for (name, reason, error_type) in [
        (&*absent, "ou_not_found", OU_NOT_FOUND),
        (&below, "ou_not_found", OU_NOT_FOUND),
        ("OU=CloudPCs,DC=emea,DC=contoso,DC=test", "ou_in_other_domain", OU_NOT_FOUND),
        ("OU=CloudPCs,DC=fabrikam,DC=test", "ou_in_other_domain", OU_NOT_FOUND),
        ("OU=CloudPCs,DC=contoso,DC=test", "ou_in_other_domain", OU_NOT_FOUND),
        ("OU=CloudPCs", "ou_in_other_domain", OU_NOT_FOUND),
        ("CloudPCs", "ou_malformed", OU_FORMAT),
        ("corp.contoso.test/CloudPCs", "ou_malformed", OU_FORMAT),
        ("OU=CloudPCs,,DC=corp,DC=contoso,DC=test", "ou_malformed", OU_FORMAT),
        ("OU=CloudPCs,DC=corp,DC=contoso,DC=test,", "ou_malformed", OU_FORMAT),
        ("OU CloudPCs,DC=corp,DC=contoso,DC=test", "ou_malformed", OU_FORMAT),
        ("=CloudPCs,DC=corp,DC=contoso,DC=test", "ou_malformed", OU_FORMAT),
        ("LDAP://OU=CloudPCs,DC=corp,DC=contoso,DC=test", "ou_malformed", OU_FORMAT),
        ("", "ou_malformed", OU_FORMAT),
        (" ", "ou_malformed", OU_FORMAT),
    ] {
        let check = domain.joiner("svc-join").into_unit(name).check();
        let subject = if name.trim().is_empty() { "\"\"" } else { name };
        check.is("failed", 2, &[(reason, error_type, "failed", subject), LEFTOVERS]);
    }
    assert_eq!(domain.dc().changes(), []);
}

#[test]
fn a_unit_is_the_same_in_any_spelling() {
    let domain = Domain::of(&[Host::Dc1]);
    for name in [
        "ou=cloudpcs,dc=CORP,dc=contoso,dc=test",
        "OU=CloudPCs, DC=corp, DC=contoso, DC=test",
        "OU=\\43loudPCs,DC=corp,DC=contoso,DC=test",
    ] {
        let check = domain.joiner("svc-join").into_unit(name).check();
        check.is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    }
}

#[test]
fn missing_rights_are_told_one_from_the_other() {
    let domain = Domain::of(&[Host::Dc1]);
    fn denied(place: &str) -> Expected<'_> {
        ("access_denied", DENIED, "failed", place)
    }
    let [cloud, no_rights] = ["CloudPCs", "NoRights"].map(unit);
    let into = |account, place: &str| domain.joiner(account).into_unit(&unit(place)).check();
    into("svc-norights", "CloudPCs").is("failed", 2, &[denied(&cloud), LEFTOVERS, LOCKDOWN]);
    into("svc-join", "NoRights").is("failed", 2, &[denied(&no_rights), LEFTOVERS]);
    let person = user("person");
    let check = domain.joiner("svc-join").into_unit(&person).check();
    check.is("failed", 2, &[denied(&person), LEFTOVERS]);
    assert_eq!(domain.dc().changes(), []);

    // Samba, as Windows, lets the creator delete.
    into("svc-createonly", "CloudPCs").is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    let cannot = ("cannot_disable", DENIED, "failed", COMPUTER);
    let told = domain.dc().changes().len();
    into("svc-nodisable", "NoDisable").is("failed", 2, &[cannot, LEFTOVERS]);
    let object = object(&unit("NoDisable"));
    let steps = [("adds", 0), ("modifies", 50), ("deletes", 0)];
    let steps = steps.map(|(verb, code)| format!("svc-nodisable {verb} {object}: {code}"));
    assert_eq!(changes_of(domain.dc())[told..], steps);
}

#[test]
fn what_cannot_be_deleted_stays_once_and_disabled() {
    let domain = Domain::of(&[Host::Dc1]);
    let place = unit("NoDelete");
    let cannot = ("cannot_delete", DENIED, "warning", COMPUTER);
    let joiner = domain.joiner("svc-nodelete").into_unit(&place);
    for _ in 0..3 {
        joiner.check().is("warning", 1, &[cannot, LEFTOVERS]);
        is_ours_alone(domain.dc(), &object(&place));
    }
    // One deletion a run; Samba writes each that it refuses down twice.
    let steps = [("adds", 0), ("modifies", 0)].into_iter().chain([("deletes", 50); 6]);
    let told = |(verb, code)| format!("svc-nodelete {verb} {}: {code}", object(&place));
    assert_eq!(changes_of(domain.dc()), steps.map(told).collect::<Vec<_>>());
}

#[test]
fn computers_go_to_the_default_container_by_right_or_by_quota() {
    let domain = Domain::of(&[Host::Dc1]);
    let container = format!("CN=Computers,{BASE}");
    let into_default = |account| domain.joiner(account).into_default_container();
    into_default("svc-join").check().is("informational", 0, &[LEFTOVERS]);
    let done = ["adds", "modifies", "deletes"];
    let done = done.map(|verb| format!("svc-join {verb} {}: 0", object(&container)));
    assert_eq!(changes_of(domain.dc()), done);

    // Samba knows no quota: it says what it says to anybody without rights.
    let denied = ("access_denied", DENIED, "failed", COMPUTER);
    into_default("svc-quota").check().is("failed", 2, &[denied, LEFTOVERS]);
    let off = into_default("svc-quota").setting("write_test = \"off\"");
    let check = off.check();
    check.is("informational", 0, &[LEFTOVERS]);
    assert_eq!(check.reading("anc_ad_machine_account_quota", &[]), Some(10.0));
    assert_eq!(check.reading("anc_ad_machine_accounts_used", &[]), Some(0.0));
    domain.dc().set(BASE, "ms-DS-MachineAccountQuota", "0");
    let exceeded = "adJoinCheckAccountQuotaExceeded";
    let exceeded = ("quota_exceeded", exceeded, "failed", "svc-quota@corp.contoso.test");
    off.check().is("failed", 2, &[exceeded, LEFTOVERS]);
}

#[test]
fn what_will_fail_soon_is_a_warning() {
    let domain = Domain::of(&[Host::Dc1]);
    for (account, reason, left) in [
        ("svc-expiring", "password_expires_soon", "5 days"),
        ("svc-expiresoon", "account_expires_soon", "5 days"),
    ] {
        let joiner = domain.joiner(account).into_default_container();
        let joiner = joiner.setting("write_test = \"off\"");
        let report = joiner.report();
        let check = report.check("prod-weu", JOIN);
        check.is("warning", 1, &[(reason, "", "warning", joiner.user()), LEFTOVERS]);
        assert!(check.detail(reason).contains(left), "{}", check.detail(reason));
        report.check("prod-weu", SSO).is("passed", 1, &[]);
        let expiry = check.reading("anc_ad_join_account_password_expiry_timestamp_seconds", &[]);
        assert_eq!(expiry.is_some(), account == "svc-expiring");
    }
}

#[test]
fn group_policies_are_told_as_they_are_inherited() {
    let domain = Domain::of(&[Host::Dc1]);
    let into = |place: &str| domain.joiner("svc-join").into_unit(&unit(place)).check();
    into("Nested,OU=CloudPCs").is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    into("Blocked,OU=CloudPCs").is("informational", 0, &[LEFTOVERS]);
    let check = into("CloudPCs");
    check.is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
    assert!(
        check.detail("group_policy_linked").contains(&format!("linked to {}", unit("CloudPCs")))
    );
    // Enforced, it is not to be blocked.
    let links = domain.dc().search(&unit("CloudPCs"), "(ou=CloudPCs)", &["gPLink"]);
    let links = links[0].value("gPLink").unwrap().replacen(";0]", ";2]", 1);
    domain.dc().set(&unit("CloudPCs"), "gPLink", &links);
    into("Blocked,OU=CloudPCs").is("informational", 0, &[LEFTOVERS, LOCKDOWN]);
}

#[test]
fn leftovers_are_counted_and_never_touched() {
    let domain = Domain::of(&[Host::Dc1]);
    let check = domain.joiner("svc-join").check();
    assert_eq!(check.reading("anc_ad_leftover_computers", &[]), Some(3.0));
    let detail = check.detail("leftover_computers");
    assert!(detail.contains("3 computer objects") && detail.contains("40 days old"), "{detail}");
    assert_eq!(domain.dc().computers(&unit("Leftovers")).len(), 3);
    for number in 1..=3 {
        domain.dc().delete(&format!("CN=CPC-Hth-000{number},{}", unit("Leftovers")));
    }
    let check = domain.joiner("svc-join").check();
    check.is("informational", 0, &[LOCKDOWN]);
    assert_eq!(check.reading("anc_ad_leftover_computers", &[]), Some(0.0));
}

#[test]
fn a_domain_without_a_kerberos_server_has_no_single_sign_on() {
    const CONFIGURATION: &str = "ssoCheckKerberosConfigurationError";
    let domain = Domain::of(&[Host::Dc1]);
    let checked = |setting| {
        let joiner = domain.joiner("svc-join").setting("write_test = \"off\"").general(setting);
        joiner.report().check("prod-weu", SSO)
    };
    let old = ("kerberos_server_key_old", "", "warning", "krbtgt_AzureAD");
    checked("checks.single_sign_on.key_age = \"29d\"").is("warning", 1, &[old]);
    checked("checks.single_sign_on.key_age = \"31d\"").is("passed", 0, &[]);
    domain.dc().delete(&user("krbtgt_AzureAD"));
    let incomplete = ("kerberos_server_incomplete", CONFIGURATION, "warning");
    // With the account, the link to it is gone.
    checked("").is("warning", 1, &[(incomplete.0, incomplete.1, incomplete.2, "AzureADKerberos")]);
    domain.dc().delete(&format!("CN=AzureADKerberos,OU=Domain Controllers,{BASE}"));
    let missing = ("kerberos_server_missing", CONFIGURATION, "warning", "AzureADKerberos");
    checked("").is("warning", 1, &[missing]);
}

fn changes_of(dc: &Dc<'_>) -> Vec<String> {
    dc.story().into_iter().filter(|line| !line.contains(" binds by ")).collect()
}

/// An enabled computer of our name.
fn leave(dc: &Dc<'_>, object: &str, description: &str) {
    let account = format!("{COMPUTER}$");
    let attributes = [
        ("objectClass", "computer"),
        ("sAMAccountName", &*account),
        ("userAccountControl", "4096"),
        ("description", description),
    ];
    dc.add(object, &attributes);
}

#[track_caller]
fn is_ours_alone(dc: &Dc<'_>, object: &str) {
    let all = dc.search(BASE, "(cn=ANC-*)", &["userAccountControl", "description"]);
    let [one] = &all[..] else { panic!("{all:#?}") };
    assert_eq!(one.dn, object);
    assert_eq!(one.value("userAccountControl"), Some("4098"));
    assert!(one.value("description").unwrap().starts_with("anc-healthd: "));
}
