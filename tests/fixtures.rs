//! The fixtures themselves: each real server behaves as its constructor says.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use support::beside_dc::BesideDc;
use support::bind::{Bind, Tcp};
use support::coturn::Coturn;
use support::http;
use support::mitm::Mitmproxy;
use support::namespace::Namespace;
use support::nginx::{Nginx, Site};
use support::pki::{Identity, Pki};
use support::prometheus::{Prometheus, promtool_check_metrics};
use support::samba::{self, Dc, Host, PASSWORD};
use support::{peers, ports, zones};

const DOMAIN: &str = zones::DOMAIN;
const LDAP: &str = "_ldap._tcp.dc._msdcs.corp.contoso.test";
const A: u16 = 1;
const SRV: u16 = 33;
const NO_ERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

#[test]
fn bind_answers_for_a_healthy_domain() {
    let bind = Bind::corp();
    let answers = |name, kind| {
        let answer = dns(bind.address, name, kind);
        (answer.code, answer.truncated, answer.answers)
    };
    assert_eq!(answers(DOMAIN, A), (NO_ERROR, false, 2));
    assert_eq!(answers(LDAP, SRV), (NO_ERROR, false, 2));
    assert_eq!(answers("_kerberos._tcp.dc._msdcs.corp.contoso.test", SRV), (NO_ERROR, false, 2));
    assert_eq!(answers("_ldap._tcp.pdc._msdcs.corp.contoso.test", SRV), (NO_ERROR, false, 1));
    assert_eq!(answers("dc2.corp.contoso.test", A), (NO_ERROR, false, 1));
    assert_eq!(answers("absent.corp.contoso.test", A), (NXDOMAIN, false, 0));
    assert_eq!(answers("www.example.test", A), (REFUSED, false, 0));
}

#[test]
fn bind_loads_every_zone() {
    let endpoints = zones::on_loopback(&["login", "graph"]);
    let texts = [
        ("a.test", zones::NO_ADDRESSES),
        ("b.test", zones::NO_SRV),
        ("c.test", zones::UNRESOLVED_TARGETS),
        ("d.test", &zones::some_targets_unresolved()),
        ("e.test", &zones::public_addresses()),
        ("f.test", &zones::disagreeing()),
        ("g.test", &zones::with_ipv6()),
        ("h.test", &endpoints),
    ];
    let bind = Bind::with_zones(&texts);
    let answers = |name, kind| {
        let answer = dns(bind.address, name, kind);
        (answer.code, answer.answers)
    };
    assert_eq!(answers("a.test", A), (NO_ERROR, 0));
    assert_eq!(answers("_ldap._tcp.dc._msdcs.a.test", SRV), (NO_ERROR, 1));
    assert_eq!(answers("b.test", A), (NO_ERROR, 1));
    assert_eq!(answers("_ldap._tcp.dc._msdcs.b.test", SRV), (NXDOMAIN, 0));
    assert_eq!(answers("_ldap._tcp.dc._msdcs.c.test", SRV), (NO_ERROR, 2));
    assert_eq!(answers("gone1.c.test", A), (NXDOMAIN, 0));
    assert_eq!(answers("_ldap._tcp.dc._msdcs.d.test", SRV), (NO_ERROR, 3));
    assert_eq!(answers("e.test", A), (NO_ERROR, 2));
    assert_eq!(answers("dc1.f.test", A), (NO_ERROR, 1));
    assert_eq!(answers("g.test", 28), (NO_ERROR, 1));
    assert_eq!(answers("graph.h.test", A), (NO_ERROR, 1));
    assert!(!bind.log().contains("not loaded"), "{}", bind.log());
}

#[test]
fn bind_refuses_everybody() {
    let bind = Bind::builder().zone(DOMAIN, zones::CORP).refusing().start();
    assert_eq!(dns(bind.address, DOMAIN, A).code, REFUSED);
}

#[test]
fn bind_fails_for_a_zone_it_cannot_load_and_a_forwarder_that_is_dead() {
    let bind =
        Bind::builder().unloadable_zone(DOMAIN).forwarding_to(ports::refused_address()).start();
    assert_eq!(dns(bind.address, DOMAIN, A).code, SERVFAIL);
    assert_eq!(dns(bind.address, "www.example.test", A).code, SERVFAIL);
}

#[test]
fn bind_forwards() {
    let upstream = Bind::corp();
    let bind = Bind::builder().forwarding_to(upstream.address).start();
    assert_eq!(dns(bind.address, LDAP, SRV).answers, 2);
}

#[test]
fn bind_truncates_and_answers_over_tcp() {
    let bind = Bind::builder().zone(DOMAIN, zones::MANY_CONTROLLERS).small_udp().start();
    assert!(dns(bind.address, LDAP, SRV).truncated);
    let whole = dns_over_tcp(bind.address, LDAP, SRV).unwrap();
    assert_eq!((whole.truncated, whole.answers), (false, 60));
}

#[test]
fn bind_truncates_with_tcp_refused_or_silent() {
    for (tcp, error) in [
        (Tcp::Refused, std::io::ErrorKind::ConnectionRefused),
        (Tcp::Silent, std::io::ErrorKind::WouldBlock),
    ] {
        let builder = Bind::builder().zone(DOMAIN, zones::MANY_CONTROLLERS).small_udp();
        let bind = builder.tcp(tcp).start();
        assert!(dns(bind.address, LDAP, SRV).truncated);
        assert_eq!(dns_over_tcp(bind.address, LDAP, SRV).unwrap_err().kind(), error);
    }
}

#[test]
fn nginx_answers_over_plain_http() {
    let sites = [200, 407, 444].map(|status| Site::Http { status });
    let nginx = Nginx::start(&sites);
    let status =
        |site: usize| http::request("GET", nginx.addresses[site], "/", &[]).map(|it| it.status);
    assert_eq!(status(0).unwrap(), 200);
    assert_eq!(status(1).unwrap(), 407);
    assert!(status(2).is_err());
}

#[test]
fn nginx_presents_what_the_pki_issued() {
    let pki = Pki::new("Contoso Root");
    let name = "login.contoso.test";
    let soon = time::Duration::days(3);
    let cases = [
        (pki.valid(name), None),
        (pki.expiring_in(name, soon), None),
        (pki.expired(name), Some("certificate expired")),
        (pki.not_yet_valid(name), Some("certificate not valid yet")),
        (pki.valid("other.contoso.test"), Some("certificate not valid for name")),
        (pki.valid(name).without_intermediate(), Some("UnknownIssuer")),
        (Identity::self_signed(name), Some("UnknownIssuer")),
        (Pki::new("Another Root").valid(name), Some("UnknownIssuer")),
    ];
    let nginx = Nginx::start(&cases.clone().map(|(identity, _)| Site::Tls(identity)));
    for (address, (_, refusal)) in nginx.addresses.iter().zip(cases) {
        let outcome = tls(*address, name, &pki.root_pem()).err();
        match refusal {
            None => assert_eq!(outcome, None),
            Some(why) => assert!(outcome.as_ref().unwrap().contains(why), "{why}: {outcome:?}"),
        }
    }
}

#[test]
fn nginx_refuses_handshakes_with_an_alert() {
    let pki = Pki::new("Contoso Root");
    let name = "login.contoso.test";
    let nginx = Nginx::start(&[Site::Tls11(pki.valid(name)), Site::RejectedHandshake]);
    let alert = |site: usize| tls(nginx.addresses[site], name, &pki.root_pem()).unwrap_err();
    assert!(alert(0).contains("ProtocolVersion"), "{}", alert(0));
    assert!(alert(1).contains("UnrecognisedName"), "{}", alert(1));
}

#[test]
fn mitmproxy_signs_every_name_with_its_own_ca() {
    let pki = Pki::new("Contoso Root");
    let nginx = Nginx::start(&[Site::Tls(pki.valid("login.contoso.test"))]);
    let mitm = Mitmproxy::reverse(nginx.addresses[0]);
    for name in ["login.contoso.test", "another.contoso.test"] {
        assert_eq!(tls(mitm.address, name, &mitm.ca_pem()), Ok(()));
        assert!(tls(mitm.address, name, &pki.root_pem()).unwrap_err().contains("UnknownIssuer"));
    }
}

#[test]
fn coturn_binds_and_demands_credentials_to_allocate() {
    let turn = Coturn::turn();
    assert_eq!(stun(turn.address, BINDING), Some((0x0101, None)));
    assert_eq!(stun(turn.address, ALLOCATE), Some((0x0113, Some(401))));
}

#[test]
fn coturn_that_only_binds_does_not_allocate() {
    let coturn = Coturn::stun();
    assert_eq!(stun(coturn.address, BINDING), Some((0x0101, None)));
    assert_eq!(stun(coturn.address, ALLOCATE), None);
}

#[test]
fn promtool_tells_a_good_page_from_a_bad_one() {
    let good = "# HELP anc_up Whether it is up.\n# TYPE anc_up gauge\nanc_up{a=\"b\"} 1\n";
    assert_eq!(promtool_check_metrics(good), Ok(()));
    assert!(promtool_check_metrics("anc_up{a=\"b} 1\n").is_err());
    let without_help = "# TYPE anc_runs counter\nanc_runs 1\n";
    assert!(promtool_check_metrics(without_help).unwrap_err().contains("no help text"));
}

#[test]
fn prometheus_scrapes_a_page() {
    let empty_page = Nginx::start(&[Site::Http { status: 200 }]);
    let prometheus = Prometheus::scraping(empty_page.addresses[0]);
    assert_eq!(prometheus.query("up")[0]["value"][1], "1");
    assert_eq!(prometheus.query("absent_metric"), serde_json::json!([]));
}

#[test]
fn samba_tells_every_state_of_an_account() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let usable = ["svc-join", "svc-norights", "svc-quota", "svc-createonly", "svc-nodelete"];
    for account in usable.into_iter().chain(["svc-nodisable", "svc-expiring", "svc-expiresoon"]) {
        assert_eq!(dc.sign_in(account, PASSWORD), Ok(()), "{account}");
    }
    for (account, data) in [
        ("svc-expired", "data 701,"),
        ("svc-disabled", "data 533,"),
        ("svc-locked", "data 775,"),
        ("svc-mustchange", "data 773,"),
        ("svc-pwexpired", "data 532,"),
        ("nobody", "data 52e,"),
    ] {
        let refusal = dc.sign_in(account, PASSWORD).unwrap_err();
        assert!(refusal.contains(data), "{account}: {refusal}");
    }
    assert!(dc.binds().iter().all(|bind| bind.tls && bind.service == "LDAP"));
    assert_eq!(dc.story()[0], "svc-join@corp.contoso.test binds by simple bind/TLS: NT_STATUS_OK");
}

#[test]
fn samba_locks_an_account_at_the_third_wrong_password() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    for count in ["1", "2", "3"] {
        assert!(dc.sign_in("svc-join", "wrong").unwrap_err().contains("data 52e,"));
        assert_eq!(dc.account("svc-join", "badPwdCount").as_deref(), Some(count));
    }
    assert!(dc.sign_in("svc-join", PASSWORD).unwrap_err().contains("data 775,"));
    assert_ne!(dc.account("svc-join", "lockoutTime").as_deref(), Some("0"));
    dc.unlock("svc-join");
    assert_eq!(dc.sign_in("svc-join", PASSWORD), Ok(()));
    dc.set_password("svc-join", "Another!Passw0rd");
    assert_eq!(dc.sign_in("svc-join", "Another!Passw0rd"), Ok(()));
}

#[test]
fn samba_lets_each_account_do_what_its_name_says() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let (cloud, computers) = ("OU=CloudPCs", "CN=Computers");
    for (account, unit, codes) in [
        ("svc-join", cloud, [0, 0, 0]),
        ("svc-join", "OU=Nested,OU=CloudPCs", [0, 0, 0]),
        ("svc-join", computers, [0, 0, 0]),
        ("svc-join", "OU=NoRights", [50, 32, 32]),
        ("svc-join", "OU=Absent", [32, 32, 32]),
        ("svc-createonly", cloud, [0, 0, 0]),
        ("svc-norights", cloud, [50, 32, 32]),
        ("svc-quota", computers, [50, 32, 32]),
        ("svc-nodisable", "OU=NoDisable", [0, 50, 0]),
        ("svc-nodelete", "OU=NoDelete", [0, 0, 50]),
    ] {
        let dn = format!("CN=ANC-Hth-1,{unit},{}", samba::BASE);
        assert_eq!(join(&dc, account, &dn), codes, "{account} in {unit}");
    }
    let left = dc.computers(&format!("OU=NoDelete,{}", samba::BASE));
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].value("userAccountControl"), Some("4098"));
}

#[test]
fn samba_records_who_did_what() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc2, &pki.valid(Host::Dc2.name()));
    let dn = format!("CN=ANC-Hth-1,OU=CloudPCs,{}", samba::BASE);
    assert_eq!(join(&dc, "svc-join", &dn), [0, 0, 0]);
    let binds = "svc-join@corp.contoso.test binds by simple bind/TLS: NT_STATUS_OK".to_owned();
    let done = ["adds", "modifies", "deletes"].map(|verb| format!("svc-join {verb} {dn}: 0"));
    assert_eq!(dc.story(), done.map(|done| [binds.clone(), done]).concat());
    let changes = dc.changes();
    assert_eq!(changes[0].value("sAMAccountName"), Some("ANC-Hth-1$"));
    assert_eq!(changes[1].value("userAccountControl"), Some("4098"));
    let sessions = dc.sessions();
    assert_eq!(sessions.len(), 3);
    assert!(sessions.iter().all(|it| it.protection == "TLS" && it.server.port() == 636));
}

#[test]
fn samba_holds_what_is_about_to_fail_and_what_is_left_over() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let cloud = &dc.search(samba::BASE, "(ou=CloudPCs)", &["gPLink"])[0];
    let links = cloud.value("gPLink").unwrap();
    assert!(links.contains(";0][LDAP://") && links.ends_with(";1]"), "{links}");
    let blocked = &dc.search(samba::BASE, "(ou=Blocked)", &["gPOptions"])[0];
    assert_eq!(blocked.value("gPOptions"), Some("1"));
    let policies = dc.search(samba::BASE, "(displayName=Contoso*)", &["displayName"]);
    assert_eq!(policies.len(), 2);
    assert_eq!(dc.computers(&format!("OU=Leftovers,{}", samba::BASE)).len(), 3);
    let aged = format!("(&(cn=CPC-Hth-*)(whenCreated<={}))", days_ago(39));
    assert_eq!(dc.search(samba::BASE, &aged, &["cn"]).len(), 1);
    let kerberos = &dc.search(samba::BASE, "(cn=AzureADKerberos)", &["msDS-KrbTgtLink"])[0];
    let krbtgt = samba::user("krbtgt_AzureAD");
    assert_eq!(kerberos.value("msDS-KrbTgtLink"), Some(&*krbtgt));
    let services = format!("CN=Services,CN=Configuration,{}", samba::BASE);
    let point = &dc.search(&services, "(objectClass=serviceConnectionPoint)", &["keywords"])[0];
    assert_eq!(point.attributes["keywords"].len(), 2);
    let expiry = dc.account("svc-expiring", "msDS-UserPasswordExpiryTimeComputed").unwrap();
    let left = filetime(&expiry) - time::OffsetDateTime::now_utc();
    assert!((4..=5).contains(&left.whole_days()), "{left}");
    dc.set(samba::BASE, "ms-DS-MachineAccountQuota", "0");
    let domain = &dc.search(samba::BASE, "(objectClass=domain)", &["ms-DS-MachineAccountQuota"])[0];
    assert_eq!(domain.value("ms-DS-MachineAccountQuota"), Some("0"));
}

#[test]
fn sambas_stand_side_by_side_and_one_dies() {
    let pki = Pki::new("Contoso Root");
    let [one, two] = [Host::Dc1, Host::Dc2].map(|host| Dc::start(host, &pki.valid(host.name())));
    let ldaps = |dc: &Dc<'_>| SocketAddr::from((dc.address(), 636));
    for dc in [&one, &two] {
        assert_eq!(tls(ldaps(dc), dc.name(), &pki.root_pem()), Ok(()));
    }
    assert!(tls(ldaps(&one), two.name(), &pki.root_pem()).unwrap_err().contains("for name"));
    one.kill();
    let refused = TcpStream::connect(ldaps(&one)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(two.sign_in("svc-join", PASSWORD), Ok(()));
    let zone = zones::of_controllers(&[one.controller(), two.controller()]);
    let bind = Bind::with_zones(&[(DOMAIN, &zone)]);
    assert_eq!(dns(bind.address, LDAP, SRV).answers, 2);
    assert_eq!(dns(bind.address, "_ldap._tcp.pdc._msdcs.corp.contoso.test", SRV).answers, 1);
    assert_eq!(dns(bind.address, "dc2.corp.contoso.test", A).answers, 1);
}

#[test]
fn samba_falls_silent_and_comes_back() {
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let root_dse = || {
        let mut stream = TcpStream::connect((dc.address(), 389))?;
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        stream.write_all(ROOT_DSE)?;
        stream.read(&mut [0; 512])
    };
    assert!(root_dse().unwrap() > 0);
    dc.pause();
    assert_eq!(root_dse().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    dc.resume();
    assert!(root_dse().unwrap() > 0);
}

#[test]
fn samba_presents_what_the_pki_issued() {
    let pki = Pki::new("Contoso Root");
    let name = Host::Dc1.name();
    for (identity, why) in [
        (pki.expired(name), "certificate expired"),
        (pki.valid("other.contoso.test"), "certificate not valid for name"),
        (Pki::new("Another Root").valid(name), "UnknownIssuer"),
    ] {
        let dc = Dc::start(Host::Dc1, &identity);
        let refusal = tls((dc.address(), 636).into(), name, &pki.root_pem()).unwrap_err();
        assert!(refusal.contains(why), "{refusal}");
        assert_eq!(dc.sign_in("svc-join", PASSWORD), Ok(()));
    }
}

#[test]
fn samba_and_what_is_beside_it_live_in_a_namespace_too() {
    let namespace = Namespace::new(&["tcp dport 389 reject with tcp reset"]);
    let pki = Pki::new("Contoso Root");
    let identity = pki.valid(Host::Dc1.name());
    let dc = Dc::builder(Host::Dc1, &identity).within(&namespace).start();
    assert_eq!(dc.sign_in("svc-join", PASSWORD), Ok(()));
    let outside = TcpStream::connect((dc.address(), 636)).unwrap_err();
    assert_eq!(outside.kind(), std::io::ErrorKind::ConnectionRefused);
    let _smb = BesideDc::at(dc.address()).within(&namespace).smb();
    let outside = TcpStream::connect((dc.address(), 445)).unwrap_err();
    assert_eq!(outside.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn beside_a_dc_rpc_answers_as_told_smb_connects_and_a_clock_is_ahead() {
    let address = samba::free_address();
    let beside = BesideDc::at(address);
    let _services = [
        beside.rpc(|request| request.iter().rev().copied().collect()),
        beside.smb(),
        beside.ntp(120.0),
    ];
    for _ in 0..3 {
        let mut rpc = TcpStream::connect((address, 135)).unwrap();
        for (question, reply) in [(b"abc", b"cba"), (b"123", b"321")] {
            rpc.write_all(question).unwrap();
            let mut answer = [0; 3];
            rpc.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, reply);
        }
    }
    let mut smb = TcpStream::connect((address, 445)).unwrap();
    smb.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    smb.write_all(b"hello").unwrap();
    assert_eq!(smb.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    for _ in 0..3 {
        let socket = udp_to((address, 123).into(), Duration::from_secs(2));
        let mut question = [0x55; 48];
        question[0] = 0x23;
        socket.send(&question).unwrap();
        let mut reply = [0; 64];
        assert_eq!(socket.recv(&mut reply).unwrap(), 48);
        assert_eq!((reply[0], &reply[24..32]), (0x24, &question[40..]));
        let seconds = u32::from_be_bytes([reply[40], reply[41], reply[42], reply[43]]);
        let ahead =
            i64::from(seconds) - 2_208_988_800 - time::OffsetDateTime::now_utc().unix_timestamp();
        assert!((119..=120).contains(&ahead), "{ahead}");
    }
}

#[test]
fn peers_misbehave() {
    let hello = |address| -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        stream.write_all(b"hello")?;
        stream.read(&mut [0; 16])
    };
    let kind = |address| hello(address).map_err(|error| error.kind());
    let silent = peers::silent_tcp();
    let resetting = peers::resetting_tcp();
    let closing = peers::closing_tcp();
    assert_eq!(kind(ports::refused_address()), Err(std::io::ErrorKind::ConnectionRefused));
    assert_eq!(kind(silent.local_addr().unwrap()), Err(std::io::ErrorKind::WouldBlock));
    assert_eq!(kind(resetting.address), Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(kind(closing.address), Ok(0));
    let mute = peers::silent_udp();
    assert_eq!(stun(mute.local_addr().unwrap(), BINDING), None);
}

/// Adds a computer, disables it and deletes it, each over a connection of its own: the result codes.
fn join(dc: &Dc<'_>, account: &str, dn: &str) -> [i32; 3] {
    let run = |ldif: String| dc.modify_as(account, PASSWORD, &ldif);
    [
        run(format!(
            "dn: {dn}\nchangetype: add\nobjectClass: computer\n\
             sAMAccountName: ANC-Hth-1$\nuserAccountControl: 4096\n"
        )),
        run(format!(
            "dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 4098\n"
        )),
        run(format!("dn: {dn}\nchangetype: delete\n")),
    ]
}

/// As LDAP writes it.
fn days_ago(days: i64) -> String {
    let at = time::OffsetDateTime::now_utc() - time::Duration::days(days);
    format!("{:04}{:02}{:02}000000.0Z", at.year(), u8::from(at.month()), at.day())
}

/// From tenths of microseconds since 1601.
fn filetime(text: &str) -> time::OffsetDateTime {
    let seconds = text.parse::<i64>().unwrap() / 10_000_000 - 11_644_473_600;
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

/// An LDAP search for `objectClass` at the root of the tree.
const ROOT_DSE: &[u8] =
    b"\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\
      \x87\x0bobjectClass\x30\x00";

/// What the header of a DNS answer says.
#[derive(Debug)]
struct DnsAnswer {
    code: u8,
    truncated: bool,
    answers: u16,
}

impl DnsAnswer {
    fn parse(message: &[u8]) -> Self {
        assert_eq!(&message[..2], b"id");
        Self {
            code: message[3] & 15,
            truncated: message[2] & 2 != 0,
            answers: u16::from_be_bytes([message[6], message[7]]),
        }
    }
}

fn dns(server: SocketAddr, name: &str, kind: u16) -> DnsAnswer {
    let socket = udp_to(server, Duration::from_secs(20));
    socket.send(&dns_query(name, kind)).unwrap();
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).unwrap();
    DnsAnswer::parse(&answer[..length])
}

fn dns_over_tcp(server: SocketAddr, name: &str, kind: u16) -> std::io::Result<DnsAnswer> {
    let query = dns_query(name, kind);
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes())?;
    stream.write_all(&query)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(DnsAnswer::parse(&answer))
}

/// One question, recursion desired, no EDNS.
fn dns_query(name: &str, kind: u16) -> Vec<u8> {
    let mut query = b"id\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0]);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    query
}

/// A verified handshake, or why there is none.
fn tls(server: SocketAddr, name: &str, root_pem: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(server).unwrap();
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(())
}

const BINDING: u16 = 0x0001;
const ALLOCATE: u16 = 0x0003;

/// The answer's message type and its error code, or None when there is no answer.
fn stun(server: SocketAddr, method: u16) -> Option<(u16, Option<u16>)> {
    let transport: &[u8] = if method == ALLOCATE { &[0, 0x19, 0, 4, 17, 0, 0, 0] } else { &[] };
    let mut request = method.to_be_bytes().to_vec();
    request.extend(u16::try_from(transport.len()).unwrap().to_be_bytes());
    request.extend(b"\x21\x12\xa4\x42transaction.");
    request.extend(transport);
    let socket = udp_to(server, Duration::from_secs(1));
    socket.send(&request).unwrap();
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).ok()?;
    let kind = u16::from_be_bytes([answer[0], answer[1]]);
    let error = answer[..length]
        .windows(8)
        .skip(20)
        .step_by(4)
        .find(|attribute| attribute[..2] == [0, 9])
        .map(|attribute| u16::from(attribute[6]) * 100 + u16::from(attribute[7]));
    Some((kind, error))
}

fn udp_to(server: SocketAddr, limit: Duration) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(limit)).unwrap();
    socket
}
