//! Which checks a request is about.

use std::{collections::BTreeSet, fmt};

use crate::engine::{Key, Standings};

/// Names of connections and checks, empty for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub connections: Vec<String>,
    pub checks: Vec<String>,
    /// A check's slug, or `connection/slug`.
    pub exclude: Vec<String>,
}

/// What was asked for is not there: a misspelt name must not pass for a healthy check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("no connection {asked:?}; there are: {}", list(.known))]
    Connection { asked: String, known: BTreeSet<String> },
    #[error("no check {asked:?}; there are: {}", list(.known))]
    Check { asked: String, known: BTreeSet<String> },
    #[error("no connection has such a check")]
    Nothing,
}

impl Selection {
    /// Whether everything that is named exists, and something is left.
    pub fn verify(&self, standings: &Standings) -> Result<(), Unknown> {
        let connections: BTreeSet<&str> =
            standings.checks.keys().map(|key| key.connection.as_str()).collect();
        let checks: BTreeSet<&str> = standings.checks.keys().map(|key| key.check).collect();
        let unknown = |asked: &&String| !connections.contains(asked.as_str());
        if let Some(asked) = self.connections.iter().find(unknown) {
            let known = connections.into_iter().map(Into::into).collect();
            return Err(Unknown::Connection { asked: asked.clone(), known });
        }
        let whole = |key: &Key, name: &str| format!("{}/{}", key.connection, key.check) == name;
        let excludable = |name: &str| {
            checks.contains(name) || standings.checks.keys().any(|key| whole(key, name))
        };
        let unknown_check = self.checks.iter().find(|asked| !checks.contains(asked.as_str()));
        let unknown_exclude = self.exclude.iter().find(|asked| !excludable(asked));
        if let Some(asked) = unknown_check.or(unknown_exclude) {
            let known = checks.into_iter().map(Into::into).collect();
            return Err(Unknown::Check { asked: asked.clone(), known });
        }
        let nothing = !standings.checks.keys().any(|key| self.has(key));
        if nothing && *self != Self::default() { Err(Unknown::Nothing) } else { Ok(()) }
    }

    pub fn has(&self, key: &Key) -> bool {
        let among =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        let excluded = self.exclude.iter().any(|name| match name.rsplit_once('/') {
            Some((connection, check)) => connection == key.connection && check == key.check,
            None => name == key.check,
        });
        among(&self.connections, &key.connection) && among(&self.checks, key.check) && !excluded
    }
}

fn list(names: &BTreeSet<String>) -> impl fmt::Display {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
