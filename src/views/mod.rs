//! How things stand, told: as JSON, text, JUnit XML, a page, and in one word. Pure functions of
//! the board and the time.

mod health;
mod junit;
mod moment;
mod page;
mod selection;
mod status;
mod text;

pub use health::{Health, health};
pub use junit::junit;
pub use moment::Moment;
pub use page::{STYLE, page};
pub use selection::{Selection, Unknown};
pub use status::{
    CheckView, ConnectionView, Document, FindingView, HistoryView, Options, ReadingView, status,
};
pub use text::text;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
