//! What a domain controller says of itself to anybody: rootDSE (RFC 4512, section 5.1; MS-ADTS
//! section 3.1.1.3.2).

use std::time::SystemTime;

use super::{Answer, Entry, Fault, Session};
use crate::net::ber::generalized_time;

/// The part of rootDSE that we look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootDse {
    /// Its domain.
    pub default_naming_context: String,
    pub configuration_naming_context: String,
    pub dns_host_name: Option<String>,
    /// To the second.
    pub current_time: Option<SystemTime>,
    /// Whether it has replicated since it started.
    pub is_synchronized: Option<bool>,
    pub is_global_catalog_ready: Option<bool>,
    /// Whether it keeps no secrets and takes no changes (MS-ADTS section 3.1.1.3.4.3.5).
    pub is_read_only: bool,
    /// `domainControllerFunctionality`: 7 is Windows Server 2016, 10 is 2025.
    pub functional_level: Option<u8>,
}

impl Session {
    /// Needs no sign-in. What names no domain is a directory, and no domain controller.
    pub async fn root_dse(&mut self) -> Result<Result<RootDse, Answer>, Fault> {
        let root = self.read("", ATTRIBUTES).await?.map(|entry| RootDse::of(&entry));
        let names_none = |root: &RootDse| root.default_naming_context.is_empty();
        Ok(match root {
            Ok(root) if names_none(&root) => {
                Err(Answer::new(NO_SUCH_ATTRIBUTE, "it names no domain"))
            }
            root => root,
        })
    }
}

impl RootDse {
    fn of(entry: &Entry) -> Self {
        let text = |attribute| entry.text(attribute).map(str::to_owned);
        let truth = |attribute| entry.text(attribute).map(|it| it.eq_ignore_ascii_case("true"));
        Self {
            default_naming_context: text("defaultNamingContext").unwrap_or_default(),
            configuration_naming_context: text("configurationNamingContext").unwrap_or_default(),
            dns_host_name: text("dnsHostName"),
            current_time: entry.text("currentTime").and_then(generalized_time),
            is_synchronized: truth("isSynchronized"),
            is_global_catalog_ready: truth("isGlobalCatalogReady"),
            is_read_only: entry.texts("supportedCapabilities").any(|it| it == READ_ONLY),
            functional_level: entry.number("domainControllerFunctionality"),
        }
    }
}

const NO_SUCH_ATTRIBUTE: u32 = 16;
const ATTRIBUTES: &[&str] = &[
    "defaultNamingContext",
    "configurationNamingContext",
    "dnsHostName",
    "currentTime",
    "isSynchronized",
    "isGlobalCatalogReady",
    "domainControllerFunctionality",
    "supportedCapabilities",
];
/// `LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID`.
const READ_ONLY: &str = "1.2.840.113556.1.4.1920";
