//! A domain controller's answer to a ping over UDP: the netlogon attribute of its rootDSE, by which
//! Windows' locator makes sure of it (MS-ADTS section 6.3.3; LDAP without a connection, section
//! 3.1.1.3.1.3.1).

use std::{net::SocketAddr, time::Duration};

use super::{
    UdpFault,
    ber::{Parts, tlv},
    udp,
};

/// What a domain controller says of itself, and of us (NETLOGON_SAM_LOGON_RESPONSE_EX, MS-ADTS
/// section 6.3.1.9). Names are as they were sent, and empty where they are no host names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netlogon {
    /// Since the question was first sent.
    pub took: Duration,
    /// Its Netlogon service is paused: it wants no clients.
    pub paused: bool,
    /// DS_FLAG (section 6.3.1.2).
    pub flags: u32,
    pub domain: String,
    pub host: String,
    /// The site it is in.
    pub site: String,
    /// The site it takes us to be in; empty where our address belongs to none.
    pub client_site: String,
}

/// Asks whether `address` is a domain controller of `domain`. One of another domain answers that it
/// knows nothing of it, which is no answer here.
pub async fn ask(address: SocketAddr, domain: &str, limit: Duration) -> Result<Netlogon, UdpFault> {
    let id: u16 = rand::random::<u16>() >> 1 | 1;
    let question = question(id, domain);
    let heard = udp::ask(address, &[&question], limit, |bytes| read(bytes, id)).await?;
    Ok(Netlogon { took: heard.took, ..heard.what })
}

impl Netlogon {
    pub fn is_writable(&self) -> bool {
        self.flags & 0x100 != 0
    }

    pub fn is_global_catalog(&self) -> bool {
        self.flags & 0x4 != 0
    }
}

/// SearchRequest for `(&(DnsDomain=...)(NtVer=\06\00\00\00))`, attribute `Netlogon`.
fn question(id: u16, domain: &str) -> Vec<u8> {
    let equals = |attribute: &str, value: &[u8]| {
        tlv(EQUALITY, &[tlv(OCTETS, attribute.as_bytes()), tlv(OCTETS, value)].concat())
    };
    let filter = [equals("DnsDomain", domain.as_bytes()), equals("NtVer", &VERSION_5_EXTENDED)];
    let search = [
        tlv(OCTETS, b""),
        tlv(ENUMERATED, &[0]),
        tlv(ENUMERATED, &[0]),
        tlv(INTEGER, &[0]),
        tlv(INTEGER, &[0]),
        tlv(BOOLEAN, &[0]),
        tlv(AND, &filter.concat()),
        tlv(SEQUENCE, &tlv(OCTETS, b"Netlogon")),
    ];
    let message = [tlv(INTEGER, &id.to_be_bytes()), tlv(SEARCH, &search.concat())];
    tlv(SEQUENCE, &message.concat())
}

/// None if these octets do not answer the question.
fn read(octets: &[u8], id: u16) -> Option<Netlogon> {
    let mut message = Parts::of(octets, SEQUENCE).ok()?;
    if message.next()?.ok()?.integer().ok()? != i64::from(id) {
        return None;
    }
    let mut entry = message.inside(ENTRY).ok()?;
    entry.next()?.ok()?;
    let mut attribute = entry.inside(SEQUENCE).ok()?.inside(SEQUENCE).ok()?;
    if !attribute.next()?.ok()?.content.eq_ignore_ascii_case(b"netlogon") {
        return None;
    }
    let value = attribute.inside(SET).ok()?.next()?.ok()?;
    netlogon(value.content)
}

fn netlogon(octets: &[u8]) -> Option<Netlogon> {
    let operation = u16::from_le_bytes(*octets.first_chunk()?);
    let paused = match operation {
        RESPONSE | USER_UNKNOWN => false,
        PAUSED => true,
        _ => return None,
    };
    let flags = u32::from_le_bytes(*octets.get(4..)?.first_chunk()?);
    let mut at = FIRST_NAME;
    // Forest, domain, host, short names of both, user, and the two sites.
    let mut names = Vec::new();
    for _ in 0..8 {
        let (name, next) = name(octets, at)?;
        names.push(name);
        at = next;
    }
    let [_, domain, host, _, _, _, site, client_site]: [String; 8] = names.try_into().ok()?;
    Some(Netlogon { took: Duration::ZERO, paused, flags, domain, host, site, client_site })
}

/// A compressed name (RFC 1035, section 4.1.4), and where the next begins.
fn name(octets: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut labels, mut next) = (Vec::new(), None);
    // Each label or pointer is one step, so that a loop ends.
    for _ in 0..MOST_STEPS {
        let size = usize::from(*octets.get(at)?);
        if size == 0 {
            let name: String = labels.join(".");
            let is_name = name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
            let name = if is_name { name } else { String::new() };
            return Some((name, next.unwrap_or(at + 1)));
        }
        if size >= POINTER {
            let low = usize::from(*octets.get(at + 1)?);
            next = next.or(Some(at + 2));
            at = (size - POINTER) << 8 | low;
            continue;
        }
        let label = octets.get(at + 1..at + 1 + size)?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        at += 1 + size;
    }
    None
}

/// LOGON_SAM_PAUSE_RESPONSE_EX, LOGON_SAM_LOGON_RESPONSE_EX and LOGON_SAM_USER_UNKNOWN_EX (MS-ADTS
/// section 6.3.1.3).
const PAUSED: u16 = 24;
const RESPONSE: u16 = 23;
const USER_UNKNOWN: u16 = 25;
/// After operation, flags and the domain's GUID.
const FIRST_NAME: usize = 24;
/// NETLOGON_NT_VERSION_5 and _5EX (section 6.3.1.1).
const VERSION_5_EXTENDED: [u8; 4] = [6, 0, 0, 0];
const POINTER: usize = 0xc0;
const MOST_STEPS: usize = 64;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const AND: u8 = 0xa0;
const EQUALITY: u8 = 0xa3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::peers::{self, octets};

    const LIMIT: Duration = Duration::from_millis(200);

    #[test]
    fn a_real_answer_is_read() {
        let netlogon = read(&octets(SAMBA), 7).unwrap();
        assert_eq!(
            (&*netlogon.domain, &*netlogon.host),
            ("corp.contoso.test", "dc1.corp.contoso.test")
        );
        assert_eq!(
            (&*netlogon.site, &*netlogon.client_site),
            ("Default-First-Site-Name", "Default-First-Site-Name")
        );
        assert!(netlogon.is_writable() && netlogon.is_global_catalog() && !netlogon.paused);
    }

    #[tokio::test]
    async fn the_question_is_answered_under_its_own_number() {
        let server = peers::udp(|question| {
            let mut answer = octets(SAMBA);
            let id = Parts::of(question, SEQUENCE).unwrap().next().unwrap().unwrap().integer();
            answer.splice(2..5, tlv(INTEGER, &u16::try_from(id.unwrap()).unwrap().to_be_bytes()));
            answer[1] += 1;
            vec![octets(SAMBA), answer]
        });
        let netlogon = ask(server, "corp.contoso.test", LIMIT).await.unwrap();
        assert_eq!(netlogon.host, "dc1.corp.contoso.test");
    }

    #[test]
    fn one_that_is_paused_says_so() {
        let mut answer = octets(SAMBA);
        let at = answer.windows(2).position(|it| it == RESPONSE.to_le_bytes()).unwrap();
        answer[at] = u8::try_from(PAUSED).unwrap();
        assert!(read(&answer, 7).unwrap().paused);
        answer[at] = 99;
        assert_eq!(read(&answer, 7), None);
    }

    #[test]
    fn names_that_loop_or_are_none_are_not_taken() {
        assert_eq!(name(&[0xc0, 0], 0), None);
        assert_eq!(name(&[1, b'a', 0xc0, 0], 0), None);
        assert_eq!(name(&[3, b'a', b'\n', b'"', 0], 0), Some((String::new(), 5)));
        assert_eq!(name(&[1, b'a', 0, 1, b'b', 0xc0, 0], 3), Some(("b.a".into(), 7)));
    }

    proptest! {
        #[test]
        fn no_octets_upset_the_reader(at in 0_usize..128, octet in any::<u8>(), cut in 0_usize..129) {
            let mut answer = octets(SAMBA);
            let last = answer.len() - 1;
            answer[at.min(last)] = octet;
            answer.truncate(cut);
            read(&answer, 7);
        }
    }

    /// Of Samba 4.17, as message 7.
    const SAMBA: &str = "307e020107647904003075307304086e65746c6f676f6e3167046517000000bd110000c36962ae626bc4\
        4e8355f225bcc730e404636f727007636f6e746f736f047465737400c01803646331c01807434f4e544f\
        534f000344433100001744656661756c742d46697273742d536974652d4e616d6500c04205000000ffff\
        ffff300c02010765070a010004000400";
}
