//! Connecting, and each way it does not come to it.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{
    Alpn, ConnectError, ConnectFailure, Connected, Connector, Step, Stream, TlsSettings, Trust,
    trust,
};

const LIMIT: Duration = Duration::from_secs(10);

/// Connects, and says which steps were begun.
async fn connect(
    host: &str,
    port: u16,
    alpn: Option<Alpn>,
    limit: Duration,
) -> (Vec<Step>, Result<Connected, ConnectError>) {
    let connector =
        Connector::new(&TlsSettings { insecure: true, ..TlsSettings::default() }).unwrap();
    let mut steps = Vec::new();
    let connected =
        connector.connect(host, port, alpn, limit, None, &mut |step| steps.push(step)).await;
    (steps, connected)
}

#[tokio::test]
async fn an_address_is_connected_to_without_a_lookup() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (steps, connected) = connect("127.0.0.1", port, None, LIMIT).await;
    assert_eq!(steps, [Step::Connect]);
    let (mut there, _) = listener.accept().await.unwrap();
    let mut here = connected.unwrap().stream;
    here.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    there.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

/// A connection, both ends. The other end is not the runtime's.
async fn pair() -> (Stream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_, connected) = connect("127.0.0.1", port, None, LIMIT).await;
    (connected.unwrap().stream, listener.accept().unwrap().0)
}

#[tokio::test]
async fn a_close_or_a_stray_byte_is_noticed_before_the_runtime_has_heard_of_it() {
    for stray in [false, true] {
        let trust = Trust::default();
        let (mut here, mut there) = pair().await;
        assert!(here.is_quiet(&trust).await);
        // From here on nothing waits, so the runtime has no chance to look.
        if stray {
            std::io::Write::write_all(&mut there, b"x").unwrap();
        } else {
            drop(there);
        }
        assert!(!here.is_quiet(&trust).await);
    }
}

#[tokio::test]
async fn a_trusted_peer_is_asked_about_one_connection_in_so_many_until_one_is_found_closed() {
    let trust = Trust::default();
    let (mut open, _there) = pair().await;
    for _ in 0..trust::TRUSTED {
        assert!(open.is_quiet(&trust).await);
    }
    let (mut closed, there) = pair().await;
    drop(there);
    // Nothing waits between these either.
    let believed = (0..2 * trust::SAMPLE).map(|_| closed.is_quiet(&trust).now_or_never());
    let believed = believed.take_while(|quiet| *quiet == Some(true)).count();
    assert!((1..trust::SAMPLE as usize).contains(&believed), "{believed}");
    assert!(!closed.is_quiet(&trust).await, "it is asked about each again");
}

#[tokio::test]
async fn a_close_the_runtime_has_heard_of_is_noticed_without_asking() {
    let trust = Trust::default();
    let (mut here, there) = pair().await;
    for _ in 0..=trust::TRUSTED {
        assert!(here.is_quiet(&trust).await);
    }
    drop(there);
    let Stream::Plain(tcp) = &here else { panic!("no TLS was asked for") };
    tcp.readable().await.unwrap();
    assert!(!here.is_quiet(&trust).await);
}

#[tokio::test]
async fn every_address_of_a_name_is_tried_until_one_answers() {
    // Where localhost is an IPv6 address as well, nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (steps, connected) = connect("localhost", port, None, LIMIT).await;
    assert_eq!(steps, [Step::Dns, Step::Connect]);
    assert!(connected.is_ok(), "{connected:?}");
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_many_that_ask_at_once_and_again_after_a_failure() {
    let resolver = super::resolve::Resolver::default();
    let (one, two) = tokio::join!(resolver.resolve("localhost"), resolver.resolve("localhost"));
    assert!(std::rc::Rc::ptr_eq(&one.unwrap(), &two.unwrap()));
    for _ in 0..2 {
        assert!(resolver.resolve("no-such-host.invalid").await.is_err());
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (_, connected) = connect("127.0.0.1", address.port(), None, LIMIT).await;
    let error = connected.unwrap_err();
    assert_eq!(error.failure, ConnectFailure::Refused);
    assert_eq!(error.to_string(), format!("{address} refused the connection"));
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_runs_into_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limit = Duration::from_millis(50);
    let (steps, connected) = connect("127.0.0.1", port, Some(Alpn::Either), limit).await;
    assert_eq!(steps, [Step::Connect, Step::Tls]);
    let error = connected.unwrap_err();
    assert_eq!(error.failure, ConnectFailure::Timeout);
    assert_eq!(error.detail, format!("no connection to 127.0.0.1:{port} within 50ms"));
}
