//! What a test does to a domain as its Administrator, over LDAPS.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::super::namespace::Namespace;
use super::super::process::Program;
use super::{BASE, Dc, user};

const ADMINISTRATOR: (&str, &str) = ("Administrator", "Passw0rd!Lab");
const LDAPSEARCH: Program = Program { name: "ldapsearch", package: "ldap-utils" };
const LDAPMODIFY: Program = Program { name: "ldapmodify", package: "ldap-utils" };

/// An object of the directory. Binary values are as in LDIF, in Base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Dc<'_> {
    /// The objects below `base`, itself included, that match `filter`.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Vec<Entry> {
        let mut command = self.client(LDAPSEARCH, ADMINISTRATOR);
        command.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => entries(&String::from_utf8_lossy(&output.stdout)),
            Some(NO_SUCH_OBJECT) => Vec::new(),
            _ => panic!("{command:?}\n{said}"),
        }
    }

    /// An attribute of the account of this name, such as `badPwdCount`.
    pub fn account(&self, name: &str, attribute: &str) -> Option<String> {
        let found = self.search(BASE, &format!("(sAMAccountName={name})"), &[attribute]);
        found.first()?.value(attribute).map(str::to_owned)
    }

    /// The computers below `unit`.
    pub fn computers(&self, unit: &str) -> Vec<Entry> {
        self.search(unit, "(objectClass=computer)", &["cn", "userAccountControl", "description"])
    }

    /// Carries out what an LDIF text says.
    #[track_caller]
    pub fn modify(&self, ldif: &str) {
        let output = self.carry_out(ADMINISTRATOR, ldif);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{ldif}\n{said}");
    }

    /// The same as another account. What comes back is the LDAP result code.
    pub fn modify_as(&self, account: &str, password: &str, ldif: &str) -> i32 {
        self.carry_out((account, password), ldif).status.code().unwrap()
    }

    #[track_caller]
    pub fn add(&self, dn: &str, attributes: &[(&str, &str)]) {
        let mut ldif = format!("dn: {dn}\nchangetype: add\n");
        for (name, value) in attributes {
            writeln!(ldif, "{name}: {value}").unwrap();
        }
        self.modify(&ldif);
    }

    /// Gives an attribute this value in the stead of any other.
    #[track_caller]
    pub fn set(&self, dn: &str, attribute: &str, value: &str) {
        self.modify(&format!(
            "dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"
        ));
    }

    #[track_caller]
    pub fn delete(&self, dn: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: delete\n"));
    }

    #[track_caller]
    pub fn set_password(&self, account: &str, password: &str) {
        let file = self.server.home().join("password");
        let quoted = format!("\"{password}\"");
        let octets: Vec<_> = quoted.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(&file, octets).unwrap();
        self.modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:< file://{}\n",
            user(account),
            file.display()
        ));
    }

    #[track_caller]
    pub fn unlock(&self, account: &str) {
        self.set(&user(account), "lockoutTime", "0");
    }

    /// Signs in over LDAPS, whatever the certificate is. The error is what the domain controller says.
    pub fn sign_in(&self, account: &str, password: &str) -> Result<(), String> {
        let mut command = self.client(LDAPSEARCH, (account, password));
        let output = command.args(["-b", "", "-s", "base"]).output().unwrap();
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said()) }
    }

    fn carry_out(&self, account: (&str, &str), ldif: &str) -> Output {
        let mut command = self.client(LDAPMODIFY, account);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// One of the LDAP tools, bound over LDAPS where this domain controller is.
    fn client(&self, program: Program, (account, password): (&str, &str)) -> Command {
        let mut command = Namespace::command(self.namespace, program);
        command.env("LDAPTLS_REQCERT", "never");
        command.args(["-x", "-o", "nettimeout=20", "-H", &format!("ldaps://{}", self.address)]);
        command.args(["-D", &format!("{account}@corp.contoso.test"), "-w", password]);
        command
    }
}

impl Entry {
    pub fn value(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.first().map(String::as_str)
    }
}

const NO_SUCH_OBJECT: i32 = 32;

fn entries(ldif: &str) -> Vec<Entry> {
    ldif.split("\n\n").filter_map(entry).collect()
}

/// None of what is no object: a referral.
fn entry(block: &str) -> Option<Entry> {
    let mut entry = Entry::default();
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(':')?;
        let value = value.trim_start_matches(':').trim_start().to_owned();
        if name == "dn" {
            entry.dn = value;
        } else {
            entry.attributes.entry(name.to_owned()).or_default().push(value);
        }
    }
    (!entry.dn.is_empty()).then_some(entry)
}
