//! The rules of what is written of Active Directory. Domain, organizational unit and user name are
//! taken as they are: what is malformed in them is a finding.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::zeroize::Zeroizing;

use super::{
    Directory, JoinAccount, Joining, Ports, Secret, Transport, raw,
    raw::JoinType,
    raw_directory::ActiveDirectory,
    rules::{Rules, humantime},
};
use crate::catalogue::host_problem;

impl Rules<'_> {
    pub(super) fn joining(&mut self, key: &str, raw: &raw::Connection) -> Option<Joining> {
        let key_of_directory = format!("{key}.active_directory");
        match (raw.join_type, &raw.active_directory) {
            (Some(JoinType::Hybrid), Some(directory)) => {
                Some(Joining::Hybrid(Box::new(self.directory(&key_of_directory, directory))))
            }
            (Some(JoinType::Hybrid), None) => {
                self.note(format!("{key_of_directory}.domain"), DOMAIN_IS_NEEDED);
                None
            }
            (Some(JoinType::Entra), None) => Some(Joining::Entra),
            (Some(JoinType::Entra), Some(_)) => {
                let wrong = "is for join_type = \"hybrid\"; remove it or change the join type";
                self.note(key_of_directory, wrong);
                None
            }
            (None, _) => {
                self.note(format!("{key}.join_type"), "is needed: \"hybrid\" or \"entra\"");
                None
            }
        }
    }

    /// Whether it can be written to shows at first use: `config check` may run as another user
    /// than the daemon.
    pub(super) fn state_dir(&mut self, named: Option<&Path>) -> Option<PathBuf> {
        let folder = self.folder.join(named?);
        if !folder.is_dir() {
            let wrong = "is no directory; create it, writable for the daemon, or remove the key";
            self.note("server.state_dir", format!("{} {wrong}", folder.display()));
        }
        Some(folder)
    }

    pub(super) fn max_controllers(&mut self, raw: &raw::Checks) -> usize {
        let most = raw.domain_controllers.max_controllers;
        if !(1..=64).contains(&most) {
            let wrong = format!("{most} must be between 1 and 64");
            self.note("checks.domain_controllers.max_controllers", wrong);
        }
        most
    }

    pub(super) fn key_age(&mut self, raw: &raw::Checks) -> Duration {
        let age = raw.single_sign_on.key_age;
        self.limits("checks.single_sign_on.key_age", age, [DAY, TEN_YEARS], "");
        age
    }

    fn directory(&mut self, key: &str, raw: &ActiveDirectory) -> Directory {
        if raw.domain.is_none() {
            self.note(format!("{key}.domain"), DOMAIN_IS_NEEDED);
        }
        if raw.transport == Transport::Kerberos && !cfg!(feature = "kerberos") {
            let wrong = "this build has no Kerberos: build with --features kerberos, or use \
                         \"ldaps\" or \"starttls\"";
            self.note(format!("{key}.transport"), wrong);
        }
        let site = raw.site.as_deref();
        if let Some(site) = site.filter(|site| !is_label(site)) {
            let wrong = "is no site name: at most 63 of a-z, A-Z, 0-9 and '-', no '-' at an end";
            self.note(format!("{key}.site"), format!("\"{site}\" {wrong}"));
        }
        if let Some(wrong) = prefix_problem(&raw.computer_prefix) {
            self.note(format!("{key}.computer_prefix"), wrong);
        }
        self.waits(key, raw);
        self.ports(key, raw.ports);
        Directory {
            domain: raw.domain.clone().unwrap_or_default(),
            organizational_unit: raw.organizational_unit.clone(),
            account: self.account(key, raw),
            transport: raw.transport,
            ca: self.roots(&format!("{key}.ca_file"), raw.ca_file.as_deref()),
            servers: self.each(&format!("{key}.servers"), &raw.servers, controller),
            site: raw.site.clone(),
            pins: self.each(&format!("{key}.certificate_sha256"), &raw.certificate_sha256, pin),
            computer_prefix: raw.computer_prefix.clone(),
            write_test: raw.write_test,
            write_test_every: raw.write_test_every,
            bind_retry_after: raw.bind_retry_after,
            ports: raw.ports,
        }
    }

    /// Name and password stand together or not at all.
    fn account(&mut self, key: &str, raw: &ActiveDirectory) -> Option<JoinAccount> {
        let [username_key, file_key] =
            ["username", "password_file"].map(|name| format!("{key}.{name}"));
        match (&raw.username, &raw.password_file) {
            (Some(_), None) => self.note(&file_key, "is needed beside username: both or neither"),
            (None, Some(_)) => {
                self.note(&username_key, "is needed beside password_file: both or neither")
            }
            (Some(_), Some(_)) | (None, None) => (),
        }
        if raw.username.as_deref() == Some("") {
            let wrong = "must not be empty: such a sign-in is anonymous and proves nothing";
            self.note(username_key, wrong);
        }
        let password = self.password(&file_key, raw.password_file.as_deref()?)?;
        Some(JoinAccount { username: raw.username.clone()?, password })
    }

    /// What is wrong with a password is told without a word of it.
    fn password(&mut self, key: &str, file: &Path) -> Option<Secret> {
        let bytes = Zeroizing::new(self.file(key, file)?);
        match password_of(&bytes) {
            Ok(password) => Some(Secret::new(password)),
            Err(wrong) => {
                self.note(key, format!("{} {wrong}", self.folder.join(file).display()));
                None
            }
        }
    }

    fn waits(&mut self, key: &str, raw: &ActiveDirectory) {
        let limits = [MINUTE, MONTH];
        self.limits(&format!("{key}.write_test_every"), raw.write_test_every, limits, "");
        let limits = [HOUR, MONTH];
        let why = ": sooner, tries with a wrong password could lock the account";
        self.limits(&format!("{key}.bind_retry_after"), raw.bind_retry_after, limits, why);
    }

    /// `why` is said of what is too short.
    fn limits(&mut self, key: &str, is: Duration, [least, most]: [Duration; 2], why: &str) {
        if is < least {
            let wrong = format!("{} must be at least {}{why}", humantime(is), humantime(least));
            self.note(key, wrong);
        } else if is > most {
            self.note(key, format!("{} must be at most {}", humantime(is), humantime(most)));
        }
    }

    fn ports(&mut self, key: &str, ports: Ports) {
        let Ports { dns, kerberos, ntp, rpc, ldap, smb, kpasswd, ldaps, global_catalog } = ports;
        for (name, port) in [
            ("dns", dns),
            ("kerberos", kerberos),
            ("ntp", ntp),
            ("rpc", rpc),
            ("ldap", ldap),
            ("smb", smb),
            ("kpasswd", kpasswd),
            ("ldaps", ldaps),
            ("global_catalog", global_catalog),
        ] {
            if port == 0 {
                self.note(format!("{key}.ports.{name}"), "0 must be between 1 and 65535");
            }
        }
    }
}

const DOMAIN_IS_NEEDED: &str = "is needed where join_type is \"hybrid\"";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const TEN_YEARS: Duration = Duration::from_secs(10 * 31_557_600);

/// In bytes. No password is longer; a file that is was named by mistake.
const LONGEST_PASSWORD: usize = 4096;

/// Microsoft's own objects: those of its health check, and every Cloud PC.
const MICROSOFTS_PREFIX: &str = "CPC-";

/// A password without the line break that editors and `echo` leave behind it.
fn password_of(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.len() > LONGEST_PASSWORD {
        return Err("holds more than 4 KiB; a password alone is expected");
    }
    let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8; save the password as UTF-8")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    // With none, Windows signs in nobody and calls it a success.
    if text.is_empty() { Err("is empty; the account's password is expected") } else { Ok(text) }
}

/// The write test's object may be taken for nobody else's.
fn prefix_problem(prefix: &str) -> Option<String> {
    let sound = |sign: char| sign.is_ascii_alphanumeric() || sign == '-';
    let fits = (1..=9).contains(&prefix.len()) && prefix.chars().all(sound);
    if !fits || prefix.starts_with('-') {
        let wrong = "must be 1 to 9 of a-z, A-Z, 0-9 and '-', and not begin with '-'";
        return Some(format!("\"{prefix}\" {wrong}"));
    }
    let microsofts = prefix.to_ascii_uppercase().starts_with(MICROSOFTS_PREFIX);
    microsofts.then(|| {
        format!("\"{prefix}\" must not begin with {MICROSOFTS_PREFIX}: so do Microsoft's own")
    })
}

fn controller(text: &str) -> Result<String, String> {
    if text.parse::<IpAddr>().is_ok() {
        let remedy = "its certificate is for its host name; name it by that";
        return Err(format!("\"{text}\" is the address of a domain controller; {remedy}"));
    }
    match host_problem(text) {
        None => Ok(text.to_lowercase()),
        Some(_) => Err(format!(
            "\"{text}\" is no host name such as dc1.corp.contoso.com; a port goes into [ports]"
        )),
    }
}

fn pin(text: &str) -> Result<[u8; 32], String> {
    let wrong = || {
        let remedy = "64 hex digits, as `openssl x509 -noout -fingerprint -sha256` prints them";
        format!("\"{text}\" is no SHA-256 of a certificate: {remedy}")
    };
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|sign| *sign != ':')
        .map(|sign| u8::try_from(sign.to_digit(16)?).ok())
        .collect();
    let bytes: Vec<u8> = digits
        .filter(|digits| digits.len() == 64)
        .ok_or_else(wrong)?
        .chunks_exact(2)
        .map(|pair| pair[0] * 16 + pair[1])
        .collect();
    bytes.try_into().map_err(|_| wrong())
}

fn is_label(text: &str) -> bool {
    let sound = |sign: char| sign.is_ascii_alphanumeric() || sign == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(sound)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
