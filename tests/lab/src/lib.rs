//! Simulated peers of `anc-healthd`, and the daemon against them, in one process on loopback: for
//! a person without a tenant, and for tests that want to see a fault from end to end.
//!
//! Everything starts healthy, with one informational finding. A *fault* is a row of [`faults::all`]: what it does to which peer, and
//! what the daemon must then say. The [`faults::Switchboard`] holds which are on; every peer asks it
//! for every query, connection and datagram, so that a fault takes effect at once and leaves no trace.
//!
//! No peer listens or speaks beyond loopback, and nothing here needs privileges.

mod catalogue;
mod certificates;
mod control;
mod daemon;
mod datagrams;
mod directory;
mod dns;
mod endpoints;
pub mod faults;
mod lab;
mod port;
mod settings;
mod udp;

pub use daemon::Found;
pub use directory::Ports;
pub use lab::{Lab, Options, once};
