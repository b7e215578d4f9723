//! Every way a target can misbehave is a counted failure of the right kind, with a real duration.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::super::FailureKind::{self, Dns, Protocol, Refused, Reset, Status, Timeout, TooLarge};
use super::super::{Base, Client, Exchange, Session, Settings};
use super::servers::{always, answer, ok, read_request, reset, send, serve, within};

#[track_caller]
fn assert_failed(exchange: &Exchange, kind: FailureKind, detail: &str) {
    assert_eq!(exchange.error, Some(kind), "{exchange:?}");
    let found = exchange.detail.as_deref().unwrap_or_default();
    assert!(found.contains(detail), "{found:?} does not contain {detail:?}");
    assert!(exchange.duration > Duration::ZERO, "a failure must have a real duration");
    let timing = exchange.timing;
    let parts = timing.blocked + timing.dns + timing.connect + timing.tls;
    let parts = parts + timing.send + timing.wait + timing.receive;
    assert_eq!(parts, exchange.duration, "the parts must add up");
}

async fn reply_of(bytes: impl Into<Vec<u8>>) -> Exchange {
    always(bytes, true).await.reply().await
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_with_a_real_duration() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client =
        Client::new(Settings { base: Some(Base::Url(base)), ..Settings::default() }).unwrap();
    let exchange = within(&client, &Session::default(), "/").await;
    assert_failed(&exchange, Refused, "refused the connection");
    assert_eq!((exchange.status, exchange.connects), (0, 1));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_dns_failure() {
    let client = Client::new(Settings::default()).unwrap();
    let exchange = within(&client, &Session::default(), "http://no-such-host.invalid/").await;
    assert_failed(&exchange, Dns, "cannot resolve no-such-host.invalid: ");
    assert!(exchange.timing.dns > Duration::ZERO);
}

#[tokio::test]
async fn a_target_that_never_answers_runs_into_the_time_limit() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let client = server.client();
    let mut request = client.request("GET", "/").unwrap();
    request.timeout = Some(Duration::from_millis(50));
    let exchange = send(&client, request).await;
    assert_failed(&exchange, Timeout, "not done within 50ms: waiting for the reply");
    assert!(exchange.duration >= Duration::from_millis(50));
    assert_eq!(exchange.connects, 1);
}

#[tokio::test]
async fn a_body_that_stalls_runs_into_the_time_limit_with_its_status_known() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client = server.client();
    let mut request = client.request("GET", "/").unwrap();
    request.timeout = Some(Duration::from_millis(200));
    let exchange = send(&client, request).await;
    assert_failed(&exchange, Timeout, "receiving the reply");
    assert_eq!(exchange.status, 200);
    assert_eq!(exchange.received, 41);
}

#[tokio::test]
async fn a_connection_closed_before_a_reply_is_a_reset() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
    })
    .await;
    assert_failed(&server.reply().await, Reset, "closed before a reply");
    assert_eq!(server.accepted(), 1, "a fresh connection is not tried twice");
}

#[tokio::test]
async fn a_connection_reset_by_the_target_is_a_reset() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
        reset(stream);
    })
    .await;
    assert_failed(&server.reply().await, Reset, "reset by the target");
}

#[tokio::test]
async fn a_connection_reset_as_soon_as_it_is_accepted_is_a_reset() {
    let server = serve(|stream, _| async move { reset(stream) }).await;
    let exchange = server.reply().await;
    assert_failed(&exchange, Reset, "");
}

#[tokio::test]
async fn half_a_head_is_a_reset() {
    let exchange = reply_of("HTTP/1.1 200 OK\r\nContent-Le").await;
    assert_failed(&exchange, Reset, "within the reply's head");
    assert_eq!(exchange.status, 0);
}

#[tokio::test]
async fn half_a_body_is_a_reset_that_says_how_much_came() {
    let exchange = reply_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    assert_failed(&exchange, Reset, "after 5 of 10 bytes");
    assert_eq!((exchange.status, exchange.body.len()), (200, 0));
}

#[tokio::test]
async fn half_a_chunked_body_is_a_reset() {
    let exchange =
        reply_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    assert_failed(&exchange, Reset, "within the body, after 5 bytes");
}

#[tokio::test]
async fn garbage_is_a_protocol_failure() {
    for garbage in [
        &b"\x16\x03\x01\x00\xa5\x01\x00"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>hello</html>",
        b"HTTP/3.7 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name : x\r\n\r\n",
        b"HTTP/1.1 042 What\r\n\r\n",
    ] {
        assert_failed(&reply_of(garbage).await, Protocol, "the reply");
    }
}

#[tokio::test]
async fn an_endless_header_is_a_protocol_failure() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ").await;
        while stream.write_all(&[b'a'; 1000]).await.is_ok() {}
    })
    .await;
    assert_failed(&server.reply().await, Protocol, "longer than 64 KiB");
}

#[tokio::test]
async fn endless_interim_replies_are_a_protocol_failure() {
    let server = serve(|mut stream, _| async move {
        read_request(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.is_ok() {}
    })
    .await;
    assert_failed(&server.reply().await, Protocol, "longer than 64 KiB");
}

#[tokio::test]
async fn more_than_256_header_fields_are_a_protocol_failure_and_200_are_not() {
    let reply = |count: usize| {
        let mut reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_owned();
        reply.extend((1..count).map(|n| format!("X-{n}: {n}\r\n")));
        reply + "\r\n"
    };
    let exchange = reply_of(reply(200)).await;
    assert_eq!((exchange.error, exchange.headers.iter().count()), (None, 200));
    assert_failed(&reply_of(reply(257)).await, Protocol, "more than 256 header fields");
}

#[tokio::test]
async fn a_bad_chunk_size_is_a_protocol_failure() {
    for (size, detail) in [
        ("xyz\r\n", "bad chunk size: unexpected 'x'"),
        ("-5\r\n", "bad chunk size: unexpected '-'"),
        ("\r\n", "bad chunk size"),
        ("5\nhello", "bad chunk size"),
        ("5;a=b\nhello", "bad chunk extension"),
        ("fffffffffffffffff\r\n", "beyond 64 bits"),
        ("5\r\nhelloworld", "bad chunk end"),
        ("5\rhello", "bad line end"),
        ("0\r\nno colon\r\n\r\n", "malformed trailers"),
    ] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_failed(&reply_of(format!("{head}{size}")).await, Protocol, detail);
    }
}

#[tokio::test]
async fn endless_chunk_extensions_and_trailers_are_a_protocol_failure() {
    for begin in ["5;", "0\r\nX: "] {
        let server = serve(move |mut stream, _| async move {
            read_request(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(format!("{head}{begin}").as_bytes()).await;
            while stream.write_all(&[b'a'; 1000]).await.is_ok() {}
        })
        .await;
        assert_failed(&server.reply().await, Protocol, "longer than 64 KiB");
    }
}

#[tokio::test]
async fn both_lengths_at_once_are_a_protocol_failure() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n\r\n";
    assert_failed(&reply_of(reply).await, Protocol, "both Content-Length and Transfer-Encoding");
}

#[tokio::test]
async fn two_different_content_lengths_are_a_protocol_failure_and_two_equal_ones_are_not() {
    let reply = |a: &str, b: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {a}\r\nContent-Length: {b}\r\n\r\nhello")
    };
    assert_failed(&reply_of(reply("5", "6")).await, Protocol, "two different Content-Lengths");
    assert_failed(&reply_of(reply("5", "5, 6")).await, Protocol, "two different Content-Lengths");
    assert_eq!(reply_of(reply("5", "5")).await.error, None);
}

#[tokio::test]
async fn a_malformed_content_length_is_a_protocol_failure() {
    for length in ["", "-1", "+5", "0x5", "5 5", "99999999999999999999"] {
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello");
        assert_failed(&reply_of(reply).await, Protocol, "malformed Content-Length");
    }
}

#[tokio::test]
async fn a_transfer_coding_we_do_not_speak_is_a_protocol_failure() {
    for coding in ["gzip, chunked", "chunked, chunked", "gzip", "identity"] {
        let reply = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        assert_failed(&reply_of(reply).await, Protocol, "Transfer-Encoding");
    }
}

#[tokio::test]
async fn a_switch_to_another_protocol_is_a_protocol_failure() {
    let reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    assert_failed(&reply_of(reply).await, Protocol, "status 101");
}

#[tokio::test]
async fn bytes_after_the_reply_are_a_protocol_failure() {
    let exchange = reply_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello").await;
    assert_failed(&exchange, Protocol, "2 bytes after the end of the reply");
    assert_eq!(exchange.status, 200);
    assert_failed(&reply_of("HTTP/1.1 204 None\r\n\r\nbody").await, Protocol, "4 bytes after");
}

#[tokio::test]
async fn unsolicited_bytes_on_an_idle_connection_end_its_use() {
    // The first connection answers once, and when told to says something nobody asked for.
    let speak = Arc::new(Notify::new());
    let told = Arc::clone(&speak);
    let server = serve(move |mut stream, number| {
        let told = Arc::clone(&told);
        async move {
            read_request(&mut stream).await;
            stream.write_all(ok(&number.to_string()).as_bytes()).await.unwrap();
            if number == 0 {
                told.notified().await;
                stream.write_all(b"HTTP/1.1 408 Late\r\n\r\n").await.unwrap();
                told.notify_one();
            }
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (client, session) = (server.client(), Session::default());
    assert_eq!(within(&client, &session, "/").await.body, "0");
    speak.notify_one();
    while server.accepted() == 1 {
        // The server's word is given back when the bytes are in the client's socket; the runtime
        // hears of them when it next looks, which a yield makes it do.
        speak.notified().await;
        tokio::time::sleep(Duration::ZERO).await;
        let exchange = within(&client, &session, "/").await;
        assert_eq!((exchange.error, exchange.body.as_ref()), (None, &b"1"[..]));
        assert_eq!(exchange.connects, 1);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large_however_it_is_sent() {
    for reply in [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello world",
    ] {
        let server = always(reply, true).await;
        let client = Client::new(Settings { body_limit: 10, ..server.settings() }).unwrap();
        let exchange = within(&client, &Session::default(), "/").await;
        assert_failed(&exchange, TooLarge, "over the limit of 10 B");
        assert_eq!(exchange.status, 200);
        let client = Client::new(Settings { body_limit: 11, ..server.settings() }).unwrap();
        let exchange = within(&client, &Session::default(), "/").await;
        assert_eq!(exchange.error.is_none(), !reply.contains("99") && !reply.contains("ff"));
    }
}

#[tokio::test]
async fn a_body_that_unpacks_beyond_the_limit_is_too_large() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&vec![0; 1 << 20]).unwrap();
    let packed = packer.finish().unwrap();
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    )
    .into_bytes();
    reply.extend(packed);
    let server = always(reply, false).await;
    let client = Client::new(Settings { body_limit: 1 << 19, ..server.settings() }).unwrap();
    let exchange = within(&client, &Session::default(), "/").await;
    assert_failed(&exchange, TooLarge, "over the limit");
    let unpacked = server.reply().await;
    assert_eq!((unpacked.error, unpacked.body.len()), (None, 1 << 20));
    assert!(unpacked.received < 5_000);
}

#[tokio::test]
async fn a_body_that_is_not_gzip_as_it_says_is_a_protocol_failure() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";
    assert_failed(&reply_of(reply).await, Protocol, "not valid gzip");
}

#[tokio::test]
async fn an_unexpected_status_is_a_failure_with_its_reply() {
    let reply = "HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nbusy";
    let exchange = reply_of(reply).await;
    assert_failed(&exchange, Status, "status 503, expected below 400");
    assert_eq!((exchange.status, exchange.body.as_ref()), (503, &b"busy"[..]));
    assert_eq!(exchange.headers.text("retry-after"), Some("2"));
}

#[tokio::test]
async fn endless_redirects_are_a_protocol_failure() {
    let server = answer(|_| {
        "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n".to_owned()
    })
    .await;
    let exchange = server.reply().await;
    assert_failed(&exchange, Protocol, "more than 10 redirects, the last to /again");
    assert_eq!((exchange.redirects, exchange.status, server.accepted()), (10, 302, 1));
}

#[tokio::test]
async fn a_target_that_does_not_read_a_large_body_runs_into_the_time_limit() {
    let server = serve(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let client = server.client();
    let mut request = client.request("POST", "/").unwrap();
    request.body = super::super::Body::json(vec![b' '; 32 << 20]);
    request.timeout = Some(Duration::from_millis(300));
    let exchange = send(&client, request).await;
    assert_failed(&exchange, Timeout, "sending the request");
    assert!(exchange.sent > 0 && exchange.sent < 32 << 20);
}

#[tokio::test]
async fn a_target_that_answers_before_it_has_read_the_body_is_heard() {
    let server = serve(|mut stream, _| async move {
        let mut first = [0; 10];
        stream.read_exact(&mut first).await.unwrap();
        let reply = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
        stream.write_all(reply).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client = server.client();
    let mut request = client.request("POST", "/").unwrap();
    request.body = super::super::Body::json(vec![b' '; 32 << 20]);
    let exchange = send(&client, request).await;
    assert_failed(&exchange, Status, "status 413");
    assert_eq!(exchange.body, "big");
}
