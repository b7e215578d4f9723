//! Other ways to a server: TLS, a socket in the file system, another database.

use super::*;

#[tokio::test]
async fn a_server_under_tls_is_trusted_by_its_certificate_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        cert,
        "--tls-key-file",
        key,
        "--tls-auth-clients",
        "no",
    ]);
    let session = Session::default();
    let url = format!("rediss://localhost:{port}");
    let pem = made.cert.pem().into_bytes();
    let trusting = client_of(&url, |settings| settings.tls.ca = Some(pem));
    let large = format!("SET a {}", "x".repeat(1_000_000));
    assert_eq!(value(&trusting, &session, &large).await, ok());
    let again = call(&trusting, &session, "STRLEN a").await;
    assert_eq!((again.value, again.connects), (Value::Integer(1_000_000), 0));
    let anyone = client_of(&format!("{url}/#insecure"), |_| {});
    assert_eq!(value(&anyone, &session, "EXISTS a").await, Value::Integer(1));
    let strict = client_of(&url, |_| {});
    assert_eq!(failure(&strict, &session, "PING").await, FailureKind::Tls);
    // The one port for the other.
    let plain = client_of(&format!("redis://localhost:{port}"), |_| {});
    let error = call(&plain, &session, "PING").await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Reset);
    assert!(error.detail.ends_with(", at our first words; does it want `rediss://`?"), "{error}");
    let secret = client_of(&format!("rediss://localhost:{}", server.port), |settings| {
        settings.connect_timeout = Duration::from_millis(100);
    });
    let error = call(&secret, &session, "PING").await.error.unwrap();
    let told =
        format!("no connection to localhost:{} within 100ms; does it speak TLS?", server.port);
    assert_eq!((error.kind, error.detail), (FailureKind::Timeout, told));
}

#[tokio::test]
async fn a_socket_in_the_file_system_is_an_address_too() {
    let server = Server::start(&["--unixsocket", "redis.sock"]);
    let path = server.folder().join("redis.sock");
    let client = client_of(&format!("unix://{}", path.display()), |_| {});
    let session = Session::default();
    assert_eq!(value(&client, &session, "SET a 1").await, ok());
    assert_eq!(call(&client, &session, "GET a").await.connects, 0);
}

#[tokio::test]
async fn databases_are_kept_apart() {
    let server = Server::start(&[]);
    let session = Session::default();
    let zero = client_of(&server.url(), |_| {});
    let three = client_of(&format!("{}/3", server.url()), |_| {});
    let four = client_of(&format!("{}/3", server.url()), |settings| settings.database = Some(4));
    assert_eq!(value(&three, &session, "SET a 3").await, ok());
    assert_eq!(value(&zero, &session, "GET a").await, Value::Nil);
    assert_eq!(value(&four, &session, "GET a").await, Value::Nil);
    assert_eq!(value(&three, &session, "GET a").await, text("3"));
    let none = client_of(&format!("{}/999", server.url()), |_| {});
    assert_eq!(failure(&none, &session, "GET a").await, FailureKind::Server);
}
