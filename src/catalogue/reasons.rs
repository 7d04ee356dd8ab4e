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
        "A record, or servers in the configuration, names a domain controller whose own name does not resolve."
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
        "Have the network team look for a firewall that rejects instead of dropping, or a name that resolves to the wrong address; on a domain controller, have the directory team see that the service runs."

        TCP_TIMEOUT "tcp_timeout"
        "The connection was not answered at all."
        "Have the network team allow the host and port from the subnet, in security group, route table and firewall."

        TCP_UNREACHABLE "tcp_unreachable"
        "The network says that no route leads there."
        "Have the network team correct the subnet's routes, or give a private subnet a way out (NAT gateway or firewall); a domain controller is reached by peering or a gateway."

        TLS_REFUSED "tls_refused"
        "The connection was accepted, and then reset or closed during the TLS handshake."
        "Have the network team allow the host in the rules that look at TLS server names, and exempt it from inspection; a domain controller that does this has no certificate, and the directory team must give it one."

        TLS_TIMEOUT "tls_timeout"
        "The connection was accepted, but the TLS handshake was not answered."
        "Have the network team look for a proxy or firewall that accepts every connection, and for a path whose packet size (MTU) is too small."

        TLS_ALERT "tls_alert"
        "The peer ended the TLS handshake with an alert."
        "Look at the alert: have the network team exempt the host from inspection, or the directory team mend a domain controller's certificate and TLS versions; where an endpoint says internal_error, lower max_handshakes."

        TLS_MALFORMED "tls_malformed"
        "What answered does not speak TLS."
        "Have the network team look for a proxy or block page that answers in plain text in the host's place."

        CERTIFICATE_EXPIRED "certificate_expired"
        "The certificate is no longer valid."
        "Check the vantage's clock first; then have the network team renew the certificate of whatever inspects TLS here, or the directory team a domain controller's own."

        CERTIFICATE_NOT_YET_VALID "certificate_not_yet_valid"
        "The certificate is not valid yet."
        "Correct the vantage's clock; if it is right, have the network team look at the certificate of whatever inspects TLS here, or the directory team at a domain controller's own."

        CERTIFICATE_WRONG_NAME "certificate_wrong_name"
        "The certificate is for another name than the one asked for."
        "Have the network team check where the name resolves to and what answers there; exclude a host that Microsoft serves this way; have the directory team put a domain controller's full name into its certificate."

        CERTIFICATE_UNTRUSTED "certificate_untrusted"
        "The certificate leads to no authority that we trust: publicly, by private_roots_file, or for a domain controller by ca_file."
        "Have the network team exempt the host from TLS inspection, and name its authority in private_roots_file to have inspection named as such; name the authority of a domain controller's certificate in ca_file."

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
        "The host did not answer over UDP."
        "Have the network team allow the host and UDP port from the subnet."

        UDP_REFUSED "udp_refused"
        "The network answered that nothing listens on the UDP port, or that it is forbidden."
        "Have the network team check the rule for the UDP port, and where the name resolves to; on a domain controller, have the directory team see that the service runs."

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
    "join.md": {
        WRONG_CREDENTIALS "wrong_credentials"
        "The domain controller refuses user name and password; it does not say which of them is wrong."
        "Have the directory team tell or reset the password, and the operator of this daemon correct username or password_file: until one of them changes, or bind_retry_after has passed, it does not sign in again."

        ACCOUNT_DISABLED "account_disabled"
        "The join account is disabled."
        "Have the directory team enable the account, or name another one in the Azure network connection and here."

        ACCOUNT_LOCKED "account_locked"
        "The join account is locked after too many wrong passwords."
        "Have the directory team find out who sends wrong passwords, Microsoft's stored copy among them, and unlock the account; the operator of this daemon can make it try earlier, as the runbook says."

        ACCOUNT_EXPIRED "account_expired"
        "The password is right, but the join account has expired."
        "Have the directory team move or clear the account's expiry date."

        ACCOUNT_RESTRICTED "account_restricted"
        "The password is right, but a restriction of the join account forbids the sign-in: its hours, its workstations, or another."
        "Have the directory team lift the restriction, for domain controllers and for the machines of the subnet."

        PASSWORD_EXPIRED "password_expired"
        "The join account's password has expired."
        "Have the directory team set a new password; then enter it in the Azure network connection and in password_file."

        PASSWORD_MUST_CHANGE "password_must_change"
        "The join account must change its password at the next sign-in, which nobody is there to do."
        "Have the directory team set a password without that option; then enter it in the Azure network connection and in password_file."

        BIND_REFUSED "bind_refused"
        "The domain controller refuses the sign-in for a reason that we have no word for."
        "Have the directory team look up the result code in the detail, and the account's sign-in in the domain controller's event log."

        SIGNING_REQUIRED "signing_required"
        "The domain controller takes the connection for one without protection, and refuses to be signed in to over it."
        "Have the network team look for a load balancer that ends TLS before the domain controller, or the operator of this daemon choose another transport; Windows joins by Kerberos and is not affected."

        CHANNEL_BINDING_REQUIRED "channel_binding_required"
        "The domain controller demands proof that TLS ends at it and nowhere else (channel binding), and did not get it."
        "Have the network team take load balancers and TLS inspection out of the way, or the operator of this daemon set transport to kerberos; Windows joins by Kerberos and is not affected."

        STARTTLS_REFUSED "starttls_refused"
        "The domain controller does not start TLS when it is asked to, mostly because it has no certificate."
        "Have the directory team give the domain controller a certificate, or the operator of this daemon set transport to kerberos; a join itself needs no TLS."

        CERTIFICATE_NOT_PINNED "certificate_not_pinned"
        "The domain controller's certificate is sound, but none of those that certificate_sha256 names."
        "Have the directory team confirm that the certificate is theirs; then the operator of this daemon adds its fingerprint to certificate_sha256."

        LDAP_ERROR "ldap_error"
        "The domain controller answered a question with an error that we have no word for."
        "Have the directory team look up the result code in the detail, and see that the join account may read the domain."

        OU_NOT_FOUND "ou_not_found"
        "The organizational unit does not exist, or the join account may not see it."
        "Correct the organizational unit in the Azure network connection and here, or have the directory team restore it, or let the account read it."

        OU_MALFORMED "ou_malformed"
        "What is given as organizational unit is not a distinguished name."
        "Correct the organizational unit in the Azure network connection and here: OU=CloudPCs,DC=corp,DC=contoso,DC=com is one."

        OU_IN_OTHER_DOMAIN "ou_in_other_domain"
        "The organizational unit belongs to another domain than the one that Cloud PCs join."
        "Correct the domain or the organizational unit in the Azure network connection and here, so that they fit each other."

        ACCESS_DENIED "access_denied"
        "The join account may not create computer objects where Cloud PCs are to go."
        "Have the directory team delegate to it to create and delete computer objects on the organizational unit, as the runbook tells."

        QUOTA_EXCEEDED "quota_exceeded"
        "The join account has created as many computers as a user without delegated rights may (ms-DS-MachineAccountQuota)."
        "Have the directory team delegate to it to create computer objects on the organizational unit: the quota then no longer applies."

        QUOTA_LOW "quota_low"
        "The join account is close to the number of computers that a user without delegated rights may create."
        "Have the directory team delegate to it to create computer objects on the organizational unit: the quota then no longer applies."

        COMPUTER_EXISTS "computer_exists"
        "An object that is not ours has the name of our test computer; it was not touched."
        "Have the directory team find out whose it is and remove it, or the operator of this daemon choose another computer_prefix."

        CANNOT_DISABLE "cannot_disable"
        "The join account could create the test computer, but not disable it."
        "Have the directory team delegate to it to write account restrictions of computers in the organizational unit."

        CANNOT_DELETE "cannot_delete"
        "The join account could not delete the test computer, which stays behind, disabled."
        "Have the directory team delegate to it to delete computer objects in the organizational unit; the next run then removes what is left."

        CREATE_REFUSED "create_refused"
        "The domain controller refused to create the test computer, though not for lack of rights or quota."
        "Have the directory team look up the result code in the detail, and what stands in the way: a policy, the schema, or a container that takes no computers."

        PASSWORD_EXPIRES_SOON "password_expires_soon"
        "The join account's password expires within two weeks."
        "Have the directory team set a new password; then enter it in the Azure network connection and in password_file."

        ACCOUNT_EXPIRES_SOON "account_expires_soon"
        "The join account expires within two weeks."
        "Have the directory team move or clear the account's expiry date."

        LEFTOVER_COMPUTERS "leftover_computers"
        "Computer objects of Microsoft's own check (CPC-Hth) are left in the domain; it disables them, and does not delete them."
        "Have the directory team delete old ones if they disturb; this daemon never does."

        GROUP_POLICY_LINKED "group_policy_linked"
        "A group policy applies to the computers of the organizational unit; what is in it, this daemon does not see."
        "Have the directory team make sure that it neither restricts PowerShell's execution policy nor enables one of the three settings that break provisioning."
    }
    "controllers.md": {
        DC_UNREACHABLE "dc_unreachable"
        "A domain controller cannot be reached, fell silent, or says that it is busy or unavailable."
        "Have the network team allow the ports of a join from the subnet, and the directory team start the domain controller, or remove its records if it is gone."

        LDAP_MALFORMED "ldap_malformed"
        "What answers on a domain controller's LDAP port does not speak LDAP."
        "Have the network team find out what answers there, and the DNS team where the name leads to."

        CLOCK_SKEWED "clock_skewed"
        "A domain controller's clock and the vantage's differ by 2 minutes or more; beyond 5, Kerberos refuses."
        "Correct the vantage's clock if all domain controllers seem wrong, else have the directory team correct the domain controller's time source."

        DC_NOT_SYNCHRONISED "dc_not_synchronised"
        "A domain controller says that it has not replicated since it started, so what it knows may be old; or that its Netlogon service is paused."
        "Have the directory team mend replication to the domain controller, or resume its Netlogon service."

        DC_READ_ONLY "dc_read_only"
        "A domain controller that clients are led to is read-only: nothing can be created on it."
        "Have the directory team see that the subnet belongs to a site with a writable domain controller, and the network team that it can be reached."

        DC_PORT_BROKEN "dc_port_broken"
        "A port of a domain controller is open, and what answers there is not what should."
        "Have the directory team look at the service behind the port, and the network team for a middlebox that answers in its place."

        DC_SLOW "dc_slow"
        "A domain controller takes long to answer."
        "Have the directory team assign the subnet to the right site and look at the domain controller's load, and the network team at the way there."

        DC_OF_OTHER_DOMAIN "dc_of_other_domain"
        "A domain controller that the records name belongs to another domain."
        "Have the directory team and the DNS team correct the records, or the operator of this daemon servers in the configuration."

        CERTIFICATE_EXPIRES_SOON "certificate_expires_soon"
        "The certificate that a domain controller shows for LDAP over TLS expires soon."
        "Have the directory team renew the certificate, and find out why it was not renewed by itself."
    }
    "sso.md": {
        KERBEROS_SERVER_MISSING "kerberos_server_missing"
        "The domain has no Microsoft Entra Kerberos server, without which Cloud PCs have no single sign-on to it."
        "Have the directory team create it with Set-AzureADKerberosServer, or switch the check off where single sign-on is not wanted."

        KERBEROS_SERVER_INCOMPLETE "kerberos_server_incomplete"
        "Of the Microsoft Entra Kerberos server a part is missing: its account, or the link to it."
        "Have the directory team remove it and create it anew, with Remove-AzureADKerberosServer and Set-AzureADKerberosServer."

        KERBEROS_SERVER_KEY_OLD "kerberos_server_key_old"
        "The key of the Microsoft Entra Kerberos server has not been changed for longer than key_age."
        "Have the directory team rotate it with Set-AzureADKerberosServer -RotateServerKey."
    }
    "daemon.md": {
        COULD_NOT_LOOK "could_not_look"
        "The machine that the daemon runs on could not ask: no socket, no descriptor, no time left, or a question that cannot be put."
        "Look at the detail: raise the limit on open files or the check's timeout, or correct what the machine's own packet filter or network forbids."

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
