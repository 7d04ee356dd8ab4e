//! When a check runs. Pure: the time and the job's phase are given.

use std::time::{Duration, SystemTime};

use super::Status;

/// Checks start within this long of the daemon, not all at once and not an interval later.
const START_SPREAD: Duration = Duration::from_secs(30);

/// How often a check runs. Invariant: `timeout` is below both intervals, and none is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    interval: Duration,
    interval_failing: Duration,
    timeout: Duration,
}

/// Where a job's runs lie within its interval: a hash of its name, so that jobs spread out and a
/// restart changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    #[error("must be longer than nothing")]
    ZeroTimeout,
    #[error("must be below interval and interval_failing, of which the shorter is {0:?}")]
    TimeoutNotBelow(Duration),
}

impl Schedule {
    pub fn new(
        interval: Duration,
        interval_failing: Duration,
        timeout: Duration,
    ) -> Result<Self, InvalidSchedule> {
        let interval_failing = interval_failing.min(interval);
        if timeout.is_zero() {
            return Err(InvalidSchedule::ZeroTimeout);
        }
        if timeout >= interval_failing {
            return Err(InvalidSchedule::TimeoutNotBelow(interval_failing));
        }
        Ok(Self { interval, interval_failing, timeout })
    }

    pub fn interval(&self) -> Duration {
        self.interval
    }

    pub fn interval_failing(&self) -> Duration {
        self.interval_failing
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The interval in force: the shorter one while something is wrong. What is merely
    /// informational is not wrong.
    pub fn step(&self, status: Status) -> Duration {
        match status {
            Status::Passed | Status::Informational | Status::Skipped => self.interval,
            Status::Warning
            | Status::Failed
            | Status::Unknown
            | Status::Blocked
            | Status::Pending => self.interval_failing,
        }
    }

    /// How long after the daemon's start the first run comes: within 30 s, and within an interval.
    pub fn first_delay(&self, phase: Phase) -> Duration {
        phase.within(self.interval.min(START_SPREAD))
    }

    /// How long after `now` the next point of the job's own grid comes. Points that have passed
    /// are not made up for, so the late are late once.
    pub fn until_next(&self, phase: Phase, now: SystemTime, status: Status) -> Duration {
        let step = self.step(status).as_nanos();
        let offset = phase.within(self.step(status)).as_nanos();
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let past = (since % step + step - offset % step) % step;
        Duration::from_nanos(u64::try_from(step - past).unwrap_or(u64::MAX))
    }

    /// How many points of the grid someone who is `late` after one has passed over.
    pub fn missed(&self, late: Duration, status: Status) -> u64 {
        u64::try_from(late.as_nanos() / self.step(status).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Phase {
    /// 64-bit FNV-1a: the same on every machine and with every compiler.
    pub fn of(connection: &str, check: &str) -> Self {
        let bytes = connection.bytes().chain([0]).chain(check.bytes());
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// A point in `0..span`, to the millisecond.
    fn within(self, span: Duration) -> Duration {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.0 % span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(interval: u64, failing: u64) -> Schedule {
        let [interval, failing] = [interval, failing].map(Duration::from_secs);
        Schedule::new(interval, failing, Duration::from_millis(500)).unwrap()
    }

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    proptest! {
        #[test]
        fn the_grid_is_the_same_whenever_one_looks(
            interval in 1u64..100_000, now in 0u64..4_000_000_000_000, name in "[a-z]{1,12}",
        ) {
            let (schedule, phase) = (schedule(interval, interval), Phase::of(&name, "dns"));
            let wait = schedule.until_next(phase, at(now), Status::Passed);
            prop_assert!(!wait.is_zero() && wait <= schedule.interval());
            let second = schedule.until_next(phase, at(now) + wait, Status::Passed);
            prop_assert_eq!(second, schedule.interval());
        }

        #[test]
        fn the_first_run_comes_within_half_a_minute(interval in 1u64..100_000, name in ".{0,12}") {
            let first = schedule(interval, interval).first_delay(Phase::of(&name, "dns"));
            prop_assert!(first < START_SPREAD.min(Duration::from_secs(interval)));
        }
    }

    #[test]
    fn the_phase_is_pinned_because_a_restart_must_keep_it() {
        assert_eq!(Phase::of("prod-weu", "dns_ad_domain"), Phase(0xc475_cac1_7e7a_6e8c));
    }

    #[test]
    fn what_is_not_well_runs_on_the_shorter_interval() {
        let schedule = schedule(300, 60);
        assert_eq!(schedule.step(Status::Informational), Duration::from_secs(300));
        assert_eq!(schedule.step(Status::Warning), Duration::from_secs(60));
        assert_eq!(schedule.step(Status::Unknown), Duration::from_secs(60));
    }

    #[test]
    fn the_shorter_interval_is_never_the_longer() {
        assert_eq!(schedule(60, 300).interval_failing(), Duration::from_secs(60));
    }

    #[test]
    fn a_timeout_as_long_as_an_interval_is_refused() {
        let [minute, second] = [60, 1].map(Duration::from_secs);
        let refused = Schedule::new(minute, second, second);
        assert_eq!(refused, Err(InvalidSchedule::TimeoutNotBelow(second)));
    }

    #[test]
    fn a_late_run_has_missed_what_it_slept_through() {
        let schedule = schedule(60, 60);
        assert_eq!(schedule.missed(Duration::from_secs(59), Status::Passed), 0);
        assert_eq!(schedule.missed(Duration::from_secs(125), Status::Passed), 2);
    }
}
