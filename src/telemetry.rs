//! The log: on standard error, because standard output belongs to the commands.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::config::{Format, Level, Log};

/// Starts logging. `RUST_LOG` overrides the level. A second call in one process changes nothing.
pub fn start(log: Log) {
    let filter =
        EnvFilter::builder().with_default_directive(filter(log.level).into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    let _started_before = match log.format {
        Format::Text => subscriber.try_init().is_err(),
        Format::Json => subscriber.json().flatten_event(true).try_init().is_err(),
    };
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
