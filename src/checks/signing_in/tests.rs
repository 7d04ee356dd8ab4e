//! What stands in the way of signing in. The checks that sign in test with the same cases.

use std::{io::Write as _, net::TcpListener, time::UNIX_EPOCH};

use super::*;
use crate::{
    catalogue::reason,
    directory::{Attempts, Bind, Site},
    engine::Reason,
    net::{
        dns::{Lookup, Outcome},
        tls::{Certificate, Chain, Dates, Roots, Standing, TlsFault, Trust},
    },
};

pub(in crate::checks) const DOMAIN: &str = "corp.contoso.com";
pub(in crate::checks) const USER: &str = "svc-join@corp.contoso.com";
/// Nothing that a check says may hold it.
pub(in crate::checks) const PASSWORD: &str = "canary";

/// One domain controller, and what its ending means.
pub(in crate::checks) struct Case {
    pub(in crate::checks) sentence: &'static str,
    pub(in crate::checks) signed_in: SignedIn,
    pub(in crate::checks) weight: Weight,
    pub(in crate::checks) reasons: Vec<Reason>,
}

#[test]
fn each_ending_has_its_weight_and_reasons() {
    for Case { sentence, signed_in, weight, reasons } in cases() {
        let told = troubles(&signed_in, USER);
        let told: Vec<_> = told.iter().map(|it| (it.weight, it.reason)).collect();
        let wanted: Vec<_> = reasons.into_iter().map(|reason| (weight, reason)).collect();
        assert_eq!(told, wanted, "{sentence}");
    }
}

#[test]
fn a_refusal_is_of_the_account_and_the_rest_of_the_domain_controller() {
    for Case { sentence, signed_in, weight, .. } in cases() {
        let Some((_, ending)) = signed_in.tried.first() else { continue };
        let is_of_account = weight == Weight::Join || matches!(ending, Ending::Withheld(_));
        let subject = if is_of_account { USER } else { "dc1" };
        for trouble in troubles(&signed_in, USER) {
            assert_eq!(trouble.subject, subject, "{sentence}");
        }
    }
}

#[test]
fn an_account_that_is_refused_is_tried_nowhere_else() {
    for Case { sentence, signed_in, weight, .. } in cases() {
        let Some((_, ending)) = signed_in.tried.first() else { continue };
        let is_of_account = weight == Weight::Join || matches!(ending, Ending::Withheld(_));
        assert_eq!(ending.is_final(), is_of_account, "{sentence}");
    }
}

#[test]
fn what_is_withheld_tells_when_it_is_tried_again() {
    let told = troubles(&withheld(Some(Bind::WrongCredentials)), USER);
    let detail = &told[0].detail;
    assert!(detail.contains("dc1 refused at 2026-11-22T17:04:00Z"), "{detail}");
    assert!(detail.contains("the next try is at 2026-11-23T17:04:00Z"), "{detail}");
    let detail = &troubles(&withheld(None), USER)[0].detail;
    assert!(detail.contains("twice did not answer"), "{detail}");
}

#[test]
fn no_password_was_sent_to_one_that_could_not_prove_itself() {
    let told = troubles(&tried([not_reached(untrusted(UNKNOWN, Dates::Valid, true))]), USER);
    assert!(told[0].detail.ends_with("no password was sent"), "{told:?}");
}

#[tokio::test]
async fn those_after_the_third_are_asked_whether_a_join_could_begin_there() {
    let ldap = TcpListener::bind("0.0.0.0:0").unwrap();
    let answering = ldap.try_clone().unwrap();
    // What it says does not matter, but that it says something.
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = answering.accept() {
            let _ = client.write_all(b"something");
        }
    });
    let mut signing_in = signing_in();
    signing_in.locator.servers = (2..6).map(|last| format!("127.0.0.{last}")).collect();
    signing_in.ports = DoorPorts { ldap: port_of(&ldap), ldaps: closed(), kerberos: closed() };
    let (signed_in, sealed) =
        signing_in.sign_in(Budget::within(Duration::from_secs(30)), Vec::new()).await.unwrap();
    assert!(sealed.is_none());
    let endings: Vec<_> = signed_in.tried.iter().map(|(_, ending)| ending).collect();
    let [first, second, third, fourth] = endings[..] else { panic!("{endings:?}") };
    for tried in [first, second, third] {
        let fault = Fault::Tcp(TcpFault::Refused);
        assert!(matches!(tried, Ending::NotReached { fault: it, ldap: Ok(()) } if *it == fault));
    }
    assert!(matches!(fourth, Ending::OutOfTime { ldap: Ok(()) }), "{fourth:?}");
}

#[tokio::test]
async fn one_that_takes_all_the_time_is_not_said_to_be_silent() {
    let ldaps = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut signing_in = signing_in();
    signing_in.locator.servers = vec!["127.0.0.1".into()];
    signing_in.ports = DoorPorts { ldap: closed(), ldaps: port_of(&ldaps), kerberos: closed() };
    let (now, step) = (Instant::now(), Duration::from_secs(30));
    let soon = now + Duration::from_secs(1);
    let budget = Budget { step, trying: soon, end: soon };
    let (signed_in, _) = signing_in.sign_in(budget, Vec::new()).await.unwrap();
    let (_, ending) = &signed_in.tried[0];
    assert!(matches!(ending, Ending::OutOfTime { ldap: Err(_) }), "{ending:?}");
    let told = troubles(&signed_in, USER);
    assert_eq!((told[0].weight, told[0].reason), (Weight::Look, reason::COULD_NOT_LOOK));
}

/// What a domain controller may do, and what it means.
pub(in crate::checks) fn cases() -> Vec<Case> {
    let cases = [of_accounts(), of_connections(), of_certificates(), of_locating(), of_memory()];
    cases.into_iter().flatten().collect()
}

fn of_accounts() -> Vec<Case> {
    use Weight::{Controller, Join, Look};
    let refused = |code, win32, data| tried([Ending::Refused(answer(code, win32, data))]);
    let data = |data| refused(49, Some(0x8009_0308), Some(data));
    vec![
        case("a wrong password", data(0x52e), Join, [reason::WRONG_CREDENTIALS]),
        case("no such user", data(0x525), Join, [reason::WRONG_CREDENTIALS]),
        case("a disabled account", data(0x533), Join, [reason::ACCOUNT_DISABLED]),
        case("a locked account", data(0x775), Join, [reason::ACCOUNT_LOCKED]),
        case("an expired account", data(0x701), Join, [reason::ACCOUNT_EXPIRED]),
        case("another restriction", data(0x52f), Join, [reason::ACCOUNT_RESTRICTED]),
        case("logon hours", data(0x530), Join, [reason::ACCOUNT_RESTRICTED]),
        case("workstations", data(0x531), Join, [reason::ACCOUNT_RESTRICTED]),
        case("an expired password", data(0x532), Join, [reason::PASSWORD_EXPIRED]),
        case("a password to be changed", data(0x773), Join, [reason::PASSWORD_MUST_CHANGE]),
        case("data without a word", data(0x999), Join, [reason::BIND_REFUSED]),
        case("49 and nothing more", refused(49, None, None), Join, [reason::BIND_REFUSED]),
        case("another code", refused(48, None, None), Look, [reason::LDAP_ERROR]),
        case("no logon server", data(0x51f), Controller, [reason::DC_UNREACHABLE]),
        case("signing", refused(8, Some(0x2028), None), Look, [reason::SIGNING_REQUIRED]),
        case("confidentiality", refused(13, None, None), Look, [reason::SIGNING_REQUIRED]),
        case(
            "channel binding",
            refused(49, Some(0x8009_0346), None),
            Look,
            [reason::CHANNEL_BINDING_REQUIRED],
        ),
        case("busy", refused(51, None, None), Controller, [reason::DC_UNREACHABLE]),
        case("unavailable", refused(52, None, None), Controller, [reason::DC_UNREACHABLE]),
    ]
}

fn of_connections() -> Vec<Case> {
    use Weight::{Controller, Look};
    let fault = |fault| tried([not_reached(fault)]);
    let unanswered = |fault| tried([Ending::Unanswered(fault)]);
    let closed = |fault| tried([Ending::NotReached { fault, ldap: Err(TcpFault::Timeout) }]);
    let unseen = || Err(TcpFault::Other("no descriptor".into()));
    let late = |ldap| tried([Ending::OutOfTime { ldap }]);
    let malformed = || Fault::Malformed("begins with octet 0x48".into());
    let tcp = |why| fault(Fault::Tcp(why));
    let tls = |why| fault(Fault::Tls(why));
    let why = || "why".to_owned();
    vec![
        case("636 refuses", tcp(TcpFault::Refused), Look, [reason::TCP_REFUSED]),
        case("636 is silent", tcp(TcpFault::Timeout), Look, [reason::TCP_TIMEOUT]),
        case("no way", tcp(TcpFault::Unreachable(why())), Look, [reason::TCP_UNREACHABLE]),
        case("no socket", tcp(TcpFault::Other(why())), Look, [reason::COULD_NOT_LOOK]),
        case("all silent", closed(Fault::Tcp(TcpFault::Timeout)), Controller, [DEAD]),
        case("TLS, and 389 closed", closed(Fault::Tls(TlsFault::Timeout)), Controller, [DEAD]),
        case("no handshake", tls(TlsFault::Timeout), Look, [reason::TLS_TIMEOUT]),
        case("no certificate", tls(TlsFault::Refused(why())), Look, [reason::TLS_REFUSED]),
        case("an alert", tls(TlsFault::Alert(why())), Look, [reason::TLS_ALERT]),
        case("no TLS", tls(TlsFault::NotTls(why())), Look, [reason::TLS_MALFORMED]),
        case("an odd handshake", tls(TlsFault::Other(why())), Look, [reason::TLS_MALFORMED]),
        case(
            "StartTLS is refused",
            fault(Fault::StartTlsRefused(answer(52, None, None))),
            Look,
            [reason::STARTTLS_REFUSED],
        ),
        case("389 speaks HTTP", fault(malformed()), Controller, [reason::LDAP_MALFORMED]),
        case("389 hangs up", fault(Fault::Closed(why())), Controller, [DEAD]),
        case("389 says nothing", fault(Fault::Timeout), Controller, [DEAD]),
        case("no means", fault(Fault::Local(why())), Look, [reason::COULD_NOT_LOOK]),
        case(
            "no means to ask 389",
            tried([Ending::NotReached { fault: Fault::Timeout, ldap: unseen() }]),
            Look,
            [reason::COULD_NOT_LOOK],
        ),
        case("no answer to the bind", unanswered(Fault::Timeout), Controller, [DEAD]),
        case("killed in the bind", unanswered(Fault::Closed(why())), Controller, [DEAD]),
        case("noise to the bind", unanswered(malformed()), Controller, [reason::LDAP_MALFORMED]),
        case("no time, and open", late(Ok(())), Look, [reason::COULD_NOT_LOOK]),
        case("no time at all", late(unseen()), Look, [reason::COULD_NOT_LOOK]),
        case("no time, and closed", late(Err(TcpFault::Refused)), Controller, [DEAD]),
    ]
}

fn of_certificates() -> Vec<Case> {
    use reason::{
        CERTIFICATE_EXPIRED, CERTIFICATE_NOT_PINNED, CERTIFICATE_NOT_YET_VALID,
        CERTIFICATE_UNTRUSTED, CERTIFICATE_WRONG_NAME,
    };
    const TRUSTED: Standing = Standing::Trusted;
    let of = |standing, dates, is_named| tried([not_reached(untrusted(standing, dates, is_named))]);
    let expired = of(TRUSTED, Dates::Expired, true);
    let early = of(TRUSTED, Dates::NotYetValid, true);
    let everything = of(UNKNOWN, Dates::Expired, false);
    let all = [CERTIFICATE_UNTRUSTED, CERTIFICATE_EXPIRED, CERTIFICATE_WRONG_NAME];
    let Fault::Untrusted(chain) = untrusted(TRUSTED, Dates::Valid, true) else { panic!() };
    let not_pinned = tried([not_reached(Fault::NotPinned(chain))]);
    let look = Weight::Look;
    vec![
        case("an unknown root", of(UNKNOWN, Dates::Valid, true), look, [CERTIFICATE_UNTRUSTED]),
        case("expired", expired, look, [CERTIFICATE_EXPIRED]),
        case("not yet valid", early, look, [CERTIFICATE_NOT_YET_VALID]),
        case("another name", of(TRUSTED, Dates::Valid, false), look, [CERTIFICATE_WRONG_NAME]),
        case("all at once", everything, look, all),
        case("not pinned", not_pinned, look, [CERTIFICATE_NOT_PINNED]),
    ]
}

fn of_locating() -> Vec<Case> {
    use Weight::{Controller, Join, Look};
    let nobody = |outcome| {
        let asked = vec![("_ldap._tcp.dc._msdcs.corp.contoso.com".to_owned(), outcome)];
        SignedIn { located: Some(Located { asked, ..located(Vec::new()) }), ..tried([]) }
    };
    let unresolved = |lookup| {
        let mut signed_in = tried([Ending::Unresolved]);
        signed_in.tried[0].0.lookup = lookup;
        signed_in
    };
    let gone = || unresolved(lookup(Outcome::NoSuchName));
    let mut half = lookup(Outcome::Timeout);
    half.attempts = vec![("10.8.0.4:53".parse().unwrap(), Outcome::NotAsked("no socket".into()))];
    let why = || "why".to_owned();
    vec![
        case("no name", nobody(Outcome::NoSuchName), Join, [reason::NO_SRV_RECORDS]),
        case("no record", nobody(Outcome::NoData), Join, [reason::NO_SRV_RECORDS]),
        case("a timeout", nobody(Outcome::Timeout), Join, [reason::DNS_TIMEOUT]),
        case("REFUSED", nobody(Outcome::Refused), Join, [reason::DNS_REFUSED]),
        case("SERVFAIL", nobody(Outcome::ServerFailure), Join, [reason::DNS_SERVFAIL]),
        case("cut", nobody(Outcome::Truncated(why())), Join, [reason::DNS_TRUNCATED]),
        case("no way", nobody(Outcome::Unreachable(why())), Join, [reason::DNS_UNREACHABLE]),
        case("noise", nobody(Outcome::Malformed(why())), Join, [reason::DNS_MALFORMED]),
        case("a code", nobody(Outcome::OtherCode(why())), Join, [reason::DNS_MALFORMED]),
        case("unasked", nobody(Outcome::NotAsked(why())), Look, [reason::COULD_NOT_LOOK]),
        case("a stale record", gone(), Controller, [reason::SRV_TARGET_UNRESOLVED]),
        case(
            "a name that could not be asked for",
            unresolved(lookup(Outcome::NotAsked(why()))),
            Look,
            [reason::COULD_NOT_LOOK],
        ),
        case("a server that might have known", unresolved(half), Look, [reason::COULD_NOT_LOOK]),
    ]
}

fn of_memory() -> Vec<Case> {
    use Weight::{Join, Look};
    let refusal = |answer| withheld(answer).withheld.unwrap();
    let meanwhile = tried([Ending::Withheld(refusal(Some(Bind::LockedOut)))]);
    vec![
        case(
            "withheld after a wrong password",
            withheld(Some(Bind::WrongCredentials)),
            Join,
            [reason::WRONG_CREDENTIALS],
        ),
        case(
            "withheld after an expired password",
            withheld(Some(Bind::PasswordExpired)),
            Join,
            [reason::PASSWORD_EXPIRED],
        ),
        case("withheld after silence", withheld(None), Look, [reason::COULD_NOT_LOOK]),
        case("another was refused meanwhile", meanwhile, Join, [reason::ACCOUNT_LOCKED]),
        case(
            "another was not answered meanwhile",
            tried([Ending::Withheld(refusal(None))]),
            Look,
            [reason::COULD_NOT_LOOK],
        ),
    ]
}

fn case<const N: usize>(
    sentence: &'static str,
    signed_in: SignedIn,
    weight: Weight,
    reasons: [Reason; N],
) -> Case {
    Case { sentence, signed_in, weight, reasons: reasons.into() }
}

/// `dc1`, `dc2` and so on, none of which let us in.
pub(in crate::checks) fn tried<const N: usize>(endings: [Ending; N]) -> SignedIn {
    let tried: Vec<_> =
        (1..).map(|number| controller(&format!("dc{number}"))).zip(endings).collect();
    let controllers = tried.iter().map(|(controller, _)| controller.clone()).collect();
    let (domain, located) = (DOMAIN.to_owned(), Some(located(controllers)));
    SignedIn { domain, now: now(), located, withheld: None, tried, at: None }
}

/// `dc9` let us in, after those.
pub(in crate::checks) fn entered<const N: usize>(endings: [Ending; N]) -> SignedIn {
    let mut signed_in = tried(endings);
    signed_in.located = Some(located(vec![controller("dc9")]));
    signed_in.at = Some(("dc9".to_owned(), Duration::from_millis(9)));
    signed_in
}

/// Nobody was asked.
pub(in crate::checks) fn withheld(answer: Option<Bind>) -> SignedIn {
    let day = Duration::from_secs(24 * 3600);
    let refusal = Refusal { answer, controller: "dc1".into(), at: now(), until: now() + day };
    SignedIn { located: None, withheld: Some(refusal), ..tried([]) }
}

/// Its LDAP port is open.
pub(in crate::checks) fn not_reached(fault: Fault) -> Ending {
    Ending::NotReached { fault, ldap: Ok(()) }
}

pub(in crate::checks) fn untrusted(private: Standing, dates: Dates, is_named: bool) -> Fault {
    let (subject, issuer) = ("CN=dc1".to_owned(), "CN=corp".to_owned());
    let leaf = Certificate { subject, issuer, ..Certificate::default() };
    let public = Standing::UnknownIssuer;
    Fault::Untrusted(Box::new(Chain { public, private, dates, is_named, leaf, length: 2 }))
}

pub(in crate::checks) fn answer(code: u32, win32: Option<u32>, data: Option<u32>) -> Answer {
    Answer { code, win32, data, text: "in words".into() }
}

pub(in crate::checks) fn controller(host: &str) -> Controller {
    let lookup = lookup(Outcome::NoData);
    Controller { host: host.into(), lookup, priority: 0, weight: 100, is_in_site: false }
}

pub(in crate::checks) fn located(controllers: Vec<Controller>) -> Located {
    Located { controllers, asked: Vec::new(), left_out: 0, took: Duration::from_millis(4) }
}

pub(in crate::checks) fn lookup(outcome: Outcome) -> Lookup {
    let took = Duration::from_millis(1);
    Lookup { addresses: Vec::new(), outcome, server: None, took, attempts: Vec::new() }
}

/// 2026-11-22 17:04 UTC.
pub(in crate::checks) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_367_040)
}

pub(in crate::checks) fn signing_in() -> SigningIn {
    let (user, password) = (USER.to_owned(), PASSWORD.into());
    let day = Duration::from_secs(24 * 3600);
    let credentials = Credentials::new(user, DOMAIN, password, day, Attempts::open(None));
    let (domain, site) = (DOMAIN.to_owned(), Site::given(None));
    SigningIn {
        locator: Locator { domain, site, servers: Vec::new(), most: 8 },
        servers: Some(Vec::new()),
        ports: DoorPorts { ldap: 389, ldaps: 636, kerberos: 88 },
        protection: Protection::Ldaps,
        anchors: Anchors { trust: Trust::new(&Roots::empty(), &Roots::empty()), pins: Vec::new() },
        credentials: Arc::new(credentials),
        writes: true,
        chooser: "prod".into(),
        timeout: Duration::from_secs(30),
        clock: Clock::system(),
    }
}

fn closed() -> u16 {
    port_of(&TcpListener::bind("127.0.0.1:0").unwrap())
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

const UNKNOWN: Standing = Standing::UnknownIssuer;
const DEAD: Reason = reason::DC_UNREACHABLE;
