//! Group policies that apply to a container, as far as LDAP shows it: which are linked, not what is
//! in them (MS-GPOL section 2.2.2; the settings lie in SYSVOL, over SMB).

use super::{Fault, Session, name};

/// A group policy that applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its display name, or its GUID where that may not be read.
    pub title: String,
    /// The container that it is linked to.
    pub linked_to: String,
    /// Whether it holds however containers below want it.
    pub is_enforced: bool,
}

impl Session {
    /// The policies linked to `container` and to those above it up to the domain, as inherited:
    /// disabled links left out, blocked inheritance heeded, and without the Default Domain Policy,
    /// which every domain has. Links to sites are not looked at.
    pub async fn policies(&mut self, container: &str, context: &str) -> Result<Vec<Policy>, Fault> {
        let mut policies = Vec::new();
        let mut is_blocked = false;
        let above = name::containers(container, context);
        for place in std::iter::once(container.to_owned()).chain(above).take(MOST_CONTAINERS) {
            let Ok(entry) = self.read(&place, &["gPLink", "gPOptions"]).await? else { continue };
            let links = entry.text("gPLink").map(links).unwrap_or_default();
            for (policy, is_enforced) in links {
                let applies = is_enforced || !is_blocked;
                let is_default = policy.to_uppercase().contains(DEFAULT_DOMAIN_POLICY);
                if applies && !is_default && policies.len() < MOST_POLICIES {
                    let title = self.title(&policy).await?;
                    policies.push(Policy { title, linked_to: place.clone(), is_enforced });
                }
            }
            is_blocked |= entry.number::<u32>("gPOptions").is_some_and(|it| it & BLOCKS != 0);
        }
        Ok(policies)
    }

    async fn title(&mut self, policy: &str) -> Result<String, Fault> {
        let entry = self.read(policy, &["displayName"]).await?.ok();
        let title = entry.as_ref().and_then(|entry| entry.text("displayName")).map(str::trim);
        let title = title.filter(|title| !title.is_empty()).map(str::to_owned);
        let guid = || policy.split([',', '=']).nth(1).unwrap_or(policy).to_owned();
        Ok(title.unwrap_or_else(guid))
    }
}

/// `[LDAP://cn={...},cn=policies,cn=system,DC=...;0][...]`: each with whether it is enforced;
/// without those that are disabled.
fn links(text: &str) -> Vec<(String, bool)> {
    let each = text.split(['[', ']']).filter_map(|link| {
        let (path, options) = link.rsplit_once(';')?;
        let options: u32 = options.trim().parse().ok()?;
        let name = path.split_once("//").map_or(path, |(_, name)| name);
        (options & DISABLED == 0).then(|| (name.to_owned(), options & ENFORCED != 0))
    });
    each.collect()
}

const DISABLED: u32 = 1;
const ENFORCED: u32 = 2;
/// Of `gPOptions`: inheritance is blocked.
const BLOCKS: u32 = 1;
/// MS-GPOL section 2.2.4.
const DEFAULT_DOMAIN_POLICY: &str = "{31B2F340-016D-11D2-945F-00C04FB984F9}";
const MOST_CONTAINERS: usize = 16;
const MOST_POLICIES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read() {
        let text = "[LDAP://cn={A},cn=policies,DC=c;0][LDAP://cn={B},DC=c;1][LDAP://cn={C},DC=c;2]";
        let read = links(text);
        assert_eq!(read, [("cn={A},cn=policies,DC=c".into(), false), ("cn={C},DC=c".into(), true)]);
        assert_eq!(links(" "), []);
        assert_eq!(links("[LDAP://broken][;][x;y]"), []);
    }
}
