//! One row of the endpoint catalogue, its words, and what can be wrong in it.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::{host_problem, is_below, pattern_problem};

/// Something a Cloud PC must reach, as Microsoft names it: a host, an address or a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// A host name, an IP address, or `*.` and the zone below which hosts are meant.
    pub host: String,
    pub port: u16,
    pub protocol: Protocol,
    pub category: Category,
    /// Whether provisioning fails without it.
    #[serde(default = "required_unless_said")]
    pub required: bool,
    #[serde(default = "every_cloud")]
    pub clouds: Vec<Cloud>,
    #[serde(default)]
    pub join: Join,
    #[serde(default)]
    pub tls_inspection: Inspection,
    /// For a wildcard: hosts below it that are known to exist and answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe_hosts: Vec<String>,
    /// Private addresses that the name may resolve to, for Private Link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub private_ranges: Vec<IpNet>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What is spoken on the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tls,
    Tcp,
    Http,
    Udp,
}

/// Microsoft's group of endpoints; it decides which error type a failure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Category {
    #[serde(rename = "CloudPC")]
    CloudPc,
    #[serde(rename = "WVD")]
    Wvd,
    Intune,
    #[serde(rename = "AzureAD")]
    AzureAd,
    AzurePlatform,
    /// Language packages: a check of its own, which never says worse than `warning`.
    Locale,
}

/// The cloud a tenant lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    Commercial,
    Gcc,
    GccHigh,
}

/// The join types something applies to. Of a connection it is `Hybrid` or `Entra`; whoever asks
/// for `Both` is shown everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    #[default]
    Both,
    Hybrid,
    Entra,
}

/// What Microsoft says of opening the TLS connection on the way. Ordered by strictness.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Inspection {
    #[default]
    Allowed,
    Discouraged,
    Forbidden,
}

/// Everything that is wrong with a row, each as a sentence's end; nothing if it is sound.
pub fn row_problems(row: &Row) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(pattern_problem(&row.host));
    if row.port == 0 {
        problems.push("port 0 cannot be reached".to_owned());
    }
    if row.protocol == Protocol::Udp && !UDP_PORTS.contains(&row.port) {
        problems.push(format!("udp on port {}: what to ask there is not known", row.port));
    }
    if row.clouds.is_empty() {
        problems.push("clouds is empty, so the row applies nowhere".to_owned());
    }
    problems.extend(probe_host_problems(row));
    problems
}

impl Row {
    /// The zone of a wildcard.
    pub fn zone(&self) -> Option<&str> {
        self.host.strip_prefix("*.")
    }

    pub fn applies_to(&self, cloud: Cloud, join: Join) -> bool {
        self.clouds.contains(&cloud) && self.join.covers(join)
    }
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Udp => "udp",
        }
    }
}

impl Category {
    pub const ALL: [Self; 6] =
        [Self::CloudPc, Self::Wvd, Self::Intune, Self::AzureAd, Self::AzurePlatform, Self::Locale];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloudPc => "CloudPC",
            Self::Wvd => "WVD",
            Self::Intune => "Intune",
            Self::AzureAd => "AzureAD",
            Self::AzurePlatform => "AzurePlatform",
            Self::Locale => "Locale",
        }
    }
}

impl Cloud {
    pub const ALL: [Self; 3] = [Self::Commercial, Self::Gcc, Self::GccHigh];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commercial => "commercial",
            Self::Gcc => "gcc",
            Self::GccHigh => "gcc-high",
        }
    }
}

impl Join {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Hybrid => "hybrid",
            Self::Entra => "entra",
        }
    }

    /// Whether what applies to `self` applies to a connection of that join type.
    pub fn covers(self, connection: Self) -> bool {
        self == Self::Both || connection == Self::Both || self == connection
    }
}

impl Inspection {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Discouraged => "discouraged",
            Self::Forbidden => "forbidden",
        }
    }
}

fn probe_host_problems(row: &Row) -> Vec<String> {
    let Some(zone) = row.zone() else {
        let none = row.probe_hosts.is_empty();
        let problem = "probe_hosts belong to a wildcard; this host is its own".to_owned();
        return if none { Vec::new() } else { vec![problem] };
    };
    let problem = |host: &String| match host_problem(host) {
        None if !is_below(host, zone) => Some(format!("probe host {host:?} is not below {zone}")),
        problem => problem,
    };
    row.probe_hosts.iter().filter_map(problem).collect()
}

fn required_unless_said() -> bool {
    true
}

fn every_cloud() -> Vec<Cloud> {
    Cloud::ALL.to_vec()
}

/// DNS, NTP and STUN.
const UDP_PORTS: [u16; 3] = [53, 123, 3478];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn problem(row: &str, wanted: &str) {
        let row: Row = serde_json::from_str(row).unwrap();
        let problems = row_problems(&row);
        assert_eq!(problems.len(), usize::from(!wanted.is_empty()), "{problems:?}");
        assert!(problems.concat().contains(wanted), "{problems:?}");
    }

    fn written<Word: Serialize>(word: Word) -> String {
        serde_json::to_value(word).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn only_host_port_protocol_and_category_must_be_said() {
        let text =
            r#"{"host": "broker.contoso.com", "port": 443, "protocol": "tls", "category": "WVD"}"#;
        let row: Row = serde_json::from_str(text).unwrap();
        assert!(row.required);
        assert_eq!(row.clouds, Cloud::ALL);
        assert_eq!((row.join, row.tls_inspection), (Join::Both, Inspection::Allowed));
    }

    #[test]
    fn a_sound_row_has_no_problem() {
        let row = |host: &str| {
            format!(r#"{{"host": "{host}", "port": 80, "protocol": "tcp", "category": "WVD"}}"#)
        };
        for host in
            ["contoso.com", "a_b-c.contoso.com", "192.0.2.7", "2001:db8::7", "*.contoso.com"]
        {
            problem(&row(host), "");
        }
        for host in ["", "contoso..com", "contoso.com.", "-a.com", "192.0.2", "https://contoso.com"]
        {
            problem(&row(host), "neither a host name nor an address");
        }
        for host in ["*", "a.*.com", "*contoso.com"] {
            problem(&row(host), "a leading `*.` and nothing else");
        }
        problem(&row("*.192.0.2.7"), "no names below them");
    }

    #[test]
    fn a_port_must_be_one_that_can_be_asked() {
        let row = |port: u16| {
            format!(r#"{{"host": "a.b", "port": {port}, "protocol": "udp", "category": "WVD"}}"#)
        };
        problem(&row(123), "");
        problem(&row(443), "what to ask there is not known");
        let zero = r#"{"host": "a.b", "port": 0, "protocol": "tls", "category": "WVD"}"#;
        problem(zero, "port 0");
    }

    #[test]
    fn probe_hosts_lie_below_their_wildcard() {
        let row = |host: &str, probe: &str| {
            format!(
                r#"{{"host": "{host}", "port": 443, "protocol": "tls", "category": "WVD", "probe_hosts": ["{probe}"]}}"#
            )
        };
        problem(&row("*.contoso.com", "A.b.Contoso.com"), "");
        problem(&row("*.contoso.com", "contoso.com"), "not below contoso.com");
        problem(&row("*.contoso.com", "acontoso.com"), "not below contoso.com");
        problem(&row("*.contoso.com", "*.b.contoso.com"), "neither");
        problem(&row("contoso.com", "a.contoso.com"), "belong to a wildcard");
    }

    #[test]
    fn what_applies_to_both_applies_to_each() {
        assert!(Join::Both.covers(Join::Entra));
        assert!(Join::Hybrid.covers(Join::Hybrid));
        assert!(!Join::Hybrid.covers(Join::Entra));
        assert!(Join::Hybrid.covers(Join::Both));
    }

    #[test]
    fn a_word_is_written_as_it_is_said() {
        for word in Category::ALL {
            assert_eq!(written(word), word.as_str());
        }
        for word in Cloud::ALL {
            assert_eq!(written(word), word.as_str());
        }
        for word in [Protocol::Tls, Protocol::Tcp, Protocol::Http, Protocol::Udp] {
            assert_eq!(written(word), word.as_str());
        }
        for word in [Join::Both, Join::Hybrid, Join::Entra] {
            assert_eq!(written(word), word.as_str());
        }
        for word in [Inspection::Allowed, Inspection::Discouraged, Inspection::Forbidden] {
            assert_eq!(written(word), word.as_str());
        }
    }
}
