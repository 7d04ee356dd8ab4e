//! Keys that the product promises and this version does not have yet. They are refused like any
//! other unknown key, but by name, so that nobody takes them for a typing mistake or, worse, for
//! heeded.

use crate::catalogue::LATER as LATER_CHECKS;

const AZURE: &str = "the Azure and Microsoft Graph checks";

/// A key, with `[]` for any index, and what it comes with.
const LATER: &[(&str, &str)] = &[
    ("server.web_config", "TLS and authentication of the web server"),
    ("azure.tenant_id", AZURE),
    ("azure.credential", AZURE),
    ("azure.client_id", AZURE),
    ("azure.client_secret_file", AZURE),
    ("azure.client_certificate_file", AZURE),
    ("azure.authority_host", AZURE),
    ("azure.arm_endpoint", AZURE),
    ("azure.graph_endpoint", AZURE),
    ("azure.ca_file", AZURE),
    ("discovery", AZURE),
    ("connections[].subscription_id", AZURE),
    ("connections[].resource_group", AZURE),
    ("connections[].virtual_network", AZURE),
    ("connections[].virtual_network_resource_group", AZURE),
    ("connections[].subnet", AZURE),
    ("connections[].planned_cloud_pcs", AZURE),
    ("connections[].retry_reserve", AZURE),
    ("connections[].spare_addresses", AZURE),
    ("connections[].service_principal_id", AZURE),
    ("connections[].allow_azure_dns", AZURE),
];

/// What to say of `key` where this version refuses it, and it was refused as `wrong`.
pub(super) fn refusal(key: &str, wrong: &str) -> Option<String> {
    let general = without_indices(key);
    if general == "azure.cloud" && wrong.contains("\"custom\"") {
        let known = "use public, us-gov-gcc or us-gov-gcc-high";
        return Some(format!(
            "\"custom\" is not in this version yet, it comes with {AZURE}; {known}"
        ));
    }
    let checks = LATER_CHECKS.iter().map(|(check, with)| (format!("checks.{check}"), *with));
    let keys = LATER.iter().map(|(key, with)| ((*key).to_owned(), *with)).chain(checks);
    let with = keys.into_iter().find(|(later, _)| *later == general)?.1;
    let remedy = if general == "azure.credential" { "use \"none\"" } else { "remove it" };
    Some(format!("not in this version yet, it comes with {with}; {remedy}"))
}

/// `connections[3].subnet` as `connections[].subnet`.
fn without_indices(key: &str) -> String {
    let mut parts = key.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |general, part| {
        let rest = part.split_once(']').map_or(part, |(_, rest)| rest);
        format!("{general}[]{rest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_key_is_refused_by_name() {
        let refusal = refusal("connections[12].virtual_network", "").unwrap();
        assert!(refusal.contains("the Azure and Microsoft Graph checks"), "{refusal}");
        assert!(super::refusal("checks.tenant_readiness", "").is_some());
    }

    #[test]
    fn a_mistyped_key_is_not() {
        assert_eq!(refusal("connections[0].nmae", ""), None);
    }
}
