//! A UDP port of the lab: open or closed, as the switchboard says.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::UdpSocket, sync::watch, task::JoinSet, time};
use tracing::warn;

use crate::faults::Active;

pub(crate) struct Datagrams {
    address: SocketAddr,
    socket: UdpSocket,
}

impl Datagrams {
    pub(crate) async fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        Ok(Self { address: socket.local_addr()?, socket })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers each datagram for which there is an answer, after a while, unless the port is closed.
    pub(crate) async fn serve(
        self,
        mut active: watch::Receiver<Active>,
        is_closed: impl Fn(&Active) -> bool,
        answer: impl Fn(&[u8], SocketAddr) -> Option<Vec<u8>>,
        slowness: impl Fn() -> Duration,
    ) {
        let Self { address, socket } = self;
        let mut open = Some(socket);
        loop {
            let closed = is_closed(&active.borrow_and_update());
            let socket = match open.take().filter(|_| !closed) {
                Some(socket) => Ok(socket),
                None => bind(address, closed).await,
            };
            let socket = match socket {
                Ok(socket) => socket,
                Err(error) => {
                    warn!(%address, closed, %error, "a simulated port is not as it should be");
                    time::sleep(AGAIN_AFTER).await;
                    continue;
                }
            };
            tokio::select! {
                () = answer_all(Arc::new(socket), &answer, &slowness), if !closed => return,
                changed = active.wait_for(|active| is_closed(active) != closed) => {
                    if changed.is_err() { return }
                }
            }
        }
    }
}

const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A closed port stays bound, so that nobody else gets it, to a socket that hears but one peer:
/// whoever else sends to it is told that the port is unreachable.
async fn bind(address: SocketAddr, closed: bool) -> io::Result<UdpSocket> {
    const NOBODY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9);
    let socket = UdpSocket::bind(address).await?;
    if closed {
        socket.connect(NOBODY).await?;
    }
    Ok(socket)
}

async fn answer_all(
    socket: Arc<UdpSocket>,
    answer: &impl Fn(&[u8], SocketAddr) -> Option<Vec<u8>>,
    slowness: &impl Fn() -> Duration,
) {
    let mut heard = [0; 4096];
    let mut late = JoinSet::new();
    loop {
        let answered: io::Result<()> = async {
            let (length, from) = socket.recv_from(&mut heard).await?;
            let Some(answer) = answer(&heard[..length], from) else { return Ok(()) };
            let (wait, socket) = (slowness(), Arc::clone(&socket));
            if wait.is_zero() {
                return socket.send_to(&answer, from).await.map(drop);
            }
            late.spawn(async move {
                time::sleep(wait).await;
                // Whoever asked may have gone.
                let _ = socket.send_to(&answer, from).await;
            });
            Ok(())
        }
        .await;
        if let Err(error) = answered {
            warn!(%error, "answering a datagram");
        }
        while late.try_join_next().is_some() {}
    }
}
