//! Trust and identity.

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
