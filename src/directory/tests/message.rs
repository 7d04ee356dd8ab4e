//! Messages of the server, read and written anew.

use proptest::prelude::*;

use super::peers::{self, BIND, DONE, entry, result};
use crate::{
    directory::message::{Asked, Heard, asked, extended, heard, size},
    net::ber::{self, tlv},
};

#[test]
fn nested_10_000_deep_is_not_followed() {
    let mut nested = vec![5, 0];
    for _ in 0..10_000 {
        nested = tlv(0x30, &nested);
    }
    assert!(heard(&nested, searching()).is_err());
    let below = peers::message(1, &tlv(DONE, &[&[0x0a, 1, 0, 4, 0, 4, 0], &nested[..]].concat()));
    assert!(matches!(heard(&below, searching()), Ok(Heard::Answer(..))), "it is left out");
    let within = peers::message(1, &tlv(0x64, &[&[4, 0], &nested[..]].concat()));
    assert!(heard(&within, searching()).is_err());
}

#[test]
fn endless_messages_are_refused_by_their_first_octets() {
    assert!(size(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).is_err());
    assert!(size(&[0x30, 0x83, 0x04, 0x00, 0x01]).is_err());
    assert!(size(b"HTTP/1.1 400 Bad Request").is_err());
    assert!(size(&[0x30, 0x80]).is_err());
    for begun in [&[][..], &[0x30], &[0x30, 0x84], &[0x30, 0x84, 0, 0, 1]] {
        assert_eq!(size(begun), Ok(None));
    }
    assert_eq!(size(&[0x30, 0x83, 0x04, 0x00, 0x00]), Ok(Some(5 + 256 * 1024)));
}

#[test]
fn text_that_is_not_utf_8_is_replaced_and_the_answer_read() {
    let answer = rewritten(&result(1, BIND, 49, b"caf\xe9, data 52e"), binding());
    assert_eq!(answer, result_of(1, BIND, 49, "caf\u{fffd}, data 52e"));
    let values: &[&[u8]] = &[b"\xff\xfe", b"plain"];
    let whole = entry(2, "CN=x", &[("objectSid", values)]);
    assert_eq!(meaning(&rewritten(&whole, search_of(2))), meaning(&whole), "values stay octets");
}

#[test]
fn a_part_too_few_is_malformed() {
    for short in [&[][..], &[0x0a, 1, 0], &[0x0a, 1, 0, 4, 0], &[0x0a, 0, 4, 0, 4, 0]] {
        malformed(&peers::message(1, &tlv(BIND, short)), binding());
    }
    for short in [&[][..], &[4, 0], &[4, 0, 0x30, 2, 0x30, 0], &[4, 0, 0x30, 4, 0x30, 2, 4, 0]] {
        malformed(&peers::message(1, &tlv(0x64, short)), searching());
    }
    malformed(&tlv(0x30, &[2, 1, 1]), binding());
    malformed(&tlv(0x30, &[]), binding());
    malformed(&peers::message(1, &[0x61, 9, 0x0a]), binding());
}

#[test]
fn numbers_out_of_range_are_malformed() {
    for code in [&[0x0a, 1, 0x80][..], &[0x0a, 5, 0, 0, 0, 0, 1], &[0x0a, 0], &[2, 1, 0]] {
        malformed(&peers::message(1, &tlv(BIND, &[code, &[4, 0, 4, 0]].concat())), binding());
    }
    malformed(&tlv(0x30, &[&[2, 1, 0xff][..], &tlv(BIND, &[])].concat()), binding());
}

#[test]
fn answers_to_something_else_are_left_out() {
    assert_eq!(heard(&result(9, BIND, 0, b""), binding()), Ok(Heard::Nothing));
    assert_eq!(heard(&result(1, BIND, 0, b""), None), Ok(Heard::Nothing));
}

#[test]
fn a_notice_of_disconnection_is_told_in_either_encoding() {
    let oid = tlv(0x8a, b"1.3.6.1.4.1.1466.20036");
    let said = [&[0x0a, 1, 52, 4, 0][..], &tlv(4, b"closing\n\0")].concat();
    let standard = peers::message(0, &tlv(0x78, &[said.clone(), oid.clone()].concat()));
    let active_directorys = peers::message(0, &[tlv(0x78, &said), oid].concat());
    let told = Heard::Farewell("notice of disconnection: LDAP result 52 (closing)".into());
    for notice in [standard, active_directorys] {
        for asked in [binding(), searching(), None] {
            assert_eq!(heard(&notice, asked), Ok(told.clone()));
        }
    }
    let empty = Heard::Farewell("notice of disconnection".into());
    assert_eq!(heard(&peers::message(0, &[0x78, 0]), None), Ok(empty));
}

#[test]
fn a_farewell_is_in_one_short_line() {
    let long = result(0, 0x78, 52, &b"line\n\x1b[31m".repeat(9000));
    let Ok(Heard::Farewell(why)) = heard(&long, None) else { panic!("no farewell") };
    assert!(why.len() < 300 && !why.contains(char::is_control), "{why}");
}

#[test]
fn an_answer_of_another_kind_is_malformed() {
    malformed(&entry(1, "CN=x", &[]), binding());
    malformed(&result(1, DONE, 0, b""), binding());
    malformed(&result(1, BIND, 0, b""), searching());
    malformed(&result(1, 0x78, 0, b""), binding());
    malformed(&peers::message(1, &[0x05, 0]), searching());
}

#[test]
fn references_and_intermediate_answers_are_left_out() {
    let reference = peers::message(1, &tlv(0x73, &tlv(4, b"ldap://evil.test/")));
    assert_eq!(heard(&reference, searching()), Ok(Heard::Nothing));
    assert_eq!(heard(&peers::message(1, &[0x79, 0]), searching()), Ok(Heard::Nothing));
}

#[test]
fn referrals_and_controls_are_left_out_of_an_answer() {
    let said = [&[0x0a, 1, 10, 4, 0, 4, 0][..], &tlv(0xa3, &tlv(4, b"ldap://a/"))].concat();
    let controls = tlv(0xa0, &tlv(0x30, &tlv(4, b"1.2.3")));
    let whole = peers::message(1, &[tlv(BIND, &said), controls].concat());
    assert_eq!(rewritten(&whole, binding()), result_of(1, BIND, 10, ""));
}

#[test]
fn what_is_asked_is_known_unless_nothing_answers_it() {
    for operation in [0x60, 0x63, 0x66, 0x68, 0x4a] {
        assert!(asked(&peers::message(1, &tlv(operation, &[]))).is_some());
    }
    for operation in [0x42, 0x50, 0x77] {
        assert_eq!(asked(&peers::message(1, &tlv(operation, &[]))), None);
    }
}

#[test]
fn the_answer_to_start_tls_is_read() {
    let refused = b"00000000: LdapErr: DSID-0C090F9F, comment: Error initializing SSL/TLS\0";
    let (code, text) = extended(&result(1, 0x78, 52, refused)).unwrap();
    assert_eq!((code, text.as_bytes()), (52, &refused[..]));
    assert!(extended(&result(1, BIND, 0, b"")).is_err());
    assert!(extended(&tlv(0x30, &[2, 1, 1])).is_err());
}

#[test]
fn real_answers_keep_their_meaning() {
    for (name, octets) in real() {
        let mut rest = &octets[..];
        while !rest.is_empty() {
            let whole = &rest[..size(rest).unwrap().unwrap()];
            rest = &rest[whole.len()..];
            match heard(whole, asked_by(whole)) {
                Ok(Heard::Answer(anew, _)) => assert_eq!(meaning(&anew), meaning(whole), "{name}"),
                Ok(Heard::Nothing) => assert_eq!(operation(whole), 0x73, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn no_octets_upset_the_reader(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        for asked in [binding(), searching(), None] {
            let _ = (size(&octets), heard(&octets, asked), extended(&octets));
        }
        let _ = asked(&octets);
    }

    #[test]
    fn nothing_within_a_message_upsets_the_reader(
        operation in any::<u8>(),
        content in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let whole = peers::message(1, &tlv(operation, &content));
        for asked in [binding(), searching()] {
            if let Ok(Heard::Answer(anew, _)) = heard(&whole, asked) {
                is_plain(&anew);
            }
        }
        let _ = extended(&whole);
    }

    #[test]
    fn real_answers_survive_mutation(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let octets = mutated(&which.get(&real()).1, &changes, cut.index(4096));
        for asked in [binding(), searching(), asked_by(&octets)] {
            if let Ok(Heard::Answer(anew, _)) = heard(&octets, asked) {
                is_plain(&anew);
            }
        }
    }

    #[test]
    fn every_entry_keeps_its_meaning(
        name in ".{0,30}",
        attributes in prop::collection::vec(
            ("[a-zA-Z-]{1,20}", prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)),
            0..8,
        ),
    ) {
        let borrowed: Vec<(&str, Vec<&[u8]>)> = attributes.iter()
            .map(|(kind, values)| (kind.as_str(), values.iter().map(Vec::as_slice).collect()))
            .collect();
        let borrowed: Vec<(&str, &[&[u8]])> =
            borrowed.iter().map(|(kind, values)| (*kind, values.as_slice())).collect();
        let whole = entry(1, &name, &borrowed);
        prop_assert_eq!(meaning(&rewritten(&whole, searching())), meaning(&whole));
    }

    #[test]
    fn every_result_keeps_its_meaning(code in 0_u8..0x80, text in ".{0,200}") {
        for (operation, asked) in [(BIND, binding()), (DONE, searching())] {
            let anew = rewritten(&result(1, operation, code, text.as_bytes()), asked);
            prop_assert_eq!(anew, result_of(1, operation, code, &text));
        }
    }
}

/// What a Samba 4.17 domain controller answered to a bind, searches, changes and their refusals.
pub(super) fn real() -> Vec<(&'static str, Vec<u8>)> {
    let octets = |digits: &str| {
        let each = (0..digits.len()).step_by(2);
        each.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    };
    let lines = include_str!("real_answers.txt").lines();
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, it)| (name, octets(it))).collect()
}

/// Some octets changed, and whatever is behind `cut` left away.
pub(super) fn mutated(octets: &[u8], changes: &[(prop::sample::Index, u8)], cut: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for (at, octet) in changes {
        *at.get_mut(&mut octets) = *octet;
    }
    octets.truncate(cut.max(1));
    octets
}

#[track_caller]
fn rewritten(message: &[u8], asked: Option<Asked>) -> Vec<u8> {
    match heard(message, asked) {
        Ok(Heard::Answer(anew, _)) => anew,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn malformed(message: &[u8], asked: Option<Asked>) {
    assert!(heard(message, asked).is_err(), "{message:02x?}");
}

fn binding() -> Option<Asked> {
    asked(&peers::message(1, &[0x60, 0]))
}

fn searching() -> Option<Asked> {
    search_of(1)
}

fn search_of(id: u8) -> Option<Asked> {
    asked(&peers::message(id, &[0x63, 0]))
}

/// Whatever this message may answer.
fn asked_by(message: &[u8]) -> Option<Asked> {
    let (whole, _) = ber::read(message).ok()?;
    let (id, _) = ber::read(whole.content).ok()?;
    let question = match operation(message) {
        0x64 | 0x65 | 0x73 => 0x63,
        0x6b => 0x4a,
        other => other.wrapping_sub(1),
    };
    asked(&peers::message(*id.content.last()?, &tlv(question, &[])))
}

fn operation(message: &[u8]) -> u8 {
    let Ok((whole, _)) = ber::read(message) else { return 0 };
    let Ok((_, rest)) = ber::read(whole.content) else { return 0 };
    rest.first().copied().unwrap_or_default()
}

/// As the guard writes it: the numbers of four octets.
fn result_of(id: u8, operation: u8, code: u8, text: &str) -> Vec<u8> {
    let said = [tlv(0x0a, &[0, 0, 0, code]), tlv(4, b""), tlv(4, text.as_bytes())].concat();
    tlv(0x30, &[tlv(2, &[0, 0, 0, id]), tlv(operation, &said)].concat())
}

/// All that is in a message, numbers without their leading zeros.
fn meaning(octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut parts = Vec::new();
    let mut rest = octets;
    while let Ok((element, after)) = ber::read(rest) {
        rest = after;
        match element.tag {
            2 | 0x0a => {
                let zeros = element.content.iter().take_while(|it| **it == 0).count();
                parts.push((element.tag, element.content[zeros..].to_vec()));
            }
            tag if tag & 0x20 != 0 => parts.extend(meaning(element.content)),
            tag => parts.push((tag, element.content.to_vec())),
        }
    }
    parts
}

/// What ldap3 takes on trust: whole elements, texts of UTF-8, nothing deep.
fn is_plain(message: &[u8]) {
    fn depth(octets: &[u8]) -> usize {
        let (mut rest, mut deepest) = (octets, 0);
        while !rest.is_empty() {
            let (element, after) = ber::read(rest).unwrap();
            rest = after;
            let below = if element.tag & 0x20 == 0 { 0 } else { depth(element.content) };
            deepest = deepest.max(1 + below);
        }
        deepest
    }
    assert!(depth(message) <= 6, "{message:02x?}");
}
