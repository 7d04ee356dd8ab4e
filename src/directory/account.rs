//! The join account, as its domain has it.

use std::time::SystemTime;

use ldap3::ldap_escape;

use super::{Answer, Entry, Fault, Found, Scope, Session, moment::file_time, name};

/// What matters of an account that has just signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// `objectSid`, by which what it created is counted.
    pub sid: Vec<u8>,
    /// When its password expires; none: never.
    pub password_expires: Option<SystemTime>,
    /// When it expires itself; none: never.
    pub expires: Option<SystemTime>,
}

impl Session {
    /// The account that signs in as `user`: by its user principal name, or else by the account name
    /// that is a part of it, or as the object that it names (MS-ADTS section 5.1.1.1.1).
    pub async fn account(
        &mut self,
        context: &str,
        user: &str,
    ) -> Result<Result<Option<Account>, Answer>, Fault> {
        if name::is_within(user, context) == Some(true) {
            let entry = self.read(user, ATTRIBUTES).await?;
            return Ok(entry.map(|entry| Some(Account::of(&entry))));
        }
        let short = user.rsplit('\\').next().unwrap_or(user);
        let short = short.split('@').next().unwrap_or(short);
        let filter = format!(
            "(&(objectCategory=person)(|(userPrincipalName={})(sAMAccountName={})))",
            ldap_escape(user),
            ldap_escape(short)
        );
        let found = self.search(context, Scope::Subtree, &filter, ATTRIBUTES, 2).await?;
        let Found { entries, answer } = found;
        if !answer.is_done() && entries.is_empty() {
            return Ok(Err(answer));
        }
        let by_principal = entries.iter().find(|entry| {
            entry.text("userPrincipalName").is_some_and(|name| name.eq_ignore_ascii_case(user))
        });
        Ok(Ok(by_principal.or(entries.first()).map(Account::of)))
    }
}

impl Account {
    fn of(entry: &Entry) -> Self {
        let time = |attribute| entry.number(attribute).and_then(file_time);
        Self {
            name: entry.name.clone(),
            sid: entry.octets("objectSid").unwrap_or_default().to_vec(),
            password_expires: time("msDS-UserPasswordExpiryTimeComputed"),
            expires: time("accountExpires"),
        }
    }
}

const ATTRIBUTES: &[&str] =
    &["userPrincipalName", "objectSid", "msDS-UserPasswordExpiryTimeComputed", "accountExpires"];
