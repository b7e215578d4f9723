//! So many connections and no more, first come first served, and what is left after trouble.

use super::servers::Server;
use super::*;

#[tokio::test(flavor = "local")]
async fn calls_wait_for_a_connection_in_the_order_they_came_and_the_wait_is_told_apart() {
    let db = client(memory(), 2, Duration::from_secs(20));
    // Each takes its time on the database.
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
               SELECT count(*) FROM n";
    let one = async |_| {
        let exchange = db.call(&statement(sql, &[])).await;
        assert!(exchange.answer.is_ok(), "{exchange:?}");
        assert!(!exchange.duration.is_zero());
        (exchange.started + exchange.wait.unwrap(), exchange.connects)
    };
    let had = futures_util::future::join_all((0..20).map(one)).await;
    assert_eq!(had.iter().map(|(_, connects)| connects).sum::<u32>(), 2);
    // The first two connect side by side; nobody behind them is overtaken.
    let had: Vec<_> = had[2..].iter().map(|(when, _)| *when).collect();
    assert!(had.is_sorted(), "{had:?}");
}

#[tokio::test(flavor = "local")]
async fn a_call_that_finds_no_connection_in_time_is_exhausted_and_not_timed_out() {
    let db = client(memory(), 1, Duration::from_millis(100));
    let held = db.begin(&Begin::default(), None).await.unwrap();
    let exchange = db.call(&statement("SELECT 1", &[])).await;
    let failure = exchange.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Exhausted, "{failure}");
    assert!(exchange.wait >= Some(Duration::from_millis(100)), "{exchange:?}");
    let committed = held.commit().await;
    assert!(committed.answer.is_ok());
    rows(&db, "SELECT 1", &[]).await;
}

#[tokio::test(flavor = "local")]
async fn a_dropped_transaction_is_rolled_back_and_its_connection_not_used_again() {
    let server = Server::postgres(&[]).await;
    let db = to(&server.url, 1);
    batch(&db, "CREATE TABLE t (v int)").await;
    let own = "SELECT pg_backend_pid()";
    let mut transaction = db.begin(&Begin::default(), None).await.unwrap();
    let first = transaction.call(&statement(own, &[])).await.answer.unwrap();
    let inserted = transaction.call(&statement("INSERT INTO t VALUES (1)", &[])).await;
    assert!(inserted.answer.is_ok() && inserted.wait.is_none());
    // Dropped in the middle of a statement.
    let sleep = statement("SELECT pg_sleep(30)", &[]);
    let sleeping = transaction.call(&sleep);
    let cut = tokio::time::timeout(Duration::from_millis(50), sleeping).await;
    assert!(cut.is_err());
    drop(transaction);
    let second = rows(&db, own, &[]).await;
    assert_ne!(first.cells, second.cells);
    assert_eq!(rows(&db, "SELECT count(*) FROM t", &[]).await.cells, [Datum::Integer(0)]);
}

#[tokio::test(flavor = "local")]
async fn a_server_that_comes_back_is_used_again_and_one_that_is_away_is_tried_slowly() {
    let mut server = Server::mariadb(&[]).await;
    let db = client(Database::parse(&server.url).unwrap(), 4, Duration::from_secs(2));
    rows(&db, "SELECT 1", &[]).await;
    server.kill();
    let lost = failure(&db, "SELECT 1").await;
    assert_eq!(lost.kind, FailureKind::Reset, "{lost}");
    let begun = tokio::time::Instant::now();
    let mut attempts = 0;
    while begun.elapsed() < Duration::from_millis(700) {
        let exchanges = futures_util::future::join_all(
            (0..4).map(async |_| db.call(&statement("SELECT 1", &[])).await),
        )
        .await;
        for exchange in exchanges {
            assert_eq!(exchange.failure().unwrap().kind, FailureKind::Refused, "{exchange:?}");
            attempts += exchange.connects;
        }
    }
    // The pauses double from 20 ms: without them there would be thousands.
    assert!(attempts < 60, "{attempts} attempts");
}

#[tokio::test(flavor = "local")]
async fn where_the_server_takes_fewer_than_there_may_be_everybody_is_served_in_turn() {
    let server = Server::postgres(&["max_connections=5", "superuser_reserved_connections=0"]).await;
    let db = to(&server.url, 20);
    let most = std::cell::Cell::new(0);
    let fewest = std::cell::Cell::new(0);
    let calls: Vec<_> = (0..20).map(|_| std::cell::Cell::new(0_u32)).collect();
    // Nobody stops before all have been served: whoever has a connection asks again at once.
    let one = async |user: usize| {
        while fewest.get() < 3 {
            let exchange = db.call(&statement("SELECT pg_sleep(0.002)", &[])).await;
            assert!(exchange.answer.is_ok(), "{exchange:?}");
            calls[user].update(|calls| calls + 1);
            most.set(most.get().max(calls[user].get()));
            fewest.set(calls.iter().map(std::cell::Cell::get).min().unwrap());
        }
    };
    futures_util::future::join_all((0..20).map(one)).await;
    assert!(most.get() < 100, "{calls:?}");
    let patient = client(Database::parse(&server.url).unwrap(), 1_000, Duration::from_mins(10));
    drop(db);
    let one = async |user| {
        let own = [Datum::Integer(user)];
        assert_eq!(rows(&patient, "SELECT $1::int8", &own).await.cells, own);
    };
    futures_util::future::join_all((0..10_000).map(one)).await;
    drop(patient);
    left_out(&server, 5).await;
}

/// A client without a connection of its own, while another one has all that the server takes: it
/// waits as those wait who have some, and is served when there is one.
async fn left_out(server: &Server, most: usize) {
    let other = to(&server.url, most);
    let held = futures_util::future::join_all(
        (0..most).map(async |_| other.begin(&Begin::default(), None).await.unwrap()),
    );
    let held = held.await;
    let limit = Duration::from_millis(600);
    let db = client(Database::parse(&server.url).unwrap(), 50, limit);
    let all = (0..50).map(async |_| db.call(&statement("SELECT 1", &[])).await);
    for exchange in futures_util::future::join_all(all).await {
        let failure = exchange.failure().unwrap();
        assert_eq!(failure.kind, FailureKind::Exhausted, "{exchange:?}");
        let told = "no connection within 600ms; the last attempt: 127.0.0.1:";
        assert!(failure.detail.starts_with(told), "{failure}");
        // All its time is told, and the server's only where the server was asked.
        assert!(exchange.wait.unwrap() + exchange.duration >= limit, "{exchange:?}");
    }
    drop(db);
    let patient = to(&server.url, 50);
    let last = statement("SELECT 1", &[]);
    let (served, ()) = tokio::join!(patient.call(&last), async {
        while !patient.pool.was_refused() {
            tokio::task::yield_now().await;
        }
        drop(held);
    });
    assert!(served.answer.is_ok(), "{served:?}");
    assert!(served.connects > 1, "it has been refused before: {served:?}");
    assert!((1..served.connects).contains(&served.refused), "{served:?}");
    drop((other, patient));
    // The clients of one declaration give each other up what one has several of, and the only one that
    // a third has nothing of: 5 connections of 7 workers.
    let Settings { others, .. } = to(&server.url, 1).pool.settings().clone();
    let workers: Vec<_> = (0..7)
        .map(|_| {
            let database = Address::Known(Database::parse(&server.url).unwrap());
            let settings = to(&server.url, 20).pool.settings().clone();
            Client::new(Settings { address: database, others: others.clone(), ..settings })
        })
        .collect();
    let served: Vec<_> = workers.iter().map(|_| std::cell::Cell::new(0)).collect();
    let one = async |user: usize| {
        loop {
            rows(&workers[user % 7], "SELECT pg_sleep(0.001)", &[]).await;
            served[user % 7].update(|served| served + 1);
        }
    };
    let all_served = async {
        while served.iter().any(|served| served.get() < 3) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = futures_util::future::join_all((0..70).map(one)) => {}
        () = all_served => {}
    }
}

/// A server's door, where connections wait until it opens.
struct Door {
    database: Database,
    open: tokio::sync::watch::Sender<bool>,
}

impl Door {
    async fn new(server: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let (_, address) = server.split_once('@').unwrap();
        let address = address.split_once('/').unwrap().0.to_owned();
        let database = Database::parse(&server.replace(&address, &own)).unwrap();
        let (open, is_open) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let (mut is_open, address) = (is_open.clone(), address.clone());
                tokio::spawn(async move {
                    is_open.wait_for(|open| *open).await.unwrap();
                    let there = tokio::net::TcpStream::connect(address).await;
                    let Ok(mut there) = there else { return };
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                });
            }
        });
        Self { database, open }
    }
}

/// A client of two connections whose one attempt goes on at the closed door, and what came of the call
/// that made it: it was handed the other connection.
async fn with_an_attempt_left(door: &Door) -> (Rc<Client>, Exchange) {
    let db = client(door.database.clone(), 2, Duration::from_mins(1));
    door.open.send_replace(true);
    let held = db.begin(&Begin::default(), None).await.unwrap();
    door.open.send_replace(false);
    let select = statement("SELECT 1", &[]);
    let (served, ()) = tokio::join!(db.call(&select), async {
        while db.pool.attempts.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(held.commit().await.answer.is_ok());
    });
    (db, served)
}

#[tokio::test(flavor = "local")]
async fn a_call_takes_what_is_given_back_and_what_was_opened_for_it_is_there_for_the_next() {
    let server = Server::postgres(&[]).await;
    let door = Door::new(&server.url).await;
    let (db, served) = with_an_attempt_left(&door).await;
    assert!(served.answer.is_ok(), "{served:?}");
    // Its attempt goes on.
    assert_eq!((served.connects, db.pool.attempts.get()), (1, 1));
    // Of three calls one takes what is there; that attempt is enough for the others.
    let slow = statement("SELECT pg_sleep(0.05)", &[]);
    let all = (0..3).map(async |_| db.call(&slow).await);
    let (all, ()) = tokio::join!(futures_util::future::join_all(all), async {
        tokio::task::yield_now().await;
        door.open.send_replace(true);
    });
    assert!(all.iter().all(|exchange| exchange.answer.is_ok()), "{all:?}");
    assert_eq!(all.iter().map(|exchange| exchange.connects).sum::<u32>(), 0);
    while db.pool.attempts.get() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(db.pool.open.get(), 2);
    // A call that gives up takes its attempt with it.
    door.open.send_replace(false);
    let db = client(door.database.clone(), 1, Duration::from_millis(100));
    let late = db.call(&statement("SELECT 1", &[])).await;
    assert_eq!(late.failure().unwrap().kind, FailureKind::Timeout, "{late:?}");
    while db.pool.attempts.get() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "local")]
async fn attempts_that_fail_after_the_last_call_are_counted_by_nobody_else() {
    let server = Server::postgres(&[]).await;
    let door = Door::new(&server.url).await;
    let (db, served) = with_an_attempt_left(&door).await;
    assert_eq!((served.connects, served.refused), (1, 0), "{served:?}");
    drop(server);
    door.open.send_replace(true);
    while db.pool.attempts.get() > 0 {
        tokio::task::yield_now().await;
    }
    let left = db.settle(Instant::now() + Duration::from_mins(1)).await;
    assert_eq!(left, Uncounted { connects: 0, refused: 1 });
}

#[tokio::test(flavor = "local")]
async fn an_attempt_that_has_just_begun_is_not_why_a_call_had_no_connection() {
    let nobody = Database::parse("postgres://me@127.0.0.1:1/shop").unwrap();
    let limit = Duration::from_mins(1);
    let db = client(nobody, 1, limit);
    assert_eq!(failure(&db, "SELECT 1").await.kind, FailureKind::Refused);
    let mut draft = Draft::new();
    draft.attempt();
    assert_eq!(db.pool.starved(&mut draft, limit).kind, FailureKind::Refused);
    // One that has been under way for all the time is.
    assert_eq!(db.pool.starved(&mut draft, Duration::ZERO).kind, FailureKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_had_its_right_to_a_connection_too_late_was_not_refused_by_the_server() {
    let limit = Duration::from_secs(10);
    let db = client(Database::parse("postgres://me@127.0.0.1:1/shop").unwrap(), 3, limit);
    for (queued, kind, duration) in [
        (9, FailureKind::Exhausted, Duration::from_secs(10)),
        (1, FailureKind::Timeout, Duration::from_secs(9)),
    ] {
        let mut draft = Draft::new();
        tokio::time::advance(Duration::from_secs(queued)).await;
        draft.wait_again();
        draft.attempt();
        tokio::time::advance(Duration::from_secs(10 - queued)).await;
        let failure = db.pool.starved(&mut draft, limit);
        assert_eq!(failure.kind, kind, "{failure}");
        assert_eq!(draft.ended(Trouble::Failed(failure)).duration, duration);
    }
}

#[tokio::test(flavor = "local")]
async fn a_batch_that_fails_in_its_transaction_leaves_none_to_the_next_call() {
    let db = client(memory(), 1, Duration::from_secs(20));
    batch(&db, "CREATE TABLE t (v int)").await;
    let work = |text: &str| Work::Batch { statements: text.into(), timeout: None };
    let failed = db.call(&work("BEGIN; INSERT INTO t VALUES (1); SELECT nothing; COMMIT")).await;
    assert!(failed.failure().is_some(), "{failed:?}");
    batch(&db, "BEGIN; INSERT INTO t VALUES (2); COMMIT").await;
    assert_eq!(rows(&db, "SELECT v FROM t", &[]).await.cells, [Datum::Integer(2)]);
}
