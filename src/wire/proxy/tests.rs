//! The proxy between real sockets.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::super::toxic::{Direction, tests::toxic};
use super::super::{ConnectFailure, Connector, TlsSettings};
use super::*;

/// Longer than anything here takes; a test that gets there has found a hang.
const HANG: Duration = Duration::from_secs(20);

/// A server, and a proxy in front of it.
struct Pair {
    server: TcpListener,
    proxy: Proxy,
}

impl Pair {
    async fn new() -> Self {
        Self::speaking(None).await
    }

    /// One whose proxy is told what is spoken.
    async fn speaking(protocol: Option<Protocol>) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = server.local_addr().unwrap().to_string();
        let listen = "127.0.0.1:0".parse().unwrap();
        Self { server, proxy: Proxy::open(Route { listen, upstream, protocol }, 1).unwrap() }
    }

    /// An open connection: the client's end and the server's.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address());
        let (client, server) = tokio::join!(client, self.server.accept());
        (client.unwrap(), server.unwrap().0)
    }

    /// The same, after some bytes went there and back.
    async fn talking(&self) -> (TcpStream, TcpStream) {
        let (mut client, mut server) = self.connect().await;
        assert_eq!(say(&mut client, &mut server, b"hello").await, b"hello");
        assert_eq!(say(&mut server, &mut client, b"yes").await, b"yes");
        (client, server)
    }
}

async fn say(from: &mut TcpStream, to: &mut TcpStream, what: &[u8]) -> Vec<u8> {
    from.write_all(what).await.unwrap();
    let mut heard = vec![0; what.len()];
    timeout(HANG, to.read_exact(&mut heard)).await.unwrap().unwrap();
    heard
}

/// Reads to the end, or to what breaks it.
async fn rest(from: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut heard = Vec::new();
    let read = timeout(HANG, from.read_to_end(&mut heard)).await.expect("hangs");
    read.map(|_| heard).map_err(|error| error.kind())
}

/// Writes without end until the other side takes no more for a while; how much it took.
async fn fill(to: &mut TcpStream) -> usize {
    let (mut written, lump) = (0, vec![1; 1 << 16]);
    while let Ok(wrote) = timeout(Duration::from_millis(300), to.write(&lump)).await {
        written += wrote.unwrap();
    }
    written
}

#[tokio::test]
async fn bytes_pass_both_ways_and_an_end_leaves_the_other_way_open() {
    let pair = Pair::new().await;
    let (mut client, mut server) = pair.talking().await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await.unwrap(), b"");
    server.write_all(b"late").await.unwrap();
    drop(server);
    assert_eq!(rest(&mut client).await.unwrap(), b"late");
    let passed = pair.proxy.passed();
    assert_eq!((passed.accepted, passed.upstream, passed.downstream), (1, 5, 7));
}

#[tokio::test]
async fn megabytes_pass_unchanged_with_and_without_toxics() {
    let pair = Pair::new().await;
    let chunk: Vec<u8> =
        (0..1 << 22).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for toxics in [
        vec![],
        vec![toxic(Kind::Latency, &[("latency", "5ms"), ("jitter", "5ms")])],
        vec![
            toxic(Kind::Bandwidth, &[("rate", "40MB/s")]),
            toxic(Kind::Slicer, &[("average_size", "3KB"), ("size_variation", "2KB")]),
        ],
    ] {
        pair.proxy.reset().await.unwrap();
        for toxic in toxics {
            pair.proxy.add(toxic).await.unwrap();
        }
        let (mut client, mut server) = pair.connect().await;
        let sending = async {
            client.write_all(&chunk).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let ((), heard) = tokio::join!(sending, rest(&mut server));
        assert!(heard.unwrap() == chunk);
    }
}

#[tokio::test]
async fn a_reset_is_seen_as_one_by_both_peers_of_a_connection_that_was_open() {
    let pair = Pair::new().await;
    let (mut client, mut server) = pair.talking().await;
    pair.proxy.add(toxic(Kind::ResetPeer, &[])).await.unwrap();
    assert_eq!(rest(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(rest(&mut server).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(pair.proxy.remove("reset_peer").await.unwrap().connections, 1);
    pair.talking().await;
}

#[tokio::test]
async fn a_reset_reaches_a_connection_that_is_stuck_in_a_write() {
    let pair = Pair::new().await;
    let (mut client, mut server) = pair.talking().await;
    fill(&mut client).await;
    pair.proxy.add(toxic(Kind::ResetPeer, &[])).await.unwrap();
    assert_eq!(rest(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert!(rest(&mut server).await.is_err());
}

#[tokio::test]
async fn the_reset_of_a_peer_is_passed_on_as_one() {
    let pair = Pair::new().await;
    let (mut client, server) = pair.talking().await;
    rustix::net::sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(rest(&mut client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn down_refuses_closes_what_is_open_and_gives_the_port_back() {
    let pair = Pair::new().await;
    let (mut client, _server) = pair.talking().await;
    for _ in 0..3 {
        pair.proxy.add(toxic(Kind::Down, &[])).await.unwrap();
        let refused = TcpStream::connect(pair.proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        pair.proxy.remove("down").await.unwrap();
        pair.talking().await;
    }
    assert_eq!(rest(&mut client).await.unwrap_or_default(), b"");
}

#[tokio::test]
async fn down_counts_every_connection_that_it_closes() {
    let pair = Pair::new().await;
    for connections in 1..20 {
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(pair.talking().await);
        }
        pair.proxy.add(toxic(Kind::Down, &[])).await.unwrap();
        let touched = pair.proxy.remove("down").await.unwrap();
        assert_eq!((touched.eligible, touched.connections), (connections, connections));
    }
}

#[tokio::test]
async fn a_connection_that_stays_open_is_counted_by_every_toxic_it_meets() {
    let pair = Pair::new().await;
    let (mut client, mut server) = pair.talking().await;
    for _ in 0..50 {
        pair.proxy.add(toxic(Kind::Latency, &[("latency", "1us")])).await.unwrap();
        say(&mut client, &mut server, b"hello").await;
        let touched = pair.proxy.remove("latency").await.unwrap();
        say(&mut client, &mut server, b"hello").await;
        assert_eq!((touched.eligible, touched.connections), (1, 1));
    }
}

#[tokio::test]
async fn a_client_whose_server_is_gone_is_reset() {
    let pair = Pair::new().await;
    drop(pair.server);
    let mut client = TcpStream::connect(pair.proxy.address()).await.unwrap();
    assert_eq!(rest(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(pair.proxy.passed().refused, 1);
}

#[tokio::test]
async fn what_a_hold_keeps_is_bounded_and_delivered_when_it_goes() {
    let pair = Pair::new().await;
    let (mut client, mut server) = pair.talking().await;
    pair.proxy.add(toxic(Kind::Hold, &[])).await.unwrap();
    let written = fill(&mut client).await;
    assert!(server.try_read(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock));
    // What two sockets and one connection hold. The kernel's part grows to a few megabytes.
    assert!(written < 24 << 20, "{written}");
    let touched = timeout(HANG, pair.proxy.remove("hold")).await.expect("hangs").unwrap();
    assert!(touched.bytes > 0);
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await.unwrap().len(), written);
}

#[tokio::test]
async fn toxics_come_and_go_under_load_without_a_hang_or_a_lost_byte() {
    let pair = Pair::new().await;
    let mut echoes = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (client, server) = pair.connect().await;
        echoes.spawn(async move {
            let (mut read, mut write) = server.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            drop(write);
            0
        });
        echoes.spawn(async move {
            let (mut read, mut write) = client.into_split();
            let writing = async {
                for n in 0..200u8 {
                    write.write_all(&[n; 5_000]).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(write);
            };
            let mut heard = Vec::new();
            let (read, ()) = tokio::join!(read.read_to_end(&mut heard), writing);
            read.unwrap();
            assert!(heard.chunks(5_000).enumerate().all(|(n, c)| c.iter().all(|b| *b == n as u8)));
            heard.len()
        });
    }
    let changing = async {
        for n in 0..40 {
            let kind = [Kind::Latency, Kind::Hold, Kind::Slicer, Kind::Bandwidth][n % 4];
            let amounts: &[_] = match kind {
                Kind::Latency => &[("latency", "20ms")],
                Kind::Slicer => &[("average_size", "100B")],
                Kind::Bandwidth => &[("rate", "1KB/s")],
                _ => &[],
            };
            pair.proxy.add(toxic(kind, amounts)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            pair.proxy.remove(kind.name()).await.unwrap();
        }
    };
    timeout(HANG, changing).await.expect("a removal hangs");
    let mut total = 0;
    while let Some(heard) = timeout(HANG, echoes.join_next()).await.expect("a connection hangs") {
        total += heard.unwrap();
    }
    assert_eq!(total, 16 * 200 * 5_000);
}

#[tokio::test]
async fn the_same_seed_touches_the_same_connections() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let pair = Pair::new().await;
        let hole = Toxic { toxicity: 0.4, ..toxic(Kind::ResetPeer, &[]) };
        let mut touched = Vec::new();
        let mut open = Vec::new();
        for _ in 0..40 {
            open.push(pair.talking().await);
        }
        pair.proxy.add(hole).await.unwrap();
        for (mut client, server) in open {
            drop(server);
            touched.push(rest(&mut client).await == Err(ErrorKind::ConnectionReset));
        }
        let counted = pair.proxy.remove("reset_peer").await.unwrap();
        assert_eq!(counted.connections, touched.iter().filter(|touched| **touched).count() as u64);
        assert_eq!(counted.eligible, 40);
        assert!((8..25).contains(&counted.connections), "{counted:?}");
        runs.push(touched);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_dropped_proxy_refuses_and_closes() {
    let pair = Pair::new().await;
    let (mut client, _server) = pair.talking().await;
    let address = pair.proxy.address();
    drop(pair.proxy);
    assert_eq!(rest(&mut client).await.unwrap_or_default(), b"");
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

/// One line of a Redis command and the reply to it, or `None` where none comes in time.
async fn ask(client: &mut TcpStream, server: &mut TcpStream, line: &str) -> Option<Duration> {
    let begin = tokio::time::Instant::now();
    client.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    let mut heard = vec![0; line.len() + 2];
    timeout(Duration::from_millis(500), server.read_exact(&mut heard)).await.ok()?.unwrap();
    assert_eq!(heard, format!("{line}\r\n").as_bytes());
    server.write_all(b"+OK\r\n").await.unwrap();
    let mut reply = [0; 5];
    timeout(Duration::from_millis(500), client.read_exact(&mut reply)).await.ok()?.unwrap();
    assert_eq!(&reply, b"+OK\r\n");
    Some(begin.elapsed())
}

#[tokio::test]
async fn a_toxic_per_request_touches_those_that_match_and_no_others() {
    let pair = Pair::speaking(Some(Protocol::Redis)).await;
    let (mut client, mut server) = pair.connect().await;
    let mut slow = toxic(Kind::Latency, &[("latency", "60ms")]);
    slow.stream = Direction::Downstream;
    slow.per = Per::Request(Some("GET cart:*".to_owned()));
    pair.proxy.add(slow).await.unwrap();
    for (line, slowed) in
        [("GET cart:1", true), ("GET item:1", false), ("SET cart:1", false), ("GET cart:2", true)]
    {
        let took = ask(&mut client, &mut server, line).await.unwrap();
        assert!(!slowed || took >= Duration::from_millis(60), "{line}: {took:?}");
    }
    let touched = pair.proxy.remove("latency").await.unwrap();
    assert_eq!((touched.eligible, touched.connections), (2, 2));
}

#[tokio::test]
async fn which_requests_a_share_touches_follows_from_the_seed() {
    let pair = Pair::speaking(Some(Protocol::Redis)).await;
    let (mut client, mut server) = pair.connect().await;
    let mut noop = toxic(Kind::CorruptStream, &[("probability", "0%")]);
    noop.toxicity = 0.3;
    noop.per = Per::Request(None);
    pair.proxy.add(noop).await.unwrap();
    for n in 0..100 {
        ask(&mut client, &mut server, &format!("GET {n}")).await.unwrap();
    }
    let touched = pair.proxy.toxics()[0].1;
    assert_eq!(touched.eligible, 100);
    // A reset on the first request it concerns, which is known beforehand.
    let mut reset = toxic(Kind::ResetPeer, &[]);
    reset.toxicity = 0.2;
    reset.per = Per::Request(None);
    pair.proxy.add(reset).await.unwrap();
    let concerned = |n: &u64| super::super::toxic::roll(1, "reset_peer", 0, *n) < 0.2;
    let first = (101..1_000).find(concerned).unwrap();
    for n in 101..first {
        ask(&mut client, &mut server, &format!("GET {n}")).await.unwrap();
    }
    client.write_all(b"GET last\r\n").await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_request_that_is_swallowed_takes_what_follows_with_it_and_spares_other_connections() {
    let pair = Pair::speaking(Some(Protocol::Redis)).await;
    let (mut client, mut server) = pair.connect().await;
    let (mut other, mut others) = pair.connect().await;
    let mut hole = toxic(Kind::Timeout, &[]);
    hole.stream = Direction::Upstream;
    hole.per = Per::Request(Some("GET lost".to_owned()));
    pair.proxy.add(hole).await.unwrap();
    assert!(ask(&mut client, &mut server, "GET a").await.is_some());
    assert_eq!(ask(&mut client, &mut server, "GET lost").await, None);
    assert_eq!(ask(&mut client, &mut server, "GET b").await, None);
    assert!(ask(&mut other, &mut others, "GET b").await.is_some());
    let touched = pair.proxy.remove("timeout").await.unwrap();
    assert_eq!((touched.eligible, touched.connections), (2, 2));
    // A stream with a gap is closed when the hole is.
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn per_request_where_nothing_says_what_a_request_is_is_an_error() {
    let pair = Pair::new().await;
    let per = Per::Request(None);
    let error = pair.proxy.add(Toxic { per, ..toxic(Kind::Hold, &[]) }).await.unwrap_err();
    let expected = "the toxic \"hold\" is per request, but the proxy is not told a protocol";
    assert_eq!(error.to_string(), expected);
    assert!(pair.proxy.toxics().is_empty());
}

/// A connector and a proxy within, and a server.
async fn within() -> (Connector, Proxy, TcpListener) {
    let connector = Connector::new(&TlsSettings::default()).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (connector, Proxy::within(Some(Protocol::Redis), 1), server)
}

#[tokio::test]
async fn connections_of_the_engines_own_are_disturbed_without_a_door() {
    let (connector, link, server) = within().await;
    let port = server.local_addr().unwrap().port();
    let connect = async |number, limit| {
        let via = Some(Via { link: &link, number });
        connector.connect("127.0.0.1", port, None, limit, via, &mut |_| {}).await
    };
    let (opened, accepted) = tokio::join!(connect(7, HANG), server.accept());
    let (mut here, mut there) = (opened.unwrap().stream, accepted.unwrap().0);
    here.write_all(b"GET a\r\n").await.unwrap();
    there.read_exact(&mut [0; 7]).await.unwrap();
    link.add(toxic(Kind::ResetPeer, &[])).await.unwrap();
    assert_eq!(here.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(there.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    link.remove("reset_peer").await.unwrap();

    link.add(toxic(Kind::Down, &[])).await.unwrap();
    let refused = connect(8, HANG).await.unwrap_err();
    assert_eq!(refused.failure, ConnectFailure::Refused, "{refused}");
    let touched = link.remove("down").await.unwrap();
    assert_eq!((touched.eligible, touched.connections), (1, 1));

    link.add(toxic(Kind::Timeout, &[])).await.unwrap();
    let late = connect(9, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.failure, ConnectFailure::Timeout, "{late}");
    let (opened, ()) = tokio::join!(connect(10, HANG), async {
        tokio::task::yield_now().await;
        assert_eq!(link.remove("timeout").await.unwrap().connections, 2);
    });
    assert!(opened.is_ok());
    assert_eq!(link.passed().accepted, 2);
}

#[tokio::test]
async fn which_of_the_engines_own_connections_are_concerned_follows_from_their_numbers() {
    let (connector, link, server) = within().await;
    let port = server.local_addr().unwrap().port();
    link.add(Toxic { toxicity: 0.3, ..toxic(Kind::Timeout, &[]) }).await.unwrap();
    for number in 0..20 {
        let concerned = super::super::toxic::roll(1, "timeout", number, 0) < 0.3;
        let via = Some(Via { link: &link, number });
        let limit = if concerned { Duration::from_millis(50) } else { HANG };
        let opened = connector.connect("127.0.0.1", port, None, limit, via, &mut |_| {}).await;
        assert_eq!(opened.is_err(), concerned, "{number}");
    }
}
