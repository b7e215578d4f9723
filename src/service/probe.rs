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
