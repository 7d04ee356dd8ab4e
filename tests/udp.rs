//! `udp_connectivity` against a real STUN and TURN server.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::net::{SocketAddr, UdpSocket};

use support::bind::Bind;
use support::coturn::Coturn;
use support::ports::refused_address;
use support::report::{Check, Report};
use support::{peers, zones};

const STUN: &str = "udpConnectivityCheckStunUrlNotAllowListed";
const TURN: &str = "udpConnectivityCheckTurnUrlNotAllowListed";
const BOTH: &str = "udpConnectivityCheckUrlsNotAllowListed";
const UNKNOWN: &str = "udpConnectivityCheckUnknownError";

const LOOPBACK: &str = "127.0.0.0/8";

#[test]
fn servers_that_answer_pass_and_are_measured() {
    let (stun, turn) = (Coturn::stun(), Coturn::turn());
    let (stun, turn) = (at("stun", stun.address), at("turn", turn.address));
    let check = checked(&[&stun], &[&turn], &[LOOPBACK]);
    check.is("passed", 0, &[]);
    for (kind, server) in [("stun", &stun), ("turn", &turn)] {
        let labels = [("server", &**server), ("kind", kind)];
        assert_eq!(check.reading("anc_udp_up", &labels), Some(1.0));
        let round_trip = check.reading("anc_udp_round_trip_seconds", &labels).unwrap();
        assert!(round_trip > 0.0 && round_trip < 2.7, "{round_trip}");
    }
    let mapped = [("server", &*stun), ("kind", "stun"), ("address", "127.0.0.1")];
    assert_eq!(check.reading("anc_udp_mapped_address_info", &mapped), Some(1.0));
}

#[test]
fn silent_stun_beside_turn_that_answers_is_informational() {
    let (silent, relay) = (silent(), Coturn::turn());
    let (stun, turn) = (at("stun", silent.1), at("turn", relay.address));
    let check = checked(&[&stun], &[&turn], &[LOOPBACK]);
    check.is("informational", 0, &[("stun_no_reply", STUN, "informational", &stun)]);
    assert_eq!(check.reading("anc_udp_up", &[("kind", "stun")]), Some(0.0));
    assert_eq!(check.reading("anc_udp_round_trip_seconds", &[("kind", "stun")]), None);
}

#[test]
fn silent_turn_beside_stun_that_answers_is_a_warning() {
    let (stun, silent) = (Coturn::stun(), silent());
    let (stun, turn) = (at("stun", stun.address), at("turn", silent.1));
    let check = checked(&[&stun], &[&turn], &[LOOPBACK]);
    check.is("warning", 1, &[("turn_no_reply", TURN, "warning", &turn)]);
    assert_eq!(check.reading("anc_udp_up", &[("kind", "stun")]), Some(1.0));
    assert_eq!(check.reading("anc_udp_up", &[("kind", "turn")]), Some(0.0));
}

#[test]
fn silence_of_both_is_a_blocked_way_besides() {
    let (one, other) = (silent(), silent());
    let (stun, turn) = (at("stun", one.1), at("turn", other.1));
    let expected = [
        ("stun_no_reply", STUN, "warning", &*stun),
        ("turn_no_reply", TURN, "warning", &*turn),
        ("udp_blocked", BOTH, "warning", "UDP 3478"),
    ];
    checked(&[&stun], &[&turn], &[LOOPBACK]).is("warning", 1, &expected);
}

#[test]
fn closed_ports_are_no_reply_and_named_as_closed() {
    let (stun, turn) = (at("stun", refused_address()), at("turn", refused_address()));
    let expected = [
        ("stun_no_reply", STUN, "warning", &*stun),
        ("turn_no_reply", TURN, "warning", &*turn),
        ("udp_blocked", BOTH, "warning", "UDP 3478"),
    ];
    let check = checked(&[&stun], &[&turn], &[LOOPBACK]);
    check.is("warning", 1, &expected);
    assert!(check.detail("stun_no_reply").contains("port closed"));
}

#[test]
fn one_of_several_that_answers_is_enough() {
    let (silent, stun, turn) = (silent(), Coturn::stun(), Coturn::turn());
    let mute = at("mute", silent.1);
    let (stun, turn) = (at("stun", stun.address), at("turn", turn.address));
    let expected = [
        ("stun_no_reply", STUN, "informational", &*mute),
        ("turn_no_reply", TURN, "informational", &*mute),
    ];
    checked(&[&mute, &stun], &[&mute, &turn], &[LOOPBACK]).is("informational", 0, &expected);
}

#[test]
fn a_relay_outside_its_ranges_is_a_warning() {
    let (stun, turn) = (Coturn::stun(), Coturn::turn());
    let (stun, turn) = (at("stun", stun.address), at("turn", turn.address));
    let check = checked(&[&stun], &[&turn], &["51.5.0.0/16", "40.64.144.0/20"]);
    check.is("warning", 1, &[("turn_outside_ranges", "", "warning", &turn)]);
    assert_eq!(check.reading("anc_udp_up", &[("kind", "turn")]), Some(1.0));
    checked(&[&stun], &[&turn], &[]).is("passed", 0, &[]);
}

#[test]
fn a_silent_relay_outside_its_ranges_is_both() {
    let (stun, silent) = (Coturn::stun(), silent());
    let (stun, turn) = (at("stun", stun.address), at("turn", silent.1));
    let expected = [
        ("turn_no_reply", TURN, "warning", &*turn),
        ("turn_outside_ranges", "", "warning", &*turn),
    ];
    checked(&[&stun], &[&turn], &["51.5.0.0/16"]).is("warning", 1, &expected);
}

#[test]
fn a_name_that_does_not_resolve_is_told_by_its_own_reason() {
    let (stun, turn) = (Coturn::stun(), Coturn::turn());
    let (stun, turn) = (at("stun", stun.address), at("turn", turn.address));
    let gone = "gone.contoso.test:3478";
    let check = checked(&[&stun], &[gone], &[LOOPBACK]);
    check.is("warning", 1, &[("name_not_found", UNKNOWN, "warning", gone)]);
    let check = checked(&[gone], &[&turn], &[LOOPBACK]);
    check.is("informational", 0, &[("name_not_found", UNKNOWN, "informational", gone)]);
}

#[test]
fn servers_may_be_addresses_and_either_list_empty() {
    let (stun, silent) = (Coturn::stun(), silent());
    let (good, bad) = (stun.address.to_string(), silent.1.to_string());
    checked(&[&good], &[], &[]).is("passed", 0, &[]);
    checked(&[], &[&good], &[]).is("passed", 0, &[]);
    checked(&[&bad], &[], &[]).is("warning", 1, &[("stun_no_reply", STUN, "warning", &bad)]);
    let check = checked(&[], &[], &[]);
    check.is("skipped", 0, &[]);
    assert!(check.note().contains("stun"), "{}", check.note());
}

/// What the check says of these servers.
#[track_caller]
fn checked(stun: &[&str], turn: &[&str], turn_ranges: &[&str]) -> Check {
    let zone = zones::on_loopback(&["stun", "turn", "mute"]);
    let bind = Bind::with_zones(&[("contoso.test", &zone)]);
    let config = format!(
        "[checks.udp_connectivity]\ntimeout = \"6s\"\n\
         stun = {stun:?}\nturn = {turn:?}\nturn_ranges = {turn_ranges:?}\n\
         [[connections]]\nname = \"prod-weu\"\njoin_type = \"entra\"\n\
         dns_servers = [\"{}\"]\n",
        bind.address
    );
    Report::of(&config, &["--check", "udp_connectivity"]).only("udp_connectivity")
}

/// The server at `address` by its name, as the configuration and the findings have it.
fn at(name: &str, address: SocketAddr) -> String {
    format!("{name}.contoso.test:{}", address.port())
}

/// A socket to be held, and where it is.
fn silent() -> (UdpSocket, SocketAddr) {
    let socket = peers::silent_udp();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
