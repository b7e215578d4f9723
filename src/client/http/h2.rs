//! HTTP/2 through hyper. Unlike HTTP/1.1 it needs a task a connection, since frames of many
//! requests arrive mixed; hyper's is spawned on the worker's runtime and ends with the last user
//! of the connection.

use std::error::Error;
use std::io;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::exchange::{Draft, Protocol, Stage};
use super::fields::{self, Headers};
use super::h1::{Broken, Reached};
use super::head::Hop;
use super::reply::{Answered, over_limit};
use super::{Failure, FailureKind};
use crate::wire::{Stream, tls_trouble};

/// Longest head accepted, in bytes, as for HTTP/1.1.
const HEAD_LIMIT: u32 = 64 << 10;

/// Fields that belong to an HTTP/1.1 connection and must not be sent on this one (RFC 9113, 8.2.2).
const CONNECTION_FIELDS: [&[u8]; 4] =
    [b"connection", b"keep-alive", b"proxy-connection", b"upgrade"];

/// One connection, used by any number of requests at once.
#[derive(Debug)]
pub(super) struct Link {
    requests: SendRequest<Full<Bytes>>,
}

impl Link {
    /// Greets the peer on a fresh connection.
    pub(super) async fn open(stream: Stream) -> Result<Self, Failure> {
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| explain(&error))?;
        // How the connection ends is told to each request on it; the task has nobody to tell.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { requests })
    }

    /// Whether the connection takes no more requests.
    pub(super) fn closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Sends one hop's request and reads its reply into the draft.
    pub(super) async fn exchange(
        &self,
        hop: &Hop<'_>,
        limit: u64,
        draft: &mut Draft,
    ) -> Result<Answered, Broken> {
        draft.enter(Stage::Wait);
        draft.exchange.protocol = Protocol::Http2;
        let (request, size) = message(hop).map_err(|failure| broken(failure, Reached::Nothing))?;
        draft.exchange.sent += size;
        let reply = self.requests.clone().try_send_request(request).await.map_err(|error| {
            // hyper gives back a request of which it wrote nothing.
            let unsent = error.message().is_some();
            if unsent {
                draft.exchange.sent -= size;
            }
            let reached = match error.error() {
                _ if unsent => Reached::Nothing,
                error if is_of_stream(error) => Reached::Reply,
                _ => Reached::Target,
            };
            broken(explain(error.error()), reached)
        })?;
        draft.enter(Stage::Receive);
        let (head, body) = reply.into_parts();
        draft.exchange.status = head.status.as_u16();
        let mut block = block(&head.headers);
        draft.exchange.received += block.len() as u64;
        let sets_cookie = head.headers.contains_key(http::header::SET_COOKIE);
        let packed = head.headers.contains_key(http::header::CONTENT_ENCODING);
        let body = receive(body, limit, &mut block, draft).await;
        draft.exchange.headers = Headers::new(block);
        draft.exchange.body = body.map_err(|failure| broken(failure, Reached::Reply))?;
        Ok(Answered { keep: true, sets_cookie, packed })
    }
}

fn broken(failure: Failure, reached: Reached) -> Broken {
    Broken { failure, reached }
}

/// Whether the peer answered this one request with a reset, and left the connection as it is.
fn is_of_stream(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_remote() && cause.is_reset())
}

/// The request as hyper takes it, and its size before compression in bytes.
fn message(hop: &Hop<'_>) -> Result<(http::Request<Full<Bytes>>, u64), Failure> {
    let mut authority = Vec::new();
    let mut headers = HeaderMap::new();
    let mut size = hop.request.body.bytes.len();
    let mut add = |name: &[u8], value: &[u8]| {
        size += name.len() + value.len();
        if name == b"Host" {
            authority = value.to_vec();
            return;
        }
        let unfit = CONNECTION_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            && !unfit
        {
            headers.append(name, value);
        }
    };
    hop.each_field(&mut add);
    hop.each_computed(&mut add);
    let request = hop.request;
    let uri = http::Uri::builder()
        .scheme(if hop.origin.tls { "https" } else { "http" })
        .authority(authority)
        .path_and_query(format!("{}{}", hop.prefix, request.path()))
        .build()
        .map_err(|error| {
            let detail = format!("{} cannot be sent by HTTP/2: {error}", request.path());
            Failure::new(FailureKind::Protocol, detail)
        })?;
    let mut message = http::Request::new(Full::new(request.body.bytes.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    Ok((message, size as u64))
}

/// Reads a body to its end, or to the limit; trailers go to the headers.
async fn receive(
    mut body: hyper::body::Incoming,
    limit: u64,
    trailers: &mut Vec<u8>,
    draft: &mut Draft,
) -> Result<Bytes, Failure> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| explain(&error))?;
        match frame.into_data() {
            Ok(data) => {
                draft.exchange.received += data.len() as u64;
                if data.len() as u64 > limit.saturating_sub(whole.len() as u64) {
                    return Err(over_limit(limit));
                }
                whole.extend_from_slice(&data);
            }
            Err(frame) => {
                if let Ok(fields) = frame.into_trailers() {
                    trailers.extend(block(&fields));
                }
            }
        }
    }
    Ok(whole.into())
}

fn block(fields: &HeaderMap) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        fields::push_unchecked(&mut block, name.as_str().as_bytes(), value.as_bytes());
    }
    block
}

/// What an error of hyper's means: the cause it wraps says more than it does itself.
fn explain(error: &hyper::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(found) = cause {
        if let Some(error) = found.downcast_ref::<h2::Error>() {
            return explain_h2(error);
        }
        if let Some(error) = found.downcast_ref::<io::Error>() {
            return broken_off(&tls_trouble(error).unwrap_or_else(|| error.to_string()));
        }
        cause = found.source();
    }
    if error.is_canceled() || error.is_closed() || error.is_incomplete_message() {
        return broken_off(&error.to_string());
    }
    Failure::new(FailureKind::Protocol, format!("HTTP/2: {error}"))
}

fn explain_h2(error: &h2::Error) -> Failure {
    let ended_by_peer = error.is_remote() && (error.is_reset() || error.is_go_away());
    if error.is_io() || ended_by_peer {
        let of_tls = error.get_io().and_then(|error| tls_trouble(error));
        return broken_off(&of_tls.unwrap_or_else(|| error.to_string()));
    }
    Failure::new(FailureKind::Protocol, format!("HTTP/2: {error}"))
}

fn broken_off(why: &str) -> Failure {
    Failure::new(FailureKind::Reset, format!("the target broke off: {why}"))
}
