//! Real servers on loopback, and the built daemon, for the integration tests.
//!
//! Every server lives in a temporary directory, on a port of its own, and dies with the value that
//! stands for it. Keep that value in a local variable: statics are never dropped. `tests/install`
//! installs what is absent.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "test code: it panics when the world is not as it must be, and waits in real time"
)]

pub mod beside_dc;
pub mod bind;
pub mod coturn;
pub mod daemon;
pub mod domain;
pub mod http;
pub mod mitm;
pub mod namespace;
pub mod nginx;
pub mod peers;
pub mod pki;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod relay;
pub mod report;
pub mod samba;
pub mod zones;
