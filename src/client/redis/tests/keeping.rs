//! Which connection carries a call, and what becomes of it.

use super::*;

#[tokio::test]
async fn a_user_keeps_one_connection_and_parallel_calls_have_their_own() {
    let server = Server::start(&[]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    let first = call(&client, &session, "PING").await;
    let second = call(&client, &session, "PING").await;
    assert_eq!((first.connects, second.connects), (1, 0));
    // To open one is waiting for it, and no part of the answer.
    assert!(first.wait > Some(Duration::ZERO) && second.wait.is_none(), "{first:?} {second:?}");
    let (one, two) = tokio::join!(
        call(&client, &session, "BLPOP list 0"),
        call(&client, &session, "RPUSH list x"),
    );
    assert_eq!(one.value, Value::List(vec![text("list"), text("x")]));
    assert_eq!((one.connects, two.connects), (0, 1));
}

#[tokio::test]
async fn a_shared_set_keeps_to_its_size_and_waiting_is_told_apart() {
    let server = Server::start(&[]);
    let client = client_of(&server.url(), |settings| {
        settings.connections = Connections::Shared(2);
        // The last waits for 24 others of its connection, however seldom a busy machine lets them go on.
        settings.timeout = Duration::from_mins(10);
        settings.connect_timeout = Duration::from_mins(10);
    });
    let sessions: Vec<Session> = (0..50).map(|_| Session::default()).collect();
    let one = async |session| {
        let exchange = call(&client, session, "BLPOP none 0.01").await;
        // What was waiting is not in the duration as well.
        let whole = exchange.started.elapsed();
        assert!(exchange.wait.unwrap() + exchange.duration <= whole, "{exchange:?} {whole:?}");
        exchange
    };
    let mut calls: Vec<_> = sessions.iter().map(|session| Box::pin(one(session))).collect();
    let mut all = Vec::new();
    std::future::poll_fn(|cx| {
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(exchange) => {
                all.push(exchange);
                false
            }
            std::task::Poll::Pending => true,
        });
        if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert!(all.iter().all(|exchange| exchange.error.is_none() && exchange.wait.is_some()));
    assert_eq!(all.iter().map(|exchange| exchange.connects).sum::<u32>(), 2);
    let longest = all.iter().filter_map(|exchange| exchange.wait).max().unwrap();
    // 50 calls of 10 ms each, two at a time.
    assert!(longest >= Duration::from_millis(200), "{longest:?}");
}

#[tokio::test]
async fn where_the_server_takes_fewer_than_a_shared_set_may_have_everybody_is_served_in_turn() {
    let server = Server::start(&["--maxclients", "10"]);
    let client = client_of(&server.url(), |settings| {
        settings.connections = Connections::Shared(40);
        settings.timeout = Duration::from_mins(10);
    });
    let one = async |user: u32| {
        let said = value(&client, &Session::default(), &format!("ECHO {user}")).await;
        assert_eq!(said, text(&user.to_string()));
    };
    futures_util::future::join_all((0..10_000).map(one)).await;
    // Others have all there are: who has none waits, and says in the end whom for.
    let limit = Duration::from_millis(400);
    let left_out = client_of(&server.url(), |settings| {
        settings.connections = Connections::Shared(5);
        settings.timeout = limit;
    });
    let session = Session::default();
    let all = (0..20).map(|_| call(&left_out, &session, "PING"));
    for exchange in futures_util::future::join_all(all).await {
        let error = exchange.error.as_ref().unwrap();
        assert_eq!(error.kind, FailureKind::Exhausted, "{exchange:?}");
        let told = "no connection within 400ms; the last attempt: ERR max number of clients";
        assert!(error.detail.starts_with(told), "{error}");
        assert!(exchange.wait.unwrap() + exchange.duration >= limit, "{exchange:?}");
    }
}

#[tokio::test]
async fn a_call_that_gets_no_shared_connection_was_never_made_and_all_its_time_is_waiting() {
    let server = Server::start(&[]);
    let limit = Duration::from_millis(50);
    let client = client_of(&server.url(), |settings| {
        settings.connections = Connections::Shared(1);
    });
    let [one, other] = [(); 2].map(|()| Session::default());
    let mut late = Request::single(command("PING"));
    late.timeout = Some(limit);
    let mut holding = Box::pin(call(&client, &one, "BLPOP none 0"));
    let starved = tokio::select! {
        biased;
        ended = &mut holding => panic!("{ended:?}"),
        starved = client.send(&other, &late) => starved,
    };
    let error = starved.error.unwrap();
    assert_eq!(error.kind, FailureKind::Exhausted, "{error}");
    assert_eq!(error.detail, "no free connection within 50ms: all 1 of this worker in use");
    assert_eq!((starved.wait, starved.connects), (Some(starved.duration), 0));
    assert!(starved.duration >= limit);
    drop(holding);
    assert_eq!(value(&client, &other, "PING").await, Value::Status("PONG".into()));
}

#[tokio::test]
async fn a_server_that_takes_a_connection_and_says_nothing_is_no_connection_within_the_limit() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let door = silent.local_addr().unwrap();
    let (short, long) = (Duration::from_millis(60), Duration::from_mins(10));
    for (timeout, connect_timeout) in [(short, long), (long, short)] {
        for connections in [Connections::User, Connections::Shared(1)] {
            let client = client_of(&format!("redis://{door}"), |settings| {
                (settings.timeout, settings.connect_timeout) = (timeout, connect_timeout);
                settings.connections = connections;
            });
            let exchange = call(&client, &Session::default(), "PING").await;
            let error = exchange.error.unwrap();
            assert_eq!(error.kind, FailureKind::Timeout, "{error}");
            assert_eq!(error.detail, format!("no connection to {door} within 60ms"));
            assert!(exchange.connects == 1 && exchange.duration >= short);
        }
    }
}

#[tokio::test]
async fn a_call_that_ran_out_of_time_takes_its_connection_with_it() {
    let server = Server::start(&[]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    value(&client, &session, "PING").await;
    let mut late = Request::single(command("BLPOP none 0"));
    late.timeout = Some(Duration::from_millis(30));
    let error = client.send(&session, &late).await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Timeout);
    assert_eq!(error.detail, "not done within 30ms: waiting for the reply");
    // The answer to the call before must not be taken for the answer to this one.
    let next = call(&client, &session, "ECHO mine").await;
    assert_eq!((next.value, next.connects), (text("mine"), 1));
}

#[tokio::test]
async fn a_command_that_may_have_reached_the_server_is_never_sent_again() {
    let (url, served) = answering(&[b"+PONG\r\n", b"", b"+PONG\r\n"]);
    let client = client_of(&url, |settings| settings.protocol = 2);
    let session = Session::default();
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let exchange = call(&client, &session, "PING").await;
        kinds.push(exchange.error.map(|error| error.kind));
        assert_eq!(exchange.connects, 1);
    }
    assert_eq!(kinds, [None, Some(FailureKind::Reset), None]);
    assert_eq!(served.join().unwrap(), 3);
}

/// Longest pause after one loss.
const PAUSED: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn who_lost_a_connection_pauses_for_longer_each_time_and_by_chance() {
    let place = || client_of("redis://127.0.0.1:1", |_| {}).entry().unwrap();
    let pause = |lines: &lines::Lines| {
        lines.failed_again();
        lines.pause().map_or(Duration::ZERO, |resume| resume - Instant::now())
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let lines = lines::Lines::new(&place());
        for (least, most) in
            [(0, 100), (100, 200), (200, 400), (400, 800), (800, 1600), (1500, 3000)]
        {
            let pause = pause(&lines);
            let range = Duration::from_millis(least)..=Duration::from_millis(most);
            assert!(range.contains(&pause), "{pause:?} is not in {range:?}");
            seen.insert(pause);
        }
        for _ in 0..100 {
            assert!(pause(&lines) <= Duration::from_secs(3));
        }
    }
    assert!(seen.len() > 100, "not by chance: {seen:?}");
    // Many that break at once are one loss.
    let lines = lines::Lines::new(&place());
    for _ in 0..50 {
        lines.broke();
    }
    assert!(lines.pause().is_none_or(|resume| resume - Instant::now() <= PAUSED));
    lines.failed_again();
    assert!(lines.pause().unwrap() - Instant::now() <= 2 * PAUSED);
}

#[tokio::test]
async fn a_service_is_spoken_to_where_it_turns_out_to_be() {
    let server = Server::start(&[]);
    let address = std::sync::Arc::new(std::sync::OnceLock::new());
    let settings = Settings { address: Address::Service(address.clone()), ..Settings::default() };
    let client = Client::new(settings).unwrap();
    let session = Session::default();
    let error = call(&client, &session, "PING").await.error.unwrap();
    assert_eq!(error.detail, "the service the client is for is not running");
    address.set(server.url()).unwrap();
    assert_eq!(value(&client, &session, "PING").await, Value::Status("PONG".into()));
}
