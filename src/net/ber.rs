//! Basic encoding rules (X.690), as far as LDAP, Kerberos and CLDAP need them: low tag numbers and
//! definite lengths of at most four octets.

use std::time::SystemTime;

use time::{PrimitiveDateTime, macros::format_description};

/// One element, its content not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet: class, constructed or not, and number.
    pub tag: u8,
    pub content: &'a [u8],
}

/// What is no element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a tag number of several octets")]
    Tag,
    #[error("a length that is indefinite, or of more than four octets")]
    Length,
    #[error("an element that ends before its content does")]
    Short,
    #[error("another element than belongs here")]
    Unexpected,
}

/// How long the header and the content are of the element that `octets` begin with; none if they
/// end before that can be told.
pub fn header(octets: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let Some((tag, rest)) = octets.split_first() else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed::Tag);
    }
    let Some((first, rest)) = rest.split_first() else { return Ok(None) };
    if *first < 0x80 {
        return Ok(Some((2, usize::from(*first))));
    }
    let size = usize::from(first & 0x7f);
    if !(1..=4).contains(&size) {
        return Err(Malformed::Length);
    }
    let Some(length) = rest.get(..size) else { return Ok(None) };
    Ok(Some((2 + size, length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)))))
}

/// The first element of `octets`, and what follows it.
pub fn read(octets: &[u8]) -> Result<(Element<'_>, &[u8]), Malformed> {
    let (header, content) = header(octets)?.ok_or(Malformed::Short)?;
    let end = header.checked_add(content).ok_or(Malformed::Length)?;
    let whole = octets.get(..end).ok_or(Malformed::Short)?;
    Ok((Element { tag: whole[0], content: &whole[header..] }, &octets[end..]))
}

/// The elements of a content, in order.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    /// Of the first element of `octets`, which must have this tag.
    pub fn of(octets: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        Self(octets).inside(tag)
    }

    /// Those of the next, which must have this tag.
    pub fn inside(&mut self, tag: u8) -> Result<Self, Malformed> {
        let element = self.next().unwrap_or(Err(Malformed::Short))?;
        if element.tag == tag { Ok(Self(element.content)) } else { Err(Malformed::Unexpected) }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Element<'a>, Malformed>;

    /// Ends after what cannot be read.
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = read(self.0);
        self.0 = read.map_or(&[], |(_, rest)| rest);
        Some(read.map(|(element, _)| element))
    }
}

impl Element<'_> {
    /// Of at most eight octets.
    pub fn integer(&self) -> Result<i64, Malformed> {
        let (first, rest) = self.content.split_first().ok_or(Malformed::Short)?;
        if rest.len() > 7 {
            return Err(Malformed::Length);
        }
        let sign = i64::from(first.cast_signed());
        Ok(rest.iter().fold(sign, |value, octet| value << 8 | i64::from(*octet)))
    }
}

/// `20261122170400Z` or `20261122170400.0Z`, to the second (X.680, GeneralizedTime; RFC 4517,
/// section 3.3.13).
pub fn generalized_time(text: &str) -> Option<SystemTime> {
    let format = format_description!("[year][month][day][hour][minute][second]");
    let parsed = PrimitiveDateTime::parse(text.get(..14)?, format).ok()?;
    text.ends_with('Z').then(|| parsed.assume_utc().into())
}

/// An element of this tag and content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = vec![tag];
    let size = content.len().to_be_bytes();
    let significant = &size[size.iter().take_while(|octet| **octet == 0).count()..];
    match significant {
        [] => octets.push(0),
        [short] if *short < 0x80 => octets.push(*short),
        long => {
            octets.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            octets.extend(long);
        }
    }
    octets.extend(content);
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn generalized_times_are_read() {
        use std::time::{Duration, UNIX_EPOCH};
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(generalized_time("20261122170400.0Z"), at(1_795_367_040));
        assert_eq!(generalized_time("19700101000000Z"), at(0));
        for other in ["", "20261122170400+0100", "20261322170400.0Z", "no time at all Z"] {
            assert_eq!(generalized_time(other), None, "{other}");
        }
    }

    #[test]
    fn lengths_that_are_not_definite_are_refused() {
        assert_eq!(header(&[0x30, 0x80]), Err(Malformed::Length));
        assert_eq!(header(&[0x30, 0x85, 0, 0, 0, 0, 1]), Err(Malformed::Length));
        assert_eq!(header(&[0x1f, 0x85]), Err(Malformed::Tag));
        assert_eq!(header(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(read(&[0x30, 2, 0]), Err(Malformed::Short));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in 0_u8..0x1f, size in 0_usize..70_000, after in 0_usize..9) {
            let octets = [tlv(tag, &vec![7; size]), vec![9; after]].concat();
            let (element, rest) = read(&octets).unwrap();
            prop_assert_eq!((element.tag, element.content.len(), rest.len()), (tag, size, after));
        }

        #[test]
        fn no_octets_upset_the_reader(octets in prop::collection::vec(any::<u8>(), 0..50)) {
            if let Ok((element, rest)) = read(&octets) {
                prop_assert!(element.content.len() + rest.len() < octets.len());
            }
        }
    }
}
