//! A real Active Directory domain controller: Samba, with a domain full of accounts and units.
//!
//! The domain is `corp.contoso.test`. It is made once a day for each host and copied for every test.
//! `seed.py` is the list of what is in it: every account has the password `PASSWORD`, and its name
//! tells its state. A wrong password three times locks an account until it is unlocked.

pub mod administration;
pub mod audit;
mod provision;

use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::namespace::Namespace;
use super::pki::Identity;
use super::ports::free_address_with;
use super::process::{Program, Server, poll};
use super::zones::Controller;

/// Of every account that `seed.py` made.
pub const PASSWORD: &str = "Join!Passw0rd";

/// The naming context of the domain.
pub const BASE: &str = "DC=corp,DC=contoso,DC=test";

const SAMBA: Program = Program { name: "samba", package: "samba-ad-dc" };
const PORTS: [u16; 7] = [53, 88, 389, 464, 636, 3268, 3269];
/// Off otherwise: it costs half a second.
const RPC: &str = "
[global]
server services = ldap, cldap, kdc, dns, rpc
dcerpc endpoint servers = epmapper, netlogon, lsarpc, samr
";

/// Which domain controller. They have domains of their own, which are alike: nothing is replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    Dc1,
    Dc2,
}

/// A running domain controller.
#[derive(Debug)]
pub struct Dc<'a> {
    host: Host,
    address: Ipv4Addr,
    namespace: Option<&'a Namespace>,
    server: Server,
}

/// What is to run.
#[derive(Debug)]
pub struct Builder<'a> {
    host: Host,
    identity: Identity,
    address: Option<Ipv4Addr>,
    namespace: Option<&'a Namespace>,
    serves_rpc: bool,
}

impl Host {
    /// Relative to the domain.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dc1 => "dc1",
            Self::Dc2 => "dc2",
        }
    }

    /// The name that its certificate should have.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dc1 => "dc1.corp.contoso.test",
            Self::Dc2 => "dc2.corp.contoso.test",
        }
    }
}

impl Dc<'static> {
    /// On an address of its own, presenting `identity`.
    pub fn start(host: Host, identity: &Identity) -> Self {
        Dc::builder(host, identity).start()
    }
}

impl<'a> Dc<'a> {
    pub fn builder(host: Host, identity: &Identity) -> Builder<'a> {
        let identity = identity.clone();
        Builder { host, identity, address: None, namespace: None, serves_rpc: false }
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    pub fn host(&self) -> Host {
        self.host
    }

    /// Such as `dc1.corp.contoso.test`.
    pub fn name(&self) -> &'static str {
        self.host.name()
    }

    /// Itself, as a zone of `zones::of_controllers` has it.
    pub fn controller(&self) -> Controller<'static> {
        Controller::at(self.host.label(), self.address)
    }

    /// Ends it at once: its ports are closed when this returns.
    pub fn kill(&self) {
        self.server.signal("-KILL");
        let closed = poll(Duration::from_secs(10), || {
            (!self.server.hears(SocketAddrV4::new(self.address, 389))).then_some(())
        });
        assert!(closed.is_some(), "{} does not end", self.name());
    }

    /// Falls silent: it still connects (the kernel does), and answers nothing until `resume`.
    pub fn pause(&self) {
        self.server.signal("-STOP");
    }

    pub fn resume(&self) {
        self.server.signal("-CONT");
    }
}

impl<'a> Builder<'a> {
    pub fn at(mut self, address: Ipv4Addr) -> Self {
        self.address = Some(address);
        self
    }

    /// On the loopback of `namespace`.
    pub fn within(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Serves RPC itself: the endpoint mapper, and Netlogon where that says.
    pub fn serving_rpc(mut self) -> Self {
        self.serves_rpc = true;
        self
    }

    pub fn start(self) -> Dc<'a> {
        let Self { host, identity, namespace, serves_rpc, .. } = self;
        let address = self.address.unwrap_or_else(free_address);
        let home = TempDir::new().unwrap();
        provision::copy(host, home.path());
        let more = if serves_rpc { RPC } else { "" };
        let configured = configuration(home.path(), host, address) + more;
        fs::write(home.path().join("smb.conf"), configured).unwrap();
        fs::write(home.path().join("certificate.pem"), &identity.chain_pem).unwrap();
        let key = home.path().join("key.pem");
        fs::write(&key, &identity.key_pem).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        let mut command = Namespace::command(namespace, SAMBA);
        command.args(["-F", "--no-process-group", "-M", "single", "-s"]);
        command.arg(home.path().join("smb.conf"));
        let rpc = serves_rpc.then_some(135);
        let server = Server::start(SAMBA, home, &mut command, |server| {
            let mut ports = PORTS.into_iter().chain(rpc);
            ports.all(|port| server.hears(SocketAddrV4::new(address, port)))
        });
        Dc { host, address, namespace, server }
    }
}

/// The object of an account that `seed.py` made.
pub fn user(account: &str) -> String {
    format!("CN={account},CN=Users,{BASE}")
}

/// An address on loopback for a domain controller, whose ports nobody may choose. Handed out only once.
pub fn free_address() -> Ipv4Addr {
    match free_address_with(389).ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => panic!("{address} is not IPv4"),
    }
}

fn configuration(home: &Path, host: Host, address: Ipv4Addr) -> String {
    include_str!("smb.conf")
        .replace("@HOME@", home.to_str().unwrap())
        .replace("@NAME@", &host.label().to_uppercase())
        .replace("@ADDRESS@", &address.to_string())
}
