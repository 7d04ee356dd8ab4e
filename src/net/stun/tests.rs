use proptest::prelude::*;

use super::*;
use crate::net::peers;

const LIMIT: Duration = Duration::from_millis(200);

/// RFC 5769 section 2.2.
const OVER_IPV4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 section 2.3.
const OVER_IPV6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41\
    80280004c8fb0b4c";
const ELSEWHERE: &str = "192.0.2.1:32853";

#[test]
fn the_vectors_of_rfc_5769_are_read() {
    assert_eq!(published().read(&octets(OVER_IPV4)), Some(mapped(ELSEWHERE)));
    let expected = mapped("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    assert_eq!(published().read(&octets(OVER_IPV6)), Some(expected));
}

#[test]
fn what_answers_someone_else_is_passed_over() {
    let other = Question::new(BINDING);
    assert_eq!(other.read(&octets(OVER_IPV4)), None);
    let allocate = Question { method: ALLOCATE, ..published() };
    assert_eq!(allocate.read(&octets(OVER_IPV4)), None, "a Binding is no Allocate");
    let mut old = octets(OVER_IPV4);
    old[4] ^= 1;
    assert_eq!(published().read(&old), None, "another cookie");
    assert_eq!(published().read(&published().packet()), None, "our own question");
}

#[test]
fn the_masked_address_is_preferred() {
    let plain = [0, 1, 0, 8, 0, 1, 0, 9, 10, 0, 0, 4];
    let masked = &octets(OVER_IPV4)[36..48];
    for attributes in [[&plain, masked].concat(), [masked, &plain].concat()] {
        let response = published().read(&message(0x0101, &attributes));
        assert_eq!(response, Some(mapped(ELSEWHERE)));
    }
    assert_eq!(published().read(&message(0x0101, &plain)), Some(mapped("10.0.0.4:9")));
}

#[test]
fn codes_are_read_and_checked() {
    let coded = |class, number| message(0x0111, &[0, 9, 0, 4, 0, 0, class, number]);
    assert_eq!(published().read(&coded(4, 1)), Some(Response { mapped: None, code: Some(401) }));
    assert_eq!(published().read(&coded(7, 1)), None);
    assert_eq!(published().read(&coded(4, 100)), None);
    assert_eq!(published().read(&message(0x0111, &[])), None, "an error without a code");
}

#[tokio::test]
async fn a_server_says_where_it_sees_us() {
    let server = peers::udp(|question| vec![seen_at(question, ELSEWHERE)]);
    let reply = binding(server, LIMIT).await.unwrap();
    assert_eq!((reply.mapped, reply.code, reply.sent), (ELSEWHERE.parse().ok(), None, 1));
}

#[tokio::test]
async fn a_lost_question_is_sent_again() {
    let mut heard = 0;
    let server = peers::udp(move |question| {
        heard += 1;
        if heard == 2 { vec![seen_at(question, ELSEWHERE)] } else { vec![] }
    });
    assert_eq!(binding(server, LIMIT).await.unwrap().sent, 2);
}

#[tokio::test]
async fn a_relay_that_wants_credentials_is_reached() {
    let relay = peers::udp(|question| match question[1] {
        3 => vec![denied(question, [4, 1])],
        _ => vec![],
    });
    let reply = reach_turn(relay, LIMIT).await.unwrap();
    assert_eq!((reply.code, reply.mapped), (Some(401), None));
}

#[tokio::test]
async fn a_relay_that_only_binds_is_reached() {
    let relay = peers::udp(|question| match question[1] {
        1 => vec![seen_at(question, ELSEWHERE)],
        _ => vec![],
    });
    let reply = reach_turn(relay, LIMIT).await.unwrap();
    assert_eq!((reply.code, reply.mapped), (None, ELSEWHERE.parse().ok()));
}

#[tokio::test]
async fn an_allocation_is_never_possible() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let relay = peers::udp(move |question| {
        sender.send(question.to_vec()).unwrap();
        vec![]
    });
    assert_eq!(reach_turn(relay, LIMIT).await, Err(UdpFault::Timeout));
    let (first, second) = (receiver.recv().await.unwrap(), receiver.recv().await.unwrap());
    assert_eq!((first[1], first.len()), (3, HEADER), "an Allocate without any attribute");
    assert_eq!((second[1], second.len()), (1, HEADER));
    assert_ne!(first[8..], second[8..], "transactions of their own");
}

#[tokio::test]
async fn silence_refusal_and_noise_are_told_apart() {
    let (_socket, silent) = peers::silent_udp();
    assert_eq!(binding(silent, LIMIT).await, Err(UdpFault::Timeout));
    assert_eq!(reach_turn(peers::closed(), LIMIT).await, Err(UdpFault::Refused));
    let echo = peers::udp(|question| vec![question.to_vec()]);
    assert!(matches!(binding(echo, LIMIT).await, Err(UdpFault::Malformed(_))));
}

proptest! {
    #[test]
    fn no_octets_upset_the_reader(
        attributes in prop::collection::vec(any::<u8>(), 0..300),
        kind in prop::sample::select(vec![0x0101, 0x0111, 0x0103]),
    ) {
        published().read(&attributes);
        published().read(&message(kind, &attributes));
    }

    #[test]
    fn what_is_cut_short_is_no_answer(size in 0_usize..80, twisted in 0_usize..80, bit in 0..8) {
        let whole = octets(OVER_IPV4);
        prop_assert_eq!(published().read(&whole[..size]), None);
        let mut twist = whole;
        twist[twisted] ^= 1_u8 << bit;
        published().read(&twist);
    }
}

/// The question that the published vectors answer.
fn published() -> Question {
    let transaction = octets("b7e7a701bc34d686fa87dfae").try_into().unwrap();
    Question { method: BINDING, transaction }
}

fn mapped(address: &str) -> Response {
    Response { mapped: Some(address.parse().unwrap()), code: None }
}

fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    let transaction = published().transaction;
    [&kind.to_be_bytes(), &length, &COOKIE[..], &transaction, attributes].concat()
}

fn seen_at(question: &[u8], address: &str) -> Vec<u8> {
    let SocketAddr::V4(address) = address.parse().unwrap() else { panic!("not of IPv4") };
    let port = (address.port() ^ 0x2112).to_be_bytes();
    let mut octets = address.ip().octets();
    octets.iter_mut().zip(COOKIE).for_each(|(octet, mask)| *octet ^= mask);
    let head = [1, question[1], 0, 12];
    [&head, &question[4..HEADER], &[0, 0x20, 0, 8, 0, 1], &port, &octets].concat()
}

fn denied(question: &[u8], code: [u8; 2]) -> Vec<u8> {
    let head = [1, question[1] | 0x10, 0, 8];
    [&head, &question[4..HEADER], &[0, 9, 0, 4, 0, 0], &code].concat()
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}
