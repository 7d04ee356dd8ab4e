//! The simulated directory: two domain controllers of the lab's domain that share one tree of
//! objects, each with an address of its own on loopback and the same ports, none of them low. They
//! ask the switchboard about every request.
//!
//! What is simulated is what a client without privileges sees: LDAP, the netlogon ping, the first
//! exchange of Kerberos, the time, DNS, the endpoint mapper, and ports that just listen. Answers are
//! in the words of Windows. Nobody can sign in but the join account, and there is no replication:
//! what is created on one is at once on the other.

mod answer;
mod ber;
mod cldap;
mod conditions;
mod connection;
mod contents;
mod controller;
mod filter;
mod garbage;
mod kerberos;
mod message;
mod name;
mod ntp;
mod object;
mod ports;
mod root_dse;
mod rpc;
mod session;
mod tree;

use std::{net::Ipv4Addr, sync::Arc};

use tokio::task::JoinSet;

pub use ports::Ports;

use crate::{
    certificates::Authorities,
    directory::{conditions::Conditions, controller::Controller, ports::Sockets, tree::Tree},
    dns::Zone,
    faults::Switchboard,
};

/// Of `dc1` and `dc2`. On Linux all of 127.0.0.0/8 is there.
pub(crate) const ADDRESSES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
/// The join account, with its first password. Those after it begin like it.
pub(crate) const ACCOUNT: &str = "svc-join@corp.contoso.test";
pub(crate) const PASSWORD: &str = "Join!Passw0rd";
/// Where the join account may create computers. By quota it may do so in the default container, too.
pub(crate) const ORGANIZATIONAL_UNIT: &str = "OU=CloudPCs,DC=corp,DC=contoso,DC=test";

const BASE: &str = "DC=corp,DC=contoso,DC=test";
const CONFIGURATION: &str = "CN=Configuration,DC=corp,DC=contoso,DC=test";
const DEFAULT_CONTAINER: &str = "CN=Computers,DC=corp,DC=contoso,DC=test";
const OTHER_DOMAIN: &str = "emea.contoso.test";
const MACHINE_ACCOUNT_QUOTA: u32 = 10;
/// The Microsoft Entra tenant that the service connection point names.
const TENANT: &str = "11111111-2222-4333-8444-555555555555";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Second,
}

/// Both domain controllers.
pub(crate) struct Servers {
    ports: Ports,
    controllers: [(Controller, Vec<Sockets>); 2],
}

impl Servers {
    pub(crate) async fn bind(
        authorities: &Arc<Authorities>,
        switchboard: &Switchboard,
    ) -> anyhow::Result<Self> {
        let (sockets, ports, netlogon) = ports::bind().await?;
        let tree = Arc::new(Tree::default());
        let controller = |which| {
            let conditions = Conditions { which, switchboard: switchboard.clone() };
            Controller::new(conditions, netlogon, &tree, authorities)
        };
        let (first, second) = (controller(Which::First)?, controller(Which::Second)?);
        let [of_first, of_second] = sockets;
        Ok(Self { ports, controllers: [(first, of_first), (second, of_second)] })
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    /// The domain controllers are DNS servers of this zone, too.
    pub(crate) async fn serve(self, zone: Arc<Zone>) {
        let mut services = JoinSet::new();
        for (controller, sockets) in self.controllers {
            for sockets in sockets {
                services.spawn(controller.clone().serve(sockets, Arc::clone(&zone)));
            }
        }
        while services.join_next().await.is_some() {}
    }
}

impl Which {
    fn address(self) -> Ipv4Addr {
        let [first, second] = ADDRESSES;
        match self {
            Self::First => first,
            Self::Second => second,
        }
    }

    /// Before the name of its domain.
    fn host(self) -> &'static str {
        match self {
            Self::First => "dc1",
            Self::Second => "dc2",
        }
    }

    fn site(self) -> &'static str {
        match self {
            Self::First => "Lab-Azure",
            Self::Second => "Lab-HQ",
        }
    }
}

#[cfg(test)]
mod tests;
