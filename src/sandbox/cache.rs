//! Items in Redis, as the practice target's cache: one connection for all requests, opened when it
//! is needed and let go of at the first sign that it is broken.
//!
//! A call that is given up may be one whose connection is dead without a word, as behind a link
//! that swallows everything. So it takes its connection with it, and the next call opens another:
//! what lives on is never trusted for longer than one timeout.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError};

use super::{Item, SandboxError};

/// How long an item is kept.
const LIFETIME: Duration = Duration::from_mins(1);

/// A Redis with items in it.
pub(super) struct Cache {
    client: Client,
    slot: Mutex<Slot>,
    /// Held by whoever opens a connection; the others wait for it.
    opening: tokio::sync::Mutex<()>,
}

/// The connection, if there is one.
#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// How many there have been.
    number: u64,
}

/// A call under way: unless it ends well, its connection goes with it.
struct Call<'a> {
    cache: &'a Cache,
    connection: MultiplexedConnection,
    number: u64,
    well: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut slot = self.cache.slot();
        if !self.well && slot.number == self.number {
            slot.connection = None;
        }
    }
}

impl Cache {
    /// A cache at that address, which has to answer.
    pub(super) async fn open(url: &str) -> Result<Self, SandboxError> {
        let wrong = |error: RedisError| SandboxError {
            what: format!("redis: {error}"),
            hint: Some("expected a URL such as redis://127.0.0.1:6379".to_owned()),
        };
        let client = Client::open(url).map_err(wrong)?;
        let cache = Self { client, slot: Mutex::default(), opening: tokio::sync::Mutex::default() };
        cache.run::<()>(&redis::cmd("PING")).await.map_err(|error| SandboxError {
            what: format!("redis does not answer: {error}"),
            hint: Some("start it before the practice target, or leave out its address".to_owned()),
        })?;
        Ok(cache)
    }

    /// The item of that number, if it is there and makes sense.
    pub(super) async fn item(&self, id: i64) -> Result<Option<Item>, RedisError> {
        let text: Option<Vec<u8>> = self.run(redis::cmd("GET").arg(key(id))).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Keeps an item for the next who asks.
    pub(super) async fn keep(&self, item: &Item) -> Result<(), RedisError> {
        let text = serde_json::to_vec(item).unwrap_or_default();
        self.run(redis::cmd("SETEX").arg(key(item.id)).arg(LIFETIME.as_secs()).arg(text)).await
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let mut call = self.call().await?;
        let result = command.query_async(&mut call.connection).await;
        // What the server itself says leaves the connection as good as it was.
        call.well = result.as_ref().err().is_none_or(|error| error.code().is_some());
        result
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> Option<Call<'_>> {
        let slot = self.slot();
        let connection = slot.connection.clone()?;
        Some(Call { cache: self, connection, number: slot.number, well: false })
    }

    /// The connection there is, or a new one.
    async fn call(&self) -> Result<Call<'_>, RedisError> {
        if let Some(call) = self.present() {
            return Ok(call);
        }
        let _guard = self.opening.lock().await;
        if let Some(call) = self.present() {
            return Ok(call);
        }
        // How long anything may take is the caller's to say.
        let patient =
            AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&patient).await?;
        let mut slot = self.slot();
        slot.number += 1;
        slot.connection = Some(connection.clone());
        Ok(Call { cache: self, connection, number: slot.number, well: false })
    }
}

/// Where an item lies.
fn key(id: i64) -> String {
    format!("sandbox:item:{id}")
}
