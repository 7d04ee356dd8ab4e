//! A daemon that looks, concludes and tells.
pub mod engine;
