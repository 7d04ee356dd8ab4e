//! The file as written: shapes and defaults, no rules. Every default stands here and only here.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw_directory::{ActiveDirectory, Controllers, SingleSignOn};
use crate::catalogue::{Cloud, Row};

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) server: Server,
    pub(super) log: Log,
    pub(super) azure: Azure,
    pub(super) checks: Checks,
    /// The Azure network connections to watch. At least one is needed.
    pub(super) connections: Vec<Connection>,
}

/// The daemon's own web server, start and stop.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    /// Address and port of /metrics, /healthz and the status page.
    #[schemars(with = "String")]
    pub(super) listen: SocketAddr,
    /// How long after the start /readyz may wait for the first round of checks.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(super) startup_grace: Duration,
    /// How long a stop waits for the checks under way.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(super) shutdown_grace: Duration,
    /// Whether POST /-/reload and POST /-/run are answered.
    pub(super) enable_lifecycle: bool,
    /// Where the runbooks are published, if they are; else findings name paths in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runbook_base_url: Option<String>,
    /// Existing directory for what a restart must not forget: which accounts may not sign in yet,
    /// so that no account is locked. Default: it is remembered in memory alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_dir: Option<PathBuf>,
}

/// What is written to standard error.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) level: Level,
    pub(super) format: Format,
}

/// Log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Text,
    Json,
}

/// The Azure cloud.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Azure {
    /// Picks the endpoint catalogue.
    pub(super) cloud: AzureCloud,
    /// How the daemon signs in to Azure. This version does not, so "none" is all there is.
    pub(super) credential: Credential,
}

/// An Azure cloud, by the name product and portal use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(super) enum AzureCloud {
    #[serde(rename = "public")]
    Public,
    #[serde(rename = "us-gov-gcc")]
    UsGovGcc,
    #[serde(rename = "us-gov-gcc-high")]
    UsGovGccHigh,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Credential {
    None,
}

/// For every check that does not say otherwise, and one table a check.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Checks {
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval_failing: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Duration>,
    pub(super) dns_ad_domain: Plain,
    pub(super) ad_domain_join: Plain,
    pub(super) endpoint_connectivity: Endpoints,
    pub(super) localization: Plain,
    pub(super) udp_connectivity: Udp,
    pub(super) single_sign_on: SingleSignOn,
    pub(super) domain_controllers: Controllers,
}

/// A check with nothing particular to it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Plain {
    pub(super) enabled: bool,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval_failing: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Duration>,
}

/// Endpoint connectivity. Localization looks through the same catalogue, with the same roots.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Endpoints {
    pub(super) enabled: bool,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval_failing: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Duration>,
    /// "builtin", "none", or a file of the form that `anc-healthd endpoints --format json` prints.
    pub(super) catalogue: String,
    /// Endpoints of the operator's own.
    pub(super) extra: Vec<Row>,
    /// Hosts to leave out: a name, or `*.zone` for all below it.
    pub(super) exclude: Vec<String>,
    /// TLS handshakes under way at once. Content delivery networks refuse more than about twelve.
    #[schemars(range(min = 1, max = 256))]
    pub(super) max_handshakes: usize,
    /// PEM file of the roots that count as publicly trusted, instead of the embedded Mozilla roots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_roots_file: Option<PathBuf>,
    /// PEM file of the operator's own roots, beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_roots_file: Option<PathBuf>,
}

/// UDP connectivity.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Udp {
    pub(super) enabled: bool,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) interval_failing: Option<Duration>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Duration>,
    /// STUN servers, as host:port.
    pub(super) stun: Vec<String>,
    /// TURN relays, as host:port.
    pub(super) turn: Vec<String>,
    /// Where a relay's address must lie; empty: anywhere.
    pub(super) turn_ranges: Vec<String>,
}

/// One Azure network connection.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Connection {
    /// Becomes the `connection` label.
    pub(super) name: String,
    /// Tells daemons apart that watch the same connection, so that each tests with a computer
    /// object of its own.
    pub(super) instance: String,
    /// "hybrid" or "entra".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) join_type: Option<JoinType>,
    pub(super) vantage: Vantage,
    /// DNS servers of the virtual network, as address or address:port. Default: the system's.
    pub(super) dns_servers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) active_directory: Option<ActiveDirectory>,
}

/// How Cloud PCs of a connection join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum JoinType {
    Hybrid,
    Entra,
}

/// Where the daemon stands, seen from the connection's subnet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// On a virtual machine in it.
    #[default]
    Subnet,
    /// In another subnet of the same virtual network, with the same routes and rules.
    Sibling,
    /// Elsewhere: the network checks would speak for the wrong place, and are skipped.
    None,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 9815)),
            startup_grace: Duration::from_secs(120),
            shutdown_grace: Duration::from_secs(10),
            enable_lifecycle: false,
            runbook_base_url: None,
            state_dir: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Text }
    }
}

impl Default for Azure {
    fn default() -> Self {
        Self { cloud: AzureCloud::Public, credential: Credential::None }
    }
}

impl Default for Plain {
    fn default() -> Self {
        Self { enabled: true, interval: None, interval_failing: None, timeout: None }
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: None,
            interval_failing: None,
            timeout: None,
            catalogue: "builtin".into(),
            extra: Vec::new(),
            exclude: Vec::new(),
            max_handshakes: 12,
            public_roots_file: None,
            private_roots_file: None,
        }
    }
}

impl Default for Udp {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: None,
            interval_failing: None,
            timeout: None,
            stun: vec!["stun.azure.com:3478".into()],
            turn: vec!["world.relay.avd.microsoft.com:3478".into()],
            turn_ranges: vec!["51.5.0.0/16".into(), "40.64.144.0/20".into()],
        }
    }
}

impl AzureCloud {
    pub(super) fn catalogue(self) -> Cloud {
        match self {
            Self::Public => Cloud::Commercial,
            Self::UsGovGcc => Cloud::Gcc,
            Self::UsGovGccHigh => Cloud::GccHigh,
        }
    }
}

impl Default for super::Times {
    /// What holds for a check that nothing else is built in for.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5 * 60),
            interval_failing: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
        }
    }
}

/// What is built in for a check of this name.
pub(super) fn built_in(check: &str) -> super::Times {
    let times = super::Times::default();
    match check {
        "dns_ad_domain" | "domain_controllers" => {
            super::Times { interval: Duration::from_secs(60), ..times }
        }
        "ad_domain_join" => super::Times {
            interval: Duration::from_secs(15 * 60),
            interval_failing: Duration::from_secs(5 * 60),
            ..times
        },
        _ => times,
    }
}
