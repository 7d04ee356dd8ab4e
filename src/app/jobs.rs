//! From configuration to jobs: the one list of checks.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    os::unix::fs::MetadataExt as _,
    sync::Arc,
    time::Duration,
};

use super::domain::{Domain, NO_ACCOUNT, timeout_problem};
use crate::{
    catalogue::{CHECKS, Category, CheckEntry, Join, Selection, Target, select},
    checks::{
        AdDomainJoin, DnsAdDomain, DomainControllers, EndpointConnectivity, Localization,
        Reachability, Server, SingleSignOn, UdpConnectivity,
    },
    config::{Config, ConfigError, Host, Joining, Problem, Vantage},
    directory::Attempts,
    engine::{Check, Class, Connection, Job, Plan},
    net::tls::{Roots, Trust},
};

/// Variables that make other programs use a proxy.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Having seen nothing is no pass.
const NO_ENDPOINT: &str = "the catalogue in force has no endpoint for it";

/// Every check of every connection, those that do not run included. `attempts` is what is
/// remembered of refused sign-ins.
pub fn jobs(config: &Config, attempts: &Attempts) -> Result<Vec<Job>, ConfigError> {
    let mut problems = Vec::new();
    let (public, private) = roots(config, &mut problems);
    let trust = Trust::new(&public, &private);
    let mut jobs = Vec::new();
    for (index, connection) in config.connections.iter().enumerate() {
        let about = Connection {
            name: connection.name.clone(),
            join_type: connection.join.as_join().as_str(),
        };
        let domain = match &connection.join {
            Joining::Entra => None,
            Joining::Hybrid(directory) => {
                let domain = Domain::new(connection, directory, &private, attempts);
                let key = format!("connections[{index}].active_directory.ca_file");
                domain.map_err(|wrong| problems.push(Problem::new(key, wrong))).ok()
            }
        };
        let about = Arc::new(about);
        let making = Making { config, connection, domain, about, trust: &trust };
        for check in CHECKS {
            match making.job(check) {
                Ok(job) => jobs.push(job),
                Err(problem) if problems.contains(&problem) => (),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() {
        Ok(jobs)
    } else {
        Err(ConfigError { problems, watched: config.watched.clone() })
    }
}

/// Making the jobs of one connection.
struct Making<'a> {
    config: &'a Config,
    connection: &'a crate::config::Connection,
    /// None where there is nothing to join, or its roots are no good.
    domain: Option<Domain<'a>>,
    about: Arc<Connection>,
    trust: &'a Trust,
}

impl Making<'_> {
    fn job(&self, check: &'static CheckEntry) -> Result<Job, Problem> {
        let skipped = |why| Ok(Job::skipped(Arc::clone(&self.about), check.slug, why));
        if let Some(why) = self.skipped(check) {
            return skipped(why);
        }
        let servers = self.connection.dns_servers.clone();
        let timeout = self.config.schedules[check.slug].schedule.timeout();
        if let (Some(domain), Join::Hybrid) = (&self.domain, check.join) {
            return self.of_domain(check, domain, timeout);
        }
        match check.slug {
            EndpointConnectivity::NAME => {
                let Selection { targets, unverifiable } = self.endpoints(false);
                if targets.is_empty() && unverifiable.is_empty() {
                    return skipped(NO_ENDPOINT);
                }
                let in_subnet = self.connection.vantage == Vantage::Subnet;
                let made_of = hash(&(&targets, &unverifiable, in_subnet));
                let made = EndpointConnectivity {
                    reachability: self.reachability(check, targets)?,
                    unverifiable,
                    in_subnet,
                    privileged: is_root(),
                    proxy_variables: proxy_variables(),
                };
                Ok(self.running(check, Class::Bulk, &(made_of, self.judged_by()), made))
            }
            Localization::NAME => {
                let Selection { targets, unverifiable } = self.endpoints(true);
                if targets.is_empty() && unverifiable.is_empty() {
                    return skipped(NO_ENDPOINT);
                }
                let made_of = hash(&(&targets, &unverifiable));
                let reachability = self.reachability(check, targets)?;
                let made = Localization { reachability, unverifiable };
                Ok(self.running(check, Class::Bulk, &(made_of, self.judged_by()), made))
            }
            UdpConnectivity::NAME => {
                let udp = &self.config.udp;
                if udp.stun.is_empty() && udp.turn.is_empty() {
                    return skipped("neither stun nor turn names a server");
                }
                let made = UdpConnectivity {
                    stun: udp.stun.iter().map(server).collect(),
                    turn: udp.turn.iter().map(server).collect(),
                    turn_ranges: udp.turn_ranges.clone(),
                    servers,
                    timeout,
                };
                Ok(self.running(check, Class::Light, udp, made))
            }
            other => unreachable!("{other} is in the catalogue, and nothing makes it"),
        }
    }

    /// The checks that are for hybrid connections alone.
    fn of_domain(
        &self,
        check: &'static CheckEntry,
        domain: &Domain<'_>,
        timeout: Duration,
    ) -> Result<Job, Problem> {
        let signs_in =
            domain.has_account() && [AdDomainJoin::NAME, SingleSignOn::NAME].contains(&check.slug);
        if let Some(wrong) = timeout_problem(timeout).filter(|_| signs_in) {
            return Err(Problem::new(self.key_of_timeout(check), wrong));
        }
        let made_of = hash(&(domain.made_of(), &self.config.endpoints.private_roots));
        let skipped = || Job::skipped(Arc::clone(&self.about), check.slug, NO_ACCOUNT);
        Ok(match check.slug {
            DnsAdDomain::NAME => {
                let servers = self.connection.dns_servers.clone();
                let name = domain.name();
                let made = DnsAdDomain { domain: name.clone(), servers, timeout };
                self.running(check, Class::Light, &name, made)
            }
            AdDomainJoin::NAME => domain
                .ad_domain_join(timeout)
                .map_or_else(skipped, |made| self.running(check, Class::Light, &made_of, made)),
            SingleSignOn::NAME => {
                let made = domain.single_sign_on(self.config, timeout);
                let made_of = (made_of, self.config.key_age);
                made.map_or_else(skipped, |made| self.running(check, Class::Light, &made_of, made))
            }
            DomainControllers::NAME => {
                let made = domain.domain_controllers(self.config, timeout);
                let made_of = (made_of, self.config.max_controllers);
                self.running(check, Class::Light, &made_of, made)
            }
            other => unreachable!("{other} is in the catalogue, and nothing makes it"),
        })
    }

    fn skipped(&self, check: &CheckEntry) -> Option<&'static str> {
        if !self.config.schedules[check.slug].enabled {
            Some("switched off in the configuration")
        } else if !check.join.covers(self.connection.join.as_join()) {
            Some("does not apply to a connection of this join type")
        } else if ["vantage", "AD"].contains(&check.side)
            && self.connection.vantage == Vantage::None
        {
            Some("the connection has vantage = \"none\": it would speak for another place")
        } else {
            None
        }
    }

    /// `made_of` is what the check was made from besides its connection and schedule.
    fn running(
        &self,
        check: &CheckEntry,
        class: Class,
        made_of: &impl Hash,
        made: impl Check,
    ) -> Job {
        let schedule = self.config.schedules[check.slug].schedule;
        let fingerprint =
            hash(&(self.about.join_type, &self.connection.dns_servers, schedule, made_of));
        let plan = Plan { schedule, class, depends_on: check.depends_on, fingerprint };
        Job::new(Arc::clone(&self.about), made, plan)
    }

    /// What both checks of endpoints judge by.
    fn judged_by(&self) -> impl Hash + '_ {
        let endpoints = &self.config.endpoints;
        (endpoints.max_handshakes, &endpoints.public_roots, &endpoints.private_roots)
    }

    /// The endpoints of localization, or all others.
    fn endpoints(&self, of_localization: bool) -> Selection {
        let endpoints = &self.config.endpoints;
        let mut selection = select(
            &endpoints.catalogue,
            self.config.cloud,
            self.connection.join.as_join(),
            &endpoints.extra,
            &endpoints.exclude,
        );
        let fits = |category| (category == Category::Locale) == of_localization;
        selection.targets.retain(|target| fits(target.category));
        selection.unverifiable.retain(|wildcard| fits(wildcard.category));
        selection
    }

    fn reachability(
        &self,
        check: &CheckEntry,
        targets: Vec<Target>,
    ) -> Result<Reachability, Problem> {
        let servers = self.connection.dns_servers.clone();
        let timeout = self.config.schedules[check.slug].schedule.timeout();
        let at_once = self.config.endpoints.max_handshakes;
        let made =
            Reachability::new(check.slug, targets, servers, self.trust.clone(), timeout, at_once);
        made.map_err(|wrong| Problem::new(self.key_of_timeout(check), wrong))
    }

    fn key_of_timeout(&self, check: &CheckEntry) -> String {
        let own = self.config.schedules[check.slug].own_timeout;
        let section = if own { format!("checks.{}", check.slug) } else { "checks".to_owned() };
        format!("{section}.timeout")
    }
}

fn hash(made_of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    made_of.hash(&mut hasher);
    hasher.finish()
}

/// Whether the daemon runs as root: its own entry in `/proc` belongs to its effective user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// What is publicly trusted, and what is trusted here besides.
fn roots(config: &Config, problems: &mut Vec<Problem>) -> (Roots, Roots) {
    let endpoints = &config.endpoints;
    let key = |name: &str| format!("checks.endpoint_connectivity.{name}");
    let public = match endpoints.public_roots.as_deref().map(Roots::from_pem) {
        None => Roots::mozilla(),
        Some(Ok(roots)) => roots,
        Some(Err(wrong)) => {
            problems.push(Problem::new(key("public_roots_file"), wrong));
            Roots::mozilla()
        }
    };
    let system = Roots::system();
    let private = match &endpoints.private_roots {
        None => system,
        Some(pem) => system.with_pem(pem).unwrap_or_else(|wrong| {
            problems.push(Problem::new(key("private_roots_file"), wrong));
            Roots::empty()
        }),
    };
    (public, private)
}

fn proxy_variables() -> Vec<&'static str> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    PROXY_VARIABLES.into_iter().filter(is_set).collect()
}

fn server(host: &Host) -> Server {
    Server { name: host.name.clone(), port: host.port }
}
