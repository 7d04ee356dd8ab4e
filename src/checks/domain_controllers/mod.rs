//! The domain controllers: ours, Microsoft has no such check.
//!
//! A join talks to one domain controller on many ports (Microsoft, "Service overview and network
//! port requirements for Windows"), and which one is chance. So every one that DNS names is looked
//! at, on each port that a join needs, with a real question where the port is UDP; and each is
//! asked what it says of itself. Nothing here signs in.

mod conclude;
mod look;
mod readings;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use futures::future::join_all;

use self::look::Looked;
use crate::{
    checks::reachability::name_servers,
    directory::{Controller, Located, Locator},
    engine::{Check, Clock, Inconclusive, Verdict},
    net::tls::Trust,
};

/// Looks at the domain controllers of one hybrid connection.
#[derive(Debug)]
pub struct DomainControllers {
    pub locator: Locator,
    /// DNS servers; none: the system's, read anew on every run.
    pub servers: Option<Vec<SocketAddr>>,
    pub ports: Ports,
    /// By which the certificate on the LDAPS port is judged.
    pub trust: Trust,
    /// The check's own limit.
    pub timeout: Duration,
    pub clock: Clock,
}

/// The ports of a domain controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

#[derive(Debug)]
pub struct Facts {
    domain: String,
    now: SystemTime,
    located: Located,
    /// In the order of `located`; those without an address are left out.
    looked: Vec<(Controller, Looked)>,
}

impl Check for DomainControllers {
    const NAME: &'static str = "domain_controllers";
    type Facts = Facts;

    async fn gather(&self) -> Result<Facts, Inconclusive> {
        let servers = name_servers(self.servers.as_deref())?;
        let limit = one_of_six_rounds(self.timeout);
        let located = self.locator.locate(&servers, "", limit).await;
        let looking = located.controllers.iter().filter_map(|controller| {
            let address = *controller.lookup.addresses.first()?;
            let dns = serves(&servers, address);
            Some(async move {
                let looked = self.look_at(controller, address, &dns, limit).await;
                (controller.clone(), looked)
            })
        });
        let looked = join_all(looking).await;
        let mut sites = looked.iter().filter_map(|(_, looked)| looked.client_site());
        if let Some(site) = sites.next() {
            self.locator.site.learn(site);
        }
        let domain = self.locator.domain.clone();
        Ok(Facts { domain, now: self.clock.now(), located, looked })
    }

    fn judge(&self, facts: &Facts) -> Verdict {
        conclude::verdict(facts)
    }
}

/// Locating takes two rounds of questions; connecting, asking, and the port that was told, three.
fn one_of_six_rounds(timeout: Duration) -> Duration {
    (timeout / 60 * 9).min(Duration::from_secs(5))
}

/// The DNS servers of the network that this address is.
fn serves(servers: &[SocketAddr], address: IpAddr) -> Vec<SocketAddr> {
    servers.iter().filter(|server| server.ip() == address).copied().collect()
}
