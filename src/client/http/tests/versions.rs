//! HTTP/2, against a server built from its frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request as Message, Response};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Barrier;

use super::super::FailureKind;
use super::super::{Body, Client, Connections, Protocol, Session, Settings, Version};
use super::servers::{Server, always, read_request, send, serve, within};

/// Answers every request on a connection by what its path asks for.
pub(super) async fn answer_h2(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((message, respond))) = connection.accept().await {
        tokio::spawn(answer_one(message, respond));
    }
}

/// Answers one request by what its path asks for.
pub(super) async fn answer_one(message: Message<RecvStream>, mut respond: SendResponse<Bytes>) {
    let path = message.uri().path().to_owned();
    if path == "/refuse" {
        return respond.send_reset(Reason::REFUSED_STREAM);
    }
    let (head, mut body) = message.into_parts();
    let mut length = 0;
    while let Some(Ok(data)) = body.data().await {
        length += data.len();
        let _ = body.flow_control().release_capacity(data.len());
    }
    let mut said = format!("{} {} {length}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        said.extend([name.as_str(), ": ", &value, "\n"]);
    }
    let status = if path == "/busy" { 503 } else { 200 };
    let reply = Response::builder().status(status).header("x-a", "1").header("set-cookie", "s=1");
    let mut stream = respond.send_response(reply.body(()).unwrap(), false).unwrap();
    match path.as_str() {
        "/half" => {
            let _ = stream.send_data("half".into(), false);
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        "/long" => {
            let _ = stream.send_data(Bytes::from(vec![0; 50_000]), true);
        }
        _ => {
            let _ = stream.send_data(said.into(), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "42".parse().unwrap());
            let _ = stream.send_trailers(trailers);
        }
    }
}

async fn h2_server() -> Server {
    serve(|stream, _| answer_h2(stream)).await
}

fn client(server: &Server, connections: Connections) -> std::rc::Rc<Client> {
    let mut settings = server.settings();
    settings.version = Version::H2PriorKnowledge;
    settings.connections = connections;
    Client::new(settings).unwrap()
}

#[tokio::test]
async fn http_2_by_prior_knowledge_gives_body_headers_and_trailers() {
    let server = h2_server().await;
    let (client, session) = (client(&server, Connections::User), Session::default());
    let mut request = client.request("POST", "/a?b=c").unwrap();
    request.body = Body::json(vec![b' '; 100_000]);
    request.header("X-Own", b"7").unwrap();
    request.header("Connection", b"keep-alive").unwrap();
    let exchange = client.send(&session, &mut request).await;
    assert_eq!((exchange.error, exchange.protocol), (None, Protocol::Http2), "{exchange:?}");
    let text = String::from_utf8_lossy(&exchange.body);
    assert!(text.starts_with(&format!("POST {}/a?b=c 100000\n", server.url())), "{text}");
    assert!(text.contains("x-own: 7\n") && text.contains("content-type: application/json\n"));
    assert!(!text.contains("host:") && !text.contains("connection:"), "{text}");
    assert_eq!(exchange.headers.text("X-A"), Some("1"));
    assert_eq!(exchange.headers.text("x-sum"), Some("42"));
    assert!(exchange.sent > 100_000 && exchange.received > 0);
    let exchange = within(&client, &session, "/").await;
    let text = String::from_utf8_lossy(&exchange.body);
    assert!(text.contains("cookie: s=1"), "{text}");
    assert_eq!((exchange.connects, server.accepted()), (0, 1));
}

#[tokio::test]
async fn failures_over_http_2_have_the_same_kinds() {
    let server = h2_server().await;
    let settings =
        Settings { version: Version::H2PriorKnowledge, body_limit: 40_000, ..server.settings() };
    let client = Client::new(settings).unwrap();
    let session = Session::default();
    for (path, kind, status) in [
        ("/busy", FailureKind::Status, Some(503)),
        ("/refuse", FailureKind::Reset, Some(0)),
        // Its head may be overtaken by the reset.
        ("/half", FailureKind::Reset, None),
        ("/long", FailureKind::TooLarge, Some(200)),
    ] {
        let exchange = within(&client, &session, path).await;
        assert_eq!(exchange.error, Some(kind), "{exchange:?}");
        assert!(status.is_none_or(|status| status == exchange.status), "{exchange:?}");
        assert!(!exchange.duration.is_zero() && exchange.detail.is_some());
    }
    assert_eq!(within(&client, &session, "/").await.error, None);
    assert_eq!(server.accepted(), 1, "one bad request does not cost the connection");
}

#[tokio::test]
async fn a_target_that_does_not_speak_http_2_is_a_protocol_failure() {
    let server = always("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false).await;
    let exchange =
        send(&client(&server, Connections::User), super::super::Request::new("GET", "/").unwrap())
            .await;
    assert_eq!(exchange.error, Some(FailureKind::Protocol), "{exchange:?}");
    assert!(exchange.detail.unwrap().starts_with("HTTP/2: "));
}

#[tokio::test]
async fn a_target_that_hangs_up_on_http_2_is_a_reset() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let client = client(&server, Connections::User);
    let exchange = within(&client, &Session::default(), "/").await;
    assert_eq!(exchange.error, Some(FailureKind::Reset), "{exchange:?}");
}

#[tokio::test]
async fn http_2_without_an_answer_runs_into_the_time_limit() {
    let server = serve(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let client = client(&server, Connections::User);
    let mut request = client.request("GET", "/").unwrap();
    request.timeout = Some(Duration::from_millis(50));
    let exchange = send(&client, request).await;
    assert_eq!(exchange.error, Some(FailureKind::Timeout));
}

#[tokio::test]
async fn an_http_2_connection_closed_while_idle_is_replaced() {
    // Each connection answers one request and is then gone.
    let server = serve(|stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (message, respond) = connection.accept().await.unwrap().unwrap();
        let answering = tokio::spawn(answer_one(message, respond));
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
        answering.await.unwrap();
    })
    .await;
    let (client, session) = (client(&server, Connections::User), Session::default());
    for _ in 0..3 {
        assert_eq!(within(&client, &session, "/").await.error, None);
    }
    assert!(server.accepted() >= 2);
}

#[tokio::test]
async fn users_share_http_2_connections_and_are_on_them_at_once() {
    let (all_there, served) = (Arc::new(Barrier::new(6)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&served);
    let server = serve(move |stream, _| {
        let (all_there, count) = (Arc::clone(&all_there), Arc::clone(&count));
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((message, respond))) = connection.accept().await {
                let (all_there, count) = (Arc::clone(&all_there), Arc::clone(&count));
                tokio::spawn(async move {
                    // Nobody is answered before six requests are there at the same time.
                    all_there.wait().await;
                    count.fetch_add(1, Ordering::SeqCst);
                    answer_one(message, respond).await;
                });
            }
        }
    })
    .await;
    let client = client(&server, Connections::Shared(2));
    let users: Vec<Session> = (0..6).map(|_| Session::default()).collect();
    for connects in [2, 0] {
        let get = |n: usize| within(&client, &users[n], "/");
        let (first, second, third, fourth, fifth, sixth) =
            tokio::join!(get(0), get(1), get(2), get(3), get(4), get(5));
        let all = [first, second, third, fourth, fifth, sixth];
        assert!(all.iter().all(|exchange| exchange.error.is_none()), "{all:?}");
        assert_eq!(all.iter().map(|exchange| exchange.connects).sum::<u32>(), connects);
    }
    assert_eq!((server.accepted(), served.load(Ordering::SeqCst)), (2, 12));
}
