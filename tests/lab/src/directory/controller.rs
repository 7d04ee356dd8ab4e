//! One domain controller: which of its services answers what.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{io::AsyncReadExt as _, net::TcpStream, time};
use tracing::debug;

use super::{
    cldap,
    conditions::{self, Conditions},
    connection, kerberos, ntp,
    ports::Sockets,
    rpc,
    tree::Tree,
};
use crate::{
    certificates::Authorities,
    dns::{self, DOMAIN, Zone},
    faults::{Active, Certificate, Conduct, Garbage, Service, Shut, Switchboard, Transport},
    port::Door,
};

#[derive(Clone)]
pub(super) struct Controller {
    pub(super) conditions: Conditions,
    pub(super) tree: Arc<Tree>,
    /// What the endpoint mapper tells.
    netlogon: u16,
    valid: Arc<ServerConfig>,
    authorities: Arc<Authorities>,
}

impl Controller {
    pub(super) fn new(
        conditions: Conditions,
        netlogon: u16,
        tree: &Arc<Tree>,
        authorities: &Arc<Authorities>,
    ) -> anyhow::Result<Self> {
        let host = format!("{}.{DOMAIN}", conditions.which.host());
        let valid = authorities.controller(&host, Certificate::Valid)?;
        let (tree, authorities) = (Arc::clone(tree), Arc::clone(authorities));
        Ok(Self { conditions, tree, netlogon, valid, authorities })
    }

    /// One of its services.
    pub(super) async fn serve(self, sockets: Sockets, zone: Arc<Zone>) {
        let Sockets { service, tcp, udp } = sockets;
        let dns = dns::Server::new(dns::Which::First, &zone, self.switchboard());
        let over_tcp = async {
            let Some(port) = tcp else { return };
            let door = |active: &Active| match self.shut(active, service, Transport::Tcp) {
                None => Door::Open,
                Some(Shut::Refused) => Door::Closed,
                Some(Shut::Silent) => Door::Full,
            };
            let answer = |stream| {
                let (controller, dns) = (self.clone(), dns.clone());
                async move {
                    let served = controller.converse(service, stream, &dns);
                    let served = time::timeout(PATIENCE, Box::pin(served)).await;
                    debug!(?service, ?served, "served a connection");
                }
            };
            port.serve(self.switchboard().watch(), door, answer).await;
        };
        let over_udp = async {
            let Some(port) = udp else { return };
            let shut = |active: &Active| self.shut(active, service, Transport::Udp);
            let is_closed = |active: &Active| shut(active) == Some(Shut::Refused);
            let answer = |heard: &[u8], _: SocketAddr| {
                let is_silent = shut(&self.switchboard().watch().borrow()).is_some();
                if is_silent { None } else { self.answer(service, heard, &dns) }
            };
            let slowness = || match service {
                Service::Ldap => self.conditions.slowness(),
                Service::Dns
                | Service::Kerberos
                | Service::Ntp
                | Service::Rpc
                | Service::Smb
                | Service::Kpasswd
                | Service::Ldaps
                | Service::GlobalCatalog
                | Service::Netlogon => Duration::ZERO,
            };
            port.serve(self.switchboard().watch(), is_closed, answer, slowness).await;
        };
        tokio::join!(over_tcp, over_udp);
    }

    /// What it presents for its name.
    pub(super) fn certificate(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let presents = |it| if let Conduct::Presents(it) = it { Some(it) } else { None };
        let Some(certificate) = self.conditions.find(presents) else {
            return Ok(Arc::clone(&self.valid));
        };
        let host = format!("{}.{DOMAIN}", self.conditions.which.host());
        self.authorities.controller(&host, certificate)
    }

    pub(super) fn garbage(&self) -> Option<Garbage> {
        let garbles = |it| if let Conduct::Garbles(garbage) = it { Some(garbage) } else { None };
        self.conditions.find(garbles)
    }

    async fn converse(
        &self,
        service: Service,
        mut stream: TcpStream,
        dns: &dns::Server,
    ) -> anyhow::Result<()> {
        match service {
            Service::Dns => dns.serve_connection(stream).await?,
            Service::Kerberos => kerberos::serve(&self.conditions, stream).await?,
            Service::Rpc => rpc::serve(&self.conditions, self.netlogon, stream).await?,
            Service::Ldap | Service::GlobalCatalog => {
                connection::serve(self, stream, false).await?;
            }
            Service::Ldaps => connection::serve(self, stream, true).await?,
            Service::Smb | Service::Kpasswd | Service::Netlogon | Service::Ntp => {
                while stream.read(&mut [0; 4096]).await? > 0 {}
            }
        }
        Ok(())
    }

    fn answer(&self, service: Service, heard: &[u8], dns: &dns::Server) -> Option<Vec<u8>> {
        match service {
            Service::Dns => dns.answer(heard, Transport::Udp),
            Service::Kerberos => kerberos::answer(&self.conditions, heard),
            Service::Ntp => ntp::answer(&self.conditions, heard),
            Service::Ldap => cldap::answer(&self.conditions, heard),
            Service::Rpc
            | Service::Smb
            | Service::Kpasswd
            | Service::Ldaps
            | Service::GlobalCatalog
            | Service::Netlogon => None,
        }
    }

    fn shut(&self, active: &Active, service: Service, transport: Transport) -> Option<Shut> {
        conditions::shut(active, self.conditions.which, service, transport)
    }

    fn switchboard(&self) -> &Switchboard {
        &self.conditions.switchboard
    }
}

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(120);
