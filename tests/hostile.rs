//! Domain controllers that are broken or worse: each is told for what it is, within its limit, and
//! leaves nothing behind in this process.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::{
    fs,
    mem::discriminant,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use anc_healthd::{
    directory::{
        Anchors, Attempts, Credentials, Door, DoorPorts, Entered, Fault,
        Protection::{self, Ldaps, StartTls},
        Sealed, Session, Tls,
    },
    net::{
        Stream, TcpFault,
        ber::{self, tlv},
        tls::{Roots, TlsFault, Trust},
    },
};
use futures::{StreamExt, future::BoxFuture, stream};
use support::{
    pki::{Identity, Pki},
    ports::refused_address,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const HOST: &str = "dc1.corp.contoso.test";
const USER: &str = "svc-join@corp.contoso.test";
const PASSWORD: &str = "Join!Passw0rd";
const LIMIT: Duration = Duration::from_millis(500);
/// How much longer it may take on a busy machine.
const LEEWAY: Duration = Duration::from_millis(400);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whoever measures this process is alone in it.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_told() {
    let _alone = ALONE.lock().await;
    for (words, expected) in broken_answers(DONE) {
        let address = plain(Script::Says(words)).await;
        let started = Instant::now();
        let mut session = Session::plain(address, LIMIT).await.unwrap();
        let fault = session.root_dse().await.unwrap_err();
        assert!(alike(&fault, &expected), "{fault:?} and not {expected:?}");
        assert!(started.elapsed() < LIMIT + LEEWAY, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_only_odd_is_read() {
    let _alone = ALONE.lock().await;
    let reference = message(1, &tlv(0x73, &tlv(4, b"ldap://evil.test/")));
    let elsewhere = message(9, &tlv(DONE, &[0x0a, 1, 0, 4, 0, 4, 0]));
    let referral = [&[0x0a, 1, 10, 4, 0, 4, 0][..], &tlv(0xa3, &tlv(4, b"ldap://a/"))].concat();
    for words in [
        result(1, DONE, 50, b"caf\xe9"),
        [reference, elsewhere, message(1, &[0x79, 0]), result(1, DONE, 50, b"")].concat(),
        message(1, &tlv(DONE, &referral)),
    ] {
        let address = plain(Script::Says(words)).await;
        let mut session = Session::plain(address, LIMIT).await.unwrap();
        assert!(session.root_dse().await.unwrap().is_err(), "a refusal, and no fault");
    }
}

#[tokio::test]
async fn a_sign_in_to_a_broken_server_is_unanswered() {
    let _alone = ALONE.lock().await;
    let lab = Lab::new();
    for protection in [Ldaps, StartTls] {
        for (words, expected) in broken_answers(BOUND) {
            let address = lab.serve(protection, lab.pki.valid(HOST), Script::Says(words)).await;
            let started = Instant::now();
            let entered = lab.enter(address, protection).await;
            let Entered::Unanswered(fault) = entered else { panic!("{entered:?}") };
            assert!(alike(&fault, &expected), "{fault:?} and not {expected:?}");
            assert!(started.elapsed() < LIMIT * 2 + LEEWAY, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_to_nobody_who_can_be_trusted_is_not_begun() {
    let _alone = ALONE.lock().await;
    let lab = Lab::new();
    let untrusted = [
        Pki::new("Nobody").valid(HOST),
        Identity::self_signed(HOST),
        lab.pki.expired(HOST),
        lab.pki.not_yet_valid(HOST),
        lab.pki.valid("dc2.corp.contoso.test"),
        lab.pki.valid(HOST).without_intermediate(),
    ];
    for protection in [Ldaps, StartTls] {
        for identity in untrusted.clone() {
            let address = lab.serve(protection, identity, Script::Good).await;
            let entered = lab.enter(address, protection).await;
            assert!(matches!(entered, Entered::NotReached(Fault::Untrusted(_))), "{entered:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_that_does_not_get_as_far_as_tls_is_told() {
    let _alone = ALONE.lock().await;
    let lab = Lab::new();
    let garbage = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let refusal = result(1, STARTED, 52, b"00000000: LdapErr: Error initializing SSL/TLS\0");
    let yes = result(1, STARTED, 0, b"");
    let more = [yes.clone(), yes.clone()].concat();
    for (protection, script, expected) in [
        (Ldaps, Script::Closes, Fault::Tls(TlsFault::Refused(String::new()))),
        (Ldaps, Script::Says(garbage.clone()), Fault::Tls(TlsFault::NotTls(String::new()))),
        (Ldaps, Script::Says(Vec::new()), Fault::Tls(TlsFault::Timeout)),
        (StartTls, Script::Closes, Fault::Tls(TlsFault::Refused(String::new()))),
        (StartTls, Script::Says(garbage), Fault::Malformed(String::new())),
        (StartTls, Script::Says(Vec::new()), Fault::Tls(TlsFault::Timeout)),
        (StartTls, Script::Says(yes), Fault::Tls(TlsFault::Timeout)),
        (StartTls, Script::Says(more), Fault::Malformed(String::new())),
    ] {
        let address = plain(script).await;
        let started = Instant::now();
        let entered = lab.enter(address, protection).await;
        let Entered::NotReached(fault) = entered else { panic!("{entered:?}") };
        assert!(alike(&fault, &expected), "{fault:?} and not {expected:?}");
        assert!(started.elapsed() < LIMIT + LEEWAY, "{fault:?}");
    }
    let entered = lab.enter(plain(Script::Says(refusal)).await, StartTls).await;
    assert!(matches!(entered, Entered::NotReached(Fault::StartTlsRefused(_))), "{entered:?}");
    let entered = lab.enter(refused_address(), Ldaps).await;
    assert!(matches!(entered, Entered::NotReached(Fault::Tcp(TcpFault::Refused))), "{entered:?}");
}

/// What is sent in octets must not cost a multiple of it in memory: ldap3 keeps some hundred for
/// each part of a message, and a message may be all parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_answers_takes_little_memory() {
    let _alone = ALONE.lock().await;
    let values: Vec<u8> = (0..80_000).flat_map(|_| tlv(4, b"")).collect();
    let attribute = tlv(0x30, &[tlv(4, b"cn"), tlv(0x31, &values)].concat());
    let wide = tlv(0x64, &[tlv(4, b""), tlv(0x30, &attribute)].concat());
    for flood in [message(1, &[0x64, 4, 4, 0, 0x30, 0]), message(1, &wide)] {
        let before = resident();
        let address = plain(Script::Repeats(flood)).await;
        let mut session = Session::plain(address, LIMIT * 20).await.unwrap();
        let fault = session.root_dse().await.unwrap_err();
        let grown = resident().saturating_sub(before);
        eprintln!("flood: {fault}; {grown} KiB");
        assert!(alike(&fault, &Fault::Malformed(String::new())), "{fault:?}");
        // 200 000 parts of a hundred octets or two.
        assert!(grown < 64 * 1024, "{grown} KiB");
    }
}

/// Half of them fail, in five ways; the others bind and read rootDSE.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connects_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let lab = Lab::new();
    let good = lab.serve(Ldaps, lab.pki.valid(HOST), Script::Good).await;
    let stranger = Pki::new("Nobody").valid(HOST);
    let garbled = lab.serve(Ldaps, lab.pki.valid(HOST), Script::Says(tlv(0x30, &[2, 1, 1]))).await;
    let failing = [
        (refused_address(), LIMIT * 20),
        (plain(Script::Closes).await, LIMIT * 20),
        (garbled, LIMIT * 20),
        (plain(Script::Says(Vec::new())).await, Duration::from_millis(50)),
        (lab.serve(Ldaps, stranger, Script::Good).await, LIMIT * 20),
    ];
    let peers = failing.into_iter().flat_map(|failing| [(good, LIMIT * 20), failing]);
    let peers: Vec<_> = peers.collect();
    let connects = |count: usize| {
        let visits = (0..count).map(|number| {
            let (address, limit) = peers[number % peers.len()];
            visit(&lab, address, limit)
        });
        stream::iter(visits).buffer_unordered(50).filter(|done| std::future::ready(*done)).count()
    };

    let started = Instant::now();
    assert_eq!(connects(1000).await, 500, "half of them come through");
    let before = settled(0).await;
    assert_eq!(connects(9000).await, 4500);
    let after = settled(before.tasks).await;
    eprintln!("10,000 connects: {:.1?}; {before:?}, then {after:?}", started.elapsed());

    assert_eq!((after.tasks, after.descriptors), (before.tasks, before.descriptors));
    // A single kibibyte left by each would be 9 MiB; what allocators keep is less than half.
    let grown = after.resident.saturating_sub(before.resident);
    assert!(grown < 4 * 1024, "{grown} KiB more after 9,000 connects");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// Whether there was an answer to a sign-in and a question.
async fn visit(lab: &Lab, address: SocketAddr, limit: Duration) -> bool {
    let opened = Sealed::open(address, HOST, Tls::FromTheStart, &lab.anchors, limit).await;
    let Ok(mut sealed) = opened else { return false };
    let Ok(answer) = sealed.bind(USER, &PASSWORD.into()).await else { return false };
    let read = sealed.session().root_dse().await;
    answer.is_done() && read.is_ok_and(|it| it.is_ok_and(|it| it.default_naming_context == "DC=x"))
}

/// What this process has, once no more than `tasks` are alive or no more of them end.
async fn settled(tasks: usize) -> Usage {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let mut still = 0;
    let mut last = alive();
    while still < 10 && last > tasks {
        sleep(Duration::from_millis(50)).await;
        still = if alive() == last { still + 1 } else { 0 };
        last = alive();
    }
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    Usage { descriptors, tasks: last, resident: resident() }
}

#[derive(Debug)]
struct Usage {
    descriptors: usize,
    tasks: usize,
    /// KiB.
    resident: usize,
}

/// In KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What a server may say in the place of an answer, and what that is.
fn broken_answers(operation: u8) -> Vec<(Vec<u8>, Fault)> {
    let malformed = || Fault::Malformed(String::new());
    let closed = || Fault::Closed(String::new());
    let mut nested = vec![5, 0];
    for _ in 0..10_000 {
        nested = tlv(0x30, &nested);
    }
    let oid = tlv(0x8a, b"1.3.6.1.4.1.1466.20036");
    let bye = [&[0x0a, 1, 52, 4, 0][..], &tlv(4, b"closing")].concat();
    let another = if operation == DONE { BOUND } else { DONE };
    vec![
        (nested, malformed()),
        ([&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff][..], &[0; 4096]].concat(), malformed()),
        (tlv(0x30, &[2, 1, 1]), malformed()),
        (message(1, &tlv(operation, &[0x0a, 1, 0, 4, 0])), malformed()),
        (result(1, another, 0, b""), malformed()),
        (result(1, 0x7e, 0, b""), malformed()),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), malformed()),
        (message(0, &tlv(STARTED, &[bye.clone(), oid.clone()].concat())), closed()),
        (message(0, &[tlv(STARTED, &bye), oid].concat()), closed()),
        (result(9, operation, 0, b""), Fault::Timeout),
        (Vec::new(), Fault::Timeout),
        (result(1, operation, 0, b"")[..9].to_vec(), Fault::Timeout),
    ]
}

/// Whatever the words in it.
fn alike(fault: &Fault, other: &Fault) -> bool {
    let kind = |fault: &Fault| match fault {
        Fault::Tls(why) => (discriminant(fault), Some(discriminant(why))),
        Fault::Tcp(_)
        | Fault::Untrusted(_)
        | Fault::NotPinned(_)
        | Fault::StartTlsRefused(_)
        | Fault::Malformed(_)
        | Fault::Closed(_)
        | Fault::Timeout
        | Fault::Local(_) => (discriminant(fault), None),
    };
    kind(fault) == kind(other)
}

/// What a server does once it is connected to.
#[derive(Clone)]
enum Script {
    /// Answers as it should.
    Good,
    /// Hangs up on the first word.
    Closes,
    /// Says this to the first word, and nothing more.
    Says(Vec<u8>),
    /// Says this over and over.
    Repeats(Vec<u8>),
}

impl Script {
    async fn play(&self, mut stream: Stream) {
        let Some(mut heard) = hear(&mut stream).await else { return };
        match self {
            Self::Closes => (),
            Self::Says(words) => {
                let _ = stream.write_all(words).await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            Self::Repeats(words) => while stream.write_all(words).await.is_ok() {},
            Self::Good => loop {
                if stream.write_all(&answer(&heard)).await.is_err() {
                    return;
                }
                let Some(next) = hear(&mut stream).await else { return };
                heard = next;
            },
        }
    }
}

/// A bind succeeds; to anything else there is one entry.
fn answer(question: &[u8]) -> Vec<u8> {
    let whole = ber::read(question).unwrap().0.content;
    let (id, rest) = ber::read(whole).unwrap();
    let id = *id.content.last().unwrap();
    if rest[0] == 0x60 {
        return result(id, BOUND, 0, b"");
    }
    let value = tlv(0x31, &tlv(4, b"DC=x"));
    let attribute = tlv(0x30, &[tlv(4, b"defaultNamingContext"), value].concat());
    let entry = tlv(0x64, &[tlv(4, b""), tlv(0x30, &attribute)].concat());
    [message(id, &entry), result(id, DONE, 0, b"")].concat()
}

async fn hear(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut heard = Vec::new();
    // A greeting of TLS is no LDAP message, and as good for a first word.
    while heard.first().is_none_or(|it| *it == 0x30) && ber::read(&heard).is_err() {
        if stream.read_buf(&mut heard).await.ok()? == 0 {
            return None;
        }
    }
    Some(heard)
}

async fn plain(script: Script) -> SocketAddr {
    serve(move |stream| {
        let script = script.clone();
        Box::pin(async move { script.play(Box::new(stream)).await })
    })
    .await
}

async fn serve(talk: impl Fn(TcpStream) -> BoxFuture<'static, ()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let talk = timeout(Duration::from_secs(30), talk(stream));
            tokio::spawn(async move { drop(talk.await) });
        }
    });
    address
}

fn result(id: u8, operation: u8, code: u8, text: &[u8]) -> Vec<u8> {
    let text = tlv(4, text);
    message(id, &tlv(operation, &[&[0x0a, 1, code, 4, 0][..], &text].concat()))
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, id][..], operation].concat())
}

const BOUND: u8 = 0x61;
const DONE: u8 = 0x65;
const STARTED: u8 = 0x78;

/// An authority that is trusted.
struct Lab {
    pki: Pki,
    anchors: Anchors,
}

impl Lab {
    fn new() -> Self {
        let pki = Pki::new("Contoso Root");
        let roots = Roots::from_pem(pki.root_pem().as_bytes()).unwrap();
        let anchors = Anchors { trust: Trust::new(&Roots::empty(), &roots), pins: Vec::new() };
        Self { pki, anchors }
    }

    async fn serve(
        &self,
        protection: Protection,
        identity: Identity,
        script: Script,
    ) -> SocketAddr {
        let acceptor = acceptor(&identity);
        serve(move |mut stream| {
            let (acceptor, script) = (acceptor.clone(), script.clone());
            Box::pin(async move {
                if protection == StartTls {
                    stream.read_exact(&mut [0; 31]).await.unwrap();
                    stream.write_all(&result(1, STARTED, 0, b"")).await.unwrap();
                }
                if let Ok(stream) = acceptor.accept(stream).await {
                    script.play(Box::new(stream)).await;
                }
            })
        })
        .await
    }

    async fn enter(&self, address: SocketAddr, protection: Protection) -> Entered {
        let attempts = Attempts::open(None);
        let account =
            Credentials::new(USER.into(), "corp.contoso.test", PASSWORD.into(), DAY, attempts);
        let port = address.port();
        let door = Door {
            host: HOST,
            address: address.ip(),
            domain: "corp.contoso.test",
            ports: DoorPorts { ldap: port, ldaps: port, kerberos: port },
            protection,
            anchors: &self.anchors,
            limit: LIMIT,
        };
        account.enter(&door, UNIX_EPOCH + DAY).await
    }
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes());
    let chain = chain.map(|certificate| certificate.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
