//! Everything together: the peers, the files that tell of them, the control, and the daemon.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::{
    catalogue::{self, Protocol},
    certificates::Authorities,
    control, daemon,
    dns::{self, Which, Zone},
    endpoints,
    faults::{Responder, Switchboard},
    settings::{Peers, Settings},
    udp,
};

/// How a lab is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the daemon serves; with port 0 a free one is picked.
    pub listen: SocketAddr,
    /// Where faults are switched.
    pub faults_listen: SocketAddr,
    /// Names of faults that are on from the start.
    pub faults: Vec<String>,
}

/// A lab that runs, until it is stopped or dropped.
#[derive(Debug)]
pub struct Lab {
    pub daemon: SocketAddr,
    pub faults: SocketAddr,
    pub config_file: PathBuf,
    pub switchboard: Switchboard,
    running: JoinHandle<anyhow::Result<()>>,
    stop: DropGuard,
    peers: JoinSet<()>,
}

impl Default for Options {
    fn default() -> Self {
        let at = |port| (Ipv4Addr::LOCALHOST, port).into();
        Self { listen: at(9815), faults_listen: at(9816), faults: Vec::new() }
    }
}

impl Lab {
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let switchboard = Switchboard::all_off();
        for name in &options.faults {
            switchboard.on(name).context("--fault")?;
        }
        let control = listener("--faults-listen", options.faults_listen).await?;
        let faults = control.local_addr()?;
        let mut peers = JoinSet::new();
        let control = axum::serve(control, control::router(switchboard.clone()));
        peers.spawn(async { drop(control.await) });
        // The daemon binds its address itself, once it is known to be free.
        let daemon = listener("--listen", options.listen).await?.local_addr()?;
        let settings = simulate(daemon, &switchboard, &mut peers).await?;
        let config_file = settings.configuration();
        peers.spawn(settings.follow(switchboard.clone()));
        let stop = CancellationToken::new();
        let running = tokio::spawn(daemon::run(config_file.clone(), stop.clone()));
        Ok(Self {
            daemon,
            faults,
            config_file,
            switchboard,
            running,
            stop: stop.drop_guard(),
            peers,
        })
    }

    /// Returns when the daemon has ended by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.running).await.context("joining the daemon")?
    }

    /// The daemon first, then its peers.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stop);
        let ended = self.running.await.context("joining the daemon")?;
        self.peers.shutdown().await;
        ended
    }
}

/// Starts every peer, and writes down where they are.
async fn simulate(
    daemon: SocketAddr,
    switchboard: &Switchboard,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Settings> {
    let authorities = Arc::new(Authorities::found()?);
    let mut endpoints = BTreeMap::new();
    for endpoint in catalogue::ENDPOINTS.iter().filter(|row| row.protocol != Protocol::Udp) {
        let server = endpoints::Server::bind(*endpoint, &authorities, switchboard).await?;
        endpoints.insert(endpoint.host, server.address());
        tasks.spawn(server.serve());
    }
    match udp::Server::bind(Responder::Relay, switchboard).await {
        Ok(server) => {
            endpoints.insert(catalogue::RELAY.host, server.address());
            tasks.spawn(server.serve());
        }
        Err(error) => warn!(%error, "the lab has no endpoint over UDP: its port is taken"),
    }
    let stun = udp::Server::bind(Responder::Stun, switchboard).await?;
    let turn = udp::Server::bind(Responder::Turn, switchboard).await?;
    let zone = endpoints.iter().map(|(host, address)| (*host, address.ip()));
    let zone = Arc::new(Zone::new(zone));
    let (first, second) = (dns::Sockets::bind().await?, dns::Sockets::bind().await?);
    let peers = Peers {
        daemon,
        dns: [first.address(), second.address()],
        stun: stun.address(),
        turn: turn.address(),
        endpoints,
    };
    let settings = Settings::write(peers, &authorities, switchboard)?;
    tasks.spawn(stun.serve());
    tasks.spawn(turn.serve());
    tasks.spawn(dns::Server::new(Which::First, &zone, switchboard).serve(first));
    tasks.spawn(dns::Server::new(Which::Second, &zone, switchboard).serve(second));
    Ok(settings)
}

async fn listener(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address}"))
}
