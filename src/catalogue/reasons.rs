//! The closed set of reasons: what each means, what to do, and where its runbook is.

use crate::engine::Reason;

/// One reason, explained.
#[derive(Debug)]
pub struct ReasonEntry {
    pub reason: Reason,
    pub means: &'static str,
    pub action: &'static str,
    /// A file in `deploy/runbooks`.
    pub runbook: &'static str,
}

/// Makes the constants and the table out of one list, so that neither can lack what the other has.
macro_rules! reasons {
    ($($runbook:literal: { $($name:ident $word:literal $means:literal $action:literal)* })*) => {
        /// The words, as constants.
        pub mod reason {
            use crate::engine::Reason;

            $($(
                #[doc = $means]
                pub const $name: Reason = Reason::new($word);
            )*)*

            #[cfg(test)]
            pub(super) const NAMES: &[&str] = &[$($(stringify!($name)),*),*];
        }

        /// Every reason of this version.
        pub const REASONS: &[ReasonEntry] = &[$($(
            ReasonEntry {
                reason: reason::$name,
                means: $means,
                action: $action,
                runbook: $runbook,
            },
        )*)*];
    };
}

reasons! {
    "dns.md": {
        NAME_NOT_FOUND "name_not_found"
        "The DNS server says that the name does not exist."
        "Compare the name with the one meant, then have the DNS team point the virtual network at servers that know it, or forward it there."

        INVALID_NAME "invalid_name"
        "The domain of the Azure network connection is not a valid DNS name."
        "Correct the domain in the Azure network connection, and here."

        NO_ADDRESSES "no_addresses"
        "The name exists, but has neither an A nor an AAAA record."
        "Have the DNS team restore the records: for a domain the domain controllers register them, for an endpoint a private zone may hide them."

        NO_SRV_RECORDS "no_srv_records"
        "The DNS server knows none of the records by which domain controllers are found."
        "Have the DNS team point the virtual network at servers that hold the Active Directory zone, or forward the domain and its _msdcs zone to them."

        SRV_RECORD_MISSING "srv_record_missing"
        "Some of the records by which domain controllers are found are missing, while others exist."
        "Have the directory team restart Netlogon on the domain controllers, or run nltest /dsregdns there, and find out why the zone lost the records."

        SRV_TARGET_UNRESOLVED "srv_target_unresolved"
        "A record names a domain controller whose own name does not resolve."
        "Have the directory team remove the records of a domain controller that is gone, or the DNS team restore its address record."

        PUBLIC_ADDRESS "public_address"
        "The Active Directory domain resolves to a public address, so the answer comes from the internet's view of it."
        "Have the network team give the virtual network internal DNS servers only, and the DNS team stop the domain from being forwarded to the internet."

        SERVERS_DISAGREE "servers_disagree"
        "The DNS servers of the virtual network give different answers."
        "Have the DNS team compare zones, forwarders and replication of the servers named, and remove from the virtual network what does not belong there."

        DNS_TIMEOUT "dns_timeout"
        "The DNS server did not answer in time."
        "Have the network team check the route, security groups and firewalls to port 53 over UDP and TCP, and the DNS team the server and its forwarders."

        DNS_REFUSED "dns_refused"
        "The DNS server answered that it will not serve this client or name (REFUSED)."
        "Have the DNS team allow recursion and queries from the subnet's addresses."

        DNS_SERVFAIL "dns_servfail"
        "The DNS server answered that it failed to find out (SERVFAIL)."
        "Have the DNS team check the server's forwarders, conditional forwarders and DNSSEC validation for this name."

        DNS_TRUNCATED "dns_truncated"
        "The answer did not fit into UDP, and asking again over TCP brought none."
        "Have the network team allow TCP 53 to the DNS servers, beside UDP 53."

        DNS_UNREACHABLE "dns_unreachable"
        "Nothing listens at the DNS server's address, or no route leads there."
        "Have the DNS team start the service, or the network team correct the address in the virtual network's DNS settings or the route to it."

        DNS_MALFORMED "dns_malformed"
        "What came back is not a DNS answer to the question, or carries an error code of another kind."
        "Have the network team find out what answers on port 53: a middlebox, or something that is no DNS server."

        NO_DNS_SERVERS "no_dns_servers"
        "No DNS server is known to ask: none is configured, and the system names none."
        "Set dns_servers of the connection, or give the daemon's host or container a resolver."
    }
    "endpoints.md": {
        TCP_REFUSED "tcp_refused"
        "The connection was refused: something answered with a reset."
        "Have the network team look for a firewall that rejects instead of dropping, or a name that resolves to the wrong address."

        TCP_TIMEOUT "tcp_timeout"
        "The connection was not answered at all."
        "Have the network team allow the host and port from the subnet, in security group, route table and firewall."

        TCP_UNREACHABLE "tcp_unreachable"
        "The network says that no route leads there."
        "Have the network team correct the subnet's routes, or give a private subnet a way out (NAT gateway or firewall)."

        TLS_REFUSED "tls_refused"
        "The connection was accepted, and then reset or closed during the TLS handshake."
        "Have the network team allow the host in the rules that look at TLS server names, and exempt it from inspection."

        TLS_TIMEOUT "tls_timeout"
        "The connection was accepted, but the TLS handshake was not answered."
        "Have the network team look for a proxy or firewall that accepts every connection, and for a path whose packet size (MTU) is too small."

        TLS_ALERT "tls_alert"
        "The peer ended the TLS handshake with an alert."
        "Look at the alert: have the network team exempt the host from inspection; where it is internal_error, lower max_handshakes."

        TLS_MALFORMED "tls_malformed"
        "What answered does not speak TLS."
        "Have the network team look for a proxy or block page that answers in plain text in the endpoint's place."

        CERTIFICATE_EXPIRED "certificate_expired"
        "The certificate is no longer valid."
        "Check the vantage's clock first; then have the network team renew the certificate of whatever inspects TLS here."

        CERTIFICATE_NOT_YET_VALID "certificate_not_yet_valid"
        "The certificate is not valid yet."
        "Correct the vantage's clock; if it is right, have the network team look at the certificate of whatever inspects TLS here."

        CERTIFICATE_WRONG_NAME "certificate_wrong_name"
        "The certificate is for another name than the one asked for."
        "Have the network team check where the name resolves to and what answers there; exclude a host that Microsoft serves this way."

        CERTIFICATE_UNTRUSTED "certificate_untrusted"
        "The certificate leads to no authority that we trust, publicly or by private_roots_file."
        "Have the network team exempt the host from TLS inspection; to have inspection named as such, give its authority in private_roots_file."

        TLS_INTERCEPTED "tls_intercepted"
        "The certificate leads to no public authority, where Microsoft's own does: TLS is opened on the way."
        "Have the network team put the host on the bypass list of TLS inspection."

        HTTP_TIMEOUT "http_timeout"
        "The connection was accepted, but the HTTP request was not answered."
        "Have the network team look for a proxy or firewall that accepts every connection, and allow the host there."

        HTTP_MALFORMED "http_malformed"
        "What answered does not speak HTTP, or closed the connection without an answer."
        "Have the network team find out what answers in the endpoint's place, and allow the host there."

        PROXY_REQUIRED "proxy_required"
        "A proxy answered in the endpoint's place and demands a sign-in (HTTP 407)."
        "Have the network team let the subnet reach the host without the proxy."

        UDP_NO_REPLY "udp_no_reply"
        "The endpoint did not answer over UDP."
        "Have the network team allow the host and UDP port from the subnet."

        UDP_REFUSED "udp_refused"
        "The network answered that nothing listens on the UDP port, or that it is forbidden."
        "Have the network team check the rule for the UDP port, and where the name resolves to."

        PRIVATE_ADDRESS "private_address"
        "A public Microsoft endpoint resolves to a private address."
        "Have the DNS team remove the record or private zone that captures the name; where Private Link is meant, list its range in the row's private_ranges."

        WILDCARD_NOT_VERIFIABLE "wildcard_not_verifiable"
        "Microsoft names only a wildcard and no host below it is known, so nothing can be probed for it."
        "Have the network team confirm that the firewall allows the wildcard; name a host below it with extra, or exclude the wildcard."

        PROXY_CONFIGURED "proxy_configured"
        "The daemon's environment names a proxy; Cloud PCs must reach these endpoints without one, and so do the probes."
        "Remove HTTP_PROXY, HTTPS_PROXY and ALL_PROXY from the daemon's environment; if the subnet has no other way out, have the network team open one."
    }
    "udp.md": {
        STUN_NO_REPLY "stun_no_reply"
        "The STUN server does not answer over UDP, so a direct path cannot be found through it."
        "Have the network team allow outbound UDP 3478; where a TURN relay answers, sessions use that until then."

        TURN_NO_REPLY "turn_no_reply"
        "The TURN relay does not answer over UDP, so sessions without a direct path fall back to TCP."
        "Have the network team allow outbound UDP 3478 to 51.5.0.0/16."

        UDP_BLOCKED "udp_blocked"
        "Neither STUN servers nor TURN relays answer over UDP, so sessions fall back to TCP."
        "Have the network team allow outbound UDP 3478, at least to 51.5.0.0/16."

        TURN_OUTSIDE_RANGES "turn_outside_ranges"
        "The TURN relay resolves to an address outside the ranges that firewall rules are written for."
        "Have the DNS team check who answers for the relay's name; if Microsoft moved it, widen the firewall rules and turn_ranges."
    }
    "daemon.md": {
        COULD_NOT_LOOK "could_not_look"
        "The machine that the daemon runs on could not ask: no socket, no descriptor, or a question that cannot be put."
        "Look at the detail: raise the limit on open files, or correct what the machine's own packet filter or network forbids."

        TIMED_OUT "timed_out"
        "The check reached no verdict within its own limit; it says nothing about the environment."
        "Raise the check's timeout or lower its work, and see whether the daemon is starved of CPU."

        PANICKED "panicked"
        "The check ran into a bug of ours; it says nothing about the environment."
        "Report it with the log line of the panic; the daemon and its other checks carry on."
    }
}

/// The reason's entry. A reason from elsewhere is a bug, and is explained as one.
pub fn entry(reason: Reason) -> &'static ReasonEntry {
    find(reason.as_str()).unwrap_or(BUG)
}

pub fn find(word: &str) -> Option<&'static ReasonEntry> {
    REASONS.iter().find(|entry| entry.reason.as_str() == word)
}

const BUG: &ReasonEntry = &REASONS[REASONS.len() - 1];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_constant_is_its_word_in_capitals() {
        let words = REASONS.iter().map(|entry| entry.reason.as_str().to_uppercase());
        assert!(words.eq(reason::NAMES.iter().copied()));
    }

    #[test]
    fn a_reason_is_explained_once() {
        let words: HashSet<_> = REASONS.iter().map(|entry| entry.reason).collect();
        assert_eq!(words.len(), REASONS.len());
        for listed in REASONS {
            assert_eq!(entry(listed.reason).reason, listed.reason);
            assert!(listed.means.ends_with('.') && listed.action.ends_with('.'));
        }
    }

    #[test]
    fn the_engines_own_reasons_are_among_them() {
        assert_eq!(reason::TIMED_OUT, Reason::TIMED_OUT);
        assert_eq!(reason::PANICKED, Reason::PANICKED);
    }

    #[test]
    fn a_stray_reason_is_explained_as_a_bug() {
        assert_eq!(entry(Reason::new("no_such_reason")).reason, reason::PANICKED);
        assert!(find("no_such_reason").is_none());
    }
}
