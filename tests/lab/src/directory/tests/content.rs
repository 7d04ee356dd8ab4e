//! What stands in the tree, and how its faults show.

use std::collections::BTreeMap;

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};

use super::*;

#[tokio::test]
async fn each_state_of_the_directory_shows_where_it_should_and_leaves_no_trace() {
    let bench = Bench::start().await;
    let healthy = look(&bench).await;
    let was = |what: &str| healthy[what].as_str();
    assert_eq!(
        (was("unit"), was("add"), was("disable"), was("delete")),
        ("computer", "0", "0", "0")
    );
    assert_eq!((was("quota"), was("used"), was("left"), was("links")), ("10", "0", "0", "1"));
    assert_eq!((was("password"), was("expires"), was("key age")), ("60", NEVER, "30"));
    assert!(was("link").starts_with("CN=krbtgt_AzureAD,"), "{}", was("link"));
    for (state, differences) in [
        (
            Directory::UnitMissing,
            &[("unit", "32 0000208D"), ("links", "32 0000208D"), ADD_IN_NO_UNIT, GONE[0], GONE[1]]
                [..],
        ),
        (
            Directory::UnitElsewhere,
            &[
                ("unit", "10 0000202B"),
                ("links", "10 0000202B"),
                ("add", "10 0000202B"),
                ("disable", "10 0000202B"),
                ("delete", "10 0000202B"),
            ],
        ),
        (Directory::NoRights, &[("unit", ""), ("add", "50 00000005"), GONE[0], GONE[1]]),
        (Directory::QuotaUsed(8), &[("used", "8")]),
        (
            Directory::NameTaken,
            &[
                ("found", "CN=ANC-Hth7,CN=Computers,DC=corp,DC=contoso,DC=test"),
                ("add", "68 00000524"),
                GONE[0],
                GONE[1],
            ],
        ),
        (Directory::CannotDisable, &[("disable", "50 00002098")]),
        (Directory::CannotDelete, &[("delete", "50 00000005")]),
        (Directory::CreateRefused, &[("add", "53 0000052D"), GONE[0], GONE[1]]),
        (Directory::PasswordExpiring, &[("password", "5")]),
        (Directory::AccountExpiring, &[("expires", "5")]),
        (Directory::Leftovers, &[("left", "3")]),
        (Directory::PolicyLinked, &[("links", "0")]),
        (Directory::KerberosServerMissing, &[("link", "32 0000208D")]),
        (Directory::KerberosAccountMissing, &[("key age", "32 0000208D")]),
        (Directory::KerberosLinkMissing, &[("link", "")]),
        (Directory::KerberosKeyOld, &[("key age", "400")]),
    ] {
        bench.is(state);
        let mut expected = healthy.clone();
        expected.extend(differences.iter().map(|(what, seen)| (*what, (*seen).to_owned())));
        assert_eq!(look(&bench).await, expected, "{state:?}");
        bench.is_well();
        sweep(&bench).await;
        assert_eq!(look(&bench).await, healthy, "after {state:?}");
    }
}

#[tokio::test]
async fn the_connection_point_names_the_tenant() {
    let bench = Bench::start().await;
    let mut ldap = bench.joining().await;
    let base = format!("CN=Device Registration Configuration,CN=Services,{CONFIGURATION}");
    let filter = "(&(objectClass=serviceConnectionPoint)(keywords=azureAD*))";
    let (found, _) = search(&mut ldap, &base, filter, &["keywords"]).await;
    let [point] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        point.attrs["keywords"],
        [format!("azureADId:{TENANT}"), "azureADName:contoso.test".to_owned()]
    );
}

#[tokio::test]
async fn the_container_for_computers_and_the_title_of_a_policy_are_told() {
    let bench = Bench::start().await;
    let mut ldap = bench.joining().await;
    let known = read(&mut ldap, BASE, "wellKnownObjects").await;
    assert_eq!(known, format!("B:32:AA312825768811D1ADED00C04FD8D5CD:{DEFAULT_CONTAINER}"));
    assert_eq!(read(&mut ldap, DEFAULT_CONTAINER, "allowedChildClassesEffective").await, "");
    let link = read(&mut ldap, ORGANIZATIONAL_UNIT, "gPLink").await;
    let policy = link.trim_start_matches("[LDAP://").split(';').next().unwrap().to_owned();
    assert_eq!(read(&mut ldap, &policy, "displayName").await, "Cloud PC baseline");
}

#[tokio::test]
async fn results_come_in_pages_and_as_many_as_are_asked_for() {
    let bench = Bench::start().await;
    bench.is(Directory::QuotaUsed(1_100));
    let mut ldap = bench.joining().await;
    let filter = "(&(objectCategory=computer)(cn=cpc-0*))";
    let (found, ended) = search(&mut ldap, BASE, filter, &["cn"]).await;
    assert_eq!((found.len(), ended.rc), (1_000, 4));
    let (found, ended) = {
        let ldap = ldap.with_search_options(SearchOptions::new().sizelimit(7));
        search(ldap, BASE, filter, &["cn"]).await
    };
    assert_eq!((found.len(), ended.rc), (7, 4));
    let adapters: Vec<Box<dyn Adapter<_, _>>> =
        vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(300))];
    let mut pages =
        ldap.streaming_search_with(adapters, BASE, Scope::Subtree, filter, ["cn"]).await.unwrap();
    let mut names = HashSet::new();
    while let Some(entry) = pages.next().await.unwrap() {
        names.insert(SearchEntry::construct(entry).dn);
    }
    assert_eq!((names.len(), pages.finish().await.rc), (1_100, 0));
}

#[tokio::test]
async fn a_search_reaches_as_far_as_its_scope() {
    let bench = Bench::start().await;
    let mut ldap = bench.joining().await;
    let mut count = async |scope| {
        let found = ldap.search(BASE, scope, "(objectClass=organizationalUnit)", ["ou"]).await;
        found.unwrap().0.len()
    };
    assert_eq!(
        (count(Scope::Base).await, count(Scope::OneLevel).await, count(Scope::Subtree).await),
        (0, 2, 2)
    );
}

/// Where nothing was created, nothing is disabled or deleted.
const GONE: [(&str, &str); 2] = [("disable", "32 0000208D"), ("delete", "32 0000208D")];
const NEVER: &str = "9223372036854775807";
const ADD_IN_NO_UNIT: (&str, &str) = ("add", "32 0000208D");

/// All that a join looks at, and then a rehearsal.
async fn look(bench: &Bench) -> BTreeMap<&'static str, String> {
    let mut ldap = bench.joining().await;
    let join_account = format!("CN=svc-join,CN=Users,{BASE}");
    let kerberos = format!("CN=krbtgt_AzureAD,CN=Users,{BASE}");
    let server = format!("CN=AzureADKerberos,OU=Domain Controllers,{BASE}");
    let mut seen = BTreeMap::new();
    for (what, name, attribute) in [
        ("unit", ORGANIZATIONAL_UNIT, "allowedChildClassesEffective"),
        ("quota", BASE, "ms-DS-MachineAccountQuota"),
        ("link", &server, "msDS-KrbTgtLink"),
    ] {
        seen.insert(what, read(&mut ldap, name, attribute).await);
    }
    let link = read(&mut ldap, ORGANIZATIONAL_UNIT, "gPLink").await;
    let options = link.rsplit_once(';').map(|(_, options)| options.trim_end_matches(']'));
    seen.insert("links", options.unwrap_or(&link).to_owned());
    for (what, attribute) in
        [("password", "msDS-UserPasswordExpiryTimeComputed"), ("expires", "accountExpires")]
    {
        let time = read(&mut ldap, &join_account, attribute).await;
        seen.insert(what, days_from_now(&time).map_or(time, |days| days.to_string()));
    }
    let set = read(&mut ldap, &kerberos, "pwdLastSet").await;
    seen.insert("key age", days_from_now(&set).map_or(set, |days| (-days).to_string()));
    for (what, filter) in [
        ("used", "(&(objectCategory=computer)(mS-DS-CreatorSID=*))"),
        ("left", "(&(objectCategory=computer)(cn=CPC-Hth*))"),
    ] {
        let (found, _) = search(&mut ldap, BASE, filter, &["cn"]).await;
        seen.insert(what, found.len().to_string());
    }
    let (found, _) = search(&mut ldap, BASE, "(sAMAccountName=ANC-Hth7$)", &["cn"]).await;
    seen.insert("found", found.first().map(|entry| entry.dn.clone()).unwrap_or_default());
    seen.insert("add", create(&mut ldap, COMPUTER, &[]).await);
    let disabled = replace(&mut ldap, COMPUTER, "userAccountControl", "4098").await;
    seen.insert("disable", disabled);
    seen.insert("delete", said(&ldap.delete(COMPUTER).await.unwrap()));
    seen
}

async fn sweep(bench: &Bench) {
    let _ = bench.joining().await.delete(COMPUTER).await;
}

/// Rounded, of a number of tenths of microseconds since 1601.
fn days_from_now(time: &str) -> Option<i64> {
    let ticks: i64 = time.parse().ok()?;
    if ticks == i64::MAX {
        return None;
    }
    let seconds = ticks / 10_000_000 - 11_644_473_600;
    let now = ::time::OffsetDateTime::now_utc().unix_timestamp();
    Some((seconds - now + 43_200).div_euclid(86_400))
}
