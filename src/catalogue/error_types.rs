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
        "ad_domain_join" => of_the_join(reason),
        "udp_connectivity" => of_udp(reason),
        "single_sign_on" => of_single_sign_on(reason),
        "domain_controllers" => None,
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

/// That we get no session of our own, and what is merely about to fail, stops no Windows machine.
fn of_the_join(reason: Reason) -> Option<&'static str> {
    match reason {
        NO_SRV_RECORDS
        | SRV_TARGET_UNRESOLVED
        | DNS_TIMEOUT
        | DNS_REFUSED
        | DNS_SERVFAIL
        | DNS_TRUNCATED
        | DNS_UNREACHABLE
        | DNS_MALFORMED => Some("adJoinCheckFqdnNotFound"),
        WRONG_CREDENTIALS => Some("adJoinCheckIncorrectCredentials"),
        OU_NOT_FOUND | OU_IN_OTHER_DOMAIN => Some("adJoinCheckOrganizationalUnitNotFound"),
        OU_MALFORMED => Some("adJoinCheckOrganizationalUnitIncorrectFormat"),
        COMPUTER_EXISTS => Some("adJoinCheckComputerObjectAlreadyExists"),
        ACCESS_DENIED | CANNOT_DISABLE | CANNOT_DELETE => Some("adJoinCheckAccessDenied"),
        PASSWORD_EXPIRED | PASSWORD_MUST_CHANGE => Some("adJoinCheckCredentialsExpired"),
        ACCOUNT_DISABLED | ACCOUNT_LOCKED | ACCOUNT_EXPIRED | ACCOUNT_RESTRICTED => {
            Some("adJoinCheckAccountLockedOrDisabled")
        }
        QUOTA_EXCEEDED => Some("adJoinCheckAccountQuotaExceeded"),
        DC_UNREACHABLE | LDAP_MALFORMED => Some("adJoinCheckServerNotOperational"),
        BIND_REFUSED | CREATE_REFUSED => Some("adJoinCheckUnknownError"),
        _ => None,
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

fn of_single_sign_on(reason: Reason) -> Option<&'static str> {
    match reason {
        KERBEROS_SERVER_MISSING | KERBEROS_SERVER_INCOMPLETE => {
            Some("ssoCheckKerberosConfigurationError")
        }
        _ => None,
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
    fn the_joins_reasons_have_microsofts_names() {
        for (reasons, wanted) in [
            (&[NO_SRV_RECORDS, SRV_TARGET_UNRESOLVED, DNS_TIMEOUT][..], "FqdnNotFound"),
            (&[DNS_REFUSED, DNS_SERVFAIL, DNS_TRUNCATED], "FqdnNotFound"),
            (&[DNS_UNREACHABLE, DNS_MALFORMED], "FqdnNotFound"),
            (&[WRONG_CREDENTIALS], "IncorrectCredentials"),
            (&[OU_NOT_FOUND, OU_IN_OTHER_DOMAIN], "OrganizationalUnitNotFound"),
            (&[OU_MALFORMED], "OrganizationalUnitIncorrectFormat"),
            (&[COMPUTER_EXISTS], "ComputerObjectAlreadyExists"),
            (&[ACCESS_DENIED, CANNOT_DISABLE, CANNOT_DELETE], "AccessDenied"),
            (&[PASSWORD_EXPIRED, PASSWORD_MUST_CHANGE], "CredentialsExpired"),
            (&[ACCOUNT_DISABLED, ACCOUNT_LOCKED], "AccountLockedOrDisabled"),
            (&[ACCOUNT_EXPIRED, ACCOUNT_RESTRICTED], "AccountLockedOrDisabled"),
            (&[QUOTA_EXCEEDED], "AccountQuotaExceeded"),
            (&[DC_UNREACHABLE, LDAP_MALFORMED], "ServerNotOperational"),
            (&[BIND_REFUSED, CREATE_REFUSED], "UnknownError"),
        ] {
            for reason in reasons {
                is("ad_domain_join", *reason, None, &format!("adJoinCheck{wanted}"));
            }
        }
    }

    #[test]
    fn what_stops_only_us_or_nobody_yet_has_none() {
        for reason in [SIGNING_REQUIRED, CHANNEL_BINDING_REQUIRED, STARTTLS_REFUSED, LDAP_ERROR]
            .into_iter()
            .chain([CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, CERTIFICATE_WRONG_NAME])
            .chain([CERTIFICATE_UNTRUSTED, CERTIFICATE_NOT_PINNED])
            .chain([TLS_REFUSED, TLS_TIMEOUT, TLS_ALERT, TLS_MALFORMED])
            .chain([TCP_REFUSED, TCP_TIMEOUT, TCP_UNREACHABLE])
            .chain([QUOTA_LOW, PASSWORD_EXPIRES_SOON, ACCOUNT_EXPIRES_SOON])
            .chain([LEFTOVER_COMPUTERS, GROUP_POLICY_LINKED])
            .chain([DC_OF_OTHER_DOMAIN])
            .chain([NO_DNS_SERVERS, COULD_NOT_LOOK, TIMED_OUT, PANICKED])
        {
            is("ad_domain_join", reason, None, "");
        }
    }

    #[test]
    fn single_sign_on_has_one_for_the_kerberos_server() {
        let slug = "single_sign_on";
        is(slug, KERBEROS_SERVER_MISSING, None, "ssoCheckKerberosConfigurationError");
        is(slug, KERBEROS_SERVER_INCOMPLETE, None, "ssoCheckKerberosConfigurationError");
        let reports = check(slug).unwrap().reports.iter().copied();
        let others = reports
            .filter(|it| ![KERBEROS_SERVER_MISSING, KERBEROS_SERVER_INCOMPLETE].contains(it));
        others.for_each(|reason| is(slug, reason, None, ""));
    }

    #[test]
    fn domain_controllers_have_none_at_all() {
        let slug = "domain_controllers";
        check(slug).unwrap().reports.iter().for_each(|reason| is(slug, *reason, None, ""));
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
