//! Trust and identity, by rustls with ring.
//!
//! Sessions are not resumed: every user stands for a different client, and a resumed handshake
//! costs the target a fraction of what a first visit does.

use std::cell::OnceCell;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::{ConnectError, ConnectFailure};
use super::tls_trouble::{self, explain};

/// Whom to trust and who we are, for TLS.
#[derive(Clone, Default)]
pub struct TlsSettings {
    /// Certificates (PEM) trusted in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// What we show when asked for a certificate.
    pub identity: Option<Identity>,
    /// Whether any certificate is accepted.
    pub insecure: bool,
}

/// A client certificate and its key.
#[derive(Clone)]
pub struct Identity {
    /// Certificate chain, PEM, our own first.
    pub cert: Vec<u8>,
    /// Private key, PEM.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for TlsSettings {
    /// Leaves out the certificates and the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSettings")
            .field("own_ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("insecure", &self.insecure)
            .finish()
    }
}

/// Which protocols are offered in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1 alone.
    H1,
    /// HTTP/2, or else HTTP/1.1.
    Either,
    /// HTTP/2 alone.
    H2,
    /// None: what is spoken has no name in the handshake.
    Nothing,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::H1 => vec![b"http/1.1".to_vec()],
            Self::Either => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::H2 => vec![b"h2".to_vec()],
            Self::Nothing => Vec::new(),
        }
    }
}

/// Read settings, and the configurations made from them, one for each offer, when first needed.
pub(super) struct Tls {
    trust: Trust,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    made: [OnceCell<Arc<ClientConfig>>; 4],
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Whose certificates are accepted.
enum Trust {
    System,
    Own(Arc<RootCertStore>),
    Anyone,
}

impl Tls {
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, String> {
        let trust = match &settings.ca {
            _ if settings.insecure => Trust::Anyone,
            Some(pem) => Trust::Own(Arc::new(own_roots(pem)?)),
            None => Trust::System,
        };
        let identity = settings.identity.as_ref().map(read_identity).transpose()?;
        let tls = Self { trust, identity, made: Default::default() };
        if tls.identity.is_some() {
            // Shows now, not at the first request, that key and certificate belong together.
            tls.finish(builder()?.with_root_certificates(RootCertStore::empty()))?;
        }
        Ok(tls)
    }

    /// Reads the system's roots if they are needed and not there yet. It takes tens of
    /// milliseconds, which the other users of this thread must not wait for.
    pub(super) async fn prepare(&self) {
        if matches!(self.trust, Trust::System) && SYSTEM_ROOTS.get().is_none() {
            // Fails only when the runtime is shutting down; then nothing is waiting for us.
            let _ = tokio::task::spawn_blocking(system_roots).await;
        }
    }

    pub(super) async fn handshake(
        &self,
        tcp: TcpStream,
        host: &str,
        alpn: Alpn,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let wrong = |detail| ConnectError::new(ConnectFailure::Tls, detail);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| wrong(format!("{host} is not a name a certificate can have")))?;
        let config = self.config(alpn).map_err(wrong)?;
        TlsConnector::from(config).connect(name, tcp).await.map_err(|error| explain(host, &error))
    }

    fn config(&self, alpn: Alpn) -> Result<Arc<ClientConfig>, String> {
        let slot = &self.made[alpn as usize];
        if let Some(config) = slot.get() {
            return Ok(Arc::clone(config));
        }
        let builder = builder()?;
        let mut config = match &self.trust {
            Trust::System => self.finish(builder.with_root_certificates(system_roots()))?,
            Trust::Own(roots) => self.finish(builder.with_root_certificates(Arc::clone(roots)))?,
            Trust::Anyone => {
                let verifier = Arc::new(AcceptAnyone(provider()));
                self.finish(builder.dangerous().with_custom_certificate_verifier(verifier))?
            }
        };
        config.alpn_protocols = alpn.protocols();
        config.resumption = Resumption::disabled();
        Ok(Arc::clone(slot.get_or_init(|| Arc::new(config))))
    }

    fn finish(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, String> {
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| unfit(&error)),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

static SYSTEM_ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// The system's root certificates. Those that cannot be read are left out: a target that needed
/// one fails with `tls`, and says why.
fn system_roots() -> Arc<RootCertStore> {
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(SYSTEM_ROOTS.get_or_init(read))
}

fn own_roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates("ca", pem)? {
        roots.add(certificate).map_err(|_| format!("ca: {UNFIT}"))?;
    }
    Ok(roots)
}

fn read_certificates(option: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("{option}: no certificate in it; expected PEM")),
        Err(error) => Err(format!("{option}: {error}; expected PEM")),
    }
}

fn read_identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = read_certificates("cert", &identity.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key)
        .map_err(|error| format!("key: {error}; expected a private key in PEM"))?;
    Ok((chain, key))
}

/// What is said of a file that holds a certificate, but none that TLS can use.
const UNFIT: &str = "the certificate cannot be used for TLS; expected X.509 version 3";

/// Why the client cannot show who it is.
fn unfit(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(_) => format!("cert: {UNFIT}"),
        rustls::Error::InconsistentKeys(_) => "cert, key: they do not belong together".to_owned(),
        other => format!("cert, key: {}", tls_trouble::of(other)),
    }
}

/// Accepts every certificate, as `insecure = true` asks; signatures are still checked.
#[derive(Debug)]
struct AcceptAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
