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
            let Some(trouble) = reachability::trouble(target, sighting) else { continue };
            let severity =
                if target.required { Severity::Warning } else { Severity::Informational };
            findings.push(reachability::finding(Self::NAME, severity, target, sighting, trouble));
        }
        findings.extend(self.unverifiable.iter().map(reachability::not_verifiable));
        Verdict::new(findings, readings)
    }
}
