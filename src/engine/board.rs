//! How things stand: the latest report of each connection's check, and how it changed. The
//! daemon's only changing state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Clock, Histogram, Job, Report, Standing, Status, standing::Change};

/// The scheduler's heart beats this often ...
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
/// ... and has stopped when it has not for this long.
const HEART_STOPPED: Duration = Duration::from_secs(15);

/// Bucket bounds of the lateness histogram, in seconds.
const LATENESS: &[f64] = &[0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// Names a job: its connection, and its check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub connection: String,
    pub check: &'static str,
}

/// Written by the runner, read by everyone else. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Board {
    standings: watch::Sender<Standings>,
    clock: Clock,
    heart: watch::Sender<Instant>,
    /// A job's task has ended though nobody asked it to.
    lost_a_job: Arc<AtomicBool>,
}

/// Everything on the board at one moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Standings {
    /// In order, so that every page reads the same.
    pub checks: BTreeMap<Key, Arc<Standing>>,
    pub scheduler: Scheduler,
}

/// How well the daemon keeps its own time.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// Seconds between when a run was due and when it started.
    pub lateness: Histogram,
    /// Runs left out because the one before took too long.
    pub overruns: u64,
    pub panics: u64,
}

impl Board {
    pub(super) fn new(clock: Clock) -> Self {
        let scheduler = Scheduler { lateness: Histogram::new(LATENESS), overruns: 0, panics: 0 };
        Self {
            standings: watch::Sender::new(Standings { checks: BTreeMap::new(), scheduler }),
            clock,
            heart: watch::Sender::new(Instant::now()),
            lost_a_job: Arc::default(),
        }
    }

    /// A copy, so that no reader can hold the runner up.
    pub fn standings(&self) -> Standings {
        self.standings.borrow().clone()
    }

    /// The clock that the board's times are told by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits until the standings are as `wanted`.
    pub async fn until(&self, wanted: impl FnMut(&Standings) -> bool) -> Standings {
        match self.standings.subscribe().wait_for(wanted).await {
            Ok(standings) => standings.clone(),
            Err(_closed) => unreachable!("`self` holds the sender"),
        }
    }

    /// Runs, as soon as it can be, each check that `wanted` picks; tells how many there are.
    pub fn nudge(&self, mut wanted: impl FnMut(&Standing) -> bool) -> usize {
        let standings = self.standings.borrow();
        // What is blocked would not look.
        let runs = |standing: &&Arc<Standing>| {
            standing.runs_here() && standing.status() != Status::Blocked
        };
        let picked = standings.checks.values().filter(runs);
        picked.filter(|standing| wanted(standing)).map(|each| each.nudge.notify_one()).count()
    }

    /// Whether the scheduler is alive: its heart beats and it has lost no job.
    pub fn is_alive(&self) -> bool {
        let beats = self.heart.borrow().elapsed() < HEART_STOPPED;
        beats && !self.lost_a_job.load(Ordering::Relaxed)
    }

    pub(super) fn beat(&self) {
        self.heart.send_replace(Instant::now());
    }

    pub(super) fn lost_a_job(&self) {
        self.lost_a_job.store(true, Ordering::Relaxed);
    }

    /// Every check stands on the board from the start: an alert must not wait on an absence.
    pub(super) fn put_up(&self, job: &Job, generation: u64) {
        let now = self.clock.now();
        self.standings.send_modify(|standings| {
            let key = job.key();
            let standing = match standings.checks.remove(&key) {
                Some(before) => before.put_up_again(job, generation, now),
                None => Standing::new(job, generation, now),
            };
            standings.checks.insert(key, Arc::new(standing));
        });
    }

    /// Draws the conclusions from what was put up and taken down: what depended on a check that
    /// is gone, switched off or yet to run again is not blocked by it any more.
    pub(super) fn settle(&self) {
        let now = self.clock.now();
        self.standings.send_modify(|standings| {
            let connections: BTreeSet<String> =
                standings.checks.keys().map(|key| key.connection.clone()).collect();
            for connection in connections {
                block_or_wake(&mut standings.checks, &connection, now, &mut Vec::new());
            }
        });
    }

    /// Its series end with it.
    pub(super) fn take_down(&self, key: &Key) {
        self.standings.send_modify(|standings| {
            standings.checks.remove(key);
        });
    }

    /// Puts a report up, and what follows from it for the checks that depend on this one. Says
    /// how the check's status changed, if it did. A report of an earlier generation of the job
    /// speaks for a configuration that is gone, and is dropped.
    pub(super) fn post(&self, key: &Key, generation: u64, report: Report) -> Vec<(Key, Change)> {
        let now = self.clock.now();
        let mut changes = Vec::new();
        self.standings.send_modify(|standings| {
            let root = root_cause(&standings.checks, key);
            let Some(standing) = standings.checks.get_mut(key) else { return };
            if standing.generation != generation {
                return;
            }
            let change = Arc::make_mut(standing).take(report, root, now);
            changes.extend(change.map(|change| (key.clone(), change)));
            block_or_wake(&mut standings.checks, &key.connection, now, &mut changes);
        });
        changes
    }

    pub(super) fn note_due(&self, key: &Key, at: SystemTime) {
        self.change(key, |standing| standing.next_run = Some(at));
    }

    pub(super) fn note_start(&self, late: Duration) {
        let late = late.as_secs_f64();
        self.standings.send_modify(|standings| standings.scheduler.lateness.observe(late));
    }

    pub(super) fn note_overrun(&self, missed: u64) {
        self.standings.send_modify(|standings| standings.scheduler.overruns += missed);
    }

    pub(super) fn note_panic(&self) {
        self.standings.send_modify(|standings| standings.scheduler.panics += 1);
    }

    pub(super) fn nudge_of(&self, key: &Key) -> Arc<Notify> {
        let standings = self.standings.borrow();
        standings.checks.get(key).map(|standing| Arc::clone(&standing.nudge)).unwrap_or_default()
    }

    /// The check at the root of why this one is not worth running, if it is not.
    pub(super) fn blocked_by(&self, key: &Key) -> Option<&'static str> {
        root_cause(&self.standings.borrow().checks, key)
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Standing)) {
        self.standings.send_modify(|standings| {
            if let Some(standing) = standings.checks.get_mut(key) {
                change(Arc::make_mut(standing));
            }
        });
    }
}

impl Key {
    pub(super) fn beside(&self, check: &'static str) -> Self {
        Self { connection: self.connection.clone(), check }
    }
}

impl Standings {
    /// Whether nothing that this check depends on is still to run for the first time, or for the
    /// first time since it changed.
    pub(super) fn dependencies_have_run(&self, key: &Key) -> bool {
        let Some(standing) = self.checks.get(key) else { return true };
        let on = standing.depends_on.iter().filter_map(|on| self.checks.get(&key.beside(on)));
        on.into_iter().all(|on| {
            let waits = on.outdated && on.runs_here() && on.blocked_by.is_none();
            on.status() != Status::Pending && !waits
        })
    }
}

/// Follows failed dependencies to the check that is no one else's victim.
fn root_cause(checks: &BTreeMap<Key, Arc<Standing>>, key: &Key) -> Option<&'static str> {
    let depends_on = checks.get(key)?.depends_on;
    depends_on.iter().find_map(|on| {
        let on = checks.get(&key.beside(on))?;
        on.status().blocks().then(|| on.blocked_by.unwrap_or(on.check))
    })
}

/// Blocks what depends on a check that fails, and runs what no longer does. Repeats while
/// anything changes, because what is blocked blocks in turn.
fn block_or_wake(
    checks: &mut BTreeMap<Key, Arc<Standing>>,
    connection: &str,
    now: SystemTime,
    changes: &mut Vec<(Key, Change)>,
) {
    let of_connection = checks.keys().filter(|key| key.connection == connection);
    let keys: Vec<Key> = of_connection.cloned().collect();
    loop {
        let before = changes.len();
        for key in &keys {
            let root = root_cause(checks, key);
            let Some(standing) = checks.get_mut(key) else { continue };
            match (root, standing.blocked_by) {
                (Some(root), by) if by != Some(root) => {
                    let change = Arc::make_mut(standing).block(root, now);
                    changes.push((key.clone(), change));
                }
                (None, Some(_)) if !standing.woken => Arc::make_mut(standing).wake(),
                // Woken, and blocked again before it could run.
                (Some(_), Some(_)) if standing.woken => Arc::make_mut(standing).woken = false,
                _ => (),
            }
        }
        if changes.len() == before {
            return;
        }
    }
}
