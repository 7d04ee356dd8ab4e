//! From a connection's Active Directory to the checks that look at it.

use std::{hash::Hash, sync::Arc, time::Duration};

use crate::{
    checks::{
        AdDomainJoin, DomainControllers, Last, Ports, SHORTEST_TIMEOUT, SigningIn, SingleSignOn,
        Writing,
    },
    config::{Config, Connection, Directory, Transport, WriteTest},
    directory::{
        Anchors, Attempts, Credentials, DoorPorts, Locator, MARK, Protection, Site, computer_name,
    },
    engine::Clock,
    net::tls::{Roots, Trust},
};

/// Why a check that signs in does not run.
pub(super) const NO_ACCOUNT: &str =
    "neither username nor password_file is given: nobody can sign in";

/// What the checks of one connection's domain have in common.
pub(super) struct Domain<'a> {
    connection: &'a Connection,
    directory: &'a Directory,
    trust: Trust,
    site: Site,
    attempts: Attempts,
}

impl<'a> Domain<'a> {
    /// `private` are the roots that this machine and the operator trust. An error is what is wrong
    /// with `ca_file`.
    pub(super) fn new(
        connection: &'a Connection,
        directory: &'a Directory,
        private: &Roots,
        attempts: &Attempts,
    ) -> Result<Self, String> {
        let roots = match &directory.ca {
            Some(pem) => Roots::from_pem(pem)?,
            None => private.clone(),
        };
        let trust = Trust::new(&Roots::empty(), &roots);
        let site = Site::given(directory.site.clone());
        Ok(Self { connection, directory, trust, site, attempts: attempts.clone() })
    }

    /// None where nobody is to sign in.
    pub(super) fn ad_domain_join(&self, timeout: Duration) -> Option<AdDomainJoin> {
        let Connection { name, instance, .. } = self.connection;
        let keeps = match self.directory.write_test {
            WriteTest::CreateAndDelete => Some(false),
            WriteTest::CreateAndDisable => Some(true),
            WriteTest::Off => None,
        };
        let every = self.directory.write_test_every;
        let instance_named =
            if instance.is_empty() { String::new() } else { format!(", instance {instance}") };
        let prefix = &self.directory.computer_prefix;
        Some(AdDomainJoin {
            signing_in: self.signing_in(timeout, keeps.is_some())?,
            organizational_unit: self.directory.organizational_unit.clone(),
            computer: computer_name(prefix, [instance, name, "join"]),
            mark: format!("{MARK}join test of connection {name}{instance_named}; may be deleted"),
            writing: keeps.map(|keeps| Writing { keeps, every }),
            last: Last::default(),
        })
    }

    /// None where nobody is to sign in.
    pub(super) fn single_sign_on(
        &self,
        config: &Config,
        timeout: Duration,
    ) -> Option<SingleSignOn> {
        let signing_in = self.signing_in(timeout, false)?;
        Some(SingleSignOn { signing_in, key_age: config.key_age })
    }

    pub(super) fn domain_controllers(
        &self,
        config: &Config,
        timeout: Duration,
    ) -> DomainControllers {
        let ports = self.directory.ports;
        DomainControllers {
            locator: self.locator(config.max_controllers),
            servers: self.connection.dns_servers.clone(),
            ports: Ports {
                dns: ports.dns,
                kerberos: ports.kerberos,
                ntp: ports.ntp,
                rpc: ports.rpc,
                ldap: ports.ldap,
                smb: ports.smb,
                kpasswd: ports.kpasswd,
                ldaps: ports.ldaps,
                global_catalog: ports.global_catalog,
            },
            trust: self.trust.clone(),
            timeout,
            clock: Clock::system(),
        }
    }

    pub(super) fn name(&self) -> String {
        self.directory.domain.clone()
    }

    pub(super) fn has_account(&self) -> bool {
        self.directory.account.is_some()
    }

    /// What the checks are made from: a rotated password among it.
    pub(super) fn made_of(&self) -> impl Hash + '_ {
        (self.directory, &self.connection.instance)
    }

    fn signing_in(&self, timeout: Duration, writes: bool) -> Option<SigningIn> {
        let account = self.directory.account.as_ref()?;
        let ports = self.directory.ports;
        let Connection { name, instance, dns_servers, .. } = self.connection;
        Some(SigningIn {
            locator: self.locator(MOST_LOCATED),
            servers: dns_servers.clone(),
            ports: DoorPorts { ldap: ports.ldap, ldaps: ports.ldaps, kerberos: ports.kerberos },
            protection: match self.directory.transport {
                Transport::Ldaps => Protection::Ldaps,
                Transport::StartTls => Protection::StartTls,
                Transport::Kerberos => Protection::Kerberos,
            },
            anchors: Anchors { trust: self.trust.clone(), pins: self.directory.pins.clone() },
            credentials: Arc::new(Credentials::new(
                account.username.clone(),
                &self.directory.domain,
                account.password.expose().into(),
                self.directory.bind_retry_after,
                self.attempts.clone(),
            )),
            writes,
            chooser: format!("{instance}\0{name}"),
            timeout,
            clock: Clock::system(),
        })
    }

    fn locator(&self, most: usize) -> Locator {
        Locator {
            domain: self.directory.domain.clone(),
            site: self.site.clone(),
            servers: self.directory.servers.clone(),
            most,
        }
    }
}

/// What is wrong with a limit for a check that signs in.
pub(super) fn timeout_problem(timeout: Duration) -> Option<String> {
    (timeout < SHORTEST_TIMEOUT).then(|| {
        format!("{timeout:?} is too short to try a second domain controller: at least {SHORTEST_TIMEOUT:?}")
    })
}

/// More are never tried in a run.
const MOST_LOCATED: usize = 8;
