//! The machine: it runs checks and keeps how things stand. It knows nothing of DNS, TLS, Azure or
//! HTTP.

mod verdict;

pub use verdict::{
    Family, Finding, Inconclusive, Kind, Reading, Reason, Report, Severity, Status, Verdict,
};
