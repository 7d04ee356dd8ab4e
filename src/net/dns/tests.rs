use hickory_resolver::proto::op::{Message, ResponseCode};

use super::*;
use crate::net::peers::{self, Zone};

const LIMIT: Duration = Duration::from_millis(200);
const NAME: &str = "dc1.corp.contoso.com";
const ABSOLUTE: &str = "dc1.corp.contoso.com.";

#[tokio::test]
async fn addresses_are_found() {
    let zone = Zone::default().a(ABSOLUTE, [10, 0, 0, 4]).a(ABSOLUTE, [10, 0, 0, 5]);
    let answer = ask(peers::dns(zone), NAME, Kind::A, LIMIT).await;
    assert_eq!(answer.outcome, addresses(&["10.0.0.4", "10.0.0.5"]));
    assert_eq!(answer.transport, Transport::Udp);
    assert!(answer.took < LIMIT);
}

#[tokio::test]
async fn an_alias_is_followed_within_the_answer() {
    let zone = Zone::default()
        .alias(ABSOLUTE, "Real.contoso.com.")
        .a("real.contoso.com.", [10, 0, 0, 4])
        .a("other.contoso.com.", [10, 0, 0, 5]);
    asked(zone, Kind::A, addresses(&["10.0.0.4"])).await;
}

#[tokio::test]
async fn an_alias_of_nothing_is_no_data() {
    asked(Zone::default().alias(ABSOLUTE, "gone.contoso.com."), Kind::A, Outcome::NoData).await;
}

#[tokio::test]
async fn an_alias_of_itself_ends() {
    asked(Zone::default().alias(ABSOLUTE, ABSOLUTE), Kind::A, Outcome::NoData).await;
}

#[tokio::test]
async fn newer_addresses_are_found() {
    asked(Zone::default().aaaa(ABSOLUTE, "fd00::4"), Kind::Aaaa, addresses(&["fd00::4"])).await;
}

#[tokio::test]
async fn services_are_found_in_lower_case_without_the_final_dot() {
    let found = Service { priority: 5, weight: 100, port: 389, target: "dc1.contoso.com".into() };
    let zone = Zone::default().srv(ABSOLUTE, (5, 100, 389), "DC1.Contoso.com.");
    asked(zone, Kind::Srv, Outcome::Found(Records::Services(vec![found]))).await;
}

#[tokio::test]
async fn codes_are_told_apart() {
    asked(Zone::default(), Kind::A, Outcome::NoData).await;
    asked(Zone::code(ResponseCode::NXDomain), Kind::A, Outcome::NoSuchName).await;
    asked(Zone::code(ResponseCode::Refused), Kind::A, Outcome::Refused).await;
    asked(Zone::code(ResponseCode::ServFail), Kind::A, Outcome::ServerFailure).await;
    asked(Zone::code(ResponseCode::NotImp), Kind::A, Outcome::OtherCode("NOTIMP".into())).await;
}

#[tokio::test]
async fn being_sent_on_is_not_an_answer() {
    let zone = Zone { sends_on: true, ..Zone::default() };
    asked(zone, Kind::A, Outcome::OtherCode("REFERRAL".into())).await;
}

#[tokio::test]
async fn a_refusal_may_leave_the_question_out() {
    let server =
        peers::udp(|question| vec![[&question[..2], &[0x81, 5, 0, 0, 0, 0, 0, 0, 0, 0]].concat()]);
    let answer = ask(server, NAME, Kind::A, LIMIT).await;
    assert_eq!(answer.outcome, Outcome::Refused);
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let (_socket, server) = peers::silent_udp();
    let answer = ask(server, NAME, Kind::A, LIMIT).await;
    assert_eq!(answer.outcome, Outcome::Timeout);
    assert!(answer.took >= LIMIT && answer.took < LIMIT + Duration::from_millis(50));
}

#[tokio::test]
async fn a_closed_port_is_unreachable_at_once() {
    let answer = ask(peers::closed(), NAME, Kind::A, LIMIT).await;
    assert!(matches!(answer.outcome, Outcome::Unreachable(_)), "{answer:?}");
    assert!(answer.took < LIMIT / 2);
}

#[tokio::test]
async fn answers_to_others_are_passed_over() {
    let zone = Zone::default().a(ABSOLUTE, [10, 0, 0, 4]);
    let forged = Zone::default().a(ABSOLUTE, [6, 6, 6, 6]).a("other.", [6, 6, 6, 6]);
    let server = peers::udp(move |bytes| {
        let question = Message::from_vec(bytes).unwrap();
        let mut wrong_id = forged.answer(&question).unwrap();
        wrong_id.metadata.id ^= 1;
        let mut wrong_question = forged.answer(&question).unwrap();
        wrong_question.queries[0].name = "other.".parse().unwrap();
        let right = zone.answer(&question).unwrap();
        let itself = question;
        [itself, wrong_id, wrong_question, right].map(|m| m.to_vec().unwrap()).into()
    });
    let answer = ask(server, NAME, Kind::A, LIMIT).await;
    assert_eq!(answer.outcome, addresses(&["10.0.0.4"]));
}

#[tokio::test]
async fn what_is_not_dns_is_malformed() {
    let server = peers::udp(|_| vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()]);
    let answer = ask(server, NAME, Kind::A, LIMIT).await;
    assert!(matches!(answer.outcome, Outcome::Malformed(_)), "{answer:?}");
}

#[tokio::test]
async fn an_answer_cut_short_without_saying_so_is_malformed_at_once() {
    let server = peers::udp(|question| {
        let answers_promised = [0x81, 0, 0, 1, 0, 9, 0, 0, 0, 0];
        vec![[&question[..2], &answers_promised, &question[12..]].concat()]
    });
    let answer = ask(server, NAME, Kind::A, LIMIT).await;
    assert!(matches!(answer.outcome, Outcome::Malformed(_)), "{answer:?}");
    assert!(answer.took < LIMIT / 2);
}

#[tokio::test]
async fn a_long_answer_is_fetched_over_tcp() {
    let mut zone = Zone { cuts: true, ..Zone::default() };
    for number in 0..200 {
        zone = zone.srv(ABSOLUTE, (0, number, 389), &format!("dc{number}.contoso.com."));
    }
    let answer = ask(peers::dns(zone), NAME, Kind::Srv, LIMIT).await;
    let Outcome::Found(Records::Services(found)) = answer.outcome else { panic!("{answer:?}") };
    assert_eq!((found.len(), answer.transport), (200, Transport::Tcp));
}

#[tokio::test]
async fn truncated_says_why_tcp_did_not_help() {
    let cut = |bytes: &[u8]| {
        let question = Message::from_vec(bytes).unwrap();
        let zone = Zone { cuts: true, ..Zone::default() };
        vec![zone.answer(&question).unwrap().to_vec().unwrap()]
    };
    let refused = ask(peers::udp(cut), NAME, Kind::A, LIMIT).await;
    assert_eq!(refused.outcome, Outcome::Truncated("over TCP: connection refused".into()));
    assert_eq!(refused.transport, Transport::Tcp);

    let (_listener, silent) = peers::udp_beside_silent_tcp(cut);
    let silent = ask(silent, NAME, Kind::A, LIMIT).await;
    assert_eq!(silent.outcome, Outcome::Truncated("over TCP: no answer".into()));
    assert!(silent.took < LIMIT + Duration::from_millis(50));

    let (listener, closing) = peers::udp_beside_silent_tcp(cut);
    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let closed = ask(closing, NAME, Kind::A, LIMIT).await;
    let Outcome::Truncated(why) = &closed.outcome else { panic!("{closed:?}") };
    assert_ne!(why, "over TCP: no answer");
    assert!(closed.took < LIMIT / 2);
}

#[tokio::test]
async fn what_is_no_name_is_not_asked() {
    let answer = ask(peers::closed(), "a..b", Kind::A, LIMIT).await;
    assert!(matches!(answer.outcome, Outcome::NotAsked(_)), "{answer:?}");
}

#[tokio::test]
async fn any_answer_opens_to_a_knock() {
    let refusing = peers::dns(Zone::code(ResponseCode::Refused));
    assert!(knock(refusing, LIMIT).await.is_ok());
    assert_eq!(knock(peers::closed(), LIMIT).await, Err(UdpFault::Refused));
}

async fn asked(zone: Zone, kind: Kind, expected: Outcome) {
    assert_eq!(ask(peers::dns(zone), NAME, kind, LIMIT).await.outcome, expected);
}

fn addresses(expected: &[&str]) -> Outcome {
    let expected = expected.iter().map(|address| address.parse().unwrap());
    Outcome::Found(Records::Addresses(expected.collect()))
}
