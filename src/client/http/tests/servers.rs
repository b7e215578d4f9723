//! Servers for tests: each connection is given to a function that says what to do with it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Base, Client, Exchange, Request, Session, Settings};

/// A listening server and how many connections it has accepted.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) accepted: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings { base: Some(Base::Url(self.url())), ..Settings::default() }
    }

    pub(super) fn client(&self) -> Rc<Client> {
        Client::new(self.settings()).unwrap()
    }

    /// One GET by a client of its own with the default settings.
    pub(super) async fn reply(&self) -> Exchange {
        within(&self.client(), &Session::default(), "/").await
    }
}

/// One GET.
pub(super) async fn within(client: &Client, session: &Session, path: &str) -> Exchange {
    client.send(session, &mut client.request("GET", path).unwrap()).await
}

pub(super) async fn send(client: &Client, mut request: Request) -> Exchange {
    client.send(&Session::default(), &mut request).await
}

/// Starts a server; `behave` is given each connection and its number, from 0.
pub(super) async fn serve<F, B>(behave: B) -> Server
where
    F: Future<Output = ()> + Send + 'static,
    B: Fn(TcpStream, usize) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(behave(stream, number));
        }
    });
    Server { address, accepted }
}

/// Answers every request on every connection with these bytes; closes after it if `close`.
pub(super) async fn always(reply: impl Into<Vec<u8>>, close: bool) -> Server {
    let reply: Arc<[u8]> = reply.into().into();
    serve(move |mut stream, _| {
        let reply = Arc::clone(&reply);
        async move {
            while read_request(&mut stream).await.is_some() {
                if stream.write_all(&reply).await.is_err() || close {
                    break;
                }
            }
        }
    })
    .await
}

/// Answers each request with what a function makes of it.
pub(super) async fn answer(make: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let make = Arc::new(make);
    serve(move |mut stream, _| {
        let make = Arc::clone(&make);
        async move {
            while let Some(request) = read_request(&mut stream).await {
                if stream.write_all(make(&request).as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    })
    .await
}

/// Answers 200 with the request itself for a body.
pub(super) async fn echo() -> Server {
    answer(ok).await
}

/// A reply with status 200 and this body.
pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// One request, head and body, as text; `None` when the client has closed.
pub(super) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Closes a connection by RST.
#[expect(deprecated, reason = "a linger of zero does not block, which is what deprecated it")]
pub(super) fn reset(stream: TcpStream) {
    stream.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
}
