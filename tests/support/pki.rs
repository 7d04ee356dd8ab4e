//! A certification authority with an intermediate, and the certificates a server may present.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A root and an intermediate that it signed. Two in one test need different names: a verifier finds a root by its subject.
#[derive(Debug)]
pub struct Pki {
    root: Issuer,
    intermediate: Issuer,
}

/// What a server presents: its chain and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The leaf, then what the server sends with it.
    pub chain_pem: String,
    pub key_pem: String,
    leaf_pem: String,
}

impl Pki {
    pub fn new(name: &str) -> Self {
        let root = Issuer::self_signed(authority(name), key()).unwrap();
        let params = authority(&format!("{name} Intermediate"));
        let intermediate = Issuer::signed_by(params, key(), &root).unwrap();
        Self { root, intermediate }
    }

    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// Writes the root to `directory`, as the `*_roots_file` and `ca_file` keys want it.
    pub fn write_root(&self, directory: &Path) -> PathBuf {
        let path = directory.join("root.pem");
        std::fs::write(&path, self.root_pem()).unwrap();
        path
    }

    /// Valid for 90 days. With another name than the one asked for, it is the wrong-name case.
    pub fn valid(&self, name: &str) -> Identity {
        self.expiring_in(name, Duration::days(90))
    }

    /// Valid, but not for much longer.
    pub fn expiring_in(&self, name: &str, left: Duration) -> Identity {
        self.issue(name, -Duration::days(30), left)
    }

    /// Expired yesterday.
    pub fn expired(&self, name: &str) -> Identity {
        self.issue(name, -Duration::days(90), -Duration::days(1))
    }

    /// Valid from tomorrow on.
    pub fn not_yet_valid(&self, name: &str) -> Identity {
        self.issue(name, Duration::days(1), Duration::days(90))
    }

    fn issue(&self, name: &str, from: Duration, to: Duration) -> Identity {
        let key = key();
        let leaf_pem = leaf(name, from, to).signed_by(&key, &self.intermediate).unwrap().pem();
        let chain_pem = leaf_pem.clone() + &self.intermediate.pem();
        Identity { chain_pem, key_pem: key.serialize_pem(), leaf_pem }
    }
}

impl Identity {
    /// Signed by its own key, for 90 days.
    pub fn self_signed(name: &str) -> Self {
        let key = key();
        let params = leaf(name, -Duration::days(30), Duration::days(90));
        let leaf_pem = params.self_signed(&key).unwrap().pem();
        Self { chain_pem: leaf_pem.clone(), key_pem: key.serialize_pem(), leaf_pem }
    }

    /// The common misconfiguration: the server sends its leaf only.
    pub fn without_intermediate(&self) -> Self {
        Self { chain_pem: self.leaf_pem.clone(), ..self.clone() }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf(name: &str, from: Duration, to: Duration) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now + from;
    params.not_after = now + to;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}
