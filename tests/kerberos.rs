//! LDAP sealed by Kerberos, against real domain controllers: the tunnel alone, and the whole daemon.
//! What they say is in their audit log.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "test code, and it waits in real time"
)]

mod support;

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anc_healthd::directory::kerberos::tunnel_by;
use anc_healthd::directory::kerberos::{Account, KerberosFault, Target, Tunnel, fault::code};
use anc_healthd::net::TcpFault;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use support::bind::{self, Bind};
use support::daemon::Surroundings;
use support::namespace::Namespace;
use support::pki::{Identity, Pki};
use support::ports::{free_address, refused_address};
use support::process::poll;
use support::report::{Check, Report};
use support::samba::{self, BASE, Host, PASSWORD};
use support::zones::{DOMAIN, of_controllers};

const CREDENTIALS: &str = "adJoinCheckIncorrectCredentials";
const EXPIRED: &str = "adJoinCheckCredentialsExpired";
const LOCKED: &str = "adJoinCheckAccountLockedOrDisabled";
const NOT_OPERATIONAL: &str = "adJoinCheckServerNotOperational";
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_account_signs_in_reads_and_rehearses_a_join() {
    let dc = Dc::start();
    let mut ldap = ldap(dc.tunnel("svc-join").await.unwrap()).await;

    let (found, _) = ldap
        .search("", Scope::Base, "(objectClass=*)", vec!["defaultNamingContext"])
        .await
        .unwrap()
        .success()
        .unwrap();
    let root = SearchEntry::construct(found.into_iter().next().unwrap());
    assert_eq!(root.attrs["defaultNamingContext"], [BASE]);

    let dn = format!("CN=CPC-Hth-k1,OU=CloudPCs,{BASE}");
    let attributes = [
        ("objectClass", "computer"),
        ("sAMAccountName", "CPC-Hth-k1$"),
        ("userAccountControl", "4098"),
    ];
    let attributes = attributes.map(|(name, value)| (name, HashSet::from([value]))).to_vec();
    ldap.add(&dn, attributes).await.unwrap().success().unwrap();
    ldap.delete(&dn).await.unwrap().success().unwrap();

    let seals = dc.protection();
    assert_eq!(seals, ["SEAL"], "{:#?}", dc.0.audit());
}

#[tokio::test]
async fn every_way_to_write_the_name_signs_in() {
    let dc = Dc::start();
    for name in ["svc-join@corp.contoso.test", "SVC-JOIN@CORP.CONTOSO.TEST", "CONTOSO\\svc-join"] {
        let tunnel = dc.tunnel(name).await;
        assert!(tunnel.is_ok(), "{name}: {tunnel:?}");
    }
    // Its suffix is none of the domain's own.
    assert!(dc.tunnel("joiner@contoso.example").await.is_ok());
    assert_eq!(dc.failures(), Vec::<String>::new());
}

#[tokio::test]
async fn much_is_carried_both_ways() {
    let dc = Dc::start();
    let mut ldap = ldap(dc.tunnel("svc-join").await.unwrap()).await;
    let whole = ldap
        .search(
            &format!("CN=Schema,CN=Configuration,{BASE}"),
            Scope::Subtree,
            "(objectClass=*)",
            vec!["*"],
        )
        .await
        .unwrap();
    let (schema, _) = whole.success().unwrap();
    assert!(schema.len() > 1000, "{}", schema.len());
    let long = format!("(|{})", "(cn=nobody-has-this-name)".repeat(4000));
    let (none, _) =
        ldap.search(BASE, Scope::Subtree, &long, vec!["cn"]).await.unwrap().success().unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_counted_once() {
    let dc = Dc::start();
    let wrong = dc.tunnel_with("svc-join@corp.contoso.test", "wrong").await;
    assert_eq!(refusal(wrong), code::PREAUTHENTICATION_FAILED);
    assert_eq!(dc.failures(), ["NT_STATUS_WRONG_PASSWORD"]);
    assert_eq!(dc.bad_passwords("svc-join").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_slow_kdc_counts_a_wrong_password_once() {
    let dc = Dc::start();
    let slow = slow(dc.kdc(), Duration::from_millis(2500));
    let wrong = dc.tunnel_to(slow, "svc-join", "wrong").await;
    assert_eq!(refusal(wrong), code::PREAUTHENTICATION_FAILED);
    assert_eq!(dc.failures(), ["NT_STATUS_WRONG_PASSWORD"]);
    assert_eq!(dc.bad_passwords("svc-join").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_kdc_without_tcp_is_not_asked_again_and_again_over_udp() {
    let dc = Dc::start();
    let slow = slow_udp(dc.kdc(), Duration::from_millis(4500));
    let fault = dc.tunnel_to(slow, "svc-join", "wrong").await.unwrap_err();
    assert_eq!(dc.failures(), Vec::<String>::new());
    assert_eq!(fault, KerberosFault::Unreachable { address: slow, fault: TcpFault::Refused });
}

#[tokio::test]
async fn accounts_are_refused_by_their_state() {
    let dc = Dc::start();
    for (account, expected) in [
        ("svc-disabled", code::CLIENT_REVOKED),
        ("svc-locked", code::CLIENT_REVOKED),
        ("svc-expired", code::CLIENT_REVOKED),
        ("svc-pwexpired", code::KEY_EXPIRED),
        ("svc-mustchange", code::KEY_EXPIRED),
        ("svc-nobody", code::CLIENT_UNKNOWN),
        ("svc-nobody@corp.contoso.test", code::CLIENT_UNKNOWN),
    ] {
        assert_eq!(refusal(dc.tunnel(account).await), expected, "{account}");
    }
}

#[tokio::test]
async fn a_domain_controller_of_another_name_is_refused() {
    let dc = Dc::start();
    let target = Target { host: "dc2.corp.contoso.test".into(), ..dc.target() };
    let fault = dig(&target, "svc-join", PASSWORD, LIMIT).await;
    assert_eq!(refusal(fault), code::SERVICE_UNKNOWN);
}

#[tokio::test]
async fn the_password_is_not_shown_when_ldap_is_away() {
    let dc = Dc::start();
    let address = refused_address();
    let target = Target { address, ..dc.target() };
    let fault = dig(&target, "svc-join", "wrong", LIMIT).await.unwrap_err();
    assert_eq!(fault, KerberosFault::Unreachable { address, fault: TcpFault::Refused });
    assert_eq!(dc.failures(), Vec::<String>::new());
}

#[tokio::test]
async fn a_dead_and_a_silent_kdc_are_told_apart() {
    let dc = Dc::start();
    let address = refused_address();
    let fault = dc.tunnel_to(address, "svc-join", PASSWORD).await.unwrap_err();
    assert_eq!(fault, KerberosFault::Unreachable { address, fault: TcpFault::Refused });

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target { kdc: address, ..dc.target() };
    let started = Instant::now();
    let fault = dig(&target, "svc-join", PASSWORD, Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(fault, KerberosFault::Unreachable { address, fault: TcpFault::Timeout });
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn what_is_not_ldap_is_broken() {
    let dc = Dc::start();
    for babble in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x30\x84\xff\xff\xff\xff", b""] {
        let address = babbling(babble);
        let target = Target { address, ..dc.target() };
        let fault = dig(&target, "svc-join", PASSWORD, LIMIT).await.unwrap_err();
        assert!(matches!(fault, KerberosFault::Broken(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn the_stream_ends_with_the_domain_controller() {
    let dc = Dc::start();
    let mut tunnel = dc.tunnel("svc-join").await.unwrap();
    drop(dc);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LIMIT, tunnel.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_ok() && rest.is_empty(), "{ended:?} {rest:?}");
}

#[tokio::test]
async fn the_child_ends_with_our_side() {
    let dc = Dc::start();
    let mut tunnel = dc.tunnel("svc-join").await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LIMIT, tunnel.read_to_end(&mut rest)).await;
    assert!(ended.unwrap().is_ok());

    let tunnel = dc.tunnel("svc-join").await.unwrap();
    let child = children(&dc).pop().unwrap();
    drop(tunnel);
    assert!(poll(LIMIT, || (!child.exists()).then_some(())).is_some());
}

#[tokio::test]
async fn the_password_is_nowhere_to_be_seen() {
    let dc = Dc::start();
    let _tunnel = dc.tunnel("svc-join").await.unwrap();
    let child = children(&dc).pop().unwrap();
    let read = |file| String::from_utf8(fs::read(child.join(file)).unwrap()).unwrap();
    let (arguments, environment) = (read("cmdline"), read("environ"));
    assert!(arguments.ends_with("\0kerberos-tunnel\0"), "{arguments}");
    let variables = environment.split_terminator('\0');
    let names: HashSet<_> = variables.map(|variable| variable.split_once('=').unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&("KRB5CCNAME", "MEMORY:")));
    let (_, settings) = names.iter().find(|(name, _)| *name == "KRB5_CONFIG").unwrap();
    assert_eq!(fs::metadata(settings).unwrap().permissions().mode() & 0o777, 0o600);
    let texts = [arguments, environment.clone(), fs::read_to_string(settings).unwrap()];
    assert!(texts.iter().all(|text| !text.contains(PASSWORD)), "{texts:?}");
}

#[tokio::test]
async fn a_child_that_is_stopped_does_not_hold_us_up() {
    let dc = Dc::start();
    let (home, limit) = (TempDir::new().unwrap(), Duration::from_secs(1));
    let stopped = script(home.path(), "kill -STOP $$");
    let fault = by(&stopped, &dc.target(), limit).await.unwrap_err();
    assert_eq!(fault, KerberosFault::Timeout);
}

#[tokio::test]
async fn without_a_child_it_is_our_fault() {
    let (dc, home) = (Dc::start(), TempDir::new().unwrap());
    let ended = script(home.path(), "exit 3");
    for program in [Path::new("/nowhere"), ended.as_path()] {
        let fault = by(program, &dc.target(), LIMIT).await.unwrap_err();
        assert!(matches!(fault, KerberosFault::NoChild(_)), "{fault:?}");
    }
    let crashed = script(home.path(), "kill -SEGV $$");
    let fault = by(&crashed, &dc.target(), LIMIT).await.unwrap_err();
    assert!(matches!(&fault, KerberosFault::Broken(why) if why.contains("SIGSEGV")), "{fault:?}");
}

#[test]
fn the_daemon_rehearses_a_join_and_sends_no_password() {
    let dc = samba::Dc::start(Host::Dc1, &identity());
    let check = Join::to(&dc).check("svc-join", PASSWORD);
    check.is("informational", 0, &[("leftover_computers", "", "informational", DOMAIN)]);

    let changes = dc.changes();
    let operations: Vec<_> = changes.iter().map(|it| (&*it.operation, it.code)).collect();
    assert_eq!(operations, [("Add", 0), ("Modify", 0), ("Delete", 0)]);
    for change in &changes {
        assert_eq!((&*change.account, &change.dn), ("svc-join", &changes[0].dn));
        assert!(change.dn.ends_with(&format!(",CN=Computers,{BASE}")), "{}", change.dn);
    }
    let binds = dc.binds().into_iter().map(|it| (it.service, it.status)).collect::<Vec<_>>();
    assert_eq!(binds, [("Kerberos KDC".to_owned(), "NT_STATUS_OK".to_owned())]);
    let sessions = dc.sessions();
    let [session] = &sessions[..] else { panic!("{sessions:#?}") };
    assert_eq!((&*session.method, &*session.protection), ("krb5", "SEAL"));
    assert_eq!(session.server.port(), 389);
}

#[test]
fn a_wrong_password_is_shown_to_the_kdc_once_and_then_withheld() {
    let dc = samba::Dc::start(Host::Dc1, &identity());
    let join = Join::to(&dc);
    let refused = [("wrong_credentials", CREDENTIALS, "failed", "svc-join@corp.contoso.test")];
    for is_withheld in [false, true, true, true] {
        let check = join.check("svc-join", "wrong");
        check.is("failed", 2, &refused);
        let detail = check.detail("wrong_credentials");
        assert_eq!(detail.contains("the next try is at"), is_withheld, "{detail}");
    }
    let statuses: Vec<_> = dc.binds().into_iter().map(|bind| bind.status).collect();
    assert_eq!(statuses, ["NT_STATUS_WRONG_PASSWORD"]);
    assert_eq!(dc.account("svc-join", "badPwdCount").as_deref(), Some("1"));

    assert_eq!(join.check("svc-join", PASSWORD).status, "informational");
    assert_eq!((dc.binds().len(), dc.changes().len()), (2, 3));
}

#[test]
fn an_account_is_refused_by_its_state_as_far_as_a_kdc_tells() {
    let dc = samba::Dc::start(Host::Dc1, &identity());
    let join = Join::to(&dc);
    for (account, reason, error_type) in [
        ("svc-disabled", "account_restricted", LOCKED),
        ("svc-locked", "account_restricted", LOCKED),
        ("svc-expired", "account_restricted", LOCKED),
        ("svc-pwexpired", "password_expired", EXPIRED),
        ("svc-mustchange", "password_expired", EXPIRED),
        ("svc-nobody", "wrong_credentials", CREDENTIALS),
    ] {
        let user = format!("{account}@{DOMAIN}");
        join.check(account, PASSWORD).is("failed", 2, &[(reason, error_type, "failed", &user)]);
    }
    assert!(dc.changes().is_empty() && dc.sessions().is_empty(), "{:#?}", dc.audit());
}

#[test]
fn a_firewall_before_the_kdc_is_told_and_counts_for_nothing() {
    let namespace = Namespace::new(&[]);
    let dc = samba::Dc::builder(Host::Dc1, &identity()).within(&namespace).start();
    let join = Join::within(&namespace, &dc);
    let unreachable = [("dc_unreachable", NOT_OPERATIONAL, "failed", dc.name())];
    // More often than unanswered sign-ins are let pass.
    for (action, why) in [
        ("drop", "its KDC: no answer"),
        ("reject with tcp reset", "its KDC: connection refused"),
        ("reject with icmpx admin-prohibited", "its KDC: unreachable"),
    ] {
        namespace.obey(&[&format!("tcp dport 88 {action}"), "udp dport 88 drop"], &[]);
        let check = join.check("svc-join", PASSWORD);
        check.is("failed", 2, &unreachable);
        let detail = check.detail("dc_unreachable");
        assert!(detail.contains(why), "{why} in {detail}");
    }
    assert!(dc.binds().is_empty(), "{:#?}", dc.audit());
    namespace.obey(&[], &[]);
    assert_eq!(join.check("svc-join", PASSWORD).status, "informational");
}

/// A Samba domain controller, and what is asked of it here.
struct Dc(samba::Dc<'static>);

impl Dc {
    fn start() -> Self {
        Self(samba::Dc::start(Host::Dc1, &identity()))
    }

    fn kdc(&self) -> SocketAddr {
        (self.0.address(), 88).into()
    }

    fn target(&self) -> Target {
        Target {
            address: (self.0.address(), 389).into(),
            kdc: self.kdc(),
            host: self.0.name().into(),
            domain: DOMAIN.into(),
        }
    }

    async fn tunnel(&self, username: &str) -> Result<Tunnel, KerberosFault> {
        self.tunnel_with(username, PASSWORD).await
    }

    async fn tunnel_with(&self, username: &str, password: &str) -> Result<Tunnel, KerberosFault> {
        dig(&self.target(), username, password, LIMIT).await
    }

    async fn tunnel_to(
        &self,
        kdc: SocketAddr,
        username: &str,
        password: &str,
    ) -> Result<Tunnel, KerberosFault> {
        dig(&Target { kdc, ..self.target() }, username, password, LIMIT).await
    }

    /// The status of every sign-in that failed.
    fn failures(&self) -> Vec<String> {
        let binds = self.0.binds().into_iter().map(|bind| bind.status);
        binds.filter(|status| status != "NT_STATUS_OK").collect()
    }

    /// What it counts towards locking the account out.
    fn bad_passwords(&self, account: &str) -> Option<String> {
        self.0.account(account, "badPwdCount")
    }

    /// How each LDAP session of somebody was protected.
    fn protection(&self) -> Vec<String> {
        let sessions = self.0.sessions().into_iter();
        let of_somebody = sessions.filter(|session| session.account != "ANONYMOUS LOGON");
        of_somebody.map(|session| session.protection).collect()
    }
}

/// `ad_domain_join` over Kerberos, by the whole daemon, which remembers.
struct Join<'a> {
    namespace: Option<&'a Namespace>,
    bind: Bind,
    home: TempDir,
}

impl<'a> Join<'a> {
    fn to(dc: &samba::Dc<'_>) -> Self {
        Self::by(dc, Bind::builder(), None)
    }

    fn within(namespace: &'a Namespace, dc: &samba::Dc<'_>) -> Self {
        Self::by(dc, Bind::builder().within(namespace), Some(namespace))
    }

    fn by(dc: &samba::Dc<'_>, bind: bind::Builder<'_>, namespace: Option<&'a Namespace>) -> Self {
        let bind = bind.zone(DOMAIN, &of_controllers(&[dc.controller()])).start();
        Self { namespace, bind, home: TempDir::new().unwrap() }
    }

    #[track_caller]
    fn check(&self, account: &str, password: &str) -> Check {
        let secret = self.home.path().join("password");
        fs::write(&secret, password).unwrap();
        let config = format!(
            "server.state_dir = {state:?}\nchecks.ad_domain_join.timeout = \"20s\"\n\
             [[connections]]\nname = \"prod-weu\"\njoin_type = \"hybrid\"\n\
             dns_servers = [\"{server}\"]\n[connections.active_directory]\n\
             domain = \"{DOMAIN}\"\nusername = \"{account}@{DOMAIN}\"\n\
             password_file = {secret:?}\ntransport = \"kerberos\"\n",
            state = self.home.path(),
            server = self.bind.address,
        );
        let surroundings = Surroundings { namespace: self.namespace, ..Surroundings::default() };
        let report = Report::within(&config, &["--check", "ad_domain_join"], &surroundings);
        report.check("prod-weu", "ad_domain_join")
    }
}

fn identity() -> Identity {
    Pki::new("Corp Root").valid(Host::Dc1.name())
}

/// A program that stands in for the child.
fn script(home: &Path, text: &str) -> PathBuf {
    let path = home.join("script");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    path
}

async fn dig(
    target: &Target,
    username: &str,
    password: &str,
    limit: Duration,
) -> Result<Tunnel, KerberosFault> {
    let password = password.into();
    let account = Account { username, password: &password };
    tunnel_by(Path::new(env!("CARGO_BIN_EXE_anc-healthd")), target, account, limit).await
}

async fn by(program: &Path, target: &Target, limit: Duration) -> Result<Tunnel, KerberosFault> {
    let account = Account { username: "svc-join", password: &PASSWORD.into() };
    tunnel_by(program, target, account, limit).await
}

#[track_caller]
fn refusal(tunnel: Result<Tunnel, KerberosFault>) -> i32 {
    match tunnel {
        Err(KerberosFault::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

/// The crate ldap3 at our end of the tunnel.
async fn ldap(mut tunnel: Tunnel) -> Ldap {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let mut far = tokio::net::UnixStream::from_std(far).unwrap();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tunnel, &mut far).await });
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(near));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await.unwrap();
    tokio::spawn(connection.drive());
    ldap
}

/// The processes of tunnels to this domain controller, in `/proc`.
fn children(dc: &Dc) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let realm_of = |process: &PathBuf| {
        let line = fs::read_to_string(process.join("cmdline")).ok()?;
        line.contains("kerberos-tunnel").then_some(())?;
        // The only socket of TCP that it has leads to LDAP.
        let sockets = fs::read_dir(process.join("fd")).ok()?;
        let inodes: Vec<_> = sockets
            .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .filter_map(|link| {
                let link = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
                Some(link)
            })
            .collect();
        let remote = format!("{:08X}:0185", u32::from_le_bytes(dc.0.address().octets()));
        let table = fs::read_to_string("/proc/net/tcp").ok()?;
        let ours = table.lines().any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            fields.get(2) == Some(&remote.as_str())
                && fields.get(9).is_some_and(|inode| inodes.iter().any(|own| own == inode))
        });
        ours.then_some(())
    };
    processes.filter(|process| realm_of(process).is_some()).collect()
}

/// A KDC that takes its time.
fn slow(kdc: SocketAddr, delay: Duration) -> SocketAddr {
    let address = slow_udp(kdc, delay);
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for near in listener.incoming() {
            let mut near = near.unwrap();
            let mut far = TcpStream::connect(kdc).unwrap();
            let mut buffer = vec![0; 65536];
            let size = near.read(&mut buffer).unwrap();
            far.write_all(&buffer[..size]).unwrap();
            let size = far.read(&mut buffer).unwrap();
            thread::sleep(delay);
            let _ = near.write_all(&buffer[..size]);
        }
    });
    address
}

/// The same, over UDP alone.
fn slow_udp(kdc: SocketAddr, delay: Duration) -> SocketAddr {
    let address = free_address();
    let near = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok((size, asker)) = near.recv_from(&mut buffer) {
            let (near, question) = (near.try_clone().unwrap(), buffer[..size].to_vec());
            thread::spawn(move || {
                let far = UdpSocket::bind("127.0.0.1:0").unwrap();
                far.send_to(&question, kdc).unwrap();
                let mut answer = vec![0; 65536];
                let size = far.recv(&mut answer).unwrap();
                thread::sleep(delay);
                let _ = near.send_to(&answer[..size], asker);
            });
        }
    });
    address
}

/// Says this to the first question, and hangs up.
fn babbling(babble: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 65536]);
        let _ = stream.write_all(babble);
    });
    address
}
