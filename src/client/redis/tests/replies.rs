//! What a server says comes back as what it is.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

#[tokio::test]
async fn every_type_of_value_comes_back_in_both_versions_of_the_protocol() {
    let server = Server::start(&[]);
    let three = client_of(&server.url(), |_| {});
    let two = client_of(&server.url(), |settings| settings.protocol = 2);
    let session = Session::default();
    assert_eq!(value(&three, &session, "SET a 1").await, ok());
    assert_eq!(value(&three, &session, "HSET h f v").await, Value::Integer(1));
    assert_eq!(value(&three, &session, "ZADD z 1.5 m").await, Value::Integer(1));
    assert_eq!(value(&three, &session, "SADD s m").await, Value::Integer(1));
    let members = vec![text("m")];
    for (words, in_three, in_two) in [
        ("GET a", text("1"), text("1")),
        ("GET none", Value::Nil, Value::Nil),
        (
            "MGET a none",
            Value::List(vec![text("1"), Value::Nil]),
            Value::List(vec![text("1"), Value::Nil]),
        ),
        (
            "HGETALL h",
            Value::Map(vec![(text("f"), text("v"))]),
            Value::List(vec![text("f"), text("v")]),
        ),
        ("ZSCORE z m", Value::Double(1.5), text("1.5")),
        ("SMEMBERS s", Value::Set(members.clone()), Value::List(members)),
        ("LRANGE none 0 -1", Value::List(vec![]), Value::List(vec![])),
    ] {
        assert_eq!(value(&three, &session, words).await, in_three, "{words}");
        assert_eq!(value(&two, &session, words).await, in_two, "{words}");
    }
}

#[test]
fn any_bytes_and_any_integer_come_back_as_they_went() {
    let server = Server::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    let round = |key: &str, bytes: &[u8], then: &str| {
        let mut set = command("SET");
        set.arg(key).arg(bytes);
        let set = Request::single(set);
        runtime.block_on(async {
            assert!(client.send(&session, &set).await.error.is_none());
            value(&client, &session, then).await
        })
    };
    let bytes = proptest::collection::vec(any::<u8>(), 0..2_000);
    let mut runner = TestRunner::default();
    runner
        .run(&(bytes, any::<i64>()), |(bytes, number)| {
            prop_assert_eq!(round("bytes", &bytes, "GET bytes"), Value::Text(bytes));
            let digits = number.to_string();
            let same = round("number", digits.as_bytes(), "INCRBY number 0");
            prop_assert_eq!(same, Value::Integer(number));
            Ok(())
        })
        .unwrap();
    let large: Vec<u8> = (0..9_000_000_u32).map(|at| (at % 251) as u8).collect();
    assert!(round("large", &large, "GET large") == Value::Text(large), "9 MB come back");
}

#[tokio::test]
async fn a_pipeline_is_one_exchange_whose_replies_stand_in_order() {
    let server = Server::start(&[]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    let commands = ["SET a 1", "INCR a", "LPUSH a x", "GET a"].map(command);
    let exchange = client.send(&session, &Request::pipeline(commands.to_vec())).await;
    assert_eq!((exchange.commands, exchange.connects), (4, 1));
    // The third one failed, which is the exchange's failure, and the others are there.
    assert_eq!(exchange.error.as_ref().unwrap().kind, FailureKind::WrongType);
    let Value::List(replies) = exchange.value else { panic!("no list") };
    assert_eq!(replies[..2], [ok(), Value::Integer(2)]);
    assert_eq!((replies[2].error().is_some(), &replies[3]), (true, &text("2")));
    // More than the buffers of both sides hold: whoever only writes would wait for ever.
    let many = vec![command(&format!("ECHO {}", "x".repeat(1_000))); 20_000];
    let limit = client_of(&server.url(), |settings| settings.reply_limit = 2_000);
    let exchange = limit.send(&session, &Request::pipeline(many)).await;
    assert!(exchange.error.is_none(), "{:?}", exchange.error);
    let Value::List(replies) = exchange.value else { panic!("no list") };
    assert_eq!(replies.len(), 20_000);
}

#[tokio::test]
async fn a_transaction_is_done_as_one_or_says_why_not() {
    let server = Server::start(&[]);
    let client = client_of(&server.url(), |_| {});
    let session = Session::default();
    let transaction = |commands: &[&str]| {
        Request::transaction(commands.iter().map(|words| command(words)).collect())
    };
    let exchange = client.send(&session, &transaction(&["INCR a", "INCR a"])).await;
    assert_eq!(exchange.value, Value::List(vec![Value::Integer(1), Value::Integer(2)]));
    assert_eq!((exchange.commands, exchange.error), (2, None));
    let exchange = client.send(&session, &transaction(&["INCR a", "INCR"])).await;
    let error = exchange.error.unwrap();
    assert!(error.detail.starts_with("ERR wrong number of arguments"), "{error}");
    assert_eq!((exchange.value, value(&client, &session, "GET a").await), (Value::Nil, text("2")));
    // A key that is watched and was changed by another.
    value(&client, &session, "WATCH a").await;
    value(&client, &Session::default(), "SET a 9").await;
    let exchange = client.send(&session, &transaction(&["INCR a"])).await;
    assert_eq!((exchange.value, exchange.error), (Value::Nil, None));
}
