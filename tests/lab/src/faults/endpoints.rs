//! The faults that `endpoint_connectivity` and `localization` see. Each has an endpoint of its own,
//! so that any of them can be on together.

use super::{Effect, Fault, Lookup, Responder, Setting};
use crate::catalogue::Category;

/// How an endpoint behaves when it does not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing listens.
    Closed,
    /// Something listens, and connections are never established.
    Full,
    /// Connections are established, and nothing comes back.
    Silent,
    /// Reset as soon as the client has spoken.
    Resets,
    /// A fatal TLS alert in answer to the client's hello.
    Alerts,
    /// HTTP in answer to the client's hello.
    SpeaksPlainText,
    Presents(Certificate),
    /// What answers is not HTTP.
    Garbles,
    /// 407: a proxy that wants to know who asks.
    DemandsProxyAuthentication,
}

/// A certificate that an endpoint may present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    Valid,
    Expired,
    NotYetValid,
    /// In ten days.
    ExpiresSoon,
    WrongName,
    SelfSigned,
    /// Issued by the organization's own authority, as a proxy that inspects TLS does.
    Intercepted,
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "endpoint_name_not_found",
        effect: Effect::Name("login.entra.lab.contoso.test", Lookup::NotFound),
        ..fault(
            "name_not_found",
            Category::AzureAD,
            "The name of the sign-in service does not exist.",
        )
    },
    Fault {
        name: "endpoint_no_addresses",
        effect: Effect::Name("directory.entra.lab.contoso.test", Lookup::NoAddresses),
        ..fault(
            "no_addresses",
            Category::AzureAD,
            "An empty private zone hides the records of the directory's endpoint.",
        )
    },
    Fault {
        effect: Effect::Name("licensing.wvd.lab.contoso.test", Lookup::Private),
        ..fault(
            "private_address",
            Category::Wvd,
            "The name of the licensing service resolves to an address of somebody's private network.",
        )
    },
    Fault {
        effect: Effect::Endpoint("provisioning.cloudpc.lab.contoso.test", Behaviour::Closed),
        ..fault(
            "tcp_refused",
            Category::CloudPC,
            "A firewall rejects connections to the provisioning service.",
        )
    },
    Fault {
        effect: Effect::Endpoint("hub.cloudpc.lab.contoso.test", Behaviour::Full),
        ..fault("tcp_timeout", Category::CloudPC, "A firewall drops connections to the device hub.")
    },
    Fault {
        effect: Effect::Name("notify.intune.lab.contoso.test", Lookup::Unroutable),
        ..fault(
            "tcp_unreachable",
            Category::Intune,
            "No route leads to where the name of the notification service resolves to.",
        )
    },
    Fault {
        effect: Effect::Endpoint("telemetry.cloudpc.lab.contoso.test", Behaviour::Silent),
        ..fault(
            "tls_timeout",
            Category::CloudPC,
            "Connections to the telemetry service are established, and its TLS handshake is never answered.",
        )
    },
    Fault {
        effect: Effect::Endpoint(
            "agent.cloudpc.lab.contoso.test",
            Behaviour::Presents(Certificate::WrongName),
        ),
        ..fault(
            "certificate_wrong_name",
            Category::CloudPC,
            "The agent service presents a certificate for another name, as a captive portal does.",
        )
    },
    Fault {
        effect: Effect::Endpoint(
            "broker.wvd.lab.contoso.test",
            Behaviour::Presents(Certificate::Intercepted),
        ),
        ..fault(
            "tls_intercepted",
            Category::Wvd,
            "A proxy inspects TLS to the broker: its certificate is from the organization's own authority.",
        )
    },
    Fault {
        effect: Effect::Endpoint("gateway.wvd.lab.contoso.test", Behaviour::Resets),
        ..fault(
            "tls_refused",
            Category::Wvd,
            "A filter that reads server names resets connections to the gateway during the handshake.",
        )
    },
    Fault {
        effect: Effect::Endpoint("diagnostics.wvd.lab.contoso.test", Behaviour::Alerts),
        ..fault(
            "tls_alert",
            Category::Wvd,
            "The diagnostics service ends the handshake with a TLS alert.",
        )
    },
    Fault {
        effect: Effect::Endpoint(
            "web.wvd.lab.contoso.test",
            Behaviour::Presents(Certificate::Expired),
        ),
        ..fault(
            "certificate_expired",
            Category::Wvd,
            "The certificate of the web client's service has expired.",
        )
    },
    Fault {
        effect: Effect::Endpoint(
            "enrollment.intune.lab.contoso.test",
            Behaviour::Presents(Certificate::NotYetValid),
        ),
        ..fault(
            "certificate_not_yet_valid",
            Category::Intune,
            "The enrollment service's certificate is not valid yet, as when a clock is wrong.",
        )
    },
    Fault {
        effect: Effect::Endpoint(
            "policy.intune.lab.contoso.test",
            Behaviour::Presents(Certificate::SelfSigned),
        ),
        ..fault(
            "certificate_untrusted",
            Category::Intune,
            "The policy service presents a certificate that nobody issued but itself.",
        )
    },
    Fault {
        effect: Effect::Endpoint("content.intune.lab.contoso.test", Behaviour::Garbles),
        ..fault(
            "http_malformed",
            Category::Intune,
            "What answers in place of the content service does not speak HTTP.",
        )
    },
    Fault {
        effect: Effect::Endpoint("scripts.intune.lab.contoso.test", Behaviour::Silent),
        ..fault(
            "http_timeout",
            Category::Intune,
            "The script service takes a request and never answers it.",
        )
    },
    Fault {
        effect: Effect::Endpoint(
            "store.intune.lab.contoso.test",
            Behaviour::DemandsProxyAuthentication,
        ),
        ..fault(
            "proxy_required",
            Category::Intune,
            "A proxy answers for the store, and wants to know who asks.",
        )
    },
    Fault {
        effect: Effect::Endpoint("device.entra.lab.contoso.test", Behaviour::SpeaksPlainText),
        ..fault(
            "tls_malformed",
            Category::AzureAD,
            "The device registration service's port answers in plain text.",
        )
    },
    Fault {
        status: "informational",
        effect: Effect::Silent(&[Responder::Relay]),
        ..fault(
            "udp_no_reply",
            Category::AzurePlatform,
            "An optional relay does not answer over UDP.",
        )
    },
    Fault {
        status: "informational",
        error_type: None,
        effect: Effect::Settings(Setting::UnverifiableWildcard),
        ..fault(
            "wildcard_not_verifiable",
            Category::CloudPC,
            "The catalogue has a wildcard, and no concrete host to probe for it.",
        )
    },
    Fault {
        name: "language_packs_blocked",
        check: "localization",
        status: "warning",
        effect: Effect::Endpoint("packs.language.lab.contoso.test", Behaviour::Closed),
        ..fault(
            "tcp_refused",
            Category::Locale,
            "A firewall rejects connections to the language packs.",
        )
    },
];

/// One that fails `endpoint_connectivity`; what it does is still to be said.
const fn fault(reason: &'static str, category: Category, about: &'static str) -> Fault {
    let (check, status) = ("endpoint_connectivity", "failed");
    let error_type = category.error_type();
    let effect = Effect::Silent(&[]);
    let (also, strikes): (&[_], &[_]) = (&[], &[]);
    Fault { name: reason, check, status, reason, error_type, also, strikes, about, effect }
}
