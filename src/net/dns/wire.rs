//! DNS messages: a question as octets, and what the octets that came back say.

use hickory_resolver::proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};

use super::{Kind, Outcome, Records, Service};

/// A question under way.
pub(super) struct Question {
    pub(super) bytes: Vec<u8>,
    id: u16,
    query: Query,
}

/// What a datagram that answers the question says.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    Whole(Outcome),
    /// The TC bit: there is more than a datagram holds.
    Cut,
}

impl Question {
    /// Fails, saying why, if DNS has no room for such a name.
    pub(super) fn new(name: &str, kind: Kind) -> Result<Self, String> {
        if name.is_empty() || !name.is_ascii() {
            return Err(format!("{name:?} is not a domain name"));
        }
        let absolute = format!("{}.", name.strip_suffix('.').unwrap_or(name));
        let name = Name::from_ascii(absolute).map_err(|error| error.to_string())?;
        let query = Query::query(name, record_type(kind));
        let id = rand::random();
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let bytes = message.to_vec().map_err(|error| error.to_string())?;
        Ok(Self { bytes, id, query })
    }

    /// With the length before it that TCP needs (RFC 1035 section 4.2.2).
    pub(super) fn framed(&self) -> Vec<u8> {
        // A name has 255 octets at most, so a question is always short.
        let size = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        [&size.to_be_bytes(), self.bytes.as_slice()].concat()
    }

    /// None if this is no answer to the question: another id, another question, or not DNS.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Reply> {
        let [id @ .., flags] = bytes.first_chunk::<3>()?;
        let ours = *id == self.id.to_be_bytes() && flags & RESPONSE != 0;
        if !ours || bytes.len() < HEADER {
            return None;
        }
        match Message::from_vec(bytes) {
            // Some servers cut in the middle of a record.
            Err(_) if flags & TRUNCATED != 0 => Some(Reply::Cut),
            Err(error) => Some(Reply::Whole(Outcome::Malformed(error.to_string()))),
            Ok(message) if !self.is_answered_by(&message) => None,
            Ok(message) if message.truncation => Some(Reply::Cut),
            Ok(message) => Some(Reply::Whole(self.outcome(&message))),
        }
    }

    /// Servers that cannot or will not answer may leave the question out.
    fn is_answered_by(&self, message: &Message) -> bool {
        match message.queries.as_slice() {
            [] => message.response_code != ResponseCode::NoError,
            [query] => *query == self.query,
            _ => false,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other codes are kept by name")]
    fn outcome(&self, message: &Message) -> Outcome {
        match message.response_code {
            ResponseCode::NoError => self.records(message),
            ResponseCode::NXDomain => Outcome::NoSuchName,
            ResponseCode::Refused => Outcome::Refused,
            ResponseCode::ServFail => Outcome::ServerFailure,
            code => Outcome::OtherCode(format!("{code:?}").to_uppercase()),
        }
    }

    fn records(&self, message: &Message) -> Outcome {
        let asked = self.query.query_type;
        let owner = canonical(&self.query.name, message);
        let theirs = |record: &&Record| record.name == owner && record.record_type() == asked;
        let data = message.answers.iter().filter(theirs).map(|record| &record.data);
        let (records, none) = if asked == RecordType::SRV {
            let found: Vec<_> = data.filter_map(service).collect();
            let none = found.is_empty();
            (Records::Services(found), none)
        } else {
            let found: Vec<_> = data.filter_map(RData::ip_addr).collect();
            let none = found.is_empty();
            (Records::Addresses(found), none)
        };
        match none {
            false => Outcome::Found(records),
            true if is_referral(message) => Outcome::OtherCode("REFERRAL".into()),
            true => Outcome::NoData,
        }
    }
}

/// Where the aliases of the answer lead. A loop ends where the hops do.
fn canonical(name: &Name, message: &Message) -> Name {
    let mut owner = name.clone();
    for _ in 0..HOPS {
        let mut own = message.answers.iter().filter(|record| record.name == owner);
        let Some(target) = own.find_map(|record| alias(&record.data)) else { break };
        owner = target.clone();
    }
    owner
}

/// RFC 2308 section 2.2: name servers of a zone below, and neither an answer nor an SOA record.
fn is_referral(message: &Message) -> bool {
    let has = |kind| message.authorities.iter().any(|record| record.record_type() == kind);
    message.answers.is_empty() && has(RecordType::NS) && !has(RecordType::SOA)
}

fn alias(data: &RData) -> Option<&Name> {
    let RData::CNAME(target) = data else { return None };
    Some(target)
}

fn service(data: &RData) -> Option<Service> {
    let RData::SRV(found) = data else { return None };
    Some(Service {
        priority: found.priority,
        weight: found.weight,
        port: found.port,
        target: found.target.to_lowercase().to_ascii().trim_end_matches('.').to_owned(),
    })
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Srv => RecordType::SRV,
    }
}

const HEADER: usize = 12;
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
const HOPS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_octets_upset_the_reader(mut bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let question = Question::new("corp.contoso.com", Kind::Srv).unwrap();
            question.read(&bytes);
            if let Some([high, low, flags]) = bytes.first_chunk_mut::<3>() {
                [*high, *low] = question.id.to_be_bytes();
                *flags |= RESPONSE;
            }
            question.read(&bytes);
        }
    }

    #[test]
    fn a_question_is_framed_with_its_length() {
        let question = Question::new("contoso.com.", Kind::A).unwrap();
        let framed = question.framed();
        assert_eq!(framed[..2], [0, 29]);
        assert_eq!(framed[2..], question.bytes);
        assert_eq!(question.bytes.len(), 29);
    }

    #[test]
    fn what_is_no_name_is_not_asked() {
        for name in ["", "a..b", "bücher.example", &"a".repeat(64), &"a.".repeat(128)] {
            assert!(Question::new(name, Kind::A).is_err(), "{name:?}");
        }
        assert!(Question::new(".", Kind::A).is_ok());
        assert!(Question::new("_ldap._tcp.dc._msdcs.contoso.com", Kind::Srv).is_ok());
    }
}
