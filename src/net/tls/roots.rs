//! Trust stores: whose certificates count.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The roots of one trust store. Cloning shares them.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// What Mozilla trusts, as of this build: the public web.
    pub fn mozilla() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }

    /// What this machine trusts, where `SSL_CERT_FILE`, `SSL_CERT_DIR` or the distribution say.
    /// What cannot be read is left out, so there may be nothing in it. Reads files, so it blocks.
    pub fn system() -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self(Arc::new(store))
    }

    /// A store that knows nobody.
    pub fn empty() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }

    /// The certificates of a PEM file. One that is none, or a file without any, is an error.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        Self::empty().with_pem(pem)
    }

    /// These roots and those of a PEM file.
    pub fn with_pem(self, pem: &[u8]) -> Result<Self, String> {
        let mut store = Arc::unwrap_or_clone(self.0);
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            store.add(certificate).map_err(|error| error.to_string())?;
        }
        if store.len() == before {
            return Err("there is no certificate in it".into());
        }
        Ok(Self(Arc::new(store)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        self.0.clone()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peers::Authority;

    #[test]
    fn a_file_may_hold_several_roots() {
        let pem = Authority::new("One").pem() + &Authority::new("Two").pem();
        let roots = Roots::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(format!("{roots:?}"), "Roots(2)");
        let more = roots.clone().with_pem(Authority::new("Three").pem().as_bytes()).unwrap();
        assert_eq!(format!("{roots:?} {more:?}"), "Roots(2) Roots(3)");
    }

    #[test]
    fn a_file_without_a_certificate_is_an_error() {
        let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no PEM at all", torn, "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            assert!(Roots::from_pem(pem.as_bytes()).is_err(), "{pem:?}");
        }
    }

    #[test]
    fn the_public_web_is_not_empty() {
        assert!(!Roots::mozilla().is_empty());
    }
}
