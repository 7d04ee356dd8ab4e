//! The domain's own object: its machine account quota, and where computers go by default.

use ldap3::dn_escape;

use super::{Answer, Entry, Fault, Session};

/// What the head of a domain says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// `ms-DS-MachineAccountQuota`: how many computers a user may create who has no right to
    /// (Microsoft KB 243327).
    pub quota: Option<u32>,
    /// The container for computers that nobody gave a place (MS-ADTS section 6.1.1.4).
    pub computers: Option<String>,
}

/// Where computers go, and what the one who asks may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    /// Whether it may create computers there: the constructed attribute
    /// `allowedChildClassesEffective` (MS-ADTS section 3.1.1.4.5.5).
    pub may_create_computers: bool,
}

impl Session {
    pub async fn domain(&mut self, context: &str) -> Result<Result<Domain, Answer>, Fault> {
        let attributes = ["ms-DS-MachineAccountQuota", "wellKnownObjects"];
        Ok(self.read(context, &attributes).await?.map(|entry| Domain {
            quota: entry.number("ms-DS-MachineAccountQuota"),
            computers: entry.texts("wellKnownObjects").find_map(computers),
        }))
    }

    pub async fn container(&mut self, name: &str) -> Result<Result<Container, Answer>, Fault> {
        let attributes = ["allowedChildClassesEffective"];
        Ok(self.read(name, &attributes).await?.map(|entry| Container {
            name: if entry.name.is_empty() { name.to_owned() } else { entry.name.clone() },
            may_create_computers: may_create_computers(&entry),
        }))
    }
}

/// The name of a new object called `computer` in `container`.
pub(super) fn child(computer: &str, container: &str) -> String {
    format!("CN={},{container}", dn_escape(computer))
}

fn may_create_computers(entry: &Entry) -> bool {
    entry.texts("allowedChildClassesEffective").any(|class| class.eq_ignore_ascii_case("computer"))
}

/// `B:32:AA312825768811D1ADED00C04FD8D5CD:CN=Computers,DC=...`
fn computers(value: &str) -> Option<String> {
    let name = value
        .strip_prefix("B:32:")?
        .split_once(':')
        .filter(|(guid, _)| guid.eq_ignore_ascii_case(GUID_COMPUTERS_CONTAINER))?;
    Some(name.1.to_owned())
}

/// MS-ADTS section 6.1.1.4.
const GUID_COMPUTERS_CONTAINER: &str = "AA312825768811D1ADED00C04FD8D5CD";
