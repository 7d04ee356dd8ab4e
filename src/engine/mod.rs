//! The machine: it runs checks and keeps how things stand. It knows nothing of DNS, TLS, Azure or
//! HTTP.

mod board;
mod check;
mod clock;
mod histogram;
mod runner;
mod schedule;
mod standing;
mod verdict;

pub use board::{Board, Key, Scheduler, Standings};
pub use check::{Check, Class, Connection, Job, Plan};
pub use clock::Clock;
pub use histogram::Histogram;
pub use runner::{Pace, Reloaded, Runner};
pub use schedule::{InvalidSchedule, Phase, Schedule};
pub use standing::{Change, Mode, Standing};
pub use verdict::{
    Family, Finding, Inconclusive, Kind, Reading, Reason, Report, Severity, Status, Verdict,
};
