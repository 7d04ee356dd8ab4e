//! Boards for tests, with checks that conclude what they are told to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{
    catalogue::reason,
    engine::{
        Board, Check, Class, Clock, Connection, Family, Finding, Inconclusive, Job, Kind, Pace,
        Plan, Reading, Runner, Schedule, Severity, Standings, Status, Verdict,
    },
};

/// In the catalogue's order.
pub(crate) const NAMES: [&str; 4] =
    ["dns_ad_domain", "endpoint_connectivity", "localization", "udp_connectivity"];

pub(crate) const ANSWERS: Family = Family {
    name: "anc_test_answers",
    help: "Answers, as of the last run.",
    labels: &["server"],
    kind: Kind::Gauge,
};

/// A check's next verdict, told from outside. Without one it does not come to an end.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Option<Verdict>>>);

struct Scripted<const N: usize>(Script);

impl Script {
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self(Arc::new(Mutex::new(Some(verdict))))
    }

    pub(crate) fn says(&self, verdict: Verdict) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }

    fn told(&self) -> Option<Verdict> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<const N: usize> Check for Scripted<N> {
    const NAME: &'static str = NAMES[N];
    type Facts = Verdict;

    async fn gather(&self) -> Result<Verdict, Inconclusive> {
        match self.0.told() {
            Some(verdict) => Ok(verdict),
            None => std::future::pending().await,
        }
    }

    fn judge(&self, facts: &Verdict) -> Verdict {
        facts.clone()
    }
}

pub(crate) fn job<const N: usize>(name: &str, script: Script) -> Job {
    depending::<N>(name, script, &[])
}

pub(crate) fn depending<const N: usize>(
    name: &str,
    script: Script,
    depends_on: &'static [&'static str],
) -> Job {
    let [interval, failing, limit] = [300, 300, 299].map(Duration::from_secs);
    let schedule = Schedule::new(interval, failing, limit).unwrap();
    let plan = Plan { schedule, class: Class::Light, depends_on, fingerprint: 1 };
    Job::new(connection(name), Scripted::<N>(script), plan)
}

pub(crate) fn says<const N: usize>(name: &str, severity: Option<Severity>) -> Job {
    job::<N>(name, Script::of(verdict(severity)))
}

pub(crate) fn connection(name: &str) -> Arc<Connection> {
    Arc::new(Connection { name: name.into(), join_type: "hybrid" })
}

pub(crate) fn verdict(severity: Option<Severity>) -> Verdict {
    let finding = severity.map(|severity| found(severity, "corp.contoso.com"));
    let reading = Reading::new(&ANSWERS, ["10.8.0.4"], 2.0);
    Verdict::new(finding.into_iter().collect(), vec![reading])
}

pub(crate) fn found(severity: Severity, subject: &str) -> Finding {
    Finding {
        severity,
        reason: reason::NAME_NOT_FOUND,
        subject: subject.into(),
        detail: format!("10.8.0.4 says that {subject} does not exist"),
        error_type: Some("adJoinCheckFQDNNotFound"),
    }
}

/// Once the runner is dropped, what has not run yet does not.
pub(crate) fn started(jobs: Vec<Job>) -> (Runner, Board) {
    Runner::start(jobs, Pace::Once, Clock::following_tokio(epoch()))
}

/// A board on which every job has run.
pub(crate) async fn ran(jobs: Vec<Job>) -> Board {
    let (_runner, board) = started(jobs);
    board.until(all_ran).await;
    board
}

pub(crate) fn all_ran(standings: &Standings) -> bool {
    standings.checks.values().all(|each| each.status() != Status::Pending)
}

/// Midnight.
fn epoch() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}
