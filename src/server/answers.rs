//! What `GET` answers.

use axum::{
    extract::{Query, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::Shared;
use crate::{
    engine::Status,
    views::{self, Document, Options, Selection},
};

/// A query as it was written: names may repeat.
pub(super) type Pairs = Query<Vec<(String, String)>>;

pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let metrics = shared.state.metrics.clone();
    rendered(&shared, METRICS, move || metrics.page()).await
}

pub(super) async fn page(State(shared): State<Shared>) -> Response {
    let state = shared.state.clone();
    rendered(&shared, HTML, move || views::page(&document(&state))).await
}

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CSS)], views::STYLE)
}

pub(super) async fn status(State(shared): State<Shared>) -> Response {
    let state = shared.state.clone();
    let json = move || serde_json::to_vec(&document(&state)).unwrap_or_default();
    rendered(&shared, JSON, json).await
}

pub(super) async fn health(State(shared): State<Shared>, Query(pairs): Pairs) -> Response {
    let (selection, verbose) = match asked(pairs) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let board = &shared.state.board;
    let health = match views::health(&board.standings(), board.clock().now(), &selection) {
        Ok(health) => health,
        Err(unknown) => return (StatusCode::BAD_REQUEST, format!("{unknown}\n")).into_response(),
    };
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if verbose {
        (status, health.verbose()).into_response()
    } else {
        // A person at a terminal wants the prompt on a line of its own.
        let json = serde_json::to_string(&health).unwrap_or_default() + "\n";
        (status, [(header::CONTENT_TYPE, JSON)], json).into_response()
    }
}

pub(super) async fn alive(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.state.board.is_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the scheduler has stopped\n")
    }
}

pub(super) async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    let state = &shared.state;
    if state.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let standings = state.board.standings();
    let pending = standings.checks.values().filter(|each| each.status() == Status::Pending).count();
    if pending == 0 || state.started.elapsed() >= state.startup_grace {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("checks that have not run yet: {pending}\n"))
}

pub(super) async fn not_found(uri: Uri) -> impl IntoResponse {
    let known = "/ /metrics /healthz /livez /readyz /api/v1/status";
    (StatusCode::NOT_FOUND, format!("no {}; there are: {known}\n", uri.path()))
}

/// `Allow` says which.
pub(super) async fn method_not_allowed() -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, "not with this method\n")
}

/// Which checks a query asks for, and whether verbosely. Names may repeat, and stand in a list
/// with commas. What is not known is refused, because a misspelt filter would say too much.
pub(super) fn asked(
    pairs: Vec<(String, String)>,
) -> Result<(Selection, bool), (StatusCode, String)> {
    let (mut selection, mut verbose) = (Selection::default(), false);
    for (name, value) in pairs {
        let names = match name.as_str() {
            "connection" => &mut selection.connections,
            "check" => &mut selection.checks,
            "exclude" => &mut selection.exclude,
            "verbose" => {
                verbose = !matches!(value.as_str(), "0" | "false");
                continue;
            }
            _ => {
                let known = "connection, check, exclude, verbose";
                let problem = format!("no parameter {name:?}; there are: {known}\n");
                return Err((StatusCode::BAD_REQUEST, problem));
            }
        };
        names.extend(value.split(',').map(|name| name.trim().to_owned()));
    }
    Ok((selection, verbose))
}

fn document(state: &super::State) -> Document {
    let options = Options {
        version: state.version,
        runbook_base_url: state.runbook_base_url.as_deref(),
        with_history: true,
    };
    views::status(&state.board.standings(), state.board.clock().now(), &options)
}

/// Renders aside, because it keeps a thread busy that probes are timed on.
async fn rendered<B>(
    shared: &Shared,
    content_type: &'static str,
    render: impl FnOnce() -> B + Send + 'static,
) -> Response
where
    B: IntoResponse + Send + 'static,
{
    let Ok(turn) = shared.rendering.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let rendering = tokio::task::spawn_blocking(move || {
        let body = render();
        drop(turn);
        body
    });
    match rendering.await {
        Ok(body) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";
