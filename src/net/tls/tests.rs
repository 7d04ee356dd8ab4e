use std::net::SocketAddr;

use tokio::io::AsyncReadExt;

use super::*;
use crate::net::{
    peers::{self, Authority},
    tcp,
};

const LIMIT: Duration = Duration::from_millis(300);
const HOST: &str = "login.microsoftonline.com";

#[tokio::test]
async fn a_public_chain_is_trusted() {
    let lab = Lab::new();
    let seen = lab.seen(peers::tls(lab.public.identity(HOST, -30..60)).await, HOST).await;
    assert_eq!((&seen.outcome, seen.version.as_deref()), (&Ok(()), Some("TLS 1.3")));
    let chain = seen.chain.unwrap();
    assert_eq!(chain.public, Standing::Trusted);
    assert_eq!(chain.private, Standing::UnknownIssuer);
    assert_eq!(chain.leaf.subject, "CN=login.microsoftonline.com");
    assert_eq!(chain.leaf.issuer, "CN=Public Root");
    assert_eq!(chain.leaf.names, [HOST]);
    assert_eq!((chain.length, chain.dates, chain.is_named), (2, Dates::Valid, true));
    assert_eq!(chain.leaf.not_after - chain.leaf.not_before, 90 * 24 * 3600);
}

#[tokio::test]
async fn an_intercepted_chain_is_known_to_the_private_store_alone() {
    let lab = Lab::new();
    let server = peers::tls(lab.private.identity(HOST, -30..60)).await;
    lab.stands(server, HOST, (Standing::UnknownIssuer, Standing::Trusted)).await;
}

#[tokio::test]
async fn a_chain_of_nobody_is_unknown_to_both() {
    let lab = Lab::new();
    let server = peers::tls(Authority::new("Nobody").identity(HOST, -30..60)).await;
    lab.stands(server, HOST, (Standing::UnknownIssuer, Standing::UnknownIssuer)).await;
}

#[tokio::test]
async fn a_self_signed_certificate_is_unknown_to_both() {
    let lab = Lab::new();
    let server = peers::tls(peers::self_signed(HOST)).await;
    lab.stands(server, HOST, (Standing::UnknownIssuer, Standing::UnknownIssuer)).await;
}

#[tokio::test]
async fn dates_are_seen() {
    let lab = Lab::new();
    for (days, dates) in [(-30..-1, Dates::Expired), (1..30, Dates::NotYetValid)] {
        let server = peers::tls(lab.public.identity(HOST, days)).await;
        let chain = lab.seen(server, HOST).await.chain.unwrap();
        assert_eq!((chain.dates, chain.public), (dates, Standing::Trusted), "told apart");
        assert_eq!(chain.private, Standing::UnknownIssuer);
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_seen() {
    let lab = Lab::new();
    let server = peers::tls(lab.public.identity("portal.contoso.com", -30..60)).await;
    let chain = lab.seen(server, HOST).await.chain.unwrap();
    assert_eq!((chain.is_named, chain.public), (false, Standing::Trusted), "told apart");
}

#[tokio::test]
async fn everything_wrong_with_a_certificate_is_seen_at_once() {
    let lab = Lab::new();
    let server = peers::tls(lab.private.identity("portal.contoso.com", -30..-1)).await;
    let chain = lab.seen(server, HOST).await.chain.unwrap();
    assert_eq!((chain.is_named, chain.dates), (false, Dates::Expired));
    assert_eq!((chain.public, chain.private), (Standing::UnknownIssuer, Standing::Trusted));
}

#[tokio::test]
async fn a_host_may_be_an_address() {
    let lab = Lab::new();
    let server = peers::tls(lab.public.identity("127.0.0.1", -30..60)).await;
    let seen = lab.seen(server, "127.0.0.1").await;
    let chain = seen.chain.unwrap();
    assert_eq!((chain.public, chain.leaf.names), (Standing::Trusted, vec!["127.0.0.1".into()]));
}

#[tokio::test]
async fn an_empty_private_store_knows_nobody() {
    let lab = Lab { trust: Trust::new(&Roots::mozilla(), &Roots::empty()), ..Lab::new() };
    let server = peers::tls(lab.private.identity(HOST, -30..60)).await;
    lab.stands(server, HOST, (Standing::UnknownIssuer, Standing::UnknownIssuer)).await;
}

#[tokio::test]
async fn a_certificate_of_a_ca_is_refused_as_a_servers() {
    let lab = Lab::new();
    let server = peers::tls(lab.public.own_identity()).await;
    let chain = lab.seen(server, HOST).await.chain.unwrap();
    assert!(matches!(chain.public, Standing::Other(_)), "{chain:?}");
}

#[tokio::test]
async fn only_so_many_certificates_are_looked_at() {
    let lab = Lab::new();
    let (mut chain, key) = lab.public.identity(HOST, -30..60);
    let leaf = chain[0].clone();
    chain.splice(1..1, vec![leaf; 40]);
    chain.extend(lab.private.own_identity().0);
    let chain = lab.seen(peers::tls((chain, key)).await, HOST).await.chain.unwrap();
    assert_eq!((chain.length, chain.public), (43, Standing::Trusted));
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let (_listener, address) = peers::silent_tcp();
    let seen = Lab::new().seen(address, HOST).await;
    assert_eq!((seen.outcome, seen.chain), (Err(TlsFault::Timeout), None));
    assert!(seen.took >= LIMIT && seen.took < LIMIT + Duration::from_millis(50));
}

#[tokio::test]
async fn a_close_after_the_greeting_is_a_refusal() {
    let closing = peers::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    });
    faulty(closing.await, |fault| matches!(fault, TlsFault::Refused(_))).await;
}

#[tokio::test]
async fn a_reset_is_a_refusal() {
    // Closing with the greeting unread resets the connection.
    let resetting = peers::tcp(|stream| async move {
        let _ = stream.readable().await;
    });
    faulty(resetting.await, |fault| matches!(fault, TlsFault::Refused(_))).await;
}

#[tokio::test]
async fn other_languages_are_not_tls() {
    let http = peers::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    faulty(http, |fault| matches!(fault, TlsFault::NotTls(_))).await;
    let ssh = peers::saying(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    faulty(ssh, |fault| matches!(fault, TlsFault::NotTls(_))).await;
}

#[tokio::test]
async fn an_alert_is_kept() {
    let handshake_failure = peers::saying(&[21, 3, 3, 0, 2, 2, 40]).await;
    faulty(handshake_failure, |fault| *fault == TlsFault::Alert("handshake_failure".into())).await;
}

#[tokio::test]
async fn a_name_no_server_can_have_is_not_asked_for() {
    let (_listener, address) = peers::silent_tcp();
    let seen = Lab::new().seen(address, "a..b").await;
    assert!(matches!(seen.outcome, Err(TlsFault::Other(_))), "{seen:?}");
}

async fn faulty(address: SocketAddr, expected: impl Fn(&TlsFault) -> bool) {
    let seen = Lab::new().seen(address, HOST).await;
    let fault = seen.outcome.clone().unwrap_err();
    assert!(expected(&fault), "{fault:?}");
    assert!(seen.took < LIMIT, "{:?}", seen.took);
    assert_eq!((seen.chain, seen.version), (None, None));
}

struct Lab {
    public: Authority,
    private: Authority,
    trust: Trust,
}

impl Lab {
    fn new() -> Self {
        let (public, private) = (Authority::new("Public Root"), Authority::new("Contoso Proxy"));
        let roots = |authority: &Authority| Roots::from_pem(authority.pem().as_bytes()).unwrap();
        let trust = Trust::new(&roots(&public), &roots(&private));
        Self { public, private, trust }
    }

    async fn seen(&self, address: SocketAddr, host: &str) -> Handshake {
        let (stream, _) = tcp::connect(address, LIMIT).await.unwrap();
        self.trust.handshake(stream, host, LIMIT).await
    }

    async fn stands(&self, address: SocketAddr, host: &str, expected: (Standing, Standing)) {
        let seen = self.seen(address, host).await;
        assert_eq!(seen.outcome, Ok(()));
        let chain = seen.chain.unwrap();
        assert_eq!((chain.public, chain.private), expected);
    }
}
