//! From what was seen of the domain controllers to what is wrong with them.

use super::{
    DomainControllers, Facts,
    look::{Knock, Looked, Role, Silence, TCP, UDP},
    readings,
};
use crate::{
    catalogue::{error_type, reason},
    checks::reachability::{could_not_ask, of_tcp, who_said},
    checks::signing_in::{Trouble, Weight, nobody},
    directory::{Controller, name},
    engine::{Check as _, Clock, Finding, Reason, Severity, Verdict},
    net::{TcpFault, UdpFault, tls::Chain},
};

pub(super) fn verdict(facts: &Facts) -> Verdict {
    let mut findings = of_locating(facts);
    // One that we could not ask for may serve as well.
    let is_unseen = facts.located.controllers.iter().any(|it| could_not_ask(&it.lookup));
    let none_serves = !facts.looked.iter().any(|(_, looked)| may_serve(facts, looked));
    let left_out = facts.located.left_out;
    if none_serves && left_out > 0 {
        let detail =
            format!("{left_out} more domain controllers are in DNS, and were not looked at");
        findings.push(found(Severity::Unknown, reason::COULD_NOT_LOOK, &facts.domain, detail));
    }
    let needed = failed_if(none_serves && !is_unseen && left_out == 0);
    let is_off = is_off_everywhere(facts);
    for (controller, looked) in &facts.looked {
        findings.extend(of_ports(controller, looked, needed));
        findings.extend(of_itself(facts, controller, looked, needed));
        findings.extend(of_clock(controller, looked, is_off));
        findings.extend(of_certificate(facts, controller, looked));
    }
    Verdict::new(findings, readings::of(facts))
}

/// Whether a join could use a domain controller, as far as we could see.
fn may_serve(facts: &Facts, looked: &Looked) -> bool {
    let is_given = |needed: &Needed| {
        let mut knocks = looked.knocks.iter().filter(|knock| needed.is_met_by(knock)).peekable();
        knocks.peek().is_none() || knocks.any(|knock| knock.outcome.is_ok() || knock.is_unseen())
    };
    foreign(facts, looked).is_none() && NEEDED.iter().all(is_given)
}

/// What a join cannot do without: a port, over one of these protocols.
struct Needed(Role, &'static [&'static str]);

impl Needed {
    fn is_met_by(&self, knock: &Knock) -> bool {
        self.0 == knock.role && self.1.contains(&knock.protocol)
    }
}

/// Who was not found, or has no address.
fn of_locating(facts: &Facts) -> Vec<Finding> {
    let controllers = &facts.located.controllers;
    if controllers.is_empty() {
        let Trouble { weight, reason, subject, detail } =
            nobody(&facts.domain, facts.located.why_none());
        let severity = match weight {
            Weight::Look => Severity::Unknown,
            Weight::Join | Weight::Controller => Severity::Failed,
        };
        return vec![found(severity, reason, &subject, detail)];
    }
    let may_resolve = controllers.iter().any(|it| could_not_ask(&it.lookup));
    let severity = failed_if(facts.looked.is_empty() && !may_resolve);
    let unresolved = controllers.iter().filter(|it| it.lookup.addresses.is_empty());
    let findings = unresolved.map(|controller| {
        let host = &controller.host;
        let detail = format!("{host} is in SRV records, and: {}", who_said(&controller.lookup));
        if could_not_ask(&controller.lookup) {
            found(Severity::Unknown, reason::COULD_NOT_LOOK, host, detail)
        } else {
            found(severity, reason::SRV_TARGET_UNRESOLVED, host, detail)
        }
    });
    findings.collect()
}

/// The ports that gave no answer. One that none answers on is dead, and told once.
fn of_ports(controller: &Controller, looked: &Looked, needed: Severity) -> Vec<Finding> {
    let host = &controller.host;
    if looked.knocks.iter().all(Knock::is_dead) {
        let detail = format!("{host} is in DNS, and answers on no port that a join needs");
        return vec![found(needed, reason::DC_UNREACHABLE, host, detail)];
    }
    let is_global_catalog = looked.is_global_catalog();
    let mut findings = Vec::new();
    for knock in &looked.knocks {
        let Err(silence) = &knock.outcome else { continue };
        if knock.role == Role::GlobalCatalog && is_global_catalog == Some(false) {
            continue;
        }
        let subject = format!("{host}:{}/{}", knock.port, knock.protocol);
        let (reason, why) = of_silence(silence);
        let detail = format!("{subject} ({}): {why}", knock.role.as_str());
        let is_needed = NEEDED.iter().filter(|needed| needed.is_met_by(knock)).any(|needed| {
            let mut others = looked.knocks.iter().filter(|it| needed.is_met_by(it));
            others.all(|it| it.outcome.is_err())
        });
        let severity = match () {
            () if knock.is_unseen() => Severity::Unknown,
            () if is_needed => needed,
            () => Severity::Warning,
        };
        findings.push(found(severity, reason, &subject, detail));
    }
    findings
}

fn of_silence(silence: &Silence) -> (Reason, String) {
    match silence {
        Silence::Tcp(TcpFault::Other(why)) | Silence::Udp(UdpFault::Local(why)) => {
            (reason::COULD_NOT_LOOK, why.clone())
        }
        Silence::Tcp(fault) => of_tcp(fault),
        Silence::Udp(fault @ (UdpFault::Refused | UdpFault::Unreachable(_))) => {
            (reason::UDP_REFUSED, format!("UDP: {fault}"))
        }
        Silence::Udp(fault @ UdpFault::Timeout) => (reason::UDP_NO_REPLY, format!("UDP: {fault}")),
        Silence::Udp(fault @ UdpFault::Malformed(_)) => {
            (reason::DC_PORT_BROKEN, format!("UDP: {fault}"))
        }
        Silence::Odd(why) => (reason::DC_PORT_BROKEN, why.clone()),
    }
}

/// What it says of itself.
fn of_itself(
    facts: &Facts,
    controller: &Controller,
    looked: &Looked,
    needed: Severity,
) -> Vec<Finding> {
    let host = &controller.host;
    let mut findings = Vec::new();
    let mut tell = |severity, reason, detail| findings.push(found(severity, reason, host, detail));
    if let Some(theirs) = foreign(facts, looked) {
        let domain = name::of_domain(&facts.domain);
        let detail = format!("{host} is a domain controller of {theirs}, not of {domain}");
        tell(needed, reason::DC_OF_OTHER_DOMAIN, detail);
    }
    if looked.root.as_ref().is_some_and(|root| root.is_synchronized == Some(false)) {
        let detail = format!("{host} has not replicated since it started (isSynchronized)");
        tell(Severity::Warning, reason::DC_NOT_SYNCHRONISED, detail);
    }
    if let Some(netlogon) = &looked.netlogon {
        if netlogon.paused {
            let detail = format!("{host} says that its Netlogon service is paused");
            tell(Severity::Warning, reason::DC_NOT_SYNCHRONISED, detail);
        } else if !netlogon.is_writable() {
            let detail = format!("{host} is a read-only domain controller");
            let writable = facts.looked.iter().any(|(_, it)| {
                let says_so = it.netlogon.as_ref().is_some_and(|it| !it.paused && it.is_writable());
                says_so && may_serve(facts, it)
            });
            let severity = if writable { Severity::Informational } else { Severity::Warning };
            tell(severity, reason::DC_READ_ONLY, detail);
        }
    }
    if let Some(took) = looked.round_trip.filter(|took| *took > SLOW) {
        let detail = format!("{host} took {} ms to answer", took.as_millis());
        tell(Severity::Warning, reason::DC_SLOW, detail);
    }
    findings
}

/// Kerberos tolerates five minutes (MS-KILE section 3.1.1.2; RFC 4120, section 3.1.2).
fn of_clock(controller: &Controller, looked: &Looked, is_off: bool) -> Option<Finding> {
    let host = &controller.host;
    if looked.clock_offset.is_none() && looked.root.is_some() {
        let detail = format!("{host} tells its time neither over NTP nor by Kerberos nor by LDAP");
        return Some(found(Severity::Warning, reason::DC_PORT_BROKEN, host, detail));
    }
    let offset = looked.clock_offset.filter(|offset| offset.abs() >= NOTABLE)?;
    let ahead = if offset > 0.0 { "ahead of" } else { "behind" };
    let detail = format!("the clock of {host} is {:.0} s {ahead} this machine's", offset.abs());
    Some(found(failed_if(is_off), reason::CLOCK_SKEWED, host, detail))
}

/// Whether every domain controller that serves is off by more than Kerberos tolerates; where none
/// does, every one that told its time.
fn is_off_everywhere(facts: &Facts) -> bool {
    let off = |looked: &Looked| looked.clock_offset.map(|offset| offset.abs() > TOLERATED);
    let all = || facts.looked.iter().map(|(_, looked)| looked);
    let serving: Vec<_> = all().filter(|looked| may_serve(facts, looked)).map(off).collect();
    if serving.is_empty() {
        let mut told = all().filter_map(off).peekable();
        return told.peek().is_some() && told.all(|is_off| is_off);
    }
    serving.into_iter().all(|is_off| is_off == Some(true))
}

fn of_certificate(facts: &Facts, controller: &Controller, looked: &Looked) -> Option<Finding> {
    let host = &controller.host;
    let Chain { leaf, .. } = looked.certificate.as_ref()?;
    #[expect(clippy::cast_possible_truncation, reason = "days")]
    let days = ((leaf.not_after as f64 - Clock::unix(facts.now)) / DAY).floor() as i64;
    let (reason, what) = if leaf.not_after <= 0 {
        (reason::DC_PORT_BROKEN, "cannot be read".to_owned())
    } else if days < 0 {
        (reason::CERTIFICATE_EXPIRED, "has expired".to_owned())
    } else if days < SOON {
        (reason::CERTIFICATE_EXPIRES_SOON, format!("expires in {days} days"))
    } else {
        return None;
    };
    let detail = format!("the LDAPS certificate of {host} {what}");
    Some(found(Severity::Warning, reason, host, detail))
}

fn failed_if(everywhere: bool) -> Severity {
    if everywhere { Severity::Failed } else { Severity::Warning }
}

fn found(severity: Severity, reason: Reason, subject: &str, detail: String) -> Finding {
    let error_type = error_type(DomainControllers::NAME, reason, None);
    Finding { severity, reason, subject: subject.to_owned(), detail, error_type }
}

/// The domain that it serves, where that is not ours.
fn foreign<'a>(facts: &Facts, looked: &'a Looked) -> Option<&'a str> {
    let theirs = &looked.root.as_ref()?.default_naming_context;
    (!name::is_same(theirs, &name::of_domain(&facts.domain))).then_some(theirs)
}

impl Knock {
    /// Whether nothing at all answers there.
    fn is_dead(&self) -> bool {
        matches!(
            &self.outcome,
            Err(Silence::Tcp(TcpFault::Refused | TcpFault::Timeout | TcpFault::Unreachable(_))
                | Silence::Udp(UdpFault::Refused | UdpFault::Timeout | UdpFault::Unreachable(_)))
        )
    }

    /// Whether it was this machine that could not ask.
    pub(super) fn is_unseen(&self) -> bool {
        matches!(
            &self.outcome,
            Err(Silence::Tcp(TcpFault::Other(_)) | Silence::Udp(UdpFault::Local(_)))
        )
    }
}

impl Looked {
    /// None where it did not say.
    fn is_global_catalog(&self) -> Option<bool> {
        let by_ping = self.netlogon.as_ref().map(|netlogon| netlogon.is_global_catalog());
        by_ping.or(self.root.as_ref().and_then(|root| root.is_global_catalog_ready))
    }
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Kerberos => "Kerberos",
            Self::Ntp => "time",
            Self::EndpointMapper => "RPC endpoint mapper",
            Self::Netlogon => "RPC port of Netlogon",
            Self::Ldap => "LDAP",
            Self::Smb => "SMB",
            Self::Kpasswd => "Kerberos password change",
            Self::Ldaps => "LDAPS",
            Self::GlobalCatalog => "global catalog",
        }
    }
}

/// DNS is here where the domain controller is a DNS server of the network: Windows asks over UDP,
/// and over TCP only what did not fit. LDAP needs both: Windows' locator takes a domain controller
/// for one only once it has answered a search over UDP (Microsoft, "Directory service functions"),
/// so that without it nothing joins, however open TCP is. With Kerberos it is the client's choice.
const NEEDED: [Needed; 8] = [
    Needed(Role::Dns, &[UDP]),
    Needed(Role::Kerberos, &[UDP, TCP]),
    Needed(Role::EndpointMapper, &[TCP]),
    Needed(Role::Netlogon, &[TCP]),
    Needed(Role::Ldap, &[TCP]),
    Needed(Role::Ldap, &[UDP]),
    Needed(Role::Smb, &[TCP]),
    Needed(Role::Kpasswd, &[TCP]),
];

/// Seconds by which a clock may be off before it is told.
const NOTABLE: f64 = 120.0;
const TOLERATED: f64 = 300.0;
const SLOW: std::time::Duration = std::time::Duration::from_millis(500);
/// Days before a certificate expires.
const SOON: i64 = 30;
const DAY: f64 = 86_400.0;
