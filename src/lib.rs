//! A daemon that looks, concludes and tells.
//!
//! It runs in the subnet of Windows 365 Cloud PCs and re-runs the health checks of their Azure
//! network connection.
//!
//! # Rooms
//!
//! - [`config`]: what we were told.
//! - [`engine`]: the machine. It runs checks and keeps how things stand.
//! - [`catalogue`]: what Windows 365 demands, as data.
//! - [`checks`]: what is demanded of the environment, one file a check.
//! - [`net`] and [`directory`]: eyes. They say what they saw, never whether that is good.
//! - [`metrics`], [`views`], [`server`]: views of the engine's [`Board`](engine::Board), and who
//!   serves them.
//! - [`cli`]: the command line. [`app`]: where all of them meet.
//!
//! # Invariants
//!
//! - Concluding does no I/O and cannot fail: [`Check::judge`](engine::Check::judge) is synchronous.
//! - A failure out there is a fact; a failure to look is `unknown`, never `failed`.
//! - Nothing in [`engine`] knows what is being checked.
//! - The board is the only state that changes.
//! - Past [`Config::load`](config::Config::load) and [`app::jobs`] no setting is checked again.
//! - No request to the daemon's own server decides which address is contacted.
//!
//! `tests/architecture.rs` keeps the doors between the rooms.

pub mod app;
pub mod cli;
pub mod telemetry;

pub mod config;
pub mod engine;

pub mod catalogue;
pub mod checks;

pub mod directory;
pub mod net;

pub mod metrics;
pub mod server;
pub mod views;
