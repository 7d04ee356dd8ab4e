//! DNS can resolve Active Directory domain.
//!
//! Every DNS server of the virtual network is asked on its own, and nothing is cached: a Cloud PC
//! that gets the one bad server of two does not join. The names are those that Windows asks for
//! when it looks for a domain controller (Microsoft KB 816587, "How to verify that SRV DNS records
//! have been created for a domain controller"), and the domain's own, which Microsoft's check
//! resolves ("Troubleshoot Azure network connections").

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::future::{join, join_all};

use crate::{
    catalogue::{error_type, reason},
    checks::reachability::{name_servers, one_of_two_rounds, unresolved},
    engine::{Check, Family, Finding, Inconclusive, Kind, Reading, Reason, Severity, Verdict},
    net::{
        dns::{self, Answer, Lookup, Outcome, Records, Service, name_of},
        is_public,
    },
};

/// Records without which no domain controller is found: one of them is enough.
const LOCATORS: [&str; 2] = ["_ldap._tcp.dc._msdcs", "_ldap._tcp"];

/// Records that some of what follows a join needs: Kerberos, and the primary domain controller.
const BESIDE: [&str; 3] = ["_kerberos._tcp.dc._msdcs", "_kerberos._tcp", "_ldap._tcp.pdc._msdcs"];

/// How many targets of SRV records are resolved, the first by name, so that a forged answer cannot
/// make us ask for thousands of names.
const MOST_TARGETS: usize = 64;

/// Asks for the domain of one hybrid connection.
#[derive(Debug)]
pub struct DnsAdDomain {
    pub domain: String,
    /// None: the system's, read anew on every run.
    pub servers: Option<Vec<SocketAddr>>,
    /// The check's own limit.
    pub timeout: Duration,
}

#[derive(Debug)]
pub enum Facts {
    /// DNS does not allow such a name: nobody was asked.
    InvalidName(String),
    Asked(Vec<Asked>),
}

/// What one server answered.
#[derive(Debug)]
pub struct Asked {
    server: SocketAddr,
    /// By the record's name in metrics: `A`, `AAAA`, `SRV _ldap._tcp` ...
    answers: BTreeMap<String, Answer>,
    /// By target of the SRV records.
    targets: BTreeMap<String, Lookup>,
}

impl Check for DnsAdDomain {
    const NAME: &'static str = "dns_ad_domain";
    type Facts = Facts;

    async fn gather(&self) -> Result<Facts, Inconclusive> {
        if let Some(fault) = dns::name_fault(&self.domain) {
            return Ok(Facts::InvalidName(fault));
        }
        let servers = name_servers(self.servers.as_deref())?;
        // Two rounds: the records, and then what they point to.
        let limit = one_of_two_rounds(self.timeout);
        let asked = servers.iter().map(|server| ask(*server, &self.domain, limit));
        Ok(Facts::Asked(join_all(asked).await))
    }

    fn judge(&self, facts: &Facts) -> Verdict {
        match facts {
            Facts::InvalidName(fault) => {
                let detail = format!("\"{}\" is no domain name: {fault}", self.domain);
                let (severity, reason) = (Severity::Failed, reason::INVALID_NAME);
                Verdict::new(vec![found(severity, reason, &self.domain, detail)], Vec::new())
            }
            Facts::Asked(asked) => {
                let mut findings = of_servers(asked);
                findings.extend(of_answers(&self.domain, asked));
                Verdict::new(findings, readings(asked))
            }
        }
    }
}

/// Asks one server for everything at once, then for what the SRV records point to.
async fn ask(server: SocketAddr, domain: &str, limit: Duration) -> Asked {
    let addresses = [dns::Kind::A, dns::Kind::Aaaa].map(|kind| async move {
        (kind.as_str().to_owned(), dns::ask(server, domain, kind, limit).await)
    });
    let services = LOCATORS.iter().chain(&BESIDE).map(|prefix| async move {
        let name = format!("{prefix}.{domain}");
        (record(prefix), dns::ask(server, &name, dns::Kind::Srv, limit).await)
    });
    let (addresses, services) = join(join_all(addresses), join_all(services)).await;
    let answers: BTreeMap<_, _> = addresses.into_iter().chain(services).collect();
    let targets = answers.values().flat_map(services_in).map(|it| &it.target);
    // The root as a target says that there is no such service (RFC 2782).
    let targets: BTreeSet<_> = targets.filter(|target| !target.is_empty()).collect();
    let targets = targets.into_iter().take(MOST_TARGETS).map(|target| async move {
        (target.clone(), dns::resolve(&[server], target, limit).await)
    });
    let targets = join_all(targets).await.into_iter().collect();
    Asked { server, answers, targets }
}

/// What is wrong with servers rather than with what they know. Any one that does not work is a
/// warning; when none does, that is the failure.
fn of_servers(asked: &[Asked]) -> Vec<Finding> {
    let unasked = asked.iter().any(Asked::could_not_be_asked);
    // A server that this machine could not ask may be well.
    let severity = failed_if(!unasked && !asked.iter().any(Asked::works));
    let mut findings = Vec::new();
    for each in asked {
        let mut records: BTreeMap<Reason, (Vec<&str>, String)> = BTreeMap::new();
        for (record, answer) in &each.answers {
            let Some((reason, text)) = dns_fault(&answer.outcome) else { continue };
            let known = records.entry(reason).or_insert_with(|| (Vec::new(), text));
            known.0.push(record);
        }
        for (reason, (records, text)) in records {
            let of = if records.len() == each.answers.len() {
                "every question".to_owned()
            } else {
                records.join(", ")
            };
            let server = name_of(each.server);
            let detail = format!("DNS server {server}: {text} (asked for {of})");
            let ours = reason == reason::COULD_NOT_LOOK;
            let severity = if ours { Severity::Unknown } else { severity };
            findings.push(found(severity, reason, &server, detail));
        }
    }
    findings
}

/// What the servers that work say of the domain. Something wrong with all of them is a failure,
/// with some a warning; and a server that this machine could not ask may know better.
fn of_answers(domain: &str, asked: &[Asked]) -> Vec<Finding> {
    let working: Vec<&Asked> = asked.iter().filter(|each| each.works()).collect();
    let unasked = asked.iter().any(Asked::could_not_be_asked);
    let all = |test: fn(&Asked) -> bool| !unasked && working.iter().all(|each| test(each));
    let mut findings = Vec::new();
    for each in &working {
        let server = name_of(each.server);
        if each.name_is_missing() {
            let detail = format!("DNS server {server} says that {domain} does not exist");
            let severity = failed_if(all(Asked::name_is_missing));
            findings.push(found(severity, reason::NAME_NOT_FOUND, &server, detail));
            continue;
        }
        if each.has_no_address() {
            let detail = format!("{domain} exists on DNS server {server}, without any address");
            let severity = failed_if(all(Asked::has_no_address));
            findings.push(found(severity, reason::NO_ADDRESSES, &server, detail));
        }
        if each.has_public_address() {
            let detail = format!(
                "DNS server {server} answers {domain} with public addresses, {}: the internet's \
                 zone, not the directory's",
                listed(each.addresses().filter(is_public).collect::<BTreeSet<_>>())
            );
            let severity = failed_if(all(Asked::is_of_the_internet));
            findings.push(found(severity, reason::PUBLIC_ADDRESS, &server, detail));
        }
        findings.extend(of_services(domain, each, &all));
    }
    findings.extend(disagreement(domain, &working));
    findings
}

/// What a server says of the records that locate domain controllers, and of what they point to.
fn of_services(
    domain: &str,
    each: &Asked,
    all: &impl Fn(fn(&Asked) -> bool) -> bool,
) -> Vec<Finding> {
    let server = name_of(each.server);
    if each.has_no_services() {
        let names = LOCATORS.map(|prefix| format!("{prefix}.{domain}")).join(" nor ");
        let detail = format!("DNS server {server} has neither {names}");
        let severity = failed_if(all(Asked::has_no_services));
        return vec![found(severity, reason::NO_SRV_RECORDS, &server, detail)];
    }
    let missing = each.missing_records().map(|prefix| {
        let name = format!("{prefix}.{domain}");
        let detail = format!("DNS server {server} has no SRV record {name}");
        found(Severity::Warning, reason::SRV_RECORD_MISSING, &name, detail)
    });
    let severity = failed_if(all(Asked::resolves_no_target));
    let unresolved = each.unresolved_targets().map(|(target, lookup)| {
        let outcome = &lookup.outcome;
        let detail =
            format!("SRV records point to {target}, but DNS server {server} says: {outcome}");
        if matches!(outcome, Outcome::NotAsked(_)) {
            found(Severity::Unknown, reason::COULD_NOT_LOOK, target, detail)
        } else {
            found(severity, reason::SRV_TARGET_UNRESOLVED, target, detail)
        }
    });
    missing.chain(unresolved).collect()
}

/// Servers of one network must know the same domain. Those that know none are told of elsewhere.
fn disagreement(domain: &str, working: &[&Asked]) -> Option<Finding> {
    let mut differing = BTreeSet::new();
    let knowing: Vec<_> = working.iter().filter(|each| !each.name_is_missing()).collect();
    let (first, others) = knowing.split_first()?;
    for other in others {
        for (record, answer) in &first.answers {
            let same = dns_fault(&answer.outcome).is_some()
                || other.answers.get(record).is_none_or(|it| dns_fault(&it.outcome).is_some())
                || first.said(record) == other.said(record);
            if !same {
                differing.insert(format!(
                    "{record}: {} says {}, {} says {}",
                    name_of(first.server),
                    listed(first.said(record)),
                    name_of(other.server),
                    listed(other.said(record))
                ));
            }
        }
    }
    let differing: Vec<String> = differing.into_iter().collect();
    let detail = format!("the DNS servers give different answers; {}", differing.join("; "));
    let (severity, reason) = (Severity::Warning, reason::SERVERS_DISAGREE);
    (!differing.is_empty()).then(|| found(severity, reason, domain, detail))
}

impl Asked {
    /// Whether it can be relied on to answer: it settled the question for the domain, one way or
    /// the other, and did not fail for all records that locate a domain controller.
    fn works(&self) -> bool {
        let settled = |record: &str| {
            self.answers.get(record).is_some_and(|it| dns_fault(&it.outcome).is_none())
        };
        (settled("A") || settled("AAAA")) && LOCATORS.iter().any(|prefix| settled(&record(prefix)))
    }

    fn could_not_be_asked(&self) -> bool {
        self.answers.values().any(|answer| matches!(answer.outcome, Outcome::NotAsked(_)))
    }

    /// Some servers deny a name of which they lack one record (RFC 4074, section 4.2): what has an
    /// address exists.
    fn name_is_missing(&self) -> bool {
        let missing = |kind| matches!(self.outcome(kind), Some(Outcome::NoSuchName));
        (missing("A") || missing("AAAA")) && self.addresses().next().is_none()
    }

    /// Both questions were answered, and neither with an address.
    fn has_no_address(&self) -> bool {
        let none = |kind| matches!(self.outcome(kind), Some(Outcome::NoData | Outcome::NoSuchName));
        none("A") && none("AAAA") && !self.name_is_missing()
    }

    fn has_public_address(&self) -> bool {
        self.addresses().any(|address| is_public(&address))
    }

    /// A public address and no way to find a domain controller: the internet's zone answers.
    fn is_of_the_internet(&self) -> bool {
        self.has_no_services() && self.has_public_address()
    }

    fn has_no_services(&self) -> bool {
        LOCATORS.iter().all(|prefix| self.lacks(prefix))
    }

    fn missing_records(&self) -> impl Iterator<Item = &'static str> + '_ {
        LOCATORS.into_iter().chain(BESIDE).filter(|prefix| self.lacks(prefix))
    }

    /// Whether the server says that it does not have the record, or that there is no such service:
    /// the root as its only target (RFC 2782).
    fn lacks(&self, prefix: &str) -> bool {
        let Some(answer) = self.answers.get(&record(prefix)) else { return false };
        let denied = services_in(answer).all(|service| service.target.is_empty());
        let found = matches!(answer.outcome, Outcome::Found(_));
        matches!(answer.outcome, Outcome::NoSuchName | Outcome::NoData) || found && denied
    }

    /// That this machine could not ask for one says nothing about it.
    fn resolves_no_target(&self) -> bool {
        let unresolved = |lookup: &Lookup| {
            lookup.addresses.is_empty() && !matches!(lookup.outcome, Outcome::NotAsked(_))
        };
        !self.targets.is_empty() && self.targets.values().all(unresolved)
    }

    fn unresolved_targets(&self) -> impl Iterator<Item = (&String, &Lookup)> {
        self.targets.iter().filter(|(_, lookup)| lookup.addresses.is_empty())
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        ["A", "AAAA"].into_iter().filter_map(|kind| self.outcome(kind)).flat_map(addresses_in)
    }

    fn outcome(&self, record: &str) -> Option<&Outcome> {
        self.answers.get(record).map(|answer| &answer.outcome)
    }

    /// What a record holds, in an order that does not depend on how a server rotates answers.
    fn said(&self, record: &str) -> BTreeSet<String> {
        let Some(answer) = self.answers.get(record) else { return BTreeSet::new() };
        let addresses = addresses_in(&answer.outcome).map(|address| address.to_string());
        let services = services_in(answer).map(|it| format!("{}:{}", it.target, it.port));
        addresses.chain(services).collect()
    }
}

/// The reason and the words for an answer that settles nothing.
fn dns_fault(outcome: &Outcome) -> Option<(Reason, String)> {
    let settled = matches!(outcome, Outcome::Found(_) | Outcome::NoSuchName | Outcome::NoData);
    (!settled).then(|| (unresolved(outcome), outcome.to_string()))
}

fn addresses_in(outcome: &Outcome) -> impl Iterator<Item = IpAddr> + '_ {
    let addresses = if let Outcome::Found(Records::Addresses(addresses)) = outcome {
        addresses.as_slice()
    } else {
        &[]
    };
    addresses.iter().copied()
}

fn services_in(answer: &Answer) -> impl Iterator<Item = &Service> {
    let services = if let Outcome::Found(Records::Services(services)) = &answer.outcome {
        services.as_slice()
    } else {
        &[]
    };
    services.iter()
}

/// The `record` label of an SRV record.
fn record(prefix: &str) -> String {
    format!("SRV {prefix}")
}

fn listed(said: impl IntoIterator<Item = impl ToString>) -> String {
    const MOST: usize = 8;
    let mut said: Vec<String> = said.into_iter().map(|each| each.to_string()).collect();
    if said.is_empty() {
        return "nothing".into();
    }
    if said.len() > MOST {
        let more = format!("and {} more", said.len() - MOST);
        said.truncate(MOST);
        said.push(more);
    }
    said.join(" ")
}

fn failed_if(everywhere: bool) -> Severity {
    if everywhere { Severity::Failed } else { Severity::Warning }
}

fn found(severity: Severity, reason: Reason, subject: &str, detail: String) -> Finding {
    let error_type = error_type(DnsAdDomain::NAME, reason, None);
    Finding { severity, reason, subject: subject.to_owned(), detail, error_type }
}

const QUERY_DURATION: Family = Family {
    name: "anc_dns_query_duration_seconds",
    help: "Time the DNS server took to answer, or we took to give up, as of the last run.",
    labels: &["server", "record"],
    kind: Kind::Gauge,
};

const QUERY_SUCCESS: Family = Family {
    name: "anc_dns_query_success",
    help: "Whether the DNS server answered with records (1) or not (0), as of the last run.",
    labels: &["server", "record"],
    kind: Kind::Gauge,
};

const ANSWERS: Family = Family {
    name: "anc_dns_answers",
    help: "Records in the DNS server's answer, as of the last run.",
    labels: &["server", "record"],
    kind: Kind::Gauge,
};

fn readings(asked: &[Asked]) -> Vec<Reading> {
    let mut readings = Vec::new();
    for each in asked {
        for (record, answer) in &each.answers {
            let server = name_of(each.server);
            let labels = || [server.clone(), record.clone()];
            let count = addresses_in(&answer.outcome).count() + services_in(answer).count();
            let success = f64::from(u8::from(matches!(answer.outcome, Outcome::Found(_))));
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let count = count as f64;
            readings.extend([
                Reading::new(&QUERY_DURATION, labels(), answer.took.as_secs_f64()),
                Reading::new(&QUERY_SUCCESS, labels(), success),
                Reading::new(&ANSWERS, labels(), count),
            ]);
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Status, net::dns::Transport};

    const DOMAIN: &str = "corp.contoso.com";

    /// The one place that knows how the check is called.
    #[track_caller]
    fn judged<const N: usize>(asked: Vec<Asked>, status: Status, reasons: [Reason; N]) -> Verdict {
        let verdict = check(DOMAIN).judge(&Facts::Asked(asked));
        let found: Vec<_> = verdict.findings().iter().map(|finding| finding.reason).collect();
        assert_eq!((verdict.status(), &*found), (status, &reasons[..]), "{:?}", verdict.findings());
        verdict
    }

    #[test]
    fn all_servers_know_the_domain() {
        judged(vec![good(4), good(5)], Status::Passed, []);
    }

    #[test]
    fn one_of_two_is_dead() {
        let dead = every(5, &Outcome::Timeout);
        let verdict = judged(vec![good(4), dead], Status::Warning, [reason::DNS_TIMEOUT]);
        assert_eq!(verdict.findings()[0].subject, "10.8.0.5");
    }

    #[test]
    fn all_servers_are_dead_each_in_its_way() {
        for (outcome, reason) in [
            (Outcome::Timeout, reason::DNS_TIMEOUT),
            (Outcome::Refused, reason::DNS_REFUSED),
            (Outcome::ServerFailure, reason::DNS_SERVFAIL),
            (Outcome::Unreachable("port closed".into()), reason::DNS_UNREACHABLE),
            (Outcome::Truncated("refused".into()), reason::DNS_TRUNCATED),
            (Outcome::Malformed("noise".into()), reason::DNS_MALFORMED),
            (Outcome::OtherCode("NOTIMP".into()), reason::DNS_MALFORMED),
        ] {
            let verdict = judged(vec![every(4, &outcome)], Status::Failed, [reason]);
            assert_eq!(verdict.findings()[0].error_type, Some("dnsCheckUnknownError"));
        }
    }

    #[test]
    fn that_we_could_not_ask_is_no_failure() {
        let unasked = every(4, &Outcome::NotAsked("no socket".into()));
        judged(vec![unasked], Status::Unknown, [reason::COULD_NOT_LOOK]);
    }

    #[test]
    fn a_server_that_could_not_be_asked_may_be_well() {
        let unasked = every(4, &Outcome::NotAsked("no socket".into()));
        let dead = every(5, &Outcome::Timeout);
        let both = [reason::COULD_NOT_LOOK, reason::DNS_TIMEOUT];
        let verdict = judged(vec![unasked, dead], Status::Unknown, both);
        assert_eq!(verdict.findings()[1].severity, Severity::Warning);
    }

    #[test]
    fn a_server_that_could_not_be_asked_may_know_the_name() {
        let missing = every(4, &Outcome::NoSuchName);
        let unasked = every(5, &Outcome::NotAsked("no socket".into()));
        let both = [reason::COULD_NOT_LOOK, reason::NAME_NOT_FOUND];
        let verdict = judged(vec![missing, unasked], Status::Unknown, both);
        assert_eq!(verdict.findings()[1].severity, Severity::Warning);
    }

    #[test]
    fn a_target_that_could_not_be_asked_for_is_unknown() {
        let mut stale = good(4);
        stale.targets.clear();
        let stale = stale.target("dc1", Outcome::NotAsked("no socket".into()));
        judged(vec![stale], Status::Unknown, [reason::COULD_NOT_LOOK]);
    }

    #[test]
    fn one_target_is_gone_and_the_other_could_not_be_asked_for() {
        let mut stale = good(4);
        stale.targets.clear();
        let stale = stale.target("dc1", Outcome::NoSuchName);
        let stale = stale.target("dc2", Outcome::NotAsked("no socket".into()));
        let both = [reason::SRV_TARGET_UNRESOLVED, reason::COULD_NOT_LOOK];
        let verdict = judged(vec![stale], Status::Unknown, both);
        assert_eq!(verdict.findings()[0].severity, Severity::Warning);
    }

    #[test]
    fn a_service_that_is_denied_locates_nobody() {
        let denied = || {
            let target = String::new();
            let service = Service { priority: 0, weight: 0, port: 0, target };
            Outcome::Found(Records::Services(vec![service]))
        };
        let mut asked = every(4, &denied()).with("A", addresses("10.8.0.4"));
        asked.answers.insert("AAAA".into(), answer(Outcome::NoData));
        judged(vec![asked], Status::Failed, [reason::NO_SRV_RECORDS]);
    }

    #[test]
    fn an_address_that_was_not_seen_is_not_missing() {
        let half = good(4).with("A", Outcome::Timeout);
        judged(vec![half], Status::Warning, [reason::DNS_TIMEOUT]);
    }

    #[test]
    fn a_name_denied_for_one_record_exists_by_the_other() {
        let denied = good(4).with("AAAA", Outcome::NoSuchName);
        judged(vec![denied], Status::Passed, []);
    }

    #[test]
    fn the_name_does_not_exist() {
        let missing = every(4, &Outcome::NoSuchName);
        let verdict = judged(vec![missing], Status::Failed, [reason::NAME_NOT_FOUND]);
        assert_eq!(verdict.findings()[0].error_type, Some("dnsCheckFqdnNotFound"));
    }

    #[test]
    fn the_name_does_not_exist_on_one_of_two() {
        let missing = every(5, &Outcome::NoSuchName);
        judged(vec![good(4), missing], Status::Warning, [reason::NAME_NOT_FOUND]);
    }

    #[test]
    fn the_name_does_not_exist_where_the_other_server_is_dead() {
        let (missing, dead) = (every(4, &Outcome::NoSuchName), every(5, &Outcome::Timeout));
        let both = [reason::DNS_TIMEOUT, reason::NAME_NOT_FOUND];
        judged(vec![missing, dead], Status::Failed, both);
    }

    #[test]
    fn the_name_has_no_address() {
        let bare = good(4).with("A", Outcome::NoData);
        let verdict = judged(vec![bare], Status::Failed, [reason::NO_ADDRESSES]);
        assert_eq!(verdict.findings()[0].error_type, Some("dnsCheckFqdnNotFound"));
    }

    #[test]
    fn the_name_resolves_and_nothing_locates_a_domain_controller() {
        let verdict = judged(vec![without_services(4)], Status::Failed, [reason::NO_SRV_RECORDS]);
        assert_eq!(verdict.findings()[0].error_type, Some("dnsCheckUnknownError"));
    }

    #[test]
    fn one_record_beside_the_locators_is_missing() {
        let lacking = good(4).with("SRV _kerberos._tcp", Outcome::NoData);
        let verdict = judged(vec![lacking], Status::Warning, [reason::SRV_RECORD_MISSING]);
        assert_eq!(verdict.findings()[0].subject, "_kerberos._tcp.corp.contoso.com");
    }

    #[test]
    fn one_of_two_targets_is_gone() {
        let stale = good(4).target("dc9", Outcome::NoSuchName);
        let verdict = judged(vec![stale], Status::Warning, [reason::SRV_TARGET_UNRESOLVED]);
        assert_eq!(verdict.findings()[0].subject, "dc9");
    }

    #[test]
    fn no_target_resolves() {
        let mut stale = good(4);
        stale.targets.clear();
        let stale = stale.target("dc9", Outcome::NoSuchName);
        judged(vec![stale], Status::Failed, [reason::SRV_TARGET_UNRESOLVED]);
    }

    #[test]
    fn the_public_zone_answers() {
        let public = without_services(4).with("A", addresses("203.0.113.10"));
        let both = [reason::PUBLIC_ADDRESS, reason::NO_SRV_RECORDS];
        judged(vec![public], Status::Failed, both);
    }

    #[test]
    fn the_addresses_alone_are_public() {
        let public = good(4).with("A", addresses("203.0.113.10"));
        judged(vec![public], Status::Warning, [reason::PUBLIC_ADDRESS]);
    }

    #[test]
    fn servers_disagree_on_the_addresses() {
        let other = good(5).with("A", addresses("10.9.0.1"));
        let verdict = judged(vec![good(4), other], Status::Warning, [reason::SERVERS_DISAGREE]);
        let detail = &verdict.findings()[0].detail;
        assert!(detail.contains("10.8.0.5 says 10.9.0.1"), "{detail}");
    }

    #[test]
    fn one_query_of_a_working_server_times_out() {
        let flaky = good(5).with("SRV _kerberos._tcp", Outcome::Timeout);
        judged(vec![good(4), flaky], Status::Warning, [reason::DNS_TIMEOUT]);
    }

    #[test]
    fn the_name_is_none() {
        for name in ["", "corp..contoso.com", "corp contoso.com", "corp_1.contoso.com"] {
            let fault = dns::name_fault(name).unwrap();
            let verdict = check(name).judge(&Facts::InvalidName(fault));
            let finding = &verdict.findings()[0];
            assert_eq!(
                (finding.severity, finding.reason),
                (Severity::Failed, reason::INVALID_NAME)
            );
            assert_eq!(finding.error_type, Some("dnsCheckNameWithInvalidCharacter"));
        }
    }

    #[test]
    fn every_question_has_its_readings() {
        let verdict = judged(vec![good(4)], Status::Passed, []);
        let of = |family: &'static str| {
            verdict.readings().iter().filter(move |reading| reading.family.name == family)
        };
        let questions = 2 + LOCATORS.len() + BESIDE.len();
        assert_eq!(of("anc_dns_query_duration_seconds").count(), questions);
        let answers = of("anc_dns_answers").find(|it| it.labels == ["10.8.0.4", "A"]).unwrap();
        assert_eq!(answers.value, 1.0);
    }

    fn check(domain: &str) -> DnsAdDomain {
        let timeout = Duration::from_secs(30);
        DnsAdDomain { domain: domain.into(), servers: None, timeout }
    }

    /// A server at 10.8.0.`last` that answers everything alike.
    fn every(last: u8, outcome: &Outcome) -> Asked {
        let services = LOCATORS.iter().chain(&BESIDE).map(|prefix| record(prefix));
        let records = ["A", "AAAA"].map(str::to_owned).into_iter().chain(services);
        let answers = records.map(|record| (record, answer(outcome.clone()))).collect();
        let server = SocketAddr::from(([10, 8, 0, last], 53));
        Asked { server, answers, targets: BTreeMap::new() }
    }

    fn good(last: u8) -> Asked {
        let service =
            Service { priority: 0, weight: 100, port: 389, target: "dc1.corp.contoso.com".into() };
        let found = Outcome::Found(Records::Services(vec![service]));
        every(last, &found)
            .with("A", addresses("10.8.0.4"))
            .with("AAAA", Outcome::NoData)
            .target("dc1.corp.contoso.com", addresses("10.8.0.4"))
    }

    fn without_services(last: u8) -> Asked {
        every(last, &Outcome::NoSuchName)
            .with("A", addresses("10.8.0.4"))
            .with("AAAA", Outcome::NoData)
    }

    fn addresses(address: &str) -> Outcome {
        Outcome::Found(Records::Addresses(vec![address.parse().unwrap()]))
    }

    fn answer(outcome: Outcome) -> Answer {
        Answer { outcome, took: Duration::from_millis(2), transport: Transport::Udp }
    }

    impl Asked {
        fn with(mut self, record: &str, outcome: Outcome) -> Self {
            self.answers.insert(record.into(), answer(outcome));
            self
        }

        fn target(mut self, target: &str, outcome: Outcome) -> Self {
            let addresses = addresses_in(&outcome).collect();
            let (server, took) = (Some(self.server), Duration::from_millis(2));
            let lookup = Lookup { addresses, outcome, server, took, attempts: Vec::new() };
            self.targets.insert(target.into(), lookup);
            self
        }
    }
}
