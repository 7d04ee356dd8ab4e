//! The netlogon ping: LDAP over UDP, by which Windows looks for the nearest domain controller
//! (MS-ADTS section 6.3.3).

use std::collections::HashMap;

use super::{
    BASE, Which,
    answer::Answer,
    ber::{self, Read},
    conditions::Conditions,
    message::{self, Operation, Request},
    object,
};
use crate::{dns::DOMAIN, faults::Conduct};

/// Who asks for another domain is told nothing of this one. None if it is no ping.
pub(super) fn answer(conditions: &Conditions, question: &[u8]) -> Option<Vec<u8>> {
    let Read::Whole(question, _) = ber::read(question) else { return None };
    let Request { id, operation: Operation::Search(search), .. } = Request::of(question)? else {
        return None;
    };
    let asked = |attribute: &String| attribute.eq_ignore_ascii_case("netlogon");
    if !search.base.is_empty() || !search.attributes.iter().any(asked) {
        return None;
    }
    let domains = search.filter.compared_with("DnsDomain");
    let is_ours = |domain: &&[u8]| {
        domain.strip_suffix(b".").unwrap_or(domain).eq_ignore_ascii_case(DOMAIN.as_bytes())
    };
    let serves = !conditions.conducts_itself(Conduct::OfOtherDomain) && domains.iter().all(is_ours);
    let netlogon = serves.then(|| {
        let netlogon = vec![("Netlogon".to_owned(), vec![response(conditions)])];
        ber::written(message::entry(id, "", netlogon))
    });
    let done = ber::written(message::done(id, message::SEARCH_DONE, &Answer::success()));
    Some([netlogon.unwrap_or_default(), done].concat())
}

/// What a domain controller is and does (MS-ADTS section 6.3.1.2).
const PRIMARY: u32 = 0x1;
const EVERY_ROLE: u32 = GLOBAL_CATALOG | LDAP | DIRECTORY | KERBEROS | TIME | GOOD_TIME | WEB | NEW;
const GLOBAL_CATALOG: u32 = 0x4;
const LDAP: u32 = 0x8;
const DIRECTORY: u32 = 0x10;
const KERBEROS: u32 = 0x20;
const TIME: u32 = 0x40;
const CLOSEST: u32 = 0x80;
const WRITABLE: u32 = 0x100;
const GOOD_TIME: u32 = 0x200;
const PARTIAL_SECRETS: u32 = 0x800;
const FULL_SECRETS: u32 = 0x1000;
const WEB: u32 = 0x2000;
/// Windows Server 2012, 2012 R2 and 2016.
const NEW: u32 = 0x4000 | 0x8000 | 0x1_0000;

fn flags(conditions: &Conditions) -> u32 {
    let place = match conditions.which {
        Which::First => PRIMARY | CLOSEST,
        Which::Second => 0,
    };
    let is_read_only = conditions.conducts_itself(Conduct::ReadOnly);
    let secrets = if is_read_only { PARTIAL_SECRETS } else { FULL_SECRETS | WRITABLE };
    EVERY_ROLE | place | secrets
}

/// `NETLOGON_SAM_LOGON_RESPONSE_EX` (MS-ADTS section 6.3.1.9).
fn response(conditions: &Conditions) -> Vec<u8> {
    const OPCODE: u16 = 23;
    const VERSION: u32 = 5;
    const TOKENS: [u8; 4] = [0xff; 4];
    let host = conditions.which.host();
    let head = [
        &OPCODE.to_le_bytes()[..],
        &[0, 0],
        &flags(conditions).to_le_bytes(),
        &object::guid(BASE, 0),
    ];
    let mut names = Names { octets: head.concat(), known: HashMap::new() };
    // The first is the forest's. Nobody is named as a user, and clients are all in the first site.
    let client_site = Which::First.site();
    let computer = host.to_uppercase();
    let host = format!("{host}.{DOMAIN}");
    for name in
        [DOMAIN, DOMAIN, &host, "CONTOSO", &computer, "", conditions.which.site(), client_site]
    {
        names.push(name);
    }
    [names.octets, VERSION.to_le_bytes().to_vec(), TOKENS.to_vec()].concat()
}

/// A message with names in it, compressed as in DNS (RFC 1035, section 4.1.4).
struct Names {
    octets: Vec<u8>,
    /// Where a name begins that another may end with.
    known: HashMap<String, u16>,
}

impl Names {
    fn push(&mut self, name: &str) {
        const POINTER: u16 = 0xc000;
        let mut rest = name;
        while !rest.is_empty() {
            if let Some(at) = self.known.get(rest) {
                self.octets.extend((POINTER | at).to_be_bytes());
                return;
            }
            let here = u16::try_from(self.octets.len()).unwrap_or(0);
            self.known.insert(rest.to_owned(), here);
            let (label, after) = rest.split_once('.').unwrap_or((rest, ""));
            self.octets.push(u8::try_from(label.len()).unwrap_or(0));
            self.octets.extend(label.as_bytes());
            rest = after;
        }
        self.octets.push(0);
    }
}
