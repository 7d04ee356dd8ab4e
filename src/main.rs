//! The process: arguments in, exit code out; signals become tokens.

use std::{
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use anc_healthd::{
    app::{self, Control, Loaded},
    cli::{self, Arguments, Command},
    config::Sources,
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
    if !outcome.err.is_empty() {
        let _ = writeln!(io::stderr(), "anc-healthd: {}", outcome.err);
    }
    // In one piece, so that nobody reads half of it.
    let mut out = io::stdout().lock();
    match out.write_all(outcome.out.as_bytes()).and_then(|()| out.flush()) {
        // A closed pipe is the reader's own choice.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "anc-healthd: writing the output: {error}");
            ExitCode::from(cli::OUTPUT)
        }
        Ok(()) | Err(_) => ExitCode::from(outcome.code),
    }
}

async fn run(arguments: &Arguments) -> ExitCode {
    let sources = arguments.sources();
    let loaded = match app::load(&sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            let _ = writeln!(io::stderr(), "anc-healthd: {error}");
            return ExitCode::from(cli::CONFIGURATION);
        }
    };
    telemetry::start(loaded.config.log);
    match serve(sources, loaded).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "anc-healthd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(sources: Sources, loaded: Loaded) -> anyhow::Result<()> {
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
    app::run(sources, loaded, control).await
}
