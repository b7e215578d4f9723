//! TLS, with certificates made for each test.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::super::FailureKind;
use super::super::{
    Base, Client, Exchange, Identity, Protocol, Session, Settings, TlsSettings, Version,
};
use super::servers::{Server, ok, serve, within};
use super::versions::answer_h2;

/// A certificate authority of our own.
struct Authority {
    pem: String,
    der: rustls::pki_types::CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// Whether the certificates it issues say that they are an authority's.
    authorities: bool,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { pem, der, issuer: Issuer::new(params, key), authorities: false }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if self.authorities {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        Arc::new(roots)
    }

    /// A server with a certificate for `name`; asks for one of the client's if `mutual`.
    async fn server(&self, name: &str, alpn: &[&str], mutual: bool) -> Server {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if mutual {
            let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        serve(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return answer_h2(stream).await;
                }
                let mut room = [0; 4096];
                while stream.read(&mut room).await.is_ok_and(|count| count > 0) {
                    stream.write_all(ok("secret").as_bytes()).await.unwrap();
                }
            }
        })
        .await
    }
}

async fn fetch(server: &Server, tls: TlsSettings, version: Version) -> Exchange {
    let base = Some(Base::Url(format!("https://localhost:{}", server.address.port())));
    let client = Client::new(Settings { base, tls, version, ..Settings::default() }).unwrap();
    let session = Session::default();
    let first = within(&client, &session, "/").await;
    if first.error.is_none() {
        let second = within(&client, &session, "/").await;
        assert_eq!((second.error, second.connects), (None, 0), "{second:?}");
        assert_eq!(second.status, first.status);
    }
    first
}

fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings { ca: Some(authority.pem.clone().into_bytes()), ..TlsSettings::default() }
}

#[track_caller]
fn assert_tls_failure(exchange: &Exchange, detail: &str) {
    assert_eq!(exchange.error, Some(FailureKind::Tls), "{exchange:?}");
    let found = exchange.detail.as_deref().unwrap_or_default();
    assert!(found.contains(detail), "{found:?} does not contain {detail:?}");
}

#[tokio::test]
async fn a_certificate_of_our_own_authority_is_trusted_and_the_handshake_timed() {
    let authority = Authority::new();
    let server = authority.server("localhost", &[], false).await;
    let exchange = fetch(&server, trusting(&authority), Version::Auto).await;
    assert_eq!((exchange.error, exchange.body.as_ref()), (None, &b"secret"[..]), "{exchange:?}");
    assert!(!exchange.timing.tls.is_zero() && !exchange.timing.connect.is_zero());
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_a_tls_failure() {
    let server = Authority::new().server("localhost", &[], false).await;
    let exchange = fetch(&server, trusting(&Authority::new()), Version::Auto).await;
    let why = "its certificate is from an issuer that is not trusted; give it as `ca`";
    assert_tls_failure(&exchange, &format!("TLS with localhost: {why}"));
    let exchange = fetch(&server, TlsSettings::default(), Version::Auto).await;
    assert_tls_failure(&exchange, why);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_tls_failure_unless_insecure() {
    let authority = Authority::new();
    let server = authority.server("example.com", &[], false).await;
    let exchange = fetch(&server, trusting(&authority), Version::Auto).await;
    assert_tls_failure(&exchange, "TLS with localhost: its certificate is only for example.com");
    let insecure = TlsSettings { insecure: true, ..TlsSettings::default() };
    assert_eq!(fetch(&server, insecure, Version::Auto).await.error, None);
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_asked_for() {
    let authority = Authority::new();
    let server = authority.server("localhost", &[], true).await;
    let (certificate, key) = authority.issue("user");
    let identity = Some(Identity {
        cert: certificate.pem().into_bytes(),
        key: key.serialize_pem().into_bytes(),
    });
    let tls = TlsSettings { identity, ..trusting(&authority) };
    assert_eq!(fetch(&server, tls, Version::Auto).await.error, None);
    // In TLS 1.3 the refusal arrives after the client's side of the handshake is done.
    let refused = fetch(&server, trusting(&authority), Version::Auto).await;
    assert_tls_failure(&refused, "it wants a client certificate; give one as `cert` and `key`");
}

#[tokio::test]
async fn http_2_is_spoken_where_alpn_agrees_on_it_and_not_where_it_is_unwanted() {
    let authority = Authority::new();
    let server = authority.server("localhost", &["h2", "http/1.1"], false).await;
    for (version, protocol) in [
        (Version::Auto, Protocol::Http2),
        (Version::H2PriorKnowledge, Protocol::Http2),
        (Version::H1, Protocol::Http11),
    ] {
        let exchange = fetch(&server, trusting(&authority), version).await;
        assert_eq!((exchange.error, exchange.protocol), (None, protocol), "{exchange:?}");
    }
    let server = authority.server("localhost", &["http/1.1"], false).await;
    let exchange = fetch(&server, trusting(&authority), Version::Auto).await;
    assert_eq!((exchange.error, exchange.protocol), (None, Protocol::Http11));
    let exchange = fetch(&server, trusting(&authority), Version::H2PriorKnowledge).await;
    assert_tls_failure(&exchange, "");
}

#[tokio::test]
async fn a_target_that_does_not_speak_tls_is_a_tls_failure() {
    let closed = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let exchange = fetch(&closed, TlsSettings::default(), Version::Auto).await;
    assert_tls_failure(&exchange, "closed the connection during the TLS handshake");
    let garbage = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let exchange = fetch(&garbage, TlsSettings::default(), Version::Auto).await;
    let plain =
        "TLS with localhost: it does not speak TLS; is it a plain port, such as of http://?";
    assert_tls_failure(&exchange, plain);
    // One that waits for more of what it takes for a request; so do we, as long as connecting may take.
    let silent = serve(|mut stream, _| async move {
        while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {}
    })
    .await;
    let base = Some(Base::Url(format!("https://localhost:{}", silent.address.port())));
    let connect_timeout = Duration::from_millis(100);
    let client = Client::new(Settings { base, connect_timeout, ..Settings::default() }).unwrap();
    let exchange = within(&client, &Session::default(), "/").await;
    assert_eq!((exchange.error, exchange.connects), (Some(FailureKind::Timeout), 1));
    assert!(exchange.duration >= connect_timeout, "{exchange:?}");
}

/// As `openssl req -x509` makes one.
#[tokio::test]
async fn a_certificate_of_an_authority_in_place_of_a_servers_is_told_with_what_to_do() {
    let mut authority = Authority::new();
    authority.authorities = true;
    let server = authority.server("localhost", &[], false).await;
    let exchange = fetch(&server, trusting(&authority), Version::Auto).await;
    assert_tls_failure(&exchange, "its certificate is that of an authority (`CA:TRUE`)");
    let insecure = TlsSettings { insecure: true, ..TlsSettings::default() };
    assert_eq!(fetch(&server, insecure, Version::Auto).await.error, None);
}

#[tokio::test]
async fn a_body_cut_short_without_an_end_of_tls_is_a_reset() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = serve(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.unwrap();
            stream.flush().await.unwrap();
            // Only TCP is closed.
            drop(stream.into_inner().0);
        }
    })
    .await;
    let exchange = fetch(&server, trusting(&authority), Version::Auto).await;
    assert_eq!(exchange.error, Some(FailureKind::Reset), "{exchange:?}");
    assert!(exchange.detail.unwrap().contains("without an end of TLS"));
}

#[test]
fn certificates_that_cannot_be_read_are_an_error_that_names_the_option() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a");
    let (_, other) = authority.issue("b");
    let identity = |cert: String, key: String| TlsSettings {
        identity: Some(Identity { cert: cert.into_bytes(), key: key.into_bytes() }),
        ..TlsSettings::default()
    };
    let ca = |text: &str| TlsSettings { ca: Some(text.into()), ..TlsSettings::default() };
    for (tls, error) in [
        (ca("nothing"), "ca: no certificate in it; expected PEM"),
        (ca("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), "ca: "),
        (identity(String::new(), key.serialize_pem()), "cert: no certificate in it"),
        (identity(certificate.pem(), "x".to_owned()), "key: "),
        (identity(certificate.pem(), other.serialize_pem()), "cert, key: "),
    ] {
        let found = Client::new(Settings { tls, ..Settings::default() }).unwrap_err();
        assert!(found.starts_with(error), "{found:?} does not start with {error:?}");
    }
}
