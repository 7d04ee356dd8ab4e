//! The endpoints of the lab, and the catalogue file that tells the daemon of them.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Serialize;

/// A simulated endpoint, less the port it happens to get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint {
    pub(crate) host: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) category: Category,
    purpose: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Tls,
    Tcp,
    Http,
    Udp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Category {
    CloudPC,
    #[serde(rename = "WVD")]
    Wvd,
    Intune,
    AzureAD,
    Locale,
    AzurePlatform,
}

impl Category {
    pub(crate) const fn error_type(self) -> Option<&'static str> {
        Some(match self {
            Self::CloudPC => "endpointConnectivityCheckCloudPcUrlNotAllowListed",
            Self::Wvd => "endpointConnectivityCheckWVDUrlNotAllowListed",
            Self::Intune => "endpointConnectivityCheckIntuneUrlNotAllowListed",
            Self::AzureAD => "endpointConnectivityCheckAzureADUrlNotAllowListed",
            Self::Locale => "endpointConnectivityCheckLocaleUrlNotAllowListed",
            Self::AzurePlatform => return None,
        })
    }

    const fn required(self) -> bool {
        !matches!(self, Self::AzurePlatform)
    }

    /// What its vendor says of inspecting TLS to it.
    const fn tls_inspection(self) -> &'static str {
        match self {
            Self::CloudPC | Self::Wvd | Self::AzureAD => "forbidden",
            Self::Intune | Self::Locale => "discouraged",
            Self::AzurePlatform => "allowed",
        }
    }
}

/// The one that answers datagrams: the daemon knows what to say over UDP to a few ports only, and
/// STUN's is the one of them that needs no privilege to listen on.
pub(crate) const RELAY: Endpoint = row(
    "relay.platform.lab.contoso.test",
    Protocol::Udp,
    Category::AzurePlatform,
    "relay for the platform's own traffic",
);

/// Always there, so that there is something to remark of a healthy lab, too: a finding that is
/// merely informational.
const REMARKABLE: Endpoint = row(
    "*.delivery.language.lab.contoso.test",
    Protocol::Tls,
    Category::Locale,
    "delivery of language packs",
);

/// There when a fault wants it. No host below either is known.
pub(crate) const WILDCARD: Endpoint =
    row("*.infra.lab.contoso.test", Protocol::Tls, Category::CloudPC, "whatever else there is");

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    row(
        "provisioning.cloudpc.lab.contoso.test",
        Protocol::Tls,
        Category::CloudPC,
        "provisioning service",
    ),
    row(
        "hub.cloudpc.lab.contoso.test",
        Protocol::Tcp,
        Category::CloudPC,
        "device hub, which speaks AMQP",
    ),
    row("telemetry.cloudpc.lab.contoso.test", Protocol::Tls, Category::CloudPC, "telemetry"),
    row("agent.cloudpc.lab.contoso.test", Protocol::Tls, Category::CloudPC, "agent service"),
    row("broker.wvd.lab.contoso.test", Protocol::Tls, Category::Wvd, "connection broker"),
    row("gateway.wvd.lab.contoso.test", Protocol::Tls, Category::Wvd, "gateway"),
    row("diagnostics.wvd.lab.contoso.test", Protocol::Tls, Category::Wvd, "diagnostics"),
    row("web.wvd.lab.contoso.test", Protocol::Tls, Category::Wvd, "web client"),
    row("licensing.wvd.lab.contoso.test", Protocol::Tcp, Category::Wvd, "activation of Windows"),
    row("enrollment.intune.lab.contoso.test", Protocol::Tls, Category::Intune, "enrollment"),
    row("policy.intune.lab.contoso.test", Protocol::Tls, Category::Intune, "policies"),
    row(
        "content.intune.lab.contoso.test",
        Protocol::Http,
        Category::Intune,
        "content, over plain HTTP",
    ),
    row(
        "scripts.intune.lab.contoso.test",
        Protocol::Http,
        Category::Intune,
        "scripts, over plain HTTP",
    ),
    row(
        "store.intune.lab.contoso.test",
        Protocol::Http,
        Category::Intune,
        "store, over plain HTTP",
    ),
    row("notify.intune.lab.contoso.test", Protocol::Tcp, Category::Intune, "push notifications"),
    row("login.entra.lab.contoso.test", Protocol::Tls, Category::AzureAD, "sign-in"),
    row("device.entra.lab.contoso.test", Protocol::Tls, Category::AzureAD, "device registration"),
    row("directory.entra.lab.contoso.test", Protocol::Tls, Category::AzureAD, "the directory"),
    row("packs.language.lab.contoso.test", Protocol::Tls, Category::Locale, "language packs"),
    row(
        "updates.language.lab.contoso.test",
        Protocol::Http,
        Category::Locale,
        "language features on demand",
    ),
    row(
        "metadata.platform.lab.contoso.test",
        Protocol::Http,
        Category::AzurePlatform,
        "instance metadata",
    ),
    RELAY,
];

/// The catalogue file. A row without an address is left out.
pub(crate) fn document(
    addresses: &BTreeMap<&'static str, SocketAddr>,
    unverifiable_wildcard: bool,
) -> serde_json::Value {
    let rows = ENDPOINTS.iter().filter_map(|endpoint| {
        let address = addresses.get(endpoint.host)?;
        Some(written(endpoint, endpoint.host, address.port()))
    });
    let more = unverifiable_wildcard.then_some(WILDCARD);
    let wildcards = [REMARKABLE].into_iter().chain(more).map(|row| written(&row, row.host, 443));
    serde_json::json!({
        "version": 1,
        "date": "2026-11-22",
        "source": "anc-lab",
        "left_out": "",
        "endpoints": rows.chain(wildcards).collect::<Vec<_>>(),
    })
}

fn written(endpoint: &Endpoint, host: &str, port: u16) -> serde_json::Value {
    let Endpoint { protocol, category, purpose, .. } = endpoint;
    serde_json::json!({
        "host": host,
        "port": port,
        "protocol": protocol,
        "category": category,
        "required": category.required(),
        "clouds": ["commercial"],
        "join": "both",
        "tls_inspection": category.tls_inspection(),
        "probe_hosts": [],
        "private_ranges": ["127.0.0.0/8"],
        "purpose": purpose,
        "source": "anc-lab",
    })
}

const fn row(
    host: &'static str,
    protocol: Protocol,
    category: Category,
    purpose: &'static str,
) -> Endpoint {
    Endpoint { host, protocol, category, purpose }
}
