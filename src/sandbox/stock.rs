//! Items and orders, wherever they are kept: in the target's own SQLite, or in a database, with a
//! cache before it or not.
//!
//! Items are read *cache aside*: from Redis, else from the database, which also fills Redis for the
//! next one. A cache that does not answer is gone around, if the target's [`Care`] has a fallback,
//! and such an answer says so; a database that does not answer has no substitute but what is in the
//! cache already.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::timeout;

use super::cache::Cache;
use super::database::Database;
use super::dependency::{Dependency, Unanswered};
use super::{Care, Dependencies, Item, Order, SandboxError, Store, StoreError};

/// How long connections may take to close at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// All items and orders.
pub(super) struct Stock {
    own: Arc<Store>,
    database: Option<(Database, Dependency)>,
    cache: Option<(Cache, Dependency)>,
}

/// How an item was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// There is no cache.
    Direct,
    /// It was in the cache.
    Hit,
    /// It was not in the cache.
    Miss,
    /// The cache did not answer, and was gone around.
    Fallback,
}

/// Why something could not be read or written.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A dependency did not answer.
    Unanswered(Unanswered),
    /// The target's own database refused.
    Store(StoreError),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(why) => why.fmt(f),
            Self::Store(why) => why.fmt(f),
        }
    }
}

impl From<Unanswered> for Trouble {
    fn from(why: Unanswered) -> Self {
        Self::Unanswered(why)
    }
}

impl From<StoreError> for Trouble {
    fn from(why: StoreError) -> Self {
        Self::Store(why)
    }
}

impl Stock {
    /// Connects to what there is; each dependency has to answer.
    pub(super) async fn open(
        dependencies: &Dependencies,
        own: Arc<Store>,
    ) -> Result<Self, SandboxError> {
        let (mut database, mut cache) = (None, None);
        if let Some(url) = &dependencies.database {
            database = Some((Database::open(url).await?, Dependency::new("database")));
        }
        if let Some(url) = &dependencies.redis {
            cache = Some((Cache::open(url).await?, Dependency::new("redis")));
        }
        Ok(Self { own, database, cache })
    }

    /// The item of that number, and how it was come by.
    pub(super) async fn item(&self, care: &Care, id: i64) -> Result<(Option<Item>, Way), Trouble> {
        let Some((cache, redis)) = &self.cache else {
            return Ok((self.stored(care, id).await?, Way::Direct));
        };
        let way = match redis.ask(care, || cache.item(id)).await {
            Ok(Some(item)) => return Ok((Some(item), Way::Hit)),
            Ok(None) => Way::Miss,
            Err(_) if care.fallback.0 => Way::Fallback,
            Err(why) => return Err(why.into()),
        };
        let item = self.stored(care, id).await?;
        if let (Some(item), Way::Miss) = (&item, way) {
            // The item is had without; that it was not kept shows in the counters.
            let _ = redis.ask(care, || cache.keep(item)).await;
        }
        Ok((item, way))
    }

    async fn stored(&self, care: &Care, id: i64) -> Result<Option<Item>, Trouble> {
        match &self.database {
            None => Ok(self.own.item(id).await?),
            Some((database, dependency)) => Ok(dependency.ask(care, || database.item(id)).await?),
        }
    }

    /// Creates an item; returns its number once it is safe.
    pub(super) async fn create(&self, care: &Care, name: &str, price: i64) -> Result<i64, Trouble> {
        match &self.database {
            None => Ok(self.own.create(name, price).await?),
            Some((database, dependency)) => {
                Ok(dependency.ask(care, || database.create(name, price)).await?)
            }
        }
    }

    /// Stores an order once, however often it comes; returns once it is safe.
    pub(super) async fn order(&self, care: &Care, order: &Order) -> Result<(), Trouble> {
        match &self.database {
            None => Ok(self.own.order(order).await?),
            Some((database, dependency)) => {
                Ok(dependency.ask(care, || database.order(order)).await?)
            }
        }
    }

    /// The order known by `id`.
    pub(super) async fn ordered(&self, care: &Care, id: &str) -> Result<Option<Order>, Trouble> {
        match &self.database {
            None => Ok(self.own.ordered(id).await?),
            Some((database, dependency)) => {
                Ok(dependency.ask(care, || database.ordered(id)).await?)
            }
        }
    }

    /// Up to `limit` orders stored after the cursor `since`; asked for by those who watch, so it is
    /// neither cut short nor counted.
    pub(super) async fn orders(&self, since: i64, limit: usize) -> Result<Vec<Order>, StoreError> {
        match &self.database {
            None => self.own.orders(since, limit).await,
            Some((database, _)) => Ok(database.orders(since, limit).await?),
        }
    }

    /// Breaker and counters of each dependency, for `GET /control`.
    pub(super) fn shown(&self) -> Value {
        let database = self.database.as_ref().map(|(_, it)| ("database".to_owned(), it.shown()));
        let redis = self.cache.as_ref().map(|(_, it)| ("redis".to_owned(), it.shown()));
        Value::Object(database.into_iter().chain(redis).collect::<Map<_, _>>())
    }

    /// Lets go of what it holds, as far as the other side takes part.
    pub(super) async fn close(&self) {
        if let Some((database, _)) = &self.database {
            let _ = timeout(FAREWELL, database.close()).await;
        }
    }
}
