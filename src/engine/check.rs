//! What a check is, and the one place where its type is erased.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;

use super::{Inconclusive, Schedule, Verdict};

/// One health check: look, then conclude.
///
/// The split is the design. `gather` may do anything but conclude; `judge` may do nothing but
/// conclude: it is synchronous, cannot fail, and sees only the facts and the check's own policy.
/// Time is a fact: a check that needs it puts it into `Facts`.
pub trait Check: Send + Sync + 'static {
    /// Becomes the `check` label: renaming it breaks dashboards.
    const NAME: &'static str;

    /// Logged at `debug`, so they hold no secret.
    type Facts: fmt::Debug + Send;

    /// Observes the environment. What goes wrong *there* is a fact; an `Err` means we did not see.
    fn gather(&self) -> impl Future<Output = Result<Self::Facts, Inconclusive>> + Send;

    fn judge(&self, facts: &Self::Facts) -> Verdict;
}

/// One Azure network connection, as far as the machine needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub name: String,
    pub join_type: &'static str,
}

/// What a run may crowd out. Each class has places of its own, so that three hundred silent
/// endpoints hold up no DNS check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A handful of questions.
    Light,
    /// Hundreds of probes: one such run at a time, because the number of handshakes under way is
    /// a property of the machine, not of a connection.
    Bulk,
}

/// When and how a job runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub schedule: Schedule,
    pub class: Class,
    /// Checks of the same connection that make this one pointless while they fail.
    pub depends_on: &'static [&'static str],
    /// Changes when anything that the check was made from does: a reload restarts just those.
    pub fingerprint: u64,
}

/// One check of one connection.
pub struct Job {
    pub(super) connection: Arc<Connection>,
    pub(super) check: &'static str,
    pub(super) work: Work,
}

pub(super) enum Work {
    Run(Plan, Box<Run>),
    /// It does not apply, or was switched off; it stands on the board all the same.
    Skip(&'static str),
}

pub(super) type Run = dyn Fn() -> BoxFuture<'static, Result<Verdict, Inconclusive>> + Send + Sync;

impl Job {
    pub fn new<C: Check>(connection: Arc<Connection>, check: C, plan: Plan) -> Self {
        let check = Arc::new(check);
        let run = move || -> BoxFuture<'static, _> {
            let check = Arc::clone(&check);
            Box::pin(async move {
                let facts = check.gather().await?;
                tracing::debug!(?facts, "gathered");
                Ok(check.judge(&facts))
            })
        };
        Self { connection, check: C::NAME, work: Work::Run(plan, Box::new(run)) }
    }

    pub fn skipped(connection: Arc<Connection>, check: &'static str, why: &'static str) -> Self {
        Self { connection, check, work: Work::Skip(why) }
    }

    pub fn connection(&self) -> &str {
        &self.connection.name
    }

    pub fn check(&self) -> &'static str {
        self.check
    }

    pub fn depends_on(&self) -> &'static [&'static str] {
        match &self.work {
            Work::Run(plan, _) => plan.depends_on,
            Work::Skip(_) => &[],
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("connection", &self.connection.name)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}
