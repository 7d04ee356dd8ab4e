//! Computer objects: counted, found, and told apart from those of others.

use std::time::SystemTime;

use ldap3::ldap_escape;

use super::{Answer, Entry, Fault, Outcome, Scope, Session};
use crate::net::ber::generalized_time;

/// One computer object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computer {
    /// Distinguished name.
    pub name: String,
    /// `objectGUID` as text, which Microsoft Entra has as the device's id.
    pub guid: Option<String>,
    pub created: Option<SystemTime>,
    pub description: Option<String>,
    /// `mS-DS-CreatorSID`: who created it by quota.
    pub creator: Option<Vec<u8>>,
    pub is_disabled: bool,
}

/// Some computers, and whether there may be more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Computers {
    pub computers: Vec<Computer>,
    pub is_cut: bool,
}

impl Session {
    /// The computer whose account name is `account`, anywhere in the domain.
    pub async fn computer(
        &mut self,
        context: &str,
        account: &str,
    ) -> Result<Result<Option<Computer>, Answer>, Fault> {
        let filter = format!("(sAMAccountName={})", ldap_escape(account));
        let found = self.computers(context, Scope::Subtree, &filter, 1).await?;
        Ok(found.map(|found| found.computers.into_iter().next()))
    }

    /// Those that `sid` created by quota. Disabled ones count as well (Microsoft KB 243327).
    pub async fn created_by(
        &mut self,
        context: &str,
        sid: &[u8],
    ) -> Result<Result<Computers, Answer>, Fault> {
        let sid: String = sid.iter().map(|octet| format!("\\{octet:02x}")).collect();
        let filter = format!("(&(objectCategory=computer)(mS-DS-CreatorSID={sid}))");
        self.computers(context, Scope::Subtree, &filter, MOST).await
    }

    /// Those that Microsoft's check left behind.
    pub async fn left_by_microsoft(
        &mut self,
        context: &str,
    ) -> Result<Result<Computers, Answer>, Fault> {
        let filter = "(&(objectCategory=computer)(cn=CPC-Hth*))";
        self.computers(context, Scope::Subtree, filter, MOST).await
    }

    /// Those in a container: what Microsoft Entra Connect should have synchronised.
    pub async fn computers_in(
        &mut self,
        container: &str,
    ) -> Result<Result<Computers, Answer>, Fault> {
        self.computers(container, Scope::Subtree, "(objectCategory=computer)", MOST).await
    }

    async fn computers(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        most: u16,
    ) -> Result<Result<Computers, Answer>, Fault> {
        let found = self.search(base, scope, filter, ATTRIBUTES, most).await?;
        let is_cut = match found.answer.outcome() {
            Outcome::Done => false,
            Outcome::Cut => true,
            Outcome::NoSuchObject
            | Outcome::BadName
            | Outcome::Elsewhere
            | Outcome::AccessDenied
            | Outcome::QuotaExceeded
            | Outcome::NameTaken
            | Outcome::AccountTaken
            | Outcome::NotOperational
            | Outcome::Refused => return Ok(Err(found.answer)),
        };
        let computers = found.entries.iter().map(Computer::of).collect();
        Ok(Ok(Computers { computers, is_cut }))
    }
}

impl Computer {
    fn of(entry: &Entry) -> Self {
        let control: u32 = entry.number("userAccountControl").unwrap_or_default();
        Self {
            name: entry.name.clone(),
            guid: entry.octets("objectGUID").and_then(guid),
            created: entry.text("whenCreated").and_then(generalized_time),
            description: entry.text("description").map(str::to_owned),
            creator: entry.octets("mS-DS-CreatorSID").map(<[u8]>::to_vec),
            is_disabled: control & ACCOUNT_DISABLED != 0,
        }
    }
}

/// The first three groups are little-endian (MS-DTYP section 2.3.4.2).
fn guid(octets: &[u8]) -> Option<String> {
    let [a, b, c, d, e, f, g, h, rest @ ..] = octets else { return None };
    let [i, j, node @ ..] = rest else { return None };
    let group = |octets: &[u8]| octets.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let groups = [group(&[*d, *c, *b, *a]), group(&[*f, *e]), group(&[*h, *g]), group(&[*i, *j])];
    (node.len() == 6).then(|| format!("{}-{}", groups.join("-"), group(node)))
}

/// `ADS_UF_ACCOUNTDISABLE` (MS-ADTS section 2.2.16).
const ACCOUNT_DISABLED: u32 = 2;
/// What Windows gives in one answer (`MaxPageSize`).
const MOST: u16 = 1000;
const ATTRIBUTES: &[&str] =
    &["objectGUID", "whenCreated", "description", "mS-DS-CreatorSID", "userAccountControl"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_as_microsoft_entra_has_it() {
        let octets: Vec<u8> = (0..16).collect();
        assert_eq!(guid(&octets).unwrap(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(guid(&octets[..15]), None);
    }
}
