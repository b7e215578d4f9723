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
    assert_eq!((first.wait, second.wait), (None, None));
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
    let mut calls: Vec<_> = sessions
        .iter()
        .map(|session| Box::pin(call(&client, session, "BLPOP none 0.01")))
        .collect();
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

#[tokio::test(start_paused = true)]
async fn who_lost_a_connection_pauses_for_longer_each_time_and_by_chance() {
    let place = || client_of("redis://127.0.0.1:1", |_| {}).entry().unwrap();
    let pause = |lines: &lines::Lines| {
        lines.lost();
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
