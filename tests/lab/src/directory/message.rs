//! LDAP messages (RFC 4511), as far as the simulated domain controllers speak it.

use super::{
    answer::Answer,
    ber::{self, Element},
    filter::Filter,
};

pub(super) struct Request {
    pub(super) id: i64,
    pub(super) operation: Operation,
    /// The control for paged results (RFC 2696): the size of a page, and where it begins.
    pub(super) page: Option<(usize, Vec<u8>)>,
}

pub(super) enum Operation {
    /// The name and the password; no password when it is not a simple bind.
    Bind(String, Option<Vec<u8>>),
    Unbind,
    Search(Search),
    Modify(String, Vec<(Change, Attribute)>),
    Add(String, Vec<Attribute>),
    Delete(String),
    /// The name of the request.
    Extended(String),
    Abandon,
}

pub(super) struct Search {
    pub(super) base: String,
    pub(super) scope: Scope,
    /// None but 0.
    pub(super) limit: usize,
    pub(super) filter: Filter,
    pub(super) attributes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Base,
    OneLevel,
    Subtree,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Delete,
    Replace,
}

/// A name, and values.
pub(super) type Attribute = (String, Vec<Vec<u8>>);

impl Request {
    /// None if it is no request, or none that is known here.
    pub(super) fn of(message: Element) -> Option<Self> {
        let mut parts = ber::parts(message)?;
        let id = ber::number(parts.next()?)?;
        let operation = operation(parts.next()?)?;
        let page = parts.next().and_then(page);
        Some(Self { id, operation, page })
    }
}

impl Operation {
    /// The number of its answer.
    pub(super) fn answer(&self) -> u64 {
        match self {
            Self::Bind(..) => 1,
            Self::Search(_) => 5,
            Self::Modify(..) => 7,
            Self::Add(..) => 9,
            Self::Delete(_) => 11,
            Self::Extended(_) | Self::Unbind | Self::Abandon => EXTENDED_ANSWER,
        }
    }
}

/// An answer without more, or the end of one.
pub(super) fn done(id: i64, operation: u64, answer: &Answer) -> Element {
    message(id, ber::application(operation, outcome(answer)), Vec::new())
}

/// The end of a page of results: `rest` is where the next begins, and empty after the last.
pub(super) fn page_done(id: i64, answer: &Answer, rest: &[u8]) -> Element {
    let value = ber::written(ber::sequence(vec![ber::integer(0), ber::octets(rest)]));
    let control = ber::sequence(vec![ber::octets(PAGED_RESULTS), ber::octets(value)]);
    let controls = vec![ber::context(0, vec![control])];
    message(id, ber::application(SEARCH_DONE, outcome(answer)), controls)
}

pub(super) fn entry(id: i64, name: &str, attributes: Vec<Attribute>) -> Element {
    let attribute = |(kind, values): Attribute| {
        let values = values.into_iter().map(ber::octets).collect();
        ber::sequence(vec![ber::octets(kind), ber::set(values)])
    };
    let attributes = attributes.into_iter().map(attribute).collect();
    let entry = vec![ber::octets(name), ber::sequence(attributes)];
    message(id, ber::application(SEARCH_ENTRY, entry), Vec::new())
}

const SEARCH_ENTRY: u64 = 4;
pub(super) const SEARCH_DONE: u64 = 5;
pub(super) const EXTENDED_ANSWER: u64 = 24;
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

fn message(id: i64, operation: Element, controls: Vec<Element>) -> Element {
    ber::sequence([vec![ber::integer(id), operation], controls].concat())
}

fn outcome(answer: &Answer) -> Vec<Element> {
    let Answer { code, matched, text, referral } = answer;
    let referral = referral.iter().map(|url| ber::context(3, vec![ber::octets(url.as_str())]));
    let result =
        [ber::enumerated(*code), ber::octets(matched.as_str()), ber::octets(text.as_slice())];
    result.into_iter().chain(referral).collect()
}

fn operation(element: Element) -> Option<Operation> {
    let number = element.id;
    match number {
        2 => return Some(Operation::Unbind),
        10 => return Some(Operation::Delete(ber::text(element)?)),
        16 => return Some(Operation::Abandon),
        _ => {}
    }
    let mut parts = ber::parts(element)?;
    Some(match number {
        0 => {
            let (_version, name) = (parts.next()?, ber::text(parts.next()?)?);
            let password = ber::tagged(parts.next()?, 0).and_then(ber::value);
            Operation::Bind(name, password)
        }
        3 => Operation::Search(search(&mut parts)?),
        6 => {
            let name = ber::text(parts.next()?)?;
            Operation::Modify(name, ber::parts(parts.next()?)?.map(change).collect::<Option<_>>()?)
        }
        8 => {
            let name = ber::text(parts.next()?)?;
            Operation::Add(name, ber::parts(parts.next()?)?.map(attribute).collect::<Option<_>>()?)
        }
        23 => Operation::Extended(ber::text(parts.next()?)?),
        _ => return None,
    })
}

fn search(parts: &mut impl Iterator<Item = Element>) -> Option<Search> {
    let base = ber::text(parts.next()?)?;
    let scope = match ber::number(parts.next()?)? {
        0 => Scope::Base,
        1 => Scope::OneLevel,
        2 => Scope::Subtree,
        _ => return None,
    };
    let _aliases = parts.next()?;
    let limit = usize::try_from(ber::number(parts.next()?)?).ok()?;
    let (_seconds, _types_only) = (parts.next()?, parts.next()?);
    let filter = Filter::of(parts.next()?)?;
    let attributes = ber::parts(parts.next()?)?.map(ber::text).collect::<Option<_>>()?;
    Some(Search { base, scope, limit, filter, attributes })
}

fn change(element: Element) -> Option<(Change, Attribute)> {
    let mut parts = ber::parts(element)?;
    let change = match ber::number(parts.next()?)? {
        0 => Change::Add,
        1 => Change::Delete,
        2 => Change::Replace,
        _ => return None,
    };
    Some((change, attribute(parts.next()?)?))
}

fn attribute(element: Element) -> Option<Attribute> {
    let mut parts = ber::parts(element)?;
    let kind = ber::text(parts.next()?)?;
    Some((kind, ber::parts(parts.next()?)?.map(ber::value).collect::<Option<_>>()?))
}

/// The one control that is known here; its value is the last of its parts.
fn page(controls: Element) -> Option<(usize, Vec<u8>)> {
    ber::parts(ber::tagged(controls, 0)?)?.find_map(|control| {
        let mut parts = ber::parts(control)?;
        let kind = ber::text(parts.next()?)?;
        let value = parts.next_back().filter(|_| kind == PAGED_RESULTS);
        let ber::Read::Whole(value, _) = ber::read(&ber::value(value?)?) else { return None };
        let mut parts = ber::parts(value)?;
        Some((usize::try_from(ber::number(parts.next()?)?).ok()?, ber::value(parts.next()?)?))
    })
}
