//! What calls back: an HTTP endpoint on the loopback interface for requests that a target sends.
//!
//! It knows nothing of scripts: whoever opens one is handed each request with the place its answer
//! goes to, and a caller whose answer does not come is told so. Requests are taken in at once, so
//! the time of arrival does not wait for whoever answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Bytes of a body that are read.
const BODY_LIMIT: usize = 1 << 20;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// When it was there, its body too.
    pub received: Instant,
    /// For example `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What stands behind the `?`; empty where nothing does.
    pub query: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Beyond those every answer has.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long to wait before.
    pub delay: Duration,
}

impl Answer {
    /// One without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }
}

/// A request and where its answer goes.
pub type Asked = (Inbound, oneshot::Sender<Answer>);

/// Opens an endpoint on a free port; it lasts as long as the runtime that this is called in. Each
/// request goes to `asked`.
pub fn open(asked: mpsc::UnboundedSender<Asked>) -> io::Result<SocketAddr> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(take).with_state(asked);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn take(State(asked): State<mpsc::UnboundedSender<Asked>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return response(&Answer::status(413));
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let inbound = Inbound {
        received: Instant::now(),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
    };
    let (sender, answer) = oneshot::channel();
    // Nobody answers any more once the run is over.
    let answer = match asked.send((inbound, sender)) {
        Ok(()) => answer.await.unwrap_or_else(|_| Answer::status(503)),
        Err(_) => Answer::status(503),
    };
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    response(&answer)
}

fn response(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    let status = StatusCode::from_u16(answer.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        // Checked by whoever made the answer; what HTTP does not allow is left out.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests;
