//! The files that the daemon reads: its configuration, the catalogue of endpoints, and roots.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::sync::Notify;
use tracing::error;

use crate::{
    catalogue,
    certificates::Authorities,
    directory::{ACCOUNT, ORGANIZATIONAL_UNIT, PASSWORD, Ports},
    dns,
    faults::{Active, Conduct, Directory, Effect, Garbage, Setting, Switchboard},
};

pub(crate) struct Settings {
    directory: TempDir,
    peers: Peers,
    written: Texts,
}

/// What the files say that change with the faults.
#[derive(Default, PartialEq, Eq)]
struct Texts {
    configuration: String,
    password: String,
}

/// Where the daemon is to serve, and where it finds whom it looks at.
pub(crate) struct Peers {
    pub(crate) daemon: SocketAddr,
    pub(crate) dns: [SocketAddr; 2],
    pub(crate) stun: SocketAddr,
    pub(crate) turn: SocketAddr,
    pub(crate) controllers: Ports,
    pub(crate) endpoints: BTreeMap<&'static str, SocketAddr>,
}

impl Settings {
    pub(crate) fn write(
        peers: Peers,
        authorities: &Authorities,
        switchboard: &Switchboard,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("anc-lab-").tempdir()?;
        let mut settings = Self { directory, peers, written: Texts::default() };
        replace(&settings.path(PUBLIC_ROOTS), &authorities.public_roots())?;
        replace(&settings.path(PRIVATE_ROOTS), &authorities.private_roots())?;
        for (file, wildcard) in [(CATALOGUE, false), (CATALOGUE_WITH_WILDCARD, true)] {
            let document = catalogue::document(&settings.peers.endpoints, wildcard);
            replace(&settings.path(file), &format!("{document:#}\n"))?;
        }
        settings.bring(settings.texts(&switchboard.watch().borrow()))?;
        Ok(settings)
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("anc-healthd.toml")
    }

    pub(crate) fn controllers(&self) -> Ports {
        self.peers.controllers
    }

    /// Writes what a fault changes, and tells `written`.
    pub(crate) async fn follow(mut self, switchboard: Switchboard, written: Arc<Notify>) {
        let mut active = switchboard.watch();
        loop {
            let texts = match active.wait_for(|active| self.texts(active) != self.written).await {
                Ok(active) => self.texts(&active),
                Err(_) => return,
            };
            match self.bring(texts) {
                Ok(()) => written.notify_one(),
                Err(error) => {
                    let error = format!("{error:#}");
                    error!(error, "the configuration is not as it should be");
                }
            }
        }
    }

    /// Whether it can or not, it is not tried again before something changes.
    fn bring(&mut self, texts: Texts) -> anyhow::Result<()> {
        self.written = texts;
        replace(&self.path(PASSWORD_FILE), &self.written.password)?;
        replace(&self.configuration(), &self.written.configuration)
    }

    fn texts(&self, active: &Active) -> Texts {
        let configuration = self.network(active) + &self.directory(active);
        let password = format!("{}-{}\n", PASSWORD, active.passwords());
        Texts { configuration, password }
    }

    fn network(&self, active: &Active) -> String {
        let Peers { daemon, dns: [first, second], stun, turn, .. } = &self.peers;
        let catalogue = if active.has_setting(Setting::UnverifiableWildcard) {
            CATALOGUE_WITH_WILDCARD
        } else {
            CATALOGUE
        };
        let catalogue = self.path(catalogue);
        let (public_roots, private_roots) = (self.path(PUBLIC_ROOTS), self.path(PRIVATE_ROOTS));
        let elsewhere = active.has_setting(Setting::RelayOutsideRanges);
        let turn_range = if elsewhere { "192.0.2.0/24" } else { "127.0.0.0/8" };
        format!(
            r#"# The lab's: it is written again when a fault wants it so.
[server]
listen = "{daemon}"
enable_lifecycle = true

[azure]
credential = "none"

[checks]
interval = "3s"
interval_failing = "3s"
timeout = "2s"

# Shorter than this, a phase of looking at whoever is silent would have less than 1.5 s.
[checks.localization]
interval = "9s"
interval_failing = "9s"
timeout = "8s"

[checks.ad_domain_join]
interval = "9s"
interval_failing = "9s"
timeout = "8s"

[checks.domain_controllers]
interval = "9s"
interval_failing = "9s"
timeout = "8s"

[checks.single_sign_on]
interval = "9s"
interval_failing = "9s"
timeout = "8s"

[checks.endpoint_connectivity]
interval = "9s"
interval_failing = "9s"
timeout = "8s"
catalogue = {catalogue:?}
public_roots_file = {public_roots:?}
private_roots_file = {private_roots:?}

[checks.udp_connectivity]
stun = ["{stun}"]
turn = ["{turn}"]
turn_ranges = ["{turn_range}"]

[[connections]]
name = "lab"
join_type = "hybrid"
vantage = "subnet"
dns_servers = ["{first}", "{second}"]
"#
        )
    }

    fn directory(&self, active: &Active) -> String {
        let invalid = active.has_setting(Setting::InvalidDomain);
        let domain = if invalid { "corp contoso.test" } else { dns::DOMAIN };
        let malformed = active.has_setting(Setting::MalformedUnit);
        let unit = if malformed { "corp.contoso.test/CloudPCs" } else { ORGANIZATIONAL_UNIT };
        // The quota applies where nobody was given rights, which is to the default container.
        let by_quota = active.has(|it| matches!(it, Effect::Directory(Directory::QuotaUsed(_))));
        let unit =
            if by_quota { String::new() } else { format!("organizational_unit = {unit:?}\n") };
        let starts_tls = active.has(|effect| {
            let Effect::Controller(_, conduct) = effect else { return false };
            matches!(conduct, Conduct::StartTlsRefused | Conduct::Garbles(Garbage::OtherProtocol))
        });
        let transport = if starts_tls { "starttls" } else { "ldaps" };
        let pinned = active.has_setting(Setting::OtherCertificatePinned);
        let pins = if pinned { format!("{:?}", "00".repeat(32)) } else { String::new() };
        let (password_file, roots) = (self.path(PASSWORD_FILE), self.path(PRIVATE_ROOTS));
        let ports = self.peers.controllers;
        format!(
            r#"
[connections.active_directory]
domain = "{domain}"
{unit}username = "{ACCOUNT}"
password_file = {password_file:?}
transport = "{transport}"
ca_file = {roots:?}
certificate_sha256 = [{pins}]
site = "{SITE}"
write_test_every = "1m"

{ports}"#
        )
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }
}

const CATALOGUE: &str = "endpoints.json";
const CATALOGUE_WITH_WILDCARD: &str = "endpoints-with-wildcard.json";
const PASSWORD_FILE: &str = "password";
const PUBLIC_ROOTS: &str = "public-roots.pem";
const PRIVATE_ROOTS: &str = "private-roots.pem";
/// That of the first domain controller, which so is the first that is signed in to.
const SITE: &str = "Lab-Azure";

/// In one step, so that nobody reads half a file.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    fs::write(&draft, text).with_context(|| format!("writing {}", draft.display()))?;
    fs::rename(&draft, file).with_context(|| format!("replacing {}", file.display()))
}
