//! Who may do what, and what everybody else is told.

use super::*;
use crate::faults::SignIn;

#[tokio::test]
async fn anybody_may_read_root_dse_and_nothing_else() {
    let bench = Bench::start().await;
    for (which, name) in [(Which::First, "dc1"), (Which::Second, "dc2")] {
        for protection in [Protection::Plain, Protection::Ldaps, Protection::StartTls] {
            let mut ldap = bench.connect(which, protection).await.unwrap();
            for (attribute, value) in [
                ("dnsHostName", format!("{name}.corp.contoso.test")),
                ("DefaultNamingContext", BASE.to_owned()),
                ("rootDomainNamingContext", BASE.to_owned()),
                ("configurationNamingContext", CONFIGURATION.to_owned()),
                ("isSynchronized", "TRUE".to_owned()),
                ("isGlobalCatalogReady", "TRUE".to_owned()),
                ("domainControllerFunctionality", "7".to_owned()),
            ] {
                assert_eq!(read(&mut ldap, "", attribute).await, value);
            }
            let time = read(&mut ldap, "", "currentTime").await;
            assert!(time.len() == 17 && time.ends_with(".0Z"), "{time}");
            assert_eq!(read(&mut ldap, BASE, "dc").await, "1 000004DC");
            assert_eq!(create(&mut ldap, COMPUTER, &[]).await, "1 000004DC");
        }
    }
}

#[tokio::test]
async fn only_the_join_account_signs_in_and_only_where_nobody_listens() {
    let bench = Bench::start().await;
    let by_name = "CN=svc-join,CN=Users,DC=corp,DC=contoso,DC=test";
    let cases = [
        ("", "", "0"),
        (ACCOUNT, PASSWORD, "0"),
        ("CONTOSO\\svc-join", PASSWORD, "0"),
        (by_name, PASSWORD, "0"),
        (ACCOUNT, "Join!Passw0rd-3", "0"),
        (ACCOUNT, "wrong", "49 80090308 52e"),
        (ACCOUNT, "", "49 80090308 52e"),
        ("svc-join", PASSWORD, "49 80090308 52e"),
        ("nobody@corp.contoso.test", PASSWORD, "49 80090308 52e"),
    ];
    for (user, password, answer) in cases {
        for protection in [Protection::Ldaps, Protection::StartTls] {
            assert_eq!(bind(&bench, protection, user, password).await, answer, "{user}");
        }
        let plain = bind(&bench, Protection::Plain, user, password).await;
        assert_eq!(plain, if user.is_empty() { "0" } else { "8 00002028 0" }, "{user}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_to_who_knows_the_password_and_leaves_no_trace() {
    let bench = Bench::start().await;
    let wrong = "49 80090308 52e";
    for (refusal, answer, to_wrong_password) in [
        (SignIn::NoSuchUser, "49 80090308 525", wrong),
        (SignIn::WrongPassword, wrong, wrong),
        (SignIn::Restricted, "49 80090308 52f", wrong),
        (SignIn::LogonHours, "49 80090308 530", wrong),
        (SignIn::Workstation, "49 80090308 531", wrong),
        (SignIn::PasswordExpired, "49 80090308 532", wrong),
        (SignIn::Disabled, "49 80090308 533", wrong),
        (SignIn::AccountExpired, "49 80090308 701", wrong),
        (SignIn::MustChange, "49 80090308 773", wrong),
        (SignIn::LockedOut, "49 80090308 775", "49 80090308 775"),
        (SignIn::Unknown, "49 80090308 569", wrong),
        (SignIn::SigningRequired, "8 00002028 0", wrong),
        (SignIn::ChannelBindingRequired, "49 80090346 80090346", wrong),
    ] {
        bench.is(Directory::SignIn(refusal));
        let said = bind(&bench, Protection::Ldaps, ACCOUNT, PASSWORD).await;
        assert_eq!(said, answer, "{refusal:?}");
        let said = bind(&bench, Protection::Ldaps, ACCOUNT, "wrong").await;
        assert_eq!(said, to_wrong_password, "{refusal:?}");
        bench.is_well();
        assert_eq!(bind(&bench, Protection::Ldaps, ACCOUNT, PASSWORD).await, "0");
    }
}

#[tokio::test]
async fn a_computer_is_created_disabled_and_deleted() {
    let bench = Bench::start().await;
    let mut ldap = bench.joining().await;
    let marked = [("description", "anc-healthd: test"), ("unicodePwd", "secret")];
    assert_eq!(create(&mut ldap, COMPUTER, &marked).await, "0");
    let mut other = bench.connect(Which::Second, Protection::StartTls).await.unwrap();
    other.simple_bind(ACCOUNT, PASSWORD).await.unwrap();
    let attributes = ["*"];
    let (found, _) = search(&mut other, BASE, "(sAMAccountName=anc-hth1$)", &attributes).await;
    let [computer] = &found[..] else { panic!("{found:?}") };
    let one = |attribute: &str| computer.attrs[attribute][0].as_str();
    assert_eq!((one("cn"), one("description")), ("ANC-Hth1", "anc-healthd: test"));
    assert_eq!((one("name"), one("userAccountControl")), ("ANC-Hth1", "4098"));
    assert!(one("whenCreated").ends_with(".0Z"));
    let octets = |attribute: &str| {
        computer.bin_attrs.get(attribute).map_or_else(
            || computer.attrs[attribute][0].as_bytes().to_vec(),
            |values| values[0].clone(),
        )
    };
    assert_eq!((octets("objectGUID").len(), octets("objectSid").len()), (16, 28));
    assert!(!computer.attrs.contains_key("unicodePwd"));
    assert!(!computer.bin_attrs.contains_key("mS-DS-CreatorSID"));

    assert_eq!(replace(&mut ldap, COMPUTER, "userAccountControl", "4096").await, "0");
    assert_eq!(read(&mut other, COMPUTER, "userAccountControl").await, "4096");
    assert_eq!(said(&ldap.delete(COMPUTER).await.unwrap()), "0");
    assert_eq!(read(&mut other, COMPUTER, "cn").await, "32 0000208D");
}

#[tokio::test]
async fn by_quota_computers_are_created_in_the_default_container_and_counted() {
    let bench = Bench::start().await;
    bench.is(Directory::QuotaUsed(9));
    let mut ldap = bench.joining().await;
    let described = create(&mut ldap, BY_QUOTA, &[("description", "anc-healthd: test")]).await;
    assert_eq!(described, "50 00000005");
    assert_eq!(count_by_quota(&mut ldap).await, 9);
    assert_eq!(create(&mut ldap, BY_QUOTA, &[]).await, "0");
    assert_eq!(count_by_quota(&mut ldap).await, 10);
    let another = BY_QUOTA.replace("Hth1", "Hth2");
    assert_eq!(create(&mut ldap, &another, &[]).await, "53 0000216D");
    assert_eq!(create(&mut ldap, COMPUTER.replace("Hth1", "Hth2").as_str(), &[]).await, "0");
    bench.is_well();
    assert_eq!(count_by_quota(&mut ldap).await, 1);
}

#[tokio::test]
async fn what_may_not_be_is_answered_as_windows_does() {
    let bench = Bench::start().await;
    let mut ldap = bench.joining().await;
    assert_eq!(create(&mut ldap, COMPUTER, &[]).await, "0");
    for (name, answer) in [
        (COMPUTER, "68 00002071"),
        (BY_QUOTA, "68 00000524"),
        ("CN=x,OU=Gone,OU=CloudPCs,DC=corp,DC=contoso,DC=test", "32 0000208D"),
        ("CN=x,OU=CloudPCs,DC=emea,DC=contoso,DC=test", "10 0000202B"),
        ("CN=x,CloudPCs", "34 0000208F"),
        ("CN=x,OU=CloudPCs,", "34 0000208F"),
        ("CN=x,FOO=CloudPCs,DC=corp,DC=contoso,DC=test", "34 0000208F"),
        ("CN=x,CN=Users,DC=corp,DC=contoso,DC=test", "50 00000005"),
        ("CN=x,CN=svc-join,CN=Users,DC=corp,DC=contoso,DC=test", "64 00002099"),
    ] {
        assert_eq!(create(&mut ldap, name, &[]).await, answer, "{name}");
    }
    let foreign = "CN=DC1,OU=Domain Controllers,DC=corp,DC=contoso,DC=test";
    let changed = replace(&mut ldap, foreign, "userAccountControl", "2").await;
    assert_eq!(changed, "50 00002098");
    assert_eq!(said(&ldap.delete(foreign).await.unwrap()), "50 00000005");
    let gone = COMPUTER.replace("Hth1", "Hth2");
    assert_eq!(said(&ldap.delete(&gone).await.unwrap()), "32 0000208D");
    assert_eq!(replace(&mut ldap, &gone, "userAccountControl", "2").await, "32 0000208D");
    let (_, missing) = search(&mut ldap, &gone, "(objectClass=*)", &["cn"]).await;
    assert_eq!(missing.matched, ORGANIZATIONAL_UNIT);
    assert!(missing.text.ends_with(&format!("'{ORGANIZATIONAL_UNIT}'\n\0")), "{:?}", missing.text);
    let elsewhere = "OU=x,DC=emea,DC=contoso,DC=test";
    let (_, referral) = search(&mut ldap, elsewhere, "(objectClass=*)", &["cn"]).await;
    assert_eq!(said(&referral), "10 0000202B");
}

/// The code, and what the text begins and ends with.
async fn bind(bench: &Bench, protection: Protection, user: &str, password: &str) -> String {
    let mut ldap = bench.connect(Which::Second, protection).await.unwrap();
    let result = ldap.simple_bind(user, password).await.unwrap();
    assert!(result.text.is_empty() || result.text.ends_with("\n\0"), "{:?}", result.text);
    let data = result.text.rsplit_once("data ").map_or("", |(_, data)| data);
    let data = data.split(',').next().unwrap();
    format!("{} {data}", said(&result)).trim_end().to_owned()
}

async fn count_by_quota(ldap: &mut Ldap) -> usize {
    let (found, _) = search(ldap, BASE, "(sAMAccountName=svc-join)", &["objectSid"]).await;
    let sid = &found[0].bin_attrs["objectSid"][0];
    let sid: String = sid.iter().map(|octet| format!("\\{octet:02x}")).collect();
    let filter = format!("(&(objectCategory=computer)(mS-DS-CreatorSID={sid}))");
    search(ldap, BASE, &filter, &["cn"]).await.0.len()
}
