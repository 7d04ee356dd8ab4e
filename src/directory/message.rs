//! LDAP messages (RFC 4511, section 4.1.1), as far as the guard must understand them.

use super::Answer;
use crate::net::ber::{self, Element, tlv};

/// A message is no answer to us, for the reason given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(String);

/// What was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    id: u32,
    operation: u8,
}

/// What a message of the server is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answers what was asked last: here it is, written anew, and of how many parts.
    Answer(Vec<u8>, usize),
    /// It answers nothing that was asked, or sends us elsewhere.
    Nothing,
    /// Notice of disconnection (RFC 4511, section 4.4.1).
    Farewell(String),
}

/// How long the message is that `octets` begin with; none if that cannot be told yet.
pub(super) fn size(octets: &[u8]) -> Result<Option<usize>, Malformed> {
    match octets {
        [] => return Ok(None),
        [SEQUENCE, ..] => (),
        [other, ..] => return Err(Malformed(format!("begins with octet {other:#04x}"))),
    }
    let Some((header, content)) = ber::header(octets).map_err(of_ber)? else { return Ok(None) };
    if content > LARGEST {
        return Err(Malformed(format!("a message of {content} octets")));
    }
    Ok(Some(header + content))
}

/// Which operation a message of ours asks for. None for those that have no answer.
pub(super) fn asked(frame: &[u8]) -> Option<Asked> {
    let mut parts = Parts::of(frame, SEQUENCE).ok()?;
    let id = parts.number(INTEGER).ok()?;
    let operation = parts.next()?.ok()?.tag;
    answer_to(operation).map(|_| Asked { id, operation })
}

/// What a message of the server is, when `asked` was asked last.
pub(super) fn heard(frame: &[u8], asked: Option<Asked>) -> Result<Heard, Malformed> {
    let mut parts = Parts::of(frame, SEQUENCE)?;
    let id = parts.number(INTEGER)?;
    let operation = parts.expected()?;
    if id == 0 {
        let why = outcome(operation.content).map(|said| Answer::new(said.code, &said.text));
        let why = why.map_or_else(|_| String::new(), |why| format!(": {why}"));
        return Ok(Heard::Farewell(format!("notice of disconnection{why}")));
    }
    let Some(asked) = asked.filter(|asked| asked.id == id) else { return Ok(Heard::Nothing) };
    let (rewritten, parts) = match operation.tag {
        SEARCH_REFERENCE | INTERMEDIATE => return Ok(Heard::Nothing),
        SEARCH_ENTRY if asked.operation == SEARCH => entry(operation.content)?,
        tag if answer_to(asked.operation) == Some(tag) => {
            let Said { code, matched, text } = outcome(operation.content)?;
            let code = tlv(ENUMERATED, &code.to_be_bytes());
            (tlv(tag, &[code, text_of(&matched), text_of(&text)].concat()), 3)
        }
        tag => return Err(Malformed(format!("{tag:#04x} in answer to {:#04x}", asked.operation))),
    };
    let id = tlv(INTEGER, &id.to_be_bytes());
    Ok(Heard::Answer(tlv(SEQUENCE, &[id, rewritten].concat()), parts + 3))
}

/// The result code of the answer to an extended request, and its text.
pub(super) fn extended(frame: &[u8]) -> Result<(u32, String), Malformed> {
    let mut parts = Parts::of(frame, SEQUENCE)?;
    parts.number(INTEGER)?;
    let operation = parts.expected()?;
    if operation.tag != EXTENDED_RESPONSE {
        return Err(Malformed(format!("{:#04x} in answer to StartTLS", operation.tag)));
    }
    let Said { code, text, .. } = outcome(operation.content)?;
    Ok((code, text))
}

/// LDAPResult.
struct Said {
    code: u32,
    matched: String,
    text: String,
}

fn outcome(content: &[u8]) -> Result<Said, Malformed> {
    let mut parts = Parts(content);
    Ok(Said { code: parts.number(ENUMERATED)?, matched: parts.text()?, text: parts.text()? })
}

/// SearchResultEntry, and of how many parts it is.
fn entry(content: &[u8]) -> Result<(Vec<u8>, usize), Malformed> {
    let mut parts = Parts(content);
    let name = parts.text()?;
    let attributes = parts.inside(SEQUENCE)?;
    let mut rewritten = Vec::new();
    let mut count = 2;
    for attribute in attributes {
        count += 3;
        let mut parts = Parts(of_tag(attribute?, SEQUENCE)?);
        let kind = parts.text()?;
        let mut values = Vec::new();
        for value in parts.inside(SET)? {
            values.extend(tlv(OCTETS, of_tag(value?, OCTETS)?));
            count += 1;
        }
        rewritten.extend(tlv(SEQUENCE, &[text_of(&kind), tlv(SET, &values)].concat()));
    }
    Ok((tlv(SEARCH_ENTRY, &[text_of(&name), tlv(SEQUENCE, &rewritten)].concat()), count))
}

/// The elements within one, in order.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// Of the only element in `octets`.
    fn of(octets: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        let mut whole = Self(octets);
        whole.inside(tag)
    }

    fn inside(&mut self, tag: u8) -> Result<Self, Malformed> {
        Ok(Self(of_tag(self.expected()?, tag)?))
    }

    fn expected(&mut self) -> Result<Element<'a>, Malformed> {
        self.next().unwrap_or_else(|| Err(Malformed("a part is missing".into())))
    }

    /// Up to four octets, and not negative.
    fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let octets = of_tag(self.expected()?, tag)?;
        let in_range = (1..=4).contains(&octets.len()) && octets[0] < 0x80;
        if !in_range {
            return Err(Malformed("a number out of range".into()));
        }
        Ok(octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
    }

    /// Should be UTF-8: what is not is replaced.
    fn text(&mut self) -> Result<String, Malformed> {
        let octets = of_tag(self.expected()?, OCTETS)?;
        Ok(String::from_utf8_lossy(octets).into_owned())
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        match ber::read(self.0) {
            Ok((element, rest)) => {
                self.0 = rest;
                Some(Ok(element))
            }
            Err(error) => {
                self.0 = &[];
                Some(Err(of_ber(error)))
            }
        }
    }
}

fn of_tag(element: Element<'_>, tag: u8) -> Result<&[u8], Malformed> {
    if element.tag == tag {
        Ok(element.content)
    } else {
        Err(Malformed(format!("{:#04x} in the place of {tag:#04x}", element.tag)))
    }
}

fn of_ber(error: ber::Malformed) -> Malformed {
    Malformed(error.to_string())
}

fn text_of(text: &str) -> Vec<u8> {
    tlv(OCTETS, text.as_bytes())
}

/// The operation by which the server ends its answer to another.
fn answer_to(operation: u8) -> Option<u8> {
    match operation {
        BIND => Some(0x61),
        SEARCH => Some(0x65),
        MODIFY => Some(0x67),
        ADD => Some(0x69),
        DELETE => Some(0x6b),
        _ => None,
    }
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const MODIFY: u8 = 0x66;
const ADD: u8 = 0x68;
const DELETE: u8 = 0x4a;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;

/// Of one message: a policy's or a computer's attributes are a hundredth of it.
const LARGEST: usize = 256 * 1024;
