//! The process: arguments in, exit code out; signals become tokens.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anc_healthd::{
    app::{self, Control},
    cli::{self, Arguments, Command},
    config::Config,
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match cli::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if matches!(arguments.command, Command::Run) {
        return run(&arguments).await;
    }
    let outcome = arguments.execute().await;
    // In one piece, so that nobody reads half of it; a closed pipe is the reader's own choice.
    let _ = io::stdout().lock().write_all(outcome.out.as_bytes());
    if !outcome.err.is_empty() {
        let _ = writeln!(io::stderr(), "anc-healthd: {}", outcome.err);
    }
    ExitCode::from(outcome.code)
}

async fn run(arguments: &Arguments) -> ExitCode {
    let sources = arguments.sources();
    let config = match Config::load(&sources).and_then(|config| {
        // Everything that is wrong is told before anything is bound or contacted.
        app::jobs(&config).map(|_| config)
    }) {
        Ok(config) => config,
        Err(error) => {
            let _ = writeln!(io::stderr(), "anc-healthd: {error}");
            return ExitCode::from(cli::CONFIGURATION);
        }
    };
    telemetry::start(config.log);
    match serve(sources, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "anc-healthd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(sources: anc_healthd::config::Sources, config: Config) -> anyhow::Result<()> {
    let control = Control::default();
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let asked = control.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = int.recv() => asked.stop.cancel(),
                _ = term.recv() => asked.stop.cancel(),
                _ = hangup.recv() => asked.reload.notify_one(),
            }
        }
    });
    app::run(sources, config, control).await
}
