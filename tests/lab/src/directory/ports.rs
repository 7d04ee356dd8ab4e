//! The ports of the domain controllers: for each service one that is free on both addresses.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
};

use super::Which;
use crate::{
    datagrams::Datagrams,
    faults::{Service, Transport},
    port::Port,
};

/// Where both domain controllers serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    pub dns: u16,
    pub kerberos: u16,
    pub ntp: u16,
    pub rpc: u16,
    pub ldap: u16,
    pub smb: u16,
    pub kpasswd: u16,
    pub ldaps: u16,
    pub global_catalog: u16,
}

/// As the daemon's configuration has them.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dns, kerberos, ntp, rpc, ldap, smb, kpasswd, ldaps, global_catalog } = self;
        writeln!(f, "[connections.active_directory.ports]")?;
        writeln!(f, "dns = {dns}\nkerberos = {kerberos}\nntp = {ntp}\nrpc = {rpc}\nldap = {ldap}")?;
        writeln!(f, "smb = {smb}\nkpasswd = {kpasswd}\nldaps = {ldaps}")?;
        writeln!(f, "global_catalog = {global_catalog}")
    }
}

/// What one service of one domain controller listens on.
pub(super) struct Sockets {
    pub(super) service: Service,
    pub(super) tcp: Option<Port>,
    pub(super) udp: Option<Datagrams>,
}

/// Those of the first, those of the second, and the port that the endpoint mapper tells.
pub(super) async fn bind() -> io::Result<([Vec<Sockets>; 2], Ports, u16)> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut on_both = async |service| {
        let (of_first, of_second, port) = Sockets::pair(service).await?;
        first.push(of_first);
        second.push(of_second);
        io::Result::Ok(port)
    };
    let ports = Ports {
        dns: on_both(Service::Dns).await?,
        kerberos: on_both(Service::Kerberos).await?,
        ntp: on_both(Service::Ntp).await?,
        rpc: on_both(Service::Rpc).await?,
        ldap: on_both(Service::Ldap).await?,
        smb: on_both(Service::Smb).await?,
        kpasswd: on_both(Service::Kpasswd).await?,
        ldaps: on_both(Service::Ldaps).await?,
        global_catalog: on_both(Service::GlobalCatalog).await?,
    };
    let netlogon = on_both(Service::Netlogon).await?;
    Ok(([first, second], ports, netlogon))
}

impl Sockets {
    async fn pair(service: Service) -> io::Result<(Self, Self, u16)> {
        const ATTEMPTS: usize = 64;
        let mut outcome = Err(io::ErrorKind::AddrInUse.into());
        for _ in 0..ATTEMPTS {
            let pair = async {
                let first = Self::at(service, Which::First.address(), 0).await?;
                let port = first.port();
                let second = Self::at(service, Which::Second.address(), port).await?;
                Ok((first, second, port))
            };
            outcome = pair.await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Port 0 is any that is free for each transport.
    async fn at(service: Service, address: Ipv4Addr, mut port: u16) -> io::Result<Self> {
        let mut sockets = Self { service, tcp: None, udp: None };
        for transport in transports(service) {
            let at = SocketAddr::from((address, port));
            match transport {
                Transport::Tcp => sockets.tcp = Some(Port::at(at).await?),
                Transport::Udp => sockets.udp = Some(Datagrams::at(at).await?),
            }
            port = sockets.port();
        }
        Ok(sockets)
    }

    fn port(&self) -> u16 {
        let tcp = self.tcp.as_ref().map(|tcp| tcp.address().port());
        let udp = self.udp.as_ref().map(|udp| udp.address().port());
        tcp.or(udp).unwrap_or_default()
    }
}

fn transports(service: Service) -> &'static [Transport] {
    match service {
        Service::Dns | Service::Kerberos | Service::Ldap => &[Transport::Tcp, Transport::Udp],
        Service::Ntp => &[Transport::Udp],
        Service::Rpc
        | Service::Smb
        | Service::Kpasswd
        | Service::Ldaps
        | Service::GlobalCatalog
        | Service::Netlogon => &[Transport::Tcp],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_the_same_on_both_and_none_is_low() {
        let ([first, second], ports, netlogon) = bind().await.unwrap();
        let of = |sockets: &[Sockets]| sockets.iter().map(Sockets::port).collect::<Vec<_>>();
        assert_eq!(of(&first), of(&second));
        assert!(of(&first).iter().all(|port| *port >= 1024));
        assert_eq!(first.last().unwrap().port(), netlogon);
        let (text, ldap) = (ports.to_string(), ports.ldap);
        assert!(text.starts_with("[connections.active_directory.ports]\ndns = "), "{text}");
        assert!(text.contains(&format!("\nldap = {ldap}\n")) && text.lines().count() == 10);
    }
}
