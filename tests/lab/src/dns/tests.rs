//! What a raw client sees of the servers.

use std::collections::BTreeSet;

use hickory_resolver::proto::{
    op::Query,
    rr::{Name, RData, RecordType},
};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::directory::Ports;

const LDAP: &str = "_ldap._tcp.dc._msdcs.corp.contoso.test.";
const HOST: &str = "login.entra.lab.contoso.test.";
const DIRECTORY: &str = "directory.entra.lab.contoso.test.";
const NOTIFY: &str = "notify.intune.lab.contoso.test.";
const LICENSING: &str = "licensing.wvd.lab.contoso.test.";

#[tokio::test]
async fn both_servers_tell_the_whole_zone() {
    let bench = Bench::start().await;
    for server in bench.addresses {
        let ask = async |name: &str, kind| say(&over_udp(server, name, kind).await.unwrap());
        assert_eq!(ask("corp.contoso.test.", RecordType::A).await, "NoError 127.0.0.2 127.0.0.3");
        assert_eq!(ask("corp.contoso.test.", RecordType::AAAA).await, "NoError");
        assert_eq!(ask("DC2.corp.contoso.test.", RecordType::A).await, "NoError 127.0.0.3");
        assert_eq!(ask(HOST, RecordType::A).await, "NoError 127.0.0.1");
        assert_eq!(ask("lab.contoso.test.", RecordType::A).await, "NoError");
        assert_eq!(ask("nobody.contoso.test.", RecordType::A).await, "NXDomain");
        for (name, port) in [
            ("_ldap._tcp.corp.contoso.test.", 389),
            (LDAP, 389),
            ("_ldap._tcp.pdc._msdcs.corp.contoso.test.", 389),
            ("_kerberos._tcp.corp.contoso.test.", 88),
            ("_kerberos._tcp.dc._msdcs.corp.contoso.test.", 88),
            ("_gc._tcp.corp.contoso.test.", 3268),
        ] {
            let said =
                format!("NoError dc1.corp.contoso.test.:{port} dc2.corp.contoso.test.:{port}");
            assert_eq!(ask(name, RecordType::SRV).await, said);
        }
        let in_site = "_ldap._tcp.Lab-HQ._sites.dc._msdcs.corp.contoso.test.";
        let said = "NoError dc2.corp.contoso.test.:389";
        assert_eq!(ask(in_site, RecordType::SRV).await, said);
        let above = "_sites.dc._msdcs.corp.contoso.test.";
        assert_eq!(ask(above, RecordType::SRV).await, "NoError");
    }
}

#[tokio::test]
async fn tcp_tells_what_udp_tells() {
    let bench = Bench::start().await;
    for server in bench.addresses {
        let udp = over_udp(server, LDAP, RecordType::SRV).await.unwrap();
        assert_eq!(say(&over_tcp(server, LDAP, RecordType::SRV).await.unwrap()), say(&udp));
    }
}

#[tokio::test]
async fn each_fault_of_the_domain_shows_on_both_servers_and_leaves_no_trace() {
    const DOMAIN: &str = "corp.contoso.test.";
    const KERBEROS: &str = "_kerberos._tcp.corp.contoso.test.";
    let srv = "NoError dc1.corp.contoso.test.:389 dc2.corp.contoso.test.:389";
    let addresses = "NoError 127.0.0.2 127.0.0.3";
    let bench = Bench::start().await;
    for (fault, name, well, ill) in [
        ("name_not_found", DOMAIN, addresses, "NXDomain"),
        ("name_not_found", LDAP, srv, "NXDomain"),
        ("no_addresses", DOMAIN, addresses, "NoError"),
        ("no_addresses", LDAP, srv, srv),
        ("no_srv_records", DOMAIN, addresses, addresses),
        ("no_srv_records", LDAP, srv, "NXDomain"),
        ("srv_record_missing", LDAP, srv, srv),
        ("srv_record_missing", KERBEROS, &srv.replace("389", "88"), "NXDomain"),
        ("srv_target_unresolved", "dc1.corp.contoso.test.", "NoError 127.0.0.2", "NXDomain"),
        (
            "srv_target_unresolved",
            "dc2.corp.contoso.test.",
            "NoError 127.0.0.3",
            "NoError 127.0.0.3",
        ),
        ("srv_targets_unresolved", "dc1.corp.contoso.test.", "NoError 127.0.0.2", "NXDomain"),
        ("public_address", DOMAIN, addresses, "NoError 203.0.113.10"),
        ("public_address", LDAP, srv, srv),
        ("public_zone", DOMAIN, addresses, "NoError 203.0.113.10"),
        ("public_zone", LDAP, srv, "NXDomain"),
        ("endpoint_name_not_found", HOST, "NoError 127.0.0.1", "NXDomain"),
        ("endpoint_no_addresses", DIRECTORY, "NoError 127.0.0.1", "NoError"),
        ("tcp_unreachable", NOTIFY, "NoError 127.0.0.1", "NoError 127.255.255.255"),
        ("private_address", LICENSING, "NoError 127.0.0.1", "NoError 10.9.9.9"),
    ] {
        let kind = if name.starts_with('_') { RecordType::SRV } else { RecordType::A };
        for server in bench.addresses {
            let ask = async || say(&over_udp(server, name, kind).await.unwrap());
            assert_eq!(ask().await, well, "before {fault}");
            bench.switchboard.on(fault).unwrap();
            assert_eq!(ask().await, ill, "{fault}");
            bench.switchboard.off(fault).unwrap();
            assert_eq!(ask().await, well, "after {fault}");
        }
    }
}

#[tokio::test]
async fn the_second_server_disagrees_with_the_first() {
    let bench = Bench::start().await;
    bench.switchboard.on("servers_disagree").unwrap();
    let [first, second] = bench.addresses;
    let ask = async |server| over_udp(server, "corp.contoso.test.", RecordType::A).await.unwrap();
    assert_eq!(say(&ask(first).await), "NoError 127.0.0.2 127.0.0.3");
    assert_eq!(say(&ask(second).await), "NoError 10.8.9.9");
}

#[tokio::test]
async fn each_trouble_of_the_second_server_shows_and_leaves_no_trace() {
    let bench = Bench::start().await;
    let [first, second] = bench.addresses;
    for (fault, udp, tcp) in [
        ("dns_timeout", "TimedOut", "TimedOut"),
        ("dns_refused", "Refused", "Refused"),
        ("dns_servfail", "ServFail", "ServFail"),
        ("dns_malformed", "InvalidData", "InvalidData"),
        ("dns_truncated", "NoError truncated", "ConnectionRefused"),
        ("dns_unreachable", "ConnectionRefused", "ConnectionRefused"),
    ] {
        bench.switchboard.on(fault).unwrap();
        bench.until(second, udp, tcp).await;
        bench.until(first, WELL, WELL).await;
        bench.switchboard.off(fault).unwrap();
        bench.until(second, WELL, WELL).await;
    }
    bench.switchboard.on("dns_timeout_all").unwrap();
    bench.until(first, "TimedOut", "TimedOut").await;
    bench.until(second, "TimedOut", "TimedOut").await;
}

const PORTS: Ports = Ports {
    dns: 53,
    kerberos: 88,
    ntp: 123,
    rpc: 135,
    ldap: 389,
    smb: 445,
    kpasswd: 464,
    ldaps: 636,
    global_catalog: 3268,
};
const WELL: &str = "NoError 127.0.0.2 127.0.0.3";
const BRIEFLY: Duration = Duration::from_millis(200);

struct Bench {
    addresses: [SocketAddr; 2],
    switchboard: Switchboard,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Bench {
    async fn start() -> Self {
        let switchboard = Switchboard::all_off();
        let hosts = [HOST, LICENSING, DIRECTORY, NOTIFY].map(|host| host.trim_end_matches('.'));
        let hosts = hosts.map(|host| (host, Ipv4Addr::LOCALHOST.into()));
        let zone = Arc::new(Zone::new(PORTS, hosts));
        let sockets = [Sockets::bind().await.unwrap(), Sockets::bind().await.unwrap()];
        let addresses = sockets.each_ref().map(Sockets::address);
        let [first, second] = sockets;
        let _tasks = [(Which::First, first), (Which::Second, second)].map(|(which, sockets)| {
            let server = Server::new(which, &zone, &switchboard);
            AbortOnDropHandle::new(tokio::spawn(server.serve(sockets)))
        });
        Self { addresses, switchboard, _tasks }
    }

    /// A port opens and closes a moment after its switch.
    async fn until(&self, server: SocketAddr, udp: &str, tcp: &str) {
        let mut seen = BTreeSet::new();
        for _ in 0..50 {
            let now = (
                told(over_udp(server, "corp.contoso.test.", RecordType::A).await),
                told(over_tcp(server, "corp.contoso.test.", RecordType::A).await),
            );
            if now == (udp.to_owned(), tcp.to_owned()) {
                return;
            }
            seen.insert(now);
            time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{seen:?} instead of {:?}", (udp, tcp));
    }
}

async fn over_udp(server: SocketAddr, name: &str, kind: RecordType) -> io::Result<Message> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query(name, kind)).await?;
    let mut reply = [0; 4096];
    let length = time::timeout(BRIEFLY, socket.recv(&mut reply)).await??;
    Message::from_vec(&reply[..length])
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

async fn over_tcp(server: SocketAddr, name: &str, kind: RecordType) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let query = query(name, kind);
    stream.write_u16(u16::try_from(query.len()).unwrap()).await?;
    stream.write_all(&query).await?;
    let length = time::timeout(BRIEFLY, stream.read_u16()).await??;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    Message::from_vec(&reply).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn told(outcome: io::Result<Message>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |message| say(&message))
}

fn say(message: &Message) -> String {
    let mut said = vec![format!("{:?}", message.metadata.response_code)];
    if message.metadata.truncation {
        said.push("truncated".to_owned());
    }
    for record in &message.answers {
        if let RData::A(address) = &record.data {
            said.push(address.to_string());
        } else if let RData::SRV(srv) = &record.data {
            said.push(format!("{}:{}", srv.target, srv.port));
        }
    }
    said.join(" ")
}
