//! The hot paths of the HTTP client that need no socket: building a request, decoding a reply.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use loadrun::client::http::{Client, Reply, Settings};

const LIMIT: u64 = 16 << 20;

/// What nginx sends for a small file.
const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: application/octet-stream\r\n\
    Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Transfer-Encoding: chunked\r\n\r\n1b\r\n{\"id\":1,\"name\":\"something\"}\r\n0\r\n\r\n";

fn decode(bytes: &[u8], piece: usize) -> bool {
    let mut reply = Reply::new(false, LIMIT);
    for piece in bytes.chunks(piece) {
        let _ = black_box(reply.feed(piece));
    }
    reply.done()
}

fn http(criterion: &mut Criterion) {
    for (name, bytes) in [("small", SMALL), ("chunked", CHUNKED)] {
        criterion.bench_function(&format!("reply/{name}"), |bencher| {
            bencher.iter(|| decode(black_box(bytes), bytes.len()));
        });
        criterion.bench_function(&format!("reply/{name} in pieces of 16"), |bencher| {
            bencher.iter(|| decode(black_box(bytes), 16));
        });
    }
    let Ok(client) = Client::new(Settings::default()) else {
        return;
    };
    criterion.bench_function("request/absolute", |bencher| {
        bencher.iter(|| client.request("GET", black_box("http://127.0.0.1:8080/items/1?a=b")));
    });
}

criterion_group!(benches, http);
criterion_main!(benches);
