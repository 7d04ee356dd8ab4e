//! `domain_controllers` against real domain controllers, Samba's, and what of Windows' they do not
//! serve: what each of them that is dead, silent, wrong or behind a firewall comes to.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use time::OffsetDateTime;

use support::beside_dc::{BesideDc, Service};
use support::bind::Bind;
use support::daemon::{Daemon, Surroundings, command};
use support::namespace::Namespace;
use support::pki::{Identity, Pki};
use support::process::poll;
use support::prometheus::promtool_check_metrics;
use support::report::{Check, Report};
use support::samba::{Dc, Host};
use support::zones::{self, Controller, DOMAIN, of_controllers};

const DC1: &str = "dc1.corp.contoso.test";
const DC2: &str = "dc2.corp.contoso.test";
/// Where Windows serves Netlogon, and so do the peers here.
const NETLOGON: u16 = 49_152;

#[test]
fn whole_domain_controllers_pass_and_are_measured() {
    let pki = Pki::new("Corp Root");
    let left = [40, 80].map(time::Duration::days);
    let pair = Pair::presenting([pki.expiring_in(DC1, left[0]), pki.expiring_in(DC2, left[1])]);
    let look = pair.look();
    let check = look.check();
    check.is("passed", 0, &[]);
    for (host, left) in [DC1, DC2].into_iter().zip(left) {
        for (port, protocol) in PORTS {
            assert_eq!(up(&check, host, port, protocol), Some(1.0), "{host}:{port}/{protocol}");
        }
        let reading = |name| check.reading(name, &[("dc", host)]).unwrap();
        let offset = reading("anc_dc_clock_offset_seconds");
        assert!(offset.abs() < 1.0, "{host}: {offset}");
        let round_trip = reading("anc_dc_round_trip_seconds");
        assert!(round_trip > 0.0 && round_trip < 0.5, "{host}: {round_trip}");
        let not_after = reading("anc_dc_certificate_not_after_timestamp_seconds");
        let expected = (OffsetDateTime::now_utc() + left).unix_timestamp();
        let off = not_after - f64::from(u32::try_from(expected).unwrap());
        assert!(off.abs() < 120.0, "{host}: {off}");
    }
    assert_eq!(check.readings("anc_dc_up"), 2 * PORTS.len());

    let page = look.prometheus();
    assert_eq!(promtool_check_metrics(&page), Ok(()));
    for (port, protocol) in PORTS {
        let sample = format!(
            "anc_dc_up{{connection=\"prod-weu\",dc=\"{DC2}\",port=\"{port}\",protocol=\"{protocol}\"}} 1\n"
        );
        assert!(page.contains(&sample), "{sample} in\n{page}");
    }
}

#[test]
fn the_endpoint_mapper_of_samba_is_understood() {
    let pki = Pki::new("Corp Root");
    let dc = Dc::builder(Host::Dc1, &pki.valid(DC1)).serving_rpc().start();
    let at = BesideDc::at(dc.address());
    let _beside = [at.smb(), at.ntp(0.0)];
    let check = Look::at(&[dc.controller()]).check();
    check.is("passed", 0, &[]);
    assert_eq!(up(&check, DC1, "135", "tcp"), Some(1.0));
    assert_eq!(up(&check, DC1, "netlogon", "tcp"), Some(1.0));
}

#[test]
fn the_dead_are_told_once_and_fail_when_there_are_no_others() {
    let mut pair = Pair::start();
    let look = pair.look();

    pair.kill(1);
    let check = look.check();
    check.is("warning", 1, &[("dc_unreachable", "", "warning", DC2)]);
    assert_eq!(up(&check, DC1, "389", "tcp"), Some(1.0));
    assert_eq!(up(&check, DC2, "389", "tcp"), Some(0.0));
    assert_eq!(up(&check, DC2, "389", "udp"), Some(0.0));

    pair.kill(0);
    let dead = [DC1, DC2].map(|host| ("dc_unreachable", "", "failed", host));
    look.check().is("failed", 2, &dead);
}

#[test]
fn a_silent_domain_controller_is_told_by_every_port_that_says_nothing() {
    let pair = Pair::start();
    pair.dcs[1].pause();
    let check = pair.look().check();
    pair.dcs[1].resume();
    // The kernel still connects; so do the peers, who have not stopped.
    let silent = [
        ("dc_port_broken", "88/tcp"),
        ("udp_no_reply", "88/udp"),
        ("tcp_timeout", "389/tcp"),
        ("udp_no_reply", "389/udp"),
        ("dc_port_broken", "636/tcp"),
    ];
    is(&check, "warning", &of(DC2, "warning", &silent));
    pair.look().check().is("passed", 0, &[]);
}

#[test]
fn what_a_join_needs_is_a_warning_where_one_lacks_it_and_a_failure_where_all_do() {
    let mut pair = Pair::start();
    let look = pair.look();
    let cases: [(Taking, &str, &str); 4] = [
        (|it| it.smb = None, "tcp_refused", "445/tcp"),
        (|it| it.mapper = None, "tcp_refused", "135/tcp"),
        (|it| it.map_nothing(), "dc_port_broken", "135/tcp"),
        (|it| it.netlogon = None, "tcp_refused", "49152/tcp"),
    ];
    for (take, reason, port) in cases {
        take(&mut pair.beside[1]);
        let check = look.check();
        is(&check, "warning", &of(DC2, "warning", &[(reason, port)]));
        take(&mut pair.beside[0]);
        let of_both = [DC1, DC2].map(|host| of(host, "failed", &[(reason, port)]));
        is(&look.check(), "failed", &of_both.concat());
        pair.beside.iter_mut().for_each(|it| it.serve());
    }
    look.check().is("passed", 0, &[]);
}

#[test]
fn no_one_domain_controller_makes_up_for_what_another_lacks() {
    let mut pair = Pair::start();
    pair.beside[0].smb = None;
    pair.beside[1].mapper = None;
    let expected = [
        of(DC1, "failed", &[("tcp_refused", "445/tcp")]),
        of(DC2, "failed", &[("tcp_refused", "135/tcp")]),
    ];
    is(&pair.look().check(), "failed", &expected.concat());
}

#[test]
fn what_a_join_can_do_without_is_a_warning_even_where_all_lack_it() {
    let rejected = ["tcp dport { 636, 3268 } reject with tcp reset"];
    let namespace = Namespace::new(&rejected);
    let mut pair = Pair::within(&namespace);
    for beside in &mut pair.beside {
        beside.time = None;
    }
    let check = pair.look().within(&namespace).check();
    let missing =
        [("tcp_refused", "636/tcp"), ("tcp_refused", "3268/tcp"), ("udp_refused", "123/udp")];
    let of_both = [DC1, DC2].map(|host| of(host, "warning", &missing));
    is(&check, "warning", &of_both.concat());
    for host in [DC1, DC2] {
        // By Kerberos, and LDAP.
        let offset = check.reading("anc_dc_clock_offset_seconds", &[("dc", host)]).unwrap();
        assert!(offset.abs() < 2.0, "{offset}");
        let expiry = "anc_dc_certificate_not_after_timestamp_seconds";
        assert_eq!(check.reading(expiry, &[("dc", host)]), None);
    }
}

#[test]
fn a_clock_that_is_off_fails_only_where_all_are_off_by_more_than_kerberos_tolerates() {
    let mut pair = Pair::start();
    let look = pair.look();
    for (ahead, status, code, skewed) in [
        ([0.0, 100.0], "passed", 0, &[][..]),
        ([0.0, 150.0], "warning", 1, &[(DC2, "warning")]),
        ([0.0, -150.0], "warning", 1, &[(DC2, "warning")]),
        ([400.0, 0.0], "warning", 1, &[(DC1, "warning")]),
        ([150.0, 150.0], "warning", 1, &[(DC1, "warning"), (DC2, "warning")]),
        ([400.0, 250.0], "warning", 1, &[(DC1, "warning"), (DC2, "warning")]),
        ([400.0, -400.0], "failed", 2, &[(DC1, "failed"), (DC2, "failed")]),
    ] {
        for (beside, ahead) in pair.beside.iter_mut().zip(ahead) {
            beside.time = None;
            beside.time = Some(beside.at.ntp(ahead));
        }
        let check = look.check();
        let told = skewed.iter().map(|(host, severity)| ("clock_skewed", "", *severity, *host));
        check.is(status, code, &told.collect::<Vec<_>>());
        for (host, ahead) in [DC1, DC2].into_iter().zip(ahead) {
            let offset = check.reading("anc_dc_clock_offset_seconds", &[("dc", host)]).unwrap();
            assert!((offset - ahead).abs() < 1.0, "{host}: {offset}, {ahead} expected");
        }
    }
}

#[test]
fn a_certificate_that_expires_soon_or_has_is_a_warning() {
    let pki = Pki::new("Corp Root");
    let soon = pki.expiring_in(DC1, time::Duration::hours(10 * 24 + 1));
    let pair = Pair::presenting([soon, pki.expired(DC2)]);
    let check = pair.look().check();
    let expected = [
        ("certificate_expires_soon", "", "warning", DC1),
        ("certificate_expired", "", "warning", DC2),
    ];
    check.is("warning", 1, &expected);
    let detail = check.detail("certificate_expires_soon");
    assert!(detail.contains("expires in 10 days"), "{detail}");
    assert_eq!(up(&check, DC2, "636", "tcp"), Some(1.0));
}

#[test]
fn dns_is_looked_at_where_the_domain_controller_is_the_networks_dns_server() {
    let pair = Pair::start();
    let [dc1, dc2] = pair.dcs.each_ref().map(Dc::address);
    let own = [dc1, dc2].map(|address| SocketAddr::from((address, 53)));
    let closed = [dc1, dc2].map(|address| SocketAddr::from((address, 5353)));
    let dead = [("tcp_refused", "5353/tcp"), ("udp_refused", "5353/udp")];

    let check = pair.look().after_bind(&own).check();
    check.is("passed", 0, &[]);
    for protocol in ["tcp", "udp"] {
        assert_eq!(up(&check, DC1, "53", protocol), Some(1.0));
        assert_eq!(up(&check, DC2, "53", protocol), Some(1.0));
    }

    let check = pair.look().before_bind(&[closed[1]]).after_bind(&[own[0]]).check();
    is(&check, "warning", &of(DC2, "warning", &dead));
    assert_eq!(up(&check, DC2, "5353", "udp"), Some(0.0));

    let check = pair.look().before_bind(&closed).check();
    // Over TCP goes only what does not fit into UDP.
    let of_both = [DC1, DC2]
        .map(|host| [of(host, "warning", &dead[..1]), of(host, "failed", &dead[1..])].concat());
    is(&check, "failed", &of_both.concat());
}

#[test]
fn a_target_without_an_address_is_a_warning_beside_others_and_alone_a_failure() {
    let pair = Pair::start();
    let zone = of_controllers(&pair.controllers());
    let gone = zone + "_ldap._tcp.dc._msdcs SRV 0 100 389 gone1\n";
    let check = Look::in_zone(&gone).check();
    let unresolved = |host, severity| ("srv_target_unresolved", "", severity, host);
    check.is("warning", 1, &[unresolved("gone1.corp.contoso.test", "warning")]);
    assert_eq!(check.readings("anc_dc_up"), 2 * PORTS.len());

    let all = ["gone1.corp.contoso.test", "gone2.corp.contoso.test"];
    let expected = all.map(|host| unresolved(host, "failed"));
    Look::in_zone(zones::UNRESOLVED_TARGETS).check().is("failed", 2, &expected);
}

#[test]
fn a_domain_controller_of_another_domain_serves_nobody_here() {
    let pki = Pki::new("Corp Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(DC1));
    let _beside = Beside::of(BesideDc::at(dc.address()));
    let check = Look::at(&[dc.controller()]).of_domain("fabrikam.test").check();
    let host = "dc1.fabrikam.test";
    // Samba answers the ping, with nothing.
    let empty = of(host, "failed", &[("dc_port_broken", "389/udp")]);
    let other = ("dc_of_other_domain", "failed", host.to_owned());
    is(&check, "failed", &[empty, vec![other]].concat());
    let detail = check.detail("dc_of_other_domain");
    assert!(detail.contains("DC=corp,DC=contoso,DC=test"), "{detail}");
}

#[test]
fn as_many_are_looked_at_as_are_allowed_by_priority_and_site() {
    let pair = Pair::start();
    let [dc1, dc2] = pair.controllers();
    let zone = of_controllers(&[Controller { priority: 10, ..dc1 }, dc2])
        + "_ldap._tcp.Weu._sites.dc._msdcs SRV 50 1 389 dc1\n";
    let one = || Look::in_zone(&zone).setting("max_controllers = 1");
    let only = |check: &Check, host| {
        check.is("passed", 0, &[]);
        assert_eq!(check.readings("anc_dc_up"), PORTS.len());
        assert_eq!(up(check, host, "389", "tcp"), Some(1.0));
    };
    only(&one().check(), DC2);
    only(&one().connecting("site = \"Weu\"").check(), DC1);
    only(&one().connecting("site = \"Nowhere\"").check(), DC2);
    let check = Look::in_zone(&zone).connecting("site = \"Weu\"").check();
    assert_eq!(check.readings("anc_dc_up"), 2 * PORTS.len());
}

#[test]
fn a_daemon_learns_its_site_from_a_domain_controller() {
    let pair = Pair::start();
    let [dc1, dc2] = pair.controllers();
    let of_site = "_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs SRV";
    let zone = of_controllers(&[dc1, Controller { priority: 10, ..dc2 }]);
    // The site has dc2 alone.
    let lines = zone.lines().filter(|line| *line != format!("{of_site} 0 100 389 dc1"));
    let zone = lines.fold(String::new(), |zone, line| zone + line + "\n");
    let (bind, config) = Look::in_zone(&zone).setting("max_controllers = 1").running();
    let daemon = Daemon::start(&config);
    let looked_at = |host: &str| {
        let sample = format!("anc_dc_up{{connection=\"prod-weu\",dc=\"{host}\"");
        // It is not told twice in a second.
        let told = || Some(daemon.post("/-/run?check=domain_controllers").status);
        assert_eq!(poll(SOON, || told().filter(|status| *status != 429)), Some(200));
        daemon.wait_for("/metrics", SOON, |page| page.text().contains(&sample)).text()
    };
    assert!(!looked_at(DC1).contains(DC2));
    assert!(!looked_at(DC2).contains(DC1));
    drop(bind);
}

#[test]
fn a_firewall_before_ldap_is_told_by_what_it_does() {
    let namespace = Namespace::new(&[]);
    let pair = Pair::within(&namespace);
    let look = pair.look().within(&namespace);
    let dc2 = pair.dcs[1].address();
    for (action, reason) in [
        ("drop", "tcp_timeout"),
        ("reject with tcp reset", "tcp_refused"),
        ("reject with icmpx admin-prohibited", "tcp_unreachable"),
    ] {
        namespace.obey(&[&format!("ip daddr {dc2} tcp dport 389 {action}")], &[]);
        let check = look.check();
        is(&check, "warning", &of(DC2, "warning", &[(reason, "389/tcp")]));
        assert_eq!(up(&check, DC2, "389", "tcp"), Some(0.0));
        assert_eq!(up(&check, DC2, "389", "udp"), Some(1.0));

        namespace.obey(&[&format!("tcp dport 389 {action}")], &[]);
        let of_both = [DC1, DC2].map(|host| of(host, "failed", &[(reason, "389/tcp")]));
        is(&look.check(), "failed", &of_both.concat());
    }
}

#[test]
fn a_firewall_before_one_port_is_told_of_that_port() {
    let namespace = Namespace::new(&[]);
    let pair = Pair::within(&namespace);
    let look = pair.look().within(&namespace);
    let [dc1, dc2] = pair.dcs.each_ref().map(Dc::address);

    namespace.obey(&[&format!("ip daddr {dc1} tcp dport 445 drop")], &[]);
    let check = look.check();
    is(&check, "warning", &of(DC1, "warning", &[("tcp_timeout", "445/tcp")]));
    assert_eq!(up(&check, DC1, "389", "tcp"), Some(1.0));

    namespace.obey(&["tcp dport 445 drop"], &[]);
    let of_both = [DC1, DC2].map(|host| of(host, "failed", &[("tcp_timeout", "445/tcp")]));
    is(&look.check(), "failed", &of_both.concat());

    namespace.obey(&[&format!("ip daddr {dc2} udp dport 389 drop")], &[]);
    let check = look.check();
    is(&check, "warning", &of(DC2, "warning", &[("udp_no_reply", "389/udp")]));
    assert_eq!(up(&check, DC2, "389", "tcp"), Some(1.0));

    // Windows finds no domain controller without it.
    namespace.obey(&["udp dport 389 reject with icmpx admin-prohibited"], &[]);
    let of_both = [DC1, DC2].map(|host| of(host, "failed", &[("udp_refused", "389/udp")]));
    is(&look.check(), "failed", &of_both.concat());

    // Kerberos has TCP besides.
    namespace.obey(&["udp dport 88 drop"], &[]);
    let of_both = [DC1, DC2].map(|host| of(host, "warning", &[("udp_no_reply", "88/udp")]));
    is(&look.check(), "warning", &of_both.concat());

    namespace.obey(&[&format!("ip daddr {dc2} drop")], &[]);
    look.check().is("warning", 1, &[("dc_unreachable", "", "warning", DC2)]);
}

#[test]
fn what_this_machine_forbids_itself_is_unknown_where_the_kernel_says_so() {
    let namespace = Namespace::new(&[]);
    let pair = Pair::within(&namespace);
    let look = pair.look().within(&namespace);
    let dc2 = pair.dcs[1].address();
    let forbidden = [("could_not_look", "88/udp"), ("could_not_look", "389/udp")];

    // UDP is told (EPERM).
    for action in ["drop", "reject with icmpx admin-prohibited"] {
        let rule = format!("ip daddr {dc2} udp dport {{ 88, 389 }} {action}");
        namespace.obey(&[], &[&rule]);
        let check = look.check();
        is(&check, "unknown", &of(DC2, "unknown", &forbidden));
        assert_eq!(up(&check, DC2, "88", "udp"), None);
        assert_eq!(up(&check, DC2, "88", "tcp"), Some(1.0));
    }

    // Of TCP it looks as if it were the network.
    for (action, reason) in
        [("drop", "tcp_timeout"), ("reject with icmpx admin-prohibited", "tcp_unreachable")]
    {
        namespace.obey(&[], &[&format!("ip daddr {dc2} tcp dport 445 {action}")]);
        is(&look.check(), "warning", &of(DC2, "warning", &[(reason, "445/tcp")]));
    }
}

/// Both domain controllers, with all that one of Windows serves.
struct Pair<'a> {
    dcs: [Dc<'a>; 2],
    beside: [Beside<'a>; 2],
}

/// What a domain controller of Windows serves besides, until it is taken away.
struct Beside<'a> {
    at: BesideDc<'a>,
    mapper: Option<Service>,
    netlogon: Option<Service>,
    smb: Option<Service>,
    time: Option<Service>,
}

/// Taking something of it away.
type Taking = fn(&mut Beside<'_>);

impl Pair<'static> {
    fn start() -> Self {
        let pki = Pki::new("Corp Root");
        Self::presenting([pki.valid(DC1), pki.valid(DC2)])
    }

    fn presenting(identities: [Identity; 2]) -> Self {
        Pair::launch(identities, None)
    }
}

impl<'a> Pair<'a> {
    fn within(namespace: &'a Namespace) -> Self {
        let pki = Pki::new("Corp Root");
        Self::launch([pki.valid(DC1), pki.valid(DC2)], Some(namespace))
    }

    fn launch([first, second]: [Identity; 2], namespace: Option<&'a Namespace>) -> Self {
        let dcs = [(Host::Dc1, first), (Host::Dc2, second)].map(|(host, identity)| {
            let builder = Dc::builder(host, &identity);
            namespace.into_iter().fold(builder, |builder, it| builder.within(it)).start()
        });
        let beside = dcs.each_ref().map(|dc| {
            let at = BesideDc::at(dc.address());
            Beside::of(namespace.into_iter().fold(at, |at, namespace| at.within(namespace)))
        });
        Self { dcs, beside }
    }

    fn controllers(&self) -> [Controller<'static>; 2] {
        self.dcs.each_ref().map(Dc::controller)
    }

    fn look(&self) -> Look<'a> {
        Look::at(&self.controllers())
    }

    /// With all beside it.
    fn kill(&mut self, which: usize) {
        self.dcs[which].kill();
        self.beside[which] = Beside::nothing(self.beside[which].at);
    }
}

impl<'a> Beside<'a> {
    fn of(at: BesideDc<'a>) -> Self {
        let mut beside = Self::nothing(at);
        beside.serve();
        beside
    }

    fn nothing(at: BesideDc<'a>) -> Self {
        Self { at, mapper: None, netlogon: None, smb: None, time: None }
    }

    /// All of it, anew.
    fn serve(&mut self) {
        *self = Self::nothing(self.at);
        self.mapper = Some(self.at.endpoint_mapper(Some(NETLOGON)));
        self.netlogon = Some(self.at.tcp(NETLOGON, |_| Vec::new()));
        self.smb = Some(self.at.smb());
        self.time = Some(self.at.ntp(0.0));
    }

    /// An endpoint mapper that has never heard of Netlogon.
    fn map_nothing(&mut self) {
        self.mapper = None;
        self.mapper = Some(self.at.endpoint_mapper(None));
    }
}

/// A look at the domain controllers that a BIND knows.
struct Look<'a> {
    zone: String,
    domain: &'a str,
    before_bind: Vec<SocketAddr>,
    after_bind: Vec<SocketAddr>,
    settings: String,
    connection: String,
    namespace: Option<&'a Namespace>,
}

impl<'a> Look<'a> {
    fn at(controllers: &[Controller<'_>]) -> Self {
        Self::in_zone(&of_controllers(controllers))
    }

    fn in_zone(zone: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            domain: DOMAIN,
            before_bind: Vec::new(),
            after_bind: Vec::new(),
            settings: String::new(),
            connection: String::new(),
            namespace: None,
        }
    }

    fn of_domain(self, domain: &'a str) -> Self {
        Self { domain, ..self }
    }

    fn within(self, namespace: &'a Namespace) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    /// Further DNS servers of the network, to be asked first.
    fn before_bind(self, servers: &[SocketAddr]) -> Self {
        Self { before_bind: servers.to_vec(), ..self }
    }

    fn after_bind(self, servers: &[SocketAddr]) -> Self {
        Self { after_bind: servers.to_vec(), ..self }
    }

    /// A line of `[checks.domain_controllers]`.
    fn setting(mut self, line: &str) -> Self {
        writeln!(self.settings, "{line}").unwrap();
        self
    }

    /// A line of the connection's Active Directory.
    fn connecting(mut self, line: &str) -> Self {
        writeln!(self.connection, "active_directory.{line}").unwrap();
        self
    }

    #[track_caller]
    fn check(&self) -> Check {
        let (_bind, config) = self.running();
        let surroundings = Surroundings { namespace: self.namespace, ..Surroundings::default() };
        let args = ["--check", "domain_controllers"];
        let report = Report::within(&config, &args, &surroundings);
        report.check("prod-weu", "domain_controllers")
    }

    /// What the check prints for Prometheus.
    #[track_caller]
    fn prometheus(&self) -> String {
        let (_bind, config) = self.running();
        let args = ["check", "--check", "domain_controllers", "--format", "prometheus"];
        command(&config, &args).stdout
    }

    /// The BIND, and a configuration that asks it. What `dns_ad_domain` thinks of the zone does not
    /// stand before the check.
    fn running(&self) -> (Bind, String) {
        let builder = Bind::builder().zone(self.domain, &self.zone);
        let bind = self.namespace.into_iter().fold(builder, |it, namespace| it.within(namespace));
        let bind = bind.start();
        let servers = [&self.before_bind[..], &[bind.address], &self.after_bind].concat();
        let servers: Vec<_> = servers.iter().map(SocketAddr::to_string).collect();
        let config = format!(
            "[server]\nenable_lifecycle = true\n\
             [checks]\ninterval = \"10m\"\ninterval_failing = \"10m\"\n\
             [checks.dns_ad_domain]\nenabled = false\n\
             [checks.domain_controllers]\ntimeout = \"12s\"\n{settings}\
             [[connections]]\nname = \"prod-weu\"\njoin_type = \"hybrid\"\n\
             dns_servers = {servers:?}\nactive_directory.domain = {domain:?}\n{connection}",
            settings = self.settings,
            domain = self.domain,
            connection = self.connection,
        );
        (bind, config)
    }
}

/// Of each domain controller: as its metrics have them.
const PORTS: [(&str, &str); 11] = [
    ("88", "tcp"),
    ("88", "udp"),
    ("123", "udp"),
    ("135", "tcp"),
    ("netlogon", "tcp"),
    ("389", "tcp"),
    ("389", "udp"),
    ("445", "tcp"),
    ("464", "tcp"),
    ("636", "tcp"),
    ("3268", "tcp"),
];

/// What may take a check, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

fn up(check: &Check, host: &str, port: &str, protocol: &str) -> Option<f64> {
    check.reading("anc_dc_up", &[("dc", host), ("port", port), ("protocol", protocol)])
}

/// What is found of ports of `host`: reason, severity and subject.
fn of(
    host: &str,
    severity: &'static str,
    ports: &[(&'static str, &str)],
) -> Vec<(&'static str, &'static str, String)> {
    let of_port =
        |(reason, port): &(&'static str, &str)| (*reason, severity, format!("{host}:{port}"));
    ports.iter().map(of_port).collect()
}

/// No finding of this check has an error type: Microsoft has no such check.
#[track_caller]
fn is(check: &Check, status: &str, findings: &[(&str, &str, String)]) {
    let code = match status {
        "failed" => 2,
        "warning" => 1,
        "unknown" => 3,
        _ => 0,
    };
    let findings = findings
        .iter()
        .map(|(reason, severity, subject)| (*reason, "", *severity, subject.as_str()));
    check.is(status, code, &findings.collect::<Vec<_>>());
}
