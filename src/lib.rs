//! A daemon that looks, concludes and tells.
pub mod catalogue;
pub mod checks;
pub mod config;
pub mod engine;
pub mod net;
