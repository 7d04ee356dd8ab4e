//! The one place where the lab meets the daemon.

use std::{collections::HashMap, path::PathBuf};

use anc_healthd::{
    app::{self, Control},
    cli,
    config::Sources,
    views,
};

/// What the checks found, for a person, and the code that `anc-healthd check` exits with then.
#[derive(Debug)]
pub struct Found {
    pub text: String,
    pub code: u8,
}

/// The daemon with this configuration, until it is told to stop.
pub(crate) async fn run(config_file: PathBuf, control: Control) -> anyhow::Result<()> {
    let sources = sources(config_file);
    let loaded = app::load(&sources)?;
    app::run(sources, loaded, control).await
}

/// Every check of this configuration, once.
pub(crate) async fn once(config_file: PathBuf) -> anyhow::Result<Found> {
    let jobs = app::load(&sources(config_file))?.jobs;
    let board = app::once(jobs).await;
    let options =
        views::Options { version: app::ABOUT.version, runbook_base_url: None, with_history: false };
    let document = views::status(&board.standings(), board.clock().now(), &options);
    Ok(Found { text: views::text(&document), code: cli::exit_code(document.status) })
}

/// The file alone: what the environment sets is meant for another daemon.
fn sources(config_file: PathBuf) -> Sources {
    Sources::with_variables(vec![config_file], HashMap::new())
}
