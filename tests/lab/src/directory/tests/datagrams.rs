//! What is asked over UDP, and of the endpoint mapper.

use std::net::Ipv4Addr;

use hickory_resolver::proto::{
    op::{Message, Query},
    rr::{Name, RecordType},
};
use tokio::net::UdpSocket;

use super::*;
use crate::faults::{Service, Shut, Transport};

#[tokio::test]
async fn each_service_answers_over_udp_unless_its_port_is_shut() {
    let bench = Bench::start().await;
    let Ports { dns, kerberos, ntp, ldap, .. } = bench.ports;
    for (service, port, question) in [
        (Service::Dns, dns, dns_question()),
        (Service::Kerberos, kerberos, as_request()),
        (Service::Ntp, ntp, ntp_question()),
        (Service::Ldap, ldap, ping(DOMAIN)),
    ] {
        for which in [Which::First, Which::Second] {
            assert!(ask(which, port, &question).await.is_ok(), "{service:?}");
            assert_eq!(ask(which, port, b"noise").await, Err("no reply".to_owned()));
        }
        for (shut, seen) in [(Shut::Silent, "no reply"), (Shut::Refused, "ConnectionRefused")] {
            bench.conducts(Controllers::Second, Conduct::Port(service, Transport::Udp, shut));
            time::sleep(Duration::from_millis(50)).await;
            let refused = ask(Which::Second, port, &question).await;
            assert_eq!(refused, Err(seen.to_owned()), "{service:?}");
            assert!(ask(Which::First, port, &question).await.is_ok(), "{service:?}");
            bench.is_well();
            time::sleep(Duration::from_millis(50)).await;
            assert!(ask(Which::Second, port, &question).await.is_ok(), "{service:?}");
        }
    }
}

#[tokio::test]
async fn the_netlogon_ping_tells_names_sites_and_roles() {
    let bench = Bench::start().await;
    let netlogon = async |which| {
        let reply = ask(which, bench.ports.ldap, &ping(DOMAIN)).await.unwrap();
        let at = reply.windows(4).position(|octets| octets == [23, 0, 0, 0]).unwrap();
        let flags = u32::from_le_bytes(*reply[at + 4..].first_chunk().unwrap());
        let (mut names, mut rest) = (Vec::new(), at + 24);
        for _ in 0..8 {
            let name;
            (name, rest) = name_at(&reply[at..], rest - at);
            rest += at;
            names.push(name);
        }
        assert_eq!(reply[rest..rest + 8], [5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        (flags, names.join(" "))
    };
    let (flags, names) = netlogon(Which::Second).await;
    assert_eq!(
        names,
        "corp.contoso.test corp.contoso.test dc2.corp.contoso.test CONTOSO DC2  Lab-HQ Lab-Azure"
    );
    assert_eq!((flags & 0x100, flags & 0x80, flags & 0x24), (0x100, 0, 0x24));
    assert_eq!(netlogon(Which::First).await.0 & 0x81, 0x81);
    bench.conducts(Controllers::Second, Conduct::ReadOnly);
    assert_eq!(netlogon(Which::Second).await.0 & 0x1900, 0x800);
    bench.is_well();
    let nothing = ask(Which::First, bench.ports.ldap, &ping("emea.contoso.test")).await.unwrap();
    assert!(nothing.len() < 20, "{nothing:x?}");
}

#[tokio::test]
async fn every_clock_of_a_domain_controller_is_off_together() {
    let bench = Bench::start().await;
    for off in [0, 250, -120] {
        bench.conducts(Controllers::Second, Conduct::ClockOff(off));
        for (which, expected) in [(Which::First, 0), (Which::Second, off)] {
            let now = ::time::OffsetDateTime::now_utc().unix_timestamp();
            let reply = ask(which, bench.ports.ntp, &ntp_question()).await.unwrap();
            assert_eq!((reply[0], &reply[24..32]), (0x24, &b"question"[..]));
            let by_ntp = u32::from_be_bytes(*reply[40..].first_chunk().unwrap());
            let by_ntp = i64::from(by_ntp) - 2_208_988_800;
            let reply = ask(which, bench.ports.kerberos, &as_request()).await.unwrap();
            let by_kerberos = String::from_utf8_lossy(&reply).into_owned();
            let mut ldap = bench.connect(which, Protection::Plain).await.unwrap();
            let by_ldap = read(&mut ldap, "", "currentTime").await;
            assert!((by_ntp - now - expected).abs() <= 1, "{by_ntp} {now} {expected}");
            let told = |by: i64| object::generalized(now + expected + by).replace(".0Z", "");
            assert!((0..3).any(|by| by_kerberos.contains(&told(by))), "{by_kerberos}");
            assert!((0..3).any(|by| by_ldap.starts_with(&told(by))), "{by_ldap}");
        }
    }
}

#[tokio::test]
async fn kerberos_wants_a_proof_over_tcp_too() {
    let bench = Bench::start().await;
    let address = (Which::First.address(), bench.ports.kerberos);
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        let request = as_request();
        stream.write_u32(request.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut reply = vec![0; stream.read_u32().await.unwrap().try_into().unwrap()];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[0], 0x7e);
        // [6] 25, then [9], the realm.
        let realm = b"\xa6\x03\x02\x01\x19\xa9\x13\x1b\x11CORP.CONTOSO.TEST";
        assert!(reply.windows(realm.len()).any(|octets| octets == realm), "{reply:x?}");
    }
}

#[tokio::test]
async fn the_endpoint_mapper_leads_to_a_port_that_listens() {
    let bench = Bench::start().await;
    for which in [Which::First, Which::Second] {
        let port = netlogon(&bench, which).await.unwrap();
        assert!(TcpStream::connect((which.address(), port)).await.is_ok());
    }
    bench.conducts(Controllers::Second, Conduct::NetlogonNotRegistered);
    assert_eq!(netlogon(&bench, Which::Second).await, None);
    assert!(netlogon(&bench, Which::First).await.is_some());
}

/// The port that the endpoint mapper tells; none if it says `EPT_S_NOT_REGISTERED`.
pub(super) async fn netlogon(bench: &Bench, which: Which) -> Option<u16> {
    const MAPPER: &str = "0883afe11f5dc91191a408002b14a0fa03000000";
    const NDR: &str = "045d888aeb1cc9119fe808002b10486002000000";
    const NETLOGON: &str = "785634123412cdabef0001234567cffb01000000";
    let mut stream = TcpStream::connect((which.address(), bench.ports.rpc)).await.unwrap();
    let bind = format!("d016d01600000000 01000000 0000 01 00 {MAPPER} {NDR}");
    let bound = exchange(&mut stream, 11, &bind).await;
    assert_eq!(bound[2], 12);
    // One result, acceptance, and the syntax.
    let result = [&octets("01000000 00000000"), &octets(NDR)[..]].concat();
    assert!(bound.ends_with(&result), "{bound:x?}");
    let (interface, minor) = NETLOGON.split_at(36);
    let floors = format!(
        "0500 1300 0d {interface} 0200 {minor} 1300 0d {} 0200 0000 0100 0b 0200 0000 0100 07 0200 \
         0000 0100 09 0400 00000000",
        &NDR[..36]
    );
    let length = octets(&floors).len();
    let length = format!("{:02x}000000", length);
    let object = "01000000 00000000000000000000000000000000";
    let padding = "00".repeat(octets(&floors).len().next_multiple_of(4) - octets(&floors).len());
    let handle = "00".repeat(20);
    let map = format!(
        "00000000 0000 0300 {object} 02000000 {length} {length} {floors} {padding} {handle} 04000000"
    );
    let mapped = exchange(&mut stream, 0, &map).await;
    assert_eq!(mapped[2], 2);
    let (stub, status) = mapped[24..].split_last_chunk::<4>().unwrap();
    if stub[20..24] == [0; 4] {
        assert_eq!(*status, 0x16c9_a0d6_u32.to_le_bytes());
        return None;
    }
    assert_eq!(*status, [0; 4]);
    let address = [&[9, 4, 0], &which.address().octets()[..]].concat();
    assert!(stub.windows(7).any(|octets| octets == address), "{stub:x?}");
    let at = stub.windows(5).position(|octets| octets == [1, 0, 7, 2, 0]).unwrap();
    Some(u16::from_be_bytes([stub[at + 5], stub[at + 6]]))
}

async fn exchange(stream: &mut TcpStream, kind: u8, body: &str) -> Vec<u8> {
    let body = octets(body);
    let length = u16::try_from(16 + body.len()).unwrap().to_le_bytes();
    let head = [5, 0, kind, 3, 0x10, 0, 0, 0, length[0], length[1], 0, 0, 7, 0, 0, 0];
    stream.write_all(&[&head[..], &body].concat()).await.unwrap();
    let mut reply = vec![0; 16];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply[12], 7);
    reply.resize(usize::from(u16::from_le_bytes([reply[8], reply[9]])), 0);
    stream.read_exact(&mut reply[16..]).await.unwrap();
    reply
}

fn octets(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

async fn ask(which: Which, port: u16, question: &[u8]) -> Result<Vec<u8>, String> {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    client.connect((which.address(), port)).await.unwrap();
    client.send(question).await.unwrap();
    let mut reply = vec![0; 4096];
    match time::timeout(Duration::from_millis(300), client.recv(&mut reply)).await {
        Ok(Ok(length)) => Ok(reply[..length].to_vec()),
        Ok(Err(error)) => Err(format!("{:?}", error.kind())),
        Err(_) => Err("no reply".to_owned()),
    }
}

fn dns_question() -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(DOMAIN).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn ntp_question() -> Vec<u8> {
    [&[0x23][..], &[0; 39], b"question"].concat()
}

/// As much of one as matters: the version, and what it is.
fn as_request() -> Vec<u8> {
    octets("6a0c 300a a1 03 020105 a2 03 02010a")
}

fn ping(domain: &str) -> Vec<u8> {
    let equal = |attribute: &str, value: &[u8]| {
        ber::context(3, vec![ber::octets(attribute), ber::octets(value)])
    };
    let filter =
        ber::context(0, vec![equal("DnsDomain", domain.as_bytes()), equal("NtVer", &[6, 0, 0, 0])]);
    let zero = || ber::enumerated(0);
    let attributes = ber::sequence(vec![ber::octets("Netlogon")]);
    let no = ber::integer(0);
    let (limit, time) = (ber::integer(0), ber::integer(0));
    let search = vec![ber::octets(""), zero(), zero(), limit, time, no, filter, attributes];
    ber::written(ber::sequence(vec![ber::integer(1), ber::application(3, search)]))
}

/// A name (RFC 1035, section 4.1.4), and where it ends.
fn name_at(message: &[u8], start: usize) -> (String, usize) {
    let (mut labels, mut at, mut end) = (Vec::new(), start, None);
    loop {
        let length = usize::from(message[at]);
        if length == 0 {
            return (labels.join("."), end.unwrap_or(at + 1));
        }
        if length >= 0xc0 {
            end.get_or_insert(at + 2);
            at = (length & 0x3f) << 8 | usize::from(message[at + 1]);
            continue;
        }
        labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).into_owned());
        at += 1 + length;
    }
}
