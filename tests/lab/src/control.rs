//! The switchboard over HTTP, for people and scripts.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::faults::{Switch, Switchboard, UnknownFault};

pub(crate) fn router(switchboard: Switchboard) -> Router {
    Router::new()
        .route("/faults", get(list))
        .route("/faults/{name}", post(on).delete(off))
        .with_state(switchboard)
}

async fn list(State(switchboard): State<Switchboard>) -> Json<Vec<Switch>> {
    Json(switchboard.list())
}

async fn on(State(switchboard): State<Switchboard>, Path(name): Path<String>) -> Response {
    switched(switchboard.on(&name))
}

async fn off(State(switchboard): State<Switchboard>, Path(name): Path<String>) -> Response {
    switched(switchboard.off(&name))
}

fn switched(outcome: Result<Switch, UnknownFault>) -> Response {
    match outcome {
        Ok(switch) => Json(switch).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
    }
}
