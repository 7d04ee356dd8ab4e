//! Elements of BER, as LDAP and Kerberos are made of them, on the crate lber.

use bytes::BytesMut;
use lber::{
    Parser,
    common::TagClass,
    structure::{PL, StructureTag},
    write,
};

pub(super) type Element = StructureTag;

/// What octets begin with.
pub(super) enum Read {
    /// An element, and how many octets it takes.
    Whole(Element, usize),
    /// The beginning of one.
    Part,
    Malformed,
}

pub(super) fn read(octets: &[u8]) -> Read {
    match Parser::new().parse(octets) {
        Ok((rest, element)) => Read::Whole(element, octets.len() - rest.len()),
        Err(lber::Err::Incomplete(_)) => Read::Part,
        Err(lber::Err::Error(_) | lber::Err::Failure(_)) => Read::Malformed,
    }
}

pub(super) fn written(element: Element) -> Vec<u8> {
    let mut octets = BytesMut::new();
    match write::encode_into(&mut octets, element) {
        Ok(()) => octets.to_vec(),
        Err(_) => Vec::new(),
    }
}

pub(super) fn octets(value: impl Into<Vec<u8>>) -> Element {
    primitive(TagClass::Universal, OCTETS, value.into())
}

/// A string of a universal type of its own, such as a GeneralizedTime.
pub(super) fn string(kind: u64, text: &str) -> Element {
    primitive(TagClass::Universal, kind, text.into())
}

pub(super) fn integer(value: i64) -> Element {
    primitive(TagClass::Universal, INTEGER, shortest(value))
}

pub(super) fn enumerated(value: i64) -> Element {
    primitive(TagClass::Universal, ENUMERATED, shortest(value))
}

pub(super) fn sequence(parts: Vec<Element>) -> Element {
    constructed(TagClass::Universal, SEQUENCE, parts)
}

pub(super) fn set(parts: Vec<Element>) -> Element {
    constructed(TagClass::Universal, SET, parts)
}

pub(super) fn application(id: u64, parts: Vec<Element>) -> Element {
    constructed(TagClass::Application, id, parts)
}

pub(super) fn context(id: u64, parts: Vec<Element>) -> Element {
    constructed(TagClass::Context, id, parts)
}

/// Takes an element that is tagged for its context apart again.
pub(super) fn tagged(element: Element, id: u64) -> Option<Element> {
    element.match_class(TagClass::Context)?.match_id(id)
}

pub(super) fn parts(element: Element) -> Option<std::vec::IntoIter<Element>> {
    Some(element.expect_constructed()?.into_iter())
}

pub(super) fn value(element: Element) -> Option<Vec<u8>> {
    element.expect_primitive()
}

pub(super) fn text(element: Element) -> Option<String> {
    String::from_utf8(value(element)?).ok()
}

pub(super) fn number(element: Element) -> Option<i64> {
    let octets = value(element)?;
    let sign = if octets.first()? & 0x80 == 0 { 0 } else { -1 };
    let more = |number: i64, octet: &u8| number << 8 | i64::from(*octet);
    (octets.len() <= 8).then(|| octets.iter().fold(sign, more))
}

const INTEGER: u64 = 2;
const OCTETS: u64 = 4;
const ENUMERATED: u64 = 10;
const SEQUENCE: u64 = 16;
const SET: u64 = 17;

fn primitive(class: TagClass, id: u64, content: Vec<u8>) -> Element {
    Element { class, id, payload: PL::P(content) }
}

fn constructed(class: TagClass, id: u64, parts: Vec<Element>) -> Element {
    Element { class, id, payload: PL::C(parts) }
}

/// Two's complement in as few octets as hold it.
fn shortest(value: i64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let spare = |pair: &&[u8]| match **pair {
        [0, next] => next & 0x80 == 0,
        [0xff, next] => next & 0x80 != 0,
        _ => false,
    };
    let spare = octets.windows(2).take_while(spare).count();
    octets[spare..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_as_few_octets_as_hold_them() {
        for (value, octets) in
            [(0, &[0][..]), (127, &[127]), (128, &[0, 128]), (-1, &[255]), (-129, &[255, 127])]
        {
            assert_eq!(shortest(value), octets, "{value}");
            assert_eq!(number(integer(value)), Some(value));
        }
    }

    #[test]
    fn a_part_is_no_element_yet() {
        let whole = written(sequence(vec![integer(1), octets("two")]));
        assert!(matches!(read(&whole), Read::Whole(_, 10)));
        assert!((0..whole.len()).all(|end| matches!(read(&whole[..end]), Read::Part)));
    }
}
