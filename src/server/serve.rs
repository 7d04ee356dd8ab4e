//! Takes connections in and sees them off.

use std::{
    io::{self, ErrorKind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::Limits;

/// Until `closing` is cancelled; then no connection is taken in any more, and those there are
/// finish within `limits.closing` or are dropped.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    closing: CancellationToken,
    limits: Limits,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    while let Some((stream, place)) =
        closing.run_until_cancelled(next(&listener, &places)).await.flatten()
    {
        let attending = attend(stream, router.clone(), closing.clone(), limits);
        connections.spawn(async move {
            attending.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection, once there is a place for it. Errors of accepting do not last: the
/// peer is gone again, or descriptors are short until some are closed.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return Some((stream, place)),
            Err(error) if is_of_the_peer(&error) => debug!(%error, "accepting a connection"),
            Err(error) => {
                if !told {
                    warn!(%error, "cannot accept connections");
                }
                told = true;
                sleep(PAUSE).await;
            }
        }
    }
}

async fn attend(stream: TcpStream, router: Router, closing: CancellationToken, limits: Limits) {
    // Answers are written at once, so there is nothing to wait for.
    let _refused = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = timeout(limits.connection, closing.cancelled()) => {
            connection.as_mut().graceful_shutdown();
            let Ok(ended) = timeout(limits.closing, connection).await else {
                debug!("dropped a connection that would not end");
                return;
            };
            ended
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    let kinds =
        [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
    kinds.contains(&error.kind())
}

/// Between two attempts to accept while that fails.
const PAUSE: Duration = Duration::from_millis(100);
