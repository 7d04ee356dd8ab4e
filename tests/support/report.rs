//! What `check --format json` prints, read: a check's status, findings and readings.

use serde_json::Value;

use super::daemon::{Surroundings, check_json_in};

/// A run of `check`: how it ended, and what it printed.
#[derive(Clone, Debug)]
pub struct Report {
    pub code: i32,
    pub document: Value,
}

/// One check of a report.
#[derive(Clone, Debug)]
pub struct Check {
    pub code: i32,
    pub status: String,
    value: Value,
}

/// What is expected of a finding: reason, error type (none: ""), severity and subject.
pub type Expected<'a> = (&'a str, &'a str, &'a str, &'a str);

impl Report {
    /// Runs `check --format json ARGS` with `config`.
    #[track_caller]
    pub fn of(config: &str, args: &[&str]) -> Self {
        Self::within(config, args, &Surroundings::default())
    }

    #[track_caller]
    pub fn within(config: &str, args: &[&str], surroundings: &Surroundings<'_>) -> Self {
        let (code, document) = check_json_in(config, args, surroundings);
        Self { code, document }
    }

    /// The check of this name of the connection of this name.
    #[track_caller]
    pub fn check(&self, connection: &str, check: &str) -> Check {
        let connections = self.document["connections"].as_array().unwrap();
        let found = connections
            .iter()
            .filter(|it| it["name"] == connection)
            .flat_map(|it| it["checks"].as_array().unwrap())
            .find(|it| it["check"] == check);
        let Some(value) = found.cloned() else {
            panic!("no {connection}/{check} in {:#}", self.document)
        };
        Check { code: self.code, status: text(&value["status"]), value }
    }

    /// The check of this name, alone in its report: what it says is what the whole says.
    #[track_caller]
    pub fn only(&self, check: &str) -> Check {
        let found = self.check("prod-weu", check);
        assert_eq!(self.document["connections"].as_array().unwrap().len(), 1);
        assert_eq!(self.document["connections"][0]["checks"].as_array().unwrap().len(), 1);
        assert_eq!(self.document["connections"][0]["status"], *found.status);
        assert_eq!(self.document["status"], *found.status);
        found
    }
}

impl Check {
    /// Holds it against what is expected: nothing may be missing, and nothing more be there.
    #[track_caller]
    pub fn is(&self, status: &str, code: i32, findings: &[Expected<'_>]) {
        let mut expected = findings.to_vec();
        expected.sort_unstable();
        let all = self.value["findings"].as_array().unwrap();
        let mut found: Vec<_> = all.iter().map(told).collect();
        found.sort_unstable();
        let seen = (&*self.status, self.code, found);
        assert_eq!(seen, (status, code, expected), "{:#}", self.value["findings"]);
        for finding in all {
            for key in ["detail", "action", "runbook"] {
                assert!(!text(&finding[key]).is_empty(), "{key} is empty in {finding:#}");
            }
        }
    }

    /// All it found, in its order.
    pub fn findings(&self) -> Vec<Expected<'_>> {
        self.value["findings"].as_array().unwrap().iter().map(told).collect()
    }

    /// The sentence of the only finding with this reason.
    #[track_caller]
    pub fn detail(&self, reason: &str) -> String {
        let findings = self.value["findings"].as_array().unwrap();
        let mut found = findings.iter().filter(|it| it["reason"] == reason);
        let (Some(finding), None) = (found.next(), found.next()) else {
            panic!("not one {reason} in {findings:#?}")
        };
        text(&finding["detail"])
    }

    /// Why it is skipped.
    pub fn note(&self) -> String {
        text(&self.value["note"])
    }

    /// The value of the only reading of this name with (at least) these labels, if there is one.
    #[track_caller]
    pub fn reading(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |reading: &&Value| {
            let labelled = |(label, value): &(&str, &str)| reading["labels"][label] == *value;
            reading["name"] == name && labels.iter().all(labelled)
        };
        let mut found = self.value["readings"].as_array().unwrap().iter().filter(fits);
        let first = found.next()?;
        assert!(found.next().is_none(), "{name}{labels:?} is there twice: {:#}", self.value);
        first["value"].as_f64()
    }

    /// How many readings of this name there are.
    pub fn readings(&self, name: &str) -> usize {
        let readings = self.value["readings"].as_array().unwrap();
        readings.iter().filter(|it| it["name"] == name).count()
    }
}

fn told(finding: &Value) -> Expected<'_> {
    let word = |key: &str| finding[key].as_str().unwrap_or_default();
    (word("reason"), word("error_type"), word("severity"), word("subject"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
