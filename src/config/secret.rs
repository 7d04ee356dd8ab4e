//! What only its bearer may read: wiped from memory when dropped, and never shown.

use std::hash::{Hash, Hasher};

use secrecy::{ExposeSecret as _, SecretString};

/// A secret of the configuration. It can be compared and hashed, so that a new one is noticed.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    #[test]
    fn it_is_never_shown() {
        let shown = format!("{:?} {:#?}", Secret::new("canary"), Some(Secret::new("canary")));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_new_one_is_noticed() {
        let hash = |secret: &Secret| {
            let mut hasher = DefaultHasher::new();
            secret.hash(&mut hasher);
            hasher.finish()
        };
        let [one, same, other] = ["one", "one", "other"].map(Secret::new);
        assert_eq!((&one, hash(&one)), (&same, hash(&same)));
        assert_ne!((&one, hash(&one)), (&other, hash(&other)));
    }
}
