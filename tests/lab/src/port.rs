//! A TCP port of the lab: open, closed, or full, as the switchboard says.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time,
};
use tracing::warn;

use crate::faults::Active;

pub(crate) struct Port {
    address: SocketAddr,
    listener: TcpListener,
}

/// Whether connections to a port are established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// They are refused.
    Closed,
    /// They are left waiting: nobody accepts, the queue is kept full by connections of the lab's
    /// own, and the kernel drops what does not fit.
    Full,
}

impl Port {
    /// A free one on loopback.
    pub(crate) async fn pick() -> io::Result<Self> {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves each connection while the door is open; a change of the door drops them.
    pub(crate) async fn serve<S, F>(
        self,
        mut active: watch::Receiver<Active>,
        door: impl Fn(&Active) -> Door,
        serve: S,
    ) where
        S: Fn(TcpStream) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { address, listener } = self;
        let mut open = Some(listener);
        loop {
            let now = door(&active.borrow_and_update());
            let held = match open.take().filter(|_| now == Door::Open) {
                Some(listener) => Ok(Held::Open(listener)),
                None => hold(address, now).await,
            };
            let changed = active.wait_for(|active| door(active) != now);
            match held {
                Ok(Held::Open(listener)) => tokio::select! {
                    never = accept(listener, &serve) => never,
                    changed = changed => if changed.is_err() { return },
                },
                Ok(_held) => {
                    if changed.await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    warn!(%address, ?now, %error, "a simulated port is not as it should be");
                    time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }
}

/// Keeps a port in a state for as long as it lives.
enum Held {
    Open(TcpListener),
    Closed { _bound: TcpSocket },
    Full { _listener: TcpListener, _crowd: Vec<TcpStream> },
}

const AGAIN_AFTER: Duration = Duration::from_millis(50);
const BACKLOG: u32 = 256;

/// A closed port stays bound, so that nobody else on the machine gets it meanwhile.
async fn hold(address: SocketAddr, door: Door) -> io::Result<Held> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(match door {
        Door::Open => Held::Open(socket.listen(BACKLOG)?),
        Door::Closed => Held::Closed { _bound: socket },
        Door::Full => {
            let listener = socket.listen(0)?;
            Held::Full { _listener: listener, _crowd: crowd(address).await }
        }
    })
}

/// As many connections as the port's queue takes: the first that is not established at once is
/// one too many.
async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    const AT_ONCE: Duration = Duration::from_millis(100);
    let mut crowd = Vec::new();
    while let Ok(Ok(stream)) = time::timeout(AT_ONCE, TcpStream::connect(address)).await {
        crowd.push(stream);
    }
    crowd
}

async fn accept<F>(listener: TcpListener, serve: &impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream))),
            Err(error) => {
                warn!(%error, "accepting a connection");
                time::sleep(AGAIN_AFTER).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}
