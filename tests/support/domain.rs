//! A whole domain to join: its domain controllers, the DNS that names them, the root that vouches
//! for them, and the accounts that join.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::bind::Bind;
use super::pki::Pki;
use super::report::{Check, Report};
use super::samba::{BASE, Dc, Host, PASSWORD};
use super::zones::{self, Controller, DOMAIN};

/// What the write test's object of the connection `prod-weu` is called, in whatever build: another
/// name would leave behind the object of the build before.
pub const COMPUTER: &str = "ANC-HthQ8A3AAPK";

pub struct Domain {
    pub dcs: Vec<Dc<'static>>,
    pub bind: Bind,
    pub pki: Pki,
    pub home: TempDir,
}

/// An account that joins, as the configuration has it.
#[derive(Clone)]
pub struct Joiner<'a> {
    domain: &'a Domain,
    user: String,
    pub password_file: PathBuf,
    unit: Option<String>,
    /// Of `[connections.active_directory]`.
    settings: String,
    /// Before the connections.
    general: String,
    connections: Vec<String>,
}

impl Domain {
    /// Healthy. The first is tried first.
    pub fn of(hosts: &[Host]) -> Self {
        let pki = Pki::new("Contoso Root");
        let dcs = hosts.iter().map(|host| Dc::start(*host, &pki.valid(host.name()))).collect();
        Self::with(pki, dcs)
    }

    /// The domain controllers are tried in this order.
    pub fn with(pki: Pki, dcs: Vec<Dc<'static>>) -> Self {
        let controllers: Vec<_> = dcs.iter().map(Dc::controller).collect();
        Self::named(pki, dcs, &in_order(&controllers))
    }

    /// Of which DNS has this zone.
    pub fn named(pki: Pki, dcs: Vec<Dc<'static>>, zone: &str) -> Self {
        let bind = Bind::with_zones(&[(DOMAIN, zone)]);
        let home = TempDir::new().unwrap();
        pki.write_root(home.path());
        Self { dcs, bind, pki, home }
    }

    /// The only domain controller, or the first.
    pub fn dc(&self) -> &Dc<'static> {
        &self.dcs[0]
    }

    /// An account of `seed.py`, which joins to `OU=CloudPCs`.
    pub fn joiner(&self, account: &str) -> Joiner<'_> {
        self.joiner_as(&format!("{account}@{DOMAIN}"), PASSWORD)
    }

    pub fn joiner_as(&self, user: &str, password: &str) -> Joiner<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let password_file = self.home.path().join(format!("password-{number}"));
        fs::write(&password_file, password).unwrap();
        Joiner {
            domain: self,
            user: user.to_owned(),
            password_file,
            unit: Some(unit("CloudPCs")),
            settings: String::new(),
            general: String::new(),
            connections: vec!["prod-weu".into()],
        }
    }
}

impl Joiner<'_> {
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A distinguished name, or what is taken for one.
    pub fn into_unit(mut self, name: &str) -> Self {
        self.unit = Some(name.to_owned());
        self
    }

    pub fn into_default_container(mut self) -> Self {
        self.unit = None;
        self
    }

    /// A line of `[connections.active_directory]`.
    pub fn setting(mut self, line: &str) -> Self {
        writeln!(self.settings, "{line}").unwrap();
        self
    }

    /// A line before all tables.
    pub fn general(mut self, line: &str) -> Self {
        writeln!(self.general, "{line}").unwrap();
        self
    }

    /// What refusals are remembered in, over restarts.
    pub fn with_memory(self) -> Self {
        let folder = self.domain.home.path().join("state");
        fs::create_dir_all(&folder).unwrap();
        self.general(&format!("server.state_dir = {folder:?}"))
    }

    pub fn connections(mut self, names: &[&str]) -> Self {
        self.connections = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// DNS itself is no part of it.
    pub fn config(&self) -> String {
        let mut text = self.general.clone();
        for check in [
            "dns_ad_domain",
            "endpoint_connectivity",
            "udp_connectivity",
            "localization",
            "domain_controllers",
        ] {
            writeln!(text, "checks.{check}.enabled = false").unwrap();
        }
        for name in &self.connections {
            self.connection(name, &mut text);
        }
        text
    }

    /// The report of both checks.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::of(&self.config(), &["--check", "ad_domain_join", "--check", "single_sign_on"])
    }

    /// `ad_domain_join` alone.
    #[track_caller]
    pub fn check(&self) -> Check {
        let report = Report::of(&self.config(), &["--check", "ad_domain_join"]);
        report.check("prod-weu", "ad_domain_join")
    }

    fn connection(&self, name: &str, text: &mut String) {
        let Self { domain, user, password_file, unit, settings, .. } = self;
        let server = domain.bind.address.to_string();
        let roots = domain.home.path().join("root.pem");
        let unit = unit.as_ref().map(|unit| format!("organizational_unit = {unit:?}\n"));
        let unit = unit.unwrap_or_default();
        write!(
            text,
            "[[connections]]\nname = {name:?}\njoin_type = \"hybrid\"\ndns_servers = [{server:?}]\n\
             [connections.active_directory]\ndomain = {DOMAIN:?}\nusername = {user:?}\n\
             password_file = {password_file:?}\nca_file = {roots:?}\n{unit}{settings}"
        )
        .unwrap();
    }
}

/// A zone in which each is asked only after the one before it.
pub fn in_order(controllers: &[Controller<'_>]) -> String {
    let ordered = (0..).zip(controllers);
    let ordered: Vec<_> =
        ordered.map(|(priority, controller)| Controller { priority, ..*controller }).collect();
    zones::of_controllers(&ordered)
}

/// A unit of `seed.py`, such as `CloudPCs`.
pub fn unit(name: &str) -> String {
    format!("OU={name},{BASE}")
}

/// The write test's object, in a unit.
pub fn object(container: &str) -> String {
    format!("CN={COMPUTER},{container}")
}

/// What is not as it was, of all that `snapshot` sees.
pub fn changed_since(before: &BTreeMap<String, String>, dc: &Dc<'_>) -> Vec<String> {
    let now = snapshot(dc);
    let names = before.keys().chain(now.keys()).collect::<BTreeSet<_>>().into_iter();
    names.filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}

/// Everything in the domain and when it last changed, but for accounts that sign in, and the books
/// from which the next identifiers are drawn.
pub fn snapshot(dc: &Dc<'_>) -> BTreeMap<String, String> {
    let all = dc.search(BASE, "(!(|(sAMAccountName=svc-*)(cn=RID *)))", &["uSNChanged"]);
    let changed = all.into_iter().map(|entry| {
        let number = entry.value("uSNChanged").unwrap().to_owned();
        (entry.dn, number)
    });
    changed.collect()
}
