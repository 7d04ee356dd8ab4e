//! The daemon's face over HTTP. It reads the board, and on request nudges a check or asks for a
//! reload; nothing in a request becomes an address that the daemon contacts.

mod answers;
mod lifecycle;
mod serve;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, StatusCode, header},
    routing::{get, post},
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, predicate::SizeAbove},
    limit::RequestBodyLimitLayer,
    set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
};

pub use lifecycle::Lifecycle;
pub use serve::serve;

use crate::{engine::Board, metrics::Metrics};

/// What the answers are made from.
#[derive(Clone, Debug)]
pub struct State {
    pub board: Board,
    pub metrics: Metrics,
    /// After this long the daemon is ready even if a check has not run yet.
    pub startup_grace: Duration,
    pub started: Instant,
    /// Cancelled when the daemon begins to stop, long before the server closes.
    pub stopping: CancellationToken,
    pub runbook_base_url: Option<String>,
    pub version: &'static str,
    /// What `POST` may ask for; without it, nothing.
    pub lifecycle: Option<Lifecycle>,
}

/// What one peer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; others wait in the kernel's backlog.
    pub connections: usize,
    /// From a connection's start, or the answer before, to the end of a request's headers.
    pub header_read: Duration,
    /// Of a request's line and headers.
    pub header_bytes: usize,
    pub body_bytes: usize,
    /// To make an answer.
    pub answer: Duration,
    /// After this long a connection is closed as on shutdown, so that a peer that does not read
    /// holds no place for ever.
    pub connection: Duration,
    /// For what is under way when a connection is to close.
    pub closing: Duration,
    /// Between two calls of one `POST` path.
    pub between_calls: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            header_read: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            body_bytes: 16 * 1024,
            answer: Duration::from_secs(10),
            connection: Duration::from_secs(60),
            closing: Duration::from_secs(5),
            between_calls: Duration::from_secs(1),
        }
    }
}

/// Every path, with what guards them.
pub fn router(state: State, limits: &Limits) -> Router {
    let shared = Shared {
        state,
        rendering: Arc::new(Semaphore::new(1)),
        reloads: lifecycle::Turns::new(limits.between_calls),
        runs: lifecycle::Turns::new(limits.between_calls),
        reloading: Arc::default(),
    };
    let routes = Router::new()
        .route("/", get(answers::page))
        .route("/style.css", get(answers::style))
        .route("/metrics", get(answers::metrics))
        .route("/healthz", get(answers::health))
        .route("/livez", get(answers::alive))
        .route("/readyz", get(answers::ready))
        .route("/api/v1/status", get(answers::status))
        .route("/-/reload", post(lifecycle::reload))
        .route("/-/run", post(lifecycle::run))
        .fallback(answers::not_found)
        .method_not_allowed_fallback(answers::method_not_allowed)
        .with_state(shared);
    guarded(routes, limits)
}

/// What every handler works with.
#[derive(Clone)]
struct Shared {
    state: State,
    /// Rendering is arithmetic over the whole board: a flood of requests gets one core at most.
    rendering: Arc<Semaphore>,
    reloads: lifecycle::Turns,
    runs: lifecycle::Turns,
    reloading: Arc<Mutex<()>>,
}

/// The last is the outermost.
fn guarded(routes: Router, limits: &Limits) -> Router {
    let compress = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(1024));
    let guarded = routes
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.answer))
        .layer(RequestBodyLimitLayer::new(limits.body_bytes))
        .layer(compress)
        .layer(CatchPanicLayer::new());
    HEADERS.into_iter().fold(guarded, |guarded, (name, value)| {
        let value = HeaderValue::from_static(value);
        guarded.layer(SetResponseHeaderLayer::overriding(name, value))
    })
}

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
];

#[cfg(test)]
mod tests;
