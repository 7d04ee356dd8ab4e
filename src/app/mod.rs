//! Where everything meets: the only module that knows all the others.

mod domain;
mod jobs;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use jobs::jobs;

use crate::{
    config::{Config, ConfigError, Server, Sources, Watched},
    directory::Attempts,
    engine::{Board, Clock, Job, Pace, Runner, Status},
    metrics::{About, Metrics},
    server::{self, Lifecycle, State},
};

/// What this build calls itself.
pub const ABOUT: About = About {
    version: env!("CARGO_PKG_VERSION"),
    revision: match option_env!("ANC_HEALTHD_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    },
};

/// How often the configuration's files are looked at. Their contents are compared, so this reads
/// a few kilobytes.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// How others tell a running daemon what to do.
#[derive(Clone, Debug, Default)]
pub struct Control {
    pub stop: CancellationToken,
    /// Reads the configuration again, as SIGHUP does.
    pub reload: Arc<Notify>,
}

/// What is to run.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub jobs: Vec<Job>,
    /// Outlives reloads, as refusals do.
    attempts: Attempts,
}

/// Reads the configuration and makes of it what is to run: everything that is wrong is told before
/// anything is bound or contacted.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let config = Config::load(sources)?;
    let attempts = Attempts::open(config.server.state_dir.as_deref());
    let jobs = jobs(&config, &attempts)?;
    Ok(Loaded { config, jobs, attempts })
}

/// Runs what was loaded from `sources` until told to stop, then stops in order: the checks first, so that what they last reported
/// can still be scraped; the server after them.
pub async fn run(sources: Sources, loaded: Loaded, control: Control) -> anyhow::Result<()> {
    let Loaded { config, jobs, attempts } = loaded;
    let Server { listen: at, startup_grace, shutdown_grace, .. } = config.server;
    let listener = TcpListener::bind(at)
        .await
        .with_context(|| format!("listening on {at} (server.listen)"))?;
    let at = listener.local_addr().unwrap_or(at);
    let checks = jobs.len();
    let (runner, board) = Runner::start(jobs, Pace::Scheduled, Clock::system());
    let metrics = Metrics::new(board.clone(), ABOUT);
    date_catalogue(&metrics, &config);

    let (ask, asked) = mpsc::channel(1);
    let closing = CancellationToken::new();
    let state = State {
        board,
        metrics: metrics.clone(),
        startup_grace,
        started: Instant::now(),
        stopping: control.stop.clone(),
        runbook_base_url: config.server.runbook_base_url.clone(),
        version: ABOUT.version,
        lifecycle: config.server.enable_lifecycle.then_some(Lifecycle { reload: ask }),
    };
    let limits = server::Limits::default();
    let router = server::router(state, &limits);
    let serving = tokio::spawn(server::serve(listener, router, closing.clone(), limits));
    info!(%at, connections = config.connections.len(), checks, version = ABOUT.version, "serving");

    let watched = config.watched.clone();
    let mut reloading = Reloading { sources, config, attempts, watched, runner, metrics };
    reloading.until_stopped(&control, asked).await;

    info!(grace = ?shutdown_grace, "stopping");
    if !reloading.runner.stop(shutdown_grace).await {
        warn!("abandoned checks still under way");
    }
    closing.cancel();
    serving.await.context("serving")?;
    info!("stopped");
    Ok(())
}

/// Runs every job once, all that depends on others after them, and returns how they stand.
pub async fn once(jobs: Vec<Job>) -> Board {
    let (runner, board) = Runner::start(jobs, Pace::Once, Clock::system());
    let ran = board.until(|standings| {
        standings.checks.values().all(|standing| standing.status() != Status::Pending)
    });
    let _standings = ran.await;
    runner.stop(Duration::ZERO).await;
    board
}

/// The configuration in force, and how it is exchanged for another.
struct Reloading {
    sources: Sources,
    config: Config,
    attempts: Attempts,
    /// The files as last read, whether they were any good or not.
    watched: Watched,
    runner: Runner,
    metrics: Metrics,
}

type Asked = mpsc::Receiver<oneshot::Sender<Result<String, String>>>;

impl Reloading {
    async fn until_stopped(&mut self, control: &Control, mut asked: Asked) {
        let mut watch = interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = control.stop.cancelled() => return,
                () = control.reload.notified() => drop(self.reload()),
                Some(answer) = asked.recv() => {
                    let told = self.reload().map_err(|error| error.to_string());
                    // Who asked may have gone.
                    let _ = answer.send(told);
                }
                _ = watch.tick() => {
                    if self.watched.changed() {
                        drop(self.reload());
                    }
                }
            }
        }
    }

    /// Goes over to what the files say now, or stays with what is in force and says why.
    fn reload(&mut self) -> Result<String, ConfigError> {
        let config = Config::load(&self.sources);
        let read = config.and_then(|config| Ok((jobs(&config, &self.attempts)?, config)));
        let (jobs, config) = match read {
            Ok(read) => read,
            Err(error) => {
                self.watched = error.watched.clone();
                self.metrics.reloaded(false);
                error!(%error, "reload failed: the old configuration stays in force");
                return Err(error);
            }
        };
        let kept = needs_restart(&self.config, &config);
        if !kept.is_empty() {
            warn!(sections = ?kept, "changed, and takes effect with the next start");
        }
        let reloaded = self.runner.reload(jobs);
        self.metrics.reloaded(true);
        date_catalogue(&self.metrics, &config);
        self.watched = config.watched.clone();
        self.config = config;
        let told = format!(
            "reloaded: {} checks kept, {} restarted, {} added, {} removed{}",
            reloaded.kept,
            reloaded.restarted,
            reloaded.added,
            reloaded.removed,
            kept.iter().map(|key| format!("; {key} needs a restart")).collect::<String>()
        );
        info!(
            kept = reloaded.kept,
            restarted = reloaded.restarted,
            added = reloaded.added,
            removed = reloaded.removed,
            "reloaded"
        );
        Ok(told)
    }
}

/// Sections that are read at the start alone.
fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut sections = Vec::new();
    if before.server != after.server {
        sections.push("server");
    }
    if before.log != after.log {
        sections.push("log");
    }
    sections
}

/// An empty catalogue has no date that anyone should be alerted by.
pub(crate) fn date_catalogue(metrics: &Metrics, config: &Config) {
    let catalogue = &config.endpoints.catalogue;
    let dated = (!catalogue.endpoints.is_empty()).then(|| catalogue.timestamp());
    metrics.catalogue_dated(dated);
}
