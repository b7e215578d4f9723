//! Kept connections that break: before a request is sent another one takes their place, and after
//! that it is the target's failure, never a second try.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::super::FailureKind::Reset;
use super::super::{Body, Client, Connections, Exchange, Session, Version};
use super::servers::{Server, ok, read_request, reset, serve, within};
use super::versions::answer_one;

const UNANSWERED: &str = "the target closed the kept-alive connection without answering";

async fn post(client: &Client, session: &Session) -> Exchange {
    let mut request = client.request("POST", "/").unwrap();
    request.body = Body::json("{}");
    client.send(session, &mut request).await
}

/// Answers the first request of each connection, and ends the connection as told at the second.
/// Counts requests that arrived.
async fn hangs_up_at_the_second(by_reset: bool) -> (Server, Arc<AtomicUsize>) {
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    let server = serve(move |mut stream, _| {
        let count = Arc::clone(&count);
        async move {
            read_request(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(ok("done").as_bytes()).await.unwrap();
            if read_request(&mut stream).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
            if by_reset {
                reset(stream);
            }
        }
    })
    .await;
    (server, arrived)
}

#[tokio::test]
async fn a_target_that_handles_each_post_and_resets_every_second_one_fails_half_of_them() {
    for by_reset in [true, false] {
        for connections in [Connections::User, Connections::Shared(2)] {
            let (server, arrived) = hangs_up_at_the_second(by_reset).await;
            let mut settings = server.settings();
            settings.connections = connections;
            let (client, session) = (Client::new(settings).unwrap(), Session::default());
            for n in 0..6 {
                let exchange = post(&client, &session).await;
                let failed = (n % 2 == 1).then_some(Reset);
                assert_eq!(
                    (exchange.error, exchange.connects),
                    (failed, 1 - n % 2),
                    "{exchange:?}"
                );
                let detail = failed.map(|_| UNANSWERED);
                assert_eq!(exchange.detail.as_deref(), detail);
            }
            assert_eq!((arrived.load(Ordering::SeqCst), server.accepted()), (6, 3));
        }
    }
}

#[tokio::test]
async fn a_connection_the_target_closed_while_idle_is_replaced_before_anything_is_sent() {
    for by_reset in [true, false] {
        // Each connection answers two requests at once, and is closed when the test says so.
        let (close, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, tell) = (Arc::clone(&close), Arc::clone(&closed));
        let arrived = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&arrived);
        let server = serve(move |mut stream, _| {
            let (told, tell, count) = (Arc::clone(&told), Arc::clone(&tell), Arc::clone(&count));
            async move {
                read_request(&mut stream).await;
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(ok("done").as_bytes()).await.unwrap();
                told.notified().await;
                if by_reset {
                    reset(stream);
                } else {
                    drop(stream);
                }
                tell.notify_one();
            }
        })
        .await;
        let (client, session) = (server.client(), Session::default());
        // Two connections are kept, and both are closed.
        let (a, b) = tokio::join!(post(&client, &session), post(&client, &session));
        assert_eq!((a.error, b.error), (None, None));
        for _ in 0..2 {
            close.notify_one();
            closed.notified().await;
        }
        let exchange = post(&client, &session).await;
        assert_eq!((exchange.error, exchange.connects), (None, 1), "{exchange:?}");
        assert_eq!(exchange.sent, a.sent, "nothing was sent on a closed connection");
        assert_eq!((arrived.load(Ordering::SeqCst), server.accepted()), (3, 3));
    }
}

#[tokio::test]
async fn a_fresh_connection_that_fails_after_a_stale_one_is_not_tried_a_third_time() {
    let closed = Arc::new(Notify::new());
    let tell = Arc::clone(&closed);
    let server = serve(move |mut stream, number| {
        let tell = Arc::clone(&tell);
        async move {
            read_request(&mut stream).await;
            if number == 0 {
                stream.write_all(ok("first").as_bytes()).await.unwrap();
                drop(stream);
                tell.notify_one();
            }
        }
    })
    .await;
    let (client, session) = (server.client(), Session::default());
    within(&client, &session, "/").await;
    closed.notified().await;
    let exchange = within(&client, &session, "/").await;
    assert_eq!(exchange.error, Some(Reset));
    assert_eq!(exchange.detail.as_deref(), Some("the connection was closed before a reply"));
    assert_eq!((exchange.connects, server.accepted()), (1, 2));
}

#[tokio::test]
async fn a_post_that_http_2_lost_with_its_connection_is_not_sent_again() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    // Each connection answers its first request, and ends without a word at the second.
    let server = serve(move |stream, _| {
        let count = Arc::clone(&count);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut answering = None;
            while let Some(Ok((message, respond))) = connection.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                if answering.is_some() {
                    return;
                }
                answering = Some(tokio::spawn(answer_one(message, respond)));
            }
        }
    })
    .await;
    let mut settings = server.settings();
    settings.version = Version::H2PriorKnowledge;
    let (client, session) = (Client::new(settings).unwrap(), Session::default());
    for n in 0..4 {
        let exchange = post(&client, &session).await;
        let failed = (n % 2 == 1).then_some(Reset);
        assert_eq!((exchange.error, exchange.connects), (failed, 1 - n % 2), "{exchange:?}");
        assert_eq!(exchange.detail.as_deref(), failed.map(|_| UNANSWERED));
    }
    assert_eq!((arrived.load(Ordering::SeqCst), server.accepted()), (4, 2));
}
