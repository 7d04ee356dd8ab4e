//! What we were told, checked once. Past this module no value can be out of range.

mod later;
mod raw;
mod raw_directory;
mod rules;
mod rules_directory;
mod secret;
mod sources;

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

pub use raw::{Format, Level, Vantage};
pub use raw_directory::{Ports, Transport, WriteTest};
pub use secret::Secret;
pub use sources::{Sources, Watched};

use crate::{
    catalogue::{Catalogue, Cloud, Join, Row},
    engine::Schedule,
};

/// The settings the daemon runs by.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub log: Log,
    pub cloud: Cloud,
    /// By check; every check of the catalogue has one.
    pub schedules: BTreeMap<&'static str, Scheduled>,
    pub endpoints: Endpoints,
    pub udp: Udp,
    /// How many domain controllers of a connection are looked at.
    pub max_controllers: usize,
    /// The age from which the key of single sign-on counts as old.
    pub key_age: Duration,
    pub connections: Vec<Connection>,
    /// What it was made from.
    pub watched: Watched,
    effective: raw::Raw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    pub startup_grace: Duration,
    pub shutdown_grace: Duration,
    pub enable_lifecycle: bool,
    pub runbook_base_url: Option<String>,
    /// Where to keep what a restart must not forget. None: in memory alone.
    pub state_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    pub format: Format,
}

/// Whether and when a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheduled {
    pub enabled: bool,
    pub schedule: Schedule,
    /// Whether the timeout is the check's own, and not that of all checks.
    pub own_timeout: bool,
}

/// The three durations of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    interval: Duration,
    interval_failing: Duration,
    timeout: Duration,
}

/// What endpoint connectivity and localization look at, and by which roots they judge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    pub catalogue: Catalogue,
    pub extra: Vec<Row>,
    pub exclude: Vec<String>,
    pub max_handshakes: usize,
    /// PEM, instead of the embedded Mozilla roots.
    pub public_roots: Option<Vec<u8>>,
    /// PEM, beside the system's roots.
    pub private_roots: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Udp {
    pub stun: Vec<Host>,
    pub turn: Vec<Host>,
    pub turn_ranges: Vec<IpNet>,
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    pub name: String,
    /// Tells this daemon from others that watch the same connection.
    pub instance: String,
    pub join: Joining,
    pub vantage: Vantage,
    /// None: the system's.
    pub dns_servers: Option<Vec<SocketAddr>>,
}

/// How Cloud PCs of a connection join.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Joining {
    Entra,
    Hybrid(Box<Directory>),
}

/// The domain that Cloud PCs join, and how they do. Domain, organizational unit and user name are
/// as the Azure network connection has them, sound or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Directory {
    pub domain: String,
    /// None: the default container for computers.
    pub organizational_unit: Option<String>,
    /// None: nobody signs in.
    pub account: Option<JoinAccount>,
    pub transport: Transport,
    /// PEM, instead of the system's and the private roots.
    pub ca: Option<Vec<u8>>,
    /// Host names in lower case. Empty: as SRV records tell.
    pub servers: Vec<String>,
    /// None: as a domain controller tells.
    pub site: Option<String>,
    /// SHA-256 of the certificates that count. Empty: any that is trusted.
    pub pins: Vec<[u8; 32]>,
    pub computer_prefix: String,
    pub write_test: WriteTest,
    pub write_test_every: Duration,
    pub bind_retry_after: Duration,
    pub ports: Ports,
}

/// Who joins Cloud PCs to the domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JoinAccount {
    pub username: String,
    pub password: Secret,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {}:{}", Count(problems.len()), List(problems))]
pub struct ConfigError {
    pub problems: Vec<Problem>,
    /// What was read; when it changes, it may have been mended.
    pub watched: Watched,
}

/// One thing wrong, and the key to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {wrong}")]
pub struct Problem {
    pub key: String,
    pub wrong: String,
}

impl Config {
    /// Reads the sources and checks the whole: every problem at once, because an operator should
    /// not fix them one restart at a time.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut watched = Watched::default();
        let (shaped, mut problems) = sources.read(&mut watched);
        let mut broken = Vec::new();
        let applied = shaped.as_ref().and_then(|shaped| {
            rules::apply(&shaped.raw, sources.folder(), &mut broken, &mut watched)
        });
        let without_shape = problems.len();
        for Problem { key, wrong } in broken {
            let key = shaped.as_ref().map_or(key.clone(), |shaped| shaped.as_written(&key));
            // What has no shape is not also missing.
            if !problems[..without_shape].iter().any(|known: &Problem| known.key == key) {
                problems.push(Problem { key, wrong });
            }
        }
        match applied {
            Some(config) if problems.is_empty() => Ok(Self { watched, ..config }),
            _ => {
                problems.sort_by(|one, other| one.key.cmp(&other.key));
                Err(ConfigError { problems, watched })
            }
        }
    }

    /// The configuration in force as TOML, every default filled in. It names files of secrets,
    /// never what they hold.
    pub fn effective(&self) -> String {
        toml::to_string_pretty(&self.effective)
            .unwrap_or_else(|error| format!("# cannot be printed: {error}\n"))
    }

    /// JSON Schema (draft 2020-12) of a configuration file.
    pub fn schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(raw::Raw);
        schema.insert("title".into(), "anc-healthd configuration".into());
        schema.into()
    }
}

impl Joining {
    pub fn as_join(&self) -> Join {
        match self {
            Self::Entra => Join::Entra,
            Self::Hybrid(_) => Join::Hybrid,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl Problem {
    pub fn new(key: impl fmt::Display, wrong: impl fmt::Display) -> Self {
        Self { key: key.to_string(), wrong: wrong.to_string() }
    }
}

struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problem{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

struct List<'a>(&'a [Problem]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

#[cfg(test)]
mod tests;
