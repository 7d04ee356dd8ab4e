//! The wall clock, so that tests can own it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// Tells the time of day. Durations are measured with [`Instant`] instead: this one may be set.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        Self(Arc::new(SystemTime::now))
    }

    /// `start` now, and from then on as fast as tokio's clock, which tests pause.
    pub fn following_tokio(start: SystemTime) -> Self {
        let origin = Instant::now();
        Self(Arc::new(move || start + origin.elapsed()))
    }

    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Seconds since 1970, as metrics and certificates count.
    pub fn unix(time: SystemTime) -> f64 {
        time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    /// How long ago `time` was; nothing when it is ahead, as after the clock was set back.
    pub fn since(&self, time: SystemTime) -> Duration {
        self.now().duration_since(time).unwrap_or_default()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
