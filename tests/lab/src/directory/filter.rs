//! Search filters (RFC 4511, section 4.5.1.7).

use super::{
    ber::{self, Element},
    object::Object,
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Equal(String, Vec<u8>),
    Substrings(String, Substrings),
    Present(String),
    /// Of a kind that is not simulated: neither true nor false.
    Undefined,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Substrings {
    first: Option<Vec<u8>>,
    between: Vec<Vec<u8>>,
    last: Option<Vec<u8>>,
}

impl Filter {
    pub(super) fn of(element: Element) -> Option<Self> {
        let kind = element.id;
        if kind == 7 {
            return Some(Self::Present(ber::text(element)?));
        }
        let mut parts = ber::parts(element)?;
        Some(match kind {
            0 => Self::And(parts.map(Self::of).collect::<Option<_>>()?),
            1 => Self::Or(parts.map(Self::of).collect::<Option<_>>()?),
            2 => Self::Not(Box::new(Self::of(parts.next()?)?)),
            3 => Self::Equal(ber::text(parts.next()?)?, ber::value(parts.next()?)?),
            4 => {
                let attribute = ber::text(parts.next()?)?;
                let mut wanted = Substrings::default();
                for part in ber::parts(parts.next()?)? {
                    match part.id {
                        0 => wanted.first = ber::value(part),
                        1 => wanted.between.push(ber::value(part)?),
                        _ => wanted.last = ber::value(part),
                    }
                }
                Self::Substrings(attribute, wanted)
            }
            _ => Self::Undefined,
        })
    }

    pub(super) fn matches(&self, object: &Object) -> bool {
        self.holds_for(object) == Some(true)
    }

    /// The values that this attribute is compared with.
    pub(super) fn compared_with(&self, attribute: &str) -> Vec<&[u8]> {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().flat_map(|filter| filter.compared_with(attribute)).collect()
            }
            Self::Equal(other, value) if other.eq_ignore_ascii_case(attribute) => vec![value],
            Self::Not(_)
            | Self::Equal(..)
            | Self::Substrings(..)
            | Self::Present(_)
            | Self::Undefined => Vec::new(),
        }
    }

    /// By the logic of three values.
    fn holds_for(&self, object: &Object) -> Option<bool> {
        match self {
            Self::And(filters) => {
                let held: Vec<_> = filters.iter().map(|filter| filter.holds_for(object)).collect();
                if held.contains(&Some(false)) {
                    Some(false)
                } else {
                    (!held.contains(&None)).then_some(true)
                }
            }
            Self::Or(filters) => {
                let held: Vec<_> = filters.iter().map(|filter| filter.holds_for(object)).collect();
                if held.contains(&Some(true)) {
                    Some(true)
                } else {
                    (!held.contains(&None)).then_some(false)
                }
            }
            Self::Not(filter) => filter.holds_for(object).map(|held| !held),
            Self::Equal(attribute, wanted) => Some(equal(object, attribute, wanted)),
            Self::Substrings(attribute, wanted) => {
                Some(object.values(attribute).iter().any(|value| wanted.are_in(value)))
            }
            Self::Present(attribute) => Some(!object.values(attribute).is_empty()),
            Self::Undefined => None,
        }
    }
}

impl Substrings {
    fn are_in(&self, value: &[u8]) -> bool {
        let value = value.to_ascii_lowercase();
        let lower = |part: &Option<Vec<u8>>| part.clone().unwrap_or_default().to_ascii_lowercase();
        let Some(mut rest) = value.strip_prefix(lower(&self.first).as_slice()) else {
            return false;
        };
        for part in &self.between {
            let part = part.to_ascii_lowercase();
            let Some(at) = (0..=rest.len()).find(|at| rest[*at..].starts_with(&part)) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(&lower(&self.last))
    }
}

fn equal(object: &Object, attribute: &str, wanted: &[u8]) -> bool {
    if attribute.eq_ignore_ascii_case("objectCategory") && !wanted.contains(&b'=') {
        return object.is_of_category(wanted);
    }
    object.values(attribute).iter().any(|value| value.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::object::Kind;

    #[test]
    fn each_kind_of_filter_holds_where_it_should() {
        let object = Object::new(Kind::Computer, "CN=CPC-Hth-1,OU=x,DC=y", 0)
            .with("cn", "CPC-Hth-1")
            .with_octets("objectSid", vec![1, 0xff, 0x2a]);
        let equal = |attribute: &str, value: &[u8]| Filter::Equal(attribute.into(), value.into());
        let like = |first: Option<&str>, between: &[&str], last: Option<&str>| {
            let octets = |part: &str| part.as_bytes().to_vec();
            let between = between.iter().copied().map(octets).collect();
            let wanted = Substrings { first: first.map(octets), between, last: last.map(octets) };
            Filter::Substrings("CN".into(), wanted)
        };
        let present = || Filter::Present("OBJECTCLASS".into());
        let absent = || Filter::Present("description".into());
        for (filter, holds) in [
            (equal("CN", b"cpc-hth-1"), true),
            (equal("cn", b"cpc-hth"), false),
            (equal("objectSid", &[1, 0xff, 0x2a]), true),
            (equal("objectClass", b"person"), true),
            (equal("objectCategory", b"computer"), true),
            (equal("objectCategory", b"person"), false),
            (like(Some("cpc-"), &["H"], Some("1")), true),
            (like(None, &["HTH", "-"], None), true),
            (like(Some("CPC-Hth-1"), &[], Some("1")), false),
            (Filter::And(vec![present(), absent()]), false),
            (Filter::Or(vec![absent(), present()]), true),
            (Filter::Not(Box::new(absent())), true),
            (Filter::Not(Box::new(Filter::Undefined)), false),
            (Filter::Or(vec![Filter::Undefined, present()]), true),
            (Filter::And(vec![]), true),
        ] {
            assert_eq!(filter.matches(&object), holds, "{filter:?}");
        }
    }
}
