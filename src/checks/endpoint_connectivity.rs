//! Endpoint connectivity.
//!
//! Every host of Microsoft's lists that a Cloud PC's subnet must reach ("Network requirements for
//! Windows 365", "Required FQDNs and endpoints for Azure Virtual Desktop", "Network endpoints for
//! Microsoft Intune"), each looked at as what it is.

use crate::{
    catalogue::{Category, Target, Wildcard, reason},
    checks::reachability::{self, Reachability, Trouble},
    engine::{Check, Finding, Inconclusive, Severity, Verdict},
    net::Sighting,
};

/// Looks at the endpoints of one connection.
#[derive(Debug)]
pub struct EndpointConnectivity {
    pub reachability: Reachability,
    /// Wildcards without a host that could be probed.
    pub unverifiable: Vec<Wildcard>,
    /// Whether the daemon stands on a virtual machine of the subnet, as a Cloud PC does. Elsewhere
    /// the Azure platform's own addresses may answer differently, or not at all.
    pub in_subnet: bool,
    /// Variables of the daemon's environment that name a proxy.
    pub proxy_variables: Vec<&'static str>,
}

impl Check for EndpointConnectivity {
    const NAME: &'static str = "endpoint_connectivity";
    /// One sighting a target.
    type Facts = Vec<Sighting>;

    async fn gather(&self) -> Result<Self::Facts, Inconclusive> {
        self.reachability.look().await
    }

    fn judge(&self, sightings: &Self::Facts) -> Verdict {
        let mut findings = Vec::new();
        let mut readings = Vec::new();
        for (target, sighting) in self.reachability.targets().iter().zip(sightings) {
            readings.extend(reachability::readings(target, sighting));
            let Some(trouble) = reachability::trouble(target, sighting) else { continue };
            findings.push(self.finding(target, sighting, trouble));
        }
        findings.extend(self.unverifiable.iter().map(reachability::not_verifiable));
        findings.extend(self.proxy_configured());
        Verdict::new(findings, readings)
    }
}

impl EndpointConnectivity {
    fn finding(&self, target: &Target, sighting: &Sighting, trouble: Trouble) -> Finding {
        let of_the_platform = target.category == Category::AzurePlatform;
        let counts = target.required && (self.in_subnet || !of_the_platform);
        let severity = if counts { Severity::Failed } else { Severity::Informational };
        reachability::finding(Self::NAME, severity, target, sighting, trouble)
    }

    fn proxy_configured(&self) -> Option<Finding> {
        let detail = format!(
            "the daemon's environment sets {}; probes do not use it",
            self.proxy_variables.join(", ")
        );
        (!self.proxy_variables.is_empty()).then(|| Finding {
            severity: Severity::Informational,
            reason: reason::PROXY_CONFIGURED,
            subject: self.proxy_variables.join(","),
            detail,
            error_type: None,
        })
    }
}
