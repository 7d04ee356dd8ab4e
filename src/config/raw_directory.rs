//! What is written of Active Directory: shapes and defaults, no rules, as in `raw`.

use std::{path::PathBuf, time::Duration};

use humantime_serde::re::humantime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::raw::Plain;

/// The domain that Cloud PCs join, and how they do.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ActiveDirectory {
    /// As the Azure network connection has it. What is malformed in it is a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain: Option<String>,
    /// Distinguished name, as the Azure network connection has it. Default: the domain's default
    /// container for computers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organizational_unit: Option<String>,
    /// The account that joins, as the Azure network connection has it. Without it and
    /// password_file, the checks that sign in are skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    /// File of the account's password, at most 4 KiB of UTF-8. One line break at its end is no
    /// part of the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password_file: Option<PathBuf>,
    /// How the password is kept from others on its way to a domain controller.
    pub(super) transport: Transport,
    /// PEM file of the roots for the domain controllers' certificates. Default: the system's and
    /// private_roots_file of endpoint_connectivity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    /// Host names of the domain controllers to sign in to. Default: as SRV records tell.
    pub(super) servers: Vec<String>,
    /// The Active Directory site whose domain controllers come first. Default: as a domain
    /// controller tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) site: Option<String>,
    /// SHA-256 of the certificates that domain controllers may show, in hex; empty: any that is
    /// trusted.
    pub(super) certificate_sha256: Vec<String>,
    /// What the name of the write test's computer object begins with.
    pub(super) computer_prefix: String,
    /// How the rights to join are proved.
    pub(super) write_test: WriteTest,
    /// The least time between two write tests; the runs between them read the rights.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(super) write_test_every: Duration,
    /// How long after a wrong password or a lock-out the account is left alone, unless it or its
    /// password changes.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(super) bind_retry_after: Duration,
    pub(super) ports: Ports,
}

/// How the password is kept from others on its way to a domain controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TLS from the start.
    Ldaps,
    /// TLS on the LDAP port.
    StartTls,
    /// Sealed by Kerberos on the LDAP port: for domain controllers without a certificate. Only in
    /// builds with the feature `kerberos`.
    Kerberos,
}

/// How the rights to join are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WriteTest {
    /// A computer object is created, disabled, and deleted.
    CreateAndDelete,
    /// It is created, disabled, and stays, as Microsoft's does.
    CreateAndDisable,
    /// Nothing is written: the effective rights are read.
    Off,
}

/// The ports of every domain controller of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    #[schemars(range(min = 1))]
    pub dns: u16,
    #[schemars(range(min = 1))]
    pub kerberos: u16,
    #[schemars(range(min = 1))]
    pub ntp: u16,
    #[schemars(range(min = 1))]
    pub rpc: u16,
    #[schemars(range(min = 1))]
    pub ldap: u16,
    #[schemars(range(min = 1))]
    pub smb: u16,
    #[schemars(range(min = 1))]
    pub kpasswd: u16,
    #[schemars(range(min = 1))]
    pub ldaps: u16,
    #[schemars(range(min = 1))]
    pub global_catalog: u16,
}

/// The domain controllers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Controllers {
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
    /// Domain controllers looked at, those of the own site first.
    #[schemars(range(min = 1, max = 64))]
    pub(super) max_controllers: usize,
}

/// Single sign-on.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SingleSignOn {
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
    /// The age from which the key of the Kerberos server object counts as old.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "in_days")]
    #[schemars(with = "String")]
    pub(super) key_age: Duration,
}

impl Default for ActiveDirectory {
    fn default() -> Self {
        Self {
            domain: None,
            organizational_unit: None,
            username: None,
            password_file: None,
            transport: Transport::Ldaps,
            ca_file: None,
            servers: Vec::new(),
            site: None,
            certificate_sha256: Vec::new(),
            computer_prefix: "ANC-Hth".into(),
            write_test: WriteTest::CreateAndDelete,
            write_test_every: Duration::from_secs(3600),
            bind_retry_after: Duration::from_secs(24 * 3600),
            ports: Ports::default(),
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            dns: 53,
            kerberos: 88,
            ntp: 123,
            rpc: 135,
            ldap: 389,
            smb: 445,
            kpasswd: 464,
            ldaps: 636,
            global_catalog: 3268,
        }
    }
}

impl Default for Controllers {
    fn default() -> Self {
        let Plain { enabled, interval, interval_failing, timeout } = Plain::default();
        Self { enabled, interval, interval_failing, timeout, max_controllers: 8 }
    }
}

impl Default for SingleSignOn {
    fn default() -> Self {
        let Plain { enabled, interval, interval_failing, timeout } = Plain::default();
        let key_age = DAY * 180;
        Self { enabled, interval, interval_failing, timeout, key_age }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Humantime's months are no whole days: it would make 180d "5months 27days 19h 12m".
fn in_days<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if age.as_nanos().is_multiple_of(DAY.as_nanos()) {
        serializer.collect_str(&format_args!("{}d", age.as_secs() / DAY.as_secs()))
    } else {
        serializer.collect_str(&humantime::format_duration(*age))
    }
}
