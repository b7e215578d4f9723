//! Whether a server answers in its own language: the last word on whether it is ready.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one answer may take; a server that is starting may accept and then say nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// `PING` at host and port; a demand for a password is an answer too.
    Redis(String),
    /// At host and port, whether it does TLS: it says yes or no.
    Postgres(String),
    /// It speaks first, at host and port.
    MariaDb(String),
    /// Somebody listens at host and port.
    Port(String),
    /// A URL is answered with a status below 400.
    Url(String),
}

impl Probe {
    /// Asks once.
    pub(super) async fn answers(&self) -> bool {
        let asked = async {
            match self {
                Self::Redis(place) => {
                    let reply = exchange(place, b"PING\r\n").await?;
                    Some(reply.starts_with(b"+PONG") || reply.starts_with(b"-NOAUTH"))
                }
                Self::Postgres(place) => {
                    let reply = exchange(place, b"\x00\x00\x00\x08\x04\xd2\x16\x2f").await?;
                    Some(matches!(reply[..], [b'S' | b'N']))
                }
                Self::MariaDb(place) => Some(exchange(place, b"").await?.get(4) == Some(&10)),
                Self::Port(place) => TcpStream::connect(place).await.ok().map(|_| true),
                Self::Url(url) => {
                    let reply = reqwest::get(url).await.ok()?;
                    Some(reply.status().as_u16() < 400)
                }
            }
        };
        timeout(PATIENCE, asked).await.ok().flatten().unwrap_or(false)
    }
}

/// Says something, and gives the first bytes of what comes back; `None` where nothing does.
async fn exchange(place: &str, said: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(place).await.ok()?;
    stream.write_all(said).await.ok()?;
    let mut reply = vec![0; 512];
    let length = stream.read(&mut reply).await.ok()?;
    reply.truncate(length);
    Some(reply)
}
