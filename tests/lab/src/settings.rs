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
    dns,
    faults::{Active, Setting, Switchboard},
};

pub(crate) struct Settings {
    directory: TempDir,
    peers: Peers,
    /// What the configuration says.
    written: String,
}

/// Where the daemon is to serve, and where it finds whom it looks at.
pub(crate) struct Peers {
    pub(crate) daemon: SocketAddr,
    pub(crate) dns: [SocketAddr; 2],
    pub(crate) stun: SocketAddr,
    pub(crate) turn: SocketAddr,
    pub(crate) endpoints: BTreeMap<&'static str, SocketAddr>,
}

impl Settings {
    pub(crate) fn write(
        peers: Peers,
        authorities: &Authorities,
        switchboard: &Switchboard,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("anc-lab-").tempdir()?;
        let mut settings = Self { directory, peers, written: String::new() };
        replace(&settings.path(PUBLIC_ROOTS), &authorities.public_roots())?;
        replace(&settings.path(PRIVATE_ROOTS), &authorities.private_roots())?;
        for (file, wildcard) in [(CATALOGUE, false), (CATALOGUE_WITH_WILDCARD, true)] {
            let document = catalogue::document(&settings.peers.endpoints, wildcard);
            replace(&settings.path(file), &format!("{document:#}\n"))?;
        }
        settings.written = settings.text(&switchboard.watch().borrow());
        replace(&settings.configuration(), &settings.written)?;
        Ok(settings)
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("anc-healthd.toml")
    }

    /// Writes the configuration again whenever a fault changes it, and tells `written`.
    pub(crate) async fn follow(mut self, switchboard: Switchboard, written: Arc<Notify>) {
        let mut active = switchboard.watch();
        loop {
            let text = match active.wait_for(|active| self.text(active) != self.written).await {
                Ok(active) => self.text(&active),
                Err(_) => return,
            };
            match replace(&self.configuration(), &text) {
                Ok(()) => written.notify_one(),
                Err(error) => {
                    let error = format!("{error:#}");
                    error!(error, "the configuration is not as it should be");
                }
            }
            self.written = text;
        }
    }

    fn text(&self, active: &Active) -> String {
        let Peers { daemon, dns: [first, second], stun, turn, .. } = &self.peers;
        let catalogue = if active.has_setting(Setting::UnverifiableWildcard) {
            CATALOGUE_WITH_WILDCARD
        } else {
            CATALOGUE
        };
        let catalogue = self.path(catalogue);
        let (public_roots, private_roots) = (self.path(PUBLIC_ROOTS), self.path(PRIVATE_ROOTS));
        let invalid = active.has_setting(Setting::InvalidDomain);
        let domain = if invalid { "corp contoso.test" } else { dns::DOMAIN };
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

# Shorter than this, a phase of looking at a silent endpoint would have less than 1.5 s.
[checks.localization]
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

[connections.active_directory]
domain = "{domain}"
"#
        )
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }
}

const CATALOGUE: &str = "endpoints.json";
const CATALOGUE_WITH_WILDCARD: &str = "endpoints-with-wildcard.json";
const PUBLIC_ROOTS: &str = "public-roots.pem";
const PRIVATE_ROOTS: &str = "private-roots.pem";

/// In one step, so that nobody reads half a file.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    fs::write(&draft, text).with_context(|| format!("writing {}", draft.display()))?;
    fs::rename(&draft, file).with_context(|| format!("replacing {}", file.display()))
}
