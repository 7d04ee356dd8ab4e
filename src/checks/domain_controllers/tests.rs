use std::collections::BTreeSet;

use super::{
    look::{Knock, Role, Silence, TCP, UDP},
    *,
};
use crate::{
    catalogue::{check as entry, reason},
    checks::signing_in::tests::{DOMAIN, controller, located, lookup, now},
    directory::{RootDse, Site, name},
    engine::{
        Reason,
        Severity::{self, Failed, Informational, Unknown, Warning},
        Status,
    },
    net::{
        TcpFault, UdpFault,
        cldap::Netlogon,
        dns::Outcome,
        tls::{Certificate, Chain, Dates, Roots, Standing},
    },
};

/// What was seen, and what is found.
struct Case {
    sentence: String,
    facts: Facts,
    found: Vec<(Severity, Reason)>,
}

#[track_caller]
fn judged(Case { sentence, facts, found }: &Case) -> Verdict {
    let verdict = check().judge(facts);
    let told: Vec<_> = verdict.findings().iter().map(|it| (it.severity, it.reason)).collect();
    assert_eq!(told, *found, "{sentence}: {:?}", verdict.findings());
    let worst = found.iter().map(|(severity, _)| *severity).max();
    assert_eq!(verdict.status(), worst.map_or(Status::Passed, Severity::status), "{sentence}");
    for finding in verdict.findings() {
        let text = format!("{}{}", finding.subject, finding.detail);
        assert!(!finding.subject.is_empty() && !finding.detail.is_empty(), "{sentence}");
        assert!(!text.contains(char::is_control), "{sentence}: {text}");
        assert_eq!(finding.error_type, None, "{sentence}: Microsoft has no such check");
    }
    verdict
}

#[test]
fn each_sight_has_its_findings() {
    for case in cases() {
        judged(&case);
    }
}

#[test]
fn every_reason_of_the_catalogue_is_found_and_no_other() {
    let found: BTreeSet<_> =
        cases().into_iter().flat_map(|case| case.found).map(|it| it.1).collect();
    let elsewhere = [reason::TIMED_OUT, reason::PANICKED, reason::NO_DNS_SERVERS];
    let reports = entry("domain_controllers").unwrap().reports.iter().copied();
    let reports: BTreeSet<_> = reports.filter(|it| !elsewhere.contains(it)).collect();
    assert_eq!(found, reports);
}

#[test]
fn a_port_is_named_with_its_domain_controller() {
    let blocked = good("dc1").without(Role::Smb, TCP);
    let found = vec![(Warning, reason::TCP_TIMEOUT)];
    let facts = facts([blocked, good("dc2")]);
    let verdict = judged(&Case { sentence: "445 of one is blocked".into(), facts, found });
    let finding = &verdict.findings()[0];
    assert_eq!(finding.subject, "dc1:445/tcp");
    assert_eq!(finding.detail, "dc1:445/tcp (SMB): TCP: no answer");
    let up = verdict.readings().iter().filter(|it| it.family.name == "anc_dc_up");
    let down: Vec<_> = up.filter(|it| it.value == 0.0).map(|it| it.labels.join(" ")).collect();
    assert_eq!(down, ["dc1 445 tcp"]);
}

#[test]
fn what_was_not_seen_has_no_numbers() {
    let unseen = good("dc1").with(Role::Smb, TCP, Silence::Tcp(TcpFault::Other("why".into())));
    let found = vec![(Unknown, reason::COULD_NOT_LOOK)];
    let verdict = judged(&Case { sentence: "445 unseen".into(), facts: facts([unseen]), found });
    let up = verdict.readings().iter().filter(|it| it.family.name == "anc_dc_up");
    assert!(up.into_iter().all(|it| it.value == 1.0 && it.labels[1] != "445"));
}

fn cases() -> Vec<Case> {
    let cases = [of_each_port(), of_ports(), of_answers(), of_several(), of_sayings()];
    let more = [of_clocks(), of_certificates(), of_locating()];
    cases.into_iter().chain(more).flatten().collect()
}

/// One port is silent: of the only domain controller, and beside one that serves.
fn of_each_port() -> Vec<Case> {
    let ports = [
        (Role::Dns, UDP, Failed),
        (Role::Dns, TCP, Warning),
        (Role::Kerberos, UDP, Warning),
        (Role::Kerberos, TCP, Warning),
        (Role::Ntp, UDP, Warning),
        (Role::EndpointMapper, TCP, Failed),
        (Role::Netlogon, TCP, Failed),
        (Role::Ldap, TCP, Failed),
        (Role::Ldap, UDP, Failed),
        (Role::Smb, TCP, Failed),
        (Role::Kpasswd, TCP, Failed),
        (Role::Ldaps, TCP, Warning),
        (Role::GlobalCatalog, TCP, Warning),
    ];
    let of = |(role, protocol, severity)| {
        let reason = if protocol == TCP { reason::TCP_TIMEOUT } else { reason::UDP_NO_REPLY };
        let blocked = || good("dc1").with_dns().without(role, protocol);
        let sentence = format!("{role:?} over {protocol}");
        let alone = case(&sentence, facts([blocked()]), [(severity, reason)]);
        let sentence = format!("{sentence}, beside one that serves");
        let beside = case(&sentence, facts([blocked(), good("dc2")]), [(Warning, reason)]);
        [alone, beside]
    };
    ports.into_iter().flat_map(of).collect()
}

fn of_ports() -> Vec<Case> {
    let unseen = || Silence::Tcp(TcpFault::Other("no descriptor".into()));
    let unsent = || Silence::Udp(UdpFault::Local("not permitted".into()));
    let no_kdc = good("dc1").without(Role::Kerberos, TCP).without(Role::Kerberos, UDP);
    let half_kdc = good("dc1").without(Role::Kerberos, TCP).with(Role::Kerberos, UDP, unsent());
    let alone = || good("dc1").without(Role::GlobalCatalog, TCP);
    let by_ping = alone().saying(|it| it.netlogon = Some(netlogon(WRITABLE)));
    let by_root = alone().without(Role::Ldap, UDP).saying(|it| {
        it.netlogon = None;
        it.root.as_mut().unwrap().is_global_catalog_ready = Some(false);
    });
    let (no_kdc_found, silent) = (
        [(Failed, reason::UDP_NO_REPLY), (Failed, reason::TCP_TIMEOUT)],
        [(Failed, reason::UDP_NO_REPLY)],
    );
    let unknown = (Unknown, reason::COULD_NOT_LOOK);
    let one_unseen = || good("dc1").with(Role::Smb, TCP, unseen());
    let softened = one_unseen().without(Role::Ldaps, TCP);
    let dead_besides = one_unseen().without(Role::Kpasswd, TCP);
    let (dead, gone) = (dead("dc2"), (Warning, reason::DC_UNREACHABLE));
    let refused = |fault| good("dc1").with(Role::Smb, TCP, Silence::Tcp(fault));
    let unreachable = TcpFault::Unreachable("no route".into());
    vec![
        case("all is well", facts([good("dc1")]), []),
        case("all is well, and it is the DNS server", facts([good("dc1").with_dns()]), []),
        case("no KDC over either protocol", facts([no_kdc]), no_kdc_found),
        case(
            "the KDC over UDP is unseen",
            facts([half_kdc]),
            [unknown, (Warning, reason::TCP_TIMEOUT)],
        ),
        case("no global catalogue, nor does it say so", facts([by_ping]), []),
        case("no global catalogue, by its rootDSE", facts([by_root]), silent),
        case("445 is unseen", facts([one_unseen()]), [unknown]),
        case(
            "445 is unseen, 636 silent",
            facts([softened]),
            [unknown, (Warning, reason::TCP_TIMEOUT)],
        ),
        case(
            "445 is unseen, 464 silent",
            facts([dead_besides]),
            [unknown, (Failed, reason::TCP_TIMEOUT)],
        ),
        case(
            "445 of one is unseen, the other is dead",
            facts([one_unseen(), dead]),
            [unknown, gone],
        ),
        case("445 refuses", facts([refused(TcpFault::Refused)]), [(Failed, reason::TCP_REFUSED)]),
        case("no way to 445", facts([refused(unreachable)]), [(Failed, reason::TCP_UNREACHABLE)]),
    ]
}

/// What answers, and not as it should.
fn of_answers() -> Vec<Case> {
    let odd = |role, protocol| good("dc1").with(role, protocol, Silence::Odd("noise".into()));
    let udp = |fault| good("dc1").with(Role::Ldap, UDP, Silence::Udp(fault));
    let noise = UdpFault::Malformed("1 datagrams".into());
    let no_route = UdpFault::Unreachable("no route".into());
    let mut mapper = odd(Role::EndpointMapper, TCP);
    mapper.1.knocks.retain(|knock| knock.role != Role::Netlogon);
    let (broken, warned) =
        ([(Failed, reason::DC_PORT_BROKEN)], [(Warning, reason::DC_PORT_BROKEN)]);
    let refused = [(Failed, reason::UDP_REFUSED)];
    vec![
        case("no directory on 389", facts([odd(Role::Ldap, TCP)]), broken),
        case("the mapper knows no Netlogon", facts([mapper]), broken),
        case("no certificate on 636", facts([odd(Role::Ldaps, TCP)]), warned),
        case("noise over CLDAP", facts([udp(noise)]), broken),
        case("CLDAP is refused", facts([udp(UdpFault::Refused)]), refused),
        case("no way for CLDAP", facts([udp(no_route)]), refused),
    ]
}

fn of_several() -> Vec<Case> {
    let gone = |severity| (severity, reason::DC_UNREACHABLE);
    let half = |host| good(host).without(Role::Smb, TCP);
    let silent = (Failed, reason::TCP_TIMEOUT);
    vec![
        case("the only one is dead", facts([dead("dc1")]), [gone(Failed)]),
        case("one of two is dead", facts([dead("dc1"), good("dc2")]), [gone(Warning)]),
        case("both are dead", facts([dead("dc1"), dead("dc2")]), [gone(Failed); 2]),
        case(
            "none serves, one not at all",
            facts([half("dc1"), dead("dc2")]),
            [silent, gone(Failed)],
        ),
        case("what one lacks the other has not", facts([half("dc1"), half("dc2")]), [silent; 2]),
    ]
}

/// What a domain controller says of itself.
fn of_sayings() -> Vec<Case> {
    let read_only = |host| good(host).saying(|it| it.netlogon = Some(netlogon(GLOBAL_CATALOG)));
    let paused =
        || good("dc1").saying(|it| it.netlogon = Some(Netlogon { paused: true, ..netlogon(BOTH) }));
    let root = |twist: fn(&mut RootDse)| good("dc1").saying(|it| twist(it.root.as_mut().unwrap()));
    let stale = || root(|root| root.is_synchronized = Some(false));
    let foreign = || root(|root| root.default_naming_context = "DC=other,DC=test".into());
    let slow =
        |millis| good("dc1").saying(|it| it.round_trip = Some(Duration::from_millis(millis)));
    let only = |severity| (severity, reason::DC_READ_ONLY);
    let (unsynchronised, gone) =
        ((Warning, reason::DC_NOT_SYNCHRONISED), (Warning, reason::DC_UNREACHABLE));
    let blocked = good("dc2").without(Role::Smb, TCP);
    let elsewhere = |severity| (severity, reason::DC_OF_OTHER_DOMAIN);
    vec![
        case("read-only alone", facts([read_only("dc1")]), [only(Warning)]),
        case("two read-only", facts([read_only("dc1"), read_only("dc2")]), [only(Warning); 2]),
        case(
            "read-only beside a writable",
            facts([read_only("dc1"), good("dc2")]),
            [only(Informational)],
        ),
        case(
            "read-only beside a dead",
            facts([read_only("dc1"), dead("dc2")]),
            [only(Warning), gone],
        ),
        case(
            "read-only beside a writable that does not serve",
            facts([read_only("dc1"), blocked]),
            [only(Warning), (Warning, reason::TCP_TIMEOUT)],
        ),
        case("not synchronised", facts([stale()]), [unsynchronised]),
        case("paused", facts([paused()]), [unsynchronised]),
        case("of another domain, alone", facts([foreign()]), [elsewhere(Failed)]),
        case("of another, beside one", facts([foreign(), good("dc2")]), [elsewhere(Warning)]),
        case("as slow as may be", facts([slow(500)]), []),
        case("slow", facts([slow(501)]), [(Warning, reason::DC_SLOW)]),
    ]
}

/// Seconds, on each.
fn of_clocks() -> Vec<Case> {
    let off = |offsets: &[Option<f64>]| {
        let hosts = (1..).map(|number| format!("dc{number}")).zip(offsets);
        facts_of(
            hosts
                .map(|(host, offset)| good(&host).saying(|it| it.clock_offset = *offset))
                .collect(),
        )
    };
    let skewed = |severity| (severity, reason::CLOCK_SKEWED);
    let untold = (Warning, reason::DC_PORT_BROKEN);
    let far = || good("dc1").saying(|it| it.clock_offset = Some(301.0));
    let right = good("dc2").without(Role::Smb, TCP);
    let both = [skewed(Failed), (Warning, reason::DC_UNREACHABLE)];
    vec![
        case("119 s", off(&[Some(119.9)]), []),
        case("120 s", off(&[Some(120.0)]), [skewed(Warning)]),
        case("120 s behind", off(&[Some(-120.0)]), [skewed(Warning)]),
        case("299 s", off(&[Some(299.0)]), [skewed(Warning)]),
        case("300 s, which Kerberos tolerates", off(&[Some(300.0)]), [skewed(Warning)]),
        case("301 s", off(&[Some(301.0)]), [skewed(Failed)]),
        case("301 s behind", off(&[Some(-301.0)]), [skewed(Failed)]),
        case("301 s on one of two", off(&[Some(301.0), Some(1.0)]), [skewed(Warning)]),
        case("301 s and 300 s", off(&[Some(301.0), Some(300.0)]), [skewed(Warning); 2]),
        case("301 s on both", off(&[Some(301.0), Some(-301.0)]), [skewed(Failed); 2]),
        case(
            "301 s on one, the other tells none",
            off(&[Some(301.0), None]),
            [skewed(Warning), untold],
        ),
        case("none tells its time", off(&[None]), [untold]),
        case("301 s on one, the other is dead", facts([far(), dead("dc2")]), both),
        case(
            "301 s on the one that serves",
            facts([far(), right]),
            [skewed(Failed), (Warning, reason::TCP_TIMEOUT)],
        ),
    ]
}

fn of_certificates() -> Vec<Case> {
    const DAY: i64 = 24 * 3600;
    let now = now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let until = |not_after| {
        facts(
            [good("dc1").saying(|it| it.certificate.as_mut().unwrap().leaf.not_after = not_after)],
        )
    };
    let soon = [(Warning, reason::CERTIFICATE_EXPIRES_SOON)];
    let expired = [(Warning, reason::CERTIFICATE_EXPIRED)];
    vec![
        case("30 days left", until(now + 30 * DAY), []),
        case("a second less", until(now + 30 * DAY - 1), soon),
        case("until this second", until(now), soon),
        case("a second ago", until(now - 1), expired),
        case("unreadable", until(0), [(Warning, reason::DC_PORT_BROKEN)]),
    ]
}

fn of_locating() -> Vec<Case> {
    let nobody = |outcome| {
        let asked = vec![("_ldap._tcp.dc._msdcs.corp.contoso.com".to_owned(), outcome)];
        Facts { located: Located { asked, ..located(Vec::new()) }, ..facts([]) }
    };
    let named = |lookups: Vec<Outcome>, looked: Vec<(Controller, Looked)>| {
        let mut facts = facts_of(looked);
        facts.located.controllers.extend(
            lookups
                .into_iter()
                .map(|outcome| Controller { lookup: lookup(outcome), ..controller("dc8") }),
        );
        facts
    };
    let why = || "why".to_owned();
    let (gone, unasked) = (|| Outcome::NoSuchName, || Outcome::NotAsked("no socket".into()));
    let stale = |severity| (severity, reason::SRV_TARGET_UNRESOLVED);
    let unknown = (Unknown, reason::COULD_NOT_LOOK);
    let dead_too = [unknown, (Warning, reason::DC_UNREACHABLE)];
    let mut cases = vec![
        case("no server was asked", nobody(unasked()), [unknown]),
        case("nobody, and nothing was asked", facts([]), [(Failed, reason::NO_SRV_RECORDS)]),
        case("the only name is gone", named(vec![gone()], vec![]), [stale(Failed)]),
        case("one name is gone", named(vec![gone()], vec![good("dc1")]), [stale(Warning)]),
        case("the name is unasked", named(vec![unasked()], vec![]), [unknown]),
        case(
            "one gone, one unasked",
            named(vec![gone(), unasked()], vec![]),
            [stale(Warning), unknown],
        ),
        case("one unasked, one dead", named(vec![unasked()], vec![dead("dc1")]), dead_too),
    ];
    let outcomes = [
        (Outcome::NoSuchName, reason::NO_SRV_RECORDS),
        (Outcome::NoData, reason::NO_SRV_RECORDS),
        (Outcome::Timeout, reason::DNS_TIMEOUT),
        (Outcome::Refused, reason::DNS_REFUSED),
        (Outcome::ServerFailure, reason::DNS_SERVFAIL),
        (Outcome::Truncated(why()), reason::DNS_TRUNCATED),
        (Outcome::Unreachable(why()), reason::DNS_UNREACHABLE),
        (Outcome::Malformed(why()), reason::DNS_MALFORMED),
        (Outcome::OtherCode(why()), reason::DNS_MALFORMED),
    ];
    cases.extend(outcomes.map(|(outcome, reason)| {
        case(&format!("no records: {outcome}"), nobody(outcome), [(Failed, reason)])
    }));
    cases
}

fn case<const N: usize>(sentence: &str, facts: Facts, found: [(Severity, Reason); N]) -> Case {
    Case { sentence: sentence.into(), facts, found: found.into() }
}

fn facts<const N: usize>(looked: [(Controller, Looked); N]) -> Facts {
    facts_of(looked.into())
}

fn facts_of(looked: Vec<(Controller, Looked)>) -> Facts {
    let located = located(looked.iter().map(|(controller, _)| controller.clone()).collect());
    Facts { domain: DOMAIN.into(), now: now(), located, looked }
}

/// It answers on every port, and is no DNS server of the network.
fn good(host: &str) -> (Controller, Looked) {
    let mut controller = controller(host);
    controller.lookup.addresses = vec!["10.8.0.4".parse().unwrap()];
    let knock = |(role, port, protocol)| Knock { role, port, protocol, outcome: Ok(TOOK) };
    let leaf = Certificate { not_after: i64::MAX, ..Certificate::default() };
    let (public, private) = (Standing::UnknownIssuer, Standing::Trusted);
    let (dates, is_named, length) = (Dates::Valid, true, 2);
    let default_naming_context = name::of_domain(DOMAIN);
    let looked = Looked {
        knocks: PORTS.map(knock).into(),
        netlogon: Some(netlogon(BOTH)),
        root: Some(RootDse { default_naming_context, ..RootDse::default() }),
        clock_offset: Some(0.5),
        round_trip: Some(TOOK),
        certificate: Some(Chain { public, private, dates, is_named, leaf, length }),
    };
    (controller, looked)
}

/// Nothing of it answers.
fn dead(host: &str) -> (Controller, Looked) {
    let (controller, Looked { mut knocks, .. }) = good(host);
    knocks.retain(|knock| knock.role != Role::Netlogon);
    for knock in &mut knocks {
        knock.outcome = Err(silence(knock.protocol));
    }
    (controller, Looked { knocks, ..Looked::default() })
}

trait Twist {
    fn with(self, role: Role, protocol: &str, silence: Silence) -> Self;
    fn without(self, role: Role, protocol: &str) -> Self;
    fn with_dns(self) -> Self;
    fn saying(self, twist: impl FnOnce(&mut Looked)) -> Self;
}

impl Twist for (Controller, Looked) {
    fn with(mut self, role: Role, protocol: &str, silence: Silence) -> Self {
        let mut knocks = self.1.knocks.iter_mut();
        let knock = knocks.find(|it| it.role == role && it.protocol == protocol).unwrap();
        knock.outcome = Err(silence);
        self
    }

    fn without(self, role: Role, protocol: &str) -> Self {
        self.with(role, protocol, silence(protocol))
    }

    fn with_dns(mut self) -> Self {
        let knock = |protocol| Knock { role: Role::Dns, port: 53, protocol, outcome: Ok(TOOK) };
        self.1.knocks.extend([TCP, UDP].map(knock));
        self
    }

    fn saying(mut self, twist: impl FnOnce(&mut Looked)) -> Self {
        twist(&mut self.1);
        self
    }
}

fn silence(protocol: &str) -> Silence {
    if protocol == TCP { Silence::Tcp(TcpFault::Timeout) } else { Silence::Udp(UdpFault::Timeout) }
}

fn netlogon(flags: u32) -> Netlogon {
    let (domain, host, site, client_site) = Default::default();
    Netlogon { took: TOOK, paused: false, flags, domain, host, site, client_site }
}

fn check() -> DomainControllers {
    let site = Site::given(None);
    DomainControllers {
        locator: Locator { domain: DOMAIN.into(), site, servers: Vec::new(), most: 8 },
        servers: None,
        ports: Ports {
            dns: 53,
            kerberos: 88,
            ntp: 123,
            rpc: 135,
            ldap: 389,
            smb: 445,
            kpasswd: 464,
            ldaps: 636,
            global_catalog: 3268,
        },
        trust: Trust::new(&Roots::empty(), &Roots::empty()),
        timeout: Duration::from_secs(30),
        clock: Clock::system(),
    }
}

const TOOK: Duration = Duration::from_millis(2);
const GLOBAL_CATALOG: u32 = 0x4;
const WRITABLE: u32 = 0x100;
const BOTH: u32 = GLOBAL_CATALOG | WRITABLE;

const PORTS: [(Role, u16, &str); 11] = [
    (Role::Kerberos, 88, UDP),
    (Role::Kerberos, 88, TCP),
    (Role::EndpointMapper, 135, TCP),
    (Role::Netlogon, 49664, TCP),
    (Role::Smb, 445, TCP),
    (Role::Kpasswd, 464, TCP),
    (Role::GlobalCatalog, 3268, TCP),
    (Role::Ldap, 389, TCP),
    (Role::Ldap, 389, UDP),
    (Role::Ldaps, 636, TCP),
    (Role::Ntp, 123, UDP),
];
