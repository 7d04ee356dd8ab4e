//! What the directory holds of Microsoft Entra, read from a real domain controller: the service
//! connection point, and the computers that should be synchronised.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use anc_healthd::directory::{
    Anchors, Attempts, Computer, ConnectionPoint, Credentials, Door, DoorPorts, Entered, Outcome,
    Protection, Sealed,
};
use anc_healthd::net::tls::{Roots, Trust};
use time::OffsetDateTime;

use support::domain::unit;
use support::pki::Pki;
use support::samba::{BASE, Dc, Host, PASSWORD};

const TENANT: &str = "3f1c9c8e-6f2e-4b0a-9d67-0f6f2b7c1a11";

#[tokio::test]
async fn the_service_connection_point_names_the_tenant() {
    let (dc, mut session) = signed_in().await;
    let configuration = format!("CN=Configuration,{BASE}");
    let registration = format!("CN=Device Registration Configuration,CN=Services,{configuration}");
    let point = |name: &str, tenant: Option<&str>, domain: Option<&str>| ConnectionPoint {
        name: format!("CN={name},{registration}"),
        tenant_id: tenant.map(str::to_owned),
        tenant_domain: domain.map(str::to_owned),
    };
    let own = "62a0ff2e-97b9-4513-943f-0d221bd30080";
    let session = session.session();
    let points = session.connection_points(&configuration).await.unwrap().unwrap();
    assert_eq!(points, [point(own, Some(TENANT), Some("contoso.test"))]);

    // A second one of another tenant, in another spelling; and one that is for something else.
    let add = |name: &str, keywords: &[(&str, &str)]| {
        let kind = [("objectClass", "serviceConnectionPoint")];
        dc.add(&format!("CN={name},{registration}"), &[&kind, keywords].concat());
    };
    add("second", &[("keywords", "azureadid:other"), ("keywords", "unrelated")]);
    add("print", &[("keywords", "printers")]);
    let mut points = session.connection_points(&configuration).await.unwrap().unwrap();
    points.sort_by(|one, other| one.name.cmp(&other.name));
    let second = point("second", Some("other"), None);
    assert_eq!(points, [point(own, Some(TENANT), Some("contoso.test")), second]);

    for name in [own, "second", "print"] {
        dc.delete(&format!("CN={name},{registration}"));
    }
    assert_eq!(session.connection_points(&configuration).await.unwrap(), Ok(vec![]));
    dc.delete(&registration);
    let absent = session.connection_points(&configuration).await.unwrap().unwrap_err();
    assert_eq!(absent.outcome(), Outcome::NoSuchObject);
}

#[tokio::test]
async fn computers_are_told_with_the_id_that_microsoft_entra_has_and_their_age() {
    let (dc, mut session) = signed_in().await;
    let session = session.session();
    let (cloud, nested) = (unit("CloudPCs"), unit("Nested,OU=CloudPCs"));
    assert_eq!(session.computers_in(&cloud).await.unwrap().unwrap().computers, []);
    for (name, container, control) in [
        ("CPC-1", &cloud, "4096"),
        ("CPC-2", &nested, "4098"),
        ("Elsewhere", &unit("NoRights"), "4096"),
    ] {
        let account = format!("{name}$");
        let attributes = [
            ("objectClass", "computer"),
            ("sAMAccountName", &*account),
            ("userAccountControl", control),
        ];
        dc.add(&format!("CN={name},{container}"), &attributes);
    }
    dc.add(
        &format!("CN=People,{cloud}"),
        &[("objectClass", "group"), ("sAMAccountName", "People")],
    );

    let found = session.computers_in(&cloud).await.unwrap().unwrap();
    assert!(!found.is_cut);
    let mut computers = found.computers;
    computers.sort_by(|one, other| one.name.cmp(&other.name));
    let told: Vec<_> = computers.iter().map(|it| (&*it.name, it.is_disabled)).collect();
    let expected = [(format!("CN=CPC-1,{cloud}"), false), (format!("CN=CPC-2,{nested}"), true)];
    assert_eq!(told, expected.each_ref().map(|(name, disabled)| (&**name, *disabled)));
    for computer in &computers {
        is_known_by_its_id(&dc, computer);
    }

    let leftovers = session.computers_in(&unit("Leftovers")).await.unwrap().unwrap().computers;
    let now = SystemTime::from(OffsetDateTime::now_utc());
    let ages = leftovers.iter().map(|it| now.duration_since(it.created.unwrap()).unwrap());
    let in_days: Vec<_> = ages.map(|age| age.as_secs() / 86_400).collect();
    assert_eq!((in_days.len(), in_days.iter().max()), (3, Some(&40)), "{in_days:?}");
    let absent = session.computers_in(&unit("Absent")).await.unwrap().unwrap_err();
    assert_eq!(absent.outcome(), Outcome::NoSuchObject);
}

/// The domain controller finds it by the id as we write it, and says when it was made.
fn is_known_by_its_id(dc: &Dc<'_>, computer: &Computer) {
    let id = computer.guid.as_deref().unwrap();
    let found = dc.search(BASE, &format!("(objectGUID={id})"), &["whenCreated"]);
    let [entry] = &found[..] else { panic!("{id}: {found:?}") };
    assert_eq!(entry.dn, computer.name);
    let created = OffsetDateTime::from(computer.created.unwrap());
    let written = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}.0Z",
        created.year(),
        u8::from(created.month()),
        created.day(),
        created.hour(),
        created.minute(),
        created.second()
    );
    assert_eq!(entry.value("whenCreated"), Some(&*written));
}

/// A domain controller, and a session with it.
async fn signed_in() -> (Dc<'static>, Sealed) {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let roots = Roots::from_pem(pki.root_pem().as_bytes()).unwrap();
    let anchors = Anchors { trust: Trust::new(&Roots::empty(), &roots), pins: Vec::new() };
    let credentials = Credentials::new(
        "svc-norights@corp.contoso.test".into(),
        "corp.contoso.test",
        PASSWORD.into(),
        Duration::from_secs(3600),
        Attempts::open(None),
    );
    let door = Door {
        host: dc.name(),
        address: SocketAddr::from((dc.address(), 0)).ip(),
        domain: "corp.contoso.test",
        ports: DoorPorts { ldap: 389, ldaps: 636, kerberos: 88 },
        protection: Protection::Ldaps,
        anchors: &anchors,
        limit: Duration::from_secs(10),
    };
    let entered = credentials.enter(&door, OffsetDateTime::now_utc().into()).await;
    let Entered::In(sealed) = entered else { panic!("{entered:?}") };
    (dc, sealed)
}
