//! Sessions with peers that break off, lie about who they are, or fall silent.

use std::net::SocketAddr;

use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::peers::{
    BIND, DONE, HOST, LEEWAY, LIMIT, Lab, PASSWORD, Record, STARTED, USER, agree, asked, ends,
    entry, hear, message, result, say, sealed, started,
};
use crate::{
    directory::{
        Bind, Credentials, Fault, Outcome,
        Protection::{self, Ldaps, StartTls},
        Scope, Sealed, Session, Tls,
    },
    net::{
        TcpFault,
        ber::tlv,
        peers::{self, self_signed},
        tls::{Dates, Standing, TlsFault},
    },
};

#[tokio::test]
async fn a_sealed_session_is_bound_and_asked() {
    let lab = Lab::new();
    for protection in [Ldaps, StartTls] {
        let address = serving(&lab, protection).await;
        let mut sealed = open(&lab, address, protection).await.unwrap();
        assert_eq!(sealed.bind(USER, &PASSWORD.into()).await.unwrap().bind(), Bind::Accepted);
        let deleted = sealed.session().delete("CN=x").await.unwrap();
        assert_eq!(deleted.outcome(), Outcome::Done);
    }
}

#[tokio::test]
async fn a_closed_port_is_told() {
    let lab = Lab::new();
    for protection in [Ldaps, StartTls] {
        let fault = open(&lab, peers::closed(), protection).await.unwrap_err();
        assert_eq!(fault, Fault::Tcp(TcpFault::Refused));
    }
    let fault = Session::plain(peers::closed(), LIMIT).await.unwrap_err();
    assert_eq!(fault, Fault::Tcp(TcpFault::Refused));
}

#[tokio::test]
async fn start_tls_refused_is_told_with_its_answer() {
    let refusal = b"00000000: LdapErr: DSID-0C090F9F, comment: Error initializing SSL/TLS\0";
    let fault = after_start_tls(result(1, STARTED, 52, refusal)).await;
    let Fault::StartTlsRefused(answer) = fault else { panic!("{fault:?}") };
    assert_eq!((answer.code, answer.win32), (52, Some(0)));
}

#[tokio::test]
async fn words_after_the_answer_to_start_tls_are_not_taken_for_tls() {
    let words = [result(1, STARTED, 0, b""), result(1, BIND, 0, b"")].concat();
    let fault = after_start_tls(words).await;
    assert_eq!(fault, Fault::Malformed("data after the answer to StartTLS".into()));
}

#[tokio::test]
async fn an_answer_to_something_else_than_start_tls_is_malformed() {
    for words in [result(1, BIND, 0, b""), b"HTTP/1.1 400\r\n".to_vec(), vec![0x30, 0x84, 0x7f]] {
        let fault = after_start_tls([words, vec![0xff; 16]].concat()).await;
        assert!(matches!(fault, Fault::Malformed(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_to_start_tls_in_pieces_is_read() {
    let refusing = peers::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        for octet in result(1, STARTED, 52, b"no") {
            stream.write_all(&[octet]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let _ = stream.read(&mut [0; 64]).await;
    });
    let fault = open(&Lab::new(), refusing.await, StartTls).await.unwrap_err();
    assert!(matches!(fault, Fault::StartTlsRefused(_)), "{fault:?}");
}

#[tokio::test]
async fn a_close_after_start_tls_was_asked_for_is_told_at_once() {
    let closing = peers::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
    });
    let started = Instant::now();
    let fault = open(&Lab::new(), closing.await, StartTls).await.unwrap_err();
    assert_eq!(fault, Fault::Tls(TlsFault::Refused("after StartTLS was asked for".into())));
    assert!(started.elapsed() < LIMIT / 2);
}

#[tokio::test]
async fn silence_is_a_timeout_wherever_it_begins() {
    let lab = Lab::new();
    let (_listener, silent) = peers::silent_tcp();
    timed_out(open(&lab, silent, StartTls).await, Fault::Tls(TlsFault::Timeout), Instant::now());
    let started = Instant::now();
    timed_out(open(&lab, silent, Ldaps).await, Fault::Tls(TlsFault::Timeout), started);
    let begun = peers::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(&result(1, STARTED, 0, b"")).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let started = Instant::now();
    let opened = open(&lab, begun.await, StartTls).await;
    timed_out(opened, Fault::Tls(TlsFault::Timeout), started);
}

#[tokio::test]
async fn silence_after_the_bind_is_a_timeout() {
    let lab = Lab::new();
    let address = sealed(lab.good(), |stream| say(stream, Vec::new())).await;
    let mut sealed = open(&lab, address, Ldaps).await.unwrap();
    let started = Instant::now();
    assert_eq!(sealed.bind(USER, &PASSWORD.into()).await, Err(Fault::Timeout));
    assert!(started.elapsed() < LIMIT + LEEWAY);
}

#[tokio::test]
async fn plain_text_on_the_port_of_ldaps_is_not_tls() {
    let plain = peers::saying(b"0\x0c\x02\x01\x01a\x07\x0a\x01\x00\x04\x00\x04\x00").await;
    let fault = open(&Lab::new(), plain, Ldaps).await.unwrap_err();
    assert!(matches!(fault, Fault::Tls(TlsFault::NotTls(_))), "{fault:?}");
}

#[tokio::test]
async fn a_certificate_of_nobody_is_not_relied_on() {
    let lab = Lab::new();
    for identity in [lab.theirs.identity(HOST, -1..30), self_signed(HOST)] {
        let chain = untrusted(&lab, identity).await;
        assert_eq!(chain.private, Standing::UnknownIssuer);
    }
}

#[tokio::test]
async fn an_expired_certificate_is_not_relied_on() {
    let lab = Lab::new();
    let chain = untrusted(&lab, lab.ours.identity(HOST, -30..-1)).await;
    assert_eq!((chain.private, chain.dates), (Standing::Trusted, Dates::Expired));
    let chain = untrusted(&lab, lab.ours.identity(HOST, 1..30)).await;
    assert_eq!(chain.dates, Dates::NotYetValid);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_relied_on() {
    let lab = Lab::new();
    let chain = untrusted(&lab, lab.ours.identity("dc2.corp.contoso.com", -1..30)).await;
    assert!(!chain.is_named);
}

#[tokio::test]
async fn a_certificate_that_is_not_pinned_is_not_relied_on() {
    let mut lab = Lab::new();
    let identity = lab.good();
    let pin = pin_of(&identity.0[0]);
    let (pinned, other) = (serve(identity, Ldaps).await, serve(lab.good(), Ldaps).await);
    lab.anchors.pins = vec![[7; 32], pin];
    assert!(open(&lab, pinned, Ldaps).await.is_ok());
    let fault = open(&lab, other, Ldaps).await.unwrap_err();
    let Fault::NotPinned(chain) = fault else { panic!("{fault:?}") };
    assert!(chain.leaf.sha256 != pin);
}

#[tokio::test]
async fn a_pin_does_not_stand_for_trust() {
    let mut lab = Lab::new();
    let identity = lab.theirs.identity(HOST, -1..30);
    lab.anchors.pins = vec![pin_of(&identity.0[0])];
    untrusted(&lab, identity).await;
}

#[tokio::test]
async fn an_empty_password_is_never_sent() {
    let lab = Lab::new();
    let record = Record::default();
    let kept = record.clone();
    let address = sealed(lab.good(), move |stream| keep(stream, kept.clone())).await;
    let mut sealed = open(&lab, address, Ldaps).await.unwrap();
    for (user, password) in [(USER, ""), ("", PASSWORD), ("", "")] {
        let bound = sealed.bind(user, &password.into()).await;
        assert_eq!(bound, Err(Fault::Local("user or password is empty".into())));
    }
    assert_eq!(record.len(), 0);
    let _ = sealed.bind(USER, &PASSWORD.into()).await;
    assert!(record.holds(PASSWORD), "the record sees what is sent");
}

#[tokio::test]
async fn the_password_goes_to_nobody_who_has_not_proved_who_he_is() {
    let mut lab = Lab::new();
    lab.anchors.pins = vec![[7; 32]];
    let identities = || {
        let wrong_name = lab.ours.identity("dc2.corp.contoso.com", -1..30);
        [
            lab.theirs.identity(HOST, -1..30),
            lab.ours.identity(HOST, -30..-1),
            wrong_name,
            lab.good(),
        ]
    };
    for protection in [Ldaps, StartTls] {
        for identity in identities() {
            let record = Record::default();
            let kept = record.clone();
            let talk = move |stream| keep(stream, kept.clone());
            let address = if protection == StartTls {
                started(identity, talk).await
            } else {
                sealed(identity, talk).await
            };
            let credentials = credentials();
            let door = lab.door(address, protection);
            let entered = credentials.enter(&door, std::time::UNIX_EPOCH).await;
            let shown = format!("{entered:?}");
            assert!(shown.starts_with("NotReached(Untrusted") || shown.contains("NotPinned"));
            assert_eq!(record.len(), 0, "not an octet under TLS");
            assert!(!shown.contains(PASSWORD));
        }
    }
    // In the clear: whatever is said before TLS stands.
    for words in [result(1, STARTED, 52, b"no"), result(1, BIND, 0, b""), Vec::new()] {
        let record = Record::default();
        let kept = record.clone();
        let address = peers::tcp(move |stream| overheard(stream, words.clone(), kept.clone()));
        let address = address.await;
        for protection in [Ldaps, StartTls] {
            credentials().enter(&lab.door(address, protection), std::time::UNIX_EPOCH).await;
        }
        assert!(record.len() > 0 && !record.holds(PASSWORD) && !record.holds(USER));
    }
}

#[tokio::test]
async fn the_password_is_shown_nowhere() {
    let lab = Lab::new();
    let address = serving(&lab, Ldaps).await;
    let mut sealed = open(&lab, address, Ldaps).await.unwrap();
    let answer = sealed.bind(USER, &PASSWORD.into()).await;
    let credentials = credentials();
    let door = lab.door(address, Ldaps);
    let entered = credentials.enter(&door, std::time::UNIX_EPOCH).await;
    let shown = format!("{sealed:?} {answer:?} {credentials:?} {door:?} {entered:?}");
    assert!(shown.contains(USER) && !shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn objects_are_read_with_their_texts_and_octets() {
    let objects = [("CN", &[&b"x"[..]][..]), ("objectSid", &[b"\x01\xff"]), ("n", &[b"7", b"8"])];
    let words = [entry(1, "CN=x", &objects), result(1, DONE, 0, b"")].concat();
    let read = over(words, async |session| session.read("CN=x", &["cn"]).await).await;
    let entry = read.unwrap().unwrap();
    assert_eq!((entry.name.as_str(), entry.text("cn")), ("CN=x", Some("x")));
    assert_eq!(entry.octets("OBJECTSID"), Some(&b"\x01\xff"[..]));
    assert_eq!((entry.number::<u8>("n"), entry.texts("n").count()), (Some(7), 2));
    assert_eq!((entry.text("objectSid"), entry.text("missing")), (None, None));
}

#[tokio::test]
async fn an_attribute_of_mixed_values_loses_none() {
    let values = [("v", &[&b"text"[..], b"\xff\xfe"][..]), ("V", &[b"more"])];
    let words = [entry(1, "", &values), result(1, DONE, 0, b"")].concat();
    let read = over(words, async |session| session.read("", &["v"]).await).await;
    let entry = read.unwrap().unwrap();
    let mut texts: Vec<&str> = entry.texts("v").collect();
    texts.sort_unstable();
    assert_eq!(texts, ["more", "text"]);
}

#[tokio::test]
async fn an_object_that_is_not_shown_is_no_such_object() {
    let read = over(result(1, DONE, 0, b""), async |session| session.read("CN=x", &[]).await);
    assert_eq!(read.await.unwrap().unwrap_err().outcome(), Outcome::NoSuchObject);
    let denied = over(result(1, DONE, 50, b""), async |session| session.read("CN=x", &[]).await);
    assert_eq!(denied.await.unwrap().unwrap_err().outcome(), Outcome::AccessDenied);
}

#[tokio::test]
async fn more_than_was_asked_for_is_cut_and_told() {
    let entries = (0..5).map(|number| entry(1, &format!("CN={number}"), &[]));
    let words: Vec<u8> = entries.chain([result(1, DONE, 0, b"")]).flatten().collect();
    let search = async |session: &mut Session| {
        session.search("", Scope::Subtree, "(cn=*)", &["cn"], 3).await
    };
    let found = over(words, search).await.unwrap();
    assert_eq!((found.entries.len(), found.answer.outcome()), (3, Outcome::Cut));
}

#[tokio::test]
async fn references_are_not_followed() {
    let reference = message(1, &tlv(0x73, &tlv(4, b"ldap://127.0.0.1:1/DC=x")));
    let words = [reference, result(1, DONE, 10, b"0000202B: RefErr")].concat();
    let read = over(words, async |session| session.read("DC=x", &[]).await).await;
    assert_eq!(read.unwrap().unwrap_err().outcome(), Outcome::Elsewhere);
}

#[tokio::test]
async fn the_account_is_the_one_of_that_principal_name() {
    let named = |principal: &'static [u8]| [("userPrincipalName", vec![principal])];
    let both =
        [named(b"svc-join@old.test"), named(b"svc(join)@CORP.test")].map(|[(kind, values)]| {
            let name = String::from_utf8(values[0].to_vec()).unwrap();
            entry(1, &name, &[(kind, &values)])
        });
    let words = [both.concat(), result(1, DONE, 0, b"")].concat();
    let find = async |session: &mut Session| session.account("DC=x", "svc(join)@corp.test").await;
    let found = over(words, find).await.unwrap().unwrap().unwrap();
    assert_eq!(found.name, "svc(join)@CORP.test");
}

#[tokio::test]
async fn a_bad_filter_is_our_own_fault() {
    let search =
        async |session: &mut Session| session.search("", Scope::Subtree, "(cn=", &["cn"], 3).await;
    let fault = over(Vec::new(), search).await.unwrap_err();
    assert!(fault.is_ours(), "{fault:?}");
}

#[tokio::test]
async fn an_operation_after_the_end_says_why_it_ended() {
    let twice = async |session: &mut Session| {
        let first = session.delete("CN=x").await;
        (first, session.delete("CN=x").await)
    };
    let (first, second) = over(result(0, 0x78, 52, b"bye"), twice).await;
    assert_eq!((first.is_err(), first), (true, second));
}

/// Says yes, and keeps what it hears.
async fn keep(mut stream: crate::net::Stream, record: Record) {
    while let Some(heard) = hear(&mut stream).await {
        record.keep(&heard);
        let (id, operation) = asked(&heard);
        if stream.write_all(&result(id, operation, 0, b"")).await.is_err() {
            return;
        }
    }
}

async fn overheard(mut stream: TcpStream, words: Vec<u8>, record: Record) {
    let mut heard = Vec::new();
    if stream.read_buf(&mut heard).await.is_ok() {
        record.keep(&heard);
        let _ = stream.write_all(&words).await;
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    record.keep(&rest);
}

/// What comes of something asked of a server that answers it with `words`.
async fn over<T>(words: Vec<u8>, ask: impl AsyncFnOnce(&mut Session) -> T) -> T {
    let (near, far) = ends();
    let saying = tokio::spawn(say(Box::new(far), words));
    let mut session = Session::over(near, LIMIT).await.unwrap();
    let told = ask(&mut session).await;
    drop(session);
    saying.await.unwrap();
    told
}

/// What opening comes to where `words` answer the request for StartTLS.
async fn after_start_tls(words: Vec<u8>) -> Fault {
    let address = peers::tcp(move |stream| overheard(stream, words.clone(), Record::default()));
    open(&Lab::new(), address.await, StartTls).await.unwrap_err()
}

async fn untrusted(lab: &Lab, identity: peers::Identity) -> crate::net::tls::Chain {
    let fault = open(lab, serve(identity, Ldaps).await, Ldaps).await.unwrap_err();
    let Fault::Untrusted(chain) = fault else { panic!("{fault:?}") };
    *chain
}

#[track_caller]
fn timed_out(opened: Result<Sealed, Fault>, expected: Fault, started: Instant) {
    assert_eq!(opened.unwrap_err(), expected);
    assert!(started.elapsed() < LIMIT + LEEWAY);
}

async fn open(lab: &Lab, address: SocketAddr, protection: Protection) -> Result<Sealed, Fault> {
    let tls = if protection == StartTls { Tls::OnRequest } else { Tls::FromTheStart };
    Sealed::open(address, HOST, tls, &lab.anchors, LIMIT).await
}

async fn serving(lab: &Lab, protection: Protection) -> SocketAddr {
    serve(lab.good(), protection).await
}

/// Says yes to everything.
async fn serve(identity: peers::Identity, protection: Protection) -> SocketAddr {
    if protection == StartTls {
        started(identity, agree).await
    } else {
        sealed(identity, agree).await
    }
}

fn credentials() -> Credentials {
    let day = std::time::Duration::from_secs(24 * 3600);
    let password = SecretString::from(PASSWORD);
    Credentials::new(
        USER.into(),
        "corp.contoso.com",
        password,
        day,
        crate::directory::Attempts::open(None),
    )
}

fn pin_of(certificate: &[u8]) -> [u8; 32] {
    let sum = ring::digest::digest(&ring::digest::SHA256, certificate);
    sum.as_ref().try_into().unwrap()
}
