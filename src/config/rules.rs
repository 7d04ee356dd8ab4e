//! From what is written to what holds: the rules, and the files that the configuration names.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use ipnet::IpNet;

use super::{
    Config, Connection, Endpoints, Host, Log, Problem, Scheduled, Server, Times, Udp, Watched,
    raw::{self, Raw, built_in},
};
use crate::{
    catalogue::{CHECKS, Catalogue, host_problem, pattern_problem, row_problems},
    engine::{InvalidSchedule, Schedule},
};

/// Applies every rule; what is broken is noted, and only then is there no configuration.
pub(super) fn apply(
    raw: &Raw,
    folder: &Path,
    problems: &mut Vec<Problem>,
    watched: &mut Watched,
) -> Option<Config> {
    let mut rules = Rules { folder, problems, watched };
    let schedules = rules.schedules(&raw.checks);
    let endpoints = rules.endpoints(&raw.checks.endpoint_connectivity);
    let udp = rules.udp(&raw.checks.udp_connectivity);
    let connections = rules.connections(&raw.connections);
    let server = rules.server(&raw.server);
    let max_controllers = rules.max_controllers(&raw.checks);
    let key_age = rules.key_age(&raw.checks);
    let schedules = schedules?;
    let config = Config {
        server,
        log: Log { level: raw.log.level, format: raw.log.format },
        cloud: raw.azure.cloud.catalogue(),
        effective: effective(raw.clone(), &schedules),
        schedules,
        endpoints: endpoints?,
        udp,
        max_controllers,
        key_age,
        connections,
        watched: Watched::default(),
    };
    Some(config)
}

pub(super) struct Rules<'a> {
    pub(super) folder: &'a Path,
    problems: &'a mut Vec<Problem>,
    watched: &'a mut Watched,
}

impl Rules<'_> {
    pub(super) fn note(&mut self, key: impl std::fmt::Display, wrong: impl std::fmt::Display) {
        self.problems.push(Problem::new(key, wrong));
    }

    fn server(&mut self, raw: &raw::Server) -> Server {
        if let Some(url) = &raw.runbook_base_url
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            self.note("server.runbook_base_url", "must start with https:// or http://");
        }
        Server {
            listen: raw.listen,
            startup_grace: raw.startup_grace,
            shutdown_grace: raw.shutdown_grace,
            enable_lifecycle: raw.enable_lifecycle,
            runbook_base_url: raw.runbook_base_url.clone(),
            state_dir: self.state_dir(raw.state_dir.as_deref()),
        }
    }

    fn schedules(&mut self, raw: &raw::Checks) -> Option<BTreeMap<&'static str, Scheduled>> {
        let general = [raw.interval, raw.interval_failing, raw.timeout];
        let all = CHECKS.iter().map(|check| {
            let (enabled, particular) = particular(raw, check.slug);
            let [interval, interval_failing, timeout] = particular;
            let times = built_in(check.slug);
            let times = Times {
                interval: interval.or(general[0]).unwrap_or(times.interval),
                interval_failing: interval_failing.or(general[1]).unwrap_or(times.interval_failing),
                timeout: timeout.or(general[2]).unwrap_or(times.timeout),
            };
            let own_timeout = particular[2].is_some();
            let key = |index| key_of_time(check.slug, particular, general, index);
            let schedule = self.schedule(key, times)?;
            Some((check.slug, Scheduled { enabled, schedule, own_timeout }))
        });
        // All of them are looked at before one that is wrong ends the matter.
        let all: Vec<_> = all.collect();
        all.into_iter().collect()
    }

    /// `key` names the key that one of the three durations was set by.
    fn schedule(&mut self, key: impl Fn(usize) -> String, times: Times) -> Option<Schedule> {
        let Times { interval, interval_failing, timeout } = times;
        let (index, wrong) = match Schedule::new(interval, interval_failing, timeout) {
            _ if timeout < SHORTEST => (
                TIMEOUT,
                format!("{} must be at least {}", humantime(timeout), humantime(SHORTEST)),
            ),
            _ if interval > LONGEST => (
                INTERVAL,
                format!("{} must be at most {}", humantime(interval), humantime(LONGEST)),
            ),
            Ok(schedule) => return Some(schedule),
            Err(InvalidSchedule::ZeroTimeout) => (TIMEOUT, "must be longer than nothing".into()),
            Err(InvalidSchedule::TimeoutNotBelow(shorter)) => {
                let index = if interval < interval_failing { INTERVAL } else { INTERVAL_FAILING };
                let [timeout, shorter] = [timeout, shorter].map(humantime);
                (index, format!("{shorter} must be above timeout, which is {timeout}"))
            }
        };
        let key = key(index);
        // The same mistake of [checks] would be told of every check.
        let known = self.problems.iter().any(|problem| problem.key == key);
        if !known {
            self.note(key, wrong);
        }
        None
    }

    fn endpoints(&mut self, raw: &raw::Endpoints) -> Option<Endpoints> {
        let key = "checks.endpoint_connectivity";
        for (index, row) in raw.extra.iter().enumerate() {
            for wrong in row_problems(row) {
                self.note(format!("{key}.extra[{index}]"), wrong);
            }
        }
        for (index, pattern) in raw.exclude.iter().enumerate() {
            if let Some(wrong) = pattern_problem(pattern) {
                self.note(format!("{key}.exclude[{index}]"), wrong);
            }
        }
        if !(1..=256).contains(&raw.max_handshakes) {
            let wrong = format!("{} must be between 1 and 256", raw.max_handshakes);
            self.note(format!("{key}.max_handshakes"), wrong);
        }
        let catalogue = self.catalogue(&raw.catalogue);
        let public = raw.public_roots_file.as_deref();
        let public_roots = self.roots(&format!("{key}.public_roots_file"), public);
        let private = raw.private_roots_file.as_deref();
        let private_roots = self.roots(&format!("{key}.private_roots_file"), private);
        Some(Endpoints {
            catalogue: catalogue?,
            extra: raw.extra.clone(),
            exclude: raw.exclude.clone(),
            max_handshakes: raw.max_handshakes,
            public_roots,
            private_roots,
        })
    }

    fn catalogue(&mut self, named: &str) -> Option<Catalogue> {
        let key = "checks.endpoint_connectivity.catalogue";
        match named {
            "builtin" => return Some(Catalogue::builtin().clone()),
            "none" => return Some(Catalogue::empty()),
            _ => (),
        }
        let bytes = self.file(key, Path::new(named))?;
        match Catalogue::parse(&String::from_utf8_lossy(&bytes)) {
            Ok(catalogue) => Some(catalogue),
            Err(wrongs) => {
                for wrong in wrongs {
                    self.note(key, format!("{named}: {wrong}"));
                }
                None
            }
        }
    }

    pub(super) fn roots(&mut self, key: &str, file: Option<&Path>) -> Option<Vec<u8>> {
        let pem = self.file(key, file?)?;
        if !pem.windows(5).any(|window| window == b"BEGIN") {
            self.note(key, "holds no certificate; PEM is expected");
        }
        Some(pem)
    }

    /// What a named file holds.
    pub(super) fn file(&mut self, key: &str, file: &Path) -> Option<Vec<u8>> {
        let file = self.folder.join(file);
        match self.watched.read(&file) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.note(key, format!("{} cannot be read: {error}", file.display()));
                None
            }
        }
    }

    fn udp(&mut self, raw: &raw::Udp) -> Udp {
        let key = "checks.udp_connectivity";
        let stun = self.each(&format!("{key}.stun"), &raw.stun, host);
        let turn = self.each(&format!("{key}.turn"), &raw.turn, host);
        let ranges = |text: &str| {
            text.parse::<IpNet>().map_err(|_| format!("\"{text}\" is no range such as 51.5.0.0/16"))
        };
        let turn_ranges = self.each(&format!("{key}.turn_ranges"), &raw.turn_ranges, ranges);
        Udp { stun, turn, turn_ranges }
    }

    fn connections(&mut self, raw: &[raw::Connection]) -> Vec<Connection> {
        if raw.is_empty() {
            self.note("connections", "at least one [[connections]] is needed: nothing to watch");
        }
        let mut names = BTreeSet::new();
        let all = raw.iter().enumerate().filter_map(|(index, raw)| {
            let key = format!("connections[{index}]");
            if let Some(wrong) = name_problem(&raw.name) {
                self.note(format!("{key}.name"), wrong);
            } else if !names.insert(raw.name.as_str()) {
                self.note(format!("{key}.name"), format!("\"{}\" is taken already", raw.name));
            }
            if let Some(wrong) = sign_problem(&raw.instance) {
                self.note(format!("{key}.instance"), wrong);
            }
            let servers = self.each(&format!("{key}.dns_servers"), &raw.dns_servers, dns_server);
            Some(Connection {
                name: raw.name.clone(),
                instance: raw.instance.clone(),
                join: self.joining(&key, raw)?,
                vantage: raw.vantage,
                dns_servers: (!raw.dns_servers.is_empty()).then_some(servers),
            })
        });
        all.collect()
    }

    /// Parses a list, noting what does not parse by its index.
    pub(super) fn each<T>(
        &mut self,
        key: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let parsed = texts.iter().enumerate().filter_map(|(index, text)| {
            parse(text).map_err(|wrong| self.note(format!("{key}[{index}]"), wrong)).ok()
        });
        parsed.collect()
    }
}

/// Over a wide area network less would take slowness for silence.
const SHORTEST: Duration = Duration::from_secs(1);
/// Whoever looks less often does not look.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

const INTERVAL: usize = 0;
const INTERVAL_FAILING: usize = 1;
const TIMEOUT: usize = 2;

/// The key that the operator would change for one of the three durations: the check's own where it
/// is set there, else that of all checks. Where neither is set, the fault lies with another of the
/// three, which is.
fn key_of_time(
    check: &str,
    particular: [Option<Duration>; 3],
    general: [Option<Duration>; 3],
    index: usize,
) -> String {
    const NAMES: [&str; 3] = ["interval", "interval_failing", "timeout"];
    for index in [index, TIMEOUT, INTERVAL_FAILING, INTERVAL] {
        if particular[index].is_some() {
            return format!("checks.{check}.{}", NAMES[index]);
        }
        if general[index].is_some() {
            return format!("checks.{}", NAMES[index]);
        }
    }
    format!("checks.{check}.{}", NAMES[index])
}

/// Whether the check's table enables it, and its interval, interval_failing and timeout.
fn particular(raw: &raw::Checks, check: &str) -> (bool, [Option<Duration>; 3]) {
    let plain = |of: &raw::Plain| (of.enabled, [of.interval, of.interval_failing, of.timeout]);
    match check {
        "dns_ad_domain" => plain(&raw.dns_ad_domain),
        "ad_domain_join" => plain(&raw.ad_domain_join),
        "localization" => plain(&raw.localization),
        "endpoint_connectivity" => {
            let of = &raw.endpoint_connectivity;
            (of.enabled, [of.interval, of.interval_failing, of.timeout])
        }
        "udp_connectivity" => {
            let of = &raw.udp_connectivity;
            (of.enabled, [of.interval, of.interval_failing, of.timeout])
        }
        "single_sign_on" => {
            let of = &raw.single_sign_on;
            (of.enabled, [of.interval, of.interval_failing, of.timeout])
        }
        "domain_controllers" => {
            let of = &raw.domain_controllers;
            (of.enabled, [of.interval, of.interval_failing, of.timeout])
        }
        other => unreachable!("{other} is in the catalogue, and has no table in the configuration"),
    }
}

/// Fills in what was left to the defaults.
fn effective(mut raw: Raw, schedules: &BTreeMap<&'static str, Scheduled>) -> Raw {
    let times = |check: &str| {
        let schedule = schedules[check].schedule;
        let [interval, failing] = [schedule.interval(), schedule.interval_failing()];
        (Some(interval), Some(failing), Some(schedule.timeout()))
    };
    let checks = &mut raw.checks;
    let of = &mut checks.dns_ad_domain;
    (of.interval, of.interval_failing, of.timeout) = times("dns_ad_domain");
    let of = &mut checks.ad_domain_join;
    (of.interval, of.interval_failing, of.timeout) = times("ad_domain_join");
    let of = &mut checks.endpoint_connectivity;
    (of.interval, of.interval_failing, of.timeout) = times("endpoint_connectivity");
    let of = &mut checks.localization;
    (of.interval, of.interval_failing, of.timeout) = times("localization");
    let of = &mut checks.udp_connectivity;
    (of.interval, of.interval_failing, of.timeout) = times("udp_connectivity");
    let of = &mut checks.single_sign_on;
    (of.interval, of.interval_failing, of.timeout) = times("single_sign_on");
    let of = &mut checks.domain_controllers;
    (of.interval, of.interval_failing, of.timeout) = times("domain_controllers");
    raw
}

/// It becomes a label, a part of addresses and a word on the command line.
fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() { Some("is needed".into()) } else { sign_problem(name) }
}

/// It may be empty.
fn sign_problem(name: &str) -> Option<String> {
    let sound = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
    let fits = name.len() <= 63 && name.chars().all(sound);
    (!fits).then(|| format!("\"{name}\" must be at most 63 of a-z, A-Z, 0-9, '.', '_' and '-'"))
}

fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::from((ip, 53)));
    address.or_else(|_| text.parse::<SocketAddr>()).map_err(|_| {
        format!("\"{text}\" is no address such as 10.8.0.4, 10.8.0.4:53 or [fd00::4]:53")
    })
}

fn host(text: &str) -> Result<Host, String> {
    let wrong = || format!("\"{text}\" is no host and port such as stun.azure.com:3478");
    let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    let name = name.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    match host_problem(&name) {
        None => Ok(Host { name, port }),
        Some(problem) => Err(format!("{}; {problem}", wrong())),
    }
}

pub(super) fn humantime(duration: Duration) -> String {
    humantime_serde::re::humantime::format_duration(duration).to_string()
}
