//! What a domain controller says of itself to anybody: rootDSE (MS-ADTS section 3.1.1.3.2).

use super::{
    BASE, CONFIGURATION, OTHER_DOMAIN, conditions::Conditions, message::Attribute, object,
};
use crate::{dns::DOMAIN, faults::Conduct};

/// Those that were asked for, or all.
pub(super) fn root_dse(conditions: &Conditions, wanted: &[String]) -> Vec<Attribute> {
    let all = wanted.is_empty() || wanted.iter().any(|wanted| wanted == "*");
    let is_wanted =
        |name: &str| all || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let attributes = attributes(conditions).into_iter();
    attributes
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, values)| {
            (name.to_owned(), values.into_iter().map(String::into_bytes).collect())
        })
        .collect()
}

fn attributes(conditions: &Conditions) -> Vec<(&'static str, Vec<String>)> {
    let is_other = conditions.conducts_itself(Conduct::OfOtherDomain);
    let domain = if is_other { OTHER_DOMAIN } else { DOMAIN };
    let base = if is_other { OTHER_BASE } else { BASE };
    let host = conditions.which.host();
    let server = format!(
        "CN={},CN=Servers,CN={},CN=Sites,{CONFIGURATION}",
        host.to_uppercase(),
        conditions.which.site()
    );
    let is_synchronized = !conditions.conducts_itself(Conduct::NotSynchronised);
    let one = |value: &str| vec![value.to_owned()];
    let many = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let schema = format!("CN=Schema,{CONFIGURATION}");
    let mut capabilities: Vec<String> = many(CAPABILITIES);
    if conditions.conducts_itself(Conduct::ReadOnly) {
        capabilities.push(PARTIAL_SECRETS.to_owned());
    }
    vec![
        ("defaultNamingContext", one(base)),
        ("rootDomainNamingContext", one(BASE)),
        ("configurationNamingContext", one(CONFIGURATION)),
        ("schemaNamingContext", vec![schema.clone()]),
        ("namingContexts", vec![base.to_owned(), CONFIGURATION.to_owned(), schema]),
        ("dnsHostName", vec![format!("{host}.{domain}")]),
        ("dsServiceName", vec![format!("CN=NTDS Settings,{server}")]),
        ("serverName", vec![server]),
        ("ldapServiceName", vec![format!("{domain}:{host}$@{}", domain.to_uppercase())]),
        ("domainFunctionality", one("7")),
        ("forestFunctionality", one("7")),
        ("domainControllerFunctionality", one("7")),
        ("supportedSASLMechanisms", many(&["GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"])),
        ("supportedCapabilities", capabilities),
        ("supportedControl", one("1.2.840.113556.1.4.319")),
        ("supportedLDAPVersion", many(&["3", "2"])),
        ("currentTime", vec![object::generalized(conditions.now().unix_timestamp())]),
        ("isSynchronized", one(if is_synchronized { "TRUE" } else { "FALSE" })),
        ("isGlobalCatalogReady", one("TRUE")),
        ("highestCommittedUSN", one("45123")),
    ]
}

const OTHER_BASE: &str = "DC=emea,DC=contoso,DC=test";
/// Active Directory of Windows 2000, 2003 and 2008, NTLM, and 2008 R2 (MS-ADTS section 3.1.1.3.4.3).
const CAPABILITIES: &[&str] = &[
    "1.2.840.113556.1.4.800",
    "1.2.840.113556.1.4.1670",
    "1.2.840.113556.1.4.1791",
    "1.2.840.113556.1.4.1935",
    "1.2.840.113556.1.4.2080",
];
/// A read-only domain controller's.
const PARTIAL_SECRETS: &str = "1.2.840.113556.1.4.1920";
