//! Framers on whole conversations, cut into pieces wherever a network may cut them.

use proptest::prelude::*;

use super::*;

/// What belongs to each request in one direction, and what belongs to none, as text.
type Told = (Vec<(u64, String, String)>, String);

/// Both directions of a conversation, each in chunks of such lengths, replies after all requests.
fn told(protocol: Protocol, said: [&[u8]; 2], lengths: &[usize]) -> [Told; 2] {
    let talk = Talk::default();
    [Direction::Upstream, Direction::Downstream].map(|direction| {
        let bytes = said[usize::from(direction == Direction::Downstream)];
        let mut framer = Framer::new(protocol, direction, talk.clone());
        let (mut pieces, mut left, mut lengths) = (Vec::new(), bytes, lengths.iter().cycle());
        while !left.is_empty() {
            let len = lengths.next().map_or(left.len(), |len| (*len).clamp(1, left.len()));
            pieces.extend(framer.cut(&left[..len]));
            left = &left[len..];
        }
        pieces.extend(framer.rest().map(|rest| (rest, None)));
        let whole: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        assert_eq!(whole, bytes);
        let (mut requests, mut aside): Told = Told::default();
        for (bytes, request) in pieces {
            let text = String::from_utf8_lossy(&bytes);
            match (request, requests.last_mut()) {
                (None, _) => aside.push_str(&text),
                (Some(request), Some((number, _, said))) if *number == request.number => {
                    said.push_str(&text);
                }
                (Some(request), _) => {
                    requests.push((request.number, request.subject.clone(), text.into_owned()));
                }
            }
        }
        (requests, aside)
    })
}

fn subjects((requests, _): &Told) -> Vec<&str> {
    requests.iter().map(|(_, subject, _)| subject.as_str()).collect()
}

fn texts((requests, _): &Told) -> Vec<&str> {
    requests.iter().map(|(_, _, text)| text.as_str()).collect()
}

const REDIS: [&[u8]; 2] = [
    b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$6\r\ncart:7\r\n$8\r\na\r\n*1\r\nb\r\nGET x\r\n\
      *2\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n",
    b"+PONG\r\n+OK\r\n>2\r\n+message\r\n$2\r\nhi\r\n$-1\r\n*3\r\n:1\r\n*2\r\n+a\r\n*-1\r\n$3\r\nx\r\n\r\n\
      |1\r\n+ttl\r\n:9\r\n%1\r\n+k\r\n#t\r\n",
];

const HTTP: [&[u8]; 2] = [
    b"GET /items/7?x=1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /orders HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
      HEAD / HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n\
      3;q=1\r\nabc\r\n0\r\nx: y\r\n\r\nGET /last HTTP/1.0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n\
      HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok\
      HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\
      HTTP/1.0 200 OK\r\n\r\nto the end",
];

/// A message of PostgreSQL's.
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32 + 4).to_be_bytes();
    [&[kind][..], &len, content].concat()
}

fn postgres() -> [Vec<u8>; 2] {
    let startup = [&9_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), b"\0"].concat();
    let ssl = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
    let up = [
        ssl,
        startup,
        message(b'p', b"secret\0"),
        message(b'Q', b"SELECT 1\0"),
        message(b'P', b"s1\0UPDATE t SET a = $1\0\0\0"),
        message(b'D', b"Ss1\0"),
        message(b'S', b""),
        message(b'B', b"\0s1\0\0\0\0\x01\0\0\0\x017\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
        message(b'X', b""),
    ];
    let ready = || message(b'Z', b"I");
    let down = [
        b"N".to_vec(),
        message(b'R', b"\0\0\0\0"),
        message(b'S', b"a\0b\0"),
        ready(),
        message(b'T', b"row"),
        message(b'D', b"Z\0\0\0\x05I"),
        ready(),
        message(b'N', b"notice"),
        message(b'1', b""),
        ready(),
        message(b'2', b""),
        message(b'C', b"UPDATE 1\0"),
        ready(),
    ];
    [up.concat(), down.concat()]
}

#[test]
fn redis_commands_and_their_replies_are_told_apart() {
    let [up, down] = told(Protocol::Redis, REDIS, &[]);
    assert_eq!(subjects(&up), ["PING", "SET cart:7", "GET x", "LRANGE l", "HGETALL h"]);
    assert_eq!(subjects(&down), subjects(&up));
    assert_eq!(texts(&up)[1], "*3\r\n$3\r\nSET\r\n$6\r\ncart:7\r\n$8\r\na\r\n*1\r\nb\r\n");
    assert_eq!(texts(&down)[3], "*3\r\n:1\r\n*2\r\n+a\r\n*-1\r\n$3\r\nx\r\n\r\n");
    assert_eq!(texts(&down)[4], "|1\r\n+ttl\r\n:9\r\n%1\r\n+k\r\n#t\r\n");
    assert_eq!(down.1, ">2\r\n+message\r\n$2\r\nhi\r\n");
}

#[test]
fn http_requests_and_their_replies_are_told_apart() {
    let [up, down] = told(Protocol::Http, HTTP, &[]);
    let asked = ["GET /items/7?x=1", "POST /orders", "HEAD /", "PUT /b", "GET /last"];
    assert_eq!(subjects(&up), asked);
    assert_eq!(subjects(&down), asked);
    assert!(texts(&up)[1].ends_with("\r\n\r\nhello"));
    assert!(texts(&up)[3].ends_with("0\r\nx: y\r\n\r\n"));
    assert!(texts(&down)[2].ends_with("content-length: 99\r\n\r\n"));
    assert!(texts(&down)[4].ends_with("to the end"));
    assert_eq!(down.1, "HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn postgres_statements_and_their_answers_are_told_apart() {
    let [up, down] = postgres();
    let [up, down] = told(Protocol::Postgres, [&up, &down], &[]);
    let asked = ["SELECT 1", "UPDATE t SET a = $1", "UPDATE t SET a = $1"];
    assert_eq!(subjects(&up), asked);
    assert_eq!(subjects(&down), asked);
    assert!(texts(&down)[0].starts_with('T') && texts(&down)[2].contains("UPDATE 1"));
    assert!(down.1.starts_with('N') && down.1.ends_with("notice"), "{:?}", down.1);
}

#[test]
fn what_is_not_understood_passes_and_belongs_to_nothing() {
    for (protocol, said) in [
        (Protocol::Redis, &b"\x16\x03\x01 a hello of TLS\r\n*1\r\n"[..]),
        (Protocol::Redis, b"*1\r\n:1\r\n"),
        (Protocol::Http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (Protocol::Postgres, b"GET / HTTP/1.1\r\n\r\n"),
    ] {
        let [up, _] = told(protocol, [said, b""], &[3]);
        assert_eq!(up.0, [], "{protocol:?}");
        assert_eq!(up.1.len(), String::from_utf8_lossy(said).len());
    }
    // Once one direction is lost the other is, too: nobody knows what replies are to.
    let [_, down] =
        told(Protocol::Redis, [b"PING\r\n\x00\r\nPING\r\n", b"+PONG\r\n+PONG\r\n"], &[]);
    assert_eq!(down.0, []);
}

#[test]
fn a_head_without_end_is_not_waited_for() {
    let mut framer = Framer::new(Protocol::Http, Direction::Upstream, Talk::default());
    assert_eq!(framer.cut(&vec![b'a'; HEAD - 1]).len(), 0);
    let pieces = framer.cut(b"aa");
    assert_eq!((pieces.len(), pieces[0].0.len()), (1, HEAD + 1));
}

proptest! {
    #[test]
    fn where_the_network_cuts_makes_no_difference(
        lengths in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let [up, down] = postgres();
        for (protocol, said) in
            [(Protocol::Redis, REDIS), (Protocol::Http, HTTP), (Protocol::Postgres, [&up, &down])]
        {
            prop_assert_eq!(told(protocol, said, &lengths), told(protocol, said, &[]));
        }
    }

    #[test]
    fn any_bytes_pass_unchanged(
        said in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(1..40_usize, 1..5),
    ) {
        for protocol in Protocol::ALL {
            // Compared in there.
            told(protocol, [&said, &said], &lengths);
        }
    }
}
