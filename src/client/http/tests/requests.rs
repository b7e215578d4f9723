//! What is sent, and what is made of replies that are in order.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::super::FailureKind;
use super::super::{
    Auth, Base, Body, Client, Connections, Expect, Multipart, Protocol, Session, Settings,
};
use super::servers::{always, answer, echo, ok, read_request, send, serve, within};

#[tokio::test]
async fn a_get_is_what_a_server_expects() {
    let server = echo().await;
    let exchange = server.reply().await;
    let version = env!("CARGO_PKG_VERSION");
    let sent = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: loadrun/{version}\r\nAccept: */*\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n",
        server.address
    );
    assert_eq!(exchange.body, sent);
    assert_eq!((exchange.status, exchange.error), (200, None));
    assert_eq!(exchange.sent, sent.len() as u64);
    assert_eq!(exchange.received, ok(&sent).len() as u64);
    assert_eq!((exchange.connects, exchange.protocol), (1, Protocol::Http11));
}

#[tokio::test]
async fn every_method_is_sent_as_it_is_written() {
    let server = echo().await;
    let client = server.client();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        let exchange = send(&client, client.request(method, "/a?b=c").unwrap()).await;
        assert!(exchange.body.starts_with(format!("{method} /a?b=c HTTP/1.1").as_bytes()));
        let length = String::from_utf8_lossy(&exchange.body).contains("Content-Length: 0\r\n");
        assert_eq!(length, ["POST", "PUT", "PATCH"].contains(&method), "{method}");
    }
}

#[tokio::test]
async fn a_body_is_sent_with_its_type_and_length() {
    let server = echo().await;
    let client = server.client();
    let mut request = client.request("POST", "/").unwrap();
    request.body = Body::json(r#"{"a":1}"#);
    let text = send(&client, request.clone()).await.body;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("Content-Type: application/json\r\nContent-Length: 7\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n{\"a\":1}"));
    request.header("content-type", b"application/vnd.api+json").unwrap();
    let text = send(&client, request).await.body;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("content-type: application/vnd.api+json\r\n"));
    assert!(!text.contains("application/json"), "{text}");
}

#[tokio::test]
async fn a_body_larger_than_any_buffer_arrives_whole() {
    let server = echo().await;
    let client = server.client();
    let mut form = Multipart::new();
    form.file("f", "f.txt", Some("text/plain"), &b"0123456789".repeat(300_000)).unwrap();
    let mut request = client.request("PUT", "/").unwrap();
    request.body = form.build();
    let content = request.body.bytes().clone();
    let exchange = send(&client, request).await;
    assert_eq!(exchange.error, None);
    assert!(exchange.body.ends_with(&content));
    assert_eq!(exchange.sent, exchange.body.len() as u64);
}

#[tokio::test]
async fn a_base_with_a_path_is_put_before_every_path_but_not_before_a_url() {
    let server = echo().await;
    let base = Some(Base::Url(format!("{}/api/v1/", server.url())));
    let client = Client::new(Settings { base, ..Settings::default() }).unwrap();
    let first_line = async |target: &str| {
        let body = within(&client, &Session::default(), target).await.body;
        String::from_utf8_lossy(&body).lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line("/items").await, "GET /api/v1/items HTTP/1.1");
    assert_eq!(first_line("items?a=b").await, "GET /api/v1/items?a=b HTTP/1.1");
    let url = format!("{}/other", server.url());
    assert_eq!(first_line(&url).await, "GET /other HTTP/1.1");
}

#[tokio::test]
async fn a_base_that_a_service_fills_in_is_read_when_it_is_there() {
    let server = echo().await;
    let slot = Arc::new(OnceLock::new());
    let base = Some(Base::Service(Arc::clone(&slot)));
    let client = Client::new(Settings { base, ..Settings::default() }).unwrap();
    let early = within(&client, &Session::default(), "/").await;
    assert_eq!(early.error, Some(FailureKind::Refused));
    assert!(early.detail.unwrap().contains("not running"));
    slot.set(server.url()).unwrap();
    assert_eq!(within(&client, &Session::default(), "/").await.error, None);
    // A proxy to a mere host and port is one of those.
    let slot = Arc::new(OnceLock::from(server.address.to_string()));
    let client =
        Client::new(Settings { base: Some(Base::Service(slot)), ..Settings::default() }).unwrap();
    assert_eq!(within(&client, &Session::default(), "/").await.error, None);
}

#[test]
fn wrong_settings_are_an_error_that_names_them() {
    let fails = |error: &str, change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        let found = Client::new(settings).unwrap_err();
        assert!(found.starts_with(error), "{found:?} does not start with {error:?}");
    };
    for (base, error) in [
        ("localhost:80", "base: malformed address \"localhost:80\""),
        ("ftp://a", "base: malformed address \"ftp://a\""),
        ("http://a/?b", "base: \"http://a/?b\" has a query"),
    ] {
        fails(error, &|settings| {
            settings.base = Some(Base::Url(base.to_owned()));
        });
    }
    fails("redirects: 11; expected 0 to 10", &|settings| {
        settings.redirects = 11;
    });
    fails("connections: 0", &|settings| {
        settings.connections = Connections::Shared(0);
    });
    fails("header X: character 0x0d", &|settings| {
        settings.headers.push(("X".to_owned(), "a\r\nb".to_owned()));
    });
    fails("user name \"a:b\"", &|settings| {
        let (user, password) = ("a:b".to_owned(), String::new());
        settings.auth = Some(Auth::Basic { user, password });
    });
    fails("the bearer token contains", &|settings| {
        settings.auth = Some(Auth::Bearer("a\r\nb".to_owned()));
    });
}

#[test]
fn a_request_that_leads_nowhere_is_an_error_when_it_is_built() {
    let client = Client::new(Settings::default()).unwrap();
    for (target, error) in [
        ("/a", "the client has no base"),
        ("gopher://a", "\"gopher://a\""),
        ("http://", "\"http://\""),
    ] {
        let found = client.request("GET", target).unwrap_err();
        assert!(found.contains(error), "{found:?} does not contain {error:?}");
    }
}

#[tokio::test]
async fn a_header_of_the_request_replaces_the_settings_one() {
    let server = echo().await;
    let headers =
        vec![("X-Team".to_owned(), "a".to_owned()), ("X-Only".to_owned(), "1".to_owned())];
    let auth = Some(Auth::Bearer("t0ken".to_owned()));
    let client = Client::new(Settings { headers, auth, ..server.settings() }).unwrap();
    let mut request = client.request("GET", "/").unwrap();
    for (name, value) in
        [("x-team", "b"), ("X-TEAM", "c"), ("Host", "example.com"), ("accept", "text/html")]
    {
        request.header(name, value.as_bytes()).unwrap();
    }
    let body = send(&client, request).await.body;
    let text = String::from_utf8_lossy(&body);
    let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.is_empty()).collect();
    let agent = concat!("User-Agent: loadrun/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "Host: example.com",
            "X-Only: 1",
            agent,
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Authorization: Bearer t0ken",
            "x-team: b",
            "X-TEAM: c",
            "accept: text/html",
        ]
    );
}

#[tokio::test]
async fn interim_replies_are_skipped() {
    let server = always(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        false,
    )
    .await;
    let exchange = server.reply().await;
    assert_eq!((exchange.status, exchange.body.as_ref()), (200, &b"hi"[..]));
    assert_eq!(exchange.headers.find("link"), None);
}

#[tokio::test]
async fn the_reply_is_waited_for_until_more_than_an_interim_one_has_come() {
    const PAUSE: Duration = Duration::from_millis(30);
    let server = serve(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            let interim = stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
            tokio::time::sleep(PAUSE).await;
            let reply = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            if interim.and(reply).is_err() {
                break;
            }
        }
    })
    .await;
    let exchange = server.reply().await;
    assert_eq!(exchange.error, None);
    assert!(exchange.timing.wait > PAUSE / 2, "{:?}", exchange.timing);
}

#[tokio::test]
async fn replies_without_a_body_leave_the_connection_in_use() {
    let server = answer(|request| {
        let status = if request.contains("/304") { "304 Not Modified" } else { "204 No Content" };
        let head = request.starts_with("HEAD");
        let status = if head { "200 OK" } else { status };
        let length = if head || status.starts_with("304") { "Content-Length: 99\r\n" } else { "" };
        format!("HTTP/1.1 {status}\r\n{length}\r\n")
    })
    .await;
    let (client, session) = (server.client(), Session::default());
    for (method, path, status) in [("HEAD", "/", 200), ("GET", "/304", 304), ("GET", "/", 204)] {
        let exchange = client.send(&session, &mut client.request(method, path).unwrap()).await;
        assert_eq!((exchange.error, exchange.status), (None, status));
        assert!(exchange.body.is_empty());
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_chunked_reply_gives_its_body_and_its_trailers() {
    let server = always(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nX-A: 1\r\n\r\n\
         5;name=\"v;1\"\r\nhello\r\n00006 \r\n world\r\n0\r\nX-Sum: 42\r\nX-B: 2\r\n\r\n",
        false,
    )
    .await;
    let (client, session) = (server.client(), Session::default());
    for _ in 0..2 {
        let exchange = within(&client, &session, "/").await;
        assert_eq!((exchange.error, exchange.body.as_ref()), (None, &b"hello world"[..]));
        assert_eq!(exchange.headers.text("x-sum"), Some("42"));
        assert_eq!(exchange.headers.iter().count(), 4);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn every_content_encoding_line_is_undone_not_only_the_first() {
    let gzip = |plain: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(plain).unwrap();
        packer.finish().unwrap()
    };
    // zlib inside, gzip around it: applied in the order of the lines.
    let mut inner = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    inner.write_all(b"hello").unwrap();
    let packed = gzip(&inner.finish().unwrap());
    for lines in [
        "Content-Encoding: deflate\r\nX-A: 1\r\ncontent-encoding: gzip\r\n",
        "Content-Encoding: deflate, gzip\r\n",
    ] {
        let length = packed.len();
        let head = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {length}\r\n\r\n");
        let exchange = always([head.as_bytes(), &packed].concat(), false).await.reply().await;
        assert_eq!((exchange.error, exchange.body.as_ref()), (None, &b"hello"[..]), "{lines}");
    }
}

#[tokio::test]
async fn a_reply_without_a_length_ends_with_the_connection() {
    let server = always("HTTP/1.1 200 OK\r\nX: 1\r\n\r\nhello", true).await;
    let (client, session) = (server.client(), Session::default());
    for n in 1..3 {
        let exchange = within(&client, &session, "/").await;
        assert_eq!((exchange.error, exchange.body.as_ref()), (None, &b"hello"[..]));
        assert_eq!((exchange.connects, server.accepted()), (1, n));
    }
}

#[tokio::test]
async fn http_1_0_keeps_a_connection_only_when_it_says_so() {
    for (extra, connections) in [("", 2), ("Connection: Keep-Alive\r\n", 1)] {
        let reply = format!("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n{extra}\r\nhi");
        let server = always(reply, false).await;
        let (client, session) = (server.client(), Session::default());
        for _ in 0..2 {
            let exchange = within(&client, &session, "/").await;
            assert_eq!((exchange.error, exchange.protocol), (None, Protocol::Http10));
        }
        assert_eq!(server.accepted(), connections);
    }
}

#[tokio::test]
async fn a_connection_the_target_wants_closed_is_not_used_again() {
    let reply = "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n";
    let server = always(reply, false).await;
    let (client, session) = (server.client(), Session::default());
    within(&client, &session, "/").await;
    within(&client, &session, "/").await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_reply_that_comes_byte_by_byte_is_the_same() {
    let reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n\
                 Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-B: 2\r\n\r\n";
    let server = serve(move |mut stream, _| async move {
        stream.set_nodelay(true).unwrap();
        while read_request(&mut stream).await.is_some() {
            for byte in reply.bytes() {
                stream.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let (client, session) = (server.client(), Session::default());
    for connects in [1, 0] {
        let exchange = within(&client, &session, "/").await;
        assert_eq!((exchange.error, exchange.body.as_ref()), (None, &b"hello"[..]));
        assert_eq!(exchange.headers.text("x-b"), Some("2"));
        assert_eq!((exchange.connects, exchange.received), (connects, reply.len() as u64));
    }
}

#[tokio::test]
async fn connections_are_kept_per_user_shared_or_never() {
    for (connections, accepted, closes) in [
        (Connections::User, 2, false),
        (Connections::Shared(1), 1, false),
        (Connections::New, 4, true),
    ] {
        let server = echo().await;
        let client = Client::new(Settings { connections, ..server.settings() }).unwrap();
        let users = [Session::default(), Session::default()];
        for user in [&users[0], &users[1], &users[0], &users[1]] {
            let exchange = within(&client, user, "/").await;
            let text = String::from_utf8_lossy(&exchange.body);
            assert_eq!(text.contains("Connection: close\r\n"), closes);
        }
        assert_eq!(server.accepted(), accepted, "{connections:?}");
    }
}

#[tokio::test]
async fn requests_of_one_user_at_once_have_a_connection_each() {
    let server = echo().await;
    let (client, session) = (server.client(), Session::default());
    let both =
        || async { tokio::join!(within(&client, &session, "/a"), within(&client, &session, "/b")) };
    let (a, b) = both().await;
    assert!(a.body.starts_with(b"GET /a") && b.body.starts_with(b"GET /b"));
    let (a, b) = both().await;
    assert_eq!((a.connects, b.connects, server.accepted()), (0, 0, 2));
}

#[tokio::test]
async fn waiting_for_a_shared_connection_is_blocked_time() {
    let server = serve(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            tokio::time::sleep(Duration::from_millis(30)).await;
            stream.write_all(ok("x").as_bytes()).await.unwrap();
        }
    })
    .await;
    let connections = Connections::Shared(2);
    let client = Client::new(Settings { connections, ..server.settings() }).unwrap();
    let users: Vec<Session> = (0..6).map(|_| Session::default()).collect();
    let get = |n: usize| within(&client, &users[n], "/");
    let (first, second, third, fourth, fifth, sixth) =
        tokio::join!(get(0), get(1), get(2), get(3), get(4), get(5));
    for waited in [third, fourth, fifth, sixth] {
        assert!(waited.timing.blocked > first.timing.blocked.max(second.timing.blocked));
        assert!(waited.timing.blocked >= Duration::from_millis(20), "{:?}", waited.timing);
        assert_eq!(waited.connects, 0);
    }
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn cookies_come_back_to_the_paths_they_are_for() {
    let server = answer(|request| {
        let set = if request.starts_with("GET /login ") {
            "Set-Cookie: id=7; Path=/\r\nSet-Cookie: deep=1; Path=/a/b\r\n\
             Set-Cookie: foreign=1; Domain=example.com\r\nSet-Cookie: gone=1; Max-Age=0\r\n"
        } else {
            ""
        };
        let cookie = request.lines().find(|line| line.starts_with("Cookie")).unwrap_or("none");
        format!("HTTP/1.1 200 OK\r\n{set}Content-Length: {}\r\n\r\n{cookie}", cookie.len())
    })
    .await;
    let (client, session) = (server.client(), Session::default());
    for (path, sent) in [
        ("/", "none"),
        ("/login", "none"),
        ("/", "Cookie: id=7"),
        ("/a/b/c", "Cookie: deep=1; id=7"),
    ] {
        assert_eq!(within(&client, &session, path).await.body, sent, "{path}");
    }
    let mut request = client.request("GET", "/").unwrap();
    request.header("Cookie", b"own=1").unwrap();
    assert_eq!(client.send(&session, &mut request).await.body, "Cookie: own=1");
    assert_eq!(within(&client, &Session::default(), "/").await.body, "none");
    let without = Client::new(Settings { cookies: false, ..server.settings() }).unwrap();
    assert_eq!(within(&without, &session, "/").await.body, "none");
}

#[tokio::test]
async fn redirects_are_followed_with_cookies_and_counted() {
    let server = answer(|request| {
        if request.starts_with("POST /form") {
            "HTTP/1.1 303 See Other\r\nLocation: done?x=1\r\nSet-Cookie: s=1\r\nContent-Length: 3\r\n\r\nbye"
                .to_owned()
        } else {
            ok(request)
        }
    })
    .await;
    let client = server.client();
    let mut request = client.request("POST", "/form").unwrap();
    request.body = Body::form("a=b");
    let exchange = send(&client, request.clone()).await;
    let text = String::from_utf8_lossy(&exchange.body);
    assert!(text.starts_with("GET /done?x=1 HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("Cookie: s=1\r\n") && !text.contains("Content-Type"));
    assert_eq!((exchange.redirects, exchange.connects, exchange.status), (1, 1, 200));
    request.redirects = Some(0);
    let exchange = send(&client, request).await;
    assert_eq!((exchange.redirects, exchange.status, exchange.error), (0, 303, None));
    assert_eq!(exchange.body, "bye");
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let other = echo().await;
    let there = format!("{}/there", other.url());
    let server = answer(move |request| {
        if request.starts_with("GET /home") {
            return ok(request);
        }
        let to = if request.starts_with("GET /away") { there.as_str() } else { "/home" };
        format!("HTTP/1.1 307 Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let auth = Some(Auth::Basic { user: "u".to_owned(), password: "p".to_owned() });
    let client = Client::new(Settings { auth, ..server.settings() }).unwrap();
    for (path, kept) in [("/away", false), ("/near", true)] {
        let mut request = client.request("GET", path).unwrap();
        request.header("Cookie", b"own=1").unwrap();
        request.header("X-Kept", b"1").unwrap();
        let text = send(&client, request).await.body;
        let text = String::from_utf8_lossy(&text);
        assert_eq!(text.contains("Authorization: Basic"), kept, "{text}");
        assert_eq!(text.contains("Cookie: own=1"), kept, "{text}");
        assert!(text.contains("X-Kept: 1"), "{text}");
    }
}

#[tokio::test]
async fn the_request_says_which_statuses_it_expects() {
    let server = always("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false).await;
    let expect = Expect::status(404);
    let client = Client::new(Settings { expect, ..server.settings() }).unwrap();
    let mut request = client.request("GET", "/").unwrap();
    assert_eq!(send(&client, request.clone()).await.error, None);
    request.expect = Some(Expect::parse("2xx").unwrap());
    let exchange = send(&client, request).await;
    assert_eq!(exchange.detail.as_deref(), Some("status 404, expected 200-299"));
}

#[tokio::test]
async fn an_idle_session_is_small() {
    let (session, line) = (size_of::<Session>(), size_of::<(u64, super::super::idle::Line)>());
    assert!(session <= 96 && line <= 56, "{session}, {line}");
    let client = Client::new(Settings::default()).unwrap();
    let session = Session::default();
    let mut request = client.request("GET", "http://a/").unwrap();
    let sending = size_of_val(&client.send(&session, &mut request));
    assert!(sending <= 1_200, "{sending}");
}
