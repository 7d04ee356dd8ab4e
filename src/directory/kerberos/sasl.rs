//! The octets of a sign-in over LDAP: SASL's bind (RFC 4511 section 4.2) and the choice of a
//! security layer (RFC 4752 section 3.1).

/// What the server says to a bind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Bound,
    /// It wants more, and gives this.
    Go(Vec<u8>),
    Refused {
        code: u32,
        text: String,
    },
}

/// The bind request number `id`, with a token of GSSAPI.
pub(super) fn request(id: u8, token: &[u8]) -> Vec<u8> {
    let credentials = [element(OCTETS, b"GSSAPI"), element(OCTETS, token)].concat();
    let bind = [element(INTEGER, &[3]), element(OCTETS, b""), element(SASL, &credentials)].concat();
    element(SEQUENCE, &[element(INTEGER, &[id]), element(BIND_REQUEST, &bind)].concat())
}

/// Reads what is in the message that answers request number `id`. None if it is no such answer.
pub(super) fn answer(message: &[u8], id: u8) -> Option<Answer> {
    let (number, rest) = split(message, INTEGER)?;
    let (response, _) = split(rest, BIND_RESPONSE)?;
    let (code, rest) = split(response, ENUMERATED)?;
    let (_matched, rest) = split(rest, OCTETS)?;
    let (text, mut rest) = split(rest, OCTETS)?;
    if number != [id] {
        return None;
    }
    let code = match *code {
        [code] => u32::from(code),
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        _ => return None,
    };
    let mut token = Vec::new();
    while let Some((tag, content, after)) = first(rest) {
        if tag == SERVER_CREDENTIALS {
            token = content.to_vec();
        }
        rest = after;
    }
    Some(match code {
        SUCCESS => Answer::Bound,
        IN_PROGRESS => Answer::Go(token),
        code => {
            let text = String::from_utf8_lossy(text);
            let text = text.trim_end_matches(['\0', '\n']).to_owned();
            Answer::Refused { code, text }
        }
    })
}

/// How many octets follow the header of an LDAP message, which begins with `start`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    /// It is written in so many octets more.
    Follows(usize),
}

/// None if this is not LDAP.
pub(super) fn length(start: [u8; 2]) -> Option<Length> {
    match start {
        [SEQUENCE, short @ 0..=0x7f] => Some(Length::Known(short.into())),
        [SEQUENCE, long @ 0x81..=0x84] => Some(Length::Follows((long & 0x7f).into())),
        _ => None,
    }
}

pub(super) fn number(octets: &[u8]) -> usize {
    octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet))
}

/// How many octets the server takes at once. None unless it offers to seal.
pub(super) fn offer(octets: &[u8]) -> Option<usize> {
    let [layers, size @ ..] = <[u8; 4]>::try_from(octets).ok()?;
    (layers & SEALED != 0).then(|| number(&size))
}

/// Sealed, and how many octets we take at once; as whoever has signed in.
pub(super) fn choice(size: u32) -> [u8; 4] {
    let [_, a, b, c] = size.to_be_bytes();
    [SEALED, a, b, c]
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = content.len();
    let octets = size.to_be_bytes();
    let used = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    let mut element = vec![tag];
    match u8::try_from(size) {
        Ok(short @ 0..=0x7f) => element.push(short),
        Ok(_) | Err(_) => {
            element.extend(u8::try_from(used.len()).map(|count| 0x80 | count));
            element.extend(used);
        }
    }
    element.extend(content);
    element
}

/// The content of the first element, which must have this tag, and what comes after it.
fn split(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = first(octets)?;
    (found == tag).then_some((content, rest))
}

/// The tag and the content of the first element, and what comes after it.
fn first(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = octets.split_first_chunk::<2>()?;
    let (size, rest) = match length {
        short @ 0..=0x7f => (short.into(), rest),
        long @ 0x81..=0x84 => {
            let (size, rest) = rest.split_at_checked((long & 0x7f).into())?;
            (number(size), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(size)?;
    Some((tag, content, rest))
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const SASL: u8 = 0xa3;
const SERVER_CREDENTIALS: u8 = 0x87;
const SUCCESS: u32 = 0;
const IN_PROGRESS: u32 = 14;
/// The security layer that keeps what is said to itself.
const SEALED: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_as_in_the_book() {
        let request = request(1, b"tok");
        let octets =
            b"\x30\x19\x02\x01\x01\x60\x14\x02\x01\x03\x04\x00\xa3\x0d\x04\x06GSSAPI\x04\x03tok";
        assert_eq!(request, octets);
    }

    #[test]
    fn a_long_token_has_a_long_length() {
        let request = request(1, &[7; 70_000]);
        assert_eq!(request[..5], [0x30, 0x83, 0x01, 0x11, 0x8f]);
        assert_eq!(request.len(), 5 + 0x1118f);
    }

    #[test]
    fn progress_brings_a_token() {
        assert_eq!(read(IN_PROGRESS, b"", Some(b"tok")), Some(Answer::Go(b"tok".to_vec())));
        assert_eq!(read(IN_PROGRESS, b"", None), Some(Answer::Go(vec![])));
        assert_eq!(read(SUCCESS, b"", None), Some(Answer::Bound));
    }

    #[test]
    fn a_refusal_keeps_its_words_without_the_end_that_windows_gives_them() {
        let refused = Answer::Refused { code: 49, text: "80090308: LdapErr".into() };
        assert_eq!(read(49, b"80090308: LdapErr\n\0", None), Some(refused));
    }

    #[test]
    fn the_answer_to_another_request_is_none() {
        assert_eq!(answer(&message(2, SUCCESS, b"", None), 1), None);
    }

    #[test]
    fn only_a_server_that_seals_is_taken() {
        assert_eq!(offer(&[7, 0xff, 0xff, 0xff]), Some(0xff_ffff));
        assert_eq!(offer(&[4, 0, 0x10, 0]), Some(4096));
        assert_eq!([offer(&[3, 0, 0x10, 0]), offer(&[4]), offer(b"")], [None; 3]);
        assert_eq!(choice(0x4_0000), [4, 4, 0, 0]);
    }

    #[test]
    fn the_length_is_read_from_the_start() {
        assert_eq!(length([0x30, 0x7f]), Some(Length::Known(0x7f)));
        assert_eq!(length([0x30, 0x84]), Some(Length::Follows(4)));
        for start in [[0x30, 0x80], [0x30, 0x85], *b"HT"] {
            assert_eq!(length(start), None, "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_upset_the_reader(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            answer(&octets, 1);
        }

        #[test]
        fn what_is_cut_short_is_no_answer(size in 0_usize..25) {
            let message = message(1, IN_PROGRESS, b"text", Some(b"0123456"));
            prop_assert_eq!(message.len(), 25);
            prop_assert_eq!(answer(&message[..size], 1), None);
        }
    }

    fn read(code: u32, text: &[u8], token: Option<&[u8]>) -> Option<Answer> {
        answer(&message(1, code, text, token), 1)
    }

    fn message(id: u8, code: u32, text: &[u8], token: Option<&[u8]>) -> Vec<u8> {
        let code = u8::try_from(code).unwrap();
        let mut response =
            [element(ENUMERATED, &[code]), element(OCTETS, b""), element(OCTETS, text)].concat();
        response.extend(token.map(|token| element(SERVER_CREDENTIALS, token)).unwrap_or_default());
        [element(INTEGER, &[id]), element(BIND_RESPONSE, &response)].concat()
    }
}
