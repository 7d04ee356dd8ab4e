//! Looking at one domain controller.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use futures::future::{join, join_all};
use tokio::time::Instant;

use super::{DomainControllers, Ports};
use crate::{
    directory::{Controller, Fault, RootDse, Session},
    net::{
        TcpFault, UdpFault,
        cldap::{self, Netlogon},
        dns::{self, Kind, Outcome},
        kerberos::{self, KdcReply, KerberosFault},
        ntp,
        rpc::{self, Interface, RpcFault},
        tcp,
        tls::Chain,
    },
};

/// What was seen of one domain controller.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) knocks: Vec<Knock>,
    pub(super) netlogon: Option<Netlogon>,
    pub(super) root: Option<RootDse>,
    /// By how many seconds its clock is ahead of ours.
    pub(super) clock_offset: Option<f64>,
    pub(super) round_trip: Option<Duration>,
    /// Of the LDAPS port.
    pub(super) certificate: Option<Chain>,
}

/// One port, asked.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) role: Role,
    pub(super) port: u16,
    pub(super) protocol: &'static str,
    /// How long the answer took, or why there was none.
    pub(super) outcome: Result<Duration, Silence>,
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Dns,
    Kerberos,
    Ntp,
    EndpointMapper,
    /// The port that the endpoint mapper names for Netlogon.
    Netlogon,
    Ldap,
    Smb,
    Kpasswd,
    Ldaps,
    GlobalCatalog,
}

/// Why a port gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Tcp(TcpFault),
    Udp(UdpFault),
    /// Connected, and what came was not what such a port says.
    Odd(String),
}

impl DomainControllers {
    /// Everything at once, each step within `limit`. `dns` are the servers of the network that this
    /// domain controller is.
    pub(super) async fn look_at(
        &self,
        controller: &Controller,
        address: IpAddr,
        dns: &[SocketAddr],
        limit: Duration,
    ) -> Looked {
        let Ports { ntp, rpc, ldap, smb, kpasswd, ldaps, global_catalog, kerberos, .. } =
            self.ports;
        let at = |port| SocketAddr::new(address, port);
        let plain =
            [(Role::Smb, smb), (Role::Kpasswd, kpasswd), (Role::GlobalCatalog, global_catalog)];
        let (names, plain, kdc, time, mapped, root, ping, shaken) = tokio::join!(
            join_all(dns.iter().map(|server| self.ask_dns(*server, limit))),
            join_all(plain.map(|(role, port)| connected(role, at(port), limit))),
            self.ask_kdc(&controller.host, at(kerberos), limit),
            self.ask_time(at(ntp), limit),
            ask_rpc(at(rpc), limit),
            self.ask_ldap(at(ldap), limit),
            cldap::ask(at(ldap), &self.locator.domain, limit),
            self.shake_hands(&controller.host, at(ldaps), limit),
        );
        let (kdc, kdc_offset) = kdc;
        let (time, time_offset) = time;
        let (root_knock, root, root_offset) = root;
        let (ldaps_knock, certificate) = shaken;
        let pinged = ping.as_ref().map(|ping| ping.took).map_err(|it| Silence::Udp(it.clone()));
        let round_trip = pinged.as_ref().or(root_knock.outcome.as_ref()).ok().copied();
        let pinged = Knock::new(Role::Ldap, at(ldap), UDP, pinged);
        let knocks = names.into_iter().flatten().chain(kdc).chain(mapped).chain(plain);
        Looked {
            knocks: knocks.chain([root_knock, pinged, ldaps_knock, time]).collect(),
            netlogon: ping.ok(),
            root,
            clock_offset: time_offset.or(kdc_offset).or(root_offset),
            round_trip,
            certificate,
        }
    }

    /// Any answer is life: what it says is `dns_ad_domain`'s concern.
    async fn ask_dns(&self, server: SocketAddr, limit: Duration) -> [Knock; 2] {
        let question = dns::ask(server, &self.locator.domain, Kind::A, limit);
        let (tcp, answer) = join(connected(Role::Dns, server, limit), question).await;
        let silence = match answer.outcome {
            Outcome::Timeout => Some(UdpFault::Timeout),
            Outcome::Unreachable(why) => Some(UdpFault::Unreachable(why)),
            Outcome::NotAsked(why) => Some(UdpFault::Local(why)),
            Outcome::Malformed(why) => Some(UdpFault::Malformed(why)),
            Outcome::Found(_)
            | Outcome::NoSuchName
            | Outcome::NoData
            | Outcome::Refused
            | Outcome::ServerFailure
            | Outcome::OtherCode(_)
            | Outcome::Truncated(_) => None,
        };
        let udp = silence.map_or(Ok(answer.took), |silence| Err(Silence::Udp(silence)));
        [tcp, Knock::new(Role::Dns, server, UDP, udp)]
    }

    /// Asks for a ticket for the domain controller's own account, without proving to be it: the
    /// answer is that proof is needed, it counts for nothing, and it tells the time.
    async fn ask_kdc(
        &self,
        host: &str,
        at: SocketAddr,
        limit: Duration,
    ) -> ([Knock; 2], Option<f64>) {
        let realm = self.locator.domain.to_uppercase();
        let client = format!("{}$", host.split('.').next().unwrap_or(host).to_uppercase());
        let ask = |transport| kerberos::ask(at, &realm, &client, transport, limit);
        let asked = async {
            let udp = ask(kerberos::Transport::Udp).await;
            (udp, self.clock.now())
        };
        let ((udp, heard_at), tcp) = join(asked, ask(kerberos::Transport::Tcp)).await;
        let clock = udp.as_ref().ok().and_then(|reply| reply.clock);
        let offset = clock.and_then(|clock| ahead(clock, heard_at));
        let knock = |protocol, reply: Result<KdcReply, KerberosFault>| {
            let outcome = reply.map(|reply| reply.took).map_err(|fault| match fault {
                KerberosFault::Udp(fault) => Silence::Udp(fault),
                KerberosFault::Tcp(fault) => Silence::Tcp(fault),
                KerberosFault::Silent | KerberosFault::Closed | KerberosFault::Malformed => {
                    Silence::Odd(fault.to_string())
                }
            });
            Knock::new(Role::Kerberos, at, protocol, outcome)
        };
        ([knock(UDP, udp), knock(TCP, tcp)], offset)
    }

    async fn ask_time(&self, at: SocketAddr, limit: Duration) -> (Knock, Option<f64>) {
        let reply = ntp::ask(at, limit).await;
        let offset = reply.as_ref().ok().and_then(|reply| reply.offset(self.clock.now()));
        let outcome = reply.map(|reply| reply.took).map_err(Silence::Udp);
        (Knock::new(Role::Ntp, at, UDP, outcome), offset)
    }

    async fn ask_ldap(
        &self,
        at: SocketAddr,
        limit: Duration,
    ) -> (Knock, Option<RootDse>, Option<f64>) {
        let started = Instant::now();
        let asked = async { Session::plain(at, limit).await?.root_dse().await };
        let (outcome, root) = match asked.await {
            Ok(Ok(root)) => (Ok(started.elapsed()), Some(root)),
            Ok(Err(answer)) => (Err(Silence::Odd(answer.to_string())), None),
            Err(Fault::Tcp(fault)) => (Err(Silence::Tcp(fault)), None),
            Err(Fault::Timeout) => (Err(Silence::Tcp(TcpFault::Timeout)), None),
            Err(Fault::Local(why)) => (Err(Silence::Tcp(TcpFault::Other(why))), None),
            Err(fault) => (Err(Silence::Odd(fault.to_string())), None),
        };
        // To the second, and as of the answer.
        let told = root.as_ref().and_then(|root| root.current_time);
        let offset = told.and_then(|told| ahead(told, self.clock.now()));
        (Knock::new(Role::Ldap, at, TCP, outcome), root, offset)
    }

    async fn shake_hands(
        &self,
        host: &str,
        at: SocketAddr,
        limit: Duration,
    ) -> (Knock, Option<Chain>) {
        let (stream, took) = match tcp::connect(at, limit).await {
            Ok(connected) => connected,
            Err(fault) => {
                return (Knock::new(Role::Ldaps, at, TCP, Err(Silence::Tcp(fault))), None);
            }
        };
        let handshake = self.trust.handshake(stream, host, limit).await;
        let outcome =
            handshake.outcome.map(|()| took).map_err(|fault| Silence::Odd(fault.to_string()));
        (Knock::new(Role::Ldaps, at, TCP, outcome), handshake.chain)
    }
}

/// The endpoint mapper, and the port it names.
async fn ask_rpc(at: SocketAddr, limit: Duration) -> Vec<Knock> {
    match rpc::map_endpoint(at, Interface::NETLOGON, limit).await {
        Ok(mapped) => {
            let named = SocketAddr::new(at.ip(), mapped.port);
            let mapper = Knock::new(Role::EndpointMapper, at, TCP, Ok(mapped.took));
            vec![mapper, connected(Role::Netlogon, named, limit).await]
        }
        Err(fault) => {
            let odd = Silence::Odd(fault.to_string());
            let silence = if let RpcFault::Tcp(fault) = fault { Silence::Tcp(fault) } else { odd };
            vec![Knock::new(Role::EndpointMapper, at, TCP, Err(silence))]
        }
    }
}

async fn connected(role: Role, at: SocketAddr, limit: Duration) -> Knock {
    let outcome = tcp::connect(at, limit).await.map(|(_, took)| took).map_err(Silence::Tcp);
    Knock::new(role, at, TCP, outcome)
}

/// By how many seconds `theirs` is ahead.
fn ahead(theirs: SystemTime, ours: SystemTime) -> Option<f64> {
    match theirs.duration_since(ours) {
        Ok(ahead) => Some(ahead.as_secs_f64()),
        Err(behind) => Some(-behind.duration().as_secs_f64()),
    }
}

impl Knock {
    fn new(
        role: Role,
        at: SocketAddr,
        protocol: &'static str,
        outcome: Result<Duration, Silence>,
    ) -> Self {
        Self { role, port: at.port(), protocol, outcome }
    }
}

impl Looked {
    /// The site that the domain controller takes us to be in.
    pub(super) fn client_site(&self) -> Option<&str> {
        self.netlogon.as_ref().map(|it| it.client_site.as_str()).filter(|site| !site.is_empty())
    }
}

pub(super) const TCP: &str = "tcp";
pub(super) const UDP: &str = "udp";
