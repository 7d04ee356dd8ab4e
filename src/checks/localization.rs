//! Localization language package readiness.
//!
//! The hosts that language packages come from ("Provide a localized Windows experience"). Cloud
//! PCs in English do without them, so this says a warning at worst.

use crate::{
    catalogue::Wildcard,
    checks::reachability::{self, Reachability},
    engine::{Check, Inconclusive, Severity, Verdict},
    net::Sighting,
};

/// Looks at the language-package hosts for one connection.
#[derive(Debug)]
pub struct Localization {
    pub reachability: Reachability,
    /// Wildcards without a host that could be probed.
    pub unverifiable: Vec<Wildcard>,
}

impl Check for Localization {
    const NAME: &'static str = "localization";
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
            let severity =
                if target.required { Severity::Warning } else { Severity::Informational };
            let found =
                |trouble| reachability::finding(Self::NAME, severity, target, sighting, trouble);
            findings.extend(reachability::troubles(target, sighting).into_iter().map(found));
        }
        findings.extend(self.unverifiable.iter().map(reachability::not_verifiable));
        Verdict::new(findings, readings)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        catalogue::{Addresses, Category, Inspection, Protocol, Target},
        engine::Status,
        net::{
            Phases, Seen, TcpFault,
            dns::{Lookup, Outcome},
            tls::{Roots, Trust},
        },
    };

    #[test]
    fn a_blocked_host_is_a_warning_at_worst() {
        let target = Target {
            host: "download.example".into(),
            port: 443,
            protocol: Protocol::Tls,
            category: Category::Locale,
            required: true,
            stands_for: None,
            inspection: Inspection::Discouraged,
            addresses: Addresses::Any,
            purpose: String::new(),
        };
        let trust = Trust::new(&Roots::mozilla(), &Roots::empty());
        let timeout = Duration::from_secs(30);
        let reachability =
            Reachability::new("localization", vec![target], None, trust, timeout, 12).unwrap();
        let lookup = Lookup {
            addresses: Vec::new(),
            outcome: Outcome::NoData,
            server: None,
            took: Duration::ZERO,
            attempts: Vec::new(),
        };
        let outcome = Seen::Tcp(TcpFault::Refused);
        let phases = Phases::default();
        let sighting = Sighting { lookup: Arc::new(lookup), address: None, phases, outcome };
        let verdict =
            Localization { reachability, unverifiable: Vec::new() }.judge(&vec![sighting]);
        assert_eq!(verdict.status(), Status::Warning);
        let error_type = verdict.findings()[0].error_type;
        assert_eq!(error_type, Some("endpointConnectivityCheckLocaleUrlNotAllowListed"));
    }
}
