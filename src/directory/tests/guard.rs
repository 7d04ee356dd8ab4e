//! The guard between a server that misbehaves and ldap3 itself.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    message::{mutated, real},
    peers::{BIND, DONE, LEEWAY, LIMIT, agree, ends, entry, message, result, say},
};
use crate::{
    directory::{Fault, Outcome, Scope, Session},
    net::ber::tlv,
};

#[tokio::test]
async fn a_deeply_nested_answer_ends_the_session() {
    let mut nested = vec![5, 0];
    for _ in 0..10_000 {
        nested = tlv(0x30, &nested);
    }
    malformed(nested).await;
}

#[tokio::test]
async fn an_endless_frame_ends_the_session_at_once() {
    malformed(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).await;
}

#[tokio::test]
async fn another_language_ends_the_session() {
    malformed(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    malformed(vec![21, 3, 3, 0, 2, 2, 40]).await;
}

#[tokio::test]
async fn a_part_too_few_ends_the_session() {
    malformed(tlv(0x30, &[2, 1, 1])).await;
    malformed(message(1, &tlv(DONE, &[0x0a, 1, 0, 4, 0]))).await;
}

#[tokio::test]
async fn an_answer_of_another_kind_ends_the_session() {
    malformed(result(1, BIND, 0, b"")).await;
    malformed(result(1, 0x7e, 0, b"")).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_read() {
    let found = asked(result(1, DONE, 53, b"0000216D: caf\xe9")).await.unwrap();
    assert_eq!(found, Outcome::QuotaExceeded);
    let both = [entry(1, "CN=x", &[("caf\u{e9}", &[b"\xff"])]), result(1, DONE, 0, b"")];
    assert_eq!(asked(both.concat()).await.unwrap(), Outcome::Done);
}

#[tokio::test]
async fn what_answers_nothing_is_left_out() {
    let reference = message(1, &tlv(0x73, &tlv(4, b"ldap://evil.test/")));
    let others = [result(9, DONE, 0, b""), reference, message(1, &[0x79, 0])];
    let all = [others.concat(), result(1, DONE, 32, b"")].concat();
    assert_eq!(asked(all).await.unwrap(), Outcome::NoSuchObject);
    assert_eq!(asked(result(9, DONE, 0, b"")).await, Err(Fault::Timeout));
}

#[tokio::test]
async fn a_notice_of_disconnection_is_told() {
    let Err(Fault::Closed(why)) = asked(result(0, 0x78, 52, b"closing\0")).await else { panic!() };
    assert_eq!(why, "notice of disconnection: LDAP result 52 (closing)");
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let started = Instant::now();
    assert_eq!(asked(Vec::new()).await, Err(Fault::Timeout));
    assert!(started.elapsed() < LIMIT + LEEWAY);
}

#[tokio::test]
async fn an_answer_drop_by_drop_is_a_timeout() {
    let (near, mut far) = ends();
    let mut session = Session::over(near, LIMIT).await.unwrap();
    let dripping = tokio::spawn(async move {
        hears(&mut far).await;
        let answer = result(1, DONE, 0, &[b'x'; 120]);
        for octet in answer.chunks(1) {
            if far.write_all(octet).await.is_err() {
                return;
            }
            sleep(LIMIT / 10).await;
        }
        panic!("the session waited for all of it");
    });
    let started = Instant::now();
    assert_eq!(look(&mut session).await, Err(Fault::Timeout));
    assert!(started.elapsed() < LIMIT + LEEWAY);
    drop(session);
    dripping.await.unwrap();
}

#[tokio::test]
async fn a_message_left_in_the_middle_is_told() {
    let (near, mut far) = ends();
    let mut session = Session::over(near, LIMIT).await.unwrap();
    let answer = result(1, DONE, 0, b"");
    far.write_all(&answer[..answer.len() - 2]).await.unwrap();
    drop(far);
    let fault = look(&mut session).await.unwrap_err();
    assert_eq!(fault, Fault::Closed("in the middle of a message".into()));
}

#[tokio::test]
async fn entries_without_end_end_the_session() {
    // Each is fourteen octets to the server, and some hundreds to ldap3.
    let fault = flooded(entry(1, "", &[])).await;
    assert_eq!(fault, Fault::Malformed("more than 200000 parts".into()));
    let values = vec![&b""[..]; 50_000];
    let fault = flooded(entry(1, "", &[("cn", &values)])).await;
    assert_eq!(fault, Fault::Malformed("more than 200000 parts".into()));
}

#[tokio::test]
async fn more_octets_than_any_answer_has_end_the_session() {
    let fault = flooded(entry(1, "", &[("cn", &[&[b'x'; 200_000]])])).await;
    assert_eq!(fault, Fault::Malformed(format!("more than {} octets", 16 * 1024 * 1024)));
}

#[tokio::test]
async fn dropping_a_session_closes_its_connection() {
    let (near, mut far) = ends();
    drop(Session::over(near, LIMIT).await.unwrap());
    let mut rest = Vec::new();
    timeout(LIMIT, far.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, [0_u8; 0]);
}

#[tokio::test]
async fn a_session_goes_on_after_an_answer_that_came_too_late() {
    let (near, mut far) = ends();
    let mut session = Session::over(near, LIMIT).await.unwrap();
    assert_eq!(look(&mut session).await, Err(Fault::Timeout));
    hears(&mut far).await;
    far.write_all(&result(1, DONE, 53, b"late")).await.unwrap();
    let agreeing = tokio::spawn(agree(Box::new(far)));
    assert_eq!(look(&mut session).await, Ok(Outcome::Done));
    agreeing.abort();
}

/// Real answers with some octets changed, each through the guard into ldap3: thousands of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_answers_never_upset_ldap3() {
    let _counted = &*PANICS;
    let index = any::<prop::sample::Index>;
    let changes = prop::collection::vec((index(), any::<u8>()), 0..6);
    let strategy = (index(), changes, prop_oneof![3 => Just(4096_usize), 1 => 1..200_usize]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng());
    let mut ended = HashSet::new();
    for _ in 0..4000 {
        let (which, changes, cut) = strategy.new_tree(&mut runner).unwrap().current();
        let real = real();
        let (name, octets) = which.get(&real);
        let octets = mutated(octets, &changes, cut);
        let fate = driven(name, octets.clone()).await;
        assert_eq!(panics(), Vec::<String>::new(), "{name}: {octets:02x?}");
        ended.insert(fate);
    }
    assert!(ended.len() >= 3, "{ended:?}");
}

/// How the operation ended that `name` answers.
async fn driven(name: &str, octets: Vec<u8>) -> &'static str {
    let limit = Duration::from_millis(20);
    let (near, mut far) = ends();
    let mut session = Session::over(near, limit).await.unwrap();
    let name = name.to_owned();
    let answering = tokio::spawn(async move {
        hears(&mut far).await;
        // Ours is the first question, whatever number the real one had.
        let mut octets = octets;
        let at = if octets.get(1).is_some_and(|it| *it == 0x81) { 5 } else { 4 };
        if let Some(id) = octets.get_mut(at) {
            *id = 1;
        }
        let _ = far.write_all(&octets).await;
        let _ = far.shutdown().await;
        let _ = far.read_to_end(&mut Vec::new()).await;
    });
    let asked: JoinHandle<Result<(), Fault>> = tokio::spawn(async move {
        match name.as_str() {
            "modified" => session.replace("CN=x", "userAccountControl", "4098").await.map(drop),
            "deleted" | "not_found" => session.delete("CN=x").await.map(drop),
            "root_dse" | "searched" | "references" => {
                let found = session.search("", Scope::Subtree, "(cn=*)", &["cn"], 10).await?;
                for entry in &found.entries {
                    let _ = (entry.text("objectGUID"), entry.octets("objectSid"));
                }
                Ok(())
            }
            _ => session.add("CN=x", &[("objectClass", &["computer"])]).await.map(drop),
        }
    });
    let fate = match timeout(LIMIT, asked).await.expect("within its limit").expect("no panic") {
        Ok(()) => "answered",
        Err(Fault::Malformed(_)) => "malformed",
        Err(Fault::Closed(_)) => "closed",
        Err(Fault::Timeout) => "timeout",
        Err(other) => panic!("{other}"),
    };
    answering.await.unwrap();
    fate
}

async fn look(session: &mut Session) -> Result<Outcome, Fault> {
    let found = session.search("", Scope::Base, "(objectClass=*)", &["cn"], 10).await;
    found.map(|found| found.answer.outcome())
}

async fn hears(far: &mut DuplexStream) {
    assert!(far.read(&mut [0; 4096]).await.unwrap() > 0, "nothing was asked");
}

/// What a search comes to that is answered with `octets`.
async fn asked(octets: Vec<u8>) -> Result<Outcome, Fault> {
    let (near, far) = ends();
    let saying = tokio::spawn(say(Box::new(far), octets));
    let mut session = Session::over(near, LIMIT).await.unwrap();
    let outcome = look(&mut session).await;
    drop(session);
    saying.await.unwrap();
    outcome
}

async fn malformed(octets: Vec<u8>) {
    let started = Instant::now();
    let outcome = asked(octets).await;
    assert!(matches!(outcome, Err(Fault::Malformed(_))), "{outcome:?}");
    assert!(started.elapsed() < LIMIT / 2, "at once");
}

/// What a search comes to that is answered with one message over and over.
async fn flooded(message: Vec<u8>) -> Fault {
    let limit = Duration::from_secs(10);
    let (near, mut far) = ends();
    let flooding = tokio::spawn(async move {
        hears(&mut far).await;
        while far.write_all(&message).await.is_ok() {}
    });
    let mut session = Session::over(near, limit).await.unwrap();
    let fault = look(&mut session).await.unwrap_err();
    drop(session);
    flooding.await.unwrap();
    fault
}

fn rng() -> prop::test_runner::TestRng {
    prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha)
}

/// Panics of ldap3, in whatever task.
static PANICS: LazyLock<Mutex<Vec<String>>> = LazyLock::new(|| {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if place.contains("ldap3-") || place.contains("lber-") {
            PANICS.lock().unwrap().push(panic.to_string());
        }
        usual(panic);
    }));
    Mutex::default()
});

fn panics() -> Vec<String> {
    PANICS.lock().unwrap().clone()
}
