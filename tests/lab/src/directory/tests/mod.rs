//! What clients see of the domain controllers: over LDAP the crate that the daemon uses, which knows
//! nothing of how the answers are made, and raw sockets otherwise.

mod answers;
mod conduct;
mod content;
mod datagrams;

use std::{collections::HashSet, time::Duration};

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Scope, SearchEntry, SearchOptions, StdStream,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::{
    dns::DOMAIN,
    faults::{Conduct, Controllers, Directory, Effect},
};

const BRIEFLY: Duration = Duration::from_millis(500);
const COMPUTER: &str = "CN=ANC-Hth1,OU=CloudPCs,DC=corp,DC=contoso,DC=test";
const BY_QUOTA: &str = "CN=ANC-Hth1,CN=Computers,DC=corp,DC=contoso,DC=test";

struct Bench {
    ports: Ports,
    switchboard: Switchboard,
    connector: TlsConnector,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    Plain,
    Ldaps,
    StartTls,
}

impl Bench {
    async fn start() -> Self {
        let switchboard = Switchboard::all_off();
        let authorities = Arc::new(Authorities::found().unwrap());
        let servers = Servers::bind(&authorities, &switchboard).await.unwrap();
        let ports = servers.ports();
        let zone = Arc::new(Zone::new(ports, []));
        let _task = AbortOnDropHandle::new(tokio::spawn(servers.serve(zone)));
        let connector = connector(&authorities.private_roots());
        Self { ports, switchboard, connector, _task }
    }

    fn is(&self, state: Directory) {
        self.switchboard.suffer(&[Effect::Directory(state)]);
    }

    fn conducts(&self, controllers: Controllers, conduct: Conduct) {
        self.switchboard.suffer(&[Effect::Controller(controllers, conduct)]);
    }

    fn is_well(&self) {
        self.switchboard.suffer(&[]);
    }

    /// Signed in as the join account.
    async fn joining(&self) -> Ldap {
        let mut ldap = self.connect(Which::First, Protection::Ldaps).await.unwrap();
        assert_eq!(ldap.simple_bind(ACCOUNT, PASSWORD).await.unwrap().rc, 0);
        ldap
    }

    /// Or what went wrong on the way.
    async fn connect(&self, which: Which, protection: Protection) -> Result<Ldap, String> {
        let connecting = self.connecting(which, protection);
        time::timeout(BRIEFLY, connecting).await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }

    async fn connecting(&self, which: Which, protection: Protection) -> Result<Ldap, String> {
        let is_ldaps = protection == Protection::Ldaps;
        let port = if is_ldaps { self.ports.ldaps } else { self.ports.ldap };
        let connected = TcpStream::connect((which.address(), port)).await;
        let mut stream = connected.map_err(|error| format!("{:?}", error.kind()))?;
        if protection == Protection::Plain {
            return Ok(ldap_over(stream).await);
        }
        if protection == Protection::StartTls {
            start_tls(&mut stream).await?;
        }
        let name = ServerName::try_from(format!("{}.{DOMAIN}", which.host())).unwrap();
        match self.connector.connect(name, stream).await {
            Ok(stream) => Ok(ldap_over(stream).await),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                Err(inner.map_or(format!("{:?}", error.kind()), |inner| format!("{inner:?}")))
            }
        }
    }
}

fn connector(roots: &str) -> TlsConnector {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(roots.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

/// The TLS is ours, so ldap3 speaks into a pipe.
async fn ldap_over(mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Ldap {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    near.set_nonblocking(true).unwrap();
    let mut far = UnixStream::from_std(far).unwrap();
    tokio::spawn(async move { io::copy_bidirectional(&mut stream, &mut far).await });
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(near));
    let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await.unwrap();
    tokio::spawn(driver.drive());
    ldap
}

async fn start_tls(stream: &mut TcpStream) -> Result<(), String> {
    stream.write_all(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037").await.unwrap();
    let mut reply = vec![0; 4096];
    let length = stream.read(&mut reply).await.unwrap();
    let at = reply[..length].windows(2).position(|pair| pair == [0x0a, 1]);
    match at.map(|at| reply[at + 2]) {
        Some(0) => Ok(()),
        Some(code) => Err(format!("StartTLS refused with {code}")),
        None => Err("not LDAP".to_owned()),
    }
}

/// The code, and the number that the text begins with.
fn said(result: &LdapResult) -> String {
    let code = result.text.get(..8).unwrap_or_default();
    format!("{} {code}", result.rc).trim_end().to_owned()
}

async fn create(ldap: &mut Ldap, name: &str, more: &[(&str, &str)]) -> String {
    let computer = name.split(['=', ',']).nth(1).unwrap();
    let account = format!("{computer}$");
    let attributes =
        [("objectClass", "computer"), ("sAMAccountName", &account), ("userAccountControl", "4098")];
    let attribute = |(kind, value): &(&str, &str)| (kind.to_string(), [value.to_string()].into());
    let attributes = attributes.iter().chain(more).map(attribute).collect();
    said(&ldap.add(name, attributes).await.unwrap())
}

async fn replace(ldap: &mut Ldap, name: &str, attribute: &str, value: &str) -> String {
    let values = HashSet::from([value.to_owned()]);
    let change = ldap3::Mod::Replace(attribute.to_owned(), values);
    said(&ldap.modify(name, vec![change]).await.unwrap())
}

/// What is found, and how that ended.
async fn search(
    ldap: &mut Ldap,
    base: &str,
    filter: &str,
    attributes: &[&str],
) -> (Vec<SearchEntry>, LdapResult) {
    let found = ldap.search(base, Scope::Subtree, filter, attributes).await.unwrap();
    (found.0.into_iter().map(SearchEntry::construct).collect(), found.1)
}

/// The one value, or how the search ended.
async fn read(ldap: &mut Ldap, name: &str, attribute: &str) -> String {
    let options = SearchOptions::new().sizelimit(1);
    let ldap = ldap.with_search_options(options);
    let found = ldap.search(name, Scope::Base, "(objectClass=*)", [attribute]).await.unwrap();
    let Some(entry) = found.0.into_iter().next() else { return said(&found.1) };
    let values = SearchEntry::construct(entry).attrs.into_values().next();
    values.and_then(|values| values.into_iter().next()).unwrap_or_default()
}
