//! How the troubles of a domain controller show, over LDAP and by its ports.

use super::*;
use crate::faults::{Certificate, Garbage, Handshake, Service, Shut, Transport};

#[tokio::test]
async fn each_trouble_with_ldap_shows_on_its_domain_controller_and_leaves_no_trace() {
    let bench = Bench::start().await;
    let expired = "InvalidCertificate(Expired";
    let early = "InvalidCertificate(NotValidYet";
    let named = "InvalidCertificate(NotValidForName";
    let unknown = "InvalidCertificate(UnknownIssuer";
    let closed = "ConnectionRefused";
    for (conduct, plain, ldaps, start_tls) in [
        (Conduct::Down(Shut::Refused), closed, closed, closed),
        (Conduct::Down(Shut::Silent), "no answer", "no answer", "no answer"),
        (Conduct::Presents(Certificate::Expired), WELL, expired, expired),
        (Conduct::Presents(Certificate::NotYetValid), WELL, early, early),
        (Conduct::Presents(Certificate::WrongName), WELL, named, named),
        (Conduct::Presents(Certificate::SelfSigned), WELL, unknown, unknown),
        (Conduct::Presents(Certificate::ExpiresSoon), WELL, WELL, WELL),
        (Conduct::Handshake(Handshake::Alerts), WELL, ALERT, ALERT),
        (Conduct::Handshake(Handshake::SpeaksPlainText), WELL, NOT_TLS, NOT_TLS),
        (Conduct::Handshake(Handshake::HangsUp), WELL, "UnexpectedEof", "UnexpectedEof"),
        (Conduct::Handshake(Handshake::Silent), WELL, "no answer", "no answer"),
        (Conduct::StartTlsRefused, WELL, WELL, "StartTLS refused with 52"),
        (Conduct::Mute, "no answer", "no answer", "no answer"),
        (Conduct::Slow(BRIEFLY * 2), "no answer", "no answer", "no answer"),
        (Conduct::Busy, "51 0000200E", "51 0000200E", "51 0000200E"),
        (Conduct::Unavailable, "52 0000200F", "52 0000200F", "52 0000200F"),
        (Conduct::SearchFails, WELL, "1 00002020", "1 00002020"),
        (Conduct::SearchFailsOtherwise, WELL, "80 000020EF", "80 000020EF"),
    ] {
        let expected = [plain, ldaps, start_tls];
        bench.conducts(Controllers::Second, conduct);
        bench.until(Which::Second, expected).await;
        bench.until(Which::First, [WELL; 3]).await;
        bench.is_well();
        bench.until(Which::Second, [WELL; 3]).await;
    }
}

#[tokio::test]
async fn garbage_is_what_it_is_said_to_be() {
    let bench = Bench::start().await;
    for (garbage, begins, ends) in [
        (Garbage::OtherProtocol, &b"HTTP/1.1 400"[..], &b"\r\n\r\n"[..]),
        (Garbage::NestingBomb, &[0x30, 0x84, 0, 0, 0xea, 0x5c, 0x30, 0x84], &[5, 0]),
        (Garbage::EndlessFrame, &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0, 0], &[0, 0]),
        (Garbage::NotUtf8, ANSWER, b"Zur\xfcckgewiesen"),
        (Garbage::Truncated, ANSWER, b"Zur\xfcckgewies"),
    ] {
        bench.conducts(Controllers::Both, Conduct::Garbles(garbage));
        let address = (Which::First.address(), bench.ports.ldap);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let delete = b"\x30\x07\x02\x01\x05\x4a\x02ab";
        stream.write_all(delete).await.unwrap();
        let mut heard = Vec::new();
        let limited = stream.take(1024 * 1024);
        tokio::pin!(limited);
        let _ = time::timeout(BRIEFLY, limited.read_to_end(&mut heard)).await;
        assert!(heard.starts_with(begins) && heard.ends_with(ends), "{garbage:?}");
    }
}

#[tokio::test]
async fn each_port_is_shut_by_itself() {
    let bench = Bench::start().await;
    let Ports { dns, kerberos, ntp: _, rpc, ldap, smb, kpasswd, ldaps, global_catalog } =
        bench.ports;
    let netlogon = datagrams::netlogon(&bench, Which::First).await.unwrap();
    let services = [
        (Service::Dns, dns),
        (Service::Kerberos, kerberos),
        (Service::Rpc, rpc),
        (Service::Ldap, ldap),
        (Service::Smb, smb),
        (Service::Kpasswd, kpasswd),
        (Service::Ldaps, ldaps),
        (Service::GlobalCatalog, global_catalog),
        (Service::Netlogon, netlogon),
    ];
    for (service, port) in services {
        for (shut, seen) in [(Shut::Refused, "refused"), (Shut::Silent, "silent")] {
            bench.conducts(Controllers::First, Conduct::Port(service, Transport::Tcp, shut));
            until(Which::First, port, seen).await;
            until(Which::Second, port, "open").await;
            for (_, other) in services.iter().filter(|(other, _)| *other != service) {
                until(Which::First, *other, "open").await;
            }
            bench.is_well();
            until(Which::First, port, "open").await;
        }
    }
}

#[tokio::test]
async fn what_root_dse_says_of_the_domain_controller_can_be_set() {
    let bench = Bench::start().await;
    let other = "DC=emea,DC=contoso,DC=test";
    for (conduct, attribute, seen) in [
        (Conduct::NotSynchronised, "isSynchronized", "FALSE"),
        (Conduct::OfOtherDomain, "defaultNamingContext", other),
        (Conduct::OfOtherDomain, "dnsHostName", "dc2.emea.contoso.test"),
    ] {
        bench.conducts(Controllers::Second, conduct);
        for (which, expected) in [(Which::First, false), (Which::Second, true)] {
            let mut ldap = bench.connect(which, Protection::Plain).await.unwrap();
            let said = read(&mut ldap, "", attribute).await;
            assert_eq!(said == seen, expected, "{which:?} {said}");
        }
    }
    let mut ldap = bench.connect(Which::Second, Protection::Ldaps).await.unwrap();
    ldap.simple_bind(ACCOUNT, PASSWORD).await.unwrap();
    assert_eq!(read(&mut ldap, BASE, "dc").await, "10 0000202B");
    bench.conducts(Controllers::Both, Conduct::ReadOnly);
    let found = ldap.search("", Scope::Base, "(objectClass=*)", ["supportedCapabilities"]).await;
    let root = SearchEntry::construct(found.unwrap().0.remove(0));
    let read_only = "1.2.840.113556.1.4.1920".to_owned();
    assert!(root.attrs["supportedCapabilities"].contains(&read_only));
}

/// To the fifth request, which is a deletion.
const ANSWER: &[u8] = &[0x30, 0x24, 2, 1, 5, 0x6b, 0x1f];
const WELL: &str = "well";
const ALERT: &str = "AlertReceived(HandshakeFailure)";
const NOT_TLS: &str = "InvalidMessage(InvalidContentType)";

impl Bench {
    /// A port opens and closes a moment after its switch.
    async fn until(&self, which: Which, expected: [&str; 3]) {
        let mut seen = Vec::new();
        for _ in 0..20 {
            seen.clear();
            for protection in [Protection::Plain, Protection::Ldaps, Protection::StartTls] {
                seen.push(self.look(which, protection).await);
            }
            if seen.iter().zip(expected).all(|(seen, expected)| seen.starts_with(expected)) {
                return;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{seen:?} instead of {expected:?}");
    }

    /// Reads rootDSE, and where it may, signs in and reads the domain.
    async fn look(&self, which: Which, protection: Protection) -> String {
        let mut ldap = match self.connect(which, protection).await {
            Ok(ldap) => ldap,
            Err(trouble) => return trouble,
        };
        let look = async {
            let name = read(&mut ldap, "", "dnsHostName").await;
            if name != format!("{}.{DOMAIN}", which.host()) {
                return name;
            }
            if protection == Protection::Plain {
                return WELL.to_owned();
            }
            let bound = ldap.simple_bind(ACCOUNT, PASSWORD).await.unwrap();
            if bound.rc != 0 {
                return said(&bound);
            }
            let domain = read(&mut ldap, BASE, "dc").await;
            if domain == "corp" { WELL.to_owned() } else { domain }
        };
        time::timeout(BRIEFLY, look).await.unwrap_or_else(|_| "no answer".to_owned())
    }
}

async fn until(which: Which, port: u16, expected: &str) {
    let mut seen = "";
    for _ in 0..50 {
        let connect = TcpStream::connect((which.address(), port));
        seen = match time::timeout(Duration::from_millis(100), connect).await {
            Ok(Ok(_)) => "open",
            Ok(Err(_)) => "refused",
            Err(_) => "silent",
        };
        if seen == expected {
            return;
        }
        time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{port} of {which:?} is {seen}, not {expected}");
}
