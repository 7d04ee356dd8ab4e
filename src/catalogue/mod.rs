//! What Windows 365 demands, as data: its checks, what they may find, and the endpoints that a
//! Cloud PC's subnet must reach.

mod checks;
mod endpoints;
mod error_types;
mod listing;
mod names;
mod reasons;
mod reports;
mod rows;
mod runbooks;
mod select;

pub use checks::{CHECKS, CheckEntry, LATER, check};
pub use endpoints::Catalogue;
pub use error_types::error_type;
pub use names::{host_problem, pattern_problem};
pub use reasons::{REASONS, ReasonEntry, entry, find, reason};
pub use rows::{Category, Cloud, Inspection, Join, Protocol, Row, row_problems};
pub use runbooks::{runbook_path, section};
pub use select::{Addresses, Selection, Target, Wildcard, is_excluded, select};
