//! Everything together: the peers, the files that tell of them, the control, and the daemon.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anc_healthd::{app::Control, net::http};
use anyhow::Context as _;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, JoinSet},
    time,
};
use tokio_util::sync::DropGuard;
use tracing::warn;

use crate::{
    catalogue::{self, Protocol},
    certificates::Authorities,
    control,
    daemon::{self, Found},
    directory::{self, Ports},
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
    /// Of the domain controllers, whose addresses DNS tells.
    pub controllers: Ports,
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

/// Runs every check once, with these faults on.
pub async fn once(faults: &[String]) -> anyhow::Result<Found> {
    let switchboard = switched(faults)?;
    let mut peers = JoinSet::new();
    // Nobody serves there.
    let nowhere = (Ipv4Addr::LOCALHOST, 0).into();
    let settings = simulate(nowhere, &switchboard, &mut peers).await?;
    time::sleep(SETTLING).await;
    daemon::once(settings.configuration()).await
}

impl Lab {
    /// Returns when the daemon answers.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let switchboard = switched(&options.faults)?;
        let control = listener("--faults-listen", options.faults_listen).await?;
        let faults = control.local_addr()?;
        let mut peers = JoinSet::new();
        let control = axum::serve(control, control::router(switchboard.clone()));
        peers.spawn(async { drop(control.await) });
        let reserved = reserve("--listen", options.listen)?;
        let daemon = reserved.local_addr()?;
        let settings = simulate(daemon, &switchboard, &mut peers).await?;
        let config_file = settings.configuration();
        let controllers = settings.controllers();
        let control = Control::default();
        peers.spawn(settings.follow(switchboard.clone(), Arc::clone(&control.reload)));
        let stop = control.stop.clone().drop_guard();
        let running = tokio::spawn(daemon::run(config_file.clone(), control));
        let mut lab =
            Self { daemon, faults, controllers, config_file, switchboard, running, stop, peers };
        lab.answers().await.with_context(|| format!("the daemon at --listen {daemon}"))?;
        Ok(lab)
    }

    /// Returns when the daemon has ended by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.running).await.context("joining the daemon")?
    }

    /// Returns once the daemon says that it lives.
    async fn answers(&mut self) -> anyhow::Result<()> {
        let authority = self.daemon.to_string();
        let answers = async {
            while !matches!(http::get(&authority, "/livez", PATIENCE).await, Ok((200, _))) {
                time::sleep(AGAIN_AFTER).await;
            }
        };
        tokio::select! {
            biased;
            ended = self.ended() => ended.and_then(|()| anyhow::bail!("ended by itself")),
            answered = time::timeout(PATIENCE, answers) => answered.context("waiting for /livez"),
        }
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
    let controllers = directory::Servers::bind(&authorities, switchboard).await?;
    let zone = Arc::new(Zone::new(controllers.ports(), zone));
    let (first, second) = (dns::Sockets::bind().await?, dns::Sockets::bind().await?);
    let peers = Peers {
        daemon,
        dns: [first.address(), second.address()],
        stun: stun.address(),
        turn: turn.address(),
        controllers: controllers.ports(),
        endpoints,
    };
    let settings = Settings::write(peers, &authorities, switchboard)?;
    tasks.spawn(stun.serve());
    tasks.spawn(turn.serve());
    tasks.spawn(controllers.serve(Arc::clone(&zone)));
    tasks.spawn(dns::Server::new(Which::First, &zone, switchboard).serve(first));
    tasks.spawn(dns::Server::new(Which::Second, &zone, switchboard).serve(second));
    Ok(settings)
}

/// How long the daemon may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A port is shut, and one that is to be full is full, this long after its fault is switched on.
const SETTLING: Duration = Duration::from_millis(500);

fn switched(faults: &[String]) -> anyhow::Result<Switchboard> {
    let switchboard = Switchboard::all_off();
    for name in faults {
        switchboard.on(name).context("--fault")?;
    }
    Ok(switchboard)
}

/// Keeps an address from everyone but the daemon, which binds it itself: as long as nobody listens,
/// several sockets that say so may share one.
fn reserve(flag: &str, address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let reserved = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address).map(|()| socket)
    };
    reserved().with_context(|| format!("{flag} {address}"))
}

async fn listener(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address}"))
}
