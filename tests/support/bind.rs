//! A real BIND: a DNS server that answers from zone texts, and fails as DNS servers do.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};

use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::namespace::Namespace;
use super::ports::free_address;
use super::process::{Program, Server};
use super::zones;

const NAMED: Program = Program { name: "named", package: "bind9" };

/// A running `named` on a port of its own, for UDP and TCP.
#[derive(Debug)]
pub struct Bind {
    pub address: SocketAddr,
    server: Server,
    _tcp: TcpSide,
}

/// What is to run. Names outside its zones are refused, unless it forwards.
#[derive(Debug, Default)]
pub struct Builder<'a> {
    zones: Vec<(String, Option<String>)>,
    forwarder: Option<SocketAddr>,
    refusing: bool,
    small_udp: bool,
    tcp: Tcp,
    address: Option<SocketAddr>,
    namespace: Option<&'a Namespace>,
}

/// How the server is over TCP, to which a truncated answer sends its reader.
#[derive(Clone, Copy, Debug, Default)]
pub enum Tcp {
    #[default]
    Answering,
    /// The port is closed.
    Refused,
    /// The port connects and says nothing.
    Silent,
}

/// Who holds the TCP port in `named`'s stead: it then serves UDP alone.
#[derive(Debug)]
enum TcpSide {
    Named,
    Closed(#[expect(dead_code, reason = "held for its port")] TcpSocket),
    Mute(#[expect(dead_code, reason = "held for its port")] TcpListener),
}

impl Bind {
    /// The healthy domain `corp.contoso.test`.
    pub fn corp() -> Self {
        Self::with_zones(&[(zones::DOMAIN, zones::CORP)])
    }

    /// Authoritative for the zones given as (name, text).
    pub fn with_zones(zones: &[(&str, &str)]) -> Self {
        zones.iter().fold(Self::builder(), |builder, (name, text)| builder.zone(name, text)).start()
    }

    pub fn builder<'a>() -> Builder<'a> {
        Builder::default()
    }

    /// What `named` logs.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

impl<'a> Builder<'a> {
    pub fn zone(mut self, name: &str, text: &str) -> Self {
        self.zones.push((name.to_owned(), Some(text.to_owned())));
        self
    }

    /// A zone that cannot be loaded: SERVFAIL for every name in it.
    pub fn unloadable_zone(mut self, name: &str) -> Self {
        self.zones.push((name.to_owned(), None));
        self
    }

    /// Recursion is on, and what is not in the zones goes to `forwarder` and nowhere else.
    pub fn forwarding_to(mut self, forwarder: SocketAddr) -> Self {
        self.forwarder = Some(forwarder);
        self
    }

    /// Everybody is REFUSED.
    pub fn refusing(mut self) -> Self {
        self.refusing = true;
        self
    }

    /// UDP answers are truncated beyond 512 bytes, whatever the client offers.
    pub fn small_udp(mut self) -> Self {
        self.small_udp = true;
        self
    }

    pub fn tcp(mut self, tcp: Tcp) -> Self {
        self.tcp = tcp;
        self
    }

    /// At an address of an earlier server, in whose stead it comes.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// On the loopback of `namespace`.
    pub fn within(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    pub fn start(self) -> Bind {
        let address = self.address.unwrap_or_else(free_address);
        let tcp = TcpSide::hold(self.tcp, address);
        let home = TempDir::new().unwrap();
        for (name, text) in &self.zones {
            if let Some(text) = text {
                fs::write(home.path().join(format!("{name}.zone")), text).unwrap();
            }
        }
        fs::write(home.path().join("named.conf"), self.configuration(address)).unwrap();
        let mut command = Namespace::command(self.namespace, NAMED);
        command.args(["-g", "-n", "1", "-c", "named.conf"]);
        let server =
            Server::start(NAMED, home, &mut command, |server| server.log().contains(" running\n"));
        Bind { address, server, _tcp: tcp }
    }

    fn configuration(&self, address: SocketAddr) -> String {
        let recursion = match self.forwarder {
            Some(to) => format!(
                "recursion yes; allow-recursion {{ any; }}; forward only; \
                 forwarders {{ {} port {}; }};",
                to.ip(),
                to.port()
            ),
            None => "recursion no;".to_owned(),
        };
        let allow_query = if self.refusing { "none" } else { "any" };
        let udp_size = if self.small_udp { 512 } else { 1232 };
        let mut conf = format!(
            r#"controls {{ }};
options {{
    directory ".";
    listen-on port {port} {{ {ip}; }};
    listen-on-v6 {{ none; }};
    allow-query {{ {allow_query}; }};
    {recursion}
    max-udp-size {udp_size};
    dnssec-validation no;
    empty-zones-enable no;
    notify no;
    pid-file none;
    lock-file none;
    session-keyfile none;
}};
"#,
            ip = address.ip(),
            port = address.port(),
        );
        for (name, _) in &self.zones {
            writeln!(conf, r#"zone "{name}" {{ type primary; file "{name}.zone"; }};"#).unwrap();
        }
        conf
    }
}

impl TcpSide {
    /// `named` goes on without TCP when somebody else has the port.
    fn hold(tcp: Tcp, address: SocketAddr) -> Self {
        match tcp {
            Tcp::Answering => Self::Named,
            Tcp::Refused => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(address).unwrap();
                Self::Closed(socket)
            }
            Tcp::Silent => Self::Mute(TcpListener::bind(address).unwrap()),
        }
    }
}
