//! Objects of the directory.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use time::{OffsetDateTime, macros::format_description};

use super::{CONFIGURATION, message::Attribute, name};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    kind: Kind,
    attributes: Vec<Attribute>,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Domain,
    Unit,
    Container,
    Configuration,
    User,
    Computer,
    Policy,
    ConnectionPoint,
}

impl Object {
    /// Created at this time, in seconds since 1970.
    pub(super) fn new(kind: Kind, name: &str, created: i64) -> Self {
        let category = format!("CN={},CN=Schema,{CONFIGURATION}", kind.category());
        let classes = kind.classes().iter().map(|class| class.as_bytes().to_vec()).collect();
        let mut object = Self { name: name.to_owned(), kind, attributes: Vec::new() };
        object.set("objectClass", classes);
        object
            .with("objectCategory", category)
            .with("distinguishedName", name)
            .with("name", name::first(name))
            .with("whenCreated", generalized(created))
            .with_octets("objectGUID", guid(name, created).to_vec())
    }

    pub(super) fn with(self, attribute: &str, value: impl Into<String>) -> Self {
        self.with_octets(attribute, value.into().into_bytes())
    }

    pub(super) fn with_octets(mut self, attribute: &str, value: Vec<u8>) -> Self {
        self.set(attribute, vec![value]);
        self
    }

    /// In place of all that the attribute has.
    pub(super) fn set(&mut self, attribute: &str, values: Vec<Vec<u8>>) {
        self.attributes.retain(|(other, _)| !other.eq_ignore_ascii_case(attribute));
        if !values.is_empty() {
            self.attributes.push((attribute.to_owned(), values));
        }
    }

    pub(super) fn values(&self, attribute: &str) -> &[Vec<u8>] {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|(other, _)| other.eq_ignore_ascii_case(attribute));
        found.map_or(&[], |(_, values)| values)
    }

    pub(super) fn has(&self, attribute: &str, value: &[u8]) -> bool {
        self.values(attribute).iter().any(|other| other.eq_ignore_ascii_case(value))
    }

    /// Those that were asked for; all but the constructed ones where none was.
    pub(super) fn selected(&self, wanted: &[String]) -> Vec<Attribute> {
        let is_asked = |name: &str| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let all = wanted.is_empty() || is_asked("*");
        let is_wanted = |name: &str| is_asked(name) || (all && !CONSTRUCTED.contains(&name));
        self.attributes.iter().filter(|(name, _)| is_wanted(name)).cloned().collect()
    }

    /// By the name of a class, as Active Directory lets it be asked.
    pub(super) fn is_of_category(&self, class: &[u8]) -> bool {
        self.kind.class().as_bytes().eq_ignore_ascii_case(class)
    }

    pub(super) fn is_container(&self) -> bool {
        match self.kind {
            Kind::Domain | Kind::Unit | Kind::Container | Kind::Configuration => true,
            Kind::User | Kind::Computer | Kind::Policy | Kind::ConnectionPoint => false,
        }
    }
}

impl Kind {
    fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Domain => &["top", "domain", "domainDNS"],
            Self::Unit => &["top", "organizationalUnit"],
            Self::Container => &["top", "container"],
            Self::Configuration => &["top", "configuration"],
            Self::User => &["top", "person", "organizationalPerson", "user"],
            Self::Computer => &["top", "person", "organizationalPerson", "user", "computer"],
            Self::Policy => &["top", "container", "groupPolicyContainer"],
            Self::ConnectionPoint => &["top", "leaf", "connectionPoint", "serviceConnectionPoint"],
        }
    }

    /// The class whose name stands for the category.
    fn class(self) -> &'static str {
        match self {
            Self::Domain => "domainDNS",
            Self::Unit => "organizationalUnit",
            Self::Container => "container",
            Self::Configuration => "configuration",
            Self::User => "person",
            Self::Computer => "computer",
            Self::Policy => "groupPolicyContainer",
            Self::ConnectionPoint => "serviceConnectionPoint",
        }
    }

    fn category(self) -> &'static str {
        match self {
            Self::Domain => "Domain-DNS",
            Self::Unit => "Organizational-Unit",
            Self::Container => "Container",
            Self::Configuration => "Configuration",
            Self::User => "Person",
            Self::Computer => "Computer",
            Self::Policy => "Group-Policy-Container",
            Self::ConnectionPoint => "Service-Connection-Point",
        }
    }
}

/// A GeneralizedTime, as Active Directory writes it.
pub(super) fn generalized(seconds: i64) -> String {
    let format = format_description!("[year][month][day][hour][minute][second].0Z");
    let at = OffsetDateTime::from_unix_timestamp(seconds);
    at.ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// Tenths of microseconds since 1601.
pub(super) fn file_time(seconds: i64) -> String {
    const FROM_1601_TO_1970: i64 = 11_644_473_600;
    ((seconds + FROM_1601_TO_1970) * 10_000_000).to_string()
}

/// The domain's, and of the one who has this relative id in it.
pub(super) fn sid(relative: u32) -> Vec<u8> {
    const AUTHORITY: [u8; 8] = [1, 5, 0, 0, 0, 0, 0, 5];
    const DOMAIN: [u32; 4] = [21, 3_623_811_015, 3_361_044_348, 30_300_820];
    let parts = DOMAIN.into_iter().chain([relative]).flat_map(u32::to_le_bytes);
    AUTHORITY.into_iter().chain(parts).collect()
}

/// Attributes that are made when they are asked for, and only then.
const CONSTRUCTED: &[&str] = &[
    "allowedChildClassesEffective",
    "msDS-User-Account-Control-Computed",
    "msDS-UserPasswordExpiryTimeComputed",
];

/// The same for the same object, as long as it is not created anew.
pub(super) fn guid(name: &str, created: i64) -> [u8; 16] {
    let half = |half: u8| {
        let mut hasher = DefaultHasher::new();
        (name.to_lowercase(), created, half).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64 | half(1)).to_be_bytes()
}
