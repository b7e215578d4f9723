//! What came of one request.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::client::FailureKind;

/// What came of one request, whether it succeeded or not.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The last reply's status; 0 when no whole head arrived.
    pub status: u16,
    /// The last reply's headers, trailers after them.
    pub headers: Headers,
    /// The last reply's body, unpacked.
    pub body: Bytes,
    /// Why it failed; `None` is a success.
    pub error: Option<FailureKind>,
    /// The failure in plain words.
    pub detail: Option<String>,
    /// Where the time went; redirects and a second try are added up.
    pub timing: Timing,
    /// When `send` was called.
    pub started: Instant,
    /// From `started` until the reply was whole or the failure known.
    pub duration: Duration,
    /// Bytes written, head and body, above TLS.
    pub sent: u64,
    /// Bytes read, head and body as they came, above TLS.
    pub received: u64,
    /// Connections opened, or tried, for this request.
    pub connects: u32,
    /// Redirects followed.
    pub redirects: u8,
    /// What the last reply was spoken in.
    pub protocol: Protocol,
}

/// Where a request's time went. The parts add up to at most the duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waiting for a connection of a shared set, or for room on it.
    pub blocked: Duration,
    /// Resolving the host name.
    pub dns: Duration,
    /// Opening the TCP connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// Writing the request.
    pub send: Duration,
    /// From the request's last byte to the reply's first.
    pub wait: Duration,
    /// From the reply's first byte to its last.
    pub receive: Duration,
}

/// A version of HTTP as it was spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// As in a status line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// A reply's headers: the bytes as they came, looked through when asked.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// `Name: value` lines, each ended by a line feed.
    raw: Bytes,
}

impl Headers {
    /// The first value under this name, whatever its letter case.
    pub fn find(&self, _name: &str) -> Option<&[u8]> {
        todo!()
    }

    /// All headers in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let _ = &self.raw;
        std::iter::empty()
    }
}
