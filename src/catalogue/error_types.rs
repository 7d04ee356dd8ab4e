//! Which of Microsoft Graph's error types a finding corresponds to.

use super::{Category, check, reason::*};
use crate::engine::Reason;

/// Graph's `errorType` for a check's reason, and for an endpoint its category; `None` where Graph
/// has none, or where the reason says that we could not tell.
pub fn error_type(slug: &str, reason: Reason, category: Option<Category>) -> Option<&'static str> {
    let entry = check(slug)?;
    if !entry.reports.contains(&reason) || OF_OURS.contains(&reason) {
        return None;
    }
    match entry.slug {
        "dns_ad_domain" => Some(of_the_domain(reason)),
        "udp_connectivity" => of_udp(reason),
        _ => of_an_endpoint(category?),
    }
}

fn of_the_domain(reason: Reason) -> &'static str {
    match reason {
        NAME_NOT_FOUND | NO_ADDRESSES => "dnsCheckFqdnNotFound",
        INVALID_NAME => "dnsCheckNameWithInvalidCharacter",
        _ => "dnsCheckUnknownError",
    }
}

fn of_an_endpoint(category: Category) -> Option<&'static str> {
    match category {
        Category::CloudPc => Some("endpointConnectivityCheckCloudPcUrlNotAllowListed"),
        Category::Wvd => Some("endpointConnectivityCheckWVDUrlNotAllowListed"),
        Category::Intune => Some("endpointConnectivityCheckIntuneUrlNotAllowListed"),
        Category::AzureAd => Some("endpointConnectivityCheckAzureADUrlNotAllowListed"),
        Category::Locale => Some("endpointConnectivityCheckLocaleUrlNotAllowListed"),
        Category::AzurePlatform => None,
    }
}

fn of_udp(reason: Reason) -> Option<&'static str> {
    match reason {
        STUN_NO_REPLY => Some("udpConnectivityCheckStunUrlNotAllowListed"),
        TURN_NO_REPLY => Some("udpConnectivityCheckTurnUrlNotAllowListed"),
        UDP_BLOCKED => Some("udpConnectivityCheckUrlsNotAllowListed"),
        TURN_OUTSIDE_RANGES => None,
        _ => Some("udpConnectivityCheckUnknownError"),
    }
}

/// What Microsoft's checks have no word for: that we could not look, or what only we look at.
const OF_OURS: [Reason; 6] = [
    COULD_NOT_LOOK,
    TIMED_OUT,
    PANICKED,
    NO_DNS_SERVERS,
    WILDCARD_NOT_VERIFIABLE,
    PROXY_CONFIGURED,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{CHECKS, section};

    #[track_caller]
    fn is(slug: &str, reason: Reason, category: Option<Category>, wanted: &str) {
        assert_eq!(error_type(slug, reason, category).unwrap_or_default(), wanted);
    }

    #[test]
    fn the_domains_reasons_have_microsofts_names() {
        is("dns_ad_domain", NAME_NOT_FOUND, None, "dnsCheckFqdnNotFound");
        is("dns_ad_domain", NO_ADDRESSES, None, "dnsCheckFqdnNotFound");
        is("dns_ad_domain", INVALID_NAME, None, "dnsCheckNameWithInvalidCharacter");
        is("dns_ad_domain", PUBLIC_ADDRESS, None, "dnsCheckUnknownError");
        is("dns_ad_domain", DNS_SERVFAIL, None, "dnsCheckUnknownError");
        is("dns_ad_domain", NO_DNS_SERVERS, None, "");
        is("dns_ad_domain", TIMED_OUT, None, "");
    }

    #[test]
    fn an_endpoints_error_type_is_its_categorys() {
        let slug = "endpoint_connectivity";
        let intune = Some(Category::Intune);
        is(slug, TCP_TIMEOUT, intune, "endpointConnectivityCheckIntuneUrlNotAllowListed");
        is(slug, NAME_NOT_FOUND, intune, "endpointConnectivityCheckIntuneUrlNotAllowListed");
        is(slug, TCP_TIMEOUT, Some(Category::AzurePlatform), "");
        is(slug, WILDCARD_NOT_VERIFIABLE, intune, "");
        is(slug, PROXY_CONFIGURED, None, "");
        let locale = Some(Category::Locale);
        is("localization", TLS_ALERT, locale, "endpointConnectivityCheckLocaleUrlNotAllowListed");
    }

    #[test]
    fn udp_has_one_error_type_for_each_way_and_one_for_both() {
        let slug = "udp_connectivity";
        is(slug, STUN_NO_REPLY, None, "udpConnectivityCheckStunUrlNotAllowListed");
        is(slug, TURN_NO_REPLY, None, "udpConnectivityCheckTurnUrlNotAllowListed");
        is(slug, UDP_BLOCKED, None, "udpConnectivityCheckUrlsNotAllowListed");
        is(slug, DNS_TIMEOUT, None, "udpConnectivityCheckUnknownError");
        is(slug, TURN_OUTSIDE_RANGES, None, "");
    }

    #[test]
    fn what_a_check_does_not_report_has_none() {
        is("udp_connectivity", TCP_TIMEOUT, None, "");
        is("ad_domain_join", NAME_NOT_FOUND, None, "");
    }

    #[test]
    fn a_runbook_names_the_error_type_of_its_reason() {
        for check in CHECKS.iter().filter(|check| check.slug != "localization") {
            for reason in check.reports.iter().copied() {
                let named = match error_type(check.slug, reason, Some(Category::Intune)) {
                    Some(named) if named.contains("Intune") => "UrlNotAllowListed",
                    Some(named) => named,
                    None => "none",
                };
                assert!(section(reason).contains(named), "{reason} does not name {named}");
            }
        }
    }
}
