//! Each kind of failure, provoked for real wherever a real server can be brought to it.

use super::*;

#[tokio::test]
async fn what_a_server_refuses_has_the_kind_of_its_reason() {
    let server = Server::start(&["--maxmemory", "1mb", "--busy-reply-threshold", "20"]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    value(&client, &session, "LPUSH list x").await;
    for (words, kind) in [
        ("GET list", FailureKind::WrongType),
        ("EVALSHA ffffffffffffffffffffffffffffffffffffffff 0", FailureKind::NoScript),
        ("NOSUCHCOMMAND", FailureKind::Server),
        ("GET", FailureKind::Server),
        ("SET a 1 EX never", FailureKind::Server),
    ] {
        assert_eq!(failure(&client, &session, words).await, kind, "{words}");
    }
    let fill = command(&format!("RPUSH list {}", "x".repeat(100_000)));
    let mut last = None;
    for _ in 0..40 {
        last = client.send(&session, &Request::single(fill.clone())).await.error;
    }
    assert_eq!(last.unwrap().kind, FailureKind::Oom);
    // All of this on one connection: a refusal is a reply like any other.
    assert_eq!(call(&client, &session, "PING").await.connects, 0);
}

#[tokio::test]
async fn a_server_that_runs_a_script_for_long_is_busy() {
    let server = Server::start(&["--busy-reply-threshold", "20"]);
    let client = client_of(&server.url(), |_| {});
    let mut endless = command("EVAL");
    endless.arg("while true do end").arg("0");
    let endless = Request::single(endless);
    let looping = Session::default();
    let others = async {
        let session = Session::default();
        while call(&client, &session, "PING").await.error.is_none() {
            tokio::task::yield_now().await;
        }
        let kind = failure(&client, &session, "GET a").await;
        value(&client, &session, "SCRIPT KILL").await;
        kind
    };
    let (ended, kind) = tokio::join!(client.send(&looping, &endless), others);
    assert_eq!((kind, ended.error.unwrap().kind), (FailureKind::Busy, FailureKind::Server));
}

#[tokio::test]
async fn a_server_that_reads_its_data_is_loading_until_it_has() {
    let mut server = Server::start(&[]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    let long = "x".repeat(300);
    let keys: Vec<_> = (0..200).map(|n| format!("key{n} {n}{long}")).collect();
    value(&client, &session, &format!("MSET {}", keys.join(" "))).await;
    value(&client, &session, "SAVE").await;
    server.kill();
    // 10 ms a key, and clients are heard after each few.
    let slowly = ["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"];
    server.restart(&slowly);
    let session = Session::default();
    let mut kinds = Vec::new();
    let found = loop {
        let exchange = call(&client, &session, "GET key7").await;
        match exchange.error {
            Some(error) => kinds.push(error.kind),
            None => break exchange.value,
        }
    };
    assert!(
        !kinds.is_empty() && kinds.iter().all(|kind| *kind == FailureKind::Loading),
        "{kinds:?}"
    );
    assert_eq!(found, Value::Text(format!("7{long}").into_bytes()));
}

#[tokio::test]
async fn a_wrong_password_and_none_at_all_are_failures_that_do_not_show_it() {
    let server = Server::start(&["--requirepass", "sesame"]);
    let session = Session::default();
    for (who, expected) in [
        ("", Some("NOAUTH")),
        (":hunter22@", Some("WRONGPASS")),
        ("ann:hunter22@", Some("WRONGPASS")),
        (":sesame@", None),
    ] {
        for protocol in [2, 3] {
            let url = format!("redis://{who}127.0.0.1:{}", server.port);
            let client = client_of(&url, |settings| settings.protocol = protocol);
            let exchange = call(&client, &session, "GET a").await;
            let kind = exchange.error.as_ref().map(|error| error.kind);
            assert_eq!(kind, expected.map(|_| FailureKind::Auth), "{who} {protocol}");
            let detail = exchange.error.map(|error| error.detail).unwrap_or_default();
            assert!(detail.starts_with(expected.unwrap_or("")), "{detail}");
            assert!(!format!("{detail} {client:?}").contains("hunter22"), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_user_of_the_access_list_may_do_what_it_says() {
    let server = Server::start(&[]);
    let admin = client_of(&server.url(), |_| {});
    let session = Session::default();
    value(&admin, &session, "ACL SETUSER ann on >sesame ~a* +get +hello +select").await;
    let client = client_of(&format!("redis://ann:sesame@127.0.0.1:{}/2", server.port), |_| {});
    assert_eq!(value(&client, &session, "GET a").await, Value::Nil);
    assert_eq!(failure(&client, &session, "GET b").await, FailureKind::Auth);
    assert_eq!(failure(&client, &session, "SET a 1").await, FailureKind::Auth);
}

#[tokio::test]
async fn a_write_to_a_replica_is_refused_as_such() {
    let server = Server::start(&["--replicaof", "127.0.0.1 1"]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    assert_eq!(failure(&client, &session, "SET a 1").await, FailureKind::ReadOnly);
}

#[tokio::test]
async fn users_beyond_the_servers_limit_are_counted_as_such_and_all_end() {
    let server = Server::start(&["--maxclients", "10"]);
    let client = client_of(&server.url(), |_| {});
    let sessions: Vec<Session> = (0..200).map(|_| Session::default()).collect();
    let calls = sessions.iter().map(|session| call(&client, session, "PING"));
    let mut served = 0;
    let mut tasks: Vec<_> = calls.map(Box::pin).collect();
    for task in &mut tasks {
        match task.await.error {
            None => served += 1,
            Some(error) => assert_eq!(error.kind, FailureKind::Exhausted, "{error}"),
        }
    }
    assert_eq!(served, 10);
    // In the version without a greeting it is said in answer to the command itself.
    let two = client_of(&server.url(), |settings| settings.protocol = 2);
    assert_eq!(failure(&two, &Session::default(), "PING").await, FailureKind::Exhausted);
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_command_is_a_reset_and_comes_back() {
    let mut server = Server::start(&[]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    value(&client, &session, "PING").await;
    let mut waiting = Box::pin(call(&client, &session, "BLPOP none 0"));
    // Until the server has it.
    let other = Session::default();
    tokio::select! {
        ended = &mut waiting => panic!("{ended:?}"),
        () = async {
            loop {
                let Value::Text(clients) = value(&client, &other, "INFO clients").await else {
                    panic!("no text")
                };
                if String::from_utf8_lossy(&clients).contains("blocked_clients:1") {
                    return;
                }
            }
        } => {}
    }
    server.kill();
    let error = waiting.await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Reset, "{error}");
    assert_eq!(failure(&client, &session, "PING").await, FailureKind::Refused);
    server.restart(&[]);
    assert_eq!(value(&client, &session, "GET a").await, Value::Nil);
}

#[tokio::test]
async fn servers_that_speak_nonsense_or_stop_in_the_middle_fail_with_their_kind() {
    for (answer, kind, detail) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            FailureKind::Protocol,
            "no reply begins with 'H'",
        ),
        (b":1\r\n:2\r\n", FailureKind::Protocol, "4 bytes after the end of the reply"),
        (b"$100\r\nonly this", FailureKind::Reset, "in the middle of a reply"),
        (b"", FailureKind::Reset, "without answering"),
        (b"$999999\r\n", FailureKind::TooLarge, "larger than the limit of 1000 bytes"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", FailureKind::Loading, "LOADING"),
        (b"-MOVED 866 127.0.0.1:7001\r\n", FailureKind::Moved, "MOVED 866"),
    ] {
        let answers: &'static [&'static [u8]] = Vec::leak(vec![answer]);
        let (url, served) = answering(answers);
        let client = client_of(&url, |settings| {
            settings.protocol = 2;
            settings.reply_limit = 1_000;
        });
        let error = call(&client, &Session::default(), "GET a").await.error.unwrap();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.detail.contains(detail), "{error}");
        served.join().unwrap();
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_and_a_name_nobody_has_are_told_apart() {
    let (url, served) = answering(&[]);
    served.join().unwrap();
    for (url, kind) in [
        (url.as_str(), FailureKind::Refused),
        ("redis://no-such-host.invalid", FailureKind::Dns),
        ("unix:///no/such/socket", FailureKind::Refused),
    ] {
        let client = client_of(url, |_| {});
        let exchange = call(&client, &Session::default(), "GET a").await;
        assert_eq!(exchange.error.unwrap().kind, kind, "{url}");
        assert!(exchange.connects == 1 && exchange.duration > Duration::ZERO);
    }
}

#[tokio::test]
async fn a_value_over_the_limit_fails_and_the_next_call_is_answered() {
    let server = Server::start(&[]);
    let client = client_of(&server.url(), |settings| settings.reply_limit = 10_000);
    let session = Session::default();
    value(&client, &session, &format!("SET a {}", "x".repeat(20_000))).await;
    assert_eq!(failure(&client, &session, "GET a").await, FailureKind::TooLarge);
    assert_eq!(value(&client, &session, "STRLEN a").await, Value::Integer(20_000));
}
