//! What the child is told: a line of JSON, which holds the password and goes nowhere else.

use serde::{Deserialize, Serialize};

use super::Target;

#[derive(Serialize, Deserialize)]
pub(super) struct Errand {
    /// A user principal name, or a plain name in the realm.
    pub(super) client: String,
    /// The principal of the domain controller's LDAP.
    pub(super) service: String,
    pub(super) password: String,
}

impl Errand {
    pub(super) fn new(to: &Target, username: &str, password: &str) -> Self {
        // `CONTOSO\user` is a way of Windows to write a plain name.
        let client = username.rsplit('\\').next().unwrap_or(username).to_owned();
        let service = format!("ldap/{}@{}", to.host, to.domain.to_uppercase());
        Self { client, service, password: password.to_owned() }
    }

    /// In one piece, so that no copy of the password is left behind where the line has grown.
    pub(super) fn line(self) -> Vec<u8> {
        let signs = self.client.len() + self.service.len() + self.password.len();
        let mut line = Vec::with_capacity(64 + 6 * signs);
        let written = serde_json::to_writer(&mut line, &self);
        debug_assert!(written.is_ok(), "strings are JSON, and memory takes them");
        line.push(b'\n');
        line
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        use secrecy::zeroize::Zeroize as _;
        self.password.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_the_domain_controllers_ldap_in_its_realm() {
        assert_eq!(errand("svc-join").service, "ldap/dc1.corp.contoso.test@CORP.CONTOSO.TEST");
    }

    #[test]
    fn a_name_of_windows_is_a_plain_one() {
        assert_eq!(errand("CONTOSO\\svc-join").client, "svc-join");
        assert_eq!(errand("svc-join@contoso.test").client, "svc-join@contoso.test");
    }

    #[test]
    fn a_password_of_any_signs_is_one_line() {
        let line = Errand::new(&target(), "svc-join", "\u{0}\n\"ä").line();
        assert_eq!(line.iter().position(|octet| *octet == b'\n'), Some(line.len() - 1));
        let errand: Errand = serde_json::from_slice(&line).unwrap();
        assert_eq!(errand.password, "\u{0}\n\"ä");
    }

    fn errand(username: &str) -> Errand {
        Errand::new(&target(), username, "secret")
    }

    fn target() -> Target {
        Target {
            address: ([127, 0, 0, 1], 389).into(),
            kdc: ([127, 0, 0, 1], 88).into(),
            host: "dc1.corp.contoso.test".into(),
            domain: "corp.contoso.test".into(),
        }
    }
}
