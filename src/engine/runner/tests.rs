use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use std::time::SystemTime;

use super::*;
use crate::engine::{Check, Connection, Finding, Reason, Schedule, Severity, Standing, Standings};

const MINUTE: Duration = Duration::from_secs(60);
const FAILING: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_check_runs_first_within_half_a_minute_and_then_once_an_interval() {
    let lab = Lab::start(vec![job::<Alpha>(Script::new(1))]);
    let started = Instant::now();
    lab.after_runs("alpha", 1).await;
    assert!(started.elapsed() < Duration::from_secs(30));
    lab.after_runs("alpha", 2).await;
    let second = Instant::now();
    lab.after_runs("alpha", 3).await;
    assert_eq!(second.elapsed(), MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_grid() {
    let mut due = Vec::new();
    for seconds_later in [0, 7] {
        let start = Lab::epoch() + Duration::from_secs(seconds_later);
        let lab = Lab::start_at(start, vec![job::<Alpha>(Script::new(0))], Pace::Scheduled);
        lab.after_runs("alpha", 2).await;
        let at = lab.standing("alpha").last_run.unwrap();
        due.push(Clock::unix(at) % MINUTE.as_secs_f64());
    }
    assert!((due[0] - due[1]).abs() < 0.01, "{due:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_looked_at_sooner() {
    let script = Script::new(1);
    script.says(Severity::Failed);
    let lab = Lab::start(vec![job::<Alpha>(script)]);
    lab.after_runs("alpha", 2).await;
    let second = Instant::now();
    lab.after_runs("alpha", 3).await;
    assert_eq!(second.elapsed(), FAILING);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_unknown_and_says_why() {
    let lab = Lab::start(vec![job::<Alpha>(Script::new(3600))]);
    let standing = lab.after_runs("alpha", 1).await;
    let report = standing.report().unwrap();
    assert_eq!(report.took, LIMIT);
    assert_eq!(standing.status(), Status::Unknown);
    assert_eq!(report.verdict.findings()[0].reason, Reason::TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_report_not_an_exit() {
    let script = Script::new(1);
    script.panics();
    let lab = Lab::start(vec![job::<Alpha>(script)]);
    let standing = lab.after_runs("alpha", 2).await;
    let finding = standing.report().unwrap().verdict.findings()[0].clone();
    assert_eq!(finding.reason, Reason::PANICKED);
    assert!(finding.detail.contains("a bug in a check"), "{finding:?}");
    assert_eq!(lab.board.standings().scheduler.panics, 2);
    assert!(lab.board.is_alive());
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_a_failed_check_is_blocked_at_once_by_its_root() {
    let root = Script::new(1);
    let lab = Lab::start(vec![
        job::<Alpha>(root.clone()),
        job::<Beta>(Script::new(1)),
        job::<Gamma>(Script::new(1)),
    ]);
    lab.until("gamma", Status::Passed).await;
    root.says(Severity::Failed);
    lab.until("alpha", Status::Failed).await;
    for (check, blocked_by) in [("beta", "alpha"), ("gamma", "alpha")] {
        let standing = lab.standing(check);
        assert_eq!(standing.status(), Status::Blocked, "{check}");
        assert_eq!(standing.blocked_by, Some(blocked_by), "{check}");
        assert!(standing.report().is_none(), "what it once saw says nothing now");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_blocked_does_not_look() {
    let (root, victim) = (Script::new(1), Script::new(1));
    root.says(Severity::Failed);
    let lab = Lab::start(vec![job::<Alpha>(root), job::<Beta>(victim.clone())]);
    lab.after_runs("alpha", 10).await;
    assert_eq!(victim.runs(), 0);
    assert_eq!(lab.standing("beta").status(), Status::Blocked);
}

#[tokio::test(start_paused = true)]
async fn dependants_run_at_once_when_the_root_recovers() {
    let root = Script::new(1);
    root.says(Severity::Failed);
    let lab = Lab::start(vec![
        job::<Alpha>(root.clone()),
        job::<Beta>(Script::new(1)),
        job::<Gamma>(Script::new(1)),
    ]);
    lab.until("gamma", Status::Blocked).await;
    root.says_nothing();
    lab.until("alpha", Status::Passed).await;
    let recovered = Instant::now();
    lab.until("gamma", Status::Passed).await;
    // One second of beta's run and one of gamma's.
    assert_eq!(recovered.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_root_that_fails_again_while_its_dependant_waits_wakes_it_the_next_time() {
    let root = Script::new(1);
    root.says(Severity::Failed);
    // The one place of its class is taken for nine seconds at a time.
    let hog = Plan { class: Class::Bulk, ..plan(&[]) };
    let hog = Job::new(connection("other"), Alpha(Script::new(9)), hog);
    let beta = Plan { class: Class::Bulk, ..plan(&["alpha"]) };
    let beta = Job::new(connection("prod"), Beta(Script::new(1)), beta);
    let lab = Lab::start(vec![job::<Alpha>(root.clone()), beta, hog]);
    let of_root = |standing: &Standing| standing.connection.name == "prod";
    let alpha = Key { connection: "prod".into(), check: "alpha" };
    let until = async |status| {
        lab.board.until(|standings| standings.checks[&alpha].status() == status).await;
    };
    until(Status::Failed).await;
    for (severity, status) in [(None, Status::Passed), (Some(Severity::Failed), Status::Failed)] {
        lab.board.nudge(|standing| standing.connection.name == "other");
        sleep(Duration::from_millis(100)).await;
        match severity {
            Some(severity) => root.says(severity),
            None => root.says_nothing(),
        }
        lab.board.nudge(|standing| of_root(standing) && standing.check == "alpha");
        until(status).await;
    }
    sleep(LIMIT).await;
    assert_eq!(lab.standing("beta").status(), Status::Blocked);
    root.says_nothing();
    lab.board.nudge(|standing| of_root(standing) && standing.check == "alpha");
    until(Status::Passed).await;
    let recovered = Instant::now();
    lab.until("beta", Status::Passed).await;
    assert!(recovered.elapsed() <= Duration::from_secs(10), "{:?}", recovered.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_reload_takes_away_blocks_nobody() {
    let root = Script::new(1);
    root.says(Severity::Failed);
    let mut lab = Lab::start(vec![job::<Alpha>(root), job::<Beta>(Script::new(1))]);
    lab.until("beta", Status::Blocked).await;
    let off = Job::skipped(connection("prod"), "alpha", "switched off");
    lab.runner.reload(vec![off, job::<Beta>(Script::new(1))]);
    let at = Instant::now();
    lab.until("beta", Status::Passed).await;
    assert_eq!(at.elapsed(), Duration::from_secs(1), "it runs at once");
}

#[tokio::test(start_paused = true)]
async fn a_root_that_cannot_be_seen_blocks_nothing() {
    let root = Script::new(1);
    root.says(Severity::Unknown);
    let lab = Lab::start(vec![job::<Alpha>(root), job::<Beta>(Script::new(1))]);
    lab.until("beta", Status::Passed).await;
    assert_eq!(lab.standing("alpha").status(), Status::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_run_under_way_when_its_root_fails_says_nothing() {
    let (root, victim) = (Script::new(1), Script::new(5));
    let lab = Lab::start(vec![job::<Alpha>(root.clone()), job::<Beta>(victim.clone())]);
    lab.until("beta", Status::Passed).await;
    victim.says(Severity::Failed);
    lab.board.nudge(|standing| standing.check == "beta");
    sleep(Duration::from_secs(1)).await;
    root.says(Severity::Failed);
    lab.board.nudge(|standing| standing.check == "alpha");
    lab.until("alpha", Status::Failed).await;
    let runs = lab.standing("beta").runs;
    lab.board.until(|standings| standing_in(standings, "beta").runs != runs).await;
    assert_eq!(lab.standing("beta").status(), Status::Blocked);
}

#[tokio::test(start_paused = true)]
async fn bulk_runs_do_not_hold_up_a_light_one() {
    let bulk: Vec<_> = ["one", "two", "three"]
        .map(|name| {
            let plan = Plan { class: Class::Bulk, ..plan(&[]) };
            Job::new(connection(name), Alpha(Script::new(9)), plan)
        })
        .into();
    let light = job::<Beta>(Script::new(0));
    let lab = Lab::start_at(Lab::epoch(), bulk.into_iter().chain([light]).collect(), Pace::Once);
    let started = Instant::now();
    lab.until("beta", Status::Passed).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    let all_ran = |standings: &Standings| {
        standings.checks.values().all(|standing| standing.status() != Status::Pending)
    };
    lab.board.until(all_ran).await;
    assert_eq!(started.elapsed(), Duration::from_secs(27), "one at a time");
}

#[tokio::test(start_paused = true)]
async fn once_is_once() {
    let script = Script::new(1);
    let lab = Lab::start_at(Lab::epoch(), vec![job::<Alpha>(script.clone())], Pace::Once);
    lab.after_runs("alpha", 1).await;
    sleep(MINUTE * 5).await;
    assert_eq!(script.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_late_are_late_once() {
    // Two bulk jobs of nine seconds each share one place: neither makes up for what it missed.
    let jobs = ["one", "two"].map(|name| {
        let schedule = Schedule::new(LIMIT, LIMIT, Duration::from_secs(9)).unwrap();
        let plan = Plan { class: Class::Bulk, schedule, ..plan(&[]) };
        Job::new(connection(name), Alpha(Script::new(8)), plan)
    });
    let lab = Lab::start(jobs.into());
    sleep(MINUTE * 10).await;
    let runs: u64 = lab.board.standings().checks.values().flat_map(|each| each.runs).sum();
    // 600 s / 8 s = 75 at the very most, were the place never idle.
    assert!((40..=75).contains(&runs), "{runs}");
    assert!(lab.board.standings().scheduler.overruns > 0);
}

#[tokio::test(start_paused = true)]
async fn a_reload_touches_only_what_changed() {
    let (same, changed) = (Script::new(1), Script::new(1));
    let mut lab = Lab::start(vec![
        job::<Alpha>(same.clone()),
        job::<Beta>(changed.clone()),
        job::<Gamma>(Script::new(1)),
    ]);
    lab.until("gamma", Status::Passed).await;
    let before = (lab.standing("alpha").next_run, lab.standing("beta").runs);
    let plan = Plan { fingerprint: 2, ..plan(&["alpha"]) };
    let beta = Job::new(connection("prod"), Beta(changed.clone()), plan);
    let reloaded = lab.runner.reload(vec![job::<Alpha>(same.clone()), beta]);
    assert_eq!(reloaded, Reloaded { kept: 1, restarted: 1, added: 0, removed: 1 });
    assert_eq!(lab.standing("alpha").status(), Status::Passed);
    assert_eq!(lab.standing("alpha").next_run, before.0);
    assert_eq!(lab.standing("beta").status(), Status::Passed, "until it has looked again");
    assert_eq!(lab.standing("beta").runs, before.1, "counters go on");
    let keys = lab.board.standings().checks;
    assert!(keys.keys().all(|key| key.check != "gamma"), "it vanished");
    let at = Instant::now();
    lab.after_runs("beta", before.1.iter().sum::<u64>() + 1).await;
    assert_eq!(at.elapsed(), Duration::from_secs(1), "what changed runs at once");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_job_waits_for_its_last_run() {
    let script = Script::new(5);
    let mut lab = Lab::start(vec![job::<Alpha>(script.clone())]);
    script.until_running().await;
    for fingerprint in [2, 3] {
        let plan = Plan { fingerprint, ..plan(&[]) };
        lab.runner.reload(vec![Job::new(connection("prod"), Alpha(script.clone()), plan)]);
    }
    lab.until("alpha", Status::Passed).await;
    assert_eq!(script.most_at_once(), 1);
    assert!(lab.board.is_alive());
}

#[tokio::test(start_paused = true)]
async fn many_reloads_leave_no_task_behind() {
    let mut lab = Lab::start(vec![job::<Alpha>(Script::new(0))]);
    for fingerprint in 2..1000 {
        let plan = Plan { fingerprint, ..plan(&[]) };
        lab.runner.reload(vec![Job::new(connection("prod"), Alpha(Script::new(0)), plan)]);
        tokio::task::yield_now().await;
    }
    lab.until("alpha", Status::Passed).await;
    sleep(LIMIT).await;
    assert_eq!(lab.runner.tasks.len(), 1, "the job");
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_a_run_finish() {
    let script = Script::new(5);
    let lab = Lab::start(vec![job::<Alpha>(script.clone())]);
    script.until_running().await;
    assert!(lab.runner.stop(LIMIT).await);
    assert_eq!(standing_in(&lab.board.standings(), "alpha").status(), Status::Passed);
}

#[tokio::test(start_paused = true)]
async fn stopping_abandons_a_run_after_the_grace() {
    let script = Script::new(9);
    let lab = Lab::start(vec![job::<Alpha>(script.clone())]);
    script.until_running().await;
    let asked = Instant::now();
    assert!(!lab.runner.stop(Duration::from_secs(1)).await);
    assert_eq!(asked.elapsed(), Duration::from_secs(1));
    assert!(standing_in(&lab.board.standings(), "alpha").latest.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_has_no_conclusive_result_for_three_intervals_is_stale() {
    let script = Script::new(1);
    let lab = Lab::start(vec![job::<Alpha>(script.clone())]);
    lab.until("alpha", Status::Passed).await;
    script.says(Severity::Unknown);
    sleep(MINUTE * 3).await;
    assert!(!lab.standing("alpha").is_stale(), "not yet");
    sleep(MINUTE * 2).await;
    assert!(lab.standing("alpha").is_stale());
}

#[tokio::test(start_paused = true)]
async fn the_history_is_newest_first_and_bounded() {
    let script = Script::new(0);
    let lab = Lab::start(vec![job::<Alpha>(script.clone())]);
    for turn in 0..200 {
        let runs = lab.standing("alpha").runs;
        if turn % 2 == 0 {
            script.says(Severity::Failed)
        } else {
            script.says_nothing()
        }
        lab.board.until(|standings| standing_in(standings, "alpha").runs != runs).await;
    }
    let history = lab.standing("alpha").history.clone();
    assert_eq!(history.len(), 50);
    assert!(history.iter().zip(history.iter().skip(1)).all(|(new, old)| new.at > old.at));
    assert_eq!((history[0].from, history[0].to), (Status::Failed, Status::Passed));
    assert_eq!(history[1].reasons, [Reason::new("scripted")]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_job_is_noticed() {
    let lab = Lab::start(vec![job::<Alpha>(Script::new(0))]);
    drop(Alarm { board: &lab.board, retire: &CancellationToken::new() });
    assert!(!lab.board.is_alive());
}

struct Lab {
    runner: Runner,
    board: Board,
}

impl Lab {
    fn epoch() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn start(jobs: Vec<Job>) -> Self {
        Self::start_at(Self::epoch(), jobs, Pace::Scheduled)
    }

    fn start_at(start: SystemTime, jobs: Vec<Job>, pace: Pace) -> Self {
        let (runner, board) = Runner::start(jobs, pace, Clock::following_tokio(start));
        Self { runner, board }
    }

    fn standing(&self, check: &str) -> Arc<Standing> {
        Arc::clone(standing_in(&self.board.standings(), check))
    }

    async fn after_runs(&self, check: &str, runs: u64) -> Arc<Standing> {
        let ran =
            |standings: &Standings| standing_in(standings, check).runs.iter().sum::<u64>() >= runs;
        Arc::clone(standing_in(&self.board.until(ran).await, check))
    }

    async fn until(&self, check: &str, status: Status) {
        self.board.until(|standings| standing_in(standings, check).status() == status).await;
    }
}

fn standing_in<'a>(standings: &'a Standings, check: &str) -> &'a Arc<Standing> {
    let found = standings.checks.iter().find(|(key, _)| key.check == check);
    found.map(|(_, standing)| standing).unwrap()
}

fn connection(name: &str) -> Arc<Connection> {
    Arc::new(Connection { name: name.into(), join_type: "hybrid" })
}

fn plan(depends_on: &'static [&'static str]) -> Plan {
    let schedule = Schedule::new(MINUTE, FAILING, LIMIT).unwrap();
    Plan { schedule, class: Class::Light, depends_on, fingerprint: 1 }
}

fn job<C: Scripted>(script: Script) -> Job {
    Job::new(connection("prod"), C::from(script), plan(C::DEPENDS_ON))
}

/// What a check does, told from outside while it runs.
#[derive(Clone, Default)]
struct Script(Arc<Scripting>);

#[derive(Default)]
struct Scripting {
    takes: Duration,
    says: Mutex<Option<Severity>>,
    panics: Mutex<bool>,
    runs: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Script {
    fn new(seconds: u64) -> Self {
        let takes = Duration::from_secs(seconds);
        Self(Arc::new(Scripting { takes, ..Scripting::default() }))
    }

    fn says(&self, severity: Severity) {
        *self.0.says.lock().unwrap() = Some(severity);
    }

    fn says_nothing(&self) {
        *self.0.says.lock().unwrap() = None;
    }

    fn panics(&self) {
        *self.0.panics.lock().unwrap() = true;
    }

    fn runs(&self) -> usize {
        self.0.runs.load(Ordering::SeqCst)
    }

    fn most_at_once(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    async fn until_running(&self) {
        while self.0.running.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn run(&self) -> Option<Severity> {
        self.0.runs.fetch_add(1, Ordering::SeqCst);
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        sleep(self.0.takes).await;
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        assert!(!*self.0.panics.lock().unwrap(), "a bug in a check");
        *self.0.says.lock().unwrap()
    }
}

trait Scripted: Check + From<Script> {
    const DEPENDS_ON: &'static [&'static str];
}

macro_rules! scripted {
    ($type:ident, $name:literal, $depends_on:expr) => {
        struct $type(Script);

        impl From<Script> for $type {
            fn from(script: Script) -> Self {
                Self(script)
            }
        }

        impl Scripted for $type {
            const DEPENDS_ON: &'static [&'static str] = $depends_on;
        }

        impl Check for $type {
            const NAME: &'static str = $name;
            type Facts = Option<Severity>;

            async fn gather(&self) -> Result<Self::Facts, Inconclusive> {
                Ok(self.0.run().await)
            }

            fn judge(&self, facts: &Self::Facts) -> Verdict {
                let finding = |severity: &Severity| Finding {
                    severity: *severity,
                    reason: Reason::new("scripted"),
                    subject: String::new(),
                    detail: String::new(),
                    error_type: None,
                };
                Verdict::new(facts.iter().map(finding).collect(), Vec::new())
            }
        }
    };
}

scripted!(Alpha, "alpha", &[]);
scripted!(Beta, "beta", &["alpha"]);
scripted!(Gamma, "gamma", &["beta"]);
