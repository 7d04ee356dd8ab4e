//! The lab's certificate authorities: one that stands for the public ones, with an intermediate,
//! and the organization's own.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use time::{Duration, OffsetDateTime};

use crate::faults::Certificate;

pub(crate) struct Authorities {
    public_root: CertifiedIssuer<'static, KeyPair>,
    issuing: CertifiedIssuer<'static, KeyPair>,
    corporate: CertifiedIssuer<'static, KeyPair>,
}

impl Authorities {
    pub(crate) fn found() -> anyhow::Result<Self> {
        let root = authority("Lab Public Root", "Lab Trust Services");
        let public_root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let issuing = authority("Lab Issuing CA 01", "Lab Trust Services");
        let issuing = CertifiedIssuer::signed_by(issuing, KeyPair::generate()?, &public_root)?;
        let corporate = authority("Contoso TLS Inspection", "Contoso IT");
        let corporate = CertifiedIssuer::self_signed(corporate, KeyPair::generate()?)?;
        Ok(Self { public_root, issuing, corporate })
    }

    /// What counts as publicly trusted in the lab, as PEM.
    pub(crate) fn public_roots(&self) -> String {
        self.public_root.pem()
    }

    /// The organization's own authority, as PEM.
    pub(crate) fn private_roots(&self) -> String {
        self.corporate.pem()
    }

    /// A server that presents such a certificate for `host`, from the public authority.
    pub(crate) fn server(
        &self,
        host: &str,
        certificate: Certificate,
    ) -> anyhow::Result<Arc<ServerConfig>> {
        self.serving(&self.issuing, host, certificate)
    }

    /// A domain controller's: its certificates are from the organization's own authority.
    pub(crate) fn controller(
        &self,
        host: &str,
        certificate: Certificate,
    ) -> anyhow::Result<Arc<ServerConfig>> {
        self.serving(&self.corporate, host, certificate)
    }

    fn serving(
        &self,
        issuer: &CertifiedIssuer<'static, KeyPair>,
        host: &str,
        certificate: Certificate,
    ) -> anyhow::Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let chain = self.chain(issuer, host, certificate, &key);
        let chain = chain.context("issuing a certificate")?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Arc::new(server))
    }

    fn chain(
        &self,
        issuer: &CertifiedIssuer<'static, KeyPair>,
        host: &str,
        certificate: Certificate,
        key: &KeyPair,
    ) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let (from, to) = match certificate {
            Certificate::Expired => (-90, -1),
            Certificate::NotYetValid => (1, 90),
            Certificate::ExpiresSoon => (-80, 10),
            Certificate::Valid
            | Certificate::WrongName
            | Certificate::SelfSigned
            | Certificate::Intercepted => (-30, 60),
        };
        let name = if certificate == Certificate::WrongName { OTHER_NAME } else { host };
        let params = leaf(name, from, to)?;
        Ok(match certificate {
            Certificate::SelfSigned => vec![params.self_signed(key)?.der().clone()],
            Certificate::Intercepted => {
                let leaf = params.signed_by(key, &self.corporate)?;
                vec![leaf.der().clone(), self.corporate.der().clone()]
            }
            Certificate::Valid
            | Certificate::Expired
            | Certificate::NotYetValid
            | Certificate::ExpiresSoon
            | Certificate::WrongName => {
                let leaf = params.signed_by(key, issuer)?;
                vec![leaf.der().clone(), issuer.der().clone()]
            }
        })
    }
}

const OTHER_NAME: &str = "portal.lab.contoso.test";

fn authority(name: &str, organization: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params
}

/// For `name`, valid between two days counted from today.
fn leaf(name: &str, from: i64, to: i64) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = OffsetDateTime::now_utc();
    params.not_before = now + Duration::days(from);
    params.not_after = now + Duration::days(to);
    Ok(params)
}
