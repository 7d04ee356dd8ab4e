//! The faults that `udp_connectivity` sees.

use super::{Effect, Fault, Setting};

/// Who answers datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Responder {
    Stun,
    Turn,
    /// An endpoint of the catalogue rather than of `udp_connectivity`.
    Relay,
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "stun_no_reply",
        check: CHECK,
        status: "informational",
        reason: "stun_no_reply",
        error_type: Some("udpConnectivityCheckStunUrlNotAllowListed"),
        also: &[],
        strikes: &[],
        about: "The STUN server does not answer; the TURN relay does.",
        effect: Effect::Silent(&[Responder::Stun]),
    },
    Fault {
        name: "turn_no_reply",
        check: CHECK,
        status: "warning",
        reason: "turn_no_reply",
        error_type: Some("udpConnectivityCheckTurnUrlNotAllowListed"),
        also: &[],
        strikes: &[],
        about: "The TURN relay does not answer; the STUN server does.",
        effect: Effect::Silent(&[Responder::Turn]),
    },
    Fault {
        name: "udp_blocked",
        check: CHECK,
        status: "warning",
        reason: "udp_blocked",
        error_type: Some("udpConnectivityCheckUrlsNotAllowListed"),
        also: &["stun_no_reply", "turn_no_reply"],
        strikes: &[],
        about: "Neither the STUN server nor the TURN relay answers.",
        effect: Effect::Silent(&[Responder::Stun, Responder::Turn]),
    },
    Fault {
        name: "turn_outside_ranges",
        check: CHECK,
        status: "warning",
        reason: "turn_outside_ranges",
        error_type: None,
        also: &[],
        strikes: &[],
        about: "The TURN relay's address is outside the ranges that firewall rules are written for.",
        effect: Effect::Settings(Setting::RelayOutsideRanges),
    },
];

const CHECK: &str = "udp_connectivity";
