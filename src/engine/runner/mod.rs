//! Drives jobs: one task a job, so a check never overlaps itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{Instrument as _, error, info, info_span, warn};

use super::{
    Board, Class, Clock, Inconclusive, Job, Key, Phase, Plan, Report, Status, Verdict,
    board::HEARTBEAT,
    check::{Run, Work},
    standing::Change,
};

/// Runs of light checks under way at a time.
const LIGHT_AT_ONCE: usize = 16;
/// Runs of bulk checks under way at a time.
const BULK_AT_ONCE: usize = 1;

/// Running jobs. Dropping it starts no further run; [`Runner::stop`] also waits for those under way.
#[derive(Debug)]
pub struct Runner {
    board: Board,
    places: Places,
    pace: Pace,
    running: BTreeMap<Key, Running>,
    /// Cancelled when the last run of the key's latest job has ended.
    ended: BTreeMap<Key, CancellationToken>,
    generation: u64,
    tasks: TaskTracker,
    stopping: CancellationToken,
    abandoned: CancellationToken,
}

/// How often jobs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// On their schedules, for ever.
    Scheduled,
    /// At once, and once.
    Once,
}

/// What a reload came to, in jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    pub kept: usize,
    pub restarted: usize,
    pub added: usize,
    pub removed: usize,
}

#[derive(Clone, Debug)]
struct Places {
    light: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

/// What the runner remembers of a job it has started.
#[derive(Debug)]
struct Running {
    identity: Identity,
    /// Dropped, it starts no further run.
    _retire: DropGuard,
}

/// What makes two jobs of one key the same job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Runs(u64),
    Skipped(&'static str),
}

impl Runner {
    /// Starts every job. What they report stands on the board.
    pub fn start(jobs: Vec<Job>, pace: Pace, clock: Clock) -> (Self, Board) {
        let board = Board::new(clock);
        let mut runner = Self {
            board: board.clone(),
            places: Places::new(),
            pace,
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            generation: 0,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
        };
        runner.put_up(jobs, false);
        // It beats until the last run has ended, and holds no stop up.
        let beating = beat(board.clone());
        tokio::spawn(runner.abandoned.clone().run_until_cancelled_owned(beating));
        (runner, board)
    }

    /// Goes over to other jobs: what is new starts, what changed restarts, what is gone stops and
    /// vanishes, and what is the same is not touched.
    pub fn reload(&mut self, jobs: Vec<Job>) -> Reloaded {
        let keys: Vec<Key> = jobs.iter().map(Job::key).collect();
        let gone: Vec<Key> =
            self.running.keys().filter(|key| !keys.contains(key)).cloned().collect();
        for key in &gone {
            self.running.remove(key);
            self.board.take_down(key);
        }
        Reloaded { removed: gone.len(), ..self.put_up(jobs, true) }
    }

    /// Starts no further run, waits `grace` for those under way, then abandons them.
    ///
    /// Returns whether all of them finished.
    pub async fn stop(self, grace: Duration) -> bool {
        self.stopping.cancel();
        self.tasks.close();
        let finished = timeout(grace, self.tasks.wait()).await.is_ok();
        self.abandoned.cancel();
        self.tasks.wait().await;
        finished
    }

    fn put_up(&mut self, jobs: Vec<Job>, at_once: bool) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let fresh = jobs.into_iter().filter(|job| {
            let before = self.running.get(&job.key());
            match before.map(|before| before.identity == job.identity()) {
                Some(true) => reloaded.kept += 1,
                Some(false) => reloaded.restarted += 1,
                None => reloaded.added += 1,
            }
            before.is_none_or(|before| before.identity != job.identity())
        });
        let fresh: Vec<Job> = fresh.collect();
        self.generation += 1;
        self.ended.retain(|_, ended| !ended.is_cancelled());
        // All of them stand on the board before the first one runs, or it would not see what it
        // depends on.
        for job in &fresh {
            self.board.put_up(job, self.generation);
        }
        self.board.settle();
        for job in fresh {
            self.launch(job, at_once);
        }
        reloaded
    }

    fn launch(&mut self, job: Job, at_once: bool) {
        let (key, identity) = (job.key(), job.identity());
        let retire = self.stopping.child_token();
        // The old job starts no further run from here on.
        self.running.remove(&key);
        if let Work::Run(plan, run) = job.work {
            let span = info_span!("check", connection = key.connection, name = key.check);
            let driver = Driver {
                phase: Phase::of(&key.connection, key.check),
                key: key.clone(),
                generation: self.generation,
                plan,
                pace: self.pace,
                run,
                board: self.board.clone(),
                places: self.places.clone(),
                retire: retire.clone(),
            };
            let at_once = at_once || self.pace == Pace::Once;
            let ended = CancellationToken::new();
            let before = self.ended.insert(key.clone(), ended.clone());
            let work = driver.drive(at_once, before, ended.drop_guard());
            let work = self.abandoned.clone().run_until_cancelled_owned(work);
            self.tasks.spawn(work.instrument(span));
        }
        self.running.insert(key, Running { identity, _retire: retire.drop_guard() });
    }
}

/// One job's task.
struct Driver {
    key: Key,
    phase: Phase,
    generation: u64,
    plan: Plan,
    pace: Pace,
    run: Box<Run>,
    board: Board,
    places: Places,
    retire: CancellationToken,
}

impl Driver {
    /// `before` is an earlier job of the same key, which may still have a run under way. `_ended`
    /// tells the next one when this has none any more.
    async fn drive(self, at_once: bool, before: Option<CancellationToken>, _ended: DropGuard) {
        let _alarm = Alarm { board: &self.board, retire: &self.retire };
        if let Some(before) = before {
            before.cancelled().await;
        }
        let first =
            if at_once { Duration::ZERO } else { self.plan.schedule.first_delay(self.phase) };
        let clock = self.board.clock().clone();
        let mut wait = first;
        while !self.retire.is_cancelled() {
            self.board.note_due(&self.key, clock.now() + wait);
            let Some(due) = self.retire.run_until_cancelled(self.turn(wait)).await else {
                break;
            };
            let Some(ran) = self.retire.run_until_cancelled(self.admitted(due)).await else {
                break;
            };
            if let Some(place) = ran {
                self.look_once().await;
                drop(place);
                let missed = self.plan.schedule.missed(due.elapsed(), self.status());
                self.board.note_overrun(missed);
            }
            if self.pace == Pace::Once {
                self.retire.cancelled().await;
                break;
            }
            wait = self.plan.schedule.until_next(self.phase, clock.now(), self.status());
        }
    }

    /// Waits for its turn, or to be nudged; tells when the turn was.
    async fn turn(&self, wait: Duration) -> Instant {
        let nudge = self.board.nudge_of(&self.key);
        let due = Instant::now() + wait;
        tokio::select! {
            () = sleep_until(due) => due,
            () = nudge.notified() => Instant::now(),
        }
    }

    /// Waits for what this depends on and for a place among its class. `None` when a check that
    /// this depends on fails: then there is nothing to look at.
    async fn admitted(&self, due: Instant) -> Option<OwnedSemaphorePermit> {
        self.board.until(|standings| standings.dependencies_have_run(&self.key)).await;
        if self.board.blocked_by(&self.key).is_some() {
            return None;
        }
        let places = Arc::clone(self.places.of(self.plan.class));
        let place = places.acquire_owned().await.ok()?;
        self.board.note_start(due.elapsed());
        self.board.blocked_by(&self.key).is_none().then_some(place)
    }

    async fn look_once(&self) {
        let (started, started_at) = (Instant::now(), self.board.clock().now());
        let outcome = self.outcome().await;
        let took = started.elapsed();
        if matches!(outcome, Err(Inconclusive::Panicked { .. })) {
            self.board.note_panic();
        }
        let verdict = outcome.unwrap_or_else(Verdict::from);
        let report = Report { started_at, took, verdict };
        tracing::debug!(status = report.verdict.status().as_str(), ?took, "ran");
        let changes = self.board.post(&self.key, self.generation, report);
        // Who asked for one run is shown what it found.
        if self.pace == Pace::Scheduled {
            changes.iter().for_each(|(key, change)| tell(key, change));
        }
    }

    /// Runs the check in a task of its own, which turns a panic into a report.
    async fn outcome(&self) -> Result<Verdict, Inconclusive> {
        let limit = self.plan.schedule.timeout();
        let run = AbortOnDropHandle::new(tokio::spawn((self.run)().in_current_span()));
        match timeout(limit, run).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Inconclusive::Panicked { message: message(panic) }),
            Err(_elapsed) => Err(Inconclusive::TimedOut { limit }),
        }
    }

    fn status(&self) -> Status {
        let standings = self.board.standings();
        standings.checks.get(&self.key).map_or(Status::Pending, |standing| standing.status())
    }
}

/// Goes off when a job's task ends without having been asked to: a bug of ours, and a check that
/// will never run again. The daemon then says that it is not alive.
struct Alarm<'a> {
    board: &'a Board,
    retire: &'a CancellationToken,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if !self.retire.is_cancelled() {
            error!("a check's task has ended: it will not run again");
            self.board.lost_a_job();
        }
    }
}

impl Places {
    fn new() -> Self {
        let [light, bulk] =
            [LIGHT_AT_ONCE, BULK_AT_ONCE].map(|at_once| Arc::new(Semaphore::new(at_once)));
        Self { light, bulk }
    }

    fn of(&self, class: Class) -> &Arc<Semaphore> {
        match class {
            Class::Light => &self.light,
            Class::Bulk => &self.bulk,
        }
    }
}

impl Job {
    pub fn key(&self) -> Key {
        Key { connection: self.connection.name.clone(), check: self.check }
    }

    fn identity(&self) -> Identity {
        match &self.work {
            Work::Run(plan, _) => Identity::Runs(plan.fingerprint),
            Work::Skip(why) => Identity::Skipped(why),
        }
    }
}

async fn beat(board: Board) {
    loop {
        board.beat();
        sleep(HEARTBEAT).await;
    }
}

/// Someone should look when a verdict got worse; otherwise it is news.
fn tell(key: &Key, change: &Change) {
    let (from, to) = (change.from.as_str(), change.to.as_str());
    let (connection, check, reasons) = (&key.connection, key.check, &change.reasons);
    if change.to <= Status::Warning && change.to < change.from {
        warn!(parent: None, connection, check, from, to, ?reasons, "verdict got worse");
    } else {
        info!(parent: None, connection, check, from, to, ?reasons, "verdict changed");
    }
}

fn message(panic: tokio::task::JoinError) -> String {
    let Ok(payload) = panic.try_into_panic() else { return "its task was cancelled".into() };
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
