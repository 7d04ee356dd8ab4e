//! A verifier that accepts every chain and writes down how it stands.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ring::digest::{SHA256, digest};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Certificate, Chain, Dates, Roots, Standing};

/// Two trust stores, ready to be asked.
pub(super) struct Stores {
    public: Store,
    private: Store,
    pub(super) provider: Arc<CryptoProvider>,
}

/// None where the store is empty.
type Store = Option<Arc<WebPkiServerVerifier>>;

impl Stores {
    pub(super) fn new(public: &Roots, private: &Roots, provider: Arc<CryptoProvider>) -> Self {
        let store = |roots: &Roots| {
            WebPkiServerVerifier::builder_with_provider(roots.store(), provider.clone())
                .build()
                .ok()
        };
        Self { public: store(public), private: store(private), provider }
    }
}

/// Keeps how the chain of one handshake stands. That the peer holds the key of the certificate is
/// still required, so what is written down is about the peer and not about a stolen certificate.
#[derive(Debug)]
pub(super) struct Recorder {
    stores: Arc<Stores>,
    chain: OnceLock<Chain>,
}

impl Recorder {
    pub(super) fn new(stores: Arc<Stores>) -> Self {
        Self { stores, chain: OnceLock::new() }
    }

    pub(super) fn chain(&self) -> Option<Chain> {
        self.chain.get().cloned()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let looked_at = &above[..above.len().min(MOST_CERTIFICATES - 1)];
        let read = certificate(leaf);
        let (dates, in_date) = dates(read.as_ref(), now);
        let against = |store: &Store| match store {
            None => Standing::UnknownIssuer,
            Some(store) => standing(store.verify_server_cert(leaf, looked_at, name, ocsp, in_date)),
        };
        let parsed = ParsedCertificate::try_from(leaf);
        self.chain.get_or_init(|| Chain {
            public: against(&self.stores.public),
            private: against(&self.stores.private),
            dates,
            // What cannot be read is refused by both stores, which is enough said.
            is_named: parsed.map_or(true, |parsed| verify_server_name(&parsed, name).is_ok()),
            leaf: read.unwrap_or_default(),
            length: above.len() + 1,
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.stores.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.stores.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.stores.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is kept in its own words")]
fn standing(verified: Result<ServerCertVerified, Error>) -> Standing {
    let error = match verified {
        Ok(_) => return Standing::Trusted,
        Err(Error::InvalidCertificate(error)) => error,
        Err(error) => return Standing::Other(error.to_string()),
    };
    match error {
        CertificateError::UnknownIssuer => Standing::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Standing::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Standing::NotYetValid
        }
        // Told apart from who vouches for it; webpki asks for the name last.
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Standing::Trusted
        }
        error => Standing::Other(error.to_string()),
    }
}

/// Whether the leaf is in date, and a time at which it is: that nearest to now.
fn dates(leaf: Option<&Certificate>, now: UnixTime) -> (Dates, UnixTime) {
    let at = |seconds: i64| {
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    };
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    match leaf {
        Some(leaf) if seconds > leaf.not_after => (Dates::Expired, at(leaf.not_after)),
        Some(leaf) if seconds < leaf.not_before => (Dates::NotYetValid, at(leaf.not_before)),
        Some(_) | None => (Dates::Valid, now),
    }
}

/// None for what cannot be read: the verifiers say why.
fn certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let names = alternatives.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
    Some(Certificate {
        subject: shortened(parsed.subject().to_string()),
        issuer: shortened(parsed.issuer().to_string()),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        names: names.iter().filter_map(name).take(MOST_NAMES).map(shortened).collect(),
        sha256: sha256(der),
    })
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, octets).as_ref());
    sum
}

#[expect(clippy::wildcard_enum_match_arm, reason = "hosts have no other kind of name")]
fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => {
                <[u8; 4]>::try_from(*octets).ok().map(|v4| std::net::Ipv4Addr::from(v4).to_string())
            }
            _ => <[u8; 16]>::try_from(*octets)
                .ok()
                .map(|v6| std::net::Ipv6Addr::from(v6).to_string()),
        },
        _ => None,
    }
}

fn shortened(text: String) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores")
            .field("public", &self.public.is_some())
            .field("private", &self.private.is_some())
            .finish_non_exhaustive()
    }
}

/// A peer may send thousands; no honest chain is a fifth as long as this.
const MOST_CERTIFICATES: usize = 16;
const MOST_NAMES: usize = 100;
const LONGEST_TEXT: usize = 300;
