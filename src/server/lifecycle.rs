//! What `POST` may ask for, when the operator has allowed it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Shared,
    answers::{Pairs, asked},
};
use crate::engine::Key;

/// The way to whoever reloads the configuration: it answers what changed, or what is wrong.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    pub reload: mpsc::Sender<oneshot::Sender<Result<String, String>>>,
}

/// Keeps calls apart.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    every: Duration,
    last: Arc<Mutex<Option<Instant>>>,
}

impl Turns {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, last: Arc::default() }
    }

    fn take(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let free = last.is_none_or(|last| last.elapsed() >= self.every);
        if free {
            *last = Some(Instant::now());
        }
        free
    }
}

/// One at a time. The reload goes on even if who asked for it does not wait.
pub(super) async fn reload(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let lifecycle = match allowed(&shared, &headers, &shared.reloads) {
        Ok(lifecycle) => lifecycle,
        Err(refused) => return refused.into_response(),
    };
    let Ok(_alone) = shared.reloading.try_lock() else {
        return (StatusCode::CONFLICT, "a reload is under way\n").into_response();
    };
    let (answer, answered) = oneshot::channel();
    if lifecycle.reload.send(answer).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response();
    }
    match answered.await {
        Ok(Ok(changed)) => (StatusCode::OK, ended(changed)).into_response(),
        Ok(Err(problems)) => (StatusCode::BAD_REQUEST, ended(problems)).into_response(),
        Err(_dropped) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the reload was given up\n").into_response()
        }
    }
}

/// Runs now what the query picks, and tells how many checks that is.
pub(super) async fn run(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Response {
    if let Err(refused) = allowed(&shared, &headers, &shared.runs) {
        return refused.into_response();
    }
    let selection = match asked(pairs) {
        Ok((selection, _)) => selection,
        Err(problem) => return problem.into_response(),
    };
    let board = &shared.state.board;
    if let Err(unknown) = selection.verify(&board.standings()) {
        return (StatusCode::NOT_FOUND, format!("{unknown}\n")).into_response();
    }
    let picked = board.nudge(|standing| {
        let connection = standing.connection.name.clone();
        selection.has(&Key { connection, check: standing.check })
    });
    match picked {
        0 => (StatusCode::NOT_FOUND, "no check that runs is meant\n").into_response(),
        1 => (StatusCode::OK, "1 check runs now\n").into_response(),
        _ => (StatusCode::OK, format!("{picked} checks run now\n")).into_response(),
    }
}

/// Enabled, not sent by a web page that an operator happens to look at, and not too soon.
fn allowed<'a>(
    shared: &'a Shared,
    headers: &HeaderMap,
    turns: &Turns,
) -> Result<&'a Lifecycle, Refused> {
    let lifecycle = shared.state.lifecycle.as_ref().ok_or(Refused::NotEnabled)?;
    match () {
        () if headers.contains_key(header::ORIGIN) => Err(Refused::FromAWebPage),
        () if !turns.take() => Err(Refused::TooSoon),
        () => Ok(lifecycle),
    }
}

enum Refused {
    NotEnabled,
    FromAWebPage,
    TooSoon,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::NotEnabled => {
                let how = "not enabled: set enable_lifecycle = true in [server]\n";
                (StatusCode::NOT_FOUND, how).into_response()
            }
            Self::FromAWebPage => (StatusCode::FORBIDDEN, "not from a web page\n").into_response(),
            Self::TooSoon => {
                let retry = [(header::RETRY_AFTER, "1")];
                (StatusCode::TOO_MANY_REQUESTS, retry, "too soon\n").into_response()
            }
        }
    }
}

fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
