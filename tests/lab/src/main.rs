//! `anc-lab`: arguments in, exit code out.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use anc_healthd::{
    config::{Format, Level, Log},
    telemetry,
};
use anc_lab::{Lab, Options, faults};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Simulated peers and the daemon against them, in one process on loopback.
#[derive(Debug, Parser)]
#[command(name = "anc-lab", version)]
struct Arguments {
    /// A fault that is on from the start
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<String>,
    /// Let every check run once, print what they found, and exit as `anc-healthd check` does
    #[arg(long)]
    once: bool,
    /// Where the daemon serves
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9815")]
    listen: SocketAddr,
    /// Where faults are switched
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9816")]
    faults_listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "anc-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { faults, once, listen, faults_listen } = arguments;
    telemetry::start(Log { level: Level::Info, format: Format::Text });
    if once {
        let found = anc_lab::once(&faults).await?;
        io::stdout().write_all(found.text.as_bytes())?;
        return Ok(found.code.into());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut lab = Lab::start(Options { listen, faults_listen, faults }).await?;
    announce(&lab)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = lab.ended() => {
            ended?;
            anyhow::bail!("the daemon ended by itself");
        }
    }
    lab.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn announce(lab: &Lab) -> io::Result<()> {
    let names: Vec<_> = faults::all().iter().map(|fault| fault.name).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "http://{}/  the daemon", lab.daemon)?;
    writeln!(
        out,
        "http://{}/faults  POST or DELETE /faults/NAME: {}",
        lab.faults,
        names.join(" ")
    )?;
    out.flush()
}
