//! Replies made up at random, over a real connection: never a panic, never a wait beyond the time
//! limit, always either a whole reply or a failure with a kind.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::super::{Exchange, FailureKind, Session, Settings};
use super::servers::{read_request, reset, serve, within};

/// The time limit of a request; small, as a target that says nothing uses all of it.
const LIMIT: Duration = Duration::from_millis(30);

/// Long after any time limit: only a request that never ends takes this long.
const NEVER: Duration = Duration::from_mins(1);

/// How a target goes on when it has said what it says.
#[derive(Clone, Copy, Debug)]
enum Then {
    Closes,
    Resets,
    Stays,
}

fn ends() -> impl Strategy<Value = Then> {
    prop_oneof![3 => Just(Then::Closes), 1 => Just(Then::Resets), 1 => Just(Then::Stays)]
}

/// What comes of two requests of one user to a target that says these pieces to each.
fn answered_with(pieces: Vec<Vec<u8>>, then: Then) -> Vec<Exchange> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = serve(move |mut stream, _| {
            let pieces = pieces.clone();
            async move {
                stream.set_nodelay(true).unwrap();
                while read_request(&mut stream).await.is_some() {
                    for piece in &pieces {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                    match then {
                        Then::Closes => return,
                        Then::Resets => return reset(stream),
                        Then::Stays => {}
                    }
                }
            }
        })
        .await;
        let settings = Settings { timeout: LIMIT, body_limit: 1 << 16, ..server.settings() };
        let (client, session) = (super::super::Client::new(settings).unwrap(), Session::default());
        let mut exchanges = Vec::new();
        for _ in 0..2 {
            let sending = within(&client, &session, "/");
            exchanges.push(tokio::time::timeout(NEVER, sending).await.expect("it never ended"));
        }
        exchanges
    })
}

/// What holds for every exchange, whatever the target said.
fn check(exchange: &Exchange) -> Result<(), TestCaseError> {
    prop_assert_eq!(exchange.error.is_some(), exchange.detail.is_some(), "{:?}", exchange);
    prop_assert!(!exchange.duration.is_zero() && !exchange.exhausted, "{:?}", exchange);
    if exchange.error.is_none() {
        prop_assert!((200..400).contains(&exchange.status), "{:?}", exchange);
    }
    if exchange.error == Some(FailureKind::Status) {
        prop_assert!((400..1000).contains(&exchange.status), "{:?}", exchange);
    }
    Ok(())
}

/// Lines and scraps replies are made of, in order or not.
fn scrap() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /\r\n",
        "HTTP/1.1 302 Found\r\nLocation: \r\n",
        "HTTP/1.1 999 \r\n",
        "HTTP/2 200\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: br\r\n",
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Set-Cookie: a=b\r\n",
        "Set-Cookie: =;;=\r\n",
        "X: y\r\n z\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "hello",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nX: y\r\n\r\n",
        "ffffffffffffffff\r\n",
        "-1\r\n",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_for_a_reply_are_a_failure_with_a_kind(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..5),
        then in ends(),
    ) {
        use FailureKind::{Protocol, Reset, Timeout};
        for exchange in answered_with(pieces, then) {
            check(&exchange)?;
            let told = matches!(exchange.error, Some(Protocol | Reset | Timeout));
            prop_assert!(told, "{:?}", exchange);
        }
    }

    #[test]
    fn scraps_of_replies_in_any_order_are_a_reply_or_a_failure_with_a_kind(
        pieces in prop::collection::vec(scrap(), 0..14),
        honest in any::<bool>(),
        then in ends(),
    ) {
        let begin = honest.then(|| b"HTTP/1.1 200 OK\r\n".to_vec());
        let pieces: Vec<_> = begin.into_iter().chain(pieces).collect();
        for exchange in answered_with(pieces, then) {
            check(&exchange)?;
        }
    }
}
